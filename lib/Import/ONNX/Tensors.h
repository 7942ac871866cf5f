//===- Tensors.h - Types and tensors of ONNX --------------------*- C++ -*-===//
#ifndef LPU_LIB_IMPORT_ONNX_TENSORS_H
#define LPU_LIB_IMPORT_ONNX_TENSORS_H

#include "ONNX/IR/ONNXDialect.h"
#include "onnx/onnx_pb.h"

#include "llvm/Support/Error.h"

namespace lpu::import {

/// The element type of a TensorProto.DataType: signed integers are signless,
/// unsigned ones `ui`; null when unknown.
mlir::Type getElementType(int32_t dataType, mlir::MLIRContext *context);

/// The type of a value; `onnx.unknown` where the model does not say.
mlir::Type getType(const ::onnx::TypeProto &type, mlir::MLIRContext *context);

/// The static type of a tensor's content.
llvm::Expected<mlir::RankedTensorType>
getTensorType(const ::onnx::TensorProto &tensor, mlir::MLIRContext *context);

/// The content of a tensor that lies in the message in raw layout, whichever field holds it.
std::string getRaw(const ::onnx::TensorProto &tensor, unsigned elementBits);

/// Dense values of a tensor that lies in the message, or, when `external` is
/// given, of these bytes in raw layout.
llvm::Expected<mlir::ElementsAttr>
getElements(const ::onnx::TensorProto &tensor, mlir::MLIRContext *context,
            std::optional<llvm::ArrayRef<char>> external = std::nullopt);

} // namespace lpu::import

#endif // LPU_LIB_IMPORT_ONNX_TENSORS_H
