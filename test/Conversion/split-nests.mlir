// RUN: lpu-opt %s --split-input-file --pass-pipeline='builtin.module(func.func(lpu-split-nests))' | FileCheck %s
// RUN: lpu-opt %s --split-input-file --pass-pipeline='builtin.module(func.func(lpu-split-nests),func.func(lpu-split-nests))' | FileCheck %s

// 20 operations, 16 ALUs: what the first ones compute goes through a buffer.
// CHECK-LABEL: func.func @long
// CHECK: %[[X:.*]] = lpu.load_input
// CHECK: %[[FIRST:.*]] = lpu.nest(%[[X]]) loops [6, 2] at [array<i64: 0, 2, 1>, array<i64: 0, 2, 1>] : (!lpu.buffer<12, 20, f32>) -> !lpu.buffer<12, 20, f32>
// CHECK: %[[REST:.*]] = lpu.nest(%[[FIRST]]) loops [6, 2] at [array<i64: 0, 2, 1>, array<i64: 0, 1, 6>]
// CHECK-NOT: lpu.nest
// CHECK: lpu.store_output %[[REST]]
module attributes {lpu.target = "tiny"} {
  func.func @long() {
    %x = lpu.load_input "x" shape [12, 20] {layout = array<i64: 1, 1, 0, 1, 0>} : !lpu.buffer<12, 20, f32>
    %y = lpu.nest(%x) loops [6, 2] at [array<i64: 0, 2, 1>, array<i64: 0, 1, 6>]
        : (!lpu.buffer<12, 20, f32>) -> !lpu.buffer<12, 20, f32> {
    ^bb0(%x0: f32):
      %v0 = arith.addf %x0, %x0 : f32
      %v1 = arith.mulf %v0, %v0 : f32
      %v2 = arith.addf %v1, %v1 : f32
      %v3 = arith.mulf %v2, %v2 : f32
      %v4 = arith.addf %v3, %v3 : f32
      %v5 = arith.mulf %v4, %v4 : f32
      %v6 = arith.addf %v5, %v5 : f32
      %v7 = arith.mulf %v6, %v6 : f32
      %v8 = arith.addf %v7, %v7 : f32
      %v9 = arith.mulf %v8, %v8 : f32
      %v10 = arith.addf %v9, %v9 : f32
      %v11 = arith.mulf %v10, %v10 : f32
      %v12 = arith.addf %v11, %v11 : f32
      %v13 = arith.mulf %v12, %v12 : f32
      %v14 = arith.addf %v13, %v13 : f32
      %v15 = arith.mulf %v14, %v14 : f32
      %v16 = arith.addf %v15, %v15 : f32
      %v17 = arith.mulf %v16, %v16 : f32
      %v18 = arith.addf %v17, %v17 : f32
      %v19 = arith.mulf %v18, %v18 : f32
      lpu.yield %v19 : f32
    }
    lpu.store_output %y as "y" shape [12, 20] {layout = array<i64: 1, 1, 0, 1, 0>} : !lpu.buffer<12, 20, f32>
    return
  }
}

// -----

// Seven buffers are more than the streams of a direction carry. A bool goes through a buffer as 0 or 1; the sum stays with the rest.
// CHECK-LABEL: func.func @wide
// CHECK: %[[BITS:.*]]:{{[0-9]+}} = lpu.nest({{[^)]*}}) loops [3, 4] at
// CHECK: arith.extui %{{.*}} : i1 to i32
// CHECK: lpu.nest({{.*}}%[[BITS]]{{.*}}) loops [3, 4] at {{.*}} reduce "add"
// CHECK: arith.trunci %{{.*}} : i32 to i1
// CHECK-NOT: lpu.nest
// CHECK: lpu.store_output
module attributes {lpu.target = "tiny"} {
  func.func @wide() {
    %a = lpu.load_input "a" shape [12, 20] {layout = array<i64: 1, 1, 0, 1, 0>} : !lpu.buffer<12, 20, f32>
    %b = lpu.load_input "b" shape [12, 20] {layout = array<i64: 1, 1, 0, 1, 0>} : !lpu.buffer<12, 20, f32>
    %c = lpu.load_input "c" shape [12, 20] {layout = array<i64: 1, 1, 0, 1, 0>} : !lpu.buffer<12, 20, f32>
    %d = lpu.load_input "d" shape [12, 20] {layout = array<i64: 1, 1, 0, 1, 0>} : !lpu.buffer<12, 20, f32>
    %e = lpu.load_input "e" shape [12, 20] {layout = array<i64: 1, 1, 0, 1, 0>} : !lpu.buffer<12, 20, f32>
    %f = lpu.load_input "f" shape [12, 20] {layout = array<i64: 1, 1, 0, 1, 0>} : !lpu.buffer<12, 20, f32>
    %g = lpu.load_input "g" shape [12, 20] {layout = array<i64: 1, 1, 0, 1, 0>} : !lpu.buffer<12, 20, f32>
    %y = lpu.nest(%a, %b, %c, %d, %e, %f, %g) loops [3, 4] at [array<i64: 0, 4, 1>, array<i64: 0, 4, 1>, array<i64: 0, 4, 1>, array<i64: 0, 4, 1>, array<i64: 0, 4, 1>, array<i64: 0, 4, 1>, array<i64: 0, 4, 1>, array<i64: 0, 1, 0>] reduce "add"
        : (!lpu.buffer<12, 20, f32>, !lpu.buffer<12, 20, f32>, !lpu.buffer<12, 20, f32>, !lpu.buffer<12, 20, f32>, !lpu.buffer<12, 20, f32>, !lpu.buffer<12, 20, f32>, !lpu.buffer<12, 20, f32>) -> !lpu.buffer<3, 20, f32> {
    ^bb0(%p: f32, %q: f32, %r: f32, %s: f32, %t: f32, %u: f32, %v: f32):
      %less = arith.cmpf olt, %p, %q : f32
      %also = arith.cmpf olt, %r, %s : f32
      %both = arith.andi %less, %also : i1
      %most = arith.maximumf %t, %u : f32
      %one = arith.select %both, %most, %v : f32
      lpu.yield %one : f32
    }
    lpu.store_output %y as "y" shape [3, 20] {layout = array<i64: 1, 1, 0, 1, 0>} : !lpu.buffer<3, 20, f32>
    return
  }
}
