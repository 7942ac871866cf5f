//===- LPUElements.h - Element types of MLIR and of the host ----*- C++ -*-===//
#ifndef LPU_IR_LPUELEMENTS_H
#define LPU_IR_LPUELEMENTS_H

#include "LPU/IR/LPUKernelOps.h"
#include "lpu/Support/Elements.h"

namespace mlir::lpu {

/// The host's type for elements of a model's type; signless integers are signed, i1 is
/// bool. Nothing where the host has none.
std::optional<::lpu::ElementType> toElementType(Type type);
/// What a buffer of `format` stores, as the host writes and reads it; nothing where it does not.
std::optional<::lpu::ElementType> toElementType(Format format);

} // namespace mlir::lpu

#endif // LPU_IR_LPUELEMENTS_H
