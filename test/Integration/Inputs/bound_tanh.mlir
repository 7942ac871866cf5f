module attributes {lpu.target = "tiny"} {
func.func @main(%x: tensor<1x32xf32> {lpu.name = "x"}) -> (tensor<1x32xf32> {lpu.name = "y"}) {
  %e = tensor.empty() : tensor<1x32xf32>
  %y = linalg.generic {indexing_maps = [affine_map<(r, c) -> (r, c)>, affine_map<(r, c) -> (r, c)>],
                       iterator_types = ["parallel", "parallel"]}
      ins(%x : tensor<1x32xf32>) outs(%e : tensor<1x32xf32>) {
  ^bb0(%a: f32, %o: f32):
    %t = math.tanh %a : f32
    linalg.yield %t : f32
  } -> tensor<1x32xf32>
  return %y : tensor<1x32xf32>
}
}
