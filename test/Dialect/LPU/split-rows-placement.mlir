// RUN: lpu-opt %s --pass-pipeline='builtin.module(func.func(lpu-split-rows{rows=50}),lpu-place-buffers)' | FileCheck %s

// Parts that something reads as a whole lie one behind another; others have slices of their own, so that one
// kernel writes a part while the next reads another.
// CHECK-LABEL: func.func @main
// CHECK: %[[A0:.*]] = lpu.map({{.*}}) {{.*}} {placement = array<i64: [[#SA0:]], [[#]], [[#]], {{.*}}> -> !lpu.buffer<50, 32, f16>
module attributes {lpu.target = "tsp1"} {
  func.func @main() {
    %x = lpu.load_input "x" shape [100, 32] : <100, 32, f32>
    %a = lpu.map(%x) scales [1.0] : (!lpu.buffer<100, 32, f32>) -> !lpu.buffer<100, 32, f16> {
    ^bb0(%e: f32):
      lpu.yield %e : f32
    }
    %y = lpu.map(%a) scales [1.0] : (!lpu.buffer<100, 32, f16>) -> !lpu.buffer<100, 32, f32> {
    ^bb0(%e: f32):
      lpu.yield %e : f32
    }
    lpu.store_output %y as "y" shape [100, 32] : <100, 32, f32>
    return
  }
}
