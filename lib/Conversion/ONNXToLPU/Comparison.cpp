//===- Comparison.cpp - What is true of elements, and choices by it -------===//

#include "Elementwise.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace ::lpu::onnx_lowering;
using mlir::onnx::NodeOp;
using Predicate = arith::CmpIPredicate;
using FloatPredicate = arith::CmpFPredicate;

namespace {

template <FloatPredicate forFloats, Predicate forSigned, Predicate forUnsigned>
Value compare(NodeOp op, ImplicitLocOpBuilder &b, ValueRange in) {
  if (isa<FloatType>(in[0].getType())) {
    return arith::CmpFOp::create(b, forFloats, in[0], in[1]);
  }
  return arith::CmpIOp::create(b, isWideUnsigned(op, 0) ? forUnsigned : forSigned, in[0], in[1]);
}

template <typename Op> Value logic(ImplicitLocOpBuilder &b, ValueRange in) {
  return Op::create(b, in[0], in[1]);
}
Value negate(ImplicitLocOpBuilder &b, ValueRange in) {
  return arith::XOrIOp::create(b, in[0], scalarBool(b, true));
}

Value isNaN(ImplicitLocOpBuilder &b, ValueRange in) {
  return arith::CmpFOp::create(b, FloatPredicate::UNO, in[0], in[0]);
}

Value isInfinite(NodeOp op, ImplicitLocOpBuilder &b, ValueRange in) {
  bool above = getInt(op, "detect_positive", 1) != 0, below = getInt(op, "detect_negative", 1) != 0;
  Value x = in[0];
  if (above && below) {
    x = math::AbsFOp::create(b, x);
  } else if (below) {
    x = arith::NegFOp::create(b, x);
  } else if (!above) {
    return scalarBool(b, false);
  }
  Value infinity = scalarFloat(b, std::numeric_limits<double>::infinity());
  return arith::CmpFOp::create(b, FloatPredicate::OEQ, x, infinity);
}

Value choose(ImplicitLocOpBuilder &b, ValueRange in) {
  return arith::SelectOp::create(b, in[0], in[1], in[2]);
}

} // namespace

namespace lpu::onnx_lowering {
ArrayRef<Rule> getComparisonRules() {
  static const Rule rules[] = {
      elementRule<compare<FloatPredicate::OEQ, Predicate::eq, Predicate::eq>>("Equal"),
      elementRule<compare<FloatPredicate::OLT, Predicate::slt, Predicate::ult>>("Less"),
      elementRule<compare<FloatPredicate::OGT, Predicate::sgt, Predicate::ugt>>("Greater"),
      elementRule<compare<FloatPredicate::OLE, Predicate::sle, Predicate::ule>>("LessOrEqual"),
      elementRule<compare<FloatPredicate::OGE, Predicate::sge, Predicate::uge>>("GreaterOrEqual"),
      elementRule<logic<arith::AndIOp>>("And"),
      elementRule<logic<arith::OrIOp>>("Or"),
      elementRule<logic<arith::XOrIOp>>("Xor"),
      elementRule<negate>("Not"),
      elementRule<isNaN>("IsNaN"),
      elementRule<isInfinite>("IsInf"),
      elementRule<choose>("Where", 1, Elements::Moved),
  };
  return rules;
}
} // namespace lpu::onnx_lowering
