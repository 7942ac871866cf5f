//===- FoldScales.cpp - Factors that constants of a map can take ----------===//

#include "FoldScales.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace mlir::lpu;

static std::optional<float> getConstant(Value value) {
  auto constant = value.getDefiningOp<arith::ConstantOp>();
  auto number = constant ? dyn_cast<FloatAttr>(constant.getValue()) : FloatAttr();
  return number ? std::optional(number.getValue().convertToFloat()) : std::nullopt;
}

/// The other operand where one is the constant `factor`.
static Value getOther(arith::MulFOp op, float factor) {
  if (!op) {
    return {};
  }
  return getConstant(op.getRhs()) == factor   ? op.getLhs()
         : getConstant(op.getLhs()) == factor ? op.getRhs()
                                              : Value();
}

void mlir::lpu::simplifyBody(MapOp map) {
  for (auto op : llvm::make_early_inc_range(map.getBody().front().getOps<arith::MulFOp>())) {
    for (auto [x, gate] : {std::pair{op.getLhs(), op.getRhs()},
                           std::pair{op.getRhs(), op.getLhs()}}) {
      auto sum = gate.getDefiningOp<math::FmaOp>();
      auto tanh = sum ? sum.getA().getDefiningOp<math::TanhOp>() : math::TanhOp();
      auto half = tanh ? tanh.getOperand().getDefiningOp<arith::MulFOp>() : arith::MulFOp();
      if (!half || getOther(half, 0.5f) != x || getConstant(sum.getB()) != 0.5f ||
          getConstant(sum.getC()) != 0.5f) {
        continue;
      }
      OpBuilder builder(op);
      Value h = half.getResult();
      Value result = math::FmaOp::create(builder, op.getLoc(), h, tanh.getResult(), h);
      op.replaceAllUsesWith(result);
      op.erase();
      if (sum.use_empty()) {
        sum.erase();
      }
      break;
    }
  }
}

/// The op whose values stand for the argument's: rows of scales or the rows themselves.
static ConstantRowsOp getRows(MapOp map, BlockArgument argument) {
  Value input = map.getInputs()[argument.getArgNumber()];
  if (auto contract = input.getDefiningOp<ContractOp>()) {
    bool isAlone = contract.getScales() && input.hasOneUse();
    return isAlone ? contract.getScales().getDefiningOp<ConstantRowsOp>() : ConstantRowsOp();
  }
  auto constant = input.getDefiningOp<ConstantRowsOp>();
  return constant && input.hasOneUse() ? constant : ConstantRowsOp();
}

BlockArgument mlir::lpu::getFactorCarrier(MapOp map, Value value) {
  if (auto argument = dyn_cast<BlockArgument>(value)) {
    return argument.hasOneUse() && getRows(map, argument) ? argument : BlockArgument();
  }
  auto product = value.getDefiningOp<arith::MulFOp>();
  if (!product || !product->hasOneUse()) {
    return {};
  }
  for (Value operand : product->getOperands()) {
    if (BlockArgument carrier = getFactorCarrier(map, operand)) {
      return carrier;
    }
  }
  return {};
}

bool mlir::lpu::isFoldedFactor(MapOp map, arith::MulFOp op) {
  for (auto [x, factor] : {std::pair{op.getLhs(), op.getRhs()},
                           std::pair{op.getRhs(), op.getLhs()}}) {
    if (getConstant(factor) && getFactorCarrier(map, x)) {
      return true;
    }
  }
  return false;
}

/// Multiplies the constants of `argument` by `factor`, in rows of their own.
static void scale(MapOp map, BlockArgument argument, float factor) {
  ConstantRowsOp rows = getRows(map, argument);
  SmallVector<float> values(cast<DenseElementsAttr>(rows.getValue()).getValues<float>());
  for (float &value : values) {
    value *= factor;
  }
  OpBuilder builder(rows);
  auto scaled = ConstantRowsOp::create(
      builder, rows.getLoc(), rows.getResult().getType(),
      DenseElementsAttr::get(cast<ShapedType>(rows.getValue().getType()), ArrayRef(values)),
      DenseI64ArrayAttr());
  Value input = map.getInputs()[argument.getArgNumber()];
  if (auto contract = input.getDefiningOp<ContractOp>()) {
    contract.getScalesMutable().assign(scaled.getResult());
  } else {
    map.getInputsMutable()[argument.getArgNumber()].set(scaled.getResult());
  }
  if (rows->use_empty()) {
    rows.erase();
  }
}

void mlir::lpu::foldScales(MapOp map) {
  Block &body = map.getBody().front();
  for (auto op : llvm::make_early_inc_range(body.getOps<arith::MulFOp>())) {
    for (auto [x, factor] : {std::pair{op.getLhs(), op.getRhs()},
                             std::pair{op.getRhs(), op.getLhs()}}) {
      std::optional<float> number = getConstant(factor);
      BlockArgument carrier = number ? getFactorCarrier(map, x) : BlockArgument();
      if (carrier) {
        scale(map, carrier, *number);
        op.replaceAllUsesWith(x);
        op.erase();
        break;
      }
    }
  }
  SmallVector<float> scales(map.getScales());
  for (auto [r, value] : llvm::enumerate(body.getTerminator()->getOperands())) {
    bool limbs = getNumLimbs(cast<BufferType>(map.getResult(r).getType()).getFormat()) != 0;
    BlockArgument carrier = limbs ? getFactorCarrier(map, value) : BlockArgument();
    if (carrier) {
      scale(map, carrier, scales[r]);
      scales[r] = 1;
    }
  }
  map.setScales(scales);
}
