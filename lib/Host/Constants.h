//===- Constants.h - Bytes of constants -------------------------*- C++ -*-===//
#ifndef LPU_LIB_HOST_CONSTANTS_H
#define LPU_LIB_HOST_CONSTANTS_H

#include "LPU/IR/LPUElements.h"
#include "LPU/IR/LPUTensorOps.h"
#include "ONNX/IR/WeightFiles.h"
#include <vector>

namespace lpu::host {

/// Bytes as a kernel reads them: one element after the other, at least a byte each.
/// They lie in a mapped file, or in `owned`.
struct Constant {
  const uint8_t *data = nullptr;
  std::vector<uint8_t> owned;
};

/// The constant that `op` makes: lpu.weight or arith.constant of a tensor.
mlir::FailureOr<Constant> getConstant(mlir::Operation *op, mlir::onnx::WeightFiles &files);

/// Bytes of a tensor in memory; nothing where elements are no numbers or a shape is dynamic.
std::optional<size_t> getBytes(mlir::RankedTensorType type);

/// The element types of lpu.narrow or lpu.widen.
struct Conversion {
  ElementType from, to;
};
/// Nothing for other operations.
std::optional<Conversion> getConversion(mlir::Operation *op);

} // namespace lpu::host

#endif // LPU_LIB_HOST_CONSTANTS_H
