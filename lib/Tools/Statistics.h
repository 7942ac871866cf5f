//===- Statistics.h - What lpu-compile reports of a program -----*- C++ -*-===//
#ifndef LPU_LIB_TOOLS_STATISTICS_H
#define LPU_LIB_TOOLS_STATISTICS_H

#include "lpu/Binary/Program.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/Support/JSON.h"

namespace lpu {

/// Name and seconds of what the compiler did, in order.
using StageTimes = std::vector<std::pair<std::string, double>>;

/// What `--stats` says of one entry (docs/Compiler.md); `op` is its `isa.entry`, queues or
/// not.
llvm::json::Object getEntryStatistics(const Target &target, const EntryProgram &entry,
                                      const EncodedEntry &encoded, mlir::Operation *op);
/// The JSON of `--stats`, of entries by name.
llvm::json::Object getStatistics(const Program &program, llvm::json::Object entries,
                                 const StageTimes &stages);

} // namespace lpu

#endif // LPU_LIB_TOOLS_STATISTICS_H
