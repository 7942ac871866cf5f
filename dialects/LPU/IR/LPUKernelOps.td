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
    I32EnumAttrCase<"I8x4", 5, "i8x4">]> {
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
    `columns = 1` means one value a row, the same in every lane.
  }];
  let parameters = (ins "int64_t":$rows, "int64_t":$columns,
                        EnumParameter<LPU_Format>:$format);
  let assemblyFormat = "`<` $rows `,` $columns `,` $format `>`";
}

def LPU_AccType : LPU_KernelType<"Acc", "acc"> {
  let summary = "a contraction's result, in MXM accumulators";
  let description = [{
    `rows` x `columns` sums, one for each of the activation's limbs; `format`
    is the activation's. `columns = 1` as in a buffer.
  }];
  let parameters = (ins "int64_t":$rows, "int64_t":$columns,
                        EnumParameter<LPU_Format>:$format);
  let assemblyFormat = "`<` $rows `,` $columns `,` $format `>`";
}

//===----------------------------------------------------------------------===//
// Operations
//===----------------------------------------------------------------------===//

class LPU_KernelOp<string opMnemonic, list<Trait> traits = []>
    : Op<LPU_Dialect, opMnemonic, traits>;

def LPU_LoadInputOp : LPU_KernelOp<"load_input"> {
  let summary = "an input of the entry, written by the host before cycle 0";
  let arguments = (ins StrAttr:$name, DenseI64ArrayAttr:$shape,
                       OptionalAttr<DenseI64ArrayAttr>:$placement);
  let results = (outs LPU_BufferType:$result);
  let assemblyFormat = "$name `shape` $shape attr-dict `:` type($result)";
}

def LPU_StoreOutputOp : LPU_KernelOp<"store_output"> {
  let summary = "an output of the entry, read by the host after the last cycle";
  let arguments = (ins LPU_BufferType:$source, StrAttr:$name,
                       DenseI64ArrayAttr:$shape);
  let assemblyFormat =
      "$source `as` $name `shape` $shape attr-dict `:` type($source)";
}

def LPU_ConstantRowsOp : LPU_KernelOp<"constant_rows", [Pure]> {
  let summary = "a constant buffer of the image";
  let arguments = (ins ElementsAttr:$value,
                       OptionalAttr<DenseI64ArrayAttr>:$placement);
  let results = (outs LPU_BufferType:$result);
  let assemblyFormat = "$value attr-dict `:` type($result)";
  let hasVerifier = 1;
}

def LPU_ContractOp : LPU_KernelOp<"contract"> {
  let summary = "activations times constant weights, on the MXM";
  let description = [{
    sum over k of x[r, k] * weights[k, n], exactly, for each limb of x, in
    int32. Row l of `scales` (one row a limb, high limb first) multiplies that
    limb's sums where a map reads the accumulators:
    y[r, n] = sum over l of f32(sum_l[r, n]) * scales[l, n], in that order.
    Weights are K x N int8 and lie as tiles in the stripes named by
    `placement`: one record (plane, bank, first word, 16 slices) for each plane
    used; the tiles of a plane follow one another, N tile by N tile, K chunk by
    K chunk, N tile t on the t-th of those planes (modulo their number).
  }];
  let arguments = (ins LPU_BufferType:$activations, LPU_BufferType:$scales,
                       ElementsAttr:$weights,
                       OptionalAttr<DenseI64ArrayAttr>:$placement);
  let results = (outs LPU_AccType:$result);
  let assemblyFormat = [{
    $activations `,` $weights `scaled` `by` $scales attr-dict `:`
    type($activations) `,` type($scales) `->` type($result)
  }];
  let hasVerifier = 1;
}

def LPU_MapOp : LPU_KernelOp<"map", [IsolatedFromAbove, SingleBlock]> {
  let summary = "one lane-wise program over rows and vectors, on the VXM";
  let description = [{
    The body computes one lane of one row from scalars of the operands (f32; an
    accumulator arrives as the sum of its limbs, f32). An operand with one row
    serves every row, one with one column every column. A result of format
    `i8xN` is rint(y * scale), saturated to N balanced limbs and counted, with
    the scale in `scales`; `f16` is rounded to nearest even.
  }];
  let arguments = (ins Variadic<AnyTypeOf<[LPU_BufferType, LPU_AccType]>>:$inputs,
                       DenseF32ArrayAttr:$scales,
                       OptionalAttr<ArrayAttr>:$placements);
  let results = (outs Variadic<LPU_BufferType>:$results);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = [{
    `(` $inputs `)` `scales` $scales attr-dict `:`
    functional-type($inputs, $results) $body
  }];
  let hasVerifier = 1;
}

def LPU_YieldOp : LPU_KernelOp<"yield", [Pure, Terminator,
                                         ParentOneOf<["MapOp"]>]> {
  let summary = "the lane values of a map's results";
  let arguments = (ins Variadic<F32>:$values);
  let assemblyFormat = "($values^ `:` type($values))? attr-dict";
}

#endif // LPU_IR_LPUKERNELOPS_TD
