// RUN: lpu-opt %s --lpu-expand-scalars | FileCheck %s
// RUN: lpu-opt %s --lpu-expand-scalars --lpu-expand-scalars | FileCheck %s

// Numbers are held against numpy by python/tests/test_expand_scalars.py.

#id = affine_map<(d0) -> (d0)>

// A product with the reciprocal, corrected; zeros and infinities leave the product.
// CHECK-LABEL: func.func @divide
// CHECK: %[[R:.*]] = arith.divf %{{.*}}, %[[Y:.*]] : f32
// CHECK-NEXT: %[[Q:.*]] = arith.mulf %[[X:.*]], %[[R]] : f32
// CHECK-NEXT: %[[N:.*]] = arith.negf %[[Y]] : f32
// CHECK-NEXT: %[[E:.*]] = math.fma %[[N]], %[[Q]], %[[X]] : f32
// CHECK-NEXT: %[[C:.*]] = math.fma %[[E]], %[[R]], %[[Q]] : f32
// CHECK-NEXT: %[[IS:.*]] = arith.cmpf oeq, %[[C]], %[[C]] : f32
// CHECK-NEXT: %[[Z:.*]] = arith.select %[[IS]], %[[C]], %[[Q]] : f32
// CHECK-NEXT: linalg.yield %[[Z]] : f32
func.func @divide(%a: tensor<4xf32>, %b: tensor<4xf32>, %init: tensor<4xf32>) -> tensor<4xf32> {
  %r = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel"]}
      ins(%a, %b : tensor<4xf32>, tensor<4xf32>) outs(%init : tensor<4xf32>) {
  ^bb0(%x: f32, %y: f32, %old: f32):
    %z = arith.divf %x, %y : f32
    linalg.yield %z : f32
  } -> tensor<4xf32>
  return %r : tensor<4xf32>
}

// Constants fold: by 4 it is a product, to the third two of them; a conversion and its rounding stay one operation.
// CHECK-LABEL: func.func @constants
// CHECK: %[[QUARTER:.*]] = arith.constant 2.500000e-01 : f32
// CHECK: arith.mulf %[[X:.*]], %[[QUARTER]] : f32
// CHECK-NEXT: %[[SQUARE:.*]] = arith.mulf %[[P:.*]], %[[P]] : f32
// CHECK-NEXT: %[[CUBE:.*]] = arith.mulf %[[P]], %[[SQUARE]] : f32
// CHECK-NEXT: %[[ROUNDED:.*]] = math.roundeven %[[CUBE]] : f32
// CHECK-NEXT: arith.fptosi %[[ROUNDED]] : f32 to i32
// CHECK-NEXT: linalg.yield
func.func @constants(%a: tensor<4xf32>, %init: tensor<4xi32>) -> tensor<4xi32> {
  %r = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel"]}
      ins(%a : tensor<4xf32>) outs(%init : tensor<4xi32>) {
  ^bb0(%x: f32, %old: i32):
    %four = arith.constant 4.0 : f32
    %three = arith.constant 3.0 : f32
    %quarter = arith.divf %x, %four : f32
    %cube = math.powf %quarter, %three : f32
    %rounded = math.roundeven %cube : f32
    %z = arith.fptosi %rounded : f32 to i32
    linalg.yield %z : i32
  } -> tensor<4xi32>
  return %r : tensor<4xi32>
}

// A pair that rounds to f16 stays, within its range; to int8 it is two shifts.
// CHECK-LABEL: func.func @pairs
// CHECK: arith.maximumf
// CHECK: %[[WITHIN:.*]] = arith.minimumf
// CHECK-NEXT: %[[HALF:.*]] = arith.truncf %[[WITHIN]] : f32 to f16
// CHECK-NEXT: arith.extf %[[HALF]] : f16 to f32
// CHECK: arith.shli
// CHECK-NEXT: arith.shrsi
func.func @pairs(%a: tensor<4xf32>, %b: tensor<4xi32>, %init: tensor<4xf32>, %words: tensor<4xi32>)
    -> (tensor<4xf32>, tensor<4xi32>) {
  %r:2 = linalg.generic {indexing_maps = [#id, #id, #id, #id], iterator_types = ["parallel"]}
      ins(%a, %b : tensor<4xf32>, tensor<4xi32>) outs(%init, %words : tensor<4xf32>, tensor<4xi32>) {
  ^bb0(%x: f32, %i: i32, %old: f32, %older: i32):
    %half = arith.truncf %x : f32 to f16
    %y = arith.extf %half : f16 to f32
    %byte = arith.trunci %i : i32 to i8
    %j = arith.extsi %byte : i8 to i32
    linalg.yield %y, %j : f32, i32
  } -> (tensor<4xf32>, tensor<4xi32>)
  return %r#0, %r#1 : tensor<4xf32>, tensor<4xi32>
}

// Maps of the kernel level have bodies, too. Their quotients and roots stay: a reciprocal and a product take fewer ALUs.
// CHECK-LABEL: func.func @map
// CHECK: lpu.map
// CHECK: %[[ROOT:.*]] = math.sqrt
// CHECK-NOT: math.fma
// CHECK: arith.divf %{{.*}}, %[[ROOT]] : f32
// CHECK: math.exp2
// CHECK: lpu.yield
func.func @map() {
  %x = lpu.load_input "x" shape [1, 20] : !lpu.buffer<1, 20, f32>
  %y = lpu.map(%x) scales [1.0] : (!lpu.buffer<1, 20, f32>) -> !lpu.buffer<1, 20, f32> {
  ^bb0(%a: f32):
    %r = math.sqrt %a : f32
    %q = arith.divf %a, %r : f32
    %e = math.exp %q : f32
    lpu.yield %e : f32
  }
  return
}
