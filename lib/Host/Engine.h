//===- Engine.h - Kernels as machine code -----------------------*- C++ -*-===//
#ifndef LPU_LIB_HOST_ENGINE_H
#define LPU_LIB_HOST_ENGINE_H

#include "mlir/ExecutionEngine/ExecutionEngine.h"
#include "mlir/IR/BuiltinOps.h"

namespace lpu::host {

/// Takes a pointer to each argument's pointer.
using KernelFunction = void (*)(void **);

/// Machine code of functions whose arguments are memrefs with static shapes.
class Engine {
public:
  /// Lowers `module` in place. Errors are emitted at it.
  static mlir::FailureOr<std::unique_ptr<Engine>> compile(mlir::ModuleOp module);
  mlir::FailureOr<KernelFunction> lookup(llvm::StringRef name, mlir::Location location);

private:
  std::unique_ptr<mlir::ExecutionEngine> engine;
};

} // namespace lpu::host

#endif // LPU_LIB_HOST_ENGINE_H
