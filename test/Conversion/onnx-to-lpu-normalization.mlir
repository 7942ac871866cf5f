// RUN: lpu-opt %s --split-input-file --pass-pipeline='builtin.module(func.func(convert-onnx-to-lpu))' | FileCheck %s

// The last dimension of floats is the composite; what else there is, loops.
// CHECK-LABEL: func.func @rms
// CHECK: lpu.rms_norm
// CHECK: linalg.generic {{.*}} iterator_types = ["reduction", "reduction"]
// CHECK-NOT: lpu.rms_norm
func.func @rms(%x: tensor<2x4xf32>, %g: tensor<4xf32>, %h: tensor<2x4xf32>) -> (tensor<2x4xf32>, tensor<2x4xf32>) {
  %r = onnx.op "RMSNormalization" version 23 (%x, %g) outputs ["r"] : (tensor<2x4xf32>, tensor<4xf32>) -> tensor<2x4xf32>
  %s = onnx.op "RMSNormalization" version 23 (%x, %h) attributes {axis = 0 : i64} outputs ["s"] : (tensor<2x4xf32>, tensor<2x4xf32>) -> tensor<2x4xf32>
  return %r, %s : tensor<2x4xf32>, tensor<2x4xf32>
}

// -----

// The sum goes on to the next layer.
// CHECK-LABEL: func.func @skip
// CHECK: %[[SUM:.*]] = linalg.generic
// CHECK: %[[Y:.*]] = lpu.rms_norm %[[SUM]]
// CHECK: return %[[Y]], %[[SUM]]
func.func @skip(%x: tensor<2x4xf32>, %g: tensor<4xf32>) -> (tensor<2x4xf32>, tensor<2x4xf32>) {
  %r:4 = onnx.op "SkipSimplifiedLayerNormalization" domain "com.microsoft" version 1 (%x, %x, %g) attributes {epsilon = 1.0e-6 : f32} outputs ["r", "", "", "s"]
    : (tensor<2x4xf32>, tensor<2x4xf32>, tensor<4xf32>) -> (tensor<2x4xf32>, none, none, tensor<2x4xf32>)
  return %r#0, %r#3 : tensor<2x4xf32>, tensor<2x4xf32>
}

// -----

// One division a mean, one root and one reciprocal a row.
// CHECK-LABEL: func.func @layer
// CHECK: linalg.generic {{.*}} iterator_types = ["parallel", "reduction"]
// CHECK: arith.divf
// CHECK: arith.subf
// CHECK: linalg.generic {{.*}} iterator_types = ["parallel", "reduction"]
// CHECK: arith.divf
// CHECK: math.sqrt
// CHECK: arith.divf
// CHECK-NOT: arith.divf
func.func @layer(%x: tensor<2x4xf32>, %g: tensor<4xf32>) -> (tensor<2x4xf32>, tensor<2x1xf32>) {
  %r:2 = onnx.op "LayerNormalization" version 17 (%x, %g, %g) outputs ["r", "m"] : (tensor<2x4xf32>, tensor<4xf32>, tensor<4xf32>) -> (tensor<2x4xf32>, tensor<2x1xf32>)
  return %r#0, %r#1 : tensor<2x4xf32>, tensor<2x1xf32>
}
