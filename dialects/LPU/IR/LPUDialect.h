//===- LPUDialect.h - The lpu dialect ---------------------------*- C++ -*-===//
#ifndef LPU_IR_LPUDIALECT_H
#define LPU_IR_LPUDIALECT_H

#include "mlir/IR/Dialect.h"

#include "LPU/IR/LPUDialect.h.inc"

namespace lpu {
class Target;
}

namespace mlir::lpu {

/// The target that the module names (`lpu.target`), parsed once a process; null
/// and an error at `op` when the attribute is absent or unknown.
const ::lpu::Target *getTarget(Operation *op);

} // namespace mlir::lpu

#endif // LPU_IR_LPUDIALECT_H
