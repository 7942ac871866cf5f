// RUN: lpu-opt %s --convert-tensor-to-nest | FileCheck %s

#id = affine_map<(d0, d1) -> (d0, d1)>
#cube = affine_map<(d0, d1, d2) -> (d0, d1, d2)>
#row = affine_map<(d0, d1) -> (d0)>
#col = affine_map<(d0, d1) -> (d1)>
module attributes {lpu.target = "tiny"} {
  // Columns lie on lanes, 40 in two words of 32; a row of numbers that is the same for all rows has stride 0 over them. A splat is an immediate.
  // CHECK-LABEL: func.func @rows
  // CHECK: %[[X:.*]] = lpu.load_input "x" shape [6, 40] {element = f32, layout = array<i64: 1, 1, 0, 2, 0>} : <12, 32, f32>
  // CHECK: %[[B:.*]] = lpu.load_input "b" shape [40] {element = f32, layout = array<i64: 0, 1, 0, 0>} : <2, 32, f32>
  // CHECK: %[[Y:.*]] = lpu.nest(%[[X]], %[[B]]) loops [6, 2] at [array<i64: 0, 2, 1>, array<i64: 0, 0, 1>, array<i64: 0, 2, 1>]
  // CHECK-NEXT: ^bb0(%[[P:.*]]: f32, %[[Q:.*]]: f32):
  // CHECK: %[[ONE:.*]] = arith.constant 1.0
  // CHECK: %[[S:.*]] = arith.addf %[[P]], %[[Q]]
  // CHECK: arith.addf %[[S]], %[[ONE]]
  // CHECK: lpu.store_output %[[Y]] as "y" shape [6, 40] {element = f32, layout = array<i64: 1, 1, 0, 2, 0>}
  func.func @rows(%x: tensor<6x40xf32> {lpu.name = "x"}, %b: tensor<40xf32> {lpu.name = "b"}) -> (tensor<6x40xf32> {lpu.name = "y"}) {
    %one = arith.constant 1.0 : f32
    %e = tensor.empty() : tensor<6x40xf32>
    %ones = linalg.fill ins(%one : f32) outs(%e : tensor<6x40xf32>) -> tensor<6x40xf32>
    %y = linalg.generic {indexing_maps = [#id, #col, #id, #id], iterator_types = ["parallel", "parallel"]}
        ins(%x, %b, %ones : tensor<6x40xf32>, tensor<40xf32>, tensor<6x40xf32>) outs(%e : tensor<6x40xf32>) {
    ^bb0(%p: f32, %q: f32, %o: f32, %old: f32):
      %s = arith.addf %p, %q : f32
      %t = arith.addf %s, %o : f32
      linalg.yield %t : f32
    } -> tensor<6x40xf32>
    return %y : tensor<6x40xf32>
  }

  // A sum over rows: columns stay on lanes.
  // CHECK-LABEL: func.func @sums
  // CHECK: lpu.load_input "x" {{.*}} : <12, 32, f32>
  // CHECK: lpu.nest(%{{.*}}) loops [2, 6] at [array<i64: 0, 1, 2>, array<i64: 0, 1, 0>] reduce "add" : (!lpu.buffer<12, 32, f32>) -> !lpu.buffer<2, 32, f32>
  // CHECK-NOT: lpu.nest
  // CHECK: return
  func.func @sums(%x: tensor<6x40xf32> {lpu.name = "x"}) -> (tensor<40xf32> {lpu.name = "y"}) {
    %zero = arith.constant 0.0 : f32
    %e = tensor.empty() : tensor<40xf32>
    %z = linalg.fill ins(%zero : f32) outs(%e : tensor<40xf32>) -> tensor<40xf32>
    %y = linalg.generic {indexing_maps = [affine_map<(d0, d1) -> (d1, d0)>, affine_map<(d0, d1) -> (d0)>], iterator_types = ["parallel", "reduction"]}
        ins(%x : tensor<6x40xf32>) outs(%z : tensor<40xf32>) {
    ^bb0(%p: f32, %old: f32):
      %s = arith.addf %old, %p : f32
      linalg.yield %s : f32
    } -> tensor<40xf32>
    return %y : tensor<40xf32>
  }

  // Over columns: rows lie on lanes, so that none has to meet another. The least is the largest of the negated, negated.
  // CHECK-LABEL: func.func @least
  // CHECK: lpu.load_input "x" shape [6, 40] {element = f32, layout = array<i64: 0, 1, 0, 0, 1>} : <40, 6, f32>
  // CHECK: %[[MOST:.*]] = lpu.nest(%{{.*}}) loops [1, 40] at [array<i64: 0, 1, 1>, array<i64: 0, 1, 0>] reduce "max" : (!lpu.buffer<40, 6, f32>) -> !lpu.buffer<1, 6, f32>
  // CHECK: arith.negf
  // CHECK: lpu.nest(%[[MOST]])
  // CHECK: arith.negf
  func.func @least(%x: tensor<6x40xf32> {lpu.name = "x"}) -> (tensor<6xf32> {lpu.name = "y"}) {
    %zero = arith.constant 0x7F800000 : f32
    %e = tensor.empty() : tensor<6xf32>
    %z = linalg.fill ins(%zero : f32) outs(%e : tensor<6xf32>) -> tensor<6xf32>
    %y = linalg.generic {indexing_maps = [#id, #row], iterator_types = ["parallel", "reduction"]}
        ins(%x : tensor<6x40xf32>) outs(%z : tensor<6xf32>) {
    ^bb0(%p: f32, %old: f32):
      %s = arith.minimumf %old, %p : f32
      linalg.yield %s : f32
    } -> tensor<6xf32>
    return %y : tensor<6xf32>
  }

  // No register multiplies: halves by halves, 5 = 2 + 2 and one that is left over. A buffer that is read at two places lies twice.
  // CHECK-LABEL: func.func @product
  // CHECK: %[[ALL:.*]] = lpu.nest(%{{.*}}) loops [2, 5] {{.*}} -> !lpu.buffer<10, 32, f32>
  // CHECK: %[[LEFT:.*]] = lpu.assemble(%[[ALL]]) [array<i64: 0, 0, 2, 4, 5, 0, 1>] : (!lpu.buffer<10, 32, f32>) -> !lpu.buffer<2, 32, f32>
  // CHECK: %[[AGAIN:.*]] = lpu.assemble(%[[ALL]]) [array<i64: 0, 0, 10, 0, 1, 0, 1>]
  // CHECK: %[[TWO:.*]] = lpu.nest(%[[ALL]], %[[AGAIN]]) loops [2, 2] at [array<i64: 0, 5, 1>, array<i64: 2, 5, 1>, array<i64: 0, 2, 1>]
  // CHECK: %[[ONE:.*]] = lpu.nest(%[[TWO]], %{{.*}}) loops [2, 1] at [array<i64: 0, 2, 1>, array<i64: 1, 2, 1>, array<i64: 0, 1, 1>]
  // CHECK: lpu.nest(%[[ONE]], %[[LEFT]]) loops [2, 1]
  func.func @product(%x: tensor<5x40xf32> {lpu.name = "x"}) -> (tensor<40xf32> {lpu.name = "y"}) {
    %zero = arith.constant 1.0 : f32
    %e = tensor.empty() : tensor<40xf32>
    %z = linalg.fill ins(%zero : f32) outs(%e : tensor<40xf32>) -> tensor<40xf32>
    %y = linalg.generic {indexing_maps = [affine_map<(d0, d1) -> (d1, d0)>, affine_map<(d0, d1) -> (d0)>], iterator_types = ["parallel", "reduction"]}
        ins(%x : tensor<5x40xf32>) outs(%z : tensor<40xf32>) {
    ^bb0(%p: f32, %old: f32):
      %s = arith.mulf %old, %p : f32
      linalg.yield %s : f32
    } -> tensor<40xf32>
    return %y : tensor<40xf32>
  }

  // A transpose, every second index, and reshapes are other strides of the same words.
  // CHECK-LABEL: func.func @views
  // CHECK: %[[X:.*]] = lpu.load_input "x" shape [6, 4, 40] {element = f32, layout = array<i64: 2, 1, 0, 8, 2, 0>} : <48, 32, f32>
  // CHECK-NEXT: lpu.nest(%[[X]]) loops [2, 6, 2] at [array<i64: 2, 4, 8, 1>, array<i64: 0, 12, 2, 1>]
  func.func @views(%x: tensor<6x4x40xf32> {lpu.name = "x"}) -> (tensor<2x6x40xf32> {lpu.name = "y"}) {
    %e = tensor.empty() : tensor<4x6x40xf32>
    %t = linalg.transpose ins(%x : tensor<6x4x40xf32>) outs(%e : tensor<4x6x40xf32>) permutation = [1, 0, 2]
    %s = tensor.extract_slice %t[1, 0, 0] [2, 6, 40] [2, 1, 1] : tensor<4x6x40xf32> to tensor<2x6x40xf32>
    %r = tensor.expand_shape %s [[0], [1, 2], [3]] output_shape [2, 2, 3, 40] : tensor<2x6x40xf32> into tensor<2x2x3x40xf32>
    %c = tensor.collapse_shape %r [[0], [1, 2], [3]] : tensor<2x2x3x40xf32> into tensor<2x6x40xf32>
    %f = tensor.empty() : tensor<2x6x40xf32>
    %y = linalg.generic {indexing_maps = [affine_map<(d0, d1, d2) -> (d0, d1, d2)>, affine_map<(d0, d1, d2) -> (d0, d1, d2)>], iterator_types = ["parallel", "parallel", "parallel"]}
        ins(%c : tensor<2x6x40xf32>) outs(%f : tensor<2x6x40xf32>) {
    ^bb0(%p: f32, %old: f32):
      %s2 = arith.negf %p : f32
      linalg.yield %s2 : f32
    } -> tensor<2x6x40xf32>
    return %y : tensor<2x6x40xf32>
  }

  // Borders and parts are copied, box by box.
  // CHECK-LABEL: func.func @pieces
  // CHECK: %[[PADDED:.*]] = lpu.assemble(%{{.*}}) [array<i64: 0, 0, 3, 2, 0, 2, 1, 2, 2, 1>, array<i64: -1, -1082130432, 1, 2, 0, 0, 0, 0, 2, 1>, array<i64: -1, -1082130432, 2, 2, 0, 0, 0, 8, 2, 1>]
  // CHECK: lpu.assemble(%[[PADDED]], %{{.*}}) [array<i64: 0, 0, 6, 2, 0, 2, 1, 0, 2, 1>, array<i64: 1, 0, 2, 2, 0, 2, 1, 12, 2, 1>]
  func.func @pieces(%x: tensor<3x40xf32> {lpu.name = "x"}, %w: tensor<2x40xf32> {lpu.name = "w"}) -> (tensor<8x40xf32> {lpu.name = "y"}) {
    %m = arith.constant -1.0 : f32
    %p = tensor.pad %x low[1, 0] high[2, 0] {
    ^bb0(%i: index, %j: index):
      tensor.yield %m : f32
    } : tensor<3x40xf32> to tensor<6x40xf32>
    %y = tensor.concat dim(0) %p, %w : (tensor<6x40xf32>, tensor<2x40xf32>) -> tensor<8x40xf32>
    return %y : tensor<8x40xf32>
  }

  // Every index meets every row, and is the same in every lane; one below 0 counts from the end.
  // CHECK-LABEL: func.func @gathered
  // CHECK: %[[I:.*]] = lpu.load_input "i" shape [3] {element = i32, layout = array<i64: -1, 1, 0, 1>} : <3, 1, i32>
  // CHECK: %[[N:.*]] = lpu.constant_rows dense<{{\[\[0\], \[1\]}}
  // CHECK: lpu.nest(%{{.*}}, %[[I]], %[[N]]) loops [3, 2, 10] at [array<i64: 0, 0, 1, 2>, array<i64: 0, 1, 0, 0>, array<i64: 0, 0, 0, 1>, array<i64: 0, 2, 1, 0>] reduce "add"
  // CHECK: arith.subi %{{.*}}, %{{.*}} : i32
  // CHECK: arith.ori
  // CHECK: arith.select
  func.func @gathered(%x: tensor<10x40xf32> {lpu.name = "x"}, %i: tensor<3xi32> {lpu.name = "i"}) -> (tensor<3x40xf32> {lpu.name = "y"}) {
    %y = lpu.gather %x[%i] axis 0 : (tensor<10x40xf32>, tensor<3xi32>) -> tensor<3x40xf32>
    return %y : tensor<3x40xf32>
  }

  // A bool is a word of 0 or 1; the index of the loop on lanes lies in each lane.
  // CHECK-LABEL: func.func @types
  // CHECK: lpu.load_input "m" shape [6, 40] {element = i1, {{.*}}} : <12, 32, i32>
  // CHECK: %[[N:.*]] = lpu.constant_rows dense<{{\[\[0, 1, 2, .*\], \[32, 33, .*, 63\]\]}}> : tensor<2x32xi32>
  // CHECK: lpu.nest(%{{.*}}, %{{.*}}, %[[N]]) loops [6, 2] at {{\[}}array<i64: 0, 2, 1>, array<i64: 0, 2, 1>, array<i64: 0, 0, 1>, array<i64: 0, 2, 1>]
  // CHECK: arith.trunci %{{.*}} : i32 to i1
  // CHECK: %[[BIT:.*]] = arith.andi %{{.*}} : i1
  // CHECK: arith.extui %[[BIT]] : i1 to i32
  func.func @types(%x: tensor<6x40xi32> {lpu.name = "x"}, %m: tensor<6x40xi1> {lpu.name = "m"}) -> (tensor<6x40xi1> {lpu.name = "y"}) {
    %e = tensor.empty() : tensor<6x40xi1>
    %y = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel", "parallel"]}
        ins(%x, %m : tensor<6x40xi32>, tensor<6x40xi1>) outs(%e : tensor<6x40xi1>) {
    ^bb0(%p: i32, %q: i1, %old: i1):
      %r = linalg.index 1 : index
      %k = arith.index_cast %r : index to i32
      %c = arith.cmpi slt, %p, %k : i32
      %t = arith.andi %c, %q : i1
      linalg.yield %t : i1
    } -> tensor<6x40xi1>
    return %y : tensor<6x40xi1>
  }

  // Both dimensions are reduced somewhere: one element a word, the same in all lanes.
  // CHECK-LABEL: func.func @square
  // CHECK: lpu.load_input "x" shape [3, 4] {element = f32, layout = array<i64: -1, 1, 0, 4, 1>} : <12, 1, f32>
  // CHECK: lpu.nest(%{{.*}}) loops [4, 3] at [array<i64: 0, 1, 4>, array<i64: 0, 1, 0>] reduce "add" : (!lpu.buffer<12, 1, f32>) -> !lpu.buffer<4, 1, f32>
  // CHECK: lpu.nest(%{{.*}}) loops [3, 4] at [array<i64: 0, 4, 1>, array<i64: 0, 1, 0>] reduce "add" : (!lpu.buffer<12, 1, f32>) -> !lpu.buffer<3, 1, f32>
  func.func @square(%x: tensor<3x4xf32> {lpu.name = "x"}) -> (tensor<4xf32> {lpu.name = "a"}, tensor<3xf32> {lpu.name = "b"}) {
    %zero = arith.constant 0.0 : f32
    %d = tensor.empty() : tensor<4xf32>
    %c = linalg.fill ins(%zero : f32) outs(%d : tensor<4xf32>) -> tensor<4xf32>
    %a = linalg.generic {indexing_maps = [affine_map<(d0, d1) -> (d1, d0)>, #row], iterator_types = ["parallel", "reduction"]}
        ins(%x : tensor<3x4xf32>) outs(%c : tensor<4xf32>) {
    ^bb0(%p: f32, %old: f32):
      %s = arith.addf %old, %p : f32
      linalg.yield %s : f32
    } -> tensor<4xf32>
    %e = tensor.empty() : tensor<3xf32>
    %z = linalg.fill ins(%zero : f32) outs(%e : tensor<3xf32>) -> tensor<3xf32>
    %b = linalg.generic {indexing_maps = [#id, #row], iterator_types = ["parallel", "reduction"]}
        ins(%x : tensor<3x4xf32>) outs(%z : tensor<3xf32>) {
    ^bb0(%p: f32, %old: f32):
      %s = arith.addf %old, %p : f32
      linalg.yield %s : f32
    } -> tensor<3xf32>
    return %a, %b : tensor<4xf32>, tensor<3xf32>
  }

  // More words than a bank has: the host finds them in parts.
  // CHECK-LABEL: func.func @tall
  // CHECK: lpu.load_input "x" shape [15, 20, 32] {chunk_words = 256 : i64, {{.*}}} : <300, 32, f32>
  // CHECK: lpu.store_output %{{.*}} as "y" shape [15, 20, 32] {chunk_words = 256 : i64, {{.*}}} : <300, 32, f32>
  func.func @tall(%x: tensor<15x20x32xf32> {lpu.name = "x"}) -> (tensor<15x20x32xf32> {lpu.name = "y"}) {
    %e = tensor.empty() : tensor<15x20x32xf32>
    %y = linalg.generic {indexing_maps = [#cube, #cube], iterator_types = ["parallel", "parallel", "parallel"]}
        ins(%x : tensor<15x20x32xf32>) outs(%e : tensor<15x20x32xf32>) {
    ^bb0(%p: f32, %old: f32):
      %s = arith.negf %p : f32
      linalg.yield %s : f32
    } -> tensor<15x20x32xf32>
    return %y : tensor<15x20x32xf32>
  }
}
