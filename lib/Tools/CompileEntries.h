//===- CompileEntries.h - From placed kernels to a binary -------*- C++ -*-===//
#ifndef LPU_LIB_TOOLS_COMPILEENTRIES_H
#define LPU_LIB_TOOLS_COMPILEENTRIES_H

#include "ISA/IR/ISADialect.h"
#include "lpu/Binary/Program.h"
#include "lpu/Scheduling/Algorithms.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include "mlir/Pass/PassManager.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/Support/JSON.h"
#include <functional>
#include <mutex>

namespace lpu {

/// Compiles the entries of a module whose kernels are placed and whose memory is emitted
/// one by one, two at a time where there are threads: levels of an entry go when the next
/// is made, so that the largest entries decide how much memory is needed.
class EntriesCompiler {
public:
  /// Fills and names a pass manager, with what the command line asks for; its scheduler
  /// says how far it is.
  using SetUp = llvm::function_ref<mlir::LogicalResult(mlir::PassManager &,
                                                       scheduling::OnProgress onSchedule)>;

  /// Takes the functions of `module`. Their constants go: `module` has the words of the
  /// image.
  explicit EntriesCompiler(mlir::ModuleOp module);

  /// Image and entries without instructions.
  mlir::LogicalResult exportMemory();
  /// `onProgress` is called from any thread with the share of the work that is done.
  mlir::LogicalResult run(SetUp setUp, std::function<void(double)> onProgress);

  const Program &getProgram() const { return *program; }
  /// What stays of the entries, compiled and verified.
  const std::vector<EncodedEntry> &getEntries() const { return entries; }
  /// getEntryStatistics of all entries, by name.
  llvm::json::Object getStatistics() const;

private:
  /// What is done of an entry.
  struct Work {
    double share = 0, size = 0; ///< size: chains' issues, once there are chains
  };
  class Steps;

  mlir::LogicalResult compile(size_t index, SetUp setUp);
  mlir::LogicalResult finish(mlir::lpuisa::EntryOp op, EntryProgram &entry, size_t index);
  void report(size_t index, double share, double size = 0);

  mlir::ModuleOp module;
  std::vector<mlir::OwningOpRef<mlir::ModuleOp>> parts; ///< an entry each
  std::optional<Program> program;
  std::vector<EncodedEntry> entries;
  std::vector<llvm::json::Object> statistics; ///< by entry
  std::mutex mutex; ///< of what follows
  std::vector<Work> work;
  std::function<void(double)> onProgress;
};

} // namespace lpu

#endif // LPU_LIB_TOOLS_COMPILEENTRIES_H
