// What a failure does not need goes away: a function, operations.
// RUN: lpu-reduce %s --reduction-tree='traversal-mode=0 test=%S/Inputs/does-not-fit.sh' -o %t.mlir
// RUN: FileCheck %s < %t.mlir
// RUN: not lpu-opt --lpu-place-buffers %t.mlir 2>&1 | FileCheck %s --check-prefix=STILL
// What does not fail is no input.
// RUN: not lpu-reduce %t.mlir --reduction-tree='traversal-mode=0 test=/bin/true' -o %t.none.mlir 2>&1 | FileCheck %s --check-prefix=NONE

// CHECK: module attributes {lpu.target = "tiny"}
// CHECK-NOT: @fits
// CHECK: func.func @large
// CHECK-NOT: small
// CHECK: lpu.load_input "large"
// CHECK-NOT: lpu.
// CHECK: return
// STILL: does not fit into SRAM: a buffer of 300 words a byte plane
// NONE: lpu-reduce: nothing was written: expected a module for which the test ends with exit code 1
module attributes {lpu.target = "tiny"} {
  func.func @fits() {
    %x = lpu.load_input "x" shape [1, 32] : !lpu.buffer<1, 32, f32>
    %y = lpu.map(%x) scales [1.0] : (!lpu.buffer<1, 32, f32>) -> !lpu.buffer<1, 32, f32> {
    ^bb0(%a: f32):
      %b = arith.negf %a : f32
      lpu.yield %b : f32
    }
    lpu.store_output %y as "y" shape [1, 32] : !lpu.buffer<1, 32, f32>
    return
  }
  func.func @large() {
    %small = lpu.load_input "small" shape [1, 32] : !lpu.buffer<1, 32, f32>
    lpu.store_output %small as "small" shape [1, 32] : !lpu.buffer<1, 32, f32>
    %large = lpu.load_input "large" shape [300, 32] : !lpu.buffer<300, 32, f32>
    return
  }
}
