// RUN: lpu-opt %s --split-input-file --pass-pipeline='builtin.module(func.func(convert-onnx-to-lpu))' | FileCheck %s

// Padding first; a window is stride * o + dilation * k; groups are a dimension of their own.
// CHECK-DAG: #[[X:.*]] = affine_map<(d0, d1, d2, d3, d4, d5) -> (d0, d1, d4, d3 * 2 + d5 * 3)>
// CHECK-DAG: #[[W:.*]] = affine_map<(d0, d1, d2, d3, d4, d5) -> (d1, d2, d4, d5)>
// CHECK-LABEL: func.func @conv
// CHECK: tensor.pad {{.*}} low[0, 0, 1] high[0, 0, 0]
// CHECK: tensor.expand_shape {{.*}} into tensor<1x2x2x11xf32>
// CHECK: linalg.generic {indexing_maps = [#[[X]], #[[W]], {{.*}} iterator_types = ["parallel", "parallel", "parallel", "parallel", "reduction", "reduction"]}
// CHECK: arith.mulf
// CHECK-NEXT: arith.addf
// CHECK: tensor.collapse_shape {{.*}} into tensor<1x6x3xf32>
func.func @conv(%x: tensor<1x4x10xf32>, %w: tensor<6x2x3xf32>) -> tensor<1x6x3xf32> {
  %r = onnx.op "Conv" version 11 (%x, %w) attributes {group = 2 : i64, strides = array<i64: 2>, dilations = array<i64: 3>, pads = array<i64: 1, 1>}
    outputs ["r"] : (tensor<1x4x10xf32>, tensor<6x2x3xf32>) -> tensor<1x6x3xf32>
  return %r : tensor<1x6x3xf32>
}

// -----

// Zeros between the elements by a dimension that is padded; the kernel is read backwards.
// CHECK-DAG: #[[X:.*]] = affine_map<(d0, d1, d2, d3, d4) -> (d0, d3, d2 + d4)>
// CHECK-DAG: #[[W:.*]] = affine_map<(d0, d1, d2, d3, d4) -> (d3, d1, -d4 + 2)>
// CHECK-LABEL: func.func @transposed
// CHECK: tensor.pad {{.*}} high[0, 0, 0, 1]
// CHECK: tensor.collapse_shape {{.*}} into tensor<1x2x8xf32>
// CHECK: tensor.pad
// CHECK: linalg.generic {indexing_maps = [#[[X]], #[[W]],
func.func @transposed(%x: tensor<1x2x4xf32>, %w: tensor<2x3x3xf32>) -> tensor<1x3x9xf32> {
  %r = onnx.op "ConvTranspose" version 11 (%x, %w) attributes {strides = array<i64: 2>} outputs ["r"]
    : (tensor<1x2x4xf32>, tensor<2x3x3xf32>) -> tensor<1x3x9xf32>
  return %r : tensor<1x3x9xf32>
}

// -----

// A window's extent comes from an operand that nothing reads.
// CHECK-LABEL: func.func @pool
// CHECK: %[[PADDED:.*]] = tensor.pad
// CHECK: %[[WINDOW:.*]] = tensor.empty() : tensor<2xf32>
// CHECK: linalg.generic {{.*}} ins(%[[PADDED]], %[[WINDOW]] : tensor<1x2x6xf32>, tensor<2xf32>)
// CHECK: arith.maximumf
// CHECK: linalg.index
// CHECK: arith.minsi
// CHECK: arith.constant dense<[1.000000e+00, 2.000000e+00, 1.000000e+00]> : tensor<3xf32>
func.func @pool(%x: tensor<1x2x4xf32>) -> (tensor<1x2x3xf32>, tensor<1x2x3xi64>, tensor<1x2x3xf32>) {
  %r, %i = onnx.op "MaxPool" version 12 (%x) attributes {kernel_shape = array<i64: 2>, strides = array<i64: 2>, pads = array<i64: 1, 1>}
    outputs ["r", "i"] : (tensor<1x2x4xf32>) -> (tensor<1x2x3xf32>, tensor<1x2x3xi64>)
  %s = onnx.op "AveragePool" version 11 (%x) attributes {kernel_shape = array<i64: 2>, strides = array<i64: 2>, pads = array<i64: 1, 1>}
    outputs ["s"] : (tensor<1x2x4xf32>) -> tensor<1x2x3xf32>
  return %r, %i, %s : tensor<1x2x3xf32>, tensor<1x2x3xi64>, tensor<1x2x3xf32>
}
