//===- RegisterAll.h - Every dialect and pass of the compiler ---*- C++ -*-===//
#ifndef LPU_PIPELINES_REGISTERALL_H
#define LPU_PIPELINES_REGISTERALL_H

#include "mlir/IR/DialectRegistry.h"

namespace lpu {

/// Adds every dialect that a level of the compiler uses: ours and upstream's,
/// with upstream's extensions.
void registerAllDialects(mlir::DialectRegistry &registry);

/// Registers every pass of ours and of upstream by its name on a command line.
void registerAllPasses();

} // namespace lpu

#endif // LPU_PIPELINES_REGISTERALL_H
