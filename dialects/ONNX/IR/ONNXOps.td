#ifndef ONNX_IR_OPS
#define ONNX_IR_OPS

include "ONNX/IR/ONNXAttributes.td"
include "ONNX/IR/ONNXTypes.td"
include "mlir/Interfaces/ControlFlowInterfaces.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

class ONNX_Op<string mnemonic, list<Trait> traits = []>
    : Op<ONNX_Dialect, mnemonic, traits>;

def ONNX_NodeOp : ONNX_Op<"op"> {
  let summary = "one node of an ONNX graph";
  let description = [{
    The operator is the key (`domain`, `op_type`, `since_version`): the version of
    the operator set that introduced this definition of the operator, 1 where
    no schema is known. `node_attrs` holds what the node gives, defaults not filled in:

    | kind | attribute |
    |---|---|
    | FLOAT, INT, STRING | `f32`, `i64`, string |
    | FLOATS, INTS, STRINGS | `array<f32>`, `array<i64>`, array of strings |
    | TENSOR, TENSORS | elements or `#onnx.weight_ref`; array of these |
    | SPARSE_TENSOR, SPARSE_TENSORS | `#onnx.sparse`; array of these |
    | TYPE_PROTO, TYPE_PROTOS | type; array of types |
    | GRAPH, GRAPHS | `#onnx.graph`, `#onnx.graphs`: regions by index |

    - (C1) `op_type` is not empty and `since_version` is at least 1.
    - (C2) `outputs` names every result; a result is `none` exactly when its name is empty.
    - (C3) every value of `node_attrs` is of a kind in the table.
    - (C4) every region is referenced by exactly one attribute.

    ```mlir
    %y = onnx.op "MatMul" version 13 (%a, %b) outputs ["y"]
       : (tensor<2x3xf32>, tensor<3x4xf32>) -> tensor<2x4xf32>
    ```
  }];
  let arguments = (ins
    StrAttr:$op_type,
    DefaultValuedStrAttr<StrAttr, "">:$domain,
    I64Attr:$since_version,
    DefaultValuedAttr<DictionaryAttr, "{}">:$node_attrs,
    StrArrayAttr:$outputs,
    Variadic<AnyType>:$inputs);
  let results = (outs Variadic<AnyType>:$results);
  let regions = (region VariadicRegion<AnyRegion>:$graphs);
  let assemblyFormat = [{
    $op_type (`domain` $domain^)? `version` custom<Version>($since_version)
    `(` $inputs `)` (`attributes` $node_attrs^)? `outputs` $outputs
    attr-dict `:` functional-type($inputs, $results) (`graphs` $graphs^)?
  }];
  let extraClassDeclaration = [{
    /// The named attribute, or null when the node does not give it.
    ::mlir::Attribute getNodeAttr(::llvm::StringRef name) { return getNodeAttrs().get(name); }
    /// Whether input `index` is given: it exists and is not `none`.
    bool hasInput(unsigned index);
    /// Whether output `index` is wanted: it exists and is not `none`.
    bool hasOutput(unsigned index);
    /// The node's name for messages: its location's name, else its first output's.
    ::llvm::StringRef getNodeName();
  }];
  let hasVerifier = 1;
}

def ONNX_NoneOp : ONNX_Op<"none", [Pure]> {
  let summary = "absent optional input";
  let results = (outs NoneType:$result);
  let assemblyFormat = "attr-dict";
}

def ONNX_WeightOp : ONNX_Op<"weight", [Pure, AllTypesMatch<["value", "result"]>]> {
  let summary = "initializer, by reference to its bytes in a file";
  let description = [{
    ```mlir
    %w = onnx.weight "layer.0.q" #onnx.weight_ref<"m.data", offset 0, length 64, hash "", tensor<4x4xf32>>
    ```
  }];
  let arguments = (ins StrAttr:$name, ONNX_WeightRefAttr:$value);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$name $value attr-dict";
}

def ONNX_ConstantOp : ONNX_Op<"constant", [Pure, AllTypesMatch<["value", "result"]>]> {
  let summary = "initializer, in place: at most 64 bytes, or values that have no raw form in the file";
  let arguments = (ins StrAttr:$name, ElementsAttr:$value);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$name $value attr-dict";
}

def ONNX_YieldOp : ONNX_Op<"yield", [Pure, Terminator, ReturnLike]> {
  let summary = "outputs of a subgraph";
  let arguments = (ins Variadic<AnyType>:$values);
  let assemblyFormat = "($values^ `:` type($values))? attr-dict";
}

#endif
