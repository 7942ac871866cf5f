//===- LPUToLinalg.cpp - What the composites of the tensor level mean -----===//

#include "Decompose.h"
#include "lpu/Conversion/Passes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace mlir::lpu;

namespace {

/// Composites are defined on f32 and static shapes; others are carried by it.
LogicalResult check(Operation *op) {
  for (Type type : llvm::concat<Type>(op->getOperandTypes(), op->getResultTypes())) {
    auto tensor = dyn_cast<RankedTensorType>(type);
    bool fits = tensor && tensor.hasStaticShape() &&
                (!isa<FloatType>(tensor.getElementType()) || tensor.getElementType().isF32());
    if (!fits) {
      return op->emitOpError("expected a static shape and no floats but f32, got ") << type;
    }
  }
  return success();
}

bool isComposite(Operation *op) {
  return isa<QuantizeOp, DequantizeOp, GatherOp, CacheUpdateOp, RmsNormOp, LayerNormOp,
             SoftmaxOp, RotaryOp, AttentionOp>(op);
}

Value decomposeOne(ImplicitLocOpBuilder &b, Operation *op) {
  return llvm::TypeSwitch<Operation *, Value>(op)
      .Case<QuantizeOp, DequantizeOp, GatherOp, CacheUpdateOp, RmsNormOp, LayerNormOp, SoftmaxOp,
            RotaryOp, AttentionOp>(
          [&](auto composite) { return ::lpu::linalg_lowering::decompose(b, composite); });
}

struct DecomposeComposites : PassWrapper<DecomposeComposites, OperationPass<func::FuncOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(DecomposeComposites)
  DecomposeComposites() = default;
  DecomposeComposites(const DecomposeComposites &other) : PassWrapper(other) {}
  explicit DecomposeComposites(bool gathersStay) { keepsGathers = gathersStay; }
  StringRef getArgument() const override { return "lpu-decompose-composites"; }
  StringRef getDescription() const override {
    return "define the composites of the tensor level by linalg";
  }
  void getDependentDialects(DialectRegistry &registry) const override {
    registry.insert<arith::ArithDialect, linalg::LinalgDialect, math::MathDialect, scf::SCFDialect,
                    tensor::TensorDialect>();
  }
  void runOnOperation() override {
    SmallVector<Operation *> composites;
    getOperation().walk([&](Operation *op) {
      if (isComposite(op) && !(keepsGathers && isa<GatherOp>(op))) {
        composites.push_back(op);
      }
    });
    // Users first: they may read through a composite, which then has none left.
    for (Operation *op : llvm::reverse(composites)) {
      if (op->use_empty()) {
        op->erase();
        continue;
      }
      if (failed(check(op))) {
        return signalPassFailure();
      }
      ImplicitLocOpBuilder b(op->getLoc(), op);
      op->getResult(0).replaceAllUsesWith(decomposeOne(b, op));
      op->erase();
    }
  }
  Option<bool> keepsGathers{*this, "keep-gathers", llvm::cl::init(false),
                            llvm::cl::desc("leave lpu.gather as it is")};
};

} // namespace

namespace lpu {
std::unique_ptr<Pass> createDecomposeCompositesPass(bool keepsGathers) {
  return std::make_unique<DecomposeComposites>(keepsGathers);
}
} // namespace lpu
