// A constant of more words than a bank lies in parts: the map counts each of them once, also where
// the next buffer has no room.
// RUN: not lpu-opt %s --lpu-place-buffers 2>&1 | FileCheck %s

// CHECK: does not fit into SRAM
// CHECK: memory map of tiny
// CHECK: constants {{ *}}{{[0-9]+}} {{ *}}{{[0-9]+}} {{ *}}[[BYTES:[0-9]+]]
// CHECK: buffers {{ *}}0 {{ *}}0 {{ *}}0
// CHECK: together {{.*}} [[BYTES]]
module attributes {lpu.target = "tiny"} {
  func.func @main() {
    %a = lpu.constant_rows dense<1.0> : tensor<600x1xf32> : <600, 1, f32>
    %b = lpu.constant_rows dense<2.0> : tensor<60000x1xf32> : <60000, 1, f32>
    %y = lpu.nest(%a, %b) loops [600] at [array<i64: 0, 1>, array<i64: 0, 1>, array<i64: 0, 1>] : (!lpu.buffer<600, 1, f32>, !lpu.buffer<60000, 1, f32>) -> !lpu.buffer<600, 1, f32> {
    ^bb0(%p: f32, %q: f32):
      %s = arith.addf %p, %q : f32
      lpu.yield %s : f32
    }
    lpu.store_output %y as "y" shape [600] {layout = array<i64: -1, 1, 0, 1>, chunk_words = 256 : i64} : <600, 1, f32>
    return
  }
}
