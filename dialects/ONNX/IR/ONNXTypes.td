#ifndef ONNX_IR_TYPES
#define ONNX_IR_TYPES

include "ONNX/IR/ONNXDialect.td"
include "mlir/IR/AttrTypeBase.td"

class ONNX_Type<string name, string typeMnemonic> : TypeDef<ONNX_Dialect, name> {
  let mnemonic = typeMnemonic;
}

def ONNX_StringType : ONNX_Type<"String", "string"> {
  let summary = "element of a string tensor";
}

def ONNX_UnknownType : ONNX_Type<"Unknown", "unknown"> {
  let summary = "value whose type neither the model nor shape inference gives";
}

def ONNX_SequenceType : ONNX_Type<"Sequence", "sequence"> {
  let summary = "sequence of values of one type";
  let parameters = (ins "::mlir::Type":$element);
  let assemblyFormat = "`<` $element `>`";
}

def ONNX_OptionalType : ONNX_Type<"Optional", "optional"> {
  let summary = "value that may be absent at run time";
  let parameters = (ins "::mlir::Type":$element);
  let assemblyFormat = "`<` $element `>`";
}

def ONNX_MapType : ONNX_Type<"Map", "map"> {
  let summary = "map from keys of an element type to values";
  let parameters = (ins "::mlir::Type":$key, "::mlir::Type":$value);
  let assemblyFormat = "`<` $key `,` $value `>`";
}

def ONNX_SparseTensorType : ONNX_Type<"SparseTensor", "sparse_tensor"> {
  let summary = "sparse tensor with the dense tensor type it stands for";
  let parameters = (ins "::mlir::TensorType":$dense);
  let assemblyFormat = "`<` $dense `>`";
}

#endif
