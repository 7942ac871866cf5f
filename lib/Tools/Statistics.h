//===- Statistics.h - What lpu-compile reports of a program -----*- C++ -*-===//
#ifndef LPU_LIB_TOOLS_STATISTICS_H
#define LPU_LIB_TOOLS_STATISTICS_H

#include "lpu/Binary/Program.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/Support/JSON.h"

namespace lpu {

/// Name and seconds of what the compiler did, in order.
using StageTimes = std::vector<std::pair<std::string, double>>;

/// The JSON of `--stats` (docs/Compiler.md). `module` is at isa level.
llvm::json::Object getStatistics(const Program &program, mlir::ModuleOp module,
                                 const StageTimes &stages);

} // namespace lpu

#endif // LPU_LIB_TOOLS_STATISTICS_H
