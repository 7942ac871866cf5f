//===- Pipelines.cpp - From level to level --------------------------------===//

#include "lpu/Pipelines/Pipelines.h"
#include "LPU/IR/LPUTensorOps.h"
#include "LPU/Transforms/MachineScalars.h"
#include "LPU/Transforms/Passes.h"
#include "Stream/Transforms/Passes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Pass/PassRegistry.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;

namespace lpu {

static constexpr llvm::StringLiteral kNames[] = {"onnx", "tensor", "kernel", "stream", "isa"};

std::optional<Level> parseLevel(StringRef name) {
  const auto *found = llvm::find(kNames, name);
  return found == std::end(kNames) ? std::nullopt
                                   : std::optional(Level(found - std::begin(kNames)));
}

StringRef getLevelName(Level level) { return kNames[unsigned(level)]; }

static void addStreamPasses(OpPassManager &manager, const PipelineOptions &options,
                            scheduling::OnProgress onSchedule = {}) {
  manager.addPass(createLPUToStreamPass());
  // Before the schedule, which the verifier holds against it.
  manager.addNestedPass<stream::ProgramOp>(stream::createRecordIntentPass());
  manager.addNestedPass<stream::ProgramOp>(
      stream::createSchedulePass(options.effort, std::move(onSchedule)));
}

void addPassesTo(Level level, OpPassManager &manager, const PipelineOptions &options) {
  switch (level) {
  case Level::ONNX:
    break;
  case Level::Tensor:
    manager.addNestedPass<func::FuncOp>(createONNXToLPUPass(!options.nests));
    // The layers of a model repeat work on its inputs, such as rows of tables.
    manager.addNestedPass<func::FuncOp>(createCSEPass());
    if (options.nests) {
      manager.addNestedPass<func::FuncOp>(createDecomposeCompositesPass(/*keepsGathers=*/true));
    } else if (options.int8Weights) {
      manager.addNestedPass<func::FuncOp>(mlir::lpu::createQuantizeWeightsPass());
    }
    break;
  case Level::Kernel:
    // Before anything is decided that a better lowering could decide otherwise.
    if (options.nests) {
      // Before the bound: the VXM may compute them, too.
      manager.addNestedPass<func::FuncOp>(createGeneralizeProductsPass());
      manager.addNestedPass<func::FuncOp>(
          mlir::lpu::createBoundCyclesPass({options.kernels.limbs, false}));
      addExpansionPasses(manager);
      manager.addNestedPass<func::FuncOp>(createCSEPass());
      manager.addPass(createTensorToNestPass());
      manager.addNestedPass<func::FuncOp>(createSplitNestsPass());
      break;
    }
    manager.addNestedPass<func::FuncOp>(
        mlir::lpu::createBoundCyclesPass({options.kernels.limbs, false}));
    manager.addPass(createTensorToKernelPass(options.kernels));
    addExpansionPasses(manager);
    manager.addNestedPass<func::FuncOp>(mlir::lpu::createGuardLanesPass());
    manager.addNestedPass<func::FuncOp>(mlir::lpu::createFuseMapsPass());
    manager.addNestedPass<func::FuncOp>(mlir::lpu::createSplitRowsPass());
    // Parts of attention meet the parts of what follows.
    manager.addNestedPass<func::FuncOp>(mlir::lpu::createFuseMapsPass());
    break;
  case Level::Stream:
    addPlacementPasses(manager);
    addStreamPasses(manager, options);
    break;
  case Level::ISA:
    manager.addPass(createStreamToISAPass());
    break;
  }
}

/// Whether the programs of maps are of floats, as kernels compute them. What
/// expansion made longer than there are ALUs is split, which loop nests are
/// alone.
static bool haveKernelBodies(ModuleOp module) {
  auto getSize = [](mlir::lpu::MapOp map) {
    return size_t(llvm::count_if(map.getBody().front(), [](Operation &op) {
      return !op.hasTrait<OpTrait::ConstantLike>();
    }));
  };
  SmallVector<std::pair<mlir::lpu::MapOp, size_t>> maps;
  module.walk([&](mlir::lpu::MapOp map) { maps.emplace_back(map, getSize(map)); });
  PassManager manager(module.getContext());
  addExpansionPasses(manager);
  if (failed(manager.run(module))) {
    return false;
  }
  auto isKernelScalar = [](Operation &op) {
    bool hasIntegers =
        llvm::any_of(op.getOperandTypes(), [](Type type) { return type.isInteger(32); });
    bool isScalar = mlir::lpu::isMachineScalar(&op) || isa<arith::DivFOp, math::SqrtOp>(op);
    return isScalar && !hasIntegers &&
           !isa<math::FloorOp, math::RoundEvenOp, arith::BitcastOp, arith::ExtUIOp, arith::TruncFOp,
                arith::AndIOp, arith::OrIOp, arith::XOrIOp>(op) &&
           llvm::none_of(op.getResultTypes(), [](Type type) { return type.isInteger(32); });
  };
  return llvm::all_of(maps, [&](auto &entry) {
    auto [map, before] = entry;
    size_t after = getSize(map);
    return llvm::all_of(map.getBody().front(), isKernelScalar) &&
           (after <= before || after <= mlir::lpu::getTarget(map)->alus());
  });
}

/// Whether `module` has an operation of these kinds.
template <typename... Ops> static bool contains(ModuleOp module) {
  return module
      .walk([](Operation *op) {
        return isa<Ops...>(op) ? WalkResult::interrupt() : WalkResult::advance();
      })
      .wasInterrupted();
}

bool hasKernels(ModuleOp module, const PipelineOptions &options) {
  // A language model is not tried: that takes time, and nests could not hold it.
  if (contains<mlir::lpu::CacheUpdateOp>(module) && contains<mlir::lpu::AttentionOp>(module)) {
    return true;
  }
  // Tried, with ranges that do not matter for the answer.
  OwningOpRef<ModuleOp> trial = module.clone();
  KernelOptions kernels = options.kernels;
  kernels.activationMax = kernels.activationMax > 0 ? kernels.activationMax : 1;
  ScopedDiagnosticHandler silent(module.getContext(), [](Diagnostic &) { return success(); });
  PassManager manager(module.getContext());
  manager.addPass(createTensorToKernelPass(kernels));
  return succeeded(manager.run(*trial)) && haveKernelBodies(*trial);
}

bool needsRanges(ModuleOp module) {
  return contains<linalg::MatmulOp, mlir::lpu::RmsNormOp, mlir::lpu::AttentionOp>(module);
}

void addCachePasses(OpPassManager &manager, const PipelineOptions &options) {
  mlir::lpu::QuantizeCachesPassOptions caches;
  caches.activationMax = options.kernels.activationMax;
  manager.addPass(mlir::lpu::createQuantizeCachesPass(caches));
}

void addExpansionPasses(OpPassManager &manager) {
  manager.addPass(mlir::lpu::createExpandScalarsPass());
}

void addPlacementPasses(OpPassManager &manager) {
  manager.addPass(mlir::lpu::createPlaceBuffersPass());
  manager.addPass(createEmitMemoryPass());
}

void addEntryPasses(OpPassManager &manager, const PipelineOptions &options,
                    scheduling::OnProgress onSchedule) {
  addStreamPasses(manager, options, std::move(onSchedule));
  addPassesTo(Level::ISA, manager, options);
}

void registerPipelines() {
  static const PassPipelineRegistration<> tensor(
      "lpu-to-tensor", "the onnx level to the tensor level",
      [](OpPassManager &manager) { addPassesTo(Level::Tensor, manager); });
  static const PassPipelineRegistration<> stream(
      "lpu-to-stream", "the kernel level to scheduled chains",
      [](OpPassManager &manager) { addPassesTo(Level::Stream, manager); });
  static const PassPipelineRegistration<> isa(
      "lpu-to-isa", "scheduled chains to instruction queues",
      [](OpPassManager &manager) { addPassesTo(Level::ISA, manager); });
}

} // namespace lpu
