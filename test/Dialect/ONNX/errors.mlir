// RUN: lpu-opt %s --split-input-file --verify-diagnostics

func.func @c1_type(%x: tensor<4xf32>) {
  // expected-error @+1 {{'onnx.op' op expected an operator type, got an empty one}}
  onnx.op "" version 1(%x) outputs ["y"] : (tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @c1_version(%x: tensor<4xf32>) {
  // expected-error @+1 {{'onnx.op' op expected a version of at least 1, got 0}}
  onnx.op "Relu" version 0(%x) outputs ["y"] : (tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @c2_count(%x: tensor<4xf32>) {
  // expected-error @+1 {{'onnx.op' op expected a name for each of 1 results, got 0}}
  onnx.op "Relu" version 14(%x) outputs [] : (tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @c2_absent(%x: tensor<4xf32>) {
  // expected-error @+1 {{'onnx.op' op expected result 0, named "", to be none, got 'tensor<4xf32>'}}
  onnx.op "Relu" version 14(%x) outputs [""] : (tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @c3(%x: tensor<4xf32>) {
  // expected-error @+1 {{'onnx.op' op attribute "alpha": expected a kind of ONNX attribute, got 1 : i32}}
  onnx.op "Elu" version 6(%x) attributes {alpha = 1 : i32} outputs ["y"] : (tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @c4_range(%x: tensor<4xf32>) {
  // expected-error @+1 {{'onnx.op' op attribute "body": expected one of 0 regions, got region 0}}
  onnx.op "Loop" version 6(%x) attributes {body = #onnx.graph<0>} outputs ["y"] : (tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @c4_unreferenced(%x: tensor<4xf32>) {
  // expected-error @+1 {{'onnx.op' op expected one attribute that references region 0, got 0}}
  onnx.op "Loop" version 6(%x) outputs ["y"] : (tensor<4xf32>) -> tensor<4xf32> graphs {
    onnx.yield %x : tensor<4xf32>
  }
  return
}

// -----

func.func @weight_outside() {
  // expected-error @+1 {{expected a path inside the model's folder, got "../m.data"}}
  %w = onnx.weight "w" <"../m.data", offset 0, length 64, hash "", tensor<4x4xf32>>
  return
}

// -----

func.func @weight_length() {
  // expected-error @+1 {{expected 64 bytes for 'tensor<4x4xf32>', got 63}}
  %w = onnx.weight "w" <"m.data", offset 0, length 63, hash "", tensor<4x4xf32>>
  return
}

// -----

func.func @weight_hash() {
  // expected-error @+1 {{expected a hash of 32 hexadecimal digits, got "12"}}
  %w = onnx.weight "w" <"m.data", offset 0, length 64, hash "12", tensor<4x4xf32>>
  return
}

// -----

// expected-error @+1 {{expected a name for each of 2 dimensions, got 1}}
func.func @dims_count(%x: tensor<?x4xf32, #onnx.dims<["batch"]>>) {
  return
}

// -----

// expected-error @+1 {{expected dimension 1, named "n", to be dynamic, got 4}}
func.func @dims_static(%x: tensor<?x4xf32, #onnx.dims<["", "n"]>>) {
  return
}
