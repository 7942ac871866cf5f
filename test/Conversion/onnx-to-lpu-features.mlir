// RUN: lpu-opt %s --split-input-file --pass-pipeline='builtin.module(func.func(convert-onnx-to-lpu))' | FileCheck %s

// A key's place in the table of values; the default is behind them.
// CHECK-LABEL: func.func @labels
// CHECK: arith.constant dense<[3, 5]> : tensor<2xi32>
// CHECK: arith.minsi
// CHECK: arith.constant dense<[5.000000e-01, 1.500000e+00, -1.000000e+00]> : tensor<3xf32>
// CHECK: lpu.gather
func.func @labels(%x: tensor<4xi64>) -> tensor<4xf32> {
  %y = onnx.op "LabelEncoder" domain "ai.onnx.ml" version 4 (%x)
    attributes {keys_int64s = array<i64: 3, 5>, values_floats = array<f32: 0.5, 1.5>, default_float = -1.0 : f32} outputs ["y"]
    : (tensor<4xi64>) -> tensor<4xf32>
  return %y : tensor<4xf32>
}
