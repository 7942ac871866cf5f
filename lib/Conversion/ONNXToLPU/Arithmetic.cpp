//===- Arithmetic.cpp - Numbers, bits and rounding ------------------------===//

#include "Elementwise.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace ::lpu::onnx_lowering;
using mlir::onnx::NodeOp;
using Predicate = arith::CmpIPredicate;
using FloatPredicate = arith::CmpFPredicate;

namespace {

bool isFloat(Value value) { return isa<FloatType>(value.getType()); }

/// One operation for floats and one for integers; more than two inputs from the
/// left.
template <typename FloatOp, typename IntOp> Value join(ImplicitLocOpBuilder &b, ValueRange in) {
  Value result = in[0];
  for (Value next : in.drop_front()) {
    result = isFloat(result) ? Value(FloatOp::create(b, result, next))
                             : Value(IntOp::create(b, result, next));
  }
  return result;
}
template <typename FloatOp, typename SignedOp, typename UnsignedOp>
Value joinOrdered(NodeOp op, ImplicitLocOpBuilder &b, ValueRange in) {
  return isWideUnsigned(op, 0) ? join<FloatOp, UnsignedOp>(b, in) : join<FloatOp, SignedOp>(b, in);
}

Value mean(ImplicitLocOpBuilder &b, ValueRange in) {
  Value sum = join<arith::AddFOp, arith::AddIOp>(b, in);
  return in.size() == 1 ? sum : arith::DivFOp::create(b, sum, scalarFloat(b, double(in.size())));
}

/// Every divisor has a quotient: x / 0 = 0 and the lowest integer / -1 wraps,
/// as in numpy.
struct SafeDivisor {
  Value isZero, isMinusOne, divisor;
  SafeDivisor(ImplicitLocOpBuilder &b, Value by, bool isUnsigned) {
    Value one = scalarInt(b, 1);
    isZero = arith::CmpIOp::create(b, Predicate::eq, by, scalarInt(b, 0));
    divisor = arith::SelectOp::create(b, isZero, one, by);
    if (!isUnsigned) {
      isMinusOne = arith::CmpIOp::create(b, Predicate::eq, by, scalarInt(b, -1));
      divisor = arith::SelectOp::create(b, isMinusOne, one, divisor);
    }
  }
};

Value divide(NodeOp op, ImplicitLocOpBuilder &b, ValueRange in) {
  if (isFloat(in[0])) {
    return arith::DivFOp::create(b, in[0], in[1]);
  }
  bool isUnsigned = isWideUnsigned(op, 0);
  SafeDivisor safe(b, in[1], isUnsigned);
  Value zero = scalarInt(b, 0);
  Value quotient = isUnsigned ? Value(arith::DivUIOp::create(b, in[0], safe.divisor))
                              : Value(arith::DivSIOp::create(b, in[0], safe.divisor));
  if (!isUnsigned) {
    Value negated = arith::SubIOp::create(b, zero, in[0]);
    quotient = arith::SelectOp::create(b, safe.isMinusOne, negated, quotient);
  }
  return arith::SelectOp::create(b, safe.isZero, zero, quotient);
}

/// The remainder has the sign of the divisor, or with fmod that of the
/// dividend.
Value modulo(NodeOp op, ImplicitLocOpBuilder &b, ValueRange in) {
  bool isTruncated = getInt(op, "fmod", 0) != 0;
  Value rest, isOther;
  if (isFloat(in[0])) {
    rest = arith::RemFOp::create(b, in[0], in[1]);
    Value zero = scalarFloat(b, 0);
    Value restIsLow = arith::CmpFOp::create(b, FloatPredicate::OLT, rest, zero);
    Value isLow = arith::CmpFOp::create(b, FloatPredicate::OLT, in[1], zero);
    Value isRest = arith::CmpFOp::create(b, FloatPredicate::ONE, rest, zero);
    isOther =
        arith::AndIOp::create(b, arith::XOrIOp::create(b, restIsLow, isLow).getResult(), isRest);
    Value moved = arith::AddFOp::create(b, rest, in[1]);
    return isTruncated ? rest : arith::SelectOp::create(b, isOther, moved, rest).getResult();
  }
  bool isUnsigned = isWideUnsigned(op, 0);
  SafeDivisor safe(b, in[1], isUnsigned);
  if (isUnsigned) {
    rest = arith::RemUIOp::create(b, in[0], safe.divisor);
    return rest;
  }
  rest = arith::RemSIOp::create(b, in[0], safe.divisor);
  if (isTruncated) {
    return rest;
  }
  Value zero = scalarInt(b, 0);
  Value signs = arith::XOrIOp::create(b, rest, in[1]);
  Value differ = arith::CmpIOp::create(b, Predicate::slt, signs, zero);
  Value isRest = arith::CmpIOp::create(b, Predicate::ne, rest, zero);
  isOther = arith::AndIOp::create(b, differ, isRest);
  return arith::SelectOp::create(b, isOther, arith::AddIOp::create(b, rest, in[1]).getResult(),
                                 rest);
}

Value toFloat(NodeOp op, unsigned index, ImplicitLocOpBuilder &b, Value value) {
  return isFloat(value)              ? value
         : isWideUnsigned(op, index) ? Value(arith::UIToFPOp::create(b, b.getF32Type(), value))
                                     : Value(arith::SIToFPOp::create(b, b.getF32Type(), value));
}

/// The result has the type of the base, whatever the exponent's.
Value power(NodeOp op, ImplicitLocOpBuilder &b, ValueRange in) {
  if (!isFloat(in[0]) && !isFloat(in[1])) {
    return math::IPowIOp::create(b, in[0], in[1]);
  }
  Value result = math::PowFOp::create(b, toFloat(op, 0, b, in[0]), toFloat(op, 1, b, in[1]));
  if (isFloat(in[0])) {
    return result;
  }
  return isWideUnsigned(op, 0) ? Value(arith::FPToUIOp::create(b, b.getI32Type(), result))
                               : Value(arith::FPToSIOp::create(b, b.getI32Type(), result));
}

Value negate(ImplicitLocOpBuilder &b, ValueRange in) {
  return isFloat(in[0]) ? Value(arith::NegFOp::create(b, in[0]))
                        : Value(arith::SubIOp::create(b, scalarInt(b, 0), in[0]));
}

Value absolute(NodeOp op, ImplicitLocOpBuilder &b, ValueRange in) {
  return isFloat(in[0])          ? Value(math::AbsFOp::create(b, in[0]))
         : isWideUnsigned(op, 0) ? in[0]
                                 : Value(math::AbsIOp::create(b, in[0]));
}

/// Zeros and NaN are their own sign.
Value sign(NodeOp op, ImplicitLocOpBuilder &b, ValueRange in) {
  Value x = in[0];
  if (isFloat(x)) {
    Value zero = scalarFloat(b, 0);
    Value isHigh = arith::CmpFOp::create(b, FloatPredicate::OGT, x, zero);
    Value isLow = arith::CmpFOp::create(b, FloatPredicate::OLT, x, zero);
    Value low = arith::SelectOp::create(b, isLow, scalarFloat(b, -1), x);
    return arith::SelectOp::create(b, isHigh, scalarFloat(b, 1), low);
  }
  Value one = scalarInt(b, 1);
  if (isWideUnsigned(op, 0)) {
    return arith::MinUIOp::create(b, x, one);
  }
  return arith::MaxSIOp::create(b, arith::MinSIOp::create(b, x, one).getResult(), scalarInt(b, -1));
}

template <typename Op> Value round(ImplicitLocOpBuilder &b, ValueRange in) {
  return Op::create(b, in[0]);
}

Value reciprocal(ImplicitLocOpBuilder &b, ValueRange in) {
  return arith::DivFOp::create(b, scalarFloat(b, 1), in[0]);
}

/// Shifts by the width and more are zero.
Value shift(NodeOp op, ImplicitLocOpBuilder &b, ValueRange in) {
  Value shifted = getString(op, "direction", "") == "LEFT"
                      ? Value(arith::ShLIOp::create(b, in[0], in[1]))
                      : Value(arith::ShRUIOp::create(b, in[0], in[1]));
  Predicate below = isWideUnsigned(op, 1) ? Predicate::ult : Predicate::slt;
  Value fits = arith::CmpIOp::create(b, below, in[1], scalarInt(b, 32));
  return arith::SelectOp::create(b, fits, shifted, scalarInt(b, 0));
}
std::string whyNotShift(NodeOp op) {
  StringRef direction = getString(op, "direction", "");
  return direction == "LEFT" || direction == "RIGHT" ? whyNotNumbers(op)
                                                     : "direction is neither LEFT nor RIGHT";
}

/// The bits of 8, 16 ... or of all that are carried.
Value invert(ImplicitLocOpBuilder &b, ValueRange in) {
  return arith::XOrIOp::create(b, in[0], scalar(b, in[0].getType(), -1));
}
template <typename Op> Value bits(ImplicitLocOpBuilder &b, ValueRange in) {
  return Op::create(b, in[0], in[1]);
}

Value limit(NodeOp op, ImplicitLocOpBuilder &b, Value x, Value least, Value most) {
  if (least) {
    x = joinOrdered<arith::MaximumFOp, arith::MaxSIOp, arith::MaxUIOp>(op, b, {x, least});
  }
  return most ? joinOrdered<arith::MinimumFOp, arith::MinSIOp, arith::MinUIOp>(op, b, {x, most})
              : x;
}
/// Bounds are attributes before version 11.
SmallVector<Value> convertClip(NodeOp op, ValueRange inputs, ImplicitLocOpBuilder &b) {
  auto type = cast<RankedTensorType>(inputs[0].getType());
  bool hasAttributes = op.getSinceVersion() < 11;
  bool hasLeast = op.hasInput(1), hasMost = op.hasInput(2);
  SmallVector<Value> given{inputs[0]};
  if (hasLeast) {
    given.push_back(inputs[1]);
  }
  if (hasMost) {
    given.push_back(inputs[2]);
  }
  constexpr float kLargest = std::numeric_limits<float>::max();
  return {mapElements(
      b, type.getShape(), type.getElementType(), given,
      [&](ImplicitLocOpBuilder &at, ValueRange in) {
        if (hasAttributes) {
          return limit(op, at, in[0], scalarFloat(at, getFloat(op, "min", -kLargest)),
                       scalarFloat(at, getFloat(op, "max", kLargest)));
        }
        return limit(op, at, in[0], hasLeast ? in[1] : Value(), hasMost ? in.back() : Value());
      })};
}

} // namespace

namespace lpu::onnx_lowering {
ArrayRef<Rule> getArithmeticRules() {
  static const Rule rules[] = {
      elementRule<join<arith::AddFOp, arith::AddIOp>>("Add"),
      elementRule<join<arith::SubFOp, arith::SubIOp>>("Sub"),
      elementRule<join<arith::MulFOp, arith::MulIOp>>("Mul"),
      elementRule<divide>("Div"),
      elementRule<modulo>("Mod"),
      elementRule<power>("Pow"),
      elementRule<join<arith::AddFOp, arith::AddIOp>>("Sum"),
      floatRule<mean>("Mean"),
      elementRule<joinOrdered<arith::MinimumFOp, arith::MinSIOp, arith::MinUIOp>>("Min", 1,
                                                                                  Elements::Moved),
      elementRule<joinOrdered<arith::MaximumFOp, arith::MaxSIOp, arith::MaxUIOp>>("Max", 1,
                                                                                  Elements::Moved),
      elementRule<negate>("Neg"),
      elementRule<absolute>("Abs"),
      elementRule<sign>("Sign"),
      floatRule<reciprocal>("Reciprocal"),
      floatRule<round<math::FloorOp>>("Floor"),
      floatRule<round<math::CeilOp>>("Ceil"),
      floatRule<round<math::RoundEvenOp>>("Round"),
      {"", "Clip", 1, whyNotNumbers, convertClip, Elements::Moved},
      {"", "BitShift", 11, whyNotShift, convertElements<shift>},
      elementRule<bits<arith::AndIOp>>("BitwiseAnd"),
      elementRule<bits<arith::OrIOp>>("BitwiseOr"),
      elementRule<bits<arith::XOrIOp>>("BitwiseXor"),
      elementRule<invert>("BitwiseNot"),
  };
  return rules;
}
} // namespace lpu::onnx_lowering
