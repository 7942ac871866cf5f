//===- Training.cpp - Steps of optimizers, and dropout --------------------===//

#include "Builder.h"
#include "Elementwise.h"
#include "Rules.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace ::lpu::onnx_lowering;
using mlir::onnx::NodeOp;

namespace {

//===----------------------------------------------------------------------===//
// Dropout
//===----------------------------------------------------------------------===//

/// Versions 1 and 6 train unless `is_test` is set, 7 and 10 never do, later
/// ones by input 2.
bool isTraining(NodeOp op) {
  if (op.getSinceVersion() < 7) {
    return getInt(op, "is_test", 0) == 0;
  }
  return op.hasInput(2);
}

std::string whyNotDropout(NodeOp op) {
  std::string reason = whyNotNumbers(op);
  if (!reason.empty() || !isTraining(op)) {
    return reason;
  }
  if (op.getSinceVersion() < 7) {
    return getFloat(op, "ratio", 0.5f) == 0 ? "" : "random numbers: is_test is not set";
  }
  auto mode = getConstantInts(op, 2);
  if (!mode) {
    return "input 2, whether it trains, is not constant";
  }
  auto ratio = op.hasInput(1) ? getConstantFloats(op.getInputs()[1])
                              : std::optional(SmallVector<double>{0.5});
  return mode->front() == 0    ? ""
         : !ratio              ? "random numbers: input 1, the ratio, is not constant"
         : ratio->front() == 0 ? ""
                               : "random numbers: input 2 says that it trains";
}

SmallVector<Value> convertDropout(NodeOp op, ValueRange inputs, ImplicitLocOpBuilder &b) {
  SmallVector<Value> results{inputs[0]};
  if (op.getNumResults() > 1) {
    Value mask;
    if (op.hasOutput(1)) {
      auto type = getCarriedTensor(op.getResult(1).getType());
      mask = fill(b, type.getShape(), scalar(b, type.getElementType(), 1));
    }
    results.push_back(mask);
  }
  return results;
}

//===----------------------------------------------------------------------===//
// Optimizers: rate R, count T, then tensors, their gradients and their states
//===----------------------------------------------------------------------===//

Value add(ImplicitLocOpBuilder &b, Value x, Value y) { return arith::AddFOp::create(b, x, y); }
Value sub(ImplicitLocOpBuilder &b, Value x, Value y) { return arith::SubFOp::create(b, x, y); }
Value mul(ImplicitLocOpBuilder &b, Value x, Value y) { return arith::MulFOp::create(b, x, y); }
Value div(ImplicitLocOpBuilder &b, Value x, Value y) { return arith::DivFOp::create(b, x, y); }
Value scale(ImplicitLocOpBuilder &b, double factor, Value x) {
  return mul(b, x, scalarFloat(b, factor));
}
Value countAsFloat(ImplicitLocOpBuilder &b, Value count) {
  return arith::SIToFPOp::create(b, b.getF32Type(), count);
}
Value isPositive(ImplicitLocOpBuilder &b, Value count) {
  return arith::CmpIOp::create(b, arith::CmpIPredicate::sgt, count, scalarInt(b, 0));
}

/// What a step makes of one tensor: `in` is R, T, X, G and the states; the
/// results are the new X and the new states.
using Step = SmallVector<Value> (*)(NodeOp, ImplicitLocOpBuilder &, ValueRange in);

Value regularize(NodeOp op, ImplicitLocOpBuilder &b, ValueRange in) {
  return add(b, scale(b, getFloat(op, "norm_coefficient", 0), in[2]), in[3]);
}

SmallVector<Value> stepMomentum(NodeOp op, ImplicitLocOpBuilder &b, ValueRange in) {
  double alpha = getFloat(op, "alpha", 0);
  Value gradient = regularize(op, b, in);
  Value beta = arith::SelectOp::create(b, isPositive(b, in[1]),
                                       scalarFloat(b, getFloat(op, "beta", 0)), scalarFloat(b, 1));
  Value state = add(b, scale(b, alpha, in[4]), mul(b, beta, gradient));
  Value direction =
      getString(op, "mode", "") == "nesterov" ? add(b, gradient, scale(b, alpha, state)) : state;
  return {sub(b, in[2], mul(b, in[0], direction)), state};
}

SmallVector<Value> stepAdagrad(NodeOp op, ImplicitLocOpBuilder &b, ValueRange in) {
  Value decay = scale(b, getFloat(op, "decay_factor", 0), countAsFloat(b, in[1]));
  Value rate = div(b, in[0], add(b, decay, scalarFloat(b, 1)));
  Value gradient = regularize(op, b, in);
  Value state = add(b, in[4], mul(b, gradient, gradient));
  Value size = add(b, math::SqrtOp::create(b, state), scalarFloat(b, getFloat(op, "epsilon", 0)));
  return {sub(b, in[2], div(b, mul(b, rate, gradient), size)), state};
}

SmallVector<Value> stepAdam(NodeOp op, ImplicitLocOpBuilder &b, ValueRange in) {
  double alpha = getFloat(op, "alpha", 0.9f), beta = getFloat(op, "beta", 0.999f);
  Value gradient = regularize(op, b, in);
  Value first = add(b, scale(b, alpha, in[4]), scale(b, 1 - alpha, gradient));
  Value second = add(b, scale(b, beta, in[5]), scale(b, 1 - beta, mul(b, gradient, gradient)));
  Value size = add(b, math::SqrtOp::create(b, second), scalarFloat(b, getFloat(op, "epsilon", 0)));
  // 1 - alpha^T and 1 - beta^T.
  auto left = [&](double base) {
    Value power = math::PowFOp::create(b, scalarFloat(b, base), countAsFloat(b, in[1]));
    return sub(b, scalarFloat(b, 1), power);
  };
  Value corrected = div(b, mul(b, in[0], math::SqrtOp::create(b, left(beta))), left(alpha));
  Value rate = arith::SelectOp::create(b, isPositive(b, in[1]), corrected, in[0]);
  Value result = sub(b, in[2], div(b, mul(b, rate, first), size));
  return {scale(b, 1 - double(getFloat(op, "norm_coefficient_post", 0)), result), first, second};
}

template <unsigned numStates> std::string whyNotStep(NodeOp op) {
  std::string reason = whyNotNumbers(op);
  size_t perTensor = 2 + numStates;
  return !reason.empty() ? reason
         : op.getInputs().size() < 2 || (op.getInputs().size() - 2) % perTensor != 0
             ? "inputs are not the rate, the count and tensors with gradients "
               "and states"
             : "";
}

template <Step step, unsigned numStates>
SmallVector<Value> convertStep(NodeOp op, ValueRange inputs, ImplicitLocOpBuilder &b) {
  size_t tensors = (inputs.size() - 2) / (2 + numStates);
  SmallVector<Value> results(tensors * (1 + numStates));
  for (size_t k = 0; k < tensors; ++k) {
    SmallVector<Value> given{inputs[0], inputs[1]};
    for (size_t part = 0; part < 2 + numStates; ++part) {
      given.push_back(inputs[2 + part * tensors + k]);
    }
    auto type = cast<RankedTensorType>(given[2].getType());
    for (size_t part = 0; part < 1 + numStates; ++part) {
      results[part * tensors + k] = mapElements(
          b, type.getShape(), type.getElementType(), given,
          [&](ImplicitLocOpBuilder &at, ValueRange in) { return step(op, at, in)[part]; });
    }
  }
  return results;
}

} // namespace

namespace lpu::onnx_lowering {
ArrayRef<Rule> getTrainingRules() {
  static constexpr char kDomain[] = "ai.onnx.preview.training";
  static const Rule rules[] = {
      {"", "Dropout", 1, whyNotDropout, convertDropout, Elements::Moved},
      {kDomain, "Momentum", 1, whyNotStep<1>, convertStep<stepMomentum, 1>},
      {kDomain, "Adagrad", 1, whyNotStep<1>, convertStep<stepAdagrad, 1>},
      {kDomain, "Adam", 1, whyNotStep<2>, convertStep<stepAdam, 2>},
  };
  return rules;
}
} // namespace lpu::onnx_lowering
