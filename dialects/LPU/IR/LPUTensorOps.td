//===- LPUTensorOps.td - The tensor level of the lpu dialect -*- tablegen -*-=//
//
// Composites: what upstream linalg has no name for. Values are ranked tensors;
// nothing is known of a chip. `lpu-decompose-composites` defines each by
// linalg, and the host level runs that.
//
//===----------------------------------------------------------------------===//

#ifndef LPU_IR_LPUTENSOROPS_TD
#define LPU_IR_LPUTENSOROPS_TD

include "LPU/IR/LPUDialect.td"
include "mlir/IR/BuiltinAttributeInterfaces.td"
include "mlir/IR/BuiltinAttributes.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

class LPU_TensorOp<string opMnemonic, list<Trait> traits = []>
    : Op<LPU_Dialect, opMnemonic, !listconcat([Pure], traits)>;

def LPU_FloatTensor : RankedTensorOf<[AnyFloat]>;
def LPU_IndexTensor : RankedTensorOf<[I32, I64]>;

//===----------------------------------------------------------------------===//
// Weights
//===----------------------------------------------------------------------===//

def LPU_WeightOp : LPU_TensorOp<"weight"> {
  let summary = "a constant of the model, by reference";
  let description = [{
    `value` is any typed attribute: a reference to bytes in a file, or elements.

    With `int8_axis`, the weight is kept in int8 with one scale for each index c
    of that axis, and its value is the quantised one:
    scale[c] = max |value[.., c, ..]| / 127 (1 where the maximum is 0),
    result = clamp(rint(value / scale), -127, 127) * scale, in f32.

    - (C1) the value has the result's type.
    - (C2) `int8_axis` is an axis of the result, whose elements are f32.

    ```mlir
    %w = lpu.weight "l0.q" #onnx.weight_ref<"m.data", offset 0, length 64,
           hash "" : tensor<4x4xf32>> {int8_axis = 1 : i64} : tensor<4x4xf32>
    ```
  }];
  let arguments = (ins StrAttr:$name, TypedAttrInterface:$value,
                       OptionalAttr<I64Attr>:$int8_axis);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$name $value attr-dict `:` type($result)";
  let hasVerifier = 1;
}

//===----------------------------------------------------------------------===//
// Elements as the machine carries them
//===----------------------------------------------------------------------===//

def LPU_CarriedTensor : RankedTensorOf<[F32, I32, I1]>;

def LPU_NarrowOp : LPU_TensorOp<"narrow"> {
  let summary = "elements of a model's type, as the machine carries them";
  let description = [{
    Every float becomes f32 and every integer i32: what has fewer bits exactly, f64
    rounded, i64 by its low bits; whoever writes an input checks its range.
    `is_unsigned`: the source's integers are unsigned.

    - (C1) source and result have one shape.
    - (C2) a float source has f32, an integer i32, i1 keeps its type.
  }];
  let arguments = (ins AnyRankedTensor:$source, UnitAttr:$is_unsigned);
  let results = (outs LPU_CarriedTensor:$result);
  let assemblyFormat = "$source attr-dict `:` type($source) `to` type($result)";
  let hasVerifier = 1;
}

def LPU_WidenOp : LPU_TensorOp<"widen"> {
  let summary = "elements that the machine carried, in a model's type again";
  let description = [{
    The inverse of `lpu.narrow` for every value that the model's type has.

    - (C1) source and result have one shape.
    - (C2) f32 becomes a float, i32 an integer, i1 keeps its type.
  }];
  let arguments = (ins LPU_CarriedTensor:$source, UnitAttr:$is_unsigned);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$source attr-dict `:` type($source) `to` type($result)";
  let hasVerifier = 1;
}

def LPU_QuantizeOp : LPU_TensorOp<"quantize"> {
  let summary = "real numbers as int8 times scales";
  let description = [{
    result = rint(source / scale), halves to even, saturated to -128 .. 127. With
    `axis`, scale has one value for each index of that axis, without it has one.

    - (C1) source and result have one shape, scale the source's element type.
    - (C2) scale's shape is as said above.
  }];
  let arguments = (ins LPU_FloatTensor:$source, LPU_FloatTensor:$scale,
                       OptionalAttr<I64Attr>:$axis);
  let results = (outs RankedTensorOf<[I8]>:$result);
  let assemblyFormat = [{
    $source `scale` $scale attr-dict `:` functional-type(operands, $result)
  }];
  let hasVerifier = 1;
}

def LPU_DequantizeOp : LPU_TensorOp<"dequantize"> {
  let summary = "integers times scales";
  let description = [{
    result = (source - zero_point) * scale. With `axis`, scale and zero_point
    have one value for each index of that axis (rank 1), or, with `block_size` b,
    one for each b indices (the source's rank); without, they have one value.

    - (C1) source and result have one shape, zero_point the source's element
      type and scale's shape, scale the result's element type.
    - (C2) scale's shape is as said above.
  }];
  let arguments = (ins RankedTensorOf<[AnySignlessInteger]>:$source,
                       LPU_FloatTensor:$scale,
                       Optional<RankedTensorOf<[AnySignlessInteger]>>:$zero_point,
                       OptionalAttr<I64Attr>:$axis,
                       OptionalAttr<I64Attr>:$block_size,
                       UnitAttr:$is_unsigned);
  let results = (outs LPU_FloatTensor:$result);
  let assemblyFormat = [{
    $source `scale` $scale (`zero_point` $zero_point^)? attr-dict `:`
    functional-type(operands, $result)
  }];
  let hasVerifier = 1;
}

//===----------------------------------------------------------------------===//
// Rows by index
//===----------------------------------------------------------------------===//

def LPU_GatherOp : LPU_TensorOp<"gather"> {
  let summary = "slices of a table, by index along one axis";
  let description = [{
    result[t.., i.., u..] = table[t.., indices[i..], u..], with the indices'
    dimensions in the place of `axis`. An index < 0 counts from the end; an index
    outside the axis is an error of the caller: the host clamps it.

    - (C1) `axis` is an axis of the table.
    - (C2) the result has the shape above and the table's element type.
  }];
  let arguments = (ins AnyRankedTensor:$table, LPU_IndexTensor:$indices,
                       I64Attr:$axis);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = [{
    $table `[` $indices `]` `axis` $axis attr-dict `:`
    functional-type(operands, $result)
  }];
  let hasVerifier = 1;
}

def LPU_CacheUpdateOp : LPU_TensorOp<"cache_update"> {
  let summary = "a cache with rows replaced at a run-time position";
  let description = [{
    result[b, .., p[b] + i, ..] = rows[b, .., i, ..] along `axis`, for every i;
    the rest is the cache's. `circular` takes the position modulo the axis.
    Without positions they are 0. Rows past the end are dropped.

    - (C1) cache and result have one type; rows have it but for `axis`, where
      they are no longer.
    - (C2) `axis` is an axis of the cache and not the first one, the batch.
    - (C3) positions have one value for each index of the batch.
  }];
  let arguments = (ins AnyRankedTensor:$cache, AnyRankedTensor:$rows,
                       Optional<LPU_IndexTensor>:$positions, I64Attr:$axis,
                       UnitAttr:$circular);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = [{
    $rows `into` $cache (`at` $positions^)? `axis` $axis
    (`circular` $circular^)? attr-dict `:` functional-type(operands, $result)
  }];
  let hasVerifier = 1;
}

//===----------------------------------------------------------------------===//
// Norms and softmax
//===----------------------------------------------------------------------===//

def LPU_RmsNormOp : LPU_TensorOp<"rms_norm",
    [AllTypesMatch<["input", "result"]>]> {
  let summary = "x / sqrt(mean(x^2) + epsilon) * scale, over the last dimensions";
  let description = [{
    The mean runs over the dimensions from `axis` on, in f32.

    - (C1) `axis` is an axis of the input.
    - (C2) scale broadcasts to the normalised dimensions from the right.
  }];
  let arguments = (ins LPU_FloatTensor:$input, LPU_FloatTensor:$scale,
                       I64Attr:$axis, F32Attr:$epsilon);
  let results = (outs LPU_FloatTensor:$result);
  let assemblyFormat = [{
    $input `scale` $scale `axis` $axis `epsilon` $epsilon attr-dict `:`
    type($input) `,` type($scale)
  }];
  let hasVerifier = 1;
}

def LPU_LayerNormOp : LPU_TensorOp<"layer_norm",
    [AllTypesMatch<["input", "result"]>]> {
  let summary = "(x - mean) / sqrt(variance + epsilon) * scale + bias, over the last dimensions";
  let description = [{
    Mean and variance run over the dimensions from `axis` on, in f32.

    - (C1) `axis` is an axis of the input.
    - (C2) scale and bias broadcast to the normalised dimensions from the right.
  }];
  let arguments = (ins LPU_FloatTensor:$input, LPU_FloatTensor:$scale,
                       Optional<LPU_FloatTensor>:$bias, I64Attr:$axis,
                       F32Attr:$epsilon);
  let results = (outs LPU_FloatTensor:$result);
  let assemblyFormat = [{
    $input `scale` $scale (`bias` $bias^)? `axis` $axis `epsilon` $epsilon
    attr-dict `:` type($input) `,` type($scale) (`,` type($bias)^)?
  }];
  let hasVerifier = 1;
}

def LPU_SoftmaxOp : LPU_TensorOp<"softmax",
    [AllTypesMatch<["input", "result"]>]> {
  let summary = "exp(x - max) / sum, along one axis";
  let description = [{
    - (C1) `axis` is an axis of the input.
  }];
  let arguments = (ins LPU_FloatTensor:$input, I64Attr:$axis);
  let results = (outs LPU_FloatTensor:$result);
  let assemblyFormat = "$input `axis` $axis attr-dict `:` type($input)";
  let hasVerifier = 1;
}

//===----------------------------------------------------------------------===//
// Attention
//===----------------------------------------------------------------------===//

def LPU_RotaryOp : LPU_TensorOp<"rotary",
    [AllTypesMatch<["input", "result"]>]> {
  let summary = "rotary position embedding of every head";
  let description = [{
    The input is B x S x (heads * D), cos and sin are B x S x R/2 (the rows of
    the tokens' positions), with R <= D, even, the dimensions that rotate. Of a
    head's first R elements, a is the first half and b the second, or, with
    `interleaved`, a the even elements and b the odd ones:
    a' = a * cos - b * sin, b' = b * cos + a * sin. The other D - R stay.

    - (C1) the input has rank 3 and its last dimension is a multiple of `heads`.
    - (C2) cos and sin have one type, B x S x R/2 with R <= D.
  }];
  let arguments = (ins LPU_FloatTensor:$input, LPU_FloatTensor:$cos,
                       LPU_FloatTensor:$sin, I64Attr:$heads,
                       UnitAttr:$interleaved);
  let results = (outs LPU_FloatTensor:$result);
  let assemblyFormat = [{
    $input `cos` $cos `sin` $sin `heads` $heads (`interleaved` $interleaved^)?
    attr-dict `:` type($input) `,` type($cos) `,` type($sin)
  }];
  let hasVerifier = 1;
}

def LPU_AttentionOp : LPU_TensorOp<"attention",
    [AttrSizedOperandSegments]> {
  let summary = "softmax(q k^T * scale + mask) v, for every head";
  let description = [{
    query is B x S x (query_heads * D), key B x T x (kv_heads * D), value
    B x T x (kv_heads * E), the result B x S x (query_heads * E). Head h of the
    query meets head h / (query_heads / kv_heads) of key and value.

    A score takes, in this order: times `scale`; softcap * tanh(x / softcap) when
    `softcap` is given and not 0; plus the mask, or -inf where an i1 mask is
    false; -inf where a rule below hides the position; softmax over T. A row in
    which everything is hidden is 0.
    - mask: broadcasts to B x query_heads x S x T'; positions from T' <= T on
      are hidden.
    - kv_length (B values): positions j >= kv_length[b] are hidden.
    - causal: query i sees j <= i + offset, with offset = kv_length[b] - S when
      kv_length is given, else `past_length`.

    Source: ONNX, operator Attention, version 24.

    - (C1) query, key, value, result have rank 3 and the shapes above; key and
      value have one T.
    - (C2) query_heads is a multiple of kv_heads.
    - (C3) the mask has rank 4, elements f32 or i1, and dimensions that are 1 or
      as above.
    - (C4) kv_length has B values.
  }];
  let arguments = (ins LPU_FloatTensor:$query, LPU_FloatTensor:$key,
                       LPU_FloatTensor:$value,
                       Optional<RankedTensorOf<[AnyFloat, I1]>>:$mask,
                       Optional<LPU_IndexTensor>:$kv_length,
                       I64Attr:$query_heads, I64Attr:$kv_heads, F32Attr:$scale,
                       OptionalAttr<F32Attr>:$softcap, UnitAttr:$causal,
                       DefaultValuedAttr<I64Attr, "0">:$past_length);
  let results = (outs LPU_FloatTensor:$result);
  let assemblyFormat = [{
    $query `,` $key `,` $value (`mask` $mask^)? (`kv_length` $kv_length^)?
    `heads` $query_heads `,` $kv_heads `scale` $scale (`softcap` $softcap^)?
    (`causal` $causal^)? attr-dict `:` functional-type(operands, $result)
  }];
  let hasVerifier = 1;
}

#endif // LPU_IR_LPUTENSOROPS_TD
