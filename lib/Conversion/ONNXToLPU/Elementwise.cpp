//===- Elementwise.cpp - Functions of one real number, activations --------===//

#include "Elementwise.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace ::lpu::onnx_lowering;
using mlir::onnx::NodeOp;
using Predicate = arith::CmpFPredicate;

namespace {

Value constant(ImplicitLocOpBuilder &b, double value) { return scalarFloat(b, value); }
Value add(ImplicitLocOpBuilder &b, Value x, Value y) { return arith::AddFOp::create(b, x, y); }
Value mul(ImplicitLocOpBuilder &b, Value x, Value y) { return arith::MulFOp::create(b, x, y); }
Value scale(ImplicitLocOpBuilder &b, double factor, Value x) {
  return factor == 1 ? x : mul(b, x, constant(b, factor));
}
Value select(ImplicitLocOpBuilder &b, Value x, Predicate predicate, double bound, Value yes,
             Value no) {
  Value holds = arith::CmpFOp::create(b, predicate, x, constant(b, bound));
  return arith::SelectOp::create(b, holds, yes, no);
}
Value clamp(ImplicitLocOpBuilder &b, Value x, double least, double most) {
  x = arith::MaximumFOp::create(b, x, constant(b, least));
  return arith::MinimumFOp::create(b, x, constant(b, most));
}

template <typename Op> Value apply(ImplicitLocOpBuilder &b, ValueRange in) {
  return Op::create(b, in[0]);
}

Value softsign(ImplicitLocOpBuilder &b, ValueRange in) {
  Value size = arith::AddFOp::create(b, Value(math::AbsFOp::create(b, in[0])), constant(b, 1));
  return arith::DivFOp::create(b, in[0], size);
}

Value relu(ImplicitLocOpBuilder &b, ValueRange in) {
  Value zero = scalar(b, in[0].getType(), 0);
  return isa<FloatType>(in[0].getType()) ? Value(arith::MaximumFOp::create(b, in[0], zero))
                                         : Value(arith::MaxSIOp::create(b, in[0], zero));
}
Value leakyRelu(NodeOp op, ImplicitLocOpBuilder &b, ValueRange in) {
  Value below = scale(b, getFloat(op, "alpha", 0.01f), in[0]);
  return select(b, in[0], Predicate::OLT, 0, below, in[0]);
}
/// x below zero times the slope.
Value scaleBelow(NodeOp op, ImplicitLocOpBuilder &b, ValueRange in) {
  if (isa<FloatType>(in[0].getType())) {
    return select(b, in[0], Predicate::OLT, 0, mul(b, in[0], in[1]), in[0]);
  }
  if (isWideUnsigned(op, 0)) {
    return in[0];
  }
  Value below = arith::CmpIOp::create(b, arith::CmpIPredicate::slt, in[0], scalarInt(b, 0));
  Value scaled = arith::MulIOp::create(b, in[0], in[1]);
  return arith::SelectOp::create(b, below, scaled, in[0]);
}
Value thresholdedRelu(NodeOp op, ImplicitLocOpBuilder &b, ValueRange in) {
  return select(b, in[0], Predicate::OGT, getFloat(op, "alpha", 1), in[0], constant(b, 0));
}

/// factor * (exp(x) - 1).
Value exponentialBelow(ImplicitLocOpBuilder &b, double factor, Value x) {
  return scale(b, factor, math::ExpM1Op::create(b, x));
}
Value elu(NodeOp op, ImplicitLocOpBuilder &b, ValueRange in) {
  Value below = exponentialBelow(b, getFloat(op, "alpha", 1), in[0]);
  return select(b, in[0], Predicate::OLT, 0, below, in[0]);
}
Value celu(NodeOp op, ImplicitLocOpBuilder &b, ValueRange in) {
  double alpha = getFloat(op, "alpha", 1);
  Value x = alpha == 1 ? in[0] : arith::DivFOp::create(b, in[0], constant(b, alpha)).getResult();
  // As the definition has it where alpha is negative, too.
  Value zero = constant(b, 0);
  Value above = arith::MaximumFOp::create(b, in[0], zero);
  Value below = arith::MinimumFOp::create(b, exponentialBelow(b, alpha, x), zero);
  return add(b, above, below);
}
Value selu(NodeOp op, ImplicitLocOpBuilder &b, ValueRange in) {
  bool isFirst = op.getSinceVersion() < 6;
  double alpha = getFloat(op, "alpha", isFirst ? 1.6732f : 1.67326319217681884765625f);
  double gamma = getFloat(op, "gamma", isFirst ? 1.0507f : 1.05070102214813232421875f);
  Value below = exponentialBelow(b, alpha, in[0]);
  return scale(b, gamma, select(b, in[0], Predicate::OGT, 0, in[0], below));
}

/// x / 2 * (1 + erf(x / sqrt(2))).
Value gelu(ImplicitLocOpBuilder &b, ValueRange in) {
  Value erf = math::ErfOp::create(b, scale(b, 0.70710678118654752, in[0]));
  return mul(b, scale(b, 0.5, in[0]), add(b, erf, constant(b, 1)));
}
/// The same with tanh(sqrt(2 / pi) * (x + 0.044715 x^3)).
Value fastGelu(ImplicitLocOpBuilder &b, ValueRange in) {
  Value x = in[0], square = mul(b, x, x);
  Value inner = mul(b, x, math::FmaOp::create(b, square, constant(b, 0.044715), constant(b, 1)));
  Value tanh = math::TanhOp::create(b, scale(b, 0.79788456080286536, inner));
  return mul(b, scale(b, 0.5, x), add(b, tanh, constant(b, 1)));
}
Value geluOfKind(NodeOp op, ImplicitLocOpBuilder &b, ValueRange in) {
  return getString(op, "approximate", "none") == "tanh" ? fastGelu(b, in) : gelu(b, in);
}
std::string whyNotGelu(NodeOp op) {
  StringRef kind = getString(op, "approximate", "none");
  return kind == "none" || kind == "tanh" ? whyNotFloats(op) : "approximate is " + kind.str();
}
template <auto function> Value biased(ImplicitLocOpBuilder &b, ValueRange in) {
  return function(b, in.size() > 1 ? add(b, in[0], in[1]) : in[0]);
}

Value swish(NodeOp op, ImplicitLocOpBuilder &b, ValueRange in) {
  return mul(b, in[0], sigmoid(b, scale(b, getFloat(op, "alpha", 1), in[0])));
}
Value quickGelu(NodeOp op, ImplicitLocOpBuilder &b, ValueRange in) {
  return mul(b, in[0], sigmoid(b, scale(b, getFloat(op, "alpha", 1.702f), in[0])));
}
Value hardSigmoid(NodeOp op, ImplicitLocOpBuilder &b, ValueRange in) {
  Value x =
      add(b, scale(b, getFloat(op, "alpha", 0.2f), in[0]), constant(b, getFloat(op, "beta", 0.5f)));
  return clamp(b, x, 0, 1);
}
Value hardSwish(ImplicitLocOpBuilder &b, ValueRange in) {
  Value x = add(b, scale(b, 1.0 / 6, in[0]), constant(b, 0.5));
  return mul(b, in[0], clamp(b, x, 0, 1));
}
/// log(1 + exp(x)) = max(x, 0) + log1p(exp(-|x|)): no overflow.
Value softplus(ImplicitLocOpBuilder &b, ValueRange in) {
  Value size = math::AbsFOp::create(b, in[0]);
  Value power = math::ExpOp::create(b, arith::NegFOp::create(b, size).getResult());
  Value rest = math::Log1pOp::create(b, power);
  return add(b, arith::MaximumFOp::create(b, in[0], constant(b, 0)), rest);
}
Value mish(ImplicitLocOpBuilder &b, ValueRange in) {
  return mul(b, in[0], math::TanhOp::create(b, softplus(b, in)));
}

/// Of integers as of the same real numbers, towards zero.
template <auto function> Value throughReals(NodeOp op, ImplicitLocOpBuilder &b, ValueRange in) {
  if (isa<FloatType>(in[0].getType())) {
    return function(op, b, in[0]);
  }
  bool isUnsigned = isWideUnsigned(op, 0);
  Value x = isUnsigned ? Value(arith::UIToFPOp::create(b, b.getF32Type(), in[0]))
                       : Value(arith::SIToFPOp::create(b, b.getF32Type(), in[0]));
  x = function(op, b, x);
  return isUnsigned ? Value(arith::FPToUIOp::create(b, b.getI32Type(), x))
                    : Value(arith::FPToSIOp::create(b, b.getI32Type(), x));
}
Value shrink(NodeOp op, ImplicitLocOpBuilder &b, Value x) {
  double bound = getFloat(op, "lambd", 0.5f), bias = getFloat(op, "bias", 0);
  Value low = add(b, x, constant(b, bias)), high = add(b, x, constant(b, -bias));
  Value inner = select(b, x, Predicate::OGT, bound, high, constant(b, 0));
  return select(b, x, Predicate::OLT, -bound, low, inner);
}
Value binarize(NodeOp op, ImplicitLocOpBuilder &b, Value x) {
  return select(b, x, Predicate::OGT, getFloat(op, "threshold", 0), constant(b, 1), constant(b, 0));
}

/// A slope before version 7 lies along dimension 1.
SmallVector<Value> convertScaleBelow(NodeOp op, ValueRange inputs, ImplicitLocOpBuilder &b) {
  SmallVector<Value> given(inputs);
  auto type = cast<RankedTensorType>(inputs[0].getType());
  auto slope = cast<RankedTensorType>(inputs[1].getType());
  if (op.getSinceVersion() < 7 && slope.getRank() == 1 && type.getRank() > 1) {
    SmallVector<int64_t> shape(size_t(type.getRank() - 1), 1);
    shape[0] = slope.getDimSize(0);
    given[1] = reshape(b, inputs[1], RankedTensorType::get(shape, slope.getElementType()));
  }
  return convertElements<scaleBelow>(op, given, b);
}

} // namespace

namespace lpu::onnx_lowering {

std::string whyNotNumbers(NodeOp op) {
  std::string reason = whyNotRanked(op);
  for (TypeRange types : {TypeRange(op->getOperandTypes()), TypeRange(op->getResultTypes())}) {
    for (Type type : types) {
      if (reason.empty() && !isa<NoneType>(type) && !getCarriedTensor(type)) {
        reason = "elements are not numbers";
      }
    }
  }
  return reason;
}

std::string whyNotFloats(NodeOp op) {
  std::string reason = whyNotNumbers(op);
  for (TypeRange types : {TypeRange(op->getOperandTypes()), TypeRange(op->getResultTypes())}) {
    for (Type type : types) {
      if (reason.empty() && !isa<NoneType>(type) &&
          !isa<FloatType>(cast<RankedTensorType>(type).getElementType())) {
        reason = "elements are not floats";
      }
    }
  }
  return reason;
}

bool isWideUnsigned(NodeOp op, unsigned index) {
  Type element = cast<RankedTensorType>(op.getInputs()[index].getType()).getElementType();
  return element.isUnsignedInteger() && element.getIntOrFloatBitWidth() >= 32;
}

SmallVector<Value> alignInputs(NodeOp op, ValueRange inputs, ImplicitLocOpBuilder &b) {
  SmallVector<Value> aligned(inputs);
  auto axis = dyn_cast_or_null<IntegerAttr>(op.getNodeAttr("axis"));
  if (op.getSinceVersion() >= 7 || !axis || inputs.size() != 2) {
    return aligned;
  }
  auto first = cast<RankedTensorType>(inputs[0].getType());
  auto second = cast<RankedTensorType>(inputs[1].getType());
  int64_t begin = axis.getInt() < 0 ? axis.getInt() + first.getRank() : axis.getInt();
  SmallVector<int64_t> shape(second.getShape());
  shape.resize(size_t(std::max(second.getRank(), first.getRank() - begin)), 1);
  aligned[1] = reshape(b, inputs[1], RankedTensorType::get(shape, second.getElementType()));
  return aligned;
}

/// (tanh(x / 2) + 1) / 2: no overflow, one function.
Value sigmoid(ImplicitLocOpBuilder &b, ValueRange in) {
  Value half = constant(b, 0.5);
  Value t = math::TanhOp::create(b, mul(b, in[0], half));
  return math::FmaOp::create(b, t, half, half);
}

ArrayRef<Rule> getElementwiseRules() {
  static const Rule rules[] = {
      floatRule<apply<math::SqrtOp>>("Sqrt"),
      floatRule<apply<math::ExpOp>>("Exp"),
      floatRule<apply<math::LogOp>>("Log"),
      floatRule<apply<math::SinOp>>("Sin"),
      floatRule<apply<math::CosOp>>("Cos"),
      floatRule<apply<math::TanOp>>("Tan"),
      floatRule<apply<math::AsinOp>>("Asin"),
      floatRule<apply<math::AcosOp>>("Acos"),
      floatRule<apply<math::AtanOp>>("Atan"),
      floatRule<apply<math::SinhOp>>("Sinh"),
      floatRule<apply<math::CoshOp>>("Cosh"),
      floatRule<apply<math::TanhOp>>("Tanh"),
      floatRule<apply<math::AsinhOp>>("Asinh"),
      floatRule<apply<math::AcoshOp>>("Acosh"),
      floatRule<apply<math::AtanhOp>>("Atanh"),
      floatRule<apply<math::ErfOp>>("Erf"),
      floatRule<sigmoid>("Sigmoid"),
      elementRule<relu>("Relu", 1, Elements::Moved),
      floatRule<leakyRelu>("LeakyRelu"),
      {"", "PRelu", 1, whyNotNumbers, convertScaleBelow},
      floatRule<thresholdedRelu>("ThresholdedRelu"),
      floatRule<elu>("Elu"),
      floatRule<celu>("Celu"),
      floatRule<selu>("Selu"),
      {"", "Gelu", 20, whyNotGelu, convertElements<geluOfKind>},
      floatRule<biased<gelu>>("Gelu", 1, "com.microsoft"),
      floatRule<biased<gelu>>("BiasGelu", 1, "com.microsoft"),
      floatRule<biased<fastGelu>>("FastGelu", 1, "com.microsoft"),
      floatRule<quickGelu>("QuickGelu", 1, "com.microsoft"),
      floatRule<swish>("Swish"),
      floatRule<hardSigmoid>("HardSigmoid"),
      floatRule<hardSwish>("HardSwish"),
      floatRule<mish>("Mish"),
      floatRule<softplus>("Softplus"),
      floatRule<softsign>("Softsign", 1),
      elementRule<throughReals<shrink>>("Shrink"),
      elementRule<throughReals<binarize>>("Binarizer", 1, Elements::Carried, "ai.onnx.ml"),
  };
  return rules;
}
} // namespace lpu::onnx_lowering
