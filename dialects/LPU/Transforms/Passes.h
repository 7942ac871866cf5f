//===- Passes.h - Passes of the lpu dialect ---------------------*- C++ -*-===//
#ifndef LPU_TRANSFORMS_PASSES_H
#define LPU_TRANSFORMS_PASSES_H

#include "LPU/IR/LPUKernelOps.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/Pass.h"

namespace mlir::lpu {

#define GEN_PASS_DECL
#include "LPU/Transforms/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "LPU/Transforms/Passes.h.inc"

} // namespace mlir::lpu

#endif // LPU_TRANSFORMS_PASSES_H
