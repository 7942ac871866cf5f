//===- LPUKernelOps.td - The kernel level of the lpu dialect -*- tablegen -*-===//
//
// What is computed together, in which number format, where it lies in SRAM.
// Values are buffers in SRAM and contractions held in accumulators.
//
//===----------------------------------------------------------------------===//

#ifndef LPU_IR_LPUKERNELOPS_TD
#define LPU_IR_LPUKERNELOPS_TD

include "LPU/IR/LPUDialect.td"
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/BuiltinAttributes.td"
include "mlir/IR/EnumAttr.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

//===----------------------------------------------------------------------===//
// Number formats
//===----------------------------------------------------------------------===//

def LPU_Format : I32EnumAttr<"Format", "number format of a buffer", [
    I32EnumAttrCase<"F32", 0, "f32">,
    I32EnumAttrCase<"F16", 1, "f16">,
    I32EnumAttrCase<"I8x1", 2, "i8x1">,
    I32EnumAttrCase<"I8x2", 3, "i8x2">,
    I32EnumAttrCase<"I8x3", 4, "i8x3">,
    I32EnumAttrCase<"I8x4", 5, "i8x4">,
    I32EnumAttrCase<"I32", 6, "i32">,
    I32EnumAttrCase<"BF16", 7, "bf16">,
    I32EnumAttrCase<"U8", 8, "u8">]> {
  let cppNamespace = "::mlir::lpu";
  let genSpecializedAttr = 0;
}

// The numbers are those of DerivedStep in the binary (lpu/Binary/Program.proto).
def LPU_DeriveStep : I32EnumAttr<"DeriveStep", "step of a derived buffer", [
    I32EnumAttrCase<"Constant", 0>, I32EnumAttrCase<"Lane", 1>,
    I32EnumAttrCase<"Row", 2>, I32EnumAttrCase<"Input", 3>,
    I32EnumAttrCase<"Add", 4>, I32EnumAttrCase<"Sub", 5>, I32EnumAttrCase<"Mul", 6>,
    I32EnumAttrCase<"FloorDiv", 7>, I32EnumAttrCase<"Mod", 8>,
    I32EnumAttrCase<"Min", 9>, I32EnumAttrCase<"Max", 10>,
    I32EnumAttrCase<"Lt", 11>, I32EnumAttrCase<"Le", 12>, I32EnumAttrCase<"Eq", 13>,
    I32EnumAttrCase<"And", 14>, I32EnumAttrCase<"Or", 15>,
    I32EnumAttrCase<"Select", 16>]> {
  let cppNamespace = "::mlir::lpu";
  let genSpecializedAttr = 0;
}

//===----------------------------------------------------------------------===//
// Types
//===----------------------------------------------------------------------===//

class LPU_KernelType<string name, string typeMnemonic>
    : TypeDef<LPU_Dialect, name> {
  let mnemonic = typeMnemonic;
}

def LPU_BufferType : LPU_KernelType<"Buffer", "buffer"> {
  let summary = "rows of lane vectors in SRAM";
  let description = [{
    `rows` x `columns` elements of `format`. A row takes
    ceil(columns / lanes) vectors; an element of b bytes takes b byte planes in
    b slices. `i8xN` is an integer of N balanced int8 limbs, low limb first.
    `columns = 1` means one value a row, the same in every lane. With a `width`
    a vector carries that many columns, in its first lanes. What lanes beyond the
    columns may hold: docs/Rationale/UnusedLanes.md.
  }];
  let parameters = (ins "int64_t":$rows, "int64_t":$columns,
                        EnumParameter<LPU_Format>:$format,
                        DefaultValuedParameter<"int64_t", "0">:$width);
  let assemblyFormat =
      "`<` $rows `,` $columns `,` $format (`,` `width` $width^)? `>`";
  let builders = [TypeBuilder<(ins "int64_t":$rows, "int64_t":$columns,
                                   "Format":$format), [{
    return $_get($_ctxt, rows, columns, format, 0);
  }]>];
  let extraClassDeclaration = [{
    /// Columns of a vector, where the machine has `lanes`.
    int64_t getColumnsPerVector(int64_t lanes) const {
      return getWidth() ? getWidth() : lanes;
    }
    /// Vectors of a row.
    int64_t getVectors(int64_t lanes) const {
      return (getColumns() - 1) / getColumnsPerVector(lanes) + 1;
    }
  }];
}

def LPU_TilesType : LPU_KernelType<"Tiles", "tiles"> {
  let summary = "a matrix in SRAM that is written at run time, as MXM weights";
  let description = [{
    `rows` x `columns` elements, 16 rows a group, N tiles of `lanes` columns (of
    `width` columns where given); `rows_width` rows of a K chunk, as the columns of
    a vector of activations. Group g of N tile n is one word in each of 16
    slices a byte: word n * groups + g. Slice j holds row 16 g + j, or, where
    `transposed`, superlane s lane l of slice j holds row 16 g + l of column
    16 s + j: what the SXM's transposer turns into rows.

    `u8` tiles are widened to f16 on their way to the MXM, at no cost: a constant high
    byte makes 1024 + b of the byte b, exactly. The user of the sums takes the
    offset off again.
  }];
  let parameters = (ins "int64_t":$rows, "int64_t":$columns,
                        EnumParameter<LPU_Format>:$format,
                        DefaultValuedParameter<"int64_t", "0">:$width,
                        OptionalParameter<"bool">:$transposed);
  let assemblyFormat = [{
    `<` $rows `,` $columns `,` $format (`width` $width^)?
    (`transposed` $transposed^)? `>`
  }];
}

def LPU_AccType : LPU_KernelType<"Acc", "acc"> {
  let summary = "a contraction's result, in MXM accumulators";
  let description = [{
    `rows` x `columns` sums, one for each of the activation's limbs; `format`
    is the activation's. `columns = 1` and `width` as in a buffer.
  }];
  let parameters = (ins "int64_t":$rows, "int64_t":$columns,
                        EnumParameter<LPU_Format>:$format,
                        DefaultValuedParameter<"int64_t", "0">:$width);
  let assemblyFormat =
      "`<` $rows `,` $columns `,` $format (`,` `width` $width^)? `>`";
  let builders = [TypeBuilder<(ins "int64_t":$rows, "int64_t":$columns,
                                   "Format":$format), [{
    return $_get($_ctxt, rows, columns, format, 0);
  }]>];
  let extraClassDeclaration = [{
    int64_t getColumnsPerVector(int64_t lanes) const {
      return getWidth() ? getWidth() : lanes;
    }
    int64_t getVectors(int64_t lanes) const {
      return (getColumns() - 1) / getColumnsPerVector(lanes) + 1;
    }
  }];
}

//===----------------------------------------------------------------------===//
// Operations
//===----------------------------------------------------------------------===//

class LPU_KernelOp<string opMnemonic, list<Trait> traits = []>
    : Op<LPU_Dialect, opMnemonic, traits>;

def LPU_LoadInputOp : LPU_KernelOp<"load_input"> {
  let summary = "an input of the entry, written by the host before cycle 0";
  let description = [{
    The host's array has `shape` and elements of `element`, f32 unless given, and
    is converted to the buffer's format: floats to f32, f16 or bf16, integers and
    bool (0 or 1) to i32, i8 or u8.

    Without `layout` its elements, in C order, are the buffer's rows of columns.
    `layout` = [lane_dim, vector_stride, offset, word_strides..] places them freely
    in the rows * vectors words of the buffer's byte planes: element (i_0, .., i_n)
    in word offset + sum of word_strides[d] * i_d over d != lane_dim +
    (i_lane_dim / lanes) * vector_stride, lane i_lane_dim % lanes; with lane_dim =
    -1 in every lane. The rest of the words are zeros.

    With `chunk_words`, `placement` lists the byte planes of that many words after
    those of the words before, instead of copies.

    - (C1) the format can hold the element type.
    - (C2) `layout` has a stride for each dimension, and lane_dim is one or -1.
    - (C3) without `layout`, the buffer has as many elements as the array.
  }];
  let arguments = (ins StrAttr:$name, DenseI64ArrayAttr:$shape,
                       OptionalAttr<DenseI64ArrayAttr>:$placement,
                       OptionalAttr<TypeAttr>:$element,
                       OptionalAttr<DenseI64ArrayAttr>:$layout,
                       DefaultValuedAttr<I64Attr, "0">:$chunk_words);
  let results = (outs LPU_BufferType:$result);
  let assemblyFormat = "$name `shape` $shape attr-dict `:` type($result)";
  let builders = [OpBuilder<(ins "::mlir::Type":$result, "::llvm::StringRef":$name,
                                 "::llvm::ArrayRef<int64_t>":$shape,
                                 CArg<"::mlir::Type", "{}">:$element,
                                 CArg<"::llvm::ArrayRef<int64_t>", "{}">:$layout)>];
  let hasVerifier = 1;
}

def LPU_IntegerInputOp : LPU_KernelOp<"integer_input"> {
  let summary = "an integer input of the entry that lies in no SRAM word";
  let description = [{
    Only `lpu.derive` reads it, by its name. The host checks
    `least` <= value <= `most` before a run; `least` is 0 unless given.
  }];
  let arguments = (ins StrAttr:$name, TypeAttr:$element, DenseI64ArrayAttr:$shape,
                       OptionalAttr<SI64Attr>:$least, OptionalAttr<I64Attr>:$most);
  let assemblyFormat = [{
    $name $element `shape` $shape (`least` $least^)? (`most` $most^)? attr-dict
  }];
}

def LPU_DeriveOp : LPU_KernelOp<"derive"> {
  let summary = "a buffer that the host computes from integer inputs, before cycle 0";
  let description = [{
    `steps` is a postfix program, [step, value] flat, evaluated on a stack of int64
    for every lane of every vector; step `Input` pops an index and pushes that
    element of integer input `inputs[value]`. bf16 takes the low 16 bits as they
    are.
  }];
  let arguments = (ins StrAttr:$label, StrArrayAttr:$inputs, DenseI64ArrayAttr:$steps,
                       OptionalAttr<DenseI64ArrayAttr>:$placement);
  let results = (outs LPU_BufferType:$result);
  let assemblyFormat =
      "$label `of` $inputs `steps` $steps attr-dict `:` type($result)";
  let hasVerifier = 1;
}

def LPU_StoreOutputOp : LPU_KernelOp<"store_output"> {
  let summary = "an output of the entry, read by the host after the last cycle";
  let description = [{
    The host's array has `shape` and elements of `element`, f32 unless given.
    `element`, `layout` and `chunk_words` as lpu.load_input has them; with lane_dim
    = -1 lane 0 is read. Only words and lanes of elements have to be written.
  }];
  let arguments = (ins LPU_BufferType:$source, StrAttr:$name,
                       DenseI64ArrayAttr:$shape,
                       OptionalAttr<TypeAttr>:$element,
                       OptionalAttr<DenseI64ArrayAttr>:$layout,
                       DefaultValuedAttr<I64Attr, "0">:$chunk_words);
  let assemblyFormat =
      "$source `as` $name `shape` $shape attr-dict `:` type($source)";
  let builders = [OpBuilder<(ins "::mlir::Value":$source, "::llvm::StringRef":$name,
                                 "::llvm::ArrayRef<int64_t>":$shape,
                                 CArg<"::mlir::Type", "{}">:$element,
                                 CArg<"::llvm::ArrayRef<int64_t>", "{}">:$layout)>];
  let hasVerifier = 1;
}

def LPU_ConstantRowsOp : LPU_KernelOp<"constant_rows", [Pure]> {
  let summary = "a constant buffer of the image";
  let arguments = (ins ElementsAttr:$value,
                       OptionalAttr<DenseI64ArrayAttr>:$placement);
  let results = (outs LPU_BufferType:$result);
  let assemblyFormat = "$value attr-dict `:` type($result)";
  let hasVerifier = 1;
}

def LPU_TableOp : LPU_KernelOp<"table", [Pure]> {
  let summary = "a constant of the image whose rows gather_rows takes";
  let description = [{
    `rows` x `columns` of f32 for an f32 buffer, int8 for `i8x1`, int32 for the
    other `i8xN`. A table may be larger than a bank: `windows` has a record (byte
    plane, slice, bank, first word, first row, rows) for each of its parts, those of
    a plane in the order of their rows. The parts of a plane on one side of the
    VXM lie in neighbouring slices, in as many banks of each.
  }];
  let arguments = (ins ElementsAttr:$value,
                       OptionalAttr<DenseI64ArrayAttr>:$windows);
  let results = (outs LPU_BufferType:$result);
  let assemblyFormat = "$value attr-dict `:` type($result)";
  let hasVerifier = 1;
}

def LPU_ContractOp : LPU_KernelOp<"contract", [AttrSizedOperandSegments]> {
  let summary = "activations times weights, on the MXM";
  let description = [{
    sum over k of x[r, k] * w[k, n], for each limb of x exactly in int32, or in
    f16 with f32 sums. Where a map reads the accumulators, the sums of the limbs
    meet, high limb first, in f32: s = fma(s, 256, f32(sum_l[r, n])); then
    y[r, n] = s * scales[n]. f16 has no scales.

    Weights are constant (`weights`, K x N of int8 or f16) or `tiles`, of which
    the first K rows and N columns count. Constants lie as tiles in the stripes
    named by `placement`: one record (plane, bank, first word, slices: 16 a byte)
    for each plane used; the tiles of a plane follow one another, N tile by N
    tile, K chunk by K chunk, N tile t on the t-th of those planes (modulo their
    number). A K chunk is what one vector of activations carries. A splat is one
    word, read again and again.

    Tiles of u8 meet f16 activations as 1024 + u8.

    `split = g`: a vector of activations is g runs of lanes (the last one may be
    less), each a row by itself that meets its own K rows only: run t of a row of x,
    counted through its vectors, meets K rows t * lanes .. (t + 1) * lanes - 1 of
    the run, modulo K. The result has as many rows for each row of x as that has
    runs.
    `merge = g`: the other way round: of g * vectors consecutive rows of x, with
    `vectors` those of a result's row, row (v, i) makes the i-th of the g runs
    of lanes of vector v.

    `turn`: number of this contraction among those that have the same weights for other rows. Where one
    plane of a side would do all the work, its planes take turns.
  }];
  let arguments = (ins LPU_BufferType:$activations,
                       Optional<LPU_BufferType>:$scales,
                       Optional<LPU_TilesType>:$tiles,
                       OptionalAttr<ElementsAttr>:$weights,
                       DefaultValuedAttr<I64Attr, "0">:$split,
                       DefaultValuedAttr<I64Attr, "0">:$merge,
                       OptionalAttr<DenseI64ArrayAttr>:$placement,
                       DefaultValuedAttr<I64Attr, "0">:$turn);
  let results = (outs LPU_AccType:$result);
  let assemblyFormat = [{
    $activations (`,` $weights^)? (`tiles` $tiles^)? (`scaled` `by` $scales^)?
    attr-dict `:` functional-type(operands, $result)
  }];
  let hasVerifier = 1;
}

def LPU_StateOp : LPU_KernelOp<"state"> {
  let summary = "tiles that keep their values from run to run, zero at load";
  let description = [{
    The stripe that `placement` names has 16 slices a byte of an element. Behind those of
    u8 tiles come 16 with the word of high bytes that widens them.
  }];
  let arguments = (ins StrAttr:$name, OptionalAttr<DenseI64ArrayAttr>:$placement);
  let results = (outs LPU_TilesType:$result);
  let assemblyFormat = "$name attr-dict `:` type($result)";
}

def LPU_AppendOp : LPU_KernelOp<"append"> {
  let summary = "rows written into tiles at a run-time position";
  let description = [{
    A row of `map` for each position p, int32. Straight tiles: row p of them
    becomes a row of `source`. Transposed tiles: column p, from as many rows of
    `source` as the column has groups; row g has, in every superlane, rows 16 g ..
    16 g + 15. The map has the word of position p for every superlane that takes
    part, words counted through the 16 slices, else -1:
    (p mod 16) * words + p / 16 for straight tiles; for transposed ones
    (p mod 16) * words + p / lanes * groups in superlane (p mod lanes) / 16;
    `words` are those of a slice.
  }];
  let arguments = (ins LPU_BufferType:$source, LPU_BufferType:$map,
                       LPU_TilesType:$tiles);
  let assemblyFormat = [{
    $source `at` $map `into` $tiles attr-dict `:` type($source) `,` type($map)
    `,` type($tiles)
  }];
  let hasVerifier = 1;
}

def LPU_AppendColumnsOp : LPU_KernelOp<"append_columns"> {
  let summary = "many rows written into transposed tiles, as columns, at a run-time position";
  let description = [{
    With G lanes a superlane, S superlanes and G slices a byte: position p of transposed
    tiles lies in slice p mod G, in superlane (p mod (G * S)) / G, each run of G
    features of it in a word. The positions follow one another; `source` has a row for
    each, of which this takes vector `vector`. For slice i and every distance d < S, one gather
    takes from superlane c of the rows the one whose position belongs to superlane (c + d) mod S
    of the slice, the SXM moves that vector d superlanes on, and one scatter writes it.

    `from` (int32, S rows): row d has, in superlane c, the row for slice 0, counted from
    -G and times the vectors of a row; that for slice i is i rows on. `to` (int32, G * S rows):
    row d * G + i has, in each superlane, the word of slice i that takes what comes, else -1.
  }];
  let arguments = (ins LPU_BufferType:$source, LPU_BufferType:$from, LPU_BufferType:$to,
                       LPU_TilesType:$tiles, DefaultValuedAttr<I64Attr, "0">:$vector);
  let assemblyFormat = [{
    $source `from` $from `to` $to `into` $tiles attr-dict `:` type($source) `,`
    type($from) `,` type($to) `,` type($tiles)
  }];
  let hasVerifier = 1;
}

def LPU_RowsOp : LPU_KernelOp<"rows", [Pure]> {
  let summary = "some rows of a buffer, where they lie";
  let description = [{
    Or all words of a buffer of one vector a row, `width` columns each, as rows of as many
    vectors as the result's columns take.
  }];
  let arguments = (ins LPU_BufferType:$source, I64Attr:$first,
                       OptionalAttr<DenseI64ArrayAttr>:$placement);
  let results = (outs LPU_BufferType:$result);
  let assemblyFormat =
      "$source `from` $first attr-dict `:` type($source) `->` type($result)";
  let hasVerifier = 1;
}

def LPU_ConcatRowsOp : LPU_KernelOp<"concat_rows", [Pure]> {
  let summary = "a buffer whose rows maps make part by part, where it lies";
  let description = [{
    Every part is a result of a map or gather, which others may read, too. A permutation is none:
    its rows go to the side that they come from.
  }];
  let arguments = (ins Variadic<LPU_BufferType>:$parts,
                       OptionalAttr<DenseI64ArrayAttr>:$placement);
  let results = (outs LPU_BufferType:$result);
  let assemblyFormat = "$parts attr-dict `:` functional-type($parts, $result)";
  let hasVerifier = 1;
}

def LPU_GatherRowsOp : LPU_KernelOp<"gather_rows"> {
  let summary = "rows of a table in SRAM, by an address map";
  let description = [{
    Row r of the result is row i of the table, a buffer or `lpu.table`, where every
    superlane of row r of `map` (int32) says i * vectors, `vectors` those of a row.
    A superlane whose word lies outside the table reads zeros.
  }];
  let arguments = (ins LPU_BufferType:$table, LPU_BufferType:$map,
                       OptionalAttr<DenseI64ArrayAttr>:$placement);
  let results = (outs LPU_BufferType:$result);
  let assemblyFormat =
      "$table `at` $map attr-dict `:` functional-type(operands, $result)";
  let hasVerifier = 1;
}

def LPU_PermuteOp : LPU_KernelOp<"permute",
    [AllTypesMatch<["source", "result"]>]> {
  let summary = "lanes moved inside every vector: out[l] = in[table[l]], on the SXM";
  let arguments = (ins LPU_BufferType:$source, DenseI64ArrayAttr:$table,
                       OptionalAttr<DenseI64ArrayAttr>:$placement);
  let results = (outs LPU_BufferType:$result);
  let assemblyFormat = "$source `by` $table attr-dict `:` type($source)";
  let hasVerifier = 1;
}

def LPU_MapOp : LPU_KernelOp<"map", [IsolatedFromAbove, SingleBlock]> {
  let summary = "one lane-wise program over rows and vectors, on the VXM";
  let description = [{
    The body computes one lane of one row from scalars of the operands (f32; an
    accumulator arrives as the sum of its limbs, f32; an int8 of
    `i8x1` as f32). An operand with one row
    serves every row, one with fewer rows as many consecutive rows each as that
    takes, one with one column every column, one of a single vector at
    least as wide as the result's every vector. A result of format
    `i8xN` is rint(y * scale), saturated to N balanced limbs and counted, with
    the scale in `scales`; `u8` is rint(y), saturated to 0 .. 255; `f16` is rounded to
    nearest even. Both are counted where they saturate, unless that is meant or cannot
    be: `uncounted`. `unguarded`: whoever made
    the map knows that its results are in range in unused lanes, too; else
    `lpu-guard-lanes` sees to it.
  }];
  let arguments = (ins Variadic<AnyTypeOf<[LPU_BufferType, LPU_AccType]>>:$inputs,
                       DenseF32ArrayAttr:$scales,
                       OptionalAttr<ArrayAttr>:$placements,
                       UnitAttr:$uncounted, UnitAttr:$unguarded);
  let results = (outs Variadic<LPU_BufferType>:$results);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = [{
    `(` $inputs `)` `scales` $scales attr-dict `:`
    functional-type($inputs, $results) $body
  }];
  let hasVerifier = 1;
}

def LPU_NestOp : LPU_KernelOp<"nest", [IsolatedFromAbove, SingleBlock]> {
  let summary = "one lane-wise program at every point of a loop nest, on the VXM";
  let description = [{
    For every point (i_0 .. i_n) of `loops`, outermost first, the body computes a lane of
    word offset + sum stride_k * i_k of every result from that of every input. `accesses`
    has [offset, stride_0 ..] for each input, then for each result, in words. Buffers of
    nests have one vector a row, so that rows are words; f32 or i32.

    With `reduction` the last `reduced` loops are summed ("add") or their largest value taken
    ("max") in the ALU, in order; strides of results over them are 0.

    - (C1) one access an operand and result, with one stride a loop, inside of its buffer.
    - (C2) block arguments and yielded values have the buffers' types, f32 or i32.
  }];
  let arguments = (ins Variadic<LPU_BufferType>:$inputs, DenseI64ArrayAttr:$loops,
                       ArrayAttr:$accesses, OptionalAttr<StrAttr>:$reduction,
                       DefaultValuedAttr<I64Attr, "1">:$reduced,
                       OptionalAttr<ArrayAttr>:$placements);
  let results = (outs Variadic<LPU_BufferType>:$results);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = [{
    `(` $inputs `)` `loops` $loops `at` $accesses (`reduce` $reduction^)? attr-dict `:`
    functional-type($inputs, $results) $body
  }];
  let extraClassDeclaration = [{
    /// [offset, stride of each loop] of an input.
    ::llvm::ArrayRef<int64_t> getInputAccess(unsigned input);
    ::llvm::ArrayRef<int64_t> getResultAccess(unsigned result);
    /// Steps of the loops that are reduced.
    int64_t getNumSteps();
  }];
  let hasVerifier = 1;
}

def LPU_AssembleOp : LPU_KernelOp<"assemble"> {
  let summary = "a buffer whose words are copied from others, box by box";
  let description = [{
    Each of `pieces` is [input, value, loops .., from offset, from strides .., to offset,
    to strides ..]: the words of `input` at one place go to the other, for every
    point of the loops. Input -1 is the 32 bits `value` in every lane. Where two pieces write
    one word, the later one's stays. Buffers are those of nests.

    - (C1) every word that a piece reads or writes is in its buffer.
  }];
  let arguments = (ins Variadic<LPU_BufferType>:$inputs, ArrayAttr:$pieces,
                       OptionalAttr<DenseI64ArrayAttr>:$placement);
  let results = (outs LPU_BufferType:$result);
  let assemblyFormat =
      "`(` $inputs `)` $pieces attr-dict `:` functional-type($inputs, $result)";
  let hasVerifier = 1;
}

def LPU_RoundOp : LPU_KernelOp<"round", [Pure]> {
  let summary = "rint(x), saturated to least .. most and counted, in a map";
  let arguments = (ins F32:$x, I64Attr:$least, I64Attr:$most);
  let results = (outs F32:$result);
  let assemblyFormat = "$x `to` $least `,` $most attr-dict";
}

def LPU_YieldOp : LPU_KernelOp<"yield", [Pure, Terminator,
                                         ParentOneOf<["MapOp", "NestOp"]>]> {
  let summary = "the lane values of a map's or nest's results";
  let arguments = (ins Variadic<AnyTypeOf<[F32, I32]>>:$values);
  let assemblyFormat = "($values^ `:` type($values))? attr-dict";
}

#endif // LPU_IR_LPUKERNELOPS_TD
