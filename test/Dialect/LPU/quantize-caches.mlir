// RUN: lpu-opt %s --pass-pipeline='builtin.module(lpu-quantize-caches{headroom=1})' | FileCheck %s

// Both elements of a pair that rotates have the length of both: 5 of 3 and 4. A column has
// at least a third of the largest of its head, and a head that calibration saw nothing of
// a share of the largest of all.
// CHECK-LABEL: func.func @decode
// CHECK-SAME: %[[K:[a-z0-9_]+]]: tensor<1x8x4xi8> {lpu.name = "k"}, %[[V:[a-z0-9_]+]]: tensor<1x8x4xi8> {lpu.name = "v"}
// CHECK-SAME: -> (tensor<1x1x4xf32>, tensor<1x8x4xi8>, tensor<1x8x4xi8>)
// CHECK: %[[TURNED:[a-z0-9_]+]] = lpu.rotary
// CHECK: %[[KS:[a-z0-9_]+]] = arith.constant dense<[0.0393700786, 0.0131233605, 0.0393700786, 0.0131233605]> : tensor<4xf32>
// CHECK: %[[KR:[a-z0-9_]+]] = lpu.quantize %[[TURNED]] scale %[[KS]] {axis = 2 : i64} : (tensor<1x1x4xf32>, tensor<4xf32>) -> tensor<1x1x4xi8>
// CHECK: %[[KN:[a-z0-9_]+]] = lpu.cache_update %[[KR]] into %[[K]] at %{{.*}} axis 1
// CHECK: %[[KF:[a-z0-9_]+]] = lpu.dequantize %[[KN]] scale %[[KS]] {axis = 2 : i64} : (tensor<1x8x4xi8>, tensor<4xf32>) -> tensor<1x8x4xf32>
// CHECK: %[[VS:[a-z0-9_]+]] = arith.constant dense<[1.000000e+00, 2.000000e+00, 7.812500e-03, 7.812500e-03]> : tensor<4xf32>
// CHECK: %[[VN:[a-z0-9_]+]] = lpu.cache_update
// CHECK: %[[VF:[a-z0-9_]+]] = lpu.dequantize %[[VN]] scale %[[VS]]
// CHECK: %[[Y:[a-z0-9_]+]] = lpu.attention %{{.*}}, %[[KF]], %[[VF]]
// CHECK: return %[[Y]], %[[KN]], %[[VN]]
func.func @decode(%x: tensor<1x1x4xf32>, %cos: tensor<1x1x2xf32>, %at: tensor<1xi64>,
                  %k: tensor<1x8x4xf32> {lpu.name = "k"}, %v: tensor<1x8x4xf32> {lpu.name = "v"})
    -> (tensor<1x1x4xf32>, tensor<1x8x4xf32>, tensor<1x8x4xf32>) {
  %turned = lpu.rotary %x cos %cos sin %cos heads 1 : tensor<1x1x4xf32>, tensor<1x1x2xf32>, tensor<1x1x2xf32>
  %kn = lpu.cache_update %turned into %k at %at axis 1 {lpu.column_max = array<f32: 3.0, 0.6, 4.0, 0.8>} : (tensor<1x8x4xf32>, tensor<1x1x4xf32>, tensor<1xi64>) -> tensor<1x8x4xf32>
  %vn = lpu.cache_update %x into %v at %at axis 1 {lpu.column_max = array<f32: 12.7, 254.0, 0.0, 0.0>} : (tensor<1x8x4xf32>, tensor<1x1x4xf32>, tensor<1xi64>) -> tensor<1x8x4xf32>
  %y = lpu.attention %turned, %kn, %vn heads 2, 2 scale 5.000000e-01 causal : (tensor<1x1x4xf32>, tensor<1x8x4xf32>, tensor<1x8x4xf32>) -> tensor<1x1x4xf32>
  return %y, %kn, %vn : tensor<1x1x4xf32>, tensor<1x8x4xf32>, tensor<1x8x4xf32>
}

// Another entry with the same cache has the same scales: the largest of both.
// CHECK-LABEL: func.func @extend
// CHECK: arith.constant dense<[1.000000e+00, 2.000000e+00, 7.812500e-03, 7.812500e-03]> : tensor<4xf32>
// A cache that no attention reads stays as it is.
// CHECK-LABEL: func.func @other
// CHECK: lpu.cache_update {{.*}} -> tensor<1x8x4xf32>
func.func @extend(%x: tensor<1x1x4xf32>, %at: tensor<1xi64>, %keys: tensor<1x8x4xf32>,
                  %v: tensor<1x8x4xf32> {lpu.name = "v"}) -> (tensor<1x1x4xf32>, tensor<1x8x4xf32>) {
  %vn = lpu.cache_update %x into %v at %at axis 1 {lpu.column_max = array<f32: 127.0, 0.0, 0.0, 0.0>} : (tensor<1x8x4xf32>, tensor<1x1x4xf32>, tensor<1xi64>) -> tensor<1x8x4xf32>
  %y = lpu.attention %x, %keys, %vn heads 2, 2 scale 5.000000e-01 causal : (tensor<1x1x4xf32>, tensor<1x8x4xf32>, tensor<1x8x4xf32>) -> tensor<1x1x4xf32>
  return %y, %vn : tensor<1x1x4xf32>, tensor<1x8x4xf32>
}
func.func @other(%x: tensor<1x1x4xf32>, %at: tensor<1xi64>, %c: tensor<1x8x4xf32>) -> tensor<1x8x4xf32> {
  %n = lpu.cache_update %x into %c at %at axis 1 : (tensor<1x8x4xf32>, tensor<1x1x4xf32>, tensor<1xi64>) -> tensor<1x8x4xf32>
  return %n : tensor<1x8x4xf32>
}
