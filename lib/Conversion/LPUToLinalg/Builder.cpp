//===- Builder.cpp - Short ways to write linalg ---------------------------===//

#include "Decompose.h"

using namespace mlir;

namespace lpu::linalg_lowering {

Value empty(ImplicitLocOpBuilder &b, ArrayRef<int64_t> shape, Type element) {
  return tensor::EmptyOp::create(b, shape, element);
}

Value floatConstant(ImplicitLocOpBuilder &b, float value) {
  return arith::ConstantOp::create(b, b.getF32FloatAttr(value));
}

Value indexConstant(ImplicitLocOpBuilder &b, int64_t value) {
  return arith::ConstantIndexOp::create(b, value);
}

Value fill(ImplicitLocOpBuilder &b, ArrayRef<int64_t> shape, float value) {
  return linalg::FillOp::create(b, floatConstant(b, value), empty(b, shape, b.getF32Type()))
      .getResult(0);
}

SmallVector<int64_t> loopsWithout(int64_t count, ArrayRef<int64_t> without) {
  SmallVector<int64_t> loops;
  for (int64_t loop = 0; loop < count; ++loop) {
    if (!llvm::is_contained(without, loop)) {
      loops.push_back(loop);
    }
  }
  return loops;
}

Value generic(ImplicitLocOpBuilder &b, unsigned loops, ValueRange inputs, Value init,
              ArrayRef<SmallVector<int64_t>> maps, ArrayRef<int64_t> reductions, Body body) {
  SmallVector<AffineMap> affine;
  for (const SmallVector<int64_t> &map : maps) {
    SmallVector<AffineExpr> indices;
    for (int64_t loop : map) {
      indices.push_back(loop < 0 ? b.getAffineConstantExpr(0)
                                 : b.getAffineDimExpr(unsigned(loop)));
    }
    affine.push_back(AffineMap::get(loops, 0, indices, b.getContext()));
  }
  SmallVector<utils::IteratorType> iterators(loops, utils::IteratorType::parallel);
  for (int64_t loop : reductions) {
    iterators[size_t(loop)] = utils::IteratorType::reduction;
  }
  return linalg::GenericOp::create(b, TypeRange(init.getType()), inputs, ValueRange(init), affine,
                                   iterators,
                                   [&](OpBuilder &inner, Location location, ValueRange arguments) {
                                     ImplicitLocOpBuilder at(location, inner);
                                     linalg::YieldOp::create(at, body(at, arguments));
                                   })
      .getResult(0);
}

Value elementwise(ImplicitLocOpBuilder &b, ValueRange inputs, RankedTensorType type, Body body) {
  SmallVector<int64_t> all = loopsWithout(type.getRank(), {});
  SmallVector<SmallVector<int64_t>> maps(inputs.size() + 1, all);
  return generic(b, unsigned(type.getRank()), inputs,
                 empty(b, type.getShape(), type.getElementType()), maps, {}, body);
}

Value toIndex(ImplicitLocOpBuilder &b, Value integer) {
  return arith::IndexCastOp::create(b, b.getIndexType(), integer);
}

} // namespace lpu::linalg_lowering
