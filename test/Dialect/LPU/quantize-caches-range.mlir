// RUN: lpu-opt %s --pass-pipeline='builtin.module(lpu-quantize-caches{activation-max=254})' | FileCheck %s
// RUN: lpu-opt %s --verify-diagnostics --pass-pipeline='builtin.module(lpu-quantize-caches)'

// What calibration did not see has the range that is stated, else none.
// CHECK: %[[S:[a-z0-9_]+]] = arith.constant dense<2.000000e+00> : tensor<4xf32>
// CHECK: lpu.quantize %{{.*}} scale %[[S]]
func.func @decode(%x: tensor<1x1x4xf32>, %at: tensor<1xi64>, %keys: tensor<1x8x4xf32>,
                  %v: tensor<1x8x4xf32> {lpu.name = "v"}) -> (tensor<1x1x4xf32>, tensor<1x8x4xf32>) {
  // expected-error @below {{the range of its rows is not known: give --calibration=FILE.npz or --activation-max=LARGEST}}
  %vn = lpu.cache_update %x into %v at %at axis 1 : (tensor<1x8x4xf32>, tensor<1x1x4xf32>, tensor<1xi64>) -> tensor<1x8x4xf32>
  %y = lpu.attention %x, %keys, %vn heads 2, 2 scale 5.000000e-01 causal : (tensor<1x1x4xf32>, tensor<1x8x4xf32>, tensor<1x8x4xf32>) -> tensor<1x1x4xf32>
  return %y, %vn : tensor<1x1x4xf32>, tensor<1x8x4xf32>
}
