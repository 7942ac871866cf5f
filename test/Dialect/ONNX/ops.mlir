// RUN: lpu-opt %s | lpu-opt | FileCheck %s
// RUN: lpu-opt %s --mlir-print-op-generic | lpu-opt | FileCheck %s

// CHECK: module attributes {onnx.folder = "models", onnx.ir_version = 10 : i64, onnx.opset = {ai.onnx = 23 : i64}}
module attributes {onnx.folder = "models", onnx.ir_version = 10 : i64, onnx.opset = {ai.onnx = 23 : i64}} {
  // CHECK-LABEL: func.func @named_dimensions
  // CHECK-SAME: tensor<?x4xf32, #onnx.dims<["batch", ""]>>
  func.func @named_dimensions(%x: tensor<?x4xf32, #onnx.dims<["batch", ""]>> {onnx.name = "x"})
      -> (tensor<?x4xf32, #onnx.dims<["batch", ""]>> {onnx.name = "y"}) {
    // CHECK: onnx.weight "w" <"m.data", offset 16, length 64, hash "00112233445566778899aabbccddeeff", tensor<4x4xf32>>
    %w = onnx.weight "w" <"m.data", offset 16, length 64, hash "00112233445566778899aabbccddeeff", tensor<4x4xf32>>
    // CHECK: onnx.constant "b" dense<1.000000e+00> : tensor<4xf32>
    %b = onnx.constant "b" dense<1.0> : tensor<4xf32>
    // CHECK: onnx.op "Gemm" version 13(%{{.*}}, %{{.*}}, %{{.*}}) attributes {alpha = 2.000000e+00 : f32} outputs ["y"] : (
    %y = onnx.op "Gemm" version 13(%x, %w, %b) attributes {alpha = 2.0 : f32} outputs ["y"]
      : (tensor<?x4xf32, #onnx.dims<["batch", ""]>>, tensor<4x4xf32>, tensor<4xf32>) -> tensor<?x4xf32, #onnx.dims<["batch", ""]>>
    return %y : tensor<?x4xf32, #onnx.dims<["batch", ""]>>
  }

  // CHECK-LABEL: func.func @absent
  func.func @absent(%x: tensor<4xf32>) -> tensor<4xf32> {
    // CHECK: %[[NONE:.*]] = onnx.none
    %none = onnx.none
    // CHECK: onnx.op "Norm" domain "com.microsoft" version 1(%{{.*}}, %[[NONE]]) outputs ["y", ""] : (tensor<4xf32>, none) -> (tensor<4xf32>, none)
    %y:2 = onnx.op "Norm" domain "com.microsoft" version 1(%x, %none) outputs ["y", ""] : (tensor<4xf32>, none) -> (tensor<4xf32>, none)
    return %y#0 : tensor<4xf32>
  }

  // CHECK-LABEL: func.func @graphs
  func.func @graphs(%c: tensor<i1>, %x: tensor<4xf32>) -> tensor<4xf32> {
    // CHECK: onnx.op "If" version 21(%{{.*}}) attributes {else_branch = #onnx.graph<1>, then_branch = #onnx.graph<0>} outputs ["y"] : (tensor<i1>) -> tensor<4xf32> graphs {
    // CHECK-NEXT: onnx.yield %{{.*}} : tensor<4xf32>
    %y = onnx.op "If" version 21(%c) attributes {else_branch = #onnx.graph<1>, then_branch = #onnx.graph<0>} outputs ["y"] : (tensor<i1>) -> tensor<4xf32> graphs {
      onnx.yield %x : tensor<4xf32>
    }, {
      onnx.yield %x : tensor<4xf32>
    }
    return %y : tensor<4xf32>
  }
}
