// RUN: lpu-opt %s --split-input-file --verify-diagnostics --pass-pipeline='builtin.module(func.func(convert-onnx-to-lpu))'

func.func @past(%x: tensor<1x2x4x8xf32>) -> tensor<1x2x4x8xf32> {
  %none = onnx.none
  // expected-error @below {{node 'y' (Attention): only one of past_key and past_value is given}}
  %y = onnx.op "Attention" version 23 (%x, %x, %x, %none, %x) outputs ["y"]
    : (tensor<1x2x4x8xf32>, tensor<1x2x4x8xf32>, tensor<1x2x4x8xf32>, none, tensor<1x2x4x8xf32>) -> tensor<1x2x4x8xf32>
  return %y : tensor<1x2x4x8xf32>
}

// -----

func.func @heads(%x: tensor<1x4x30xf32>, %cos: tensor<1x4x5xf32>) -> tensor<1x4x30xf32> {
  // expected-error @below {{node 'y' (RotaryEmbedding): num_heads does not divide the last dimension of input 0}}
  %y = onnx.op "RotaryEmbedding" version 23 (%x, %cos, %cos) attributes {num_heads = 4 : i64} outputs ["y"]
    : (tensor<1x4x30xf32>, tensor<1x4x5xf32>, tensor<1x4x5xf32>) -> tensor<1x4x30xf32>
  return %y : tensor<1x4x30xf32>
}

// -----

func.func @batch(%x: tensor<4x8xf32>, %rows: tensor<4x8xf32>) -> tensor<4x8xf32> {
  // expected-error @below {{node 'y' (TensorScatter): axis is the batch}}
  %y = onnx.op "TensorScatter" version 24 (%x, %rows) outputs ["y"] : (tensor<4x8xf32>, tensor<4x8xf32>) -> tensor<4x8xf32>
  return %y : tensor<4x8xf32>
}

// -----

func.func @elements(%x: tensor<4xui8>) -> tensor<4xf32> {
  // expected-error @below {{node 'y' (Cast): elements are not float, bool or signed integers}}
  %y = onnx.op "Cast" version 13 (%x) attributes {to = 1 : i64} outputs ["y"] : (tensor<4xui8>) -> tensor<4xf32>
  return %y : tensor<4xf32>
}
