//===- TensorToNest.cpp - Tensors to loop nests on words ------------------===//

#include "NestConverter.h"
#include "lpu/Conversion/Passes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/Transforms/Transforms.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Pass/Pass.h"

using namespace mlir;

namespace {

/// Products by their names become loops; fills and transposes are known as they are.
struct GeneralizeProducts : PassWrapper<GeneralizeProducts, OperationPass<func::FuncOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(GeneralizeProducts)
  StringRef getArgument() const override { return "lpu-generalize-products"; }
  StringRef getDescription() const override { return "write named linalg products as loops"; }
  void runOnOperation() override {
    SmallVector<linalg::LinalgOp> named;
    getOperation().walk([&](linalg::LinalgOp op) {
      if (!isa<linalg::GenericOp, linalg::FillOp, linalg::TransposeOp>(op)) {
        named.push_back(op);
      }
    });
    IRRewriter rewriter(&getContext());
    for (linalg::LinalgOp op : named) {
      rewriter.setInsertionPoint(op);
      if (failed(linalg::generalizeNamedOp(rewriter, op))) {
        op->emitOpError("is no loop nest");
        return signalPassFailure();
      }
    }
  }
};

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
std::unique_ptr<Pass> createGeneralizeProductsPass() {
  return std::make_unique<GeneralizeProducts>();
}
std::unique_ptr<Pass> createTensorToNestPass() { return std::make_unique<TensorToNest>(); }
} // namespace lpu
