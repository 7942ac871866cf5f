// RUN: lpu-opt %s --split-input-file --pass-pipeline='builtin.module(func.func(convert-onnx-to-lpu))' | FileCheck %s

// Inputs broadcast from the right; f16 is computed in f32 and rounded.
// CHECK-DAG: #[[ROW:.*]] = affine_map<(d0, d1) -> (d1)>
// CHECK-DAG: #[[COLUMN:.*]] = affine_map<(d0, d1) -> (d0, 0)>
// CHECK-LABEL: func.func @half
// CHECK: linalg.generic {indexing_maps = [#[[ROW]], #[[COLUMN]], #{{.*}}]
// CHECK: arith.addf {{.*}} : f32
// CHECK: arith.truncf {{.*}} : f32 to f16
// CHECK: lpu.widen
func.func @half(%x: tensor<3xf16>, %y: tensor<2x1xf16>) -> tensor<2x3xf16> {
  %z = onnx.op "Add" version 14 (%x, %y) outputs ["z"] : (tensor<3xf16>, tensor<2x1xf16>) -> tensor<2x3xf16>
  return %z : tensor<2x3xf16>
}

// -----

// Before version 7 the second input lies along `axis`.
// CHECK-LABEL: func.func @legacy
// CHECK: %[[Y:.*]] = tensor.expand_shape %arg1 {{.*}} into tensor<3x1xf32>
// CHECK: linalg.generic {{.*}} ins(%arg0, %[[Y]] :
func.func @legacy(%x: tensor<2x3x4xf32>, %y: tensor<3xf32>) -> tensor<2x3x4xf32> {
  %z = onnx.op "Mul" version 6 (%x, %y) attributes {axis = 1 : i64, broadcast = 1 : i64} outputs ["z"]
    : (tensor<2x3x4xf32>, tensor<3xf32>) -> tensor<2x3x4xf32>
  return %z : tensor<2x3x4xf32>
}

// -----

// Only uint32 and uint64 need unsigned operations; every divisor has a quotient.
// CHECK-LABEL: func.func @wide
// CHECK: arith.cmpi eq
// CHECK: arith.divui
// CHECK-LABEL: func.func @narrow
// CHECK: arith.divsi
// CHECK: arith.trunci {{.*}} : i32 to i8
// CHECK: arith.extui {{.*}} : i8 to i32
func.func @wide(%x: tensor<3xui32>, %y: tensor<3xui32>) -> tensor<3xui32> {
  %z = onnx.op "Div" version 14 (%x, %y) outputs ["z"] : (tensor<3xui32>, tensor<3xui32>) -> tensor<3xui32>
  return %z : tensor<3xui32>
}
func.func @narrow(%x: tensor<3xui8>, %y: tensor<3xui8>) -> tensor<3xui8> {
  %z = onnx.op "Div" version 14 (%x, %y) outputs ["z"] : (tensor<3xui8>, tensor<3xui8>) -> tensor<3xui8>
  return %z : tensor<3xui8>
}

// -----

// A scalar is a constant of the body.
// CHECK-LABEL: func.func @scalar
// CHECK: linalg.generic {{.*}} ins(%arg0 : tensor<3xf32>)
// CHECK: %[[TWO:.*]] = arith.constant 2.0
// CHECK: math.powf %{{.*}}, %[[TWO]]
func.func @scalar(%x: tensor<3xf32>) -> tensor<3xf32> {
  %two = onnx.constant "two" dense<2.0> : tensor<f32>
  %z = onnx.op "Pow" version 15 (%x, %two) outputs ["z"] : (tensor<3xf32>, tensor<f32>) -> tensor<3xf32>
  return %z : tensor<3xf32>
}

// -----

// The largest number where a cast saturates, NaN as the type rounds where it does not.
// CHECK-LABEL: func.func @saturate
// CHECK: arith.maximumf %{{.*}}, %{{.*}}
// CHECK: arith.minimumf
// CHECK: arith.truncf {{.*}} to f8E4M3FN
// CHECK-LABEL: func.func @overflow
// CHECK-NOT: arith.minimumf
// CHECK: arith.truncf {{.*}} to f8E4M3FN
func.func @saturate(%x: tensor<3xf32>) -> tensor<3xf8E4M3FN> {
  %z = onnx.op "Cast" version 19 (%x) attributes {to = 17 : i64} outputs ["z"] : (tensor<3xf32>) -> tensor<3xf8E4M3FN>
  return %z : tensor<3xf8E4M3FN>
}
func.func @overflow(%x: tensor<3xf32>) -> tensor<3xf8E4M3FN> {
  %z = onnx.op "Cast" version 19 (%x) attributes {to = 17 : i64, saturate = 0 : i64} outputs ["z"]
    : (tensor<3xf32>) -> tensor<3xf8E4M3FN>
  return %z : tensor<3xf8E4M3FN>
}

// -----

// A scale for each block of 2 along axis 1, the last block cut; with zero points.
// CHECK-LABEL: func.func @blocks
// CHECK: linalg.generic {{.*}} ins(%arg1 : tensor<4x2xf32>) outs(%{{.*}} : tensor<4x2x2xf32>)
// CHECK: tensor.collapse_shape {{.*}} into tensor<4x4xf32>
// CHECK: tensor.extract_slice {{.*}} to tensor<4x3xf32>
// CHECK: arith.subi
// CHECK: arith.sitofp
// CHECK: arith.mulf
func.func @blocks(%x: tensor<4x3xui8>, %scale: tensor<4x2xf32>, %zero: tensor<4x2xui8>) -> tensor<4x3xf32> {
  %y = onnx.op "DequantizeLinear" version 21 (%x, %scale, %zero) attributes {axis = 1 : i64, block_size = 2 : i64} outputs ["y"]
    : (tensor<4x3xui8>, tensor<4x2xf32>, tensor<4x2xui8>) -> tensor<4x3xf32>
  return %y : tensor<4x3xf32>
}

// -----

// int8 without zero points keeps its composite.
// CHECK-LABEL: func.func @native
// CHECK: lpu.quantize
// CHECK: lpu.dequantize
func.func @native(%x: tensor<4xf32>, %scale: tensor<f32>) -> tensor<4xf32> {
  %q = onnx.op "QuantizeLinear" version 23 (%x, %scale) attributes {output_dtype = 3 : i64} outputs ["q"]
    : (tensor<4xf32>, tensor<f32>) -> tensor<4xi8>
  %y = onnx.op "DequantizeLinear" version 23 (%q, %scale) outputs ["y"] : (tensor<4xi8>, tensor<f32>) -> tensor<4xf32>
  return %y : tensor<4xf32>
}
