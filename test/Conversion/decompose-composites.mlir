// RUN: lpu-opt %s --split-input-file --verify-diagnostics --pass-pipeline='builtin.module(func.func(lpu-decompose-composites))' | FileCheck %s

// A gather reads integers through the dequantisation, which is not computed for the whole table.
// CHECK-LABEL: func.func @gather
// CHECK-NOT: lpu.dequantize
// CHECK: linalg.generic
// CHECK: tensor.extract %arg0
// CHECK: tensor.extract %arg1
// CHECK: arith.sitofp
// CHECK-NOT: linalg.generic
func.func @gather(%table: tensor<8x4xi8>, %scale: tensor<8xf32>, %i: tensor<2xi64>) -> tensor<2x4xf32> {
  %real = lpu.dequantize %table scale %scale {axis = 0 : i64} : (tensor<8x4xi8>, tensor<8xf32>) -> tensor<8x4xf32>
  %rows = lpu.gather %real[%i] axis 0 : (tensor<8x4xf32>, tensor<2xi64>) -> tensor<2x4xf32>
  return %rows : tensor<2x4xf32>
}

// -----

// Divided, saturated, rounded to even.
// CHECK-LABEL: func.func @quantize
// CHECK: arith.divf
// CHECK: arith.maximumf
// CHECK: arith.minimumf
// CHECK: math.roundeven
// CHECK: arith.fptosi
func.func @quantize(%x: tensor<2x4xf32>, %s: tensor<4xf32>) -> tensor<2x4xi8> {
  %q = lpu.quantize %x scale %s {axis = 1 : i64} : (tensor<2x4xf32>, tensor<4xf32>) -> tensor<2x4xi8>
  return %q : tensor<2x4xi8>
}

// -----

// CHECK-LABEL: func.func @cache
// CHECK: scf.for
// CHECK: scf.for
// CHECK: scf.if
// CHECK: tensor.insert_slice
func.func @cache(%cache: tensor<1x8x4xf32>, %rows: tensor<1x2x4xf32>, %at: tensor<1xi64>) -> tensor<1x8x4xf32> {
  %new = lpu.cache_update %rows into %cache at %at axis 1 : (tensor<1x8x4xf32>, tensor<1x2x4xf32>, tensor<1xi64>) -> tensor<1x8x4xf32>
  return %new : tensor<1x8x4xf32>
}

// -----

// Positions are the innermost loop of q k^T, the head's elements that of the weighted sum.
// CHECK-LABEL: func.func @attention
// CHECK: iterator_types = ["parallel", "parallel", "parallel", "parallel", "reduction", "parallel"]
// CHECK: math.exp
// CHECK: iterator_types = ["parallel", "parallel", "parallel", "parallel", "reduction", "parallel"]
func.func @attention(%q: tensor<1x1x8xf32>, %k: tensor<1x4x8xf32>) -> tensor<1x1x8xf32> {
  %y = lpu.attention %q, %k, %k heads 2, 2 scale 5.0e-1 : (tensor<1x1x8xf32>, tensor<1x4x8xf32>, tensor<1x4x8xf32>) -> tensor<1x1x8xf32>
  return %y : tensor<1x1x8xf32>
}

// -----

func.func @half(%x: tensor<2x4xf16>) -> tensor<2x4xf16> {
  // expected-error @below {{expected a static shape and no floats but f32, got 'tensor<2x4xf16>'}}
  %y = lpu.softmax %x axis 1 : tensor<2x4xf16>
  return %y : tensor<2x4xf16>
}
