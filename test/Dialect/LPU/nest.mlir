// RUN: lpu-opt %s | lpu-opt | FileCheck %s
// RUN: lpu-opt %s --mlir-print-op-generic | lpu-opt | FileCheck %s

// CHECK-LABEL: func.func @main
// Rows of two operands, one of them the same for all rows, and one from the end.
// CHECK: %[[Y:.*]] = lpu.nest(%[[X:.*]], %[[B:.*]]) loops [4, 3] at [array<i64: 0, 3, 1>, array<i64: 2, 0, -1>, array<i64: 0, 1, 4>] : (!lpu.buffer<12, 20, f32>, !lpu.buffer<3, 20, i32>) -> !lpu.buffer<12, 20, f32> {
// CHECK-NEXT: ^bb0(%{{.*}}: f32, %{{.*}}: i32):
// CHECK: lpu.yield %{{.*}} : f32
// Two loops to one word.
// CHECK: lpu.nest(%[[Y]]) loops [4, 3] at [array<i64: 0, 3, 1>, array<i64: 0, 0, 0>] reduce "max" {reduced = 2 : i64} : (!lpu.buffer<12, 20, f32>) -> !lpu.buffer<1, 20, f32>
// No loop: one word.
// CHECK: lpu.nest(%[[Y]]) loops [] at [array<i64: 11>, array<i64: 0>] : (!lpu.buffer<12, 20, f32>) -> !lpu.buffer<1, 20, f32>
// Two results.
// CHECK: lpu.nest(%[[X]]) loops [12] at {{.*}} -> (!lpu.buffer<12, 20, f32>, !lpu.buffer<12, 20, i32>)
// A border of -1 around rows of X.
// CHECK: lpu.assemble(%[[X]]) [array<i64: 0, 0, 12, 0, 1, 1, 1>, array<i64: -1, -1082130432, 2, 0, 0, 0, 13>] : (!lpu.buffer<12, 20, f32>) -> !lpu.buffer<14, 20, f32>
// Nothing but a value.
// CHECK: lpu.assemble() [array<i64: -1, 7, 0, 0>] : () -> !lpu.buffer<1, 1, i32>
func.func @main() {
  %x = lpu.load_input "x" shape [12, 20] : !lpu.buffer<12, 20, f32>
  %b = lpu.constant_rows dense<1> : tensor<3x20xi32> : !lpu.buffer<3, 20, i32>
  %y = lpu.nest(%x, %b) loops [4, 3] at [array<i64: 0, 3, 1>, array<i64: 2, 0, -1>, array<i64: 0, 1, 4>]
      : (!lpu.buffer<12, 20, f32>, !lpu.buffer<3, 20, i32>) -> !lpu.buffer<12, 20, f32> {
  ^bb0(%p: f32, %q: i32):
    %f = arith.sitofp %q : i32 to f32
    %s = arith.addf %p, %f : f32
    lpu.yield %s : f32
  }
  %most = lpu.nest(%y) loops [4, 3] at [array<i64: 0, 3, 1>, array<i64: 0, 0, 0>] reduce "max" {reduced = 2 : i64}
      : (!lpu.buffer<12, 20, f32>) -> !lpu.buffer<1, 20, f32> {
  ^bb0(%p: f32):
    lpu.yield %p : f32
  }
  %last = lpu.nest(%y) loops [] at [array<i64: 11>, array<i64: 0>]
      : (!lpu.buffer<12, 20, f32>) -> !lpu.buffer<1, 20, f32> {
  ^bb0(%p: f32):
    lpu.yield %p : f32
  }
  %two:2 = lpu.nest(%x) loops [12] at [array<i64: 0, 1>, array<i64: 0, 1>, array<i64: 0, 1>]
      : (!lpu.buffer<12, 20, f32>) -> (!lpu.buffer<12, 20, f32>, !lpu.buffer<12, 20, i32>) {
  ^bb0(%p: f32):
    %bits = arith.bitcast %p : f32 to i32
    lpu.yield %p, %bits : f32, i32
  }
  %framed = lpu.assemble(%x) [array<i64: 0, 0, 12, 0, 1, 1, 1>, array<i64: -1, -1082130432, 2, 0, 0, 0, 13>]
      : (!lpu.buffer<12, 20, f32>) -> !lpu.buffer<14, 20, f32>
  %seven = lpu.assemble() [array<i64: -1, 7, 0, 0>] : () -> !lpu.buffer<1, 1, i32>
  return
}
