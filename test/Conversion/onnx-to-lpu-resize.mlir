// RUN: lpu-opt %s --split-input-file --pass-pipeline='builtin.module(func.func(convert-onnx-to-lpu))' | FileCheck %s

// The nearest pixels are copies, twice each; between pixels an axis is a product with its weights.
// CHECK-LABEL: func.func @resize
// CHECK: linalg.generic {{.*}} outs(%{{.*}} : tensor<1x1x2x2x2xf32>)
// CHECK: tensor.collapse_shape {{.*}} into tensor<1x1x4x2xf32>
// CHECK: arith.constant dense<{{\[\[}}1.000000e+00, 0.000000e+00], [7.500000e-01, 2.500000e-01], [2.500000e-01, 7.500000e-01], [0.000000e+00, 1.000000e+00]]> : tensor<4x2xf32>
// CHECK: linalg.generic {{.*}} iterator_types = ["parallel", "parallel", "parallel", "parallel", "reduction"]
func.func @resize(%x: tensor<1x1x2x2xf32>) -> (tensor<1x1x4x2xf32>, tensor<1x1x2x4xf32>) {
  %none = onnx.none
  %rows = onnx.constant "rows" dense<[1.0, 1.0, 2.0, 1.0]> : tensor<4xf32>
  %columns = onnx.constant "columns" dense<[1.0, 1.0, 1.0, 2.0]> : tensor<4xf32>
  %y = onnx.op "Resize" version 19 (%x, %none, %rows) outputs ["y"]
    : (tensor<1x1x2x2xf32>, none, tensor<4xf32>) -> tensor<1x1x4x2xf32>
  %z = onnx.op "Resize" version 19 (%x, %none, %columns) attributes {mode = "linear"} outputs ["z"]
    : (tensor<1x1x2x2xf32>, none, tensor<4xf32>) -> tensor<1x1x2x4xf32>
  return %y, %z : tensor<1x1x4x2xf32>, tensor<1x1x2x4xf32>
}

// -----

// Rows of channels of two neighbours an axis, weighted.
// CHECK-LABEL: func.func @grid_sample
// CHECK: lpu.gather {{.*}} axis 0 : (tensor<20x3xf32>, tensor<24xi32>) -> tensor<24x3xf32>
// CHECK: linalg.generic {{.*}} iterator_types = ["parallel", "parallel", "parallel", "reduction", "reduction"]
func.func @grid_sample(%x: tensor<1x3x4x5xf32>, %grid: tensor<1x2x3x2xf32>) -> tensor<1x3x2x3xf32> {
  %y = onnx.op "GridSample" version 22 (%x, %grid) outputs ["y"]
    : (tensor<1x3x4x5xf32>, tensor<1x2x3x2xf32>) -> tensor<1x3x2x3xf32>
  return %y : tensor<1x3x2x3xf32>
}
