//===- Loops.cpp - Perfect loops over tensors, and scalars ----------------===//

#include "Loops.h"
#include "LPU/IR/LPUTensorOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;

namespace lpu::onnx_lowering {
namespace {

template <typename Float, typename Int> Scalar apply(Scalar a, Scalar b) {
  ImplicitLocOpBuilder &builder = a.getBuilder();
  return Scalar(builder, a.isFloat() ? Value(Float::create(builder, a.get(), b.get()))
                                     : Value(Int::create(builder, a.get(), b.get())));
}

Scalar compare(arith::CmpFPredicate floats, arith::CmpIPredicate ints, Scalar a, Scalar b) {
  ImplicitLocOpBuilder &builder = a.getBuilder();
  return Scalar(builder, a.isFloat()
                             ? Value(arith::CmpFOp::create(builder, floats, a.get(), b.get()))
                             : Value(arith::CmpIOp::create(builder, ints, a.get(), b.get())));
}

template <typename Op> Scalar applyTo(Scalar a) {
  return Scalar(a.getBuilder(), Op::create(a.getBuilder(), a.get()));
}

TypedAttr getNumber(OpBuilder &builder, Type type, double number) {
  return isa<FloatType>(type) ? TypedAttr(builder.getFloatAttr(type, number))
         : type.isInteger(1)  ? TypedAttr(builder.getBoolAttr(number != 0))
                              : TypedAttr(builder.getIntegerAttr(type, int64_t(number)));
}

/// The terms of one sum or scan of n elements are few enough for one reduction of n * n.
constexpr int64_t kMaxDirectScan = 64;
/// As many copies are better than a gather.
constexpr size_t kMaxPieces = 16;

} // namespace

bool Scalar::isFloat() const { return isa<FloatType>(getType()); }
Scalar Scalar::like(double number) const {
  return Scalar(*builder,
                arith::ConstantOp::create(*builder, getNumber(*builder, getType(), number)));
}

Scalar operator+(Scalar a, Scalar b) { return apply<arith::AddFOp, arith::AddIOp>(a, b); }
Scalar operator-(Scalar a, Scalar b) { return apply<arith::SubFOp, arith::SubIOp>(a, b); }
Scalar operator*(Scalar a, Scalar b) { return apply<arith::MulFOp, arith::MulIOp>(a, b); }
Scalar operator/(Scalar a, Scalar b) { return apply<arith::DivFOp, arith::DivSIOp>(a, b); }
Scalar operator<(Scalar a, Scalar b) {
  return compare(arith::CmpFPredicate::OLT, arith::CmpIPredicate::slt, a, b);
}
Scalar operator<=(Scalar a, Scalar b) {
  return compare(arith::CmpFPredicate::OLE, arith::CmpIPredicate::sle, a, b);
}
Scalar operator==(Scalar a, Scalar b) {
  return compare(arith::CmpFPredicate::OEQ, arith::CmpIPredicate::eq, a, b);
}
Scalar operator!=(Scalar a, Scalar b) {
  return compare(arith::CmpFPredicate::UNE, arith::CmpIPredicate::ne, a, b);
}
Scalar operator&(Scalar a, Scalar b) {
  return Scalar(a.getBuilder(), arith::AndIOp::create(a.getBuilder(), a.get(), b.get()));
}
Scalar operator|(Scalar a, Scalar b) {
  return Scalar(a.getBuilder(), arith::OrIOp::create(a.getBuilder(), a.get(), b.get()));
}

Scalar select(Scalar condition, Scalar yes, Scalar no) {
  ImplicitLocOpBuilder &b = yes.getBuilder();
  return Scalar(b, arith::SelectOp::create(b, condition.get(), yes.get(), no.get()));
}
Scalar maximum(Scalar a, Scalar b) { return apply<arith::MaximumFOp, arith::MaxSIOp>(a, b); }
Scalar minimum(Scalar a, Scalar b) { return apply<arith::MinimumFOp, arith::MinSIOp>(a, b); }
Scalar clamp(Scalar a, double low, double high) {
  return minimum(maximum(a, a.like(low)), a.like(high));
}
Scalar floor(Scalar a) { return applyTo<math::FloorOp>(a); }
Scalar ceil(Scalar a) { return applyTo<math::CeilOp>(a); }
Scalar roundEven(Scalar a) { return applyTo<math::RoundEvenOp>(a); }
Scalar absolute(Scalar a) {
  return a.isFloat() ? applyTo<math::AbsFOp>(a) : applyTo<math::AbsIOp>(a);
}
Scalar toInt(Scalar a) {
  ImplicitLocOpBuilder &b = a.getBuilder();
  return Scalar(b, a.isFloat() ? Value(arith::FPToSIOp::create(b, b.getI32Type(), a.get()))
                   : a.getType().isInteger(1)
                       ? Value(arith::ExtUIOp::create(b, b.getI32Type(), a.get()))
                       : a.get());
}
Scalar toFloat(Scalar a) {
  ImplicitLocOpBuilder &b = a.getBuilder();
  return Scalar(b, a.isFloat() ? a.get()
                   : a.getType().isInteger(1)
                       ? Value(arith::UIToFPOp::create(b, b.getF32Type(), a.get()))
                       : Value(arith::SIToFPOp::create(b, b.getF32Type(), a.get())));
}
Scalar fromEnd(Scalar index, int64_t extent) {
  return select(index < 0, index + double(extent), index);
}
Scalar inOrder(Scalar a, Type element) {
  if (!element.isUnsignedInteger() || element.getIntOrFloatBitWidth() < 32) {
    return a;
  }
  ImplicitLocOpBuilder &b = a.getBuilder();
  return Scalar(b, arith::XOrIOp::create(b, a.get(), a.like(INT32_MIN).get()));
}

Scalar Point::loop(unsigned index) const {
  Value at = linalg::IndexOp::create(builder, index);
  return Scalar(builder, arith::IndexCastOp::create(builder, builder.getI32Type(), at));
}
Scalar Point::number(double value) const {
  return Scalar(builder, arith::ConstantOp::create(builder, builder.getF32FloatAttr(float(value))));
}
Scalar Point::integer(int64_t value) const {
  return Scalar(builder,
                arith::ConstantOp::create(builder, builder.getI32IntegerAttr(int32_t(value))));
}
Scalar Point::boolean(bool value) const {
  return Scalar(builder, arith::ConstantOp::create(builder, builder.getBoolAttr(value)));
}

Access::Access(Value value, unsigned first) : value(value) {
  for (int64_t d = 0; d < typeOf(value).getRank(); ++d) {
    at.push_back(getAffineDimExpr(first + unsigned(d), value.getContext()));
  }
}

TypedAttr getNeutral(OpBuilder &builder, Combine combine, Type element) {
  bool isFloat = isa<FloatType>(element);
  double infinity = std::numeric_limits<double>::infinity();
  switch (combine) {
  case Combine::Sum:
  case Combine::Any:
    return getNumber(builder, element, 0);
  case Combine::Product:
  case Combine::All:
    return getNumber(builder, element, 1);
  case Combine::Most:
    return getNumber(builder, element, isFloat ? -infinity : INT32_MIN);
  case Combine::Least:
    return getNumber(builder, element, isFloat ? infinity : INT32_MAX);
  case Combine::Pick:
    // -0 + x is x for every x, 0 + -0 is not.
    return getNumber(builder, element, isFloat ? -0.0 : 0);
  }
  llvm_unreachable("all combinations are handled");
}

Scalar getNothing(const Point &point, Type element) {
  return isa<FloatType>(element) ? point.number(-0.0)
         : element.isInteger(1)  ? point.boolean(false)
                                 : point.integer(0);
}

Scalar join(Combine combine, Scalar a, Scalar b) {
  switch (combine) {
  case Combine::Sum:
    return a + b;
  case Combine::Product:
    return a * b;
  case Combine::Most:
    return maximum(a, b);
  case Combine::Least:
    return minimum(a, b);
  case Combine::All:
    return a & b;
  case Combine::Any:
    return a | b;
  case Combine::Pick:
    return a.getType().isInteger(1) ? a | b : a + b;
  }
  llvm_unreachable("all combinations are handled");
}

Value mapLoops(ImplicitLocOpBuilder &b, ArrayRef<int64_t> shape, Type element,
               ArrayRef<Access> reads, Body body) {
  SmallVector<Value> inputs;
  SmallVector<AffineMap> maps;
  for (const Access &read : reads) {
    inputs.push_back(read.value);
    maps.push_back(AffineMap::get(unsigned(shape.size()), 0, read.at, b.getContext()));
  }
  return mapIndexed(b, shape, element, inputs, maps,
                    [body](ImplicitLocOpBuilder &at, ValueRange arguments) {
                      return body(Point(at, arguments)).get();
                    });
}

Value reduceLoops(ImplicitLocOpBuilder &b, ArrayRef<int64_t> shape, ArrayRef<int64_t> inner,
                  Type element, Combine combine, ArrayRef<Access> reads, Body body) {
  unsigned count = unsigned(shape.size() + inner.size());
  SmallVector<Value> inputs;
  SmallVector<AffineMap> maps;
  llvm::SmallDenseSet<unsigned> known;
  for (const Access &read : reads) {
    inputs.push_back(read.value);
    maps.push_back(AffineMap::get(count, 0, read.at, b.getContext()));
    for (AffineExpr at : read.at) {
      if (auto loop = dyn_cast<AffineDimExpr>(at)) {
        known.insert(loop.getPosition());
      }
    }
  }
  // The extent of a loop has to be that of some operand.
  SmallVector<int64_t> extents;
  SmallVector<AffineExpr> unknown;
  for (unsigned loop = unsigned(shape.size()); loop < count; ++loop) {
    if (!known.contains(loop)) {
      extents.push_back(inner[loop - shape.size()]);
      unknown.push_back(b.getAffineDimExpr(loop));
    }
  }
  if (!extents.empty()) {
    inputs.push_back(tensor::EmptyOp::create(b, extents, element));
    maps.push_back(AffineMap::get(count, 0, unknown, b.getContext()));
  }
  maps.push_back(AffineMap::get(count, 0, loopsAt(b, shape.size()), b.getContext()));
  SmallVector<utils::IteratorType> loops(shape.size(), utils::IteratorType::parallel);
  loops.append(inner.size(), utils::IteratorType::reduction);
  Value neutral = arith::ConstantOp::create(b, getNeutral(b, combine, element));
  Value empty = tensor::EmptyOp::create(b, shape, element);
  Value init = linalg::FillOp::create(b, neutral, empty).getResult(0);
  return linalg::GenericOp::create(
             b, TypeRange(init.getType()), inputs, ValueRange(init), maps, loops,
             [body, combine](OpBuilder &builder, Location location, ValueRange arguments) {
               ImplicitLocOpBuilder at(location, builder);
               Scalar term = body(Point(at, arguments.drop_back()));
               Scalar joined = join(combine, Scalar(at, arguments.back()), term);
               linalg::YieldOp::create(at, joined.get());
             })
      .getResult(0);
}

Value makeFloats(ImplicitLocOpBuilder &b, ArrayRef<int64_t> shape, ArrayRef<double> values) {
  return constantFloats(b, shape, SmallVector<float>(values.begin(), values.end()));
}
Value makeInts(ImplicitLocOpBuilder &b, ArrayRef<int64_t> shape, ArrayRef<int64_t> values) {
  return constantInts(b, shape, SmallVector<int32_t>(values.begin(), values.end()));
}

AffineExpr loopAt(ImplicitLocOpBuilder &b, unsigned loop) { return b.getAffineDimExpr(loop); }
AffineExpr fixedAt(ImplicitLocOpBuilder &b, int64_t index) {
  return b.getAffineConstantExpr(index);
}
SmallVector<AffineExpr> loopsAt(ImplicitLocOpBuilder &b, size_t count, unsigned first) {
  SmallVector<AffineExpr> loops;
  for (size_t d = 0; d < count; ++d) {
    loops.push_back(b.getAffineDimExpr(first + unsigned(d)));
  }
  return loops;
}

Value padWith(ImplicitLocOpBuilder &b, Value value, ArrayRef<int64_t> low, ArrayRef<int64_t> high,
              TypedAttr element) {
  SmallVector<int64_t> shape;
  SmallVector<OpFoldResult> before, after;
  for (auto [d, extent] : llvm::enumerate(shapeOf(value))) {
    shape.push_back(extent + low[d] + high[d]);
    before.push_back(b.getIndexAttr(low[d]));
    after.push_back(b.getIndexAttr(high[d]));
  }
  if (shapeOf(value) == ArrayRef(shape)) {
    return value;
  }
  Value number = arith::ConstantOp::create(b, element);
  return tensor::PadOp::create(b, RankedTensorType::get(shape, elementOf(value)), value, before,
                               after, number);
}

namespace {
/// Indices first, first + step, ...
struct Run {
  int64_t first, size, step;
};

SmallVector<Run> findRuns(ArrayRef<int64_t> indices) {
  SmallVector<Run> runs;
  for (size_t i = 0; i < indices.size();) {
    size_t end = i + 1;
    int64_t step = end < indices.size() ? indices[end] - indices[i] : 1;
    while (end < indices.size() && indices[end] - indices[end - 1] == step) {
      ++end;
    }
    runs.push_back({indices[i], int64_t(end - i), step});
    i = end;
  }
  return runs;
}

Value takeRun(ImplicitLocOpBuilder &b, Value value, int64_t axis, Run run) {
  if (run.step > 0 || run.size == 1) {
    return sliceAxis(b, value, axis, run.first, run.size, run.size == 1 ? 1 : run.step);
  }
  SmallVector<int64_t> shape(shapeOf(value));
  shape[size_t(axis)] = run.size;
  SmallVector<AffineExpr> at = loopsAt(b, shape.size());
  at[size_t(axis)] = at[size_t(axis)] * run.step + run.first;
  return mapLoops(b, shape, elementOf(value), Access(value, at),
                  [](const Point &point) { return point[0]; });
}

/// Every index of `extent` `times` times in a row.
bool isRepeat(ArrayRef<int64_t> indices, int64_t extent, int64_t times) {
  for (auto [i, index] : llvm::enumerate(indices)) {
    if (index != int64_t(i) / times) {
      return false;
    }
  }
  return int64_t(indices.size()) == extent * times;
}
} // namespace

Value take(ImplicitLocOpBuilder &b, Value value, int64_t axis, ArrayRef<int64_t> indices) {
  SmallVector<int64_t> shape(shapeOf(value));
  int64_t extent = shape[size_t(axis)];
  int64_t times = extent ? int64_t(indices.size()) / extent : 0;
  if (times > 1 && isRepeat(indices, extent, times)) {
    SmallVector<int64_t> repeated(shape);
    repeated.insert(repeated.begin() + axis + 1, times);
    SmallVector<AffineExpr> at = loopsAt(b, repeated.size());
    at.erase(at.begin() + axis + 1);
    Value result = mapLoops(b, repeated, elementOf(value), Access(value, at),
                            [](const Point &point) { return point[0]; });
    shape[size_t(axis)] = extent * times;
    return reshapeTo(b, result, shape);
  }
  SmallVector<Run> runs = findRuns(indices);
  if (runs.size() <= kMaxPieces) {
    SmallVector<Value> pieces;
    for (Run run : runs) {
      pieces.push_back(takeRun(b, value, axis, run));
    }
    return pieces.empty() ? sliceAxis(b, value, axis, 0, 0) : concatenate(b, pieces, axis);
  }
  shape[size_t(axis)] = int64_t(indices.size());
  return mlir::lpu::GatherOp::create(b, RankedTensorType::get(shape, elementOf(value)), value,
                                     makeInts(b, int64_t(indices.size()), indices), axis)
      .getResult();
}

Value scan(ImplicitLocOpBuilder &b, Value value, int64_t axis, Combine combine, bool exclusive,
           bool reverse) {
  SmallVector<int64_t> shape(shapeOf(value));
  size_t dim = size_t(axis);
  int64_t extent = shape[dim];
  TypedAttr neutral = getNeutral(b, combine, elementOf(value));
  if (extent <= kMaxDirectScan) {
    SmallVector<AffineExpr> at = loopsAt(b, shape.size());
    at[dim] = loopAt(b, unsigned(shape.size()));
    return reduceLoops(
        b, shape, extent, elementOf(value), combine, Access(value, at), [&](const Point &point) {
          Scalar here = point.loop(unsigned(axis)), other = point.loop(unsigned(shape.size()));
          Scalar last = reverse ? other : here, first = reverse ? here : other;
          Scalar isIn = exclusive ? first < last : first <= last;
          return select(isIn, point[0], combine == Combine::Product ? 1 : 0);
        });
  }
  // Elements `step` before this one; twice as far every time.
  auto shift = [&](Value from, int64_t step) {
    Value rest = sliceAxis(b, from, axis, reverse ? step : 0, extent - step);
    SmallVector<int64_t> low(shape.size(), 0), high(shape.size(), 0);
    (reverse ? high : low)[dim] = step;
    return padWith(b, rest, low, high, neutral);
  };
  Value result = exclusive ? shift(value, 1) : value;
  for (int64_t step = 1; step < extent; step *= 2) {
    Value other = shift(result, step);
    result = mapLoops(b, shape, elementOf(value), {Access(result), Access(other)},
                      [&](const Point &point) { return join(combine, point[0], point[1]); });
  }
  return result;
}

Value gatherAlong(ImplicitLocOpBuilder &b, Value table, Value indices, int64_t axis) {
  SmallVector<int64_t> shape(shapeOf(table).take_front(size_t(axis)));
  llvm::append_range(shape, shapeOf(indices));
  llvm::append_range(shape, shapeOf(table).drop_front(size_t(axis) + 1));
  return mlir::lpu::GatherOp::create(b, RankedTensorType::get(shape, elementOf(table)), table,
                                     indices, axis)
      .getResult();
}

Value findTrue(ImplicitLocOpBuilder &b, Value condition, int64_t count) {
  int64_t extent = shapeOf(condition)[0];
  Value ones = mapLoops(b, extent, b.getI32Type(), Access(condition),
                        [](const Point &point) { return toInt(point[0]); });
  Value before = scan(b, ones, 0, Combine::Sum, /*exclusive=*/true, /*reverse=*/false);
  SmallVector<AffineExpr> at{loopAt(b, 1)};
  return reduceLoops(b, count, extent, b.getI32Type(), Combine::Sum,
                     {Access(condition, at), Access(before, at)}, [](const Point &point) {
                       Scalar here = point[0] & (point[1] == point.loop(0));
                       return select(here, point.loop(1), 0);
                     });
}

int64_t product(ArrayRef<int64_t> extents) {
  int64_t result = 1;
  for (int64_t extent : extents) {
    result *= extent;
  }
  return result;
}

SmallVector<AffineExpr> replace(ImplicitLocOpBuilder &b, size_t rank, int64_t axis, unsigned loop) {
  SmallVector<AffineExpr> at = loopsAt(b, rank);
  at[size_t(axis)] = loopAt(b, loop);
  return at;
}

std::optional<SmallVector<int64_t>> getIntList(mlir::onnx::NodeOp op, StringRef name) {
  auto list = dyn_cast_or_null<DenseI64ArrayAttr>(op.getNodeAttr(name));
  return list ? std::optional(llvm::to_vector(list.asArrayRef())) : std::nullopt;
}

std::string whyNotConstant(mlir::onnx::NodeOp op,
                           std::initializer_list<std::pair<unsigned, const char *>> inputs) {
  std::string reason = whyNotRanked(op);
  for (auto [index, name] : inputs) {
    if (reason.empty() && op.hasInput(index) && !getConstantInts(op, index)) {
      reason = ("input " + Twine(index) + " (" + name + ") is not a constant").str();
    }
  }
  return reason;
}

RankedTensorType inputType(mlir::onnx::NodeOp op, unsigned index) {
  return typeOf(op.getInputs()[index]);
}
RankedTensorType outputType(mlir::onnx::NodeOp op, unsigned index) {
  return typeOf(op.getResult(index));
}

} // namespace lpu::onnx_lowering
