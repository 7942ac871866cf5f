module attributes {lpu.target = "tiny"} {
func.func @main(%x: tensor<1x16xf32> {lpu.name = "x"}) -> (tensor<1x16xf32> {lpu.name = "y"}) {
  %w = lpu.weight "w" #onnx.weight_ref<"m.data", offset 0, length 1024, hash "00000000000000000000000000000000", tensor<16x16xf32>>
      {int8_axis = 1 : i64} : tensor<16x16xf32>
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<1x16xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<1x16xf32>) -> tensor<1x16xf32>
  %y = linalg.matmul ins(%x, %w : tensor<1x16xf32>, tensor<16x16xf32>) outs(%f : tensor<1x16xf32>) -> tensor<1x16xf32>
  return %y : tensor<1x16xf32>
}
}
