// RUN: lpu-opt %s --split-input-file --pass-pipeline='builtin.module(func.func(lpu-split-rows{rows=50}),lpu-place-buffers)' | FileCheck %s

// Parts that something reads as a whole lie one behind another in its words; others have slices of their own, so
// that one kernel writes a part while the next reads another. Rows of what the host writes lie where it does.
// CHECK: %[[X:.*]] = lpu.load_input "x" shape [100, 32] {placement = array<i64: [[XS:[0-9]+]], [[XB:[0-9]+]], [[#%d,XA:]],
// CHECK: lpu.rows %[[X]] from 0 {placement = array<i64: [[XS]], [[XB]], [[#XA]],
// CHECK: %[[A0:.*]] = lpu.map({{.*}}placements = [array<i64: [[#%d,A:]], {{[0-9, ]*}}>]} : (!lpu.buffer<50, 32, f32>) -> !lpu.buffer<50, 32, f16>
// CHECK: lpu.rows %[[X]] from 50 {placement = array<i64: [[XS]], [[XB]], [[#XA+50]],
// CHECK-NOT: placements = [array<i64: [[#A]],
// CHECK: %[[A1:.*]] = lpu.map
// CHECK: %[[Y0:.*]] = lpu.map(%[[A0]]) {{.*}}placements = [array<i64: [[YS:[0-9]+]], [[YB:[0-9]+]], [[#%d,YA:]],
// CHECK: lpu.map(%[[A1]]) {{.*}}placements = [array<i64: [[YS]], [[YB]], [[#YA+50]],
// CHECK: lpu.map(%[[Y0]])
// CHECK: lpu.concat_rows %[[Y0]], %{{.*}} {placement = array<i64: [[YS]], [[YB]], [[#YA]],
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
    %z = lpu.map(%y) scales [1.0] : (!lpu.buffer<100, 32, f32>) -> !lpu.buffer<100, 32, f32> {
    ^bb0(%e: f32):
      lpu.yield %e : f32
    }
    lpu.store_output %y as "y" shape [100, 32] : <100, 32, f32>
    lpu.store_output %z as "z" shape [100, 32] : <100, 32, f32>
    return
  }
}

// -----

module attributes {lpu.target = "tsp1"} {
  // Rows of a part lie in it, too.
  // CHECK-LABEL: func.func @rows_of_a_part
  // CHECK: lpu.map
  // CHECK: %[[B:.*]] = lpu.map({{.*}}placements = [array<i64: [[S:[0-9]+]], [[BANK:[0-9]+]], [[#%d,FIRST:]],
  // CHECK: lpu.rows %[[B]] from 7 {placement = array<i64: [[S]], [[BANK]], [[#FIRST+7]],
  // CHECK: lpu.concat_rows {{.*}} {placement = array<i64: [[S]], [[BANK]], [[#FIRST-30]],
  func.func @rows_of_a_part() {
    %x = lpu.load_input "x" shape [30, 32] : <30, 32, f32>
    %a = lpu.map(%x) scales [1.0] : (!lpu.buffer<30, 32, f32>) -> !lpu.buffer<30, 32, f32> {
    ^bb0(%e: f32):
      lpu.yield %e : f32
    }
    %b = lpu.map(%x) scales [2.0] : (!lpu.buffer<30, 32, f32>) -> !lpu.buffer<30, 32, f32> {
    ^bb0(%e: f32):
      lpu.yield %e : f32
    }
    %r = lpu.rows %b from 7 : <30, 32, f32> -> <5, 32, f32>
    %y = lpu.map(%r) scales [1.0] : (!lpu.buffer<5, 32, f32>) -> !lpu.buffer<5, 32, f32> {
    ^bb0(%e: f32):
      lpu.yield %e : f32
    }
    %all = lpu.concat_rows %a, %b : (!lpu.buffer<30, 32, f32>, !lpu.buffer<30, 32, f32>) -> !lpu.buffer<60, 32, f32>
    lpu.store_output %y as "y" shape [5, 32] : <5, 32, f32>
    lpu.store_output %all as "all" shape [60, 32] : <60, 32, f32>
    return
  }
}
