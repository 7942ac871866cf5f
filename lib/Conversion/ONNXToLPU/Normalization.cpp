//===- Normalization.cpp - Norms over some of the dimensions --------------===//

#include "LPU/IR/LPUTensorOps.h"
#include "Terms.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using mlir::onnx::NodeOp;
using namespace ::lpu::onnx_lowering;

namespace {

std::string whyNotRmsNorm(NodeOp op) {
  std::string reason = whyNotRanked(op);
  auto type = cast<ShapedType>(op.getResult(0).getType());
  if (reason.empty() && !type.getElementType().isF32()) {
    return "elements are not float";
  }
  int64_t axis = getInt(op, "axis", -1);
  if (reason.empty() && axis != -1 && axis != type.getRank() - 1) {
    return "axis is not the last one";
  }
  if (reason.empty() && typeOf(op.getInputs()[1]).getRank() > 1) {
    return "scale has more than the last dimension";
  }
  return reason;
}

SmallVector<Value> convertRmsNorm(NodeOp op, ValueRange inputs, ImplicitLocOpBuilder &b) {
  int64_t rank = cast<ShapedType>(inputs[0].getType()).getRank();
  int64_t axis = getInt(op, "axis", -1);
  float epsilon = getFloat(op, "epsilon", 1e-5f);
  return {mlir::lpu::RmsNormOp::create(b, inputs[0].getType(), inputs[0], inputs[1],
                                       axis < 0 ? axis + rank : axis, llvm::APFloat(epsilon))
              .getResult()};
}

//===----------------------------------------------------------------------===//
// Layer and RMS
//===----------------------------------------------------------------------===//

Value getOptional(ValueRange inputs, unsigned index) {
  return index < inputs.size() ? inputs[index] : Value();
}

/// `value` by `scale` and plus `bias` where they are not null; both broadcast.
Value scaleAndShift(ImplicitLocOpBuilder &b, Value value, Value scale, Value bias) {
  SmallVector<Value> inputs{value};
  for (Value each : {scale, bias}) {
    if (each) {
      inputs.push_back(each);
    }
  }
  if (inputs.size() == 1) {
    return value;
  }
  return each(b, inputs, [&](ImplicitLocOpBuilder &in, ValueRange x) {
    Value result = scale ? mul(in, x[0], x[1]) : x[0];
    return bias ? add(in, result, x.back()) : result;
  });
}

/// 1 / sqrt(mean(square) + epsilon) along `axes`, which stay with size 1.
Value inverseDeviation(ImplicitLocOpBuilder &b, Value variance, float epsilon) {
  return each(b, variance, [&](ImplicitLocOpBuilder &in, ValueRange x) {
    Value sum = add(in, x[0], scalarFloat(in, epsilon));
    return divide(in, scalarFloat(in, 1), math::SqrtOp::create(in, sum));
  });
}

Value square(ImplicitLocOpBuilder &b, Value x) {
  return each(b, x, [](ImplicitLocOpBuilder &in, ValueRange x) { return mul(in, x[0], x[0]); });
}

/// x less its mean along `axes`, and what it takes to get a deviation of 1.
struct Standardized {
  Value mean, centered, variance, inverse;
};
Standardized standardize(ImplicitLocOpBuilder &b, Value x, ArrayRef<int64_t> axes, float epsilon) {
  Value mean = meanTo1(b, x, axes);
  Value centered = each(b, {x, mean}, binary<sub>);
  Value variance = meanTo1(b, square(b, centered), axes);
  return {mean, centered, variance, inverseDeviation(b, variance, epsilon)};
}
Value getNormal(ImplicitLocOpBuilder &b, const Standardized &of) {
  return each(b, {of.centered, of.inverse}, binary<mul>);
}

std::string whyNotFromAxis(NodeOp op) {
  std::string reason = whyNotRanked(op);
  if (!reason.empty()) {
    return reason;
  }
  int64_t rank = typeOf(op.getInputs()[0]).getRank(), axis = getInt(op, "axis", -1);
  return axis < -rank || axis >= rank ? "axis is not one of the input's" : "";
}

/// The axes from attribute `axis` on.
SmallVector<int64_t> fromAxis(NodeOp op) {
  int64_t rank = typeOf(op.getInputs()[0]).getRank();
  return llvm::to_vector(llvm::seq<int64_t>(toAxis(getInt(op, "axis", -1), rank), rank));
}

/// Null for results that the node does not want.
SmallVector<Value> pickResults(NodeOp op, ArrayRef<Value> all) {
  SmallVector<Value> results;
  for (unsigned index = 0; index < op.getNumResults(); ++index) {
    results.push_back(op.hasOutput(index) ? all[index] : Value());
  }
  return results;
}

SmallVector<Value> convertLayerNorm(NodeOp op, ValueRange inputs, ImplicitLocOpBuilder &b) {
  Standardized of = standardize(b, inputs[0], fromAxis(op), getFloat(op, "epsilon", 1e-5f));
  Value y = scaleAndShift(b, getNormal(b, of), inputs[1], getOptional(inputs, 2));
  return pickResults(op, {y, of.mean, of.inverse});
}

/// The norm, and 1 / the root of the mean square.
std::pair<Value, Value> normalizeRms(ImplicitLocOpBuilder &b, Value x, Value scale,
                                     ArrayRef<int64_t> axes, float epsilon) {
  Value inverse = inverseDeviation(b, meanTo1(b, square(b, x), axes), epsilon);
  return {scaleAndShift(b, each(b, {x, inverse}, binary<mul>), scale, Value()), inverse};
}

SmallVector<Value> convertRmsNorms(NodeOp op, ValueRange inputs, ImplicitLocOpBuilder &b) {
  auto [y, inverse] =
      normalizeRms(b, inputs[0], inputs[1], fromAxis(op), getFloat(op, "epsilon", 1e-5f));
  return pickResults(op, {y, inverse});
}

/// onnxruntime's name, in ONNX's domain, of RMSNormalization with one more output.
std::string whyNotSimplified(NodeOp op) {
  std::string reason = whyNotRmsNorm(op);
  return reason.empty() && op.hasOutput(1) ? "output 1 is used" : reason;
}

SmallVector<Value> convertSimplified(NodeOp op, ValueRange inputs, ImplicitLocOpBuilder &b) {
  SmallVector<Value> results = convertRmsNorm(op, inputs, b);
  results.resize(op.getNumResults());
  return results;
}

/// x, skip, gamma, beta, bias -> norm, mean, deviation, sum.
SmallVector<Value> convertSkipLayerNorm(NodeOp op, ValueRange inputs, ImplicitLocOpBuilder &b) {
  Value sum = each(b, {inputs[0], inputs[1]}, binary<add>);
  sum = scaleAndShift(b, sum, Value(), getOptional(inputs, 4));
  int64_t last = typeOf(sum).getRank() - 1;
  Standardized of = standardize(b, sum, last, getFloat(op, "epsilon", 1e-12f));
  Value y = scaleAndShift(b, getNormal(b, of), inputs[2], getOptional(inputs, 3));
  return pickResults(op, {y, of.mean, of.inverse, sum});
}

/// x, skip, gamma, bias -> norm, mean (never made), 1 / root of the mean square, sum.
SmallVector<Value> convertSkipSimplified(NodeOp op, ValueRange inputs, ImplicitLocOpBuilder &b) {
  Value sum = each(b, {inputs[0], inputs[1]}, binary<add>);
  sum = scaleAndShift(b, sum, Value(), getOptional(inputs, 3));
  int64_t last = typeOf(sum).getRank() - 1;
  float epsilon = getFloat(op, "epsilon", 1e-12f);
  Value y, inverse;
  if (op.hasOutput(2) || typeOf(inputs[2]).getRank() != 1) {
    std::tie(y, inverse) = normalizeRms(b, sum, inputs[2], last, epsilon);
  } else {
    y = mlir::lpu::RmsNormOp::create(b, sum.getType(), sum, inputs[2], last,
                                     llvm::APFloat(epsilon));
  }
  return pickResults(op, {y, Value(), inverse, sum});
}

std::string whyNotSkip(NodeOp op) {
  std::string reason = whyNotRanked(op);
  bool usesMean = op.getOpType() == "SkipSimplifiedLayerNormalization" && op.hasOutput(1);
  return reason.empty() && usesMean ? "output 1 is used: nothing defines it" : reason;
}

//===----------------------------------------------------------------------===//
// Over channels, groups and batches
//===----------------------------------------------------------------------===//

std::string whyNotChannels(NodeOp op) {
  std::string reason = whyNotRanked(op);
  return reason.empty() && typeOf(op.getInputs()[0]).getRank() < 2 ? "the input has no channels"
                                                                   : reason;
}

SmallVector<int64_t> axesFrom(Value value, int64_t first) {
  return llvm::to_vector(llvm::seq<int64_t>(first, typeOf(value).getRank()));
}

SmallVector<Value> convertInstanceNorm(NodeOp op, ValueRange inputs, ImplicitLocOpBuilder &b) {
  int64_t rank = typeOf(inputs[0]).getRank();
  Standardized of =
      standardize(b, inputs[0], axesFrom(inputs[0], 2), getFloat(op, "epsilon", 1e-5f));
  return {scaleAndShift(b, getNormal(b, of), alongAxis(b, inputs[1], 1, rank),
                        alongAxis(b, inputs[2], 1, rank))};
}

std::string whyNotGroupNorm(NodeOp op) {
  std::string reason = whyNotChannels(op);
  if (!reason.empty()) {
    return reason;
  }
  int64_t channels = typeOf(op.getInputs()[0]).getDimSize(1), groups = getInt(op, "num_groups", 0);
  return groups < 1 || (!ShapedType::isDynamic(channels) && channels % groups != 0)
             ? "num_groups does not divide the channels"
             : "";
}

/// Scale and bias have a value a group before version 21, and a value a channel from it on.
SmallVector<Value> convertGroupNorm(NodeOp op, ValueRange inputs, ImplicitLocOpBuilder &b) {
  ArrayRef<int64_t> shape = shapeOf(inputs[0]);
  int64_t groups = getInt(op, "num_groups", 1), channels = shape[1] / groups;
  SmallVector<int64_t> split{shape[0], groups, channels};
  llvm::append_range(split, shape.drop_front(2));
  Value x = reshapeTo(b, inputs[0], split);
  Standardized of = standardize(b, x, axesFrom(x, 2), getFloat(op, "epsilon", 1e-5f));
  Value normal = getNormal(b, of);
  auto spread = [&](Value parameter) {
    SmallVector<int64_t> to(split.size(), 1);
    to[1] = groups;
    to[2] = typeOf(parameter).getNumElements() / groups;
    return reshapeTo(b, parameter, to);
  };
  return {reshapeTo(b, scaleAndShift(b, normal, spread(inputs[1]), spread(inputs[2])), shape)};
}

bool isTraining(NodeOp op) {
  return op.getSinceVersion() >= 14 ? getInt(op, "training_mode", 0) != 0
         : op.getSinceVersion() < 7 ? getInt(op, "is_test", 0) == 0
                                    : false;
}

std::string whyNotBatchNorm(NodeOp op) {
  std::string reason = whyNotChannels(op);
  if (!reason.empty() || op.getSinceVersion() >= 14) {
    return reason;
  }
  if (isTraining(op)) {
    return "is_test is 0: training is supported from version 14 on";
  }
  for (unsigned output = 1; output < op.getNumResults(); ++output) {
    if (op.hasOutput(output)) {
      return ("output " + Twine(output) + " is used: training is supported from version 14 on")
          .str();
    }
  }
  return "";
}

/// x, scale, bias, mean, variance -> y, running mean, running variance.
SmallVector<Value> convertBatchNorm(NodeOp op, ValueRange inputs, ImplicitLocOpBuilder &b) {
  Value x = inputs[0];
  int64_t rank = typeOf(x).getRank();
  float epsilon = getFloat(op, "epsilon", 1e-5f), momentum = getFloat(op, "momentum", 0.9f);
  // Parameters have a value a channel, or, where `spatial` is 0, one for all but the batch.
  auto spread = [&](Value parameter) {
    return typeOf(parameter).getRank() > 1 ? parameter : alongAxis(b, parameter, 1, rank);
  };
  Value mean = spread(inputs[3]), variance = spread(inputs[4]);
  SmallVector<Value> results(1);
  if (isTraining(op)) {
    SmallVector<int64_t> axes{0};
    llvm::append_range(axes, axesFrom(x, 2));
    Standardized of = standardize(b, x, axes, epsilon);
    for (auto [before, now] : {std::pair{mean, of.mean}, {variance, of.variance}}) {
      Value running = each(b, {before, now}, [&](ImplicitLocOpBuilder &in, ValueRange v) {
        return add(in, mul(in, v[0], scalarFloat(in, momentum)),
                   mul(in, v[1], scalarFloat(in, 1 - momentum)));
      });
      results.push_back(reshapeTo(b, running, shapeOf(inputs[3])));
    }
    mean = of.mean;
    variance = of.variance;
  }
  Value normal = each(
      b, {x, mean, inverseDeviation(b, variance, epsilon)},
      [](ImplicitLocOpBuilder &in, ValueRange v) { return mul(in, sub(in, v[0], v[1]), v[2]); });
  results[0] = scaleAndShift(b, normal, spread(inputs[1]), spread(inputs[2]));
  results.resize(std::max<size_t>(results.size(), op.getNumResults()));
  return pickResults(op, results);
}

std::string whyNotMeanVariance(NodeOp op) { return whyNotRanked(op); }

SmallVector<Value> convertMeanVariance(NodeOp op, ValueRange inputs, ImplicitLocOpBuilder &b) {
  int64_t rank = typeOf(inputs[0]).getRank();
  SmallVector<int64_t> axes = getInts(op, "axes").value_or(SmallVector<int64_t>{0, 2, 3});
  if (op.getSinceVersion() < 9) {
    axes = getInt(op, "across_channels", 0) != 0 ? SmallVector<int64_t>{0, 1, 2, 3}
                                                 : SmallVector<int64_t>{0, 2, 3};
  }
  for (int64_t &axis : axes) {
    axis = toAxis(axis, rank);
  }
  Standardized of = standardize(b, inputs[0], axes, 0);
  return {each(b, {of.centered, of.variance}, [](ImplicitLocOpBuilder &in, ValueRange x) {
    Value deviation = math::SqrtOp::create(in, x[1]);
    return divide(in, x[0], add(in, deviation, scalarFloat(in, 1e-9)));
  })};
}

/// x by its norm along one axis; zeros stay where that is 0.
SmallVector<Value> convertLpNorm(NodeOp op, ValueRange inputs, ImplicitLocOpBuilder &b) {
  int64_t rank = typeOf(inputs[0]).getRank(), p = getInt(op, "p", 2);
  Value sum = reduceTo1(b, inputs[0], toAxis(getInt(op, "axis", -1), rank), Join::Add,
                        b.getF32Type(), [&](ImplicitLocOpBuilder &in, ValueRange x) {
                          return powerOf(in, math::AbsFOp::create(in, x[0]), double(p));
                        });
  Value norm = each(b, sum, [&](ImplicitLocOpBuilder &in, ValueRange x) {
    Value root = rootOf(in, x[0], double(p));
    return select(in, isEqual(in, root, scalarFloat(in, 0)), scalarFloat(in, 1), root);
  });
  return {each(b, {inputs[0], norm}, binary<divide>)};
}

/// x / (bias + alpha / size * sum of squares of the `size` channels around)^beta.
SmallVector<Value> convertLrn(NodeOp op, ValueRange inputs, ImplicitLocOpBuilder &b) {
  Value x = inputs[0];
  size_t rank = shapeOf(x).size();
  int64_t size = getInt(op, "size", 1);
  double factor = double(getFloat(op, "alpha", 1e-4f)) / double(size);
  float beta = getFloat(op, "beta", 0.75f), bias = getFloat(op, "bias", 1);
  SmallVector<int64_t> low(rank, 0), high(rank, 0), extents(shapeOf(x));
  low[1] = (size - 1) / 2;
  high[1] = size - 1 - low[1];
  auto results = llvm::to_vector(llvm::seq<unsigned>(0, unsigned(rank)));
  Read read = readAt(b, padOrCut(b, square(b, x), low, high, 0), results);
  read.at[1] = loop(b, 1) + loop(b, rank);
  extents.push_back(size);
  Value sum = overLoops(b, extents, read, results, Join::Add, b.getF32Type(),
                        [](ImplicitLocOpBuilder &, ValueRange in) { return in[0]; });
  return {each(b, {x, sum}, [&](ImplicitLocOpBuilder &in, ValueRange v) {
    Value base = add(in, scalarFloat(in, bias), mul(in, v[1], scalarFloat(in, factor)));
    return divide(in, v[0], math::PowFOp::create(in, base, scalarFloat(in, beta)));
  })};
}

} // namespace

namespace lpu::onnx_lowering {
ArrayRef<Rule> getNormalizationRules() {
  static const Rule rules[] = {
      {"", "RMSNormalization", 23, whyNotRmsNorm, convertRmsNorm},
      {"", "RMSNormalization", 23, whyNotFromAxis, convertRmsNorms},
      {"", "SimplifiedLayerNormalization", 1, whyNotSimplified, convertSimplified},
      {"", "SimplifiedLayerNormalization", 1, whyNotFromAxis, convertRmsNorms},
      {"com.microsoft", "SimplifiedLayerNormalization", 1, whyNotSimplified, convertSimplified},
      {"com.microsoft", "SimplifiedLayerNormalization", 1, whyNotFromAxis, convertRmsNorms},
      {"com.microsoft", "SkipLayerNormalization", 1, whyNotSkip, convertSkipLayerNorm},
      {"com.microsoft", "SkipSimplifiedLayerNormalization", 1, whyNotSkip, convertSkipSimplified},
      {"", "LayerNormalization", 1, whyNotFromAxis, convertLayerNorm},
      {"", "InstanceNormalization", 1, whyNotChannels, convertInstanceNorm},
      {"", "GroupNormalization", 18, whyNotGroupNorm, convertGroupNorm},
      {"", "BatchNormalization", 1, whyNotBatchNorm, convertBatchNorm},
      {"", "MeanVarianceNormalization", 1, whyNotMeanVariance, convertMeanVariance},
      {"", "LpNormalization", 1, whyNotFromAxis, convertLpNorm},
      {"", "LRN", 1, whyNotChannels, convertLrn},
  };
  return rules;
}
} // namespace lpu::onnx_lowering
