//===- Rows.cpp - Quantisation, gathers, caches ---------------------------===//

#include "Decompose.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;

namespace lpu::linalg_lowering {

/// (integer - zero) * scale; `zero` may be null.
static Value dequantizeElement(ImplicitLocOpBuilder &b, mlir::lpu::DequantizeOp op, Value integer,
                               Value scale, Value zero) {
  Type wide = b.getI32Type();
  auto widen = [&](Value value) -> Value {
    if (value.getType() == wide) {
      return value;
    }
    return op.getIsUnsigned() ? Value(arith::ExtUIOp::create(b, wide, value))
                              : Value(arith::ExtSIOp::create(b, wide, value));
  };
  Value number = widen(integer);
  if (zero) {
    number = arith::SubIOp::create(b, number, widen(zero));
  }
  Value real = arith::SIToFPOp::create(b, scale.getType(), number);
  return arith::MulFOp::create(b, real, scale);
}

/// Where the scale of the source's element `indices` lies.
static SmallVector<Value> getScaleIndices(ImplicitLocOpBuilder &b, mlir::lpu::DequantizeOp op,
                                          ValueRange indices) {
  if (!op.getAxis()) {
    return SmallVector<Value>(size_t(typeOf(op.getScale()).getRank()), indexConstant(b, 0));
  }
  if (!op.getBlockSize()) {
    return {indices[*op.getAxis()]};
  }
  SmallVector<Value> scaled(indices);
  Value block = indexConstant(b, int64_t(*op.getBlockSize()));
  scaled[*op.getAxis()] = arith::DivUIOp::create(b, scaled[*op.getAxis()], block);
  return scaled;
}

Value readElement(ImplicitLocOpBuilder &b, Value tensor, ValueRange indices) {
  auto op = tensor.getDefiningOp<mlir::lpu::DequantizeOp>();
  if (!op) {
    return tensor::ExtractOp::create(b, tensor, indices);
  }
  SmallVector<Value> at = getScaleIndices(b, op, indices);
  Value zero;
  if (op.getZeroPoint()) {
    zero = tensor::ExtractOp::create(b, op.getZeroPoint(), at);
  }
  return dequantizeElement(b, op, tensor::ExtractOp::create(b, op.getSource(), indices),
                           tensor::ExtractOp::create(b, op.getScale(), at), zero);
}

Value decompose(ImplicitLocOpBuilder &b, mlir::lpu::DequantizeOp op) {
  RankedTensorType type = op.getResult().getType();
  int64_t rank = type.getRank();
  SmallVector<int64_t> all = loopsWithout(rank, {});
  if (op.getBlockSize()) {
    return elementwise(b, {}, type, [&](ImplicitLocOpBuilder &inner, ValueRange) {
      SmallVector<Value> indices;
      for (int64_t d = 0; d < rank; ++d) {
        indices.push_back(linalg::IndexOp::create(inner, d));
      }
      return readElement(inner, op.getResult(), indices);
    });
  }
  SmallVector<int64_t> scaleMap;
  if (typeOf(op.getScale()).getRank() == 1) {
    scaleMap.push_back(op.getAxis() ? int64_t(*op.getAxis()) : -1);
  }
  SmallVector<Value> inputs{op.getSource(), op.getScale()};
  SmallVector<SmallVector<int64_t>> maps{all, scaleMap};
  if (op.getZeroPoint()) {
    inputs.push_back(op.getZeroPoint());
    maps.push_back(scaleMap);
  }
  maps.push_back(all);
  return generic(b, unsigned(rank), inputs, empty(b, type.getShape(), type.getElementType()), maps,
                 {}, [&](ImplicitLocOpBuilder &inner, ValueRange in) {
                   return dequantizeElement(inner, op, in[0], in[1],
                                            op.getZeroPoint() ? in[2] : Value());
                 });
}

// Saturated before it is rounded: the bounds are integers.
Value decompose(ImplicitLocOpBuilder &b, mlir::lpu::QuantizeOp op) {
  RankedTensorType type = op.getResult().getType();
  SmallVector<int64_t> all = loopsWithout(type.getRank(), {}), scaleMap;
  if (typeOf(op.getScale()).getRank() == 1) {
    scaleMap.push_back(op.getAxis() ? int64_t(*op.getAxis()) : -1);
  }
  return generic(b, unsigned(type.getRank()), {op.getSource(), op.getScale()},
                 empty(b, type.getShape(), type.getElementType()), {all, scaleMap, all}, {},
                 [&](ImplicitLocOpBuilder &inner, ValueRange in) -> Value {
                   Value x = arith::DivFOp::create(inner, in[0], in[1]);
                   x = arith::MaximumFOp::create(inner, x, floatConstant(inner, -128));
                   x = arith::MinimumFOp::create(inner, x, floatConstant(inner, 127));
                   x = math::RoundEvenOp::create(inner, x);
                   return arith::FPToSIOp::create(inner, inner.getI8Type(), x);
                 });
}

Value decompose(ImplicitLocOpBuilder &b, mlir::lpu::GatherOp op) {
  RankedTensorType type = op.getResult().getType();
  int64_t axis = int64_t(op.getAxis()), rank = typeOf(op.getIndices()).getRank();
  int64_t size = typeOf(op.getTable()).getDimSize(axis);
  SmallVector<int64_t> indexMap;
  for (int64_t d = 0; d < rank; ++d) {
    indexMap.push_back(axis + d);
  }
  return generic(
      b, unsigned(type.getRank()), op.getIndices(),
      empty(b, type.getShape(), type.getElementType()),
      {indexMap, loopsWithout(type.getRank(), {})}, {},
      [&](ImplicitLocOpBuilder &inner, ValueRange in) {
        Value index = toIndex(inner, in[0]), zero = indexConstant(inner, 0);
        Value negative =
            arith::CmpIOp::create(inner, arith::CmpIPredicate::slt, index, zero);
        Value fromEnd = arith::AddIOp::create(inner, index, indexConstant(inner, size));
        index = arith::SelectOp::create(inner, negative, fromEnd, index);
        index = arith::MaxSIOp::create(inner, index, zero);
        index = arith::MinSIOp::create(inner, index, indexConstant(inner, size - 1));
        SmallVector<Value> indices;
        for (int64_t d = 0; d < type.getRank(); ++d) {
          if (d == axis) {
            indices.push_back(index);
          }
          if (d < axis || d >= axis + rank) {
            indices.push_back(linalg::IndexOp::create(inner, d));
          }
        }
        if (axis == type.getRank()) {
          indices.push_back(index);
        }
        return readElement(inner, op.getTable(), indices);
      });
}

Value decompose(ImplicitLocOpBuilder &b, mlir::lpu::CacheUpdateOp op) {
  RankedTensorType type = op.getResult().getType(), rows = op.getRows().getType();
  int64_t axis = int64_t(op.getAxis());
  Value zero = indexConstant(b, 0), one = indexConstant(b, 1);
  Value capacity = indexConstant(b, type.getDimSize(axis));
  // One row of one sample: everything but the batch and the axis.
  SmallVector<OpFoldResult> sizes, strides(size_t(type.getRank()), b.getIndexAttr(1));
  for (int64_t d = 0; d < type.getRank(); ++d) {
    sizes.push_back(b.getIndexAttr(d == 0 || d == axis ? 1 : type.getDimSize(d)));
  }
  auto writeRow = [&](ImplicitLocOpBuilder &at, Value cache, Value sample, Value row,
                      Value position) -> Value {
    SmallVector<OpFoldResult> from(size_t(type.getRank()), b.getIndexAttr(0)), to(from);
    from[0] = to[0] = sample;
    from[size_t(axis)] = row;
    to[size_t(axis)] = position;
    Value slice = tensor::ExtractSliceOp::create(at, op.getRows(), from, sizes, strides);
    return tensor::InsertSliceOp::create(at, slice, cache, to, sizes, strides);
  };
  auto rowLoop = [&](ImplicitLocOpBuilder &at, Value start, Value sample, Value cache) -> Value {
    auto loop = scf::ForOp::create(at, zero, indexConstant(at, rows.getDimSize(axis)), one, cache);
    ImplicitLocOpBuilder in(op.getLoc(), OpBuilder::atBlockEnd(loop.getBody()));
    Value row = loop.getInductionVar(), current = loop.getRegionIterArg(0);
    Value position = arith::AddIOp::create(in, start, row);
    if (op.getCircular()) {
      position = arith::RemUIOp::create(in, position, capacity);
      scf::YieldOp::create(in, writeRow(in, current, sample, row, position));
      return loop.getResult(0);
    }
    Value fits = arith::CmpIOp::create(in, arith::CmpIPredicate::ult, position, capacity);
    auto branch = scf::IfOp::create(in, TypeRange(type), fits, /*withElseRegion=*/true);
    ImplicitLocOpBuilder then(op.getLoc(), branch.getThenBodyBuilder());
    scf::YieldOp::create(then, writeRow(then, current, sample, row, position));
    ImplicitLocOpBuilder other(op.getLoc(), branch.getElseBodyBuilder());
    scf::YieldOp::create(other, current);
    scf::YieldOp::create(in, branch.getResult(0));
    return loop.getResult(0);
  };
  auto samples = scf::ForOp::create(b, zero, indexConstant(b, type.getDimSize(0)), one,
                                    op.getCache());
  ImplicitLocOpBuilder in(op.getLoc(), OpBuilder::atBlockEnd(samples.getBody()));
  Value sample = samples.getInductionVar(), start = zero;
  if (op.getPositions()) {
    start = toIndex(in, tensor::ExtractOp::create(in, op.getPositions(), sample));
  }
  scf::YieldOp::create(in, rowLoop(in, start, sample, samples.getRegionIterArg(0)));
  return samples.getResult(0);
}

} // namespace lpu::linalg_lowering
