//===- Engine.cpp - Kernels as machine code -------------------------------===//

#include "Engine.h"
#include "LPU/Transforms/MachineScalars.h"
#include "lpu/Conversion/Passes.h"
#include "mlir/Conversion/MathToLibm/MathToLibm.h"
#include "mlir/Conversion/Passes.h"
#include "mlir/Dialect/Bufferization/Pipelines/Passes.h"
#include "mlir/Dialect/Bufferization/Transforms/Passes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/Passes.h"
#include "mlir/Dialect/Linalg/Transforms/Transforms.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/MemRef/Transforms/Passes.h"
#include "mlir/ExecutionEngine/OptUtils.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Transforms/DialectConversion.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "mlir/Transforms/Passes.h"
#include "llvm/ExecutionEngine/Orc/JITTargetMachineBuilder.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Target/TargetMachine.h"

using namespace mlir;

namespace {

/// Matrix products as loops m, k, n: the innermost one is parallel and runs
/// over contiguous elements. Dequantisation goes into it: integers are what is
/// read from memory.
struct PrepareLoops : PassWrapper<PrepareLoops, OperationPass<func::FuncOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(PrepareLoops)
  void runOnOperation() override {
    IRRewriter rewriter(&getContext());
    SmallVector<linalg::MatmulOp> products(getOperation().getOps<linalg::MatmulOp>());
    for (linalg::MatmulOp op : products) {
      rewriter.setInsertionPoint(op);
      FailureOr<linalg::GenericOp> loops = linalg::generalizeNamedOp(rewriter, op);
      if (failed(loops) ||
          failed(linalg::interchangeGenericOp(rewriter, *loops, {0u, 2u, 1u}))) {
        return signalPassFailure();
      }
    }
    RewritePatternSet patterns(&getContext());
    linalg::populateElementwiseOpsFusionPatterns(patterns, [](OpOperand *operand) {
      auto producer = operand->get().getDefiningOp<linalg::GenericOp>();
      return producer && llvm::any_of(producer.getDpsInputs(), [](Value input) {
               return isa<IntegerType>(getElementTypeOrSelf(input.getType()));
             }) && isa<FloatType>(getElementTypeOrSelf(operand->get().getType()));
    });
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns)))) {
      signalPassFailure();
    }
  }
};

/// Copies are loops, so that nothing of MLIR's run-time library is needed.
struct CopiesToLoops : PassWrapper<CopiesToLoops, OperationPass<func::FuncOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(CopiesToLoops)
  void runOnOperation() override {
    getOperation().walk([](memref::CopyOp op) {
      OpBuilder b(op);
      linalg::CopyOp::create(b, op.getLoc(), op.getSource(), op.getTarget());
      op.erase();
    });
  }
};

/// LLVM has no floats of 8 bits and less, and bfloat16 only with a library.
struct ExpandSmallFloats : PassWrapper<ExpandSmallFloats, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(ExpandSmallFloats)
  void runOnOperation() override { mlir::lpu::expandSmallFloats(getOperation()); }
};

/// What LLVM has no intrinsic for, or no accurate one, is libm's.
struct FunctionsToLibm : PassWrapper<FunctionsToLibm, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(FunctionsToLibm)
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    populateMathToLibmConversionPatterns(patterns);
    ConversionTarget target(getContext());
    target.markUnknownOpDynamicallyLegal([](Operation *) { return true; });
    target.addIllegalOp<math::AcoshOp, math::AsinhOp, math::AtanhOp, math::CbrtOp, math::ErfOp,
                        math::ErfcOp, math::ExpM1Op, math::Log1pOp>();
    if (failed(applyPartialConversion(getOperation(), target, std::move(patterns)))) {
      signalPassFailure();
    }
  }
};

void addPasses(PassManager &manager) {
  OpPassManager &function = manager.nest<func::FuncOp>();
  function.addPass(::lpu::createDecomposeCompositesPass());
  function.addPass(std::make_unique<PrepareLoops>());
  manager.addPass(std::make_unique<ExpandSmallFloats>());
  manager.addNestedPass<func::FuncOp>(createCanonicalizerPass());
  manager.addPass(bufferization::createEmptyTensorEliminationPass());
  manager.addPass(bufferization::createEmptyTensorToAllocTensorPass());
  bufferization::OneShotBufferizePassOptions bufferize;
  manager.addPass(bufferization::createOneShotBufferizePass(bufferize));
  manager.addPass(createCanonicalizerPass());
  manager.addPass(createCSEPass());
  bufferization::buildBufferDeallocationPipeline(
      manager, bufferization::BufferDeallocationPipelineOptions());
  manager.addPass(createConvertBufferizationToMemRefPass());
  manager.addNestedPass<func::FuncOp>(std::make_unique<CopiesToLoops>());
  manager.addNestedPass<func::FuncOp>(createConvertLinalgToLoopsPass());
  manager.addPass(createLoopInvariantCodeMotionPass());
  manager.addPass(createLowerAffinePass());
  manager.addPass(createSCFToControlFlowPass());
  manager.addPass(memref::createExpandStridedMetadataPass());
  manager.addPass(createLowerAffinePass());
  manager.addPass(std::make_unique<FunctionsToLibm>());
  manager.addPass(createConvertMathToFuncs()); // powers of integers
  ConvertFuncToLLVMPassOptions functions;
  functions.useBarePtrCallConv = true;
  manager.addPass(createConvertFuncToLLVMPass(functions));
  manager.addPass(createConvertToLLVMPass());
  manager.addPass(createReconcileUnrealizedCastsPass());
}

} // namespace

namespace lpu::host {

FailureOr<std::unique_ptr<Engine>> Engine::compile(ModuleOp module) {
  static const bool initialized = [] {
    llvm::InitializeNativeTarget();
    llvm::InitializeNativeTargetAsmPrinter();
    return true;
  }();
  (void)initialized;
  registerBuiltinDialectTranslation(*module.getContext());
  registerLLVMDialectTranslation(*module.getContext());
  PassManager manager(module.getContext());
  addPasses(manager);
  if (failed(manager.run(module))) {
    return failure();
  }
  auto fail = [&](llvm::Error error) {
    return module.emitError("the host's JIT: ") << llvm::toString(std::move(error));
  };
  auto machine = llvm::orc::JITTargetMachineBuilder::detectHost();
  if (!machine) {
    return fail(machine.takeError());
  }
  auto forCode = machine->createTargetMachine(), forPasses = machine->createTargetMachine();
  if (!forCode || !forPasses) {
    return fail(forCode ? forPasses.takeError() : forCode.takeError());
  }
  // A function_ref is taken: it has to outlive create().
  auto optimize = makeOptimizingTransformer(/*optLevel=*/2, /*sizeLevel=*/0, forPasses->get());
  ExecutionEngineOptions options;
  options.transformer = optimize;
  options.jitCodeGenOptLevel = llvm::CodeGenOptLevel::Default;
  options.enableObjectDump = false;
  options.enableGDBNotificationListener = false;
  options.enablePerfNotificationListener = false;
  auto created = ExecutionEngine::create(module, options, std::move(*forCode));
  if (!created) {
    return fail(created.takeError());
  }
  auto result = std::make_unique<Engine>();
  result->engine = std::move(*created);
  result->engine->initialize();
  return result;
}

FailureOr<KernelFunction> Engine::lookup(StringRef name, Location location) {
  auto found = engine->lookupPacked(name);
  if (!found) {
    return emitError(location, "the host's JIT: ") << llvm::toString(found.takeError());
  }
  return *found;
}

} // namespace lpu::host
