#ifndef LPU_DIALECTS_ONNX_IR_ONNXDIALECT_H
#define LPU_DIALECTS_ONNX_IR_ONNXDIALECT_H

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/TensorEncoding.h"
#include "mlir/Interfaces/ControlFlowInterfaces.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

namespace mlir::onnx {
/// Name of a graph's input or output: discardable attribute of a function's
/// arguments and results.
inline constexpr llvm::StringLiteral kNameAttr = "onnx.name";
/// Largest value of an integer input: discardable attribute of an argument.
inline constexpr llvm::StringLiteral kMaxAttr = "onnx.max";
/// Of a node that folding could not resolve: why not.
inline constexpr llvm::StringLiteral kReasonAttr = "onnx.reason";
/// Folder that the files of weights are relative to: attribute of the module.
inline constexpr llvm::StringLiteral kFolderAttr = "onnx.folder";
/// Operator-set version by domain ("ai.onnx" for the default one): dictionary
/// attribute of the module.
inline constexpr llvm::StringLiteral kOpsetAttr = "onnx.opset";
/// Version of the file format: attribute of the module.
inline constexpr llvm::StringLiteral kIrVersionAttr = "onnx.ir_version";
} // namespace mlir::onnx

#include "ONNX/IR/ONNXDialect.h.inc"

#define GET_TYPEDEF_CLASSES
#include "ONNX/IR/ONNXTypes.h.inc"

#define GET_ATTRDEF_CLASSES
#include "ONNX/IR/ONNXAttributes.h.inc"

#define GET_OP_CLASSES
#include "ONNX/IR/ONNXOps.h.inc"

namespace mlir::onnx {

/// The bits of an element in ONNX's raw layout: a bool takes 8, a 4-bit integer
/// 4; 0 for types without a raw layout (strings).
unsigned getRawElementBits(mlir::Type elementType);

/// The bytes of a tensor of static shape in ONNX's raw layout; nothing for a
/// dynamic shape, a type without raw layout, or a size that overflows 63 bits.
std::optional<int64_t> getRawBytes(mlir::ShapedType type);

} // namespace mlir::onnx

#endif // LPU_DIALECTS_ONNX_IR_ONNXDIALECT_H
