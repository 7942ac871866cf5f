#ifndef ONNX_IR_DIALECT
#define ONNX_IR_DIALECT

include "mlir/IR/OpBase.td"

def ONNX_Dialect : Dialect {
  let name = "onnx";
  let cppNamespace = "::mlir::onnx";
  let summary = "an ONNX model as its file says it, without knowledge of any operator";
  let description = [{
    One generic operation, `onnx.op`, carries every node. A graph is a `func.func`
    whose arguments and results have the discardable attribute `onnx.name`; the
    module carries `onnx.folder` (the folder that the files of `onnx.weight` are
    relative to), `onnx.opset` (version by domain) and `onnx.ir_version`.
    Node names are locations. An absent optional input or output has type `none`.

    A dimension known by name alone is dynamic, with its name in the tensor's
    encoding: `tensor<?x576xf32, #onnx.dims<["batch", ""]>>`.

    Source: the ONNX intermediate representation specification, IR version 13.
  }];
  let useDefaultTypePrinterParser = 1;
  let useDefaultAttributePrinterParser = 1;
  let dependentDialects = ["::mlir::func::FuncDialect"];
}

#endif
