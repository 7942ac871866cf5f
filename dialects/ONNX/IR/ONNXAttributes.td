#ifndef ONNX_IR_ATTRIBUTES
#define ONNX_IR_ATTRIBUTES

include "ONNX/IR/ONNXDialect.td"
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/BuiltinAttributeInterfaces.td"
include "mlir/IR/TensorEncoding.td"

class ONNX_Attr<string name, string attrMnemonic, list<Trait> traits = []>
    : AttrDef<ONNX_Dialect, name, traits> {
  let mnemonic = attrMnemonic;
}

def ONNX_DimsAttr : ONNX_Attr<"Dims", "dims",
    [DeclareAttrInterfaceMethods<VerifiableTensorEncoding>]> {
  let summary = "names of a tensor's dynamic dimensions, empty where there is none";
  let parameters = (ins ArrayRefParameter<"::mlir::StringAttr">:$names);
  let assemblyFormat = "`<` `[` $names `]` `>`";
}

def ONNX_WeightRefAttr : ONNX_Attr<"WeightRef", "weight_ref", [TypedAttrInterface]> {
  let summary = "bytes of a tensor in a file";
  let description = [{
    `length` bytes at byte `offset` of `file`, a path relative to the module's
    `onnx.folder`, in ONNX's raw layout: row-major, little-endian, elements of
    less than a byte packed from the low bits. `hash` is the content's hash as 32
    hexadecimal digits (see WeightFiles.h), empty when it was not computed.

    ```mlir
    #onnx.weight_ref<"model.onnx.data", offset 0, length 64, hash "", tensor<4x4xf32>>
    ```
  }];
  let parameters = (ins "::mlir::StringAttr":$file, "int64_t":$offset, "int64_t":$length,
                        "::mlir::StringAttr":$hash,
                        "::mlir::Type":$type);
  let assemblyFormat = "`<` $file `,` `offset` $offset `,` `length` $length `,` `hash` $hash `,` $type `>`";
  let genVerifyDecl = 1;
}

def ONNX_GraphRefAttr : ONNX_Attr<"GraphRef", "graph"> {
  let summary = "attribute of kind GRAPH: a region of the operation, by its index";
  let parameters = (ins "int64_t":$index);
  let assemblyFormat = "`<` $index `>`";
}

def ONNX_GraphRefsAttr : ONNX_Attr<"GraphRefs", "graphs"> {
  let summary = "attribute of kind GRAPHS: regions of the operation, by their indices";
  let parameters = (ins ArrayRefParameter<"int64_t">:$indices);
  let assemblyFormat = "`<` `[` $indices `]` `>`";
}

def ONNX_SparseTensorAttr : ONNX_Attr<"SparseTensor", "sparse"> {
  let summary = "attribute of kind SPARSE_TENSOR: values, their indices and the dense shape";
  let parameters = (ins "::mlir::Attribute":$values, "::mlir::Attribute":$indices,
                        ArrayRefParameter<"int64_t">:$dims);
  let assemblyFormat = "`<` $values `,` $indices `,` `[` $dims `]` `>`";
}

#endif
