// RUN: lpu-opt %s --split-input-file --verify-diagnostics --pass-pipeline='builtin.module(func.func(convert-onnx-to-lpu))'

func.func @ends(%x: tensor<4xf32>, %starts: tensor<1xi64>) -> tensor<2xf32> {
  // expected-error @below {{node 'y' (Slice): input 1 (starts) is not a constant}}
  %y = onnx.op "Slice" version 13 (%x, %starts, %starts) outputs ["y"]
    : (tensor<4xf32>, tensor<1xi64>, tensor<1xi64>) -> tensor<2xf32>
  return %y : tensor<2xf32>
}

// -----

func.func @samples(%x: tensor<1x1x4x4xf32>, %rois: tensor<2x4xf32>, %batch: tensor<2xi64>) -> tensor<2x1x1x1xf32> {
  // expected-error @below {{node 'y' (RoiAlign): sampling_ratio is 0: the number of samples depends on the regions}}
  %y = onnx.op "RoiAlign" version 22 (%x, %rois, %batch) outputs ["y"]
    : (tensor<1x1x4x4xf32>, tensor<2x4xf32>, tensor<2xi64>) -> tensor<2x1x1x1xf32>
  return %y : tensor<2x1x1x1xf32>
}

// -----

func.func @reduction(%x: tensor<4xf32>, %i: tensor<2xi64>, %u: tensor<2xf32>) -> tensor<4xf32> {
  // expected-error @below {{node 'y' (ScatterElements): reduction is mean}}
  %y = onnx.op "ScatterElements" version 18 (%x, %i, %u) attributes {reduction = "mean"} outputs ["y"]
    : (tensor<4xf32>, tensor<2xi64>, tensor<2xf32>) -> tensor<4xf32>
  return %y : tensor<4xf32>
}
