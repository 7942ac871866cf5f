//===- Reduction.cpp - Reduce*, softmax and pooling over everything -------===//

#include "Terms.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using mlir::onnx::NodeOp;
using namespace ::lpu::onnx_lowering;

namespace {

int64_t getRank(NodeOp op) { return cast<RankedTensorType>(op.getInputs()[0].getType()).getRank(); }

//===----------------------------------------------------------------------===//
// Reduce*
//===----------------------------------------------------------------------===//

/// The axes of a Reduce*, an attribute or, later, an input; all of them where none are given.
SmallVector<int64_t> getAxes(NodeOp op) {
  std::optional<SmallVector<int64_t>> axes = getInts(op, "axes");
  axes = axes ? axes : getConstantInts(op, 1);
  SmallVector<int64_t> result;
  if (!axes || axes->empty()) {
    if (getInt(op, "noop_with_empty_axes", 0) == 0) {
      llvm::append_range(result, llvm::seq<int64_t>(0, getRank(op)));
    }
    return result;
  }
  for (int64_t axis : *axes) {
    result.push_back(toAxis(axis, getRank(op)));
  }
  return result;
}

std::string whyNotReduce(NodeOp op) {
  std::string reason = whyNotRanked(op);
  if (!reason.empty()) {
    return reason;
  }
  if (op.hasInput(1) && !getConstantInts(op, 1)) {
    return "input 1 (axes) is no constant";
  }
  for (int64_t axis : getAxes(op)) {
    if (axis < 0 || axis >= getRank(op)) {
      return "axes has an axis that the input has not";
    }
  }
  return "";
}

/// Operators of the family differ in what they make of an element, how they join, and what
/// they make of the result.
struct Kind {
  Join join;
  /// Sums of roots, logarithms and the like of integers are taken of floats.
  bool inFloat;
  Value (*before)(ImplicitLocOpBuilder &, Value);
  Value (*after)(ImplicitLocOpBuilder &, Value);
};

Value keep(ImplicitLocOpBuilder &, Value x) { return x; }
Value square(ImplicitLocOpBuilder &b, Value x) { return mul(b, x, x); }
Value absolute(ImplicitLocOpBuilder &b, Value x) {
  return isa<FloatType>(x.getType()) ? Value(math::AbsFOp::create(b, x))
                                     : Value(math::AbsIOp::create(b, x));
}
Value root(ImplicitLocOpBuilder &b, Value x) { return math::SqrtOp::create(b, x); }
Value logarithm(ImplicitLocOpBuilder &b, Value x) { return math::LogOp::create(b, x); }

constexpr Kind kSum{Join::Add, false, keep, keep}, kProd{Join::Mul, false, keep, keep},
    kL1{Join::Add, false, absolute, keep}, kL2{Join::Add, true, square, root},
    kLogSum{Join::Add, true, keep, logarithm}, kSumSquare{Join::Add, false, square, keep};

bool isUnsigned(NodeOp op) { return elementOf(op.getInputs()[0]).isUnsignedInteger(); }

/// The carried elements as floats.
Value asFloats(ImplicitLocOpBuilder &b, NodeOp op, Value input) {
  bool unsignedElements = isUnsigned(op);
  return isa<FloatType>(elementOf(input)) ? input
                                           : each(
                                                 b, input,
                                                 [&](ImplicitLocOpBuilder &in, ValueRange x) {
                                                   return toFloat(in, x[0], unsignedElements);
                                                 },
                                                 b.getF32Type());
}

/// Results of floats in the type of the input, without its fraction.
Value fromFloats(ImplicitLocOpBuilder &b, NodeOp op, Value value, Type element) {
  bool unsignedElements = isUnsigned(op);
  return elementOf(value) == element
             ? value
             : each(
                   b, value,
                   [&](ImplicitLocOpBuilder &in, ValueRange x) -> Value {
                     return unsignedElements ? Value(arith::FPToUIOp::create(in, element, x[0]))
                                             : Value(arith::FPToSIOp::create(in, element, x[0]));
                   },
                   element);
}

SmallVector<Value> finish(NodeOp op, ImplicitLocOpBuilder &b, Value value) {
  return {reshapeTo(b, value, shapeOf(op.getResult(0)))};
}

template <const Kind &kind>
SmallVector<Value> convertReduce(NodeOp op, ValueRange inputs, ImplicitLocOpBuilder &b) {
  Type element = elementOf(inputs[0]);
  Value input = kind.inFloat ? asFloats(b, op, inputs[0]) : inputs[0];
  bool takesSize = kind.before == absolute && isUnsigned(op);
  Value value = reduceTo1(b, input, getAxes(op), kind.join, elementOf(input),
                          [&](ImplicitLocOpBuilder &in, ValueRange x) {
                            return takesSize ? x[0] : kind.before(in, x[0]);
                          });
  if (kind.after != keep) {
    value =
        each(b, value, [](ImplicitLocOpBuilder &in, ValueRange x) { return kind.after(in, x[0]); });
  }
  return finish(op, b, fromFloats(b, op, value, element));
}

SmallVector<Value> convertMean(NodeOp op, ValueRange inputs, ImplicitLocOpBuilder &b) {
  SmallVector<int64_t> axes = getAxes(op);
  if (isa<FloatType>(elementOf(inputs[0]))) {
    return finish(op, b, meanTo1(b, inputs[0], axes));
  }
  int64_t count = 1;
  for (int64_t axis : axes) {
    count *= shapeOf(inputs[0])[size_t(axis)];
  }
  bool unsignedElements = isUnsigned(op);
  Value sum = reduceTo1(b, inputs[0], axes, Join::Add);
  // Nothing has no mean: integers have no NaN.
  return finish(op, b, each(b, sum, [&](ImplicitLocOpBuilder &in, ValueRange x) -> Value {
                  Value divisor = scalarInt(in, std::max<int64_t>(count, 1));
                  return unsignedElements ? Value(arith::DivUIOp::create(in, x[0], divisor))
                                          : divide(in, x[0], divisor);
                }));
}

template <Join join>
SmallVector<Value> convertExtreme(NodeOp op, ValueRange inputs, ImplicitLocOpBuilder &b) {
  Type element = elementOf(op.getInputs()[0]);
  SmallVector<int64_t> axes = getAxes(op);
  if (typeOf(inputs[0]).getNumElements() == 0 && isa<IntegerType>(element) &&
      !element.isInteger(1)) {
    auto [least, most] = getRange(element);
    return {fill(b, shapeOf(op.getResult(0)), scalarInt(b, join == Join::Max ? least : most))};
  }
  if (element.isUnsignedInteger() && element.getIntOrFloatBitWidth() >= 32) {
    // In the order of signed numbers once the highest bit is turned.
    auto turn = [](ImplicitLocOpBuilder &in, ValueRange x) -> Value {
      return arith::XOrIOp::create(in, x[0], scalarInt(in, INT32_MIN));
    };
    return finish(op, b, each(b, reduceTo1(b, each(b, inputs[0], turn), axes, join), turn));
  }
  return finish(op, b, reduceTo1(b, inputs[0], axes, join));
}

/// log(sum(exp(x - max))) + max; a maximum that is infinite is not taken off.
SmallVector<Value> convertLogSumExp(NodeOp op, ValueRange inputs, ImplicitLocOpBuilder &b) {
  SmallVector<int64_t> axes = getAxes(op);
  Value input = asFloats(b, op, inputs[0]);
  Value most =
      each(b, reduceTo1(b, input, axes, Join::Max), [](ImplicitLocOpBuilder &in, ValueRange x) {
        Value size = math::AbsFOp::create(in, x[0]);
        return select(in, isEqual(in, size, scalarFloat(in, INFINITY)), scalarFloat(in, 0), x[0]);
      });
  Value powers = each(b, {input, most}, [](ImplicitLocOpBuilder &in, ValueRange x) -> Value {
    return math::ExpOp::create(in, sub(in, x[0], x[1]));
  });
  Value sum = reduceTo1(b, powers, axes, Join::Add);
  Value result = each(b, {sum, most}, [](ImplicitLocOpBuilder &in, ValueRange x) {
    return add(in, logarithm(in, x[0]), x[1]);
  });
  return finish(op, b, fromFloats(b, op, result, elementOf(inputs[0])));
}

//===----------------------------------------------------------------------===//
// Softmax
//===----------------------------------------------------------------------===//

std::string whyNotSoftmax(NodeOp op) {
  std::string reason = whyNotRanked(op);
  if (!reason.empty()) {
    return reason;
  }
  int64_t axis = getInt(op, "axis", op.getSinceVersion() < 13 ? 1 : -1), rank = getRank(op);
  // Before version 13 the axis only parts the dimensions: it may be the rank.
  int64_t end = op.getSinceVersion() < 13 ? rank + 1 : rank;
  return axis < -rank || axis >= std::max<int64_t>(end, 1) ? "axis is not one of the input's" : "";
}

/// Before version 13, all dimensions from the axis on together.
SmallVector<int64_t> getSoftmaxAxes(NodeOp op) {
  bool isOld = op.getSinceVersion() < 13;
  int64_t rank = getRank(op), axis = toAxis(getInt(op, "axis", isOld ? 1 : -1), rank);
  if (rank == 0) {
    return {};
  }
  return isOld ? llvm::to_vector(llvm::seq<int64_t>(axis, rank)) : SmallVector<int64_t>{axis};
}

template <Value (*function)(ImplicitLocOpBuilder &, Value, ArrayRef<int64_t>)>
SmallVector<Value> convertSoftmax(NodeOp op, ValueRange inputs, ImplicitLocOpBuilder &b) {
  return {function(b, inputs[0], getSoftmaxAxes(op))};
}

//===----------------------------------------------------------------------===//
// Pooling over all of a channel
//===----------------------------------------------------------------------===//

std::string whyNotGlobal(NodeOp op) {
  std::string reason = whyNotRanked(op);
  return reason.empty() && getRank(op) < 2 ? "the input has no channels" : reason;
}

SmallVector<int64_t> getSpatial(NodeOp op) {
  return llvm::to_vector(llvm::seq<int64_t>(2, getRank(op)));
}

SmallVector<Value> convertGlobalAverage(NodeOp op, ValueRange inputs, ImplicitLocOpBuilder &b) {
  return {meanTo1(b, inputs[0], getSpatial(op))};
}
SmallVector<Value> convertGlobalMax(NodeOp op, ValueRange inputs, ImplicitLocOpBuilder &b) {
  return {reduceTo1(b, inputs[0], getSpatial(op), Join::Max)};
}
SmallVector<Value> convertGlobalLp(NodeOp op, ValueRange inputs, ImplicitLocOpBuilder &b) {
  // A float in version 1.
  float p = getFloat(op, "p", float(getInt(op, "p", 2)));
  Value powers = each(b, inputs[0], [&](ImplicitLocOpBuilder &in, ValueRange x) {
    return powerOf(in, absolute(in, x[0]), p);
  });
  return {each(b, reduceTo1(b, powers, getSpatial(op), Join::Add),
               [&](ImplicitLocOpBuilder &in, ValueRange x) { return rootOf(in, x[0], p); })};
}

} // namespace

namespace lpu::onnx_lowering {
ArrayRef<Rule> getReductionRules() {
  static const Rule rules[] = {
      {"", "ReduceSum", 1, whyNotReduce, convertReduce<kSum>},
      {"", "ReduceProd", 1, whyNotReduce, convertReduce<kProd>},
      {"", "ReduceL1", 1, whyNotReduce, convertReduce<kL1>},
      {"", "ReduceL2", 1, whyNotReduce, convertReduce<kL2>},
      {"", "ReduceLogSum", 1, whyNotReduce, convertReduce<kLogSum>},
      {"", "ReduceSumSquare", 1, whyNotReduce, convertReduce<kSumSquare>},
      {"", "ReduceMean", 1, whyNotReduce, convertMean},
      {"", "ReduceMax", 1, whyNotReduce, convertExtreme<Join::Max>, Elements::Moved},
      {"", "ReduceMin", 1, whyNotReduce, convertExtreme<Join::Min>, Elements::Moved},
      {"", "ReduceLogSumExp", 1, whyNotReduce, convertLogSumExp},
      {"", "Softmax", 1, whyNotSoftmax, convertSoftmax<softmax>},
      {"", "LogSoftmax", 1, whyNotSoftmax, convertSoftmax<logSoftmax>},
      {"", "GlobalAveragePool", 1, whyNotGlobal, convertGlobalAverage},
      {"", "GlobalMaxPool", 1, whyNotGlobal, convertGlobalMax, Elements::Moved},
      {"", "GlobalLpPool", 1, whyNotGlobal, convertGlobalLp},
  };
  return rules;
}
} // namespace lpu::onnx_lowering
