//===- Attention.cpp - Rotary embedding and attention ---------------------===//

#include "Decompose.h"
#include <limits>

using namespace mlir;

namespace lpu::linalg_lowering {

Value decompose(ImplicitLocOpBuilder &b, mlir::lpu::RotaryOp op) {
  RankedTensorType type = op.getInput().getType();
  int64_t size = type.getDimSize(2) / int64_t(op.getHeads());
  int64_t half = typeOf(op.getCos()).getDimSize(2);
  return elementwise(b, op.getInput(), type, [&](ImplicitLocOpBuilder &in, ValueRange x) -> Value {
    auto less = [&](Value a, int64_t limit) -> Value {
      return arith::CmpIOp::create(in, arith::CmpIPredicate::ult, a, indexConstant(in, limit));
    };
    Value sample = linalg::IndexOp::create(in, 0), token = linalg::IndexOp::create(in, 1);
    Value column = linalg::IndexOp::create(in, 2);
    Value d = arith::RemUIOp::create(in, column, indexConstant(in, size));
    Value step = indexConstant(in, op.getInterleaved() ? 1 : half);
    Value isFirst, angle;
    if (op.getInterleaved()) {
      Value two = indexConstant(in, 2);
      isFirst = less(arith::RemUIOp::create(in, d, two), 1);
      angle = arith::DivUIOp::create(in, d, two);
    } else {
      isFirst = less(d, half);
      angle = arith::RemUIOp::create(in, d, indexConstant(in, half));
    }
    Value partner = arith::SelectOp::create(in, isFirst, arith::AddIOp::create(in, column, step),
                                            arith::SubIOp::create(in, column, step));
    // The elements that stay read something that exists.
    Value rotates = less(d, 2 * half), zero = indexConstant(in, 0);
    angle = arith::SelectOp::create(in, rotates, angle, zero);
    partner = arith::SelectOp::create(in, rotates, partner, column);
    Value other = readElement(in, op.getInput(), {sample, token, partner});
    Value cos = readElement(in, op.getCos(), {sample, token, angle});
    Value sin = readElement(in, op.getSin(), {sample, token, angle});
    Value own = arith::MulFOp::create(in, x[0], cos), cross = arith::MulFOp::create(in, other, sin);
    Value turned = arith::SelectOp::create(in, isFirst, arith::SubFOp::create(in, own, cross),
                                           arith::AddFOp::create(in, own, cross));
    return arith::SelectOp::create(in, rotates, turned, x[0]);
  });
}

namespace {

/// Loops: b, kv, g, s and t or d; head kv * groups + g of the query.
class Attention {
public:
  Attention(ImplicitLocOpBuilder &b, mlir::lpu::AttentionOp op)
      : b(b), op(op), heads(int64_t(op.getKvHeads())),
        groups(int64_t(op.getQueryHeads()) / heads) {
    batch = typeOf(op.getQuery()).getDimSize(0);
    queries = typeOf(op.getQuery()).getDimSize(1);
    keys = typeOf(op.getKey()).getDimSize(1);
    size = typeOf(op.getKey()).getDimSize(2) / heads;
    valueSize = typeOf(op.getValue()).getDimSize(2) / heads;
  }

  Value run() {
    Value probabilities = softmax(hide(products()));
    Value value = expand(op.getValue(), {batch, keys, heads, valueSize}, {{0}, {1}, {2, 3}});
    SmallVector<int64_t> shape{batch, queries, heads, groups, valueSize};
    Value sum = generic(b, 6, {probabilities, value}, fill(b, shape, 0),
                        {{0, 1, 2, 3, 4}, {0, 4, 1, 5}, {0, 3, 1, 2, 5}}, 4, multiplyAdd);
    SmallVector<ReassociationIndices> together{{0}, {1}, {2, 3, 4}};
    return tensor::CollapseShapeOp::create(b, op.getResult().getType(), sum, together);
  }

private:
  Value expand(Value value, ArrayRef<int64_t> shape, ArrayRef<ReassociationIndices> groupsOf) {
    auto type = RankedTensorType::get(shape, typeOf(value).getElementType());
    return tensor::ExpandShapeOp::create(b, type, value, groupsOf);
  }
  static Value multiplyAdd(ImplicitLocOpBuilder &in, ValueRange v) {
    return arith::AddFOp::create(in, v[2], Value(arith::MulFOp::create(in, v[0], v[1])));
  }

  /// q k^T. The keys are transposed first: positions are what is contiguous.
  Value products() {
    Value query = expand(op.getQuery(), {batch, queries, heads, groups, size},
                         {{0}, {1}, {2, 3, 4}});
    Value key = expand(op.getKey(), {batch, keys, heads, size}, {{0}, {1}, {2, 3}});
    SmallVector<int64_t> shape{batch, heads, size, keys};
    Value columns =
        generic(b, 4, key, empty(b, shape, b.getF32Type()), {{0, 3, 1, 2}, {0, 1, 2, 3}}, {},
                [](ImplicitLocOpBuilder &, ValueRange in) { return in[0]; });
    return generic(b, 6, {query, columns}, fill(b, scoreShape(), 0),
                   {{0, 3, 1, 2, 4}, {0, 1, 4, 5}, {0, 1, 2, 3, 5}}, 4, multiplyAdd);
  }

  SmallVector<int64_t> scoreShape() const { return {batch, heads, groups, queries, keys}; }

  Value hide(Value scores) {
    return elementwise(b, scores, typeOf(scores), [&](ImplicitLocOpBuilder &in, ValueRange x) {
      Value y = arith::MulFOp::create(in, x[0], floatConstant(in, op.getScale().convertToFloat()));
      if (op.getSoftcap() && !op.getSoftcap()->isZero()) {
        Value cap = floatConstant(in, op.getSoftcap()->convertToFloat());
        y = arith::MulFOp::create(
            in, cap, Value(math::TanhOp::create(in, Value(arith::DivFOp::create(in, y, cap)))));
      }
      SmallVector<Value> loops;
      for (int64_t d = 0; d < 5; ++d) {
        loops.push_back(linalg::IndexOp::create(in, d));
      }
      y = addMask(in, y, loops);
      Value hidden = isHidden(in, loops);
      return hidden ? Value(arith::SelectOp::create(in, hidden, lowest(in), y)) : y;
    });
  }
  static Value lowest(ImplicitLocOpBuilder &in) {
    return floatConstant(in, -std::numeric_limits<float>::infinity());
  }

  Value addMask(ImplicitLocOpBuilder &in, Value y, ArrayRef<Value> loops) {
    if (!op.getMask()) {
      return y;
    }
    RankedTensorType type = typeOf(op.getMask());
    Value head = arith::MulIOp::create(in, loops[1], indexConstant(in, groups));
    head = arith::AddIOp::create(in, head, loops[2]);
    SmallVector<Value> at{loops[0], head, loops[3], loops[4]};
    for (unsigned d = 0; d < 3; ++d) {
      if (type.getDimSize(d) == 1) {
        at[d] = indexConstant(in, 0);
      }
    }
    Value last = indexConstant(in, type.getDimSize(3) - 1);
    Value beyond = arith::CmpIOp::create(in, arith::CmpIPredicate::ugt, at[3], last);
    at[3] = arith::MinUIOp::create(in, at[3], last);
    Value mask = readElement(in, op.getMask(), at);
    Value masked = mask.getType().isInteger(1)
                       ? Value(arith::SelectOp::create(in, mask, y, lowest(in)))
                       : Value(arith::AddFOp::create(in, y, mask));
    return arith::SelectOp::create(in, beyond, lowest(in), masked);
  }

  /// Whether a rule hides the key; null when no rule may.
  Value isHidden(ImplicitLocOpBuilder &in, ArrayRef<Value> loops) {
    Value hidden, length;
    if (op.getKvLength()) {
      length = toIndex(in, tensor::ExtractOp::create(in, op.getKvLength(), loops[0]));
      hidden = arith::CmpIOp::create(in, arith::CmpIPredicate::sge, loops[4], length);
    }
    if (op.getCausal()) {
      Value offset = indexConstant(in, int64_t(op.getPastLength()));
      if (length) {
        offset = arith::SubIOp::create(in, length, indexConstant(in, queries));
      }
      Value limit = arith::AddIOp::create(in, loops[3], offset);
      Value later = arith::CmpIOp::create(in, arith::CmpIPredicate::sgt, loops[4], limit);
      hidden = hidden ? Value(arith::OrIOp::create(in, hidden, later)) : later;
    }
    return hidden;
  }

  /// A row in which everything is hidden is 0.
  Value softmax(Value scores) {
    SmallVector<int64_t> all{0, 1, 2, 3, 4}, row{0, 1, 2, 3};
    SmallVector<int64_t> shape{batch, heads, groups, queries};
    Value largest =
        generic(b, 5, scores, fill(b, shape, -std::numeric_limits<float>::infinity()), {all, row},
                4, [](ImplicitLocOpBuilder &in, ValueRange v) {
                  return arith::MaximumFOp::create(in, v[0], v[1]);
                });
    Value powers = generic(
        b, 5, {scores, largest}, empty(b, scoreShape(), b.getF32Type()), {all, row, all}, {},
        [](ImplicitLocOpBuilder &in, ValueRange v) {
          Value hidden = arith::CmpFOp::create(in, arith::CmpFPredicate::OEQ, v[0], lowest(in));
          Value power =
              math::ExpOp::create(in, Value(arith::SubFOp::create(in, v[0], v[1])));
          return arith::SelectOp::create(in, hidden, floatConstant(in, 0), power);
        });
    Value sum = generic(b, 5, powers, fill(b, shape, 0), {all, row}, 4,
                        [](ImplicitLocOpBuilder &in, ValueRange v) {
                          return arith::AddFOp::create(in, v[1], v[0]);
                        });
    return generic(b, 5, {powers, sum}, empty(b, scoreShape(), b.getF32Type()), {all, row, all}, {},
                   [](ImplicitLocOpBuilder &in, ValueRange v) {
                     Value zero = floatConstant(in, 0);
                     Value none =
                         arith::CmpFOp::create(in, arith::CmpFPredicate::OEQ, v[1], zero);
                     Value share = arith::DivFOp::create(in, v[0], v[1]);
                     return arith::SelectOp::create(in, none, zero, share);
                   });
  }

  ImplicitLocOpBuilder &b;
  mlir::lpu::AttentionOp op;
  int64_t heads, groups, batch, queries, keys, size, valueSize;
};

} // namespace

Value decompose(ImplicitLocOpBuilder &b, mlir::lpu::AttentionOp op) {
  return Attention(b, op).run();
}

} // namespace lpu::linalg_lowering
