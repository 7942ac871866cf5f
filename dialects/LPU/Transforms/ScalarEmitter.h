//===- ScalarEmitter.h - Functions as operations of the VXM -----*- C++ -*-===//
//
// Every function here emits machine scalars alone (MachineScalars.h), folded
// where operands are constants. ulp: of f32, against the real function.
//
//===----------------------------------------------------------------------===//
#ifndef LPU_TRANSFORMS_SCALAREMITTER_H
#define LPU_TRANSFORMS_SCALAREMITTER_H

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/Builders.h"

namespace mlir::lpu {

class ScalarEmitter {
public:
  ScalarEmitter(OpBuilder &b, Location loc) : b(b), loc(loc) {}

  Type f32() { return b.getF32Type(); }
  Type i32() { return b.getI32Type(); }

  // Constants.
  Value real(double value);
  Value integer(int64_t value);
  Value boolean(bool value);
  Value infinity() { return real(std::numeric_limits<double>::infinity()); }
  Value nan() { return real(std::numeric_limits<double>::quiet_NaN()); }

  // One operation each.
  Value add(Value x, Value y) { return fold<arith::AddFOp>(x, y); }
  Value sub(Value x, Value y) { return fold<arith::SubFOp>(x, y); }
  Value mul(Value x, Value y) { return fold<arith::MulFOp>(x, y); }
  Value mul(Value x, double factor) { return mul(x, real(factor)); }
  Value fma(Value x, Value y, Value z) { return fold<math::FmaOp>(x, y, z); }
  Value fma(Value x, Value y, double z) { return fma(x, y, real(z)); }
  Value neg(Value x) { return fold<arith::NegFOp>(x); }
  Value abs(Value x) { return fold<math::AbsFOp>(x); }
  Value max(Value x, Value y) { return fold<arith::MaximumFOp>(x, y); }
  Value min(Value x, Value y) { return fold<arith::MinimumFOp>(x, y); }
  Value floor(Value x) { return fold<math::FloorOp>(x); }
  Value exp2(Value x) { return fold<math::Exp2Op>(x); }
  Value log2(Value x) { return fold<math::Log2Op>(x); }
  Value tanh(Value x) { return fold<math::TanhOp>(x); }
  Value rsqrt(Value x) { return fold<math::RsqrtOp>(x); }
  Value reciprocal(Value x) { return fold<arith::DivFOp>(real(1), x); }
  Value addi(Value x, Value y) { return fold<arith::AddIOp>(x, y); }
  Value subi(Value x, Value y) { return fold<arith::SubIOp>(x, y); }
  Value muli(Value x, Value y) { return fold<arith::MulIOp>(x, y); }
  Value band(Value x, Value y) { return fold<arith::AndIOp>(x, y); }
  Value bor(Value x, Value y) { return fold<arith::OrIOp>(x, y); }
  Value bxor(Value x, Value y) { return fold<arith::XOrIOp>(x, y); }
  Value shl(Value x, Value y) { return fold<arith::ShLIOp>(x, y); }
  Value shr(Value x, Value y) { return fold<arith::ShRSIOp>(x, y); }
  Value maxi(Value x, Value y) { return fold<arith::MaxSIOp>(x, y); }
  Value mini(Value x, Value y) { return fold<arith::MinSIOp>(x, y); }
  Value toFloat(Value x) { return b.createOrFold<arith::SIToFPOp>(loc, f32(), x); }
  Value select(Value condition, Value yes, Value no) {
    return fold<arith::SelectOp>(condition, yes, no);
  }
  Value equal(Value x, Value y) { return compare(arith::CmpFPredicate::OEQ, x, y); }
  Value less(Value x, Value y) { return compare(arith::CmpFPredicate::OLT, x, y); }
  Value lessEqual(Value x, Value y) { return compare(arith::CmpFPredicate::OLE, x, y); }
  Value equali(Value x, Value y) { return compare(arith::CmpIPredicate::eq, x, y); }
  Value lessi(Value x, Value y) { return compare(arith::CmpIPredicate::slt, x, y); }
  Value compare(arith::CmpFPredicate predicate, Value x, Value y) {
    return b.createOrFold<arith::CmpFOp>(loc, predicate, x, y);
  }
  Value compare(arith::CmpIPredicate predicate, Value x, Value y) {
    return b.createOrFold<arith::CmpIOp>(loc, predicate, x, y);
  }
  /// The nearest integer, halves to even; saturates.
  Value toInteger(Value x);
  /// Free.
  Value bits(Value x) { return b.createOrFold<arith::BitcastOp>(loc, i32(), x); }
  Value fromBits(Value x) { return b.createOrFold<arith::BitcastOp>(loc, f32(), x); }
  Value logicalNot(Value x) { return bxor(x, boolean(true)); }
  Value isNaN(Value x) { return logicalNot(equal(x, x)); }
  /// x unless it is NaN, else y.
  Value unlessNaN(Value x, Value y) { return select(equal(x, x), x, y); }

  // Signs, rounding.
  Value signBit(Value x) { return band(bits(x), integer(INT32_MIN)); }
  /// `magnitude`, not negative, with the sign of `sign`.
  Value withSign(Value magnitude, Value sign) {
    return fromBits(bor(bits(magnitude), signBit(sign)));
  }
  Value ceil(Value x) { return neg(floor(neg(x))); }
  Value trunc(Value x) { return withSign(floor(abs(x)), x); }
  Value roundEven(Value x);
  Value roundAway(Value x);

  // Arithmetic.
  /// Correctly rounded but for ties of double rounding; a divisor below 2^-128
  /// counts as 0.
  Value divide(Value x, Value y);
  /// Exact where |x / y| < 2^44.
  Value remainder(Value x, Value y);
  Value sqrt(Value x) { return reciprocal(rsqrt(x)); }
  struct Division {
    Value quotient, rest;
  };
  /// Exact; what is divided by 0 is some number.
  Division divideSigned(Value x, Value y);
  Division divideUnsigned(Value x, Value y);
  Value unsignedBits(Value x) { return bxor(x, integer(INT32_MIN)); }
  Value lessUnsigned(Value x, Value y) { return lessi(unsignedBits(x), unsignedBits(y)); }
  Value shrUnsigned(Value x, Value by);
  Value unsignedToFloat(Value x);
  Value toUnsigned(Value x);
  Value toSigned(Value x) { return toInteger(trunc(x)); }

  // Functions.
  /// 2^shift exp(x), of numbers that are not smaller than f32 has them; 2 ulp.
  Value exp(Value x, double shift = 0);
  Value expm1(Value x); ///< 4 ulp
  Value log(Value x) { return mul(log2(x), 0.69314718055994531); }
  Value log1p(Value x); ///< 3 ulp
  Value pow(Value x, Value y);
  Value powInteger(Value x, Value y);
  enum class Trigonometric { Sin, Cos, Tan };
  Value trigonometric(Trigonometric function, Value x); ///< 3 ulp below 10^5
  Value asin(Value x);
  Value acos(Value x);
  Value atan(Value x);
  Value atan2(Value y, Value x);
  Value sinh(Value x);
  Value cosh(Value x);
  Value asinh(Value x);
  Value acosh(Value x);
  Value atanh(Value x);
  Value erf(Value x);
  Value erfc(Value x);
  Value cbrt(Value x);

  // Floats of 16 bits and less: rounded to the type and back, and by their
  // bits.
  Value roundTo(Value x, FloatType type);
  Value encode(Value x, FloatType type);
  Value decode(Value bits, FloatType type);

private:
  template <typename Op, typename... Operands> Value fold(Operands... operands) {
    return b.createOrFold<Op>(loc, operands...);
  }
  /// coefficients[0] x^n + ... + coefficients[n].
  Value polynomial(Value x, ArrayRef<double> coefficients);
  Value atanPositive(Value x);
  Value powConstant(Value x, double y);

  OpBuilder &b;
  Location loc;
};

} // namespace mlir::lpu

#endif // LPU_TRANSFORMS_SCALAREMITTER_H
