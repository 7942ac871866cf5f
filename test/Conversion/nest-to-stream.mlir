// RUN: lpu-opt %s --split-input-file --pass-pipeline='builtin.module(lpu-place-buffers,lpu-emit-memory,convert-lpu-to-stream)' | FileCheck %s

// A sum is one chain: a word a cycle, the register is loaded anew with each result, which leaves at its last step.
// CHECK: stream.chain "nest1.0"
// CHECK-COUNT-4: repeat [5, 1, 6, 5] strides {r_addr = array<i64: 5, 1>}
// CHECK: %[[X:.*]] = stream.bundle
// CHECK: %[[SQUARE:.*]] = stream.issue "alu" on "vxm.*" at 9 {a = "stream", b = "stream", op = "mul"} repeat [5, 1, 6, 5] (%[[X]], %[[X]])
// CHECK: %[[SUM:.*]] = stream.issue "alu" on "vxm.*" at 13 {a = "mesh", op = "acc", reset = "outer"} repeat [5, 1, 6, 5] (%[[SQUARE]])
// CHECK: stream.issue "alu" on "vxm.*" at 21 {a = "mesh", op = "copy", out = "f32"} repeat [6, 5, 1, 0] (%[[SUM]])
// CHECK-COUNT-4: {w = "linear"{{.*}}} repeat [6, 5, 1, 0] strides {w_addr = array<i64: 0, 1>}
// CHECK-NOT: stream.chain
module attributes {lpu.target = "tiny"} {
  func.func @main() {
    %x = lpu.load_input "x" shape [6, 5, 20] {layout = array<i64: 2, 1, 0, 5, 1, 0>} : !lpu.buffer<30, 20, f32>
    %s = lpu.nest(%x) loops [6, 5] at [array<i64: 0, 5, 1>, array<i64: 0, 1, 0>] reduce "add"
        : (!lpu.buffer<30, 20, f32>) -> !lpu.buffer<6, 20, f32> {
    ^bb0(%p: f32):
      %q = arith.mulf %p, %p : f32
      lpu.yield %q : f32
    }
    lpu.store_output %s as "y" shape [6, 20] {layout = array<i64: 1, 1, 0, 1, 0>} : !lpu.buffer<6, 20, f32>
    return
  }
}

// -----

// 300 words lie in two banks of 256, and one chain reads and writes both: 44 words from the end, then the others.
// CHECK: isa.region "input" "x" {{.*}} words 0, 256
// CHECK: isa.region "input" "x" {{.*}} words 0, 44
// CHECK: stream.chain "nest1.0"
// CHECK-COUNT-4: {r = "linear", r_addr = 43 : i64{{.*}}} repeat [44, 1, 1, 0] strides {r_addr = array<i64: 0, -1>}
// CHECK-COUNT-4: {r = "linear", r_addr = 255 : i64{{.*}}} repeat [256, 1, 1, 0] strides {r_addr = array<i64: 0, -1>}
// CHECK: %[[X:.*]] = stream.merge
// CHECK: stream.issue "alu" {{.*}} {a = "stream", op = "neg", out = "f32"} repeat [300, 1, 1, 0] (%[[X]])
// CHECK-COUNT-4: {w = "linear"{{.*}}} repeat [256, 1, 1, 0]
// CHECK-COUNT-4: {w = "linear"{{.*}}} repeat [44, 1, 1, 0]
// CHECK-NOT: stream.chain
module attributes {lpu.target = "tiny"} {
  func.func @main() {
    %x = lpu.load_input "x" shape [300, 20] {layout = array<i64: 1, 1, 0, 1, 0>, chunk_words = 256} : !lpu.buffer<300, 20, f32>
    %s = lpu.nest(%x) loops [300] at [array<i64: 299, -1>, array<i64: 0, 1>]
        : (!lpu.buffer<300, 20, f32>) -> !lpu.buffer<300, 20, f32> {
    ^bb0(%p: f32):
      %q = arith.negf %p : f32
      lpu.yield %q : f32
    }
    lpu.store_output %s as "y" shape [300, 20] {layout = array<i64: 1, 1, 0, 1, 0>, chunk_words = 256} : !lpu.buffer<300, 20, f32>
    return
  }
}

// -----

// Loops that all walk through without a seam are one; of three that are left, the shortest has a chain a step.
// CHECK: stream.chain "nest1.0"
// CHECK: op = "bits", out = "i32"{{.*}}} repeat [4, 1, 3, 4]
// CHECK: stream.chain "nest1.1"
// CHECK: r_addr = 1 : i64
// CHECK-NOT: stream.chain
// CHECK: stream.program @seams
// CHECK: stream.chain "nest1.0"
// CHECK: op = "abs", out = "f32"{{.*}}} repeat [24, 1, 1, 0]
// CHECK-NOT: stream.chain
module attributes {lpu.target = "tiny"} {
  func.func @turned() {
    %x = lpu.load_input "x" shape [3, 4, 2, 20] {layout = array<i64: 3, 1, 0, 8, 2, 1, 0>} : !lpu.buffer<24, 20, f32>
    %y = lpu.nest(%x) loops [2, 3, 4] at [array<i64: 0, 1, 8, 2>, array<i64: 0, 12, 1, 3>]
        : (!lpu.buffer<24, 20, f32>) -> !lpu.buffer<24, 20, i32> {
    ^bb0(%p: f32):
      %q = arith.bitcast %p : f32 to i32
      lpu.yield %q : i32
    }
    lpu.store_output %y as "y" shape [2, 4, 3, 20] {element = i32, layout = array<i64: 3, 1, 0, 12, 3, 1, 0>} : !lpu.buffer<24, 20, i32>
    return
  }
  func.func @seams() {
    %x = lpu.load_input "x" shape [3, 4, 2, 20] {layout = array<i64: 3, 1, 0, 8, 2, 1, 0>} : !lpu.buffer<24, 20, f32>
    %y = lpu.nest(%x) loops [3, 4, 2] at [array<i64: 0, 8, 2, 1>, array<i64: 0, 8, 2, 1>]
        : (!lpu.buffer<24, 20, f32>) -> !lpu.buffer<24, 20, f32> {
    ^bb0(%p: f32):
      %q = math.absf %p : f32
      lpu.yield %q : f32
    }
    lpu.store_output %y as "y" shape [3, 4, 2, 20] {layout = array<i64: 3, 1, 0, 8, 2, 1, 0>} : !lpu.buffer<24, 20, f32>
    return
  }
}

// -----

// Each piece is copied by a chain; a value comes from no word.
// CHECK: stream.chain "assemble1.0.0"
// CHECK: {a = "stream"{{.*}}op = "copy", out = "f32"{{.*}}} repeat [5, 1, 1, 0]
// CHECK: w_addr = 1 : i64
// CHECK: stream.chain "assemble1.1.0"
// CHECK-NOT: mem.w
// CHECK: {a = "immediate", a_value = -1.000000e+00 : f32, op = "copy", out = "f32"{{.*}}} repeat [2, 1, 1, 0]
// CHECK: strides {w_addr = array<i64: 0, 6>}
module attributes {lpu.target = "tiny"} {
  func.func @main() {
    %x = lpu.load_input "x" shape [5, 20] {layout = array<i64: 1, 1, 0, 1, 0>} : !lpu.buffer<5, 20, f32>
    %y = lpu.assemble(%x) [array<i64: 0, 0, 5, 0, 1, 1, 1>, array<i64: -1, -1082130432, 2, 0, 0, 0, 6>]
        : (!lpu.buffer<5, 20, f32>) -> !lpu.buffer<7, 20, f32>
    lpu.store_output %y as "y" shape [7, 20] {layout = array<i64: 1, 1, 0, 1, 0>} : !lpu.buffer<7, 20, f32>
    return
  }
}
