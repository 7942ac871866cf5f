// RUN: lpu-opt %s --split-input-file --pass-pipeline='builtin.module(func.func(convert-onnx-to-lpu))' | FileCheck %s

// Steps forwards are slices, backwards a map.
// CHECK-DAG: #[[BACK:.*]] = affine_map<(d0, d1) -> (d0, d1 * -2 + 6)>
// CHECK-LABEL: func.func @slice
// CHECK: tensor.extract_slice %arg0[1, 0] [1, 8] [1, 1] : tensor<3x8xf32> to tensor<1x8xf32>
// CHECK: linalg.generic {{.*}}#[[BACK]]
// CHECK-NOT: onnx
func.func @slice(%x: tensor<3x8xf32>) -> tensor<1x3xf32> {
  %starts = onnx.constant "starts" dense<[1, 6]> : tensor<2xi64>
  %ends = onnx.constant "ends" dense<[9223372036854775807, 0]> : tensor<2xi64>
  %axes = onnx.constant "axes" dense<[0, -1]> : tensor<2xi64>
  %steps = onnx.constant "steps" dense<[2, -2]> : tensor<2xi64>
  %y = onnx.op "Slice" version 13 (%x, %starts, %ends, %axes, %steps) outputs ["y"]
    : (tensor<3x8xf32>, tensor<2xi64>, tensor<2xi64>, tensor<2xi64>, tensor<2xi64>) -> tensor<1x3xf32>
  return %y : tensor<1x3xf32>
}

// -----

// Negative pads crop; a reflection is runs of indices.
// CHECK-DAG: #[[BACK:.*]] = affine_map<(d0, d1) -> (d0, -d1 + 2)>
// CHECK-LABEL: func.func @pad
// CHECK: %[[CROPPED:.*]] = tensor.extract_slice %arg0[1, 0] [2, 4] [1, 1]
// CHECK: tensor.pad %[[CROPPED]] low[0, 2] high[1, 0]
// CHECK: linalg.generic {{.*}}#[[BACK]]
// CHECK: tensor.extract_slice %{{.*}}[0, 1]
// CHECK: tensor.concat dim(1)
func.func @pad(%x: tensor<3x4xf32>) -> (tensor<3x6xf32>, tensor<3x6xf32>) {
  %pads = onnx.constant "pads" dense<[-1, 2, 1, 0]> : tensor<4xi64>
  %sides = onnx.constant "sides" dense<[0, 2, 0, 0]> : tensor<4xi64>
  %y = onnx.op "Pad" version 13 (%x, %pads) outputs ["y"] : (tensor<3x4xf32>, tensor<4xi64>) -> tensor<3x6xf32>
  %z = onnx.op "Pad" version 13 (%x, %sides) attributes {mode = "reflect"} outputs ["z"]
    : (tensor<3x4xf32>, tensor<4xi64>) -> tensor<3x6xf32>
  return %y, %z : tensor<3x6xf32>, tensor<3x6xf32>
}

// -----

// Elements that are only moved are not rounded to the model's type.
// CHECK-LABEL: func.func @tile
// CHECK: lpu.narrow %arg0 : tensor<2x3xf16> to tensor<2x3xf32>
// CHECK: linalg.generic {{.*}} outs(%{{.*}} : tensor<2x2x2x3xf32>)
// CHECK: tensor.collapse_shape {{.*}} into tensor<4x6xf32>
// CHECK-NOT: arith.truncf
// CHECK: tensor.concat dim(0)
// CHECK: lpu.widen
func.func @tile(%x: tensor<2x3xf16>, %more: tensor<1x6xf16>, %repeats: tensor<2xi64>) -> tensor<5x6xf16> {
  %y = onnx.op "Tile" version 13 (%x, %repeats) outputs ["y"] : (tensor<2x3xf16>, tensor<2xi64>) -> tensor<4x6xf16>
  %z = onnx.op "Concat" version 13 (%y, %more) attributes {axis = 0 : i64} outputs ["z"]
    : (tensor<4x6xf16>, tensor<1x6xf16>) -> tensor<5x6xf16>
  return %z : tensor<5x6xf16>
}
