//===- Loss.cpp - Losses of classes ---------------------------------------===//

#include "Terms.h"

using namespace mlir;
using mlir::onnx::NodeOp;
using namespace ::lpu::onnx_lowering;

namespace {

std::string whyNotLoss(NodeOp op) {
  std::string reason = whyNotRanked(op);
  if (!reason.empty()) {
    return reason;
  }
  int64_t rank = typeOf(op.getInputs()[0]).getRank();
  if (rank < 2 || typeOf(op.getInputs()[1]).getRank() != rank - 1) {
    return "the target has not a class for each element of the input but its classes";
  }
  StringRef reduction = getString(op, "reduction", "mean");
  return reduction == "mean" || reduction == "sum" || reduction == "none"
             ? ""
             : "reduction is " + reduction.str();
}

/// -weights[target] * logProbabilities[.., target, ..], reduced. Classes are compared: the one
/// that is the target is taken.
Value getLoss(NodeOp op, ValueRange inputs, ImplicitLocOpBuilder &b, Value logProbabilities) {
  Value target = inputs[1], weights = op.hasInput(2) ? inputs[2] : Value();
  SmallVector<int64_t> extents(shapeOf(logProbabilities));
  SmallVector<unsigned> all = llvm::to_vector(llvm::seq<unsigned>(0, unsigned(extents.size())));
  SmallVector<unsigned> left(all);
  left.erase(left.begin() + 1);
  auto ignored = dyn_cast_or_null<IntegerAttr>(op.getNodeAttr("ignore_index"));
  // The sum over classes of what is `ofTarget` where a class is the target.
  auto pick = [&](ArrayRef<Read> reads,
                  llvm::function_ref<Value(ImplicitLocOpBuilder &, ValueRange)> ofTarget) {
    SmallVector<Read> with{readAt(b, target, left)};
    llvm::append_range(with, reads);
    return overLoops(b, extents, with, left, Join::Add, b.getF32Type(),
                     [&](ImplicitLocOpBuilder &in, ValueRange x) {
                       Value taken = isEqual(in, x[0], loopIndex(in, 1));
                       if (ignored) {
                         Value kept = isEqual(in, x[0], scalarInt(in, ignored.getInt()));
                         taken = select(in, kept, scalarBool(in, false), taken);
                       }
                       return select(in, taken, ofTarget(in, x.drop_front()), scalarFloat(in, 0));
                     });
  };
  SmallVector<Read> reads{readAt(b, logProbabilities, all)};
  if (weights) {
    reads.push_back(readAt(b, weights, 1));
  }
  Value loss = pick(reads, [&](ImplicitLocOpBuilder &in, ValueRange x) {
    Value negative = sub(in, scalarFloat(in, 0), x[0]);
    return weights ? mul(in, negative, x[1]) : negative;
  });
  StringRef reduction = getString(op, "reduction", "mean");
  if (reduction == "none") {
    return loss;
  }
  SmallVector<int64_t> axes = llvm::to_vector(llvm::seq<int64_t>(0, int64_t(shapeOf(loss).size())));
  Value sum = reshapeTo(b, reduceTo1(b, loss, axes, Join::Add), {});
  if (reduction == "sum") {
    return sum;
  }
  if (!weights && !ignored) {
    int64_t count = typeOf(loss).getNumElements();
    return each(b, sum, [&](ImplicitLocOpBuilder &in, ValueRange x) {
      return divide(in, x[0], scalarFloat(in, double(count)));
    });
  }
  // By the weights of all targets.
  Value taken = pick(ArrayRef(reads).drop_front(), [&](ImplicitLocOpBuilder &in, ValueRange x) {
    return weights ? x[0] : scalarFloat(in, 1);
  });
  Value total = reshapeTo(b, reduceTo1(b, taken, axes, Join::Add), {});
  return each(b, {sum, total}, binary<divide>);
}

SmallVector<Value> convertLikelihood(NodeOp op, ValueRange inputs, ImplicitLocOpBuilder &b) {
  return {getLoss(op, inputs, b, inputs[0])};
}

SmallVector<Value> convertCrossEntropy(NodeOp op, ValueRange inputs, ImplicitLocOpBuilder &b) {
  Value logProbabilities = logSoftmax(b, inputs[0], 1);
  SmallVector<Value> results{getLoss(op, inputs, b, logProbabilities)};
  if (op.getNumResults() > 1) {
    results.push_back(op.hasOutput(1) ? logProbabilities : Value());
  }
  return results;
}

} // namespace

namespace lpu::onnx_lowering {
ArrayRef<Rule> getLossRules() {
  static const Rule rules[] = {
      {"", "NegativeLogLikelihoodLoss", 12, whyNotLoss, convertLikelihood},
      {"", "SoftmaxCrossEntropyLoss", 12, whyNotLoss, convertCrossEntropy},
  };
  return rules;
}
} // namespace lpu::onnx_lowering
