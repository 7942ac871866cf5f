//===- TensorToNest.cpp - Tensors to loop nests on words ------------------===//

#include "NestConverter.h"
#include "lpu/Conversion/Passes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Pass/Pass.h"

using namespace mlir;

namespace {

struct TensorToNest : PassWrapper<TensorToNest, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(TensorToNest)
  StringRef getArgument() const override { return "convert-tensor-to-nest"; }
  StringRef getDescription() const override {
    return "lay tensors out in words and turn their operations into loop nests";
  }
  void getDependentDialects(DialectRegistry &registry) const override {
    registry.insert<mlir::lpu::LPUDialect, arith::ArithDialect, math::MathDialect>();
  }
  void runOnOperation() override {
    for (auto entry : getOperation().getOps<func::FuncOp>()) {
      const ::lpu::Target *target = mlir::lpu::getTarget(entry);
      if (!target || failed(::lpu::nest_lowering::NestConverter(entry, *target).run())) {
        return signalPassFailure();
      }
    }
  }
};

} // namespace

namespace lpu {
std::unique_ptr<Pass> createTensorToNestPass() { return std::make_unique<TensorToNest>(); }
} // namespace lpu
