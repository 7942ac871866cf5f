// RUN: lpu-opt %s --split-input-file --pass-pipeline='builtin.module(func.func(convert-onnx-to-lpu))' | FileCheck %s

// A short axis is sorted: ranks, then values and indices at their rank.
// CHECK-LABEL: func.func @top_k
// CHECK-COUNT-3: linalg.generic {{.*}} iterator_types = ["parallel", "parallel", "reduction"]
// CHECK-NOT: linalg.generic
func.func @top_k(%x: tensor<2x9xf32>, %k: tensor<1xi64>) -> (tensor<2x3xf32>, tensor<2x3xi64>) {
  %v, %i = onnx.op "TopK" version 11 (%x, %k) outputs ["v", "i"]
    : (tensor<2x9xf32>, tensor<1xi64>) -> (tensor<2x3xf32>, tensor<2x3xi64>)
  return %v, %i : tensor<2x3xf32>, tensor<2x3xi64>
}

// -----

// A long one is searched for every result.
// CHECK-LABEL: func.func @top_k_of_many
// CHECK-COUNT-4: linalg.generic {{.*}} iterator_types = ["parallel", "reduction"]
// CHECK-NOT: linalg.generic
func.func @top_k_of_many(%x: tensor<2x1000xf32>, %k: tensor<1xi64>) -> (tensor<2x2xf32>, tensor<2x2xi64>) {
  %v, %i = onnx.op "TopK" version 11 (%x, %k) outputs ["v", "i"]
    : (tensor<2x1000xf32>, tensor<1xi64>) -> (tensor<2x2xf32>, tensor<2x2xi64>)
  return %v, %i : tensor<2x2xf32>, tensor<2x2xi64>
}

// -----

// A NaN is found where the extreme is one; uint32 is ordered by turning its first bit.
// CHECK-LABEL: func.func @arg
// CHECK: arith.maximumf
// CHECK: arith.cmpf oeq
// CHECK: arith.cmpf une
// CHECK: arith.minsi
// CHECK: arith.xori
// CHECK: arith.minsi
func.func @arg(%x: tensor<2x9xf32>, %u: tensor<2x9xui32>) -> (tensor<2xi64>, tensor<2x1xi64>) {
  %y = onnx.op "ArgMax" version 13 (%x) attributes {axis = 1 : i64, keepdims = 0 : i64} outputs ["y"] : (tensor<2x9xf32>) -> tensor<2xi64>
  %z = onnx.op "ArgMin" version 13 (%u) attributes {axis = 1 : i64} outputs ["z"] : (tensor<2x9xui32>) -> tensor<2x1xi64>
  return %y, %z : tensor<2xi64>, tensor<2x1xi64>
}
