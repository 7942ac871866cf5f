// RUN: lpu-opt %s --split-input-file --pass-pipeline='builtin.module(func.func(convert-onnx-to-lpu))' | FileCheck %s

// A past makes it grow: keys are appended, and grouped heads are a loop of their own.
// CHECK-DAG: #[[Q:.*]] = affine_map<(d0, d1, d2, d3, d4, d5) -> (d0, d1, d2, d3, d5)>
// CHECK-DAG: #[[K:.*]] = affine_map<(d0, d1, d2, d3, d4, d5) -> (d0, d1, d4, d5)>
// CHECK-LABEL: func.func @past
// CHECK-NOT: lpu.attention
// CHECK: %[[KEYS:.*]] = tensor.concat dim(2) %arg1, %arg0
// CHECK: linalg.generic {indexing_maps = [#[[Q]], #[[K]],
// CHECK: arith.mulf
// CHECK-NEXT: arith.addf
// CHECK: linalg.index 2
// CHECK: arith.select
// CHECK: math.exp
// CHECK: return %{{.*}}, %[[KEYS]]
func.func @past(%x: tensor<1x2x3x8xf32>, %p: tensor<1x2x4x8xf32>, %q: tensor<1x4x3x8xf32>) -> (tensor<1x4x3x8xf32>, tensor<1x2x7x8xf32>) {
  %none = onnx.none
  %y:3 = onnx.op "Attention" version 23 (%q, %x, %x, %none, %p, %p) attributes {is_causal = 1 : i64} outputs ["y", "k", "v"]
    : (tensor<1x4x3x8xf32>, tensor<1x2x3x8xf32>, tensor<1x2x3x8xf32>, none, tensor<1x2x4x8xf32>, tensor<1x2x4x8xf32>)
    -> (tensor<1x4x3x8xf32>, tensor<1x2x7x8xf32>, tensor<1x2x7x8xf32>)
  return %y#0, %y#1 : tensor<1x4x3x8xf32>, tensor<1x2x7x8xf32>
}

// -----

// Pairs are read by stride, and put side by side again.
// CHECK: #[[ODD:.*]] = affine_map<(d0, d1, d2, d3) -> (d0, d1, d2, d3 * 2 + 1)>
// CHECK-LABEL: func.func @rotary
// CHECK: lpu.gather
// CHECK: #[[ODD]]
// CHECK: tensor.concat dim(4)
func.func @rotary(%x: tensor<1x2x3x8xf16>, %cos: tensor<16x4xf16>, %positions: tensor<1x3xi64>) -> tensor<1x2x3x8xf16> {
  %y = onnx.op "RotaryEmbedding" version 23 (%x, %cos, %cos, %positions) attributes {interleaved = 1 : i64} outputs ["y"]
    : (tensor<1x2x3x8xf16>, tensor<16x4xf16>, tensor<16x4xf16>, tensor<1x3xi64>) -> tensor<1x2x3x8xf16>
  return %y : tensor<1x2x3x8xf16>
}

// -----

// New keys and values go into the caches at run-time places.
// CHECK-LABEL: func.func @group
// CHECK: lpu.cache_update {{.*}} axis 2
// CHECK: lpu.cache_update {{.*}} axis 2
// CHECK: math.exp
func.func @group(%q: tensor<1x2x32xf32>, %k: tensor<1x2x16xf32>, %p: tensor<1x2x16x8xf32>, %last: tensor<1xi32>, %total: tensor<i32>)
    -> (tensor<1x2x32xf32>, tensor<1x2x16x8xf32>, tensor<1x2x16x8xf32>) {
  %y:3 = onnx.op "GroupQueryAttention" domain "com.microsoft" version 1 (%q, %k, %k, %p, %p, %last, %total)
    attributes {num_heads = 4 : i64, kv_num_heads = 2 : i64} outputs ["y", "pk", "pv"]
    : (tensor<1x2x32xf32>, tensor<1x2x16xf32>, tensor<1x2x16xf32>, tensor<1x2x16x8xf32>, tensor<1x2x16x8xf32>, tensor<1xi32>, tensor<i32>)
    -> (tensor<1x2x32xf32>, tensor<1x2x16x8xf32>, tensor<1x2x16x8xf32>)
  return %y#0, %y#1, %y#2 : tensor<1x2x32xf32>, tensor<1x2x16x8xf32>, tensor<1x2x16x8xf32>
}

// -----

// Two steps of one direction: the input's part of both is one product before.
// CHECK-LABEL: func.func @lstm
// CHECK: linalg.generic {{.*}} iterator_types = ["parallel", "parallel", "parallel", "reduction"]
// CHECK-COUNT-2: linalg.generic {{.*}} iterator_types = ["parallel", "parallel", "reduction"]
// CHECK: tensor.concat dim(0)
func.func @lstm(%x: tensor<2x1x3xf32>, %w: tensor<1x16x3xf32>, %r: tensor<1x16x4xf32>) -> tensor<2x1x1x4xf32> {
  %y = onnx.op "LSTM" version 14 (%x, %w, %r) attributes {hidden_size = 4 : i64} outputs ["y"]
    : (tensor<2x1x3xf32>, tensor<1x16x3xf32>, tensor<1x16x4xf32>) -> tensor<2x1x1x4xf32>
  return %y : tensor<2x1x1x4xf32>
}
