//===- ISAOps.td - Instruction queues and what lies in SRAM -*- tablegen -*-===//
//
// The isa level: one region an instruction queue, instructions 1:1 with the
// machine, and the words of SRAM. Its operations are those of the binary
// (docs/Spec/Binary.md), so that export decides nothing.
//
//===----------------------------------------------------------------------===//
#ifndef ISA_IR_ISAOPS
#define ISA_IR_ISAOPS

include "mlir/IR/BuiltinAttributeInterfaces.td"
include "mlir/IR/OpBase.td"
include "ISA/IR/ISAProperties.td"
include "mlir/IR/SymbolInterfaces.td"

def ISA_Dialect : Dialect {
  let name = "isa";
  let cppNamespace = "::mlir::lpuisa";
  let summary = "instruction queues of the machine, and the words of SRAM";
  let extraClassDeclaration = [{
    /// On an entry: a dictionary a layer (`name`, `start`, `cycles`,
    /// `chain_bound` and, where known, `lower_bound`), for reports.
    static constexpr ::llvm::StringLiteral kLayersAttr = "isa.layers";
  }];
}

class ISA_Op<string mnemonic, list<Trait> traits = []>
    : Op<ISA_Dialect, mnemonic, traits>;

def ISA_EntryOp : ISA_Op<"entry", [Symbol, NoTerminator, SingleBlock,
    HasParent<"::mlir::ModuleOp">]> {
  let summary = "one entry's instructions";
  let arguments = (ins SymbolNameAttr:$sym_name, StrArrayAttr:$counters,
                       I64Attr:$cycles, OptionalAttr<I64Attr>:$chain_bound,
                       OptionalAttr<I64Attr>:$lower_bound);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = "$sym_name `counters` $counters `cycles` $cycles attr-dict-with-keyword $body";
}

def ISA_QueueOp : ISA_Op<"queue", [NoTerminator, SingleBlock, HasParent<"EntryOp">]> {
  let summary = "one queue's instructions, in order of their cycles";
  let arguments = (ins StrAttr:$name);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = "$name attr-dict-with-keyword $body";
  let hasVerifier = 1;
}

def ISA_InstructionOp : ISA_Op<"inst", [HasParent<"QueueOp">]> {
  let summary = "one instruction of the table, issued in cycle `cycle`";
  let description = [{
    The text has the mnemonic, `at` and the cycle, the fields as a dictionary (enumerations
    by name, fields at their default left out), `repeat` [n, d, m, e] and `strides` ([i, j]
    by field) where there are some. `intent` lists who is meant to feed the operands:
    [operand, producer's queue number, producer's index in its queue, its result], flat.
    `meant` is the instruction's meaning: its number, the digests of its operation and of
    its sources (docs/Spec/Binary.md); an instruction without it has number 0.
  }];
  let arguments = (ins ISA_InstructionProp:$instruction, I64Prop:$cycle,
                       ISA_IntentProp:$intent, ISA_MeaningProp:$meaning);
  let hasCustomAssemblyFormat = 1;
  let hasVerifier = 1;
}

def ISA_ImageOp : ISA_Op<"image", [HasParent<"::mlir::ModuleOp">]> {
  let summary = "words of the image, shared by all entries";
  let description = [{
    `kind` is `weights`, `state` or `padding`. `value` has the words' bytes for
    weights: count x lanes int8; the others are zero.
  }];
  let arguments = (ins StrAttr:$kind, StrAttr:$label, I64Attr:$slice, I64Attr:$bank,
                       I64Attr:$first, I64Attr:$count, OptionalAttr<ElementsAttr>:$value);
  let assemblyFormat = [{
    $kind $label `slice` $slice `bank` $bank `words` $first `,` $count
    ($value^)? attr-dict
  }];
}

def ISA_TableOp : ISA_Op<"table", [HasParent<"::mlir::ModuleOp">]> {
  let summary = "a table of the binary, one entry a lane; numbered in order";
  let arguments = (ins DenseI64ArrayAttr:$entries);
  let assemblyFormat = "$entries attr-dict";
}

def ISA_RegionOp : ISA_Op<"region", [HasParent<"::mlir::ModuleOp">]> {
  let summary = "words of one entry: `scratch`, `input`, `output` or `derived`";
  let arguments = (ins FlatSymbolRefAttr:$entry, StrAttr:$kind, StrAttr:$label,
                       I64Attr:$slice, I64Attr:$bank, I64Attr:$first, I64Attr:$count);
  let assemblyFormat = [{
    $kind $label `of` $entry `slice` $slice `bank` $bank `words` $first `,` $count
    attr-dict
  }];
}

def ISA_BindingOp : ISA_Op<"binding", [HasParent<"::mlir::ModuleOp">]> {
  let summary = "where an input or output of the host lies";
  let description = [{
    Fields as in the binary's TensorBinding. `direction` is `input` or `output`;
    `planes` is [slice, bank, first] for each byte plane, low byte first;
    `runs` is [column, count, vector, lane], flat, empty for the plain chop.
    `layout` is [lane_dim, vector_stride, offset, words, word_strides..] of the
    binary's Layout, which rows, columns, vectors, stride and runs then give way to.
    `chunk_words` as in the binary.
  }];
  let arguments = (ins FlatSymbolRefAttr:$entry, StrAttr:$direction, StrAttr:$name,
                       StrAttr:$type, StrAttr:$stored_as, DenseI64ArrayAttr:$shape,
                       I64Attr:$rows, I64Attr:$columns, I64Attr:$vectors,
                       I64Attr:$row_stride, DenseI64ArrayAttr:$planes,
                       DefaultValuedAttr<DenseI64ArrayAttr, "::llvm::ArrayRef<int64_t>{}">:$runs,
                       OptionalAttr<DenseI64ArrayAttr>:$layout,
                       DefaultValuedAttr<I64Attr, "0">:$chunk_words);
  let assemblyFormat = [{
    $direction $name `of` $entry $type `as` $stored_as `shape` $shape `rows` $rows
    `columns` $columns `vectors` $vectors `stride` $row_stride `planes` $planes
    attr-dict
  }];
}

def ISA_IntegerInputOp : ISA_Op<"integer_input", [HasParent<"::mlir::ModuleOp">]> {
  let summary = "an integer input of the host that feeds derived inputs only";
  let description = [{
    With `most` the host checks least <= value <= most before a run; `least` is 0
    unless given.
  }];
  let arguments = (ins FlatSymbolRefAttr:$entry, StrAttr:$name, StrAttr:$type,
                       DenseI64ArrayAttr:$shape, OptionalAttr<SI64Attr>:$least,
                       OptionalAttr<I64Attr>:$most);
  let assemblyFormat = [{
    $name `of` $entry $type `shape` $shape (`least` $least^)? (`most` $most^)? attr-dict
  }];
}

def ISA_DerivedInputOp : ISA_Op<"derived_input", [HasParent<"::mlir::ModuleOp">]> {
  let summary = "vectors that the host computes from integer inputs";
  let description = [{
    `planes` is [slice, bank, first] for each byte plane, low byte first; `steps`
    is [step, value], flat, in postfix order, the steps those of the binary's
    DerivedStep; step INPUT names an input by its place in `inputs`.
  }];
  let arguments = (ins FlatSymbolRefAttr:$entry, StrAttr:$name, I64Attr:$rows,
                       DenseI64ArrayAttr:$planes, StrArrayAttr:$inputs,
                       DenseI64ArrayAttr:$steps);
  let assemblyFormat = [{
    $name `of` $entry `rows` $rows `planes` $planes `of` $inputs `steps` $steps
    attr-dict
  }];
}

#endif
