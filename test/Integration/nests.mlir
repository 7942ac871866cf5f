// Tensors as loop nests on words, on the executor: lanes along columns, along rows (m), along nothing (c, s).
// DEFINE: %{passes} = builtin.module(convert-tensor-to-nest,func.func(lpu-split-nests),lpu-place-buffers,lpu-emit-memory,convert-lpu-to-stream,stream.program(stream-record-intent,stream-schedule),convert-stream-to-isa)
// RUN: rm -rf %t && mkdir %t
// RUN: lpu-opt %s --pass-pipeline='%{passes}' -o %t/isa.mlir
// RUN: lpu-translate --export-assembly %t/isa.mlir -o %t/nests.lpuasm
// RUN: lpu-as %t/nests.lpuasm -o %t/nests.lpu && lpu-verify %t/nests.lpu
// RUN: %python %S/Inputs/nests.py inputs %t
// RUN: lpu-run %t/nests.lpu --input x=%t/x.npy --input y=%t/y.npy --input r=%t/r.npy --input i=%t/i.npy --input t=%t/t.npy --input q=%t/q.npy --output-dir %t/out
// RUN: %python %S/Inputs/nests.py check %t
#id = affine_map<(d0, d1) -> (d0, d1)>
#turned = affine_map<(d0, d1) -> (d1, d0)>
#row = affine_map<(d0, d1) -> (d0)>
#cube = affine_map<(d0, d1, d2) -> (d0, d1, d2)>
module attributes {lpu.target = "tiny"} {
  func.func @main(%x: tensor<6x40xf32> {lpu.name = "x"}, %y: tensor<5x40xf32> {lpu.name = "y"}, %r: tensor<5x40xf32> {lpu.name = "r"}, %i: tensor<3xi32> {lpu.name = "i"},
                  %t: tensor<15x20x32xf32> {lpu.name = "t"}, %q: tensor<3x4xi32> {lpu.name = "q"})
      -> (tensor<9x40xf32> {lpu.name = "p"}, tensor<40xf32> {lpu.name = "a"}, tensor<40xf32> {lpu.name = "w"}, tensor<3x40xf32> {lpu.name = "g"},
          tensor<20x15x32xf32> {lpu.name = "u"}, tensor<5xf32> {lpu.name = "m"}, tensor<4xi32> {lpu.name = "c"}, tensor<3xi1> {lpu.name = "s"}, tensor<6x40xi32> {lpu.name = "b"}) {
    %zero = arith.constant 0.0 : f32
    %one = arith.constant 1.0 : f32
    %infinity = arith.constant 0x7F800000 : f32
    %izero = arith.constant 0 : i32
    %true = arith.constant true
    %border = arith.constant -1.0 : f32

    // A border before every second row from the end, then the rows of y.
    %reversed = tensor.empty() : tensor<6x40xf32>
    %back = linalg.generic {indexing_maps = [affine_map<(d0, d1) -> (5 - d0, d1)>, #id], iterator_types = ["parallel", "parallel"]}
        ins(%x : tensor<6x40xf32>) outs(%reversed : tensor<6x40xf32>) {
    ^bb0(%v: f32, %old: f32):
      %n = arith.negf %v : f32
      linalg.yield %n : f32
    } -> tensor<6x40xf32>
    %second = tensor.extract_slice %back[0, 0] [3, 40] [2, 1] : tensor<6x40xf32> to tensor<3x40xf32>
    %framed = tensor.pad %second low[1, 0] high[0, 0] {
    ^bb0(%first: index, %other: index):
      tensor.yield %border : f32
    } : tensor<3x40xf32> to tensor<4x40xf32>
    %p = tensor.concat dim(0) %framed, %y : (tensor<4x40xf32>, tensor<5x40xf32>) -> tensor<9x40xf32>

    // Sums over rows: in the register, from 1; products by halves.
    %columns = tensor.empty() : tensor<40xf32>
    %ones = linalg.fill ins(%one : f32) outs(%columns : tensor<40xf32>) -> tensor<40xf32>
    %a = linalg.generic {indexing_maps = [#turned, #row], iterator_types = ["parallel", "reduction"]}
        ins(%x : tensor<6x40xf32>) outs(%ones : tensor<40xf32>) {
    ^bb0(%v: f32, %old: f32):
      %square = arith.mulf %v, %v : f32
      %sum = arith.addf %old, %square : f32
      linalg.yield %sum : f32
    } -> tensor<40xf32>
    %w = linalg.generic {indexing_maps = [#turned, #row], iterator_types = ["parallel", "reduction"]}
        ins(%p : tensor<9x40xf32>) outs(%ones : tensor<40xf32>) {
    ^bb0(%v: f32, %old: f32):
      %product = arith.mulf %old, %v : f32
      linalg.yield %product : f32
    } -> tensor<40xf32>
    %g = lpu.gather %x[%i] axis 0 : (tensor<6x40xf32>, tensor<3xi32>) -> tensor<3x40xf32>

    // 300 words, in two banks, in another order.
    %order = tensor.empty() : tensor<20x15x32xf32>
    %switched = linalg.transpose ins(%t : tensor<15x20x32xf32>) outs(%order : tensor<20x15x32xf32>) permutation = [1, 0, 2]
    %u = linalg.generic {indexing_maps = [#cube, #cube], iterator_types = ["parallel", "parallel", "parallel"]}
        ins(%switched : tensor<20x15x32xf32>) outs(%order : tensor<20x15x32xf32>) {
    ^bb0(%v: f32, %old: f32):
      %k = linalg.index 2 : index
      %lane = arith.index_cast %k : index to i32
      %number = arith.sitofp %lane : i32 to f32
      %sum = arith.addf %v, %number : f32
      linalg.yield %sum : f32
    } -> tensor<20x15x32xf32>

    // The least of each row: rows lie on lanes.
    %rows = tensor.empty() : tensor<5xf32>
    %none = linalg.fill ins(%infinity : f32) outs(%rows : tensor<5xf32>) -> tensor<5xf32>
    %m = linalg.generic {indexing_maps = [#id, #row], iterator_types = ["parallel", "reduction"]}
        ins(%r : tensor<5x40xf32>) outs(%none : tensor<5xf32>) {
    ^bb0(%v: f32, %old: f32):
      %least = arith.minimumf %old, %v : f32
      linalg.yield %least : f32
    } -> tensor<5xf32>

    // Both dimensions are reduced: a word an element. Sums of integers wrap; whether all are above 0 is by halves.
    %four = tensor.empty() : tensor<4xi32>
    %nothing = linalg.fill ins(%izero : i32) outs(%four : tensor<4xi32>) -> tensor<4xi32>
    %c = linalg.generic {indexing_maps = [#turned, #row], iterator_types = ["parallel", "reduction"]}
        ins(%q : tensor<3x4xi32>) outs(%nothing : tensor<4xi32>) {
    ^bb0(%v: i32, %old: i32):
      %sum = arith.addi %old, %v : i32
      linalg.yield %sum : i32
    } -> tensor<4xi32>
    %three = tensor.empty() : tensor<3xi1>
    %yes = linalg.fill ins(%true : i1) outs(%three : tensor<3xi1>) -> tensor<3xi1>
    %s = linalg.generic {indexing_maps = [#id, #row], iterator_types = ["parallel", "reduction"]}
        ins(%q : tensor<3x4xi32>) outs(%yes : tensor<3xi1>) {
    ^bb0(%v: i32, %old: i1):
      %above = arith.cmpi sgt, %v, %izero : i32
      %all = arith.andi %old, %above : i1
      linalg.yield %all : i1
    } -> tensor<3xi1>

    // The bits of a float.
    %words = tensor.empty() : tensor<6x40xi32>
    %b = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]}
        ins(%x : tensor<6x40xf32>) outs(%words : tensor<6x40xi32>) {
    ^bb0(%v: f32, %old: i32):
      %bits = arith.bitcast %v : f32 to i32
      linalg.yield %bits : i32
    } -> tensor<6x40xi32>
    return %p, %a, %w, %g, %u, %m, %c, %s, %b : tensor<9x40xf32>, tensor<40xf32>, tensor<40xf32>, tensor<3x40xf32>,
        tensor<20x15x32xf32>, tensor<5xf32>, tensor<4xi32>, tensor<3xi1>, tensor<6x40xi32>
  }
}
