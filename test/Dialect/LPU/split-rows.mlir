// RUN: lpu-opt %s --pass-pipeline='builtin.module(func.func(lpu-split-rows{rows=64}))' | FileCheck %s

module attributes {lpu.target = "tsp1"} {
  // What the host writes is read where it lies; each part goes through every kernel, and
  // the output, which wants all rows, gets them together.
  // CHECK-LABEL: func.func @all
  // CHECK: %[[X:.*]] = lpu.load_input "x"
  // CHECK: %[[X0:.*]] = lpu.rows %[[X]] from 0 : <100, 32, f32> -> <50, 32, f32>
  // CHECK: %[[Q0:.*]] = lpu.map(%[[X0]]){{.*}} -> !lpu.buffer<50, 32, i8x3>
  // CHECK: %[[X1:.*]] = lpu.rows %[[X]] from 50 : <100, 32, f32> -> <50, 32, f32>
  // CHECK: %[[Q1:.*]] = lpu.map(%[[X1]])
  // CHECK: %[[S0:.*]] = lpu.contract %[[Q0]]
  // CHECK-NOT: turn
  // CHECK-SAME: !lpu.acc<50, 16, i8x3>
  // CHECK: %[[S1:.*]] = lpu.contract %[[Q1]]{{.*}} {turn = 1 : i64}
  // CHECK: %[[Y0:.*]] = lpu.map(%[[S0]])
  // CHECK: %[[Y1:.*]] = lpu.map(%[[S1]])
  // CHECK: %[[Y:.*]] = lpu.concat_rows %[[Y0]], %[[Y1]]
  // CHECK: lpu.store_output %[[Y]] as "y"
  func.func @all() {
    %x = lpu.load_input "x" shape [100, 32] : <100, 32, f32>
    %q = lpu.map(%x) scales [1.0] : (!lpu.buffer<100, 32, f32>) -> !lpu.buffer<100, 32, i8x3> {
    ^bb0(%a: f32):
      lpu.yield %a : f32
    }
    %scale = lpu.constant_rows dense<1.0> : tensor<1x16xf32> : <1, 16, f32>
    %s = lpu.contract %q, dense<1> : tensor<32x16xi8> scaled by %scale : (!lpu.buffer<100, 32, i8x3>, !lpu.buffer<1, 16, f32>) -> !lpu.acc<100, 16, i8x3>
    %y = lpu.map(%s) scales [1.0] : (!lpu.acc<100, 16, i8x3>) -> !lpu.buffer<100, 16, f32> {
    ^bb0(%a: f32):
      lpu.yield %a : f32
    }
    lpu.store_output %y as "y" shape [100, 16] : <100, 16, f32>
    return
  }

  // Sums of runs of lanes have rows of their own: they, and what is made of them, stay.
  // CHECK-LABEL: func.func @heads
  // CHECK: lpu.contract {{.*}} : (!lpu.buffer<100, 32, f16>) -> !lpu.acc<200, 16, f16>
  // CHECK: lpu.map({{.*}}) {{.*}} -> !lpu.buffer<200, 16, f32>
  func.func @heads() {
    %x = lpu.load_input "x" shape [100, 32] : <100, 32, f32>
    %q = lpu.map(%x) scales [1.0] : (!lpu.buffer<100, 32, f32>) -> !lpu.buffer<100, 32, f16> {
    ^bb0(%a: f32):
      lpu.yield %a : f32
    }
    %s = lpu.contract %q, dense<1.0> : tensor<16x16xf16> {split = 2 : i64} : (!lpu.buffer<100, 32, f16>) -> !lpu.acc<200, 16, f16>
    %y = lpu.map(%s) scales [1.0] : (!lpu.acc<200, 16, f16>) -> !lpu.buffer<200, 16, f32> {
    ^bb0(%a: f32):
      lpu.yield %a : f32
    }
    lpu.store_output %y as "y" shape [200, 16] : <200, 16, f32>
    return
  }
}
