// RUN: lpu-opt %s --split-input-file --pass-pipeline='builtin.module(func.func(convert-onnx-to-lpu))' | FileCheck %s

// CHECK-LABEL: func.func @sum
// CHECK: linalg.generic {{.*}} iterator_types = ["parallel", "reduction", "parallel"]
// CHECK: arith.addf
// CHECK: tensor.expand_shape {{.*}} into tensor<2x1x4xf32>
func.func @sum(%x: tensor<2x3x4xf32>) -> tensor<2x1x4xf32> {
  %r = onnx.op "ReduceSum" version 11 (%x) attributes {axes = array<i64: -2>} outputs ["r"] : (tensor<2x3x4xf32>) -> tensor<2x1x4xf32>
  return %r : tensor<2x1x4xf32>
}

// -----

// Without axes nothing is joined where the node says so, but every element is squared.
// CHECK-LABEL: func.func @noop
// CHECK: linalg.generic {{.*}} iterator_types = ["parallel", "parallel"]
// CHECK: arith.mulf
// CHECK-NOT: arith.addf
func.func @noop(%x: tensor<2x3xf32>) -> tensor<2x3xf32> {
  %r = onnx.op "ReduceSumSquare" version 18 (%x) attributes {noop_with_empty_axes = 1 : i64} outputs ["r"] : (tensor<2x3xf32>) -> tensor<2x3xf32>
  return %r : tensor<2x3xf32>
}

// -----

// The least of nothing is the largest of the model's type; unsigned words are ordered by their turned bits.
// CHECK-LABEL: func.func @extremes
// CHECK-DAG: arith.constant 127 : i32
// CHECK-DAG: arith.xori
// CHECK: arith.maxsi
// CHECK: arith.xori
// CHECK: arith.ori
func.func @extremes(%e: tensor<2x0xi8>, %u: tensor<4xui32>, %b: tensor<4xi1>) -> (tensor<2xi8>, tensor<ui32>, tensor<i1>) {
  %r = onnx.op "ReduceMin" version 13 (%e) attributes {axes = array<i64: 1>, keepdims = 0 : i64} outputs ["r"] : (tensor<2x0xi8>) -> tensor<2xi8>
  %s = onnx.op "ReduceMax" version 13 (%u) attributes {keepdims = 0 : i64} outputs ["s"] : (tensor<4xui32>) -> tensor<ui32>
  %t = onnx.op "ReduceMax" version 20 (%b) attributes {keepdims = 0 : i64} outputs ["t"] : (tensor<4xi1>) -> tensor<i1>
  return %r, %s, %t : tensor<2xi8>, tensor<ui32>, tensor<i1>
}

// -----

// Before version 13 everything from the axis on is one dimension.
// CHECK-LABEL: func.func @softmax
// CHECK: linalg.generic {{.*}} iterator_types = ["parallel", "reduction", "reduction"]
// CHECK: arith.maximumf
// CHECK: math.exp
// CHECK: linalg.generic {{.*}} iterator_types = ["parallel", "reduction", "reduction"]
// CHECK: arith.divf
// CHECK: linalg.generic {{.*}} iterator_types = ["parallel", "parallel", "reduction"]
func.func @softmax(%x: tensor<2x3x4xf32>) -> (tensor<2x3x4xf32>, tensor<2x3x4xf32>) {
  %r = onnx.op "Softmax" version 11 (%x) outputs ["r"] : (tensor<2x3x4xf32>) -> tensor<2x3x4xf32>
  %s = onnx.op "LogSoftmax" version 13 (%x) outputs ["s"] : (tensor<2x3x4xf32>) -> tensor<2x3x4xf32>
  return %r, %s : tensor<2x3x4xf32>, tensor<2x3x4xf32>
}

// -----

// The class of the target is taken by comparison; an ignored one counts nowhere.
// CHECK-LABEL: func.func @loss
// CHECK: math.log
// CHECK: linalg.generic
// CHECK: linalg.index 1
// CHECK: arith.cmpi eq
// CHECK: arith.select
// CHECK: arith.divf
func.func @loss(%x: tensor<3x5xf32>, %t: tensor<3xi64>) -> tensor<f32> {
  %r = onnx.op "SoftmaxCrossEntropyLoss" version 13 (%x, %t) attributes {ignore_index = 2 : i64} outputs ["r"] : (tensor<3x5xf32>, tensor<3xi64>) -> tensor<f32>
  return %r : tensor<f32>
}
