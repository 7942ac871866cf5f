//===- Terms.cpp - Sums, products and extremes over loops -----------------===//

#include "Terms.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using mlir::onnx::NodeOp;

namespace lpu::onnx_lowering {

//===----------------------------------------------------------------------===//
// Attributes and types
//===----------------------------------------------------------------------===//

std::optional<SmallVector<int64_t>> getInts(NodeOp op, StringRef name) {
  auto value = dyn_cast_or_null<DenseI64ArrayAttr>(op.getNodeAttr(name));
  return value ? std::optional(llvm::to_vector(value.asArrayRef())) : std::nullopt;
}

std::optional<SmallVector<float>> getFloats(NodeOp op, StringRef name) {
  auto value = dyn_cast_or_null<DenseF32ArrayAttr>(op.getNodeAttr(name));
  return value ? std::optional(llvm::to_vector(value.asArrayRef())) : std::nullopt;
}

SmallVector<StringRef> getStrings(NodeOp op, StringRef name) {
  SmallVector<StringRef> strings;
  if (auto values = dyn_cast_or_null<ArrayAttr>(op.getNodeAttr(name))) {
    for (auto value : values.getAsRange<StringAttr>()) {
      strings.push_back(value.getValue());
    }
  }
  return strings;
}

std::pair<int64_t, int64_t> getRange(Type element) {
  unsigned bits = std::min(element.getIntOrFloatBitWidth(), 32u);
  if (element.isUnsignedInteger()) {
    return {0, (int64_t(1) << bits) - 1};
  }
  return {-(int64_t(1) << (bits - 1)), (int64_t(1) << (bits - 1)) - 1};
}

//===----------------------------------------------------------------------===//
// Scalars
//===----------------------------------------------------------------------===//

namespace {
bool isFloat(Value x) { return isa<FloatType>(x.getType()); }

template <typename Float, typename Int> Value pick(ImplicitLocOpBuilder &b, Value x, Value y) {
  return isFloat(x) ? Value(Float::create(b, x, y)) : Value(Int::create(b, x, y));
}
} // namespace

Value add(ImplicitLocOpBuilder &b, Value x, Value y) {
  return pick<arith::AddFOp, arith::AddIOp>(b, x, y);
}
Value sub(ImplicitLocOpBuilder &b, Value x, Value y) {
  return pick<arith::SubFOp, arith::SubIOp>(b, x, y);
}
Value mul(ImplicitLocOpBuilder &b, Value x, Value y) {
  return pick<arith::MulFOp, arith::MulIOp>(b, x, y);
}
Value divide(ImplicitLocOpBuilder &b, Value x, Value y) {
  return pick<arith::DivFOp, arith::DivSIOp>(b, x, y);
}
Value larger(ImplicitLocOpBuilder &b, Value x, Value y) {
  return x.getType().isInteger(1) ? Value(arith::OrIOp::create(b, x, y))
                                  : pick<arith::MaximumFOp, arith::MaxSIOp>(b, x, y);
}
Value smaller(ImplicitLocOpBuilder &b, Value x, Value y) {
  return x.getType().isInteger(1) ? Value(arith::AndIOp::create(b, x, y))
                                  : pick<arith::MinimumFOp, arith::MinSIOp>(b, x, y);
}
Value isLess(ImplicitLocOpBuilder &b, Value x, Value y) {
  return isFloat(x) ? Value(arith::CmpFOp::create(b, arith::CmpFPredicate::OLT, x, y))
                    : Value(arith::CmpIOp::create(b, arith::CmpIPredicate::slt, x, y));
}
Value isEqual(ImplicitLocOpBuilder &b, Value x, Value y) {
  return isFloat(x) ? Value(arith::CmpFOp::create(b, arith::CmpFPredicate::OEQ, x, y))
                    : Value(arith::CmpIOp::create(b, arith::CmpIPredicate::eq, x, y));
}
Value select(ImplicitLocOpBuilder &b, Value condition, Value x, Value y) {
  return arith::SelectOp::create(b, condition, x, y);
}
Value toFloat(ImplicitLocOpBuilder &b, Value x, bool isUnsigned) {
  if (isFloat(x)) {
    return x;
  }
  return isUnsigned || x.getType().isInteger(1)
             ? Value(arith::UIToFPOp::create(b, b.getF32Type(), x))
             : Value(arith::SIToFPOp::create(b, b.getF32Type(), x));
}
/// (tanh(x / 2) + 1) / 2: no overflow, one function.
Value sigmoidOf(ImplicitLocOpBuilder &b, Value x) {
  Value half = scalarFloat(b, 0.5);
  Value t = math::TanhOp::create(b, mul(b, x, half));
  return math::FmaOp::create(b, t, half, half);
}

Value powerOf(ImplicitLocOpBuilder &b, Value x, double p) {
  return p == 1 ? x : p == 2 ? mul(b, x, x) : Value(math::PowFOp::create(b, x, scalarFloat(b, p)));
}
Value rootOf(ImplicitLocOpBuilder &b, Value x, double p) {
  return p == 1   ? x
         : p == 2 ? Value(math::SqrtOp::create(b, x))
                  : Value(math::PowFOp::create(b, x, scalarFloat(b, 1 / p)));
}

//===----------------------------------------------------------------------===//
// Loops
//===----------------------------------------------------------------------===//

namespace {

Value joinElements(ImplicitLocOpBuilder &b, Join join, Value x, Value y) {
  switch (join) {
  case Join::Add:
    return add(b, x, y);
  case Join::Mul:
    return mul(b, x, y);
  case Join::Max:
    return larger(b, x, y);
  case Join::Min:
    return smaller(b, x, y);
  }
  llvm_unreachable("no such join");
}

Value getNeutral(ImplicitLocOpBuilder &b, Join join, Type element) {
  bool floats = isa<FloatType>(element), bools = element.isInteger(1);
  switch (join) {
  case Join::Add:
    return scalar(b, element, 0);
  case Join::Mul:
    return scalar(b, element, 1);
  case Join::Max:
    return scalar(b, element, floats ? -double(INFINITY) : bools ? 0. : double(INT32_MIN));
  case Join::Min:
    return scalar(b, element, floats ? double(INFINITY) : bools ? 1. : double(INT32_MAX));
  }
  llvm_unreachable("no such join");
}

} // namespace

Read readAt(Builder &b, Value tensor, ArrayRef<unsigned> loops) {
  Read read{tensor, {}};
  for (unsigned each : loops) {
    read.at.push_back(loop(b, each));
  }
  return read;
}

Value overLoops(ImplicitLocOpBuilder &b, ArrayRef<int64_t> extents, ArrayRef<Read> reads,
                ArrayRef<unsigned> results, Join join, Type element, ScalarBody body) {
  SmallVector<int64_t> shape;
  for (unsigned each : results) {
    shape.push_back(extents[each]);
  }
  bool joins = results.size() < extents.size();
  Value init = joins ? fill(b, shape, getNeutral(b, join, element))
                     : Value(tensor::EmptyOp::create(b, shape, element));
  if (llvm::is_contained(extents, 0)) {
    return init;
  }
  unsigned count = unsigned(extents.size());
  SmallVector<utils::IteratorType> kinds(count, utils::IteratorType::reduction);
  // linalg takes a loop's extent from an operand's dimension that is the loop itself.
  llvm::SmallBitVector known(count);
  for (unsigned each : results) {
    kinds[each] = utils::IteratorType::parallel;
    known.set(each);
  }
  SmallVector<Value> inputs;
  SmallVector<AffineMap> maps;
  for (const Read &read : reads) {
    Value tensor = read.tensor;
    for (auto [axis, at] : llvm::enumerate(read.at)) {
      if (auto dim = dyn_cast<AffineDimExpr>(at)) {
        known.set(dim.getPosition());
        // To linalg, a loop alone runs over all of a dimension.
        tensor = sliceAxis(b, tensor, int64_t(axis), 0, extents[dim.getPosition()]);
      }
    }
    inputs.push_back(tensor);
    maps.push_back(AffineMap::get(count, 0, read.at, b.getContext()));
  }
  if (!known.all()) {
    SmallVector<int64_t> window;
    SmallVector<AffineExpr> at;
    for (unsigned each = 0; each < count; ++each) {
      if (!known[each]) {
        window.push_back(extents[each]);
        at.push_back(loop(b, each));
      }
    }
    inputs.push_back(tensor::EmptyOp::create(b, window, b.getF32Type()));
    maps.push_back(AffineMap::get(count, 0, at, b.getContext()));
  }
  maps.push_back(readAt(b, init, results).at.empty()
                     ? AffineMap::get(count, 0, b.getContext())
                     : AffineMap::get(count, 0, readAt(b, init, results).at, b.getContext()));
  size_t readCount = reads.size();
  return linalg::GenericOp::create(
             b, TypeRange(init.getType()), inputs, ValueRange(init), maps, kinds,
             [&](OpBuilder &inner, Location location, ValueRange arguments) {
               ImplicitLocOpBuilder at(location, inner);
               Value result = body(at, arguments.take_front(readCount));
               linalg::YieldOp::create(at, joins ? joinElements(at, join, arguments.back(), result)
                                                 : result);
             })
      .getResult(0);
}

Value contract(ImplicitLocOpBuilder &b, ArrayRef<int64_t> extents, const Read &x, const Read &y,
               ArrayRef<unsigned> results) {
  return overLoops(b, extents, {x, y}, results, Join::Add, elementOf(x.tensor), binary<mul>);
}

Value matmul(ImplicitLocOpBuilder &b, Value x, Value y, bool transposesX, bool transposesY) {
  ArrayRef<int64_t> xShape = shapeOf(x), yShape = shapeOf(y);
  bool hasRows = xShape.size() > 1, hasColumns = yShape.size() > 1;
  ArrayRef<int64_t> xBatch = xShape.drop_back(hasRows ? 2 : 1);
  ArrayRef<int64_t> yBatch = yShape.drop_back(hasColumns ? 2 : 1);
  size_t batches = std::max(xBatch.size(), yBatch.size());
  // Loops: batches, rows, columns, and what is summed over.
  SmallVector<int64_t> extents(batches, 1);
  for (ArrayRef<int64_t> batch : {xBatch, yBatch}) {
    for (size_t d = 0; d < batch.size(); ++d) {
      int64_t &extent = extents[batches - batch.size() + d];
      extent = batch[d] == 1 ? extent : batch[d];
    }
  }
  auto readBatch = [&](Value tensor, ArrayRef<int64_t> batch) {
    Read read{tensor, {}};
    for (size_t d = 0; d < batch.size(); ++d) {
      size_t at = batches - batch.size() + d;
      read.at.push_back(batch[d] == 1 && extents[at] != 1 ? b.getAffineConstantExpr(0)
                                                          : loop(b, at));
    }
    return read;
  };
  Read readX = readBatch(x, xBatch), readY = readBatch(y, yBatch);
  if (hasRows) {
    extents.push_back(xShape[xShape.size() - (transposesX ? 1 : 2)]);
  }
  if (hasColumns) {
    extents.push_back(yShape[yShape.size() - (transposesY ? 2 : 1)]);
  }
  AffineExpr sum = loop(b, extents.size()), row = loop(b, batches);
  AffineExpr column = loop(b, batches + (hasRows ? 1 : 0));
  extents.push_back(xShape[xShape.size() - (transposesX && hasRows ? 2 : 1)]);
  if (hasRows) {
    readX.at.append({transposesX ? sum : row, transposesX ? row : sum});
  } else {
    readX.at.push_back(sum);
  }
  if (hasColumns) {
    readY.at.append({transposesY ? column : sum, transposesY ? sum : column});
  } else {
    readY.at.push_back(sum);
  }
  return contract(b, extents, readX, readY,
                  llvm::to_vector(llvm::seq<unsigned>(0, unsigned(extents.size() - 1))));
}

Value reduceTo1(ImplicitLocOpBuilder &b, Value input, ArrayRef<int64_t> axes, Join join,
                Type element, ScalarBody body) {
  SmallVector<unsigned> all, left;
  SmallVector<int64_t> kept(shapeOf(input));
  for (unsigned d = 0; d < kept.size(); ++d) {
    all.push_back(d);
    if (llvm::is_contained(axes, int64_t(d))) {
      kept[d] = 1;
    } else {
      left.push_back(d);
    }
  }
  Value result = overLoops(b, shapeOf(input), readAt(b, input, all), left, join, element, body);
  return reshapeTo(b, result, kept);
}

Value reduceTo1(ImplicitLocOpBuilder &b, Value input, ArrayRef<int64_t> axes, Join join) {
  return reduceTo1(b, input, axes, join, elementOf(input),
                   [](ImplicitLocOpBuilder &, ValueRange in) { return in[0]; });
}

Value meanTo1(ImplicitLocOpBuilder &b, Value input, ArrayRef<int64_t> axes) {
  int64_t count = 1;
  for (int64_t axis : axes) {
    count *= shapeOf(input)[size_t(axis)];
  }
  return each(b, reduceTo1(b, input, axes, Join::Add), [&](ImplicitLocOpBuilder &in, ValueRange x) {
    return divide(in, x[0], scalarFloat(in, double(count)));
  });
}

Value each(ImplicitLocOpBuilder &b, ValueRange inputs, ScalarBody body, Type element) {
  return mapElements(b, broadcastShapes(inputs), element ? element : elementOf(inputs[0]), inputs,
                     body);
}

Exponentials getExponentials(ImplicitLocOpBuilder &b, Value input, ArrayRef<int64_t> axes) {
  Value most = reduceTo1(b, input, axes, Join::Max);
  Value shifted = each(b, {input, most}, binary<sub>);
  Value exponentials = each(b, shifted, unary<math::ExpOp>);
  return {shifted, exponentials, reduceTo1(b, exponentials, axes, Join::Add)};
}

Value softmax(ImplicitLocOpBuilder &b, Value input, ArrayRef<int64_t> axes) {
  Exponentials of = getExponentials(b, input, axes);
  return each(b, {of.exponentials, of.sum}, binary<divide>);
}

Value logSoftmax(ImplicitLocOpBuilder &b, Value input, ArrayRef<int64_t> axes) {
  Exponentials of = getExponentials(b, input, axes);
  return each(b, {of.shifted, each(b, of.sum, unary<math::LogOp>)}, binary<sub>);
}

Value quantizeTo(ImplicitLocOpBuilder &b, Value input, Value zero, Type element) {
  SmallVector<Value> inputs{input};
  if (zero) {
    inputs.push_back(zero);
  }
  Type carried = getCarried(element);
  auto [least, most] = getRange(element);
  return each(
      b, inputs,
      [&, least = least, most = most](ImplicitLocOpBuilder &in, ValueRange x) -> Value {
        bool rounds = isa<IntegerType>(element);
        Value value = rounds ? Value(math::RoundEvenOp::create(in, x[0])) : x[0];
        value = zero ? add(in, value, toFloat(in, x[1])) : value;
        if (!rounds) {
          return value;
        }
        value = larger(in, value, scalarFloat(in, double(least)));
        value = smaller(in, value, scalarFloat(in, double(most)));
        return arith::FPToSIOp::create(in, carried, value);
      },
      carried);
}

//===----------------------------------------------------------------------===//
// Movement
//===----------------------------------------------------------------------===//

Value padOrCut(ImplicitLocOpBuilder &b, Value input, ArrayRef<int64_t> low, ArrayRef<int64_t> high,
               double value) {
  SmallVector<OpFoldResult> offsets, sizes, before, after;
  bool cuts = false, pads = false;
  SmallVector<int64_t> shape;
  for (auto [extent, l, h] : llvm::zip_equal(shapeOf(input), low, high)) {
    cuts |= l < 0 || h < 0;
    pads |= l > 0 || h > 0;
    int64_t size = extent + std::min<int64_t>(l, 0) + std::min<int64_t>(h, 0);
    shape.push_back(size + std::max<int64_t>(l, 0) + std::max<int64_t>(h, 0));
    offsets.push_back(b.getIndexAttr(std::max<int64_t>(-l, 0)));
    sizes.push_back(b.getIndexAttr(size));
    before.push_back(b.getIndexAttr(std::max<int64_t>(l, 0)));
    after.push_back(b.getIndexAttr(std::max<int64_t>(h, 0)));
  }
  if (cuts) {
    SmallVector<OpFoldResult> strides(low.size(), b.getIndexAttr(1));
    input = tensor::ExtractSliceOp::create(b, input, offsets, sizes, strides);
  }
  Type element = elementOf(input);
  return pads ? tensor::PadOp::create(b, RankedTensorType::get(shape, element), input, before,
                                      after, scalar(b, element, value))
                    .getResult()
              : input;
}

Value toRank(ImplicitLocOpBuilder &b, Value input, int64_t rank) {
  SmallVector<int64_t> shape(size_t(rank - typeOf(input).getRank()), 1);
  llvm::append_range(shape, shapeOf(input));
  return reshapeTo(b, input, shape);
}

Value alongAxis(ImplicitLocOpBuilder &b, Value input, int64_t axis, int64_t rank) {
  SmallVector<int64_t> shape(size_t(rank), 1);
  if (axis < rank) {
    shape[size_t(axis)] = typeOf(input).getNumElements();
  }
  return reshapeTo(b, input, shape);
}

} // namespace lpu::onnx_lowering
