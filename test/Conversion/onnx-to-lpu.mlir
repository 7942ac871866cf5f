// RUN: lpu-opt %s --split-input-file --pass-pipeline='builtin.module(func.func(convert-onnx-to-lpu))' | FileCheck %s

// Rows of the rotary tables are gathered by position; caches are updated in place of their rows.
// CHECK-LABEL: func.func @attention
// CHECK: %[[COS:.*]] = lpu.gather %arg1[%arg3] axis 0 : (tensor<16x4xf32>, tensor<1x2xi64>) -> tensor<1x2x4xf32>
// CHECK: %[[SIN:.*]] = lpu.gather %arg2[%arg3] axis 0
// CHECK: %[[Q:.*]] = lpu.rotary %arg0 cos %[[COS]] sin %[[SIN]] heads 4 :
// CHECK: %[[K:.*]] = lpu.cache_update %arg4 into %arg5 at %arg6 axis 1 :
// CHECK: lpu.attention %[[Q]], %[[K]], %[[K]] kv_length %arg6 heads 4, 2 scale 2.500000e-01 causal :
// CHECK-NOT: onnx
func.func @attention(%x: tensor<1x2x32xf32>, %cos: tensor<16x4xf32>, %sin: tensor<16x4xf32>,
    %positions: tensor<1x2xi64>, %rows: tensor<1x2x16xf32>, %cache: tensor<1x16x16xf32>,
    %length: tensor<1xi64>) -> tensor<1x2x32xf32> {
  %none = onnx.none
  %q = onnx.op "RotaryEmbedding" version 23 (%x, %cos, %sin, %positions) attributes {num_heads = 4 : i64} outputs ["q"]
    : (tensor<1x2x32xf32>, tensor<16x4xf32>, tensor<16x4xf32>, tensor<1x2xi64>) -> tensor<1x2x32xf32>
  %k = onnx.op "TensorScatter" version 24 (%cache, %rows, %length) outputs ["k"]
    : (tensor<1x16x16xf32>, tensor<1x2x16xf32>, tensor<1xi64>) -> tensor<1x16x16xf32>
  %y = onnx.op "Attention" version 24 (%q, %k, %k, %none, %none, %none, %length)
    attributes {q_num_heads = 4 : i64, kv_num_heads = 2 : i64, is_causal = 1 : i64, scale = 2.5e-1 : f32} outputs ["y"]
    : (tensor<1x2x32xf32>, tensor<1x16x16xf32>, tensor<1x16x16xf32>, none, none, none, tensor<1xi64>) -> tensor<1x2x32xf32>
  return %y : tensor<1x2x32xf32>
}

// -----

// Rank 4 is brought into B x S x (heads * D) and back; the mask to rank 4.
// CHECK-LABEL: func.func @rank4
// CHECK: %[[Q:.*]] = linalg.transpose ins(%arg0 : tensor<1x4x2x8xf32>) {{.*}} permutation = [0, 2, 1, 3]
// CHECK: %[[JOINED:.*]] = tensor.collapse_shape %[[Q]] {{.*}} into tensor<1x2x32xf32>
// CHECK: %[[MASK:.*]] = tensor.expand_shape %arg2 {{.*}} into tensor<1x1x2x3xi1>
// CHECK: %[[Y:.*]] = lpu.attention %[[JOINED]], {{.*}} mask %[[MASK]] heads 4, 2 scale 0.353553385 softcap 3.000000e+01 :
// CHECK: tensor.expand_shape %[[Y]] {{.*}} into tensor<1x2x4x8xf32>
// CHECK: linalg.transpose
func.func @rank4(%q: tensor<1x4x2x8xf32>, %k: tensor<1x2x3x8xf32>, %mask: tensor<2x3xi1>) -> tensor<1x4x2x8xf32> {
  %y = onnx.op "Attention" version 23 (%q, %k, %k, %mask) attributes {softcap = 3.0e1 : f32} outputs ["y"]
    : (tensor<1x4x2x8xf32>, tensor<1x2x3x8xf32>, tensor<1x2x3x8xf32>, tensor<2x3xi1>) -> tensor<1x4x2x8xf32>
  return %y : tensor<1x4x2x8xf32>
}

// -----

// CHECK-LABEL: func.func @movement
// CHECK: linalg.transpose {{.*}} permutation = [1, 0]
// CHECK: tensor.collapse_shape {{.*}} into tensor<6xf32>
// CHECK: tensor.expand_shape {{.*}} into tensor<1x6xf32>
// CHECK: arith.fptosi
// CHECK: lpu.gather {{.*}} axis 1 :
func.func @movement(%x: tensor<3x2xf32>, %shape: tensor<1xi64>, %i: tensor<i32>) -> tensor<1xi64> {
  %t = onnx.op "Transpose" version 13 (%x) outputs ["t"] : (tensor<3x2xf32>) -> tensor<2x3xf32>
  %r = onnx.op "Reshape" version 14 (%t, %shape) outputs ["r"] : (tensor<2x3xf32>, tensor<1xi64>) -> tensor<6xf32>
  %u = onnx.op "Unsqueeze" version 13 (%r, %shape) outputs ["u"] : (tensor<6xf32>, tensor<1xi64>) -> tensor<1x6xf32>
  %c = onnx.op "Cast" version 13 (%u) attributes {to = 7 : i64} outputs ["c"] : (tensor<1x6xf32>) -> tensor<1x6xi64>
  %g = onnx.op "Gather" version 13 (%c, %i) attributes {axis = -1 : i64} outputs ["g"] : (tensor<1x6xi64>, tensor<i32>) -> tensor<1xi64>
  return %g : tensor<1xi64>
}
