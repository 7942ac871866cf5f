// RUN: lpu-opt %s --split-input-file --pass-pipeline='builtin.module(func.func(convert-onnx-to-lpu))' | FileCheck %s

// One product with the factors of the transform.
// CHECK-LABEL: func.func @dft
// CHECK: arith.constant dense<{{.*}}> : tensor<4x1x4x2xf32>
// CHECK: linalg.generic {{.*}} iterator_types = ["parallel", "parallel", "parallel", "parallel", "reduction", "reduction"]
// CHECK-NOT: linalg.generic
func.func @dft(%x: tensor<1x4x1xf32>) -> tensor<1x4x2xf32> {
  %y = onnx.op "DFT" version 20 (%x) outputs ["y"] : (tensor<1x4x1xf32>) -> tensor<1x4x2xf32>
  return %y : tensor<1x4x2xf32>
}

// -----

// A long one is split: 4 times 32, then 4 times 8, then 8.
// CHECK-LABEL: func.func @long
// CHECK-DAG: tensor<4x2x4x2xf32>
// CHECK-DAG: tensor<4x32x2xf32>
// CHECK-DAG: tensor<4x8x2xf32>
// CHECK-DAG: tensor<8x2x8x2xf32>
// CHECK: linalg.transpose
func.func @long(%x: tensor<1x128x2xf32>) -> tensor<1x128x2xf32> {
  %y = onnx.op "DFT" version 20 (%x) outputs ["y"] : (tensor<1x128x2xf32>) -> tensor<1x128x2xf32>
  return %y : tensor<1x128x2xf32>
}

// -----

// CHECK-LABEL: func.func @det
// CHECK: linalg.generic
// CHECK: arith.mulf
// CHECK: arith.subf
// CHECK: linalg.yield
func.func @det(%x: tensor<5x2x2xf32>) -> tensor<5xf32> {
  %y = onnx.op "Det" version 22 (%x) outputs ["y"] : (tensor<5x2x2xf32>) -> tensor<5xf32>
  return %y : tensor<5xf32>
}
