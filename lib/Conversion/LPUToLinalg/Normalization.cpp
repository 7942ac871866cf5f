//===- Normalization.cpp - Norms and softmax ------------------------------===//

#include "Decompose.h"
#include <limits>

using namespace mlir;

namespace lpu::linalg_lowering {

/// What a norm over the dimensions of `type` from `axis` on needs.
struct Norm {
  Norm(RankedTensorType type, uint64_t axis) : type(type), rank(type.getRank()) {
    all = loopsWithout(rank, {});
    for (int64_t d = 0; d < rank; ++d) {
      if (d < int64_t(axis)) {
        leading.push_back(d);
        shape.push_back(type.getDimSize(d));
      } else {
        normed.push_back(d);
        count *= type.getDimSize(d);
      }
    }
  }

  /// sum of body(x, others..) over the normed dimensions.
  Value sum(ImplicitLocOpBuilder &b, ValueRange inputs, Body body) const {
    SmallVector<SmallVector<int64_t>> maps{all};
    maps.resize(inputs.size(), leading);
    maps.push_back(leading);
    return generic(b, unsigned(rank), inputs, fill(b, shape, 0), maps, normed,
                   [&](ImplicitLocOpBuilder &inner, ValueRange in) -> Value {
                     return arith::AddFOp::create(inner, in.back(), body(inner, in));
                   });
  }
  /// 1 / sqrt(sum / count + epsilon), a row.
  Value inverse(ImplicitLocOpBuilder &b, Value sum, float epsilon) const {
    return elementwise(b, sum, typeOf(sum), [&](ImplicitLocOpBuilder &inner, ValueRange in) {
      Value mean =
          arith::DivFOp::create(inner, in[0], floatConstant(inner, float(count)));
      Value root = math::SqrtOp::create(
          inner, Value(arith::AddFOp::create(inner, mean, floatConstant(inner, epsilon))));
      return arith::DivFOp::create(inner, floatConstant(inner, 1), root);
    });
  }
  /// A parameter's loops: it broadcasts from the right.
  SmallVector<int64_t> parameter(Value value) const {
    SmallVector<int64_t> map;
    RankedTensorType from = typeOf(value);
    for (int64_t d = 0; d < from.getRank(); ++d) {
      map.push_back(from.getDimSize(d) == 1 ? -1 : rank - from.getRank() + d);
    }
    return map;
  }

  RankedTensorType type;
  int64_t rank, count = 1;
  SmallVector<int64_t> all, leading, normed, shape;
};

Value decompose(ImplicitLocOpBuilder &b, mlir::lpu::RmsNormOp op) {
  Norm norm(op.getInput().getType(), op.getAxis());
  Value x = op.getInput();
  Value squares = norm.sum(b, x, [](ImplicitLocOpBuilder &inner, ValueRange in) {
    return arith::MulFOp::create(inner, in[0], in[0]);
  });
  Value inverse = norm.inverse(b, squares, op.getEpsilon().convertToFloat());
  return generic(b, unsigned(norm.rank), {x, inverse, op.getScale()},
                 empty(b, norm.type.getShape(), norm.type.getElementType()),
                 {norm.all, norm.leading, norm.parameter(op.getScale()), norm.all}, {},
                 [](ImplicitLocOpBuilder &inner, ValueRange in) {
                   Value normed = arith::MulFOp::create(inner, in[0], in[1]);
                   return arith::MulFOp::create(inner, normed, in[2]);
                 });
}

Value decompose(ImplicitLocOpBuilder &b, mlir::lpu::LayerNormOp op) {
  Norm norm(op.getInput().getType(), op.getAxis());
  Value x = op.getInput();
  Value total =
      norm.sum(b, x, [](ImplicitLocOpBuilder &, ValueRange in) { return in[0]; });
  Value mean = elementwise(b, total, typeOf(total), [&](ImplicitLocOpBuilder &in, ValueRange v) {
    return arith::DivFOp::create(in, v[0], floatConstant(in, float(norm.count)));
  });
  Value squares = norm.sum(b, {x, mean}, [](ImplicitLocOpBuilder &inner, ValueRange in) {
    Value centred = arith::SubFOp::create(inner, in[0], in[1]);
    return arith::MulFOp::create(inner, centred, centred);
  });
  Value inverse = norm.inverse(b, squares, op.getEpsilon().convertToFloat());
  SmallVector<Value> inputs{x, mean, inverse, op.getScale()};
  SmallVector<SmallVector<int64_t>> maps{norm.all, norm.leading, norm.leading,
                                         norm.parameter(op.getScale())};
  if (op.getBias()) {
    inputs.push_back(op.getBias());
    maps.push_back(norm.parameter(op.getBias()));
  }
  maps.push_back(norm.all);
  return generic(b, unsigned(norm.rank), inputs,
                 empty(b, norm.type.getShape(), norm.type.getElementType()), maps, {},
                 [&](ImplicitLocOpBuilder &inner, ValueRange in) -> Value {
                   Value y = arith::SubFOp::create(inner, in[0], in[1]);
                   y = arith::MulFOp::create(inner, y, in[2]);
                   y = arith::MulFOp::create(inner, y, in[3]);
                   return op.getBias() ? Value(arith::AddFOp::create(inner, y, in[4])) : y;
                 });
}

Value decompose(ImplicitLocOpBuilder &b, mlir::lpu::SoftmaxOp op) {
  RankedTensorType type = op.getInput().getType();
  int64_t rank = type.getRank(), axis = int64_t(op.getAxis());
  SmallVector<int64_t> all = loopsWithout(rank, {}), others = loopsWithout(rank, axis), shape;
  for (int64_t d : others) {
    shape.push_back(type.getDimSize(d));
  }
  Value largest = generic(b, unsigned(rank), op.getInput(),
                          fill(b, shape, -std::numeric_limits<float>::infinity()), {all, others},
                          axis, [](ImplicitLocOpBuilder &inner, ValueRange in) {
                            return arith::MaximumFOp::create(inner, in[0], in[1]);
                          });
  Value init = empty(b, type.getShape(), type.getElementType());
  Value powers = generic(b, unsigned(rank), {op.getInput(), largest}, init, {all, others, all}, {},
                         [](ImplicitLocOpBuilder &inner, ValueRange in) {
                           return math::ExpOp::create(
                               inner, Value(arith::SubFOp::create(inner, in[0], in[1])));
                         });
  Value sum = generic(b, unsigned(rank), powers, fill(b, shape, 0), {all, others}, axis,
                      [](ImplicitLocOpBuilder &inner, ValueRange in) {
                        return arith::AddFOp::create(inner, in[1], in[0]);
                      });
  return generic(b, unsigned(rank), {powers, sum},
                 empty(b, type.getShape(), type.getElementType()), {all, others, all}, {},
                 [](ImplicitLocOpBuilder &inner, ValueRange in) {
                   return arith::DivFOp::create(inner, in[0], in[1]);
                 });
}

} // namespace lpu::linalg_lowering
