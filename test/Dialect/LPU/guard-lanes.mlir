// RUN: lpu-opt %s --pass-pipeline='builtin.module(func.func(lpu-guard-lanes))' | FileCheck %s
// RUN: lpu-opt %s --pass-pipeline='builtin.module(func.func(lpu-guard-lanes))' | lpu-opt | FileCheck %s
module attributes {lpu.target = "tiny"} {
  // 0 * sigmoid(0) = 0: nothing to do.
  // CHECK-LABEL: @gated
  // CHECK-NOT: arith.select
  func.func @gated() {
    %x = lpu.load_input "x" shape [1, 20] : !lpu.buffer<1, 20, f32>
    %y = lpu.map(%x) scales [8.0] : (!lpu.buffer<1, 20, f32>) -> !lpu.buffer<1, 20, i8x1> {
    ^bb0(%a: f32):
      %half = arith.constant 0.5 : f32
      %h = arith.mulf %a, %half : f32
      %t = math.tanh %h : f32
      %s = math.fma %t, %half, %half : f32
      %b = arith.mulf %a, %s : f32
      lpu.yield %b : f32
    }
    return
  }

  // The reciprocal of 0 is out of range in limbs; in f32 it may stay, up to the map that rounds it.
  // CHECK-LABEL: @reciprocal
  // CHECK: lpu.map
  // CHECK: arith.divf
  // CHECK-NEXT: lpu.yield
  // CHECK: %[[USED:.*]] = lpu.constant_rows dense<1.000000e+00> : tensor<1x20xf32> : <1, 20, f32>
  // CHECK: lpu.map(%{{.*}}, %[[USED]])
  // CHECK: ^bb0(%[[X:.*]]: f32, %[[LANE:.*]]: f32):
  // CHECK: %[[IS:.*]] = arith.cmpf oeq, %[[LANE]], %[[ZERO:[a-z0-9_]+]] : f32
  // CHECK: %[[Y:.*]] = arith.select %[[IS]], %[[ZERO]], %[[X]] : f32
  // CHECK: lpu.yield %[[Y]]
  func.func @reciprocal() {
    %x = lpu.load_input "x" shape [1, 20] : !lpu.buffer<1, 20, f32>
    %y = lpu.map(%x) scales [1.0] : (!lpu.buffer<1, 20, f32>) -> !lpu.buffer<1, 20, f32> {
    ^bb0(%a: f32):
      %one = arith.constant 1.0 : f32
      %b = arith.divf %one, %a : f32
      lpu.yield %b : f32
    }
    %z = lpu.map(%y) scales [8.0] : (!lpu.buffer<1, 20, f32>) -> !lpu.buffer<1, 20, i8x1> {
    ^bb0(%a: f32):
      lpu.yield %a : f32
    }
    return
  }

  // 12 * 10 fits into a limb, 13 * 10 does not; whole vectors have no unused lanes.
  // CHECK-LABEL: @range
  // CHECK: lpu.map
  // CHECK-NOT: arith.select
  // CHECK: lpu.map
  // CHECK: arith.select
  // CHECK: lpu.map
  // CHECK-NOT: arith.select
  func.func @range() {
    %x = lpu.load_input "x" shape [1, 20] : !lpu.buffer<1, 20, f32>
    %y = lpu.map(%x) scales [10.0] : (!lpu.buffer<1, 20, f32>) -> !lpu.buffer<1, 20, i8x1> {
    ^bb0(%a: f32):
      %c = arith.constant 12.0 : f32
      %b = arith.addf %a, %c : f32
      lpu.yield %b : f32
    }
    %z = lpu.map(%x) scales [10.0] : (!lpu.buffer<1, 20, f32>) -> !lpu.buffer<1, 20, i8x1> {
    ^bb0(%a: f32):
      %c = arith.constant 13.0 : f32
      %b = arith.addf %a, %c : f32
      lpu.yield %b : f32
    }
    %full = lpu.load_input "full" shape [1, 64] : !lpu.buffer<1, 64, f32>
    %f = lpu.map(%full) scales [10.0] : (!lpu.buffer<1, 64, f32>) -> !lpu.buffer<1, 64, i8x1> {
    ^bb0(%a: f32):
      %c = arith.constant 13.0 : f32
      %b = arith.addf %a, %c : f32
      lpu.yield %b : f32
    }
    return
  }

  // A factor of the row is finite, so that zero stays zero; what is appended has to be zero.
  // CHECK-LABEL: @rows
  // CHECK: lpu.map
  // CHECK-NOT: arith.select
  // CHECK: lpu.map
  // CHECK: arith.select
  // CHECK: lpu.map
  // CHECK-NOT: arith.select
  // CHECK: return
  func.func @rows() {
    %x = lpu.load_input "x" shape [1, 16] : !lpu.buffer<1, 16, f32>
    %r = lpu.load_input "r" shape [1, 1] : !lpu.buffer<1, 1, f32>
    %y = lpu.map(%x, %r) scales [1.0] : (!lpu.buffer<1, 16, f32>, !lpu.buffer<1, 1, f32>) -> !lpu.buffer<1, 16, f16> {
    ^bb0(%a: f32, %b: f32):
      %c = arith.mulf %a, %b : f32
      lpu.yield %c : f32
    }
    %at = lpu.derive "at" of [] steps [0, 0] : !lpu.buffer<1, 32, i32>
    %cache = lpu.state "cache" : !lpu.tiles<32, 16, f16>
    %z = lpu.map(%x) scales [1.0] : (!lpu.buffer<1, 16, f32>) -> !lpu.buffer<1, 16, f16> {
    ^bb0(%a: f32):
      %b = math.exp2 %a : f32
      lpu.yield %b : f32
    }
    lpu.append %z at %at into %cache : !lpu.buffer<1, 16, f16>, !lpu.buffer<1, 32, i32>, !lpu.tiles<32, 16, f16>
    %w = lpu.map(%x) scales [1.0] : (!lpu.buffer<1, 16, f32>) -> !lpu.buffer<1, 16, f16> {
    ^bb0(%a: f32):
      %b = math.exp2 %a : f32
      lpu.yield %b : f32
    }
    return
  }
}
