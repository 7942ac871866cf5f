//===- StreamOps.td - Chains of instructions joined by streams -*- tablegen -*-===//
//
// The stream level: per entry, chains; a chain is a rigid set of instructions
// joined by streams, first untimed, then with a start cycle.
//
//===----------------------------------------------------------------------===//
#ifndef STREAM_IR_STREAMOPS
#define STREAM_IR_STREAMOPS

include "ISA/IR/ISAProperties.td"
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/EnumAttr.td"
include "mlir/IR/OpBase.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

def Stream_Dialect : Dialect {
  let name = "stream";
  let cppNamespace = "::mlir::stream";
  let summary = "chains of machine instructions joined by streams";
  let description = [{
    Instructions and their fields are those of the instruction table
    (docs/Spec/ISA.md). What a schedule decides is absent until it is decided:
    a chain's start (`start`), stream ids (`ids`), ALUs (`alu`).
  }];
  let useDefaultTypePrinterParser = 1;
  let extraClassDeclaration = [{
    /// On a scheduled program: a dictionary a layer (`name`, `start`, `cycles`,
    /// `chain_bound` and, where known, `lower_bound`), for reports.
    static constexpr ::llvm::StringLiteral kLayersAttr = "stream.layers";
    /// On a program: lower bounds of its layers by name.
    static constexpr ::llvm::StringLiteral kLayerBoundsAttr = "stream.layer_bounds";
  }];
}

def Stream_Direction : I32EnumAttr<"Direction", "direction of a stream", [
    I32EnumAttrCase<"East", 0, "east">, I32EnumAttrCase<"West", 1, "west">]> {
  let cppNamespace = "::mlir::stream";
  let genSpecializedAttr = 0;
}

class Stream_Type<string name, string typeMnemonic>
    : TypeDef<Stream_Dialect, name> {
  let mnemonic = typeMnemonic;
}
def Stream_FlowType : Stream_Type<"Flow", "flow"> {
  let summary = "`width` consecutive streams of one direction";
  let parameters = (ins EnumParameter<Stream_Direction>:$direction, "unsigned":$width);
  let assemblyFormat = "`<` $direction `,` $width `>`";
}
def Stream_MeshType : Stream_Type<"Mesh", "mesh"> {
  let summary = "an ALU's result on the VXM's mesh";
}
def Stream_PartialType : Stream_Type<"Partial", "partial"> {
  let summary = "the result of an abc on its way to the acc of the same plane";
}
def Stream_AnyType : AnyTypeOf<[Stream_FlowType, Stream_MeshType, Stream_PartialType]>;

class Stream_Op<string opMnemonic, list<Trait> traits = []>
    : Op<Stream_Dialect, opMnemonic, traits>;

def Stream_ProgramOp : Stream_Op<"program", [Symbol, IsolatedFromAbove,
    NoTerminator, SingleBlock, HasParent<"::mlir::ModuleOp">]> {
  let summary = "the chains of one entry, in program order";
  let description = [{
    Program order gives the dependences between chains: through SRAM words,
    weight buffers, installed arrays and accumulators. `counters` names the
    saturation counters, counter 1 first. `lower_bound`: no program of the same model and
    formats takes fewer cycles; absent where only kernels are known. `cycles` and
    `chain_bound` (no schedule of these chains takes fewer) are absent before scheduling.
  }];
  let arguments = (ins SymbolNameAttr:$sym_name,
                       DefaultValuedAttr<StrArrayAttr, "::llvm::ArrayRef<::llvm::StringRef>{}">:$counters,
                       OptionalAttr<I64Attr>:$cycles,
                       OptionalAttr<I64Attr>:$chain_bound,
                       OptionalAttr<I64Attr>:$lower_bound);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = "$sym_name attr-dict-with-keyword $body";
}

def Stream_ChainOp : Stream_Op<"chain", [NoTerminator, SingleBlock,
    HasParent<"ProgramOp">]> {
  let summary = "a rigid set of instructions: one free number, its start";
  let description = [{
    An issue at offset o of a chain that starts at S issues in cycle S + o. The
    smallest offset is 0. A consumer samples exactly where its producer's value
    arrives: offset(c) = offset(p) + latency(p) + |column(c) - column(p)| for
    streams, offset(p) + latency(p) on the mesh.
  }];
  let arguments = (ins StrAttr:$name, OptionalAttr<I64Attr>:$start);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = "$name (`start` $start^)? attr-dict-with-keyword $body";
  let hasVerifier = 1;
  let hasRegionVerifier = 1;
}

def Stream_IssueOp : Stream_Op<"issue"> {
  let summary = "one machine instruction, with or without Repeat";
  let description = [{
    `queue` is a queue's name (`mem.w12`), or `vxm.*` for any ALU. The instruction's fields
    are those of the table, enumerations by name, without what operands and results say:
    stream ids, ALU numbers. Operands and results stand in the order of
    lpu/Binary/Operands.h. `repeat` is [n, d, m, e]; `strides` gives [i, j] for a field.
    After scheduling `ids` has the first stream id of every flow result, `alu` the ALU of an
    issue on `vxm.*`. `meant` is what stream-record-intent notes (docs/Spec/Binary.md).

    ```mlir
    %x = stream.issue "mem" on "mem.w3" at 0 {r = "linear", r_addr = 5 : i64, r_dir = "east"}
       : () -> !stream.flow<east, 1>
    ```
  }];
  let arguments = (ins ISA_InstructionProp:$instruction, StrAttr:$queue, I64Prop:$offset,
                       OptionalAttr<DenseI64ArrayAttr>:$ids, OptionalAttr<I64Attr>:$alu,
                       ISA_MeaningProp:$meaning, Variadic<Stream_AnyType>:$inputs);
  let results = (outs Variadic<Stream_AnyType>:$results);
  let hasCustomAssemblyFormat = 1;
  let hasVerifier = 1;
}

def Stream_BundleOp : Stream_Op<"bundle"> {
  let summary = "flows on consecutive ids, as one wide flow";
  let arguments = (ins Variadic<Stream_FlowType>:$inputs);
  let results = (outs Stream_FlowType:$result);
  let assemblyFormat = "$inputs attr-dict `:` functional-type($inputs, $result)";
  let hasVerifier = 1;
}

def Stream_MergeOp : Stream_Op<"merge", [SameOperandsAndResultType]> {
  let summary = "flows on the same ids, each of which feeds some issues of a repeated consumer";
  let arguments = (ins Variadic<Stream_FlowType>:$inputs);
  let results = (outs Stream_FlowType:$result);
  let assemblyFormat = "$inputs attr-dict `:` type($result)";
}

def Stream_PartOp : Stream_Op<"part"> {
  let summary = "some consecutive ids of a wide flow, from id `index` of it";
  let arguments = (ins Stream_FlowType:$source, I64Attr:$index);
  let results = (outs Stream_FlowType:$result);
  let assemblyFormat = "$source `[` $index `]` attr-dict `:` type($source) `->` type($result)";
  let hasVerifier = 1;
}

#endif
