//===- CompileEntries.h - From placed kernels to a binary -------*- C++ -*-===//
#ifndef LPU_LIB_TOOLS_COMPILEENTRIES_H
#define LPU_LIB_TOOLS_COMPILEENTRIES_H

#include "lpu/Binary/Program.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include "mlir/Pass/PassManager.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/Support/JSON.h"

namespace lpu {

/// What stays of an entry that is compiled and verified.
struct CompiledEntry {
  EncodedEntry encoded;
  llvm::json::Object statistics; ///< getEntryStatistics
};

/// Compiles the entries of a module whose kernels are placed and whose memory is emitted
/// one by one, two at a time where there are threads: levels of an entry go when the next
/// is made, so that the largest entries decide how much memory is needed.
class EntriesCompiler {
public:
  /// Fills and names a pass manager, with what the command line asks for.
  using SetUp = llvm::function_ref<mlir::LogicalResult(mlir::PassManager &)>;

  /// Takes the functions of `module`. Their constants go: `module` has the words of the
  /// image.
  explicit EntriesCompiler(mlir::ModuleOp module);

  /// Image and entries without instructions.
  mlir::LogicalResult exportMemory();
  mlir::LogicalResult run(SetUp setUp);

  const Program &getProgram() const { return *program; }
  llvm::MutableArrayRef<CompiledEntry> getEntries() { return compiled; }

private:
  mlir::LogicalResult compile(size_t index, SetUp setUp);

  mlir::ModuleOp module;
  std::vector<mlir::OwningOpRef<mlir::ModuleOp>> parts; ///< an entry each
  std::optional<Program> program;
  std::vector<CompiledEntry> compiled;
};

} // namespace lpu

#endif // LPU_LIB_TOOLS_COMPILEENTRIES_H
