//===- Elements.h - Constants as the machine carries them -------*- C++ -*-===//
#ifndef LPU_LIB_CONVERSION_ONNXTOLPU_ELEMENTS_H
#define LPU_LIB_CONVERSION_ONNXTOLPU_ELEMENTS_H

#include "Rules.h"

namespace lpu::onnx_lowering {

/// A constant with the carried elements of `value`; null where that is no constant. Integers
/// that do not fit are an error, or the nearest that do where it `saturates`.
mlir::FailureOr<mlir::Value> carryConstant(mlir::ImplicitLocOpBuilder &builder, mlir::Value value,
                                           bool saturates);

/// "[2,3]", for messages.
std::string describeShape(mlir::RankedTensorType type);

} // namespace lpu::onnx_lowering

#endif // LPU_LIB_CONVERSION_ONNXTOLPU_ELEMENTS_H
