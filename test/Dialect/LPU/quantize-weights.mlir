// RUN: lpu-opt %s --pass-pipeline='builtin.module(func.func(lpu-quantize-weights))' | FileCheck %s

// One scale a column of the product; a transposed matrix has them along its rows, for
// whoever else reads it too. What no product takes stays as it is.
// CHECK-LABEL: func.func @products
// CHECK-DAG: lpu.weight "w" {{.*}} {int8_axis = 1 : i64}
// CHECK-DAG: %[[TABLE:.*]] = lpu.weight "table" {{.*}} {int8_axis = 0 : i64}
// CHECK-DAG: lpu.weight "positions" dense<0.000000e+00> : tensor<4x2xf32> : tensor<4x2xf32>
// CHECK-DAG: lpu.weight "bias" dense<0.000000e+00> : tensor<1x3xf32> : tensor<1x3xf32>
// CHECK: lpu.gather %[[TABLE]]
func.func @products(%i: tensor<4xi64>) -> (tensor<4x3xf32>, tensor<4x5xf32>, tensor<4x2xf32>, tensor<1x3xf32>) {
  %w = lpu.weight "w" dense<1.0> : tensor<2x3xf32> : tensor<2x3xf32>
  %table = lpu.weight "table" dense<1.0> : tensor<5x2xf32> : tensor<5x2xf32>
  %positions = lpu.weight "positions" dense<0.0> : tensor<4x2xf32> : tensor<4x2xf32>
  %bias = lpu.weight "bias" dense<0.0> : tensor<1x3xf32> : tensor<1x3xf32>
  %x = lpu.gather %table[%i] axis 0 : (tensor<5x2xf32>, tensor<4xi64>) -> tensor<4x2xf32>
  %p = lpu.gather %positions[%i] axis 0 : (tensor<4x2xf32>, tensor<4xi64>) -> tensor<4x2xf32>
  %e3 = tensor.empty() : tensor<4x3xf32>
  %y = linalg.matmul ins(%x, %w : tensor<4x2xf32>, tensor<2x3xf32>) outs(%e3 : tensor<4x3xf32>) -> tensor<4x3xf32>
  %et = tensor.empty() : tensor<2x5xf32>
  %turned = linalg.transpose ins(%table : tensor<5x2xf32>) outs(%et : tensor<2x5xf32>) permutation = [1, 0]
  %e5 = tensor.empty() : tensor<4x5xf32>
  %z = linalg.matmul ins(%x, %turned : tensor<4x2xf32>, tensor<2x5xf32>) outs(%e5 : tensor<4x5xf32>) -> tensor<4x5xf32>
  return %y, %z, %p, %bias : tensor<4x3xf32>, tensor<4x5xf32>, tensor<4x2xf32>, tensor<1x3xf32>
}

// Both ways: each product has its own.
// CHECK-LABEL: func.func @both
// CHECK: %[[COLUMNS:.*]] = lpu.weight "w" {{.*}} {int8_axis = 1 : i64}
// CHECK: %[[ROWS:.*]] = lpu.weight "w" {{.*}} {int8_axis = 0 : i64}
// CHECK: linalg.matmul ins(%arg0, %[[COLUMNS]] :
// CHECK: linalg.transpose ins(%[[ROWS]] :
func.func @both(%x: tensor<4x2xf32>) -> tensor<4x2xf32> {
  %w = lpu.weight "w" dense<1.0> : tensor<2x3xf32> : tensor<2x3xf32>
  %e3 = tensor.empty() : tensor<4x3xf32>
  %y = linalg.matmul ins(%x, %w : tensor<4x2xf32>, tensor<2x3xf32>) outs(%e3 : tensor<4x3xf32>) -> tensor<4x3xf32>
  %et = tensor.empty() : tensor<3x2xf32>
  %turned = linalg.transpose ins(%w : tensor<2x3xf32>) outs(%et : tensor<3x2xf32>) permutation = [1, 0]
  %e2 = tensor.empty() : tensor<4x2xf32>
  %z = linalg.matmul ins(%y, %turned : tensor<4x3xf32>, tensor<3x2xf32>) outs(%e2 : tensor<4x2xf32>) -> tensor<4x2xf32>
  return %z : tensor<4x2xf32>
}

// A transposition that changes nothing.
// CHECK-LABEL: func.func @kept
// CHECK: lpu.weight "w" {{.*}} {int8_axis = 1 : i64}
func.func @kept(%x: tensor<4x2xf32>) -> tensor<4x3xf32> {
  %w = lpu.weight "w" dense<1.0> : tensor<2x3xf32> : tensor<2x3xf32>
  %e3 = tensor.empty() : tensor<4x3xf32>
  %et = tensor.empty() : tensor<2x3xf32>
  %same = linalg.transpose ins(%w : tensor<2x3xf32>) outs(%et : tensor<2x3xf32>) permutation = [0, 1]
  %y = linalg.matmul ins(%x, %same : tensor<4x2xf32>, tensor<2x3xf32>) outs(%e3 : tensor<4x3xf32>) -> tensor<4x3xf32>
  return %y : tensor<4x3xf32>
}
