// RUN: lpu-opt %s --split-input-file --pass-pipeline='builtin.module(func.func(convert-onnx-to-lpu))' | FileCheck %s

// f32 rows are gathered from the model's table, others from one of carried elements.
// CHECK-LABEL: func.func @gather
// CHECK-DAG: %[[TABLE:.*]] = lpu.narrow %arg1 : tensor<4x6xi8> to tensor<4x6xi32>
// CHECK-DAG: %[[INDEX:.*]] = lpu.narrow %arg2 : tensor<2xi64> to tensor<2xi32>
// CHECK: lpu.gather %arg0[%arg2] axis 1 : (tensor<4x6xf32>, tensor<2xi64>) -> tensor<4x2xf32>
// CHECK: lpu.gather %[[TABLE]][%[[INDEX]]] axis 0 : (tensor<4x6xi32>, tensor<2xi32>) -> tensor<2x6xi32>
func.func @gather(%x: tensor<4x6xf32>, %b: tensor<4x6xi8>, %i: tensor<2xi64>) -> (tensor<4x2xf32>, tensor<2x6xi8>) {
  %y = onnx.op "Gather" version 13 (%x, %i) attributes {axis = -1 : i64} outputs ["y"]
    : (tensor<4x6xf32>, tensor<2xi64>) -> tensor<4x2xf32>
  %z = onnx.op "Gather" version 13 (%b, %i) outputs ["z"] : (tensor<4x6xi8>, tensor<2xi64>) -> tensor<2x6xi8>
  return %y, %z : tensor<4x2xf32>, tensor<2x6xi8>
}

// -----

// Every place is compared with the index, negative ones from the end; -0 is what adds nothing.
// CHECK-LABEL: func.func @gather_elements
// CHECK: %[[NONE:.*]] = arith.constant -0.000000e+00 : f32
// CHECK: linalg.fill ins(%[[NONE]]
// CHECK: linalg.generic {{.*}} iterator_types = ["parallel", "parallel", "reduction"]
// CHECK: arith.cmpi slt
// CHECK: arith.cmpi eq
// CHECK: arith.select
// CHECK: arith.addf
func.func @gather_elements(%x: tensor<4x6xf32>, %i: tensor<4x2xi32>) -> tensor<4x2xf32> {
  %y = onnx.op "GatherElements" version 13 (%x, %i) attributes {axis = 1 : i64} outputs ["y"]
    : (tensor<4x6xf32>, tensor<4x2xi32>) -> tensor<4x2xf32>
  return %y : tensor<4x2xf32>
}

// -----

// The last update of a place stays; what has none is the data's. Sums start from the data.
// CHECK-LABEL: func.func @scatter
// CHECK: linalg.generic {{.*}} iterator_types = ["parallel", "reduction"]
// CHECK: arith.maxsi
// CHECK: lpu.gather {{.*}} axis 0 : (tensor<2x6xf32>, tensor<4xi32>) -> tensor<4x6xf32>
// CHECK: linalg.generic {{.*}} iterator_types = ["parallel", "parallel"]
// CHECK: linalg.generic {{.*}} iterator_types = ["parallel", "parallel", "reduction"]
// CHECK: arith.addf
// CHECK: linalg.generic {{.*}} iterator_types = ["parallel", "parallel"]
// CHECK: arith.addf
func.func @scatter(%x: tensor<4x6xf32>, %i: tensor<2x1xi64>, %u: tensor<2x6xf32>) -> (tensor<4x6xf32>, tensor<4x6xf32>) {
  %y = onnx.op "ScatterND" version 18 (%x, %i, %u) outputs ["y"]
    : (tensor<4x6xf32>, tensor<2x1xi64>, tensor<2x6xf32>) -> tensor<4x6xf32>
  %z = onnx.op "ScatterND" version 18 (%x, %i, %u) attributes {reduction = "add"} outputs ["z"]
    : (tensor<4x6xf32>, tensor<2x1xi64>, tensor<2x6xf32>) -> tensor<4x6xf32>
  return %y, %z : tensor<4x6xf32>, tensor<4x6xf32>
}
