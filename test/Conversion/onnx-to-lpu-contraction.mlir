// RUN: lpu-opt %s --split-input-file --pass-pipeline='builtin.module(func.func(convert-onnx-to-lpu))' | FileCheck %s

// A matrix keeps the form of its own; batches are one sum of products, broadcast by a constant index.
// CHECK-DAG: #[[X:.*]] = affine_map<(d0, d1, d2, d3, d4) -> (0, d1, d2, d4)>
// CHECK-DAG: #[[Y:.*]] = affine_map<(d0, d1, d2, d3, d4) -> (d0, d1, d4, d3)>
// CHECK-LABEL: func.func @matmul
// CHECK: linalg.matmul
// CHECK: linalg.generic {indexing_maps = [#[[X]], #[[Y]], {{.*}}], iterator_types = ["parallel", "parallel", "parallel", "parallel", "reduction"]}
// CHECK: arith.mulf
// CHECK-NEXT: arith.addf
func.func @matmul(%m: tensor<4x5xf32>, %x: tensor<1x3x2x4xf32>, %y: tensor<6x3x4x5xf32>) -> (tensor<1x3x2x5xf32>, tensor<6x3x2x5xf32>) {
  %a = onnx.op "MatMul" version 13 (%x, %m) outputs ["a"] : (tensor<1x3x2x4xf32>, tensor<4x5xf32>) -> tensor<1x3x2x5xf32>
  %b = onnx.op "MatMul" version 13 (%x, %y) outputs ["b"] : (tensor<1x3x2x4xf32>, tensor<6x3x4x5xf32>) -> tensor<6x3x2x5xf32>
  return %a, %b : tensor<1x3x2x5xf32>, tensor<6x3x2x5xf32>
}

// -----

// Operands that are transposed are read that way round; alpha, beta and the bias are one map.
// CHECK-DAG: #[[X:.*]] = affine_map<(d0, d1, d2) -> (d2, d0)>
// CHECK-DAG: #[[Y:.*]] = affine_map<(d0, d1, d2) -> (d1, d2)>
// CHECK-LABEL: func.func @gemm
// CHECK: linalg.generic {indexing_maps = [#[[X]], #[[Y]],
// CHECK: linalg.generic
// CHECK: arith.mulf %{{.*}}, %{{.*}} : f32
// CHECK: arith.mulf %{{.*}}, %{{.*}} : f32
// CHECK: arith.addf
func.func @gemm(%x: tensor<4x2xf32>, %y: tensor<3x4xf32>, %c: tensor<3xf32>) -> tensor<2x3xf32> {
  %r = onnx.op "Gemm" version 13 (%x, %y, %c) attributes {transA = 1 : i64, transB = 1 : i64, alpha = 5.0e-1 : f32, beta = 2.0 : f32}
    outputs ["r"] : (tensor<4x2xf32>, tensor<3x4xf32>, tensor<3xf32>) -> tensor<2x3xf32>
  return %r : tensor<2x3xf32>
}

// -----

// Zero points go before the product: of rows on the left, of columns on the right.
// CHECK-LABEL: func.func @integers
// CHECK: arith.subi
// CHECK: arith.subi
// CHECK: arith.muli
// CHECK-NEXT: arith.addi
// CHECK-NOT: math.roundeven
func.func @integers(%x: tensor<2x4xi8>, %y: tensor<4x3xi8>, %xz: tensor<2xi8>, %yz: tensor<3xi8>) -> tensor<2x3xi32> {
  %r = onnx.op "MatMulInteger" version 10 (%x, %y, %xz, %yz) outputs ["r"]
    : (tensor<2x4xi8>, tensor<4x3xi8>, tensor<2xi8>, tensor<3xi8>) -> tensor<2x3xi32>
  return %r : tensor<2x3xi32>
}

// -----

// Three factors are two products: what nothing after needs is summed over in the first.
// CHECK-LABEL: func.func @einsum
// CHECK: linalg.generic {{.*}} iterator_types = ["parallel", "parallel", "reduction"]
// CHECK: linalg.generic {{.*}} iterator_types = ["parallel", "parallel", "reduction"]
// The diagonal.
// CHECK: linalg.generic {{.*}} iterator_types = ["parallel", "parallel"]
func.func @einsum(%x: tensor<2x3xf32>, %y: tensor<3x4xf32>, %z: tensor<4x5xf32>, %s: tensor<6x3x3xf32>) -> (tensor<2x5xf32>, tensor<6x3xf32>) {
  %a = onnx.op "Einsum" version 12 (%x, %y, %z) attributes {equation = "ij, jk, kl"} outputs ["a"]
    : (tensor<2x3xf32>, tensor<3x4xf32>, tensor<4x5xf32>) -> tensor<2x5xf32>
  %b = onnx.op "Einsum" version 12 (%s) attributes {equation = "...ii->...i"} outputs ["b"] : (tensor<6x3x3xf32>) -> tensor<6x3xf32>
  return %a, %b : tensor<2x5xf32>, tensor<6x3xf32>
}
