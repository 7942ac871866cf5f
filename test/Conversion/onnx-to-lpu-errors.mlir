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

func.func @elements(%x: tensor<4x!onnx.string>) -> tensor<4xf32> {
  // expected-error @below {{node 'y' (Cast): elements of input 0 are not numbers}}
  %y = onnx.op "Cast" version 13 (%x) attributes {to = 1 : i64} outputs ["y"] : (tensor<4x!onnx.string>) -> tensor<4xf32>
  return %y : tensor<4xf32>
}

// -----

func.func @random(%x: tensor<4xf32>) -> tensor<4xf32> {
  // expected-error @below {{node 'y' (Bernoulli): random numbers: every run of a program is the same}}
  %y = onnx.op "Bernoulli" version 15 (%x) outputs ["y"] : (tensor<4xf32>) -> tensor<4xf32>
  return %y : tensor<4xf32>
}

// -----

func.func @training(%x: tensor<4xf32>, %ratio: tensor<f32>, %mode: tensor<i1>) -> tensor<4xf32> {
  // expected-error @below {{node 'y' (Dropout): input 2, whether it trains, is not constant}}
  %y = onnx.op "Dropout" version 13 (%x, %ratio, %mode) outputs ["y"] : (tensor<4xf32>, tensor<f32>, tensor<i1>) -> tensor<4xf32>
  return %y : tensor<4xf32>
}

// -----

func.func @bits(%x: tensor<4xf32>) -> tensor<4xi16> {
  // expected-error @below {{node 'y' (BitCast): elements have different sizes}}
  %y = onnx.op "BitCast" version 26 (%x) attributes {to = 5 : i64} outputs ["y"] : (tensor<4xf32>) -> tensor<4xi16>
  return %y : tensor<4xi16>
}

// -----

func.func @scales(%x: tensor<4x6xf32>, %scale: tensor<5xf32>, %zero: tensor<5xui8>) -> tensor<4x6xui8> {
  // expected-error @below {{node 'y' (QuantizeLinear): input 1 has neither one scale nor one for each index of the axis}}
  %y = onnx.op "QuantizeLinear" version 13 (%x, %scale, %zero) outputs ["y"] : (tensor<4x6xf32>, tensor<5xf32>, tensor<5xui8>) -> tensor<4x6xui8>
  return %y : tensor<4x6xui8>
}
