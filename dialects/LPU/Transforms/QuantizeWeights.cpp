//===- QuantizeWeights.cpp - Constant matrices in int8 --------------------===//

#include "LPU/IR/LPUTensorOps.h"
#include "LPU/Transforms/Passes.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include <map>

namespace mlir::lpu {
#define GEN_PASS_DEF_QUANTIZEWEIGHTSPASS
#include "LPU/Transforms/Passes.h.inc"
} // namespace mlir::lpu

using namespace mlir;
using namespace mlir::lpu;

namespace {

bool isRightOfProduct(OpOperand &use) {
  return isa<linalg::MatmulOp>(use.getOwner()) && use.getOperandNumber() == 1;
}

/// The axis of a weight that becomes the columns of products, where `use` is or leads to
/// their right matrix.
std::optional<int64_t> getColumnsOfProducts(OpOperand &use) {
  if (isRightOfProduct(use)) {
    return 1;
  }
  auto turned = dyn_cast<linalg::TransposeOp>(use.getOwner());
  if (turned && use.get() == turned.getInput() &&
      llvm::any_of(turned->getResult(0).getUses(), isRightOfProduct)) {
    return turned.getPermutation()[1];
  }
  return std::nullopt;
}

void quantize(WeightOp weight) {
  std::map<int64_t, SmallVector<OpOperand *>> products; ///< by axis
  for (OpOperand &use : weight->getUses()) {
    if (std::optional<int64_t> axis = getColumnsOfProducts(use)) {
      products[*axis].push_back(&use);
    }
  }
  for (auto &[axis, uses] : products) {
    if (axis == products.begin()->first) {
      weight.setInt8Axis(uint64_t(axis));
      continue;
    }
    OpBuilder builder(weight);
    auto other = cast<WeightOp>(builder.clone(*weight));
    other.setInt8Axis(uint64_t(axis));
    for (OpOperand *use : uses) {
      use->set(other);
    }
  }
}

struct QuantizeWeights : mlir::lpu::impl::QuantizeWeightsPassBase<QuantizeWeights> {
  void runOnOperation() override {
    SmallVector<WeightOp> weights(getOperation().getOps<WeightOp>());
    for (WeightOp weight : weights) {
      auto type = dyn_cast<RankedTensorType>(weight.getResult().getType());
      if (type && type.getRank() == 2 && type.getElementType().isF32() &&
          !weight.getInt8Axis()) {
        quantize(weight);
      }
    }
  }
};

} // namespace
