//===- Pipelines.h - From level to level ------------------------*- C++ -*-===//
#ifndef LPU_PIPELINES_PIPELINES_H
#define LPU_PIPELINES_PIPELINES_H

#include "lpu/Conversion/Passes.h"
#include "lpu/Scheduling/Algorithms.h"
#include "mlir/Pass/PassManager.h"
#include <optional>

namespace lpu {

/// The levels below the binary, in order (docs/Architecture.md).
enum class Level { ONNX, Tensor, Kernel, Stream, ISA };
/// "onnx", "tensor", "kernel", "stream" or "isa".
std::optional<Level> parseLevel(llvm::StringRef name);
llvm::StringRef getLevelName(Level level);

struct PipelineOptions {
  KernelOptions kernels;
  /// Constant matrices of products in int8, from the tensor level on.
  bool int8Weights = false;
  /// KV caches in int8, from the tensor level on.
  bool int8Caches = false;
  /// Loop nests on words for everything, in place of kernels (docs/Rationale/Nests.md).
  bool nests = false;
  scheduling::Effort effort = scheduling::Effort::Standard;
};
/// Adds the passes that take a module from the level above to `level`; the
/// module carries `lpu.target` from the kernel level on.
void addPassesTo(Level level, mlir::OpPassManager &manager,
                 const PipelineOptions &options = {});
/// Whether a module at the tensor level, with a target, becomes kernels: attention on
/// caches always does, others where every operation has one. Else `nests` takes all.
bool hasKernels(mlir::ModuleOp module, const PipelineOptions &options);
/// Whether kernels of a module at the tensor level want ranges of activations.
bool needsRanges(mlir::ModuleOp module);
/// For a module at the tensor level whose ranges are known: its caches in int8.
void addCachePasses(mlir::OpPassManager &manager, const PipelineOptions &options);
/// Scalar bodies of any level in operations of the VXM.
void addExpansionPasses(mlir::OpPassManager &manager);
/// The way from the kernel level to the isa level in two parts, of which the second takes
/// one entry at a time: a module at kernel level -> the same with its buffers placed and
/// its words of SRAM emitted; and a module of one such entry -> the isa level.
void addPlacementPasses(mlir::OpPassManager &manager);
/// `onSchedule` is called while an entry is scheduled.
void addEntryPasses(mlir::OpPassManager &manager, const PipelineOptions &options,
                    scheduling::OnProgress onSchedule = {});
/// Registers `lpu-to-tensor`, `lpu-to-stream` and `lpu-to-isa`
/// for lpu-opt: each from the level above.
void registerPipelines();

} // namespace lpu

#endif // LPU_PIPELINES_PIPELINES_H
