//===- ScalarEmitter.cpp - Functions as operations of the VXM -------------===//

#include "ScalarEmitter.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace mlir::lpu;

namespace {
constexpr double kLog2E = 1.4426950408889634;
constexpr double kLn2 = 0.69314718055994531;
constexpr double kHalfPi = 1.5707963267948966;

/// What f32 leaves of a constant.
double restOf(double value) { return value - double(float(value)); }
} // namespace

//===----------------------------------------------------------------------===//
// Constants and rounding
//===----------------------------------------------------------------------===//

Value ScalarEmitter::real(double value) {
  return arith::ConstantOp::create(b, loc, b.getF32FloatAttr(float(value)));
}
Value ScalarEmitter::integer(int64_t value) {
  return arith::ConstantOp::create(b, loc, b.getI32IntegerAttr(int32_t(value)));
}
Value ScalarEmitter::boolean(bool value) {
  return arith::ConstantOp::create(b, loc, b.getBoolAttr(value));
}

Value ScalarEmitter::polynomial(Value x, ArrayRef<double> coefficients) {
  Value result = real(coefficients.front());
  for (double next : coefficients.drop_front()) {
    result = fma(result, x, next);
  }
  return result;
}

Value ScalarEmitter::toInteger(Value x) {
  // Not folded: roundeven and fptosi are one operation together.
  Value rounded = math::RoundEvenOp::create(b, loc, x);
  return arith::FPToSIOp::create(b, loc, i32(), rounded);
}

/// Beyond 2^23 there are integers alone; adding it rounds to them.
Value ScalarEmitter::roundEven(Value x) {
  Value magnitude = abs(x), limit = real(8388608);
  Value rounded = sub(add(magnitude, limit), limit);
  return withSign(select(less(magnitude, limit), rounded, magnitude), x);
}

Value ScalarEmitter::roundAway(Value x) {
  Value magnitude = abs(x), whole = floor(magnitude);
  Value isUp = lessEqual(real(0.5), sub(magnitude, whole));
  return withSign(add(whole, select(isUp, real(1), real(0))), x);
}

//===----------------------------------------------------------------------===//
// Arithmetic
//===----------------------------------------------------------------------===//

/// A product with the reciprocal, corrected by its remainder. Where that is not
/// a number, for zeros and infinities, the product is right.
Value ScalarEmitter::divide(Value x, Value y) {
  APFloat constant(0.0f);
  if (matchPattern(y, m_ConstantFloat(&constant))) {
    APFloat inverse(0.0f);
    if (constant.getExactInverse(&inverse)) {
      return mul(x, inverse.convertToDouble());
    }
  }
  if (matchPattern(x, m_OneFloat())) {
    return reciprocal(y);
  }
  Value inverse = reciprocal(y), quotient = mul(x, inverse);
  Value rest = fma(neg(y), quotient, x);
  return unlessNaN(fma(rest, inverse, quotient), quotient);
}

/// x - n y, twice: a float has 24 bits of n at a time.
Value ScalarEmitter::remainder(Value x, Value y) {
  Value dividend = abs(x), divisor = abs(y), negated = neg(divisor);
  Value inverse = reciprocal(divisor), rest = dividend;
  for (int step = 0; step < 2; ++step) {
    Value quotient = roundEven(mul(rest, inverse));
    rest = fma(quotient, negated, rest);
  }
  rest = select(less(rest, real(0)), add(rest, divisor), rest);
  rest = select(less(rest, divisor), rest, sub(rest, divisor));
  // Of small and of infinite divisors the dividend is left; infinity and 0 have
  // no remainder.
  rest = select(less(dividend, divisor), dividend, rest);
  return withSign(abs(rest), x);
}

/// A quotient to 22 bits by floats, then that of what is left; rounded to
/// nearest, the sign of the remainder says whether it has to come one towards
/// zero.
ScalarEmitter::Division ScalarEmitter::divideSigned(Value x, Value y) {
  Value inverse = reciprocal(toFloat(y));
  Value quotient = toInteger(mul(toFloat(x), inverse));
  Value rest = subi(x, muli(quotient, y));
  Value more = toInteger(mul(toFloat(rest), inverse));
  quotient = addi(quotient, more);
  rest = subi(rest, muli(more, y));
  Value zero = integer(0);
  // 1 or -1: the sign of the quotient.
  Value step = bor(shr(bxor(x, y), integer(31)), integer(1));
  Value isOver = band(lessi(bxor(rest, x), zero), logicalNot(equali(rest, zero)));
  return {select(isOver, subi(quotient, step), quotient),
          select(isOver, addi(rest, muli(step, y)), rest)};
}

/// Halves of dividends are signed; divisors of 2^31 and more go once or not at
/// all.
ScalarEmitter::Division ScalarEmitter::divideUnsigned(Value x, Value y) {
  Value one = integer(1), zero = integer(0);
  Value half = divideSigned(shrUnsigned(x, one), y).quotient;
  Value quotient = select(lessi(y, zero), zero, shl(half, one));
  Value rest = subi(x, muli(quotient, y));
  Value isMore = logicalNot(lessUnsigned(rest, y));
  return {select(isMore, addi(quotient, one), quotient), select(isMore, subi(rest, y), rest)};
}

Value ScalarEmitter::shrUnsigned(Value x, Value by) {
  APInt constant;
  if (matchPattern(by, m_ConstantInt(&constant))) {
    uint64_t n = constant.getZExtValue();
    return n == 0 ? x : n < 32 ? band(shr(x, by), integer(int64_t(0xffffffffu >> n))) : integer(0);
  }
  // Ones from bit 31 - by on, then one more, are the copies of the sign.
  Value copies = shl(shr(integer(INT32_MIN), by), integer(1));
  return band(shr(x, by), bxor(copies, integer(-1)));
}

/// Both halves are exact, and so is all but the last rounding.
Value ScalarEmitter::unsignedToFloat(Value x) {
  Value high = band(shr(x, integer(16)), integer(0xffff));
  Value low = band(x, integer(0xffff));
  return fma(toFloat(high), real(65536), toFloat(low));
}

Value ScalarEmitter::toUnsigned(Value x) {
  Value whole = min(max(floor(x), real(0)), real(4294967040.0));
  Value isHigh = lessEqual(real(2147483648.0), whole);
  return toInteger(select(isHigh, sub(whole, real(4294967296.0)), whole));
}

//===----------------------------------------------------------------------===//
// Exponentials and logarithms
//===----------------------------------------------------------------------===//

/// 2^(x log2(e)), with what rounding the exponent leaves out.
Value ScalarEmitter::exp(Value x, double shift) {
  x = min(max(x, real(-110)), real(90 - shift));
  Value exponent = mul(x, kLog2E);
  Value rest = fma(x, real(restOf(kLog2E)), fma(x, real(kLog2E), neg(exponent)));
  Value power = exp2(shift == 0 ? exponent : add(exponent, real(shift)));
  return mul(power, fma(rest, real(kLn2), 1));
}

/// 2 t / (1 - t) with t = tanh(x / 2) near zero.
Value ScalarEmitter::expm1(Value x) {
  Value t = tanh(mul(x, 0.5));
  Value near = mul(add(t, t), reciprocal(sub(real(1), t)));
  Value far = add(exp(x), real(-1));
  return select(less(abs(x), real(1)), near, far);
}

/// log(1 + x) and what rounding 1 + x leaves out.
Value ScalarEmitter::log1p(Value x) {
  Value one = real(1), sum = add(x, one);
  // The error of the sum, exact in either order of sizes.
  Value back = sub(sum, one);
  Value rest = add(sub(x, back), sub(one, sub(sum, back)));
  Value main = log(sum);
  return unlessNaN(fma(rest, reciprocal(sum), main), main);
}

Value ScalarEmitter::powConstant(Value x, double y) {
  double size = std::fabs(y);
  constexpr double kMostProducts = 16;
  double whole = std::floor(size);
  if ((size != whole && size != whole + 0.5) || size > kMostProducts) {
    return {};
  }
  if (y == -0.5) {
    return rsqrt(x);
  }
  Value result = size == whole ? Value() : sqrt(x);
  Value power = x;
  for (auto rest = unsigned(whole); rest != 0; rest /= 2) {
    if (rest % 2 != 0) {
      result = result ? mul(result, power) : power;
    }
    power = rest > 1 ? mul(power, power) : power;
  }
  result = result ? result : real(1);
  return y < 0 ? reciprocal(result) : result;
}

/// 2^(y log2 |x|) with the logarithm in two floats, so that powers that are
/// integers come out exactly; then signs and what has no logarithm.
Value ScalarEmitter::pow(Value x, Value y) {
  APFloat constant(0.0f);
  if (matchPattern(y, m_ConstantFloat(&constant))) {
    if (Value power = powConstant(x, constant.convertToDouble())) {
      return power;
    }
  }
  // |x| = 2^e m with m from sqrt(1/2) to sqrt(2); subnormal numbers are scaled
  // first.
  Value size = abs(x);
  Value isSmall = less(size, real(0x1p-126));
  Value normal = select(isSmall, mul(size, 0x1p24), size);
  constexpr int32_t kRootOfHalf = 0x3f3504f3;
  Value e = shr(subi(bits(normal), integer(kRootOfHalf)), integer(23));
  Value m = fromBits(subi(bits(normal), shl(e, integer(23))));
  Value exponent = add(toFloat(e), select(isSmall, real(-24), real(0)));
  // log2(m) = C (s + s^3/3 + s^5/5 + ...), s = (m - 1) / (m + 1) in two floats.
  Value f = add(m, real(-1)), g = add(m, real(1));
  Value restOfG = sub(m, add(g, real(-1)));
  Value inverse = reciprocal(g), s = mul(f, inverse), negatedS = neg(s);
  Value restOfS = mul(fma(negatedS, restOfG, fma(negatedS, g, f)), inverse);
  Value z = mul(s, s);
  Value p = mul(polynomial(z, {1.0 / 11, 1.0 / 9, 1.0 / 7, 1.0 / 5, 1.0 / 3}), z);
  constexpr double kC = 2.8853900817779268;
  Value high = mul(s, kC);
  Value low = fma(s, real(kC), neg(high));
  low = fma(s, real(restOf(kC)), low);
  low = fma(fma(s, p, restOfS), real(kC), low);
  Value sum = add(exponent, high);
  low = add(low, sub(high, sub(sum, exponent)));
  high = add(sum, low);
  low = sub(low, sub(high, sum));
  // 2^(n + r), |r| <= 1/2.
  // No number but 1 has powers beyond these that are not 0 or infinite.
  Value power = min(max(y, real(-1e10)), real(1e10));
  Value product = mul(power, high);
  Value rest = fma(power, low, fma(power, high, neg(product)));
  // Far out of range, what the product leaves out is large, too.
  rest = min(max(rest, real(-1)), real(1));
  product = min(max(product, real(-160)), real(130));
  Value n = roundEven(product);
  Value r = add(sub(product, n), rest);
  double coefficients[7], term = 1;
  for (int k = 1; k <= 7; ++k) {
    term *= kLn2 / k;
    coefficients[7 - k] = term;
  }
  Value core = fma(polynomial(r, coefficients), r, 1);
  // In two factors: 2^128 and 2^-150 are no floats.
  Value half = floor(mul(n, 0.5));
  core = mul(mul(core, exp2(half)), exp2(sub(n, half)));
  // Zeros, infinities and NaN.
  Value log = log2(size), plain = exp2(mul(y, log));
  Value isPlain = less(abs(log), real(1000));
  core = select(isPlain, unlessNaN(core, plain), plain);
  Value isOne = bor(equal(y, real(0)), equal(x, real(1)));
  core = select(isOne, real(1), core);
  // Of negative numbers, odd powers are negative and broken ones NaN.
  Value halfOfY = mul(y, 0.5);
  Value isWhole = equal(floor(y), y),
        isOdd = band(isWhole, logicalNot(equal(floor(halfOfY), halfOfY)));
  Value isNegative = band(less(x, real(0)), less(size, infinity()));
  Value isBroken = band(isNegative, band(logicalNot(isWhole), equal(y, y)));
  Value sign = select(isOdd, signBit(x), integer(0));
  return select(isBroken, nan(), fromBits(bor(bits(core), sign)));
}

/// Squares and products, for each bit of the exponent; of negative exponents 1,
/// -1 and 0 are left.
Value ScalarEmitter::powInteger(Value x, Value y) {
  Value result = integer(1), power = x, zero = integer(0);
  APInt constant;
  bool isConstant = matchPattern(y, m_ConstantInt(&constant));
  constexpr unsigned kBits = 31;
  unsigned used = isConstant && !constant.isNegative() ? constant.getActiveBits() : kBits;
  for (unsigned bit = 0; bit < used; ++bit) {
    Value isSet = equali(band(y, integer(int64_t(1) << bit)), zero);
    result = select(isSet, result, muli(result, power));
    power = bit + 1 < used ? muli(power, power) : power;
  }
  Value isUnit = band(lessi(integer(-2), x), lessi(x, integer(2)));
  // Of 1 and -1, the power of the low bits is that of the negated exponent,
  // too.
  Value negative = select(isUnit, result, zero);
  return select(lessi(y, zero), negative, result);
}

Value ScalarEmitter::cbrt(Value x) {
  Value size = abs(x), root = exp2(mul(log2(size), 1.0 / 3));
  // One step of Newton: root - (root - size / root^2) / 3.
  Value wanted = mul(size, reciprocal(mul(root, root)));
  Value better = fma(sub(wanted, root), real(1.0 / 3), root);
  return withSign(unlessNaN(better, root), x);
}

//===----------------------------------------------------------------------===//
// Circular and hyperbolic functions
//===----------------------------------------------------------------------===//

/// x = k pi/2 + r with pi/2 in three floats; k is in the low bits of x 2/pi
/// + 1.5 * 2^23.
Value ScalarEmitter::trigonometric(Trigonometric function, Value x) {
  constexpr double kRound = 12582912;
  double first = float(kHalfPi), second = float(kHalfPi - first);
  constexpr double kThird = -1.7151245100058819e-15;
  Value shifted = fma(x, real(1 / kHalfPi), kRound);
  Value k = sub(shifted, real(kRound)), quadrant = bits(shifted);
  Value r = fma(k, real(-first), x);
  r = fma(k, real(-second), r);
  r = fma(k, real(-kThird), r);
  Value z = mul(r, r);
  Value sine =
      fma(mul(polynomial(z, {-1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1}), z), r, r);
  Value cosine = polynomial(z, {2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2});
  cosine = fma(mul(cosine, z), z, fma(z, real(-0.5), 1));
  Value isEven = equali(band(quadrant, integer(1)), integer(0));
  if (function == Trigonometric::Tan) {
    return divide(select(isEven, sine, cosine), select(isEven, cosine, neg(sine)));
  }
  if (function == Trigonometric::Cos) {
    quadrant = addi(quadrant, integer(1));
    isEven = logicalNot(isEven);
  }
  Value value = select(isEven, sine, cosine);
  Value sign = shl(band(quadrant, integer(2)), integer(30));
  return fromBits(bxor(bits(value), sign));
}

/// Beyond 1/2, of sqrt((1 - x) / 2).
Value ScalarEmitter::asin(Value x) {
  Value size = abs(x), isFar = less(real(0.5), size);
  Value z = select(isFar, fma(size, real(-0.5), 0.5), mul(size, size));
  Value s = select(isFar, sqrt(z), size);
  Value p = polynomial(
      z, {4.2163199048e-2, 2.4181311049e-2, 4.5470025998e-2, 7.4953002686e-2, 1.6666752422e-1});
  Value near = fma(mul(p, z), s, s);
  return withSign(select(isFar, fma(near, real(-2), kHalfPi), near), x);
}

Value ScalarEmitter::acos(Value x) {
  Value size = abs(x), isFar = less(real(0.5), size);
  Value z = select(isFar, fma(size, real(-0.5), 0.5), mul(size, size));
  Value s = select(isFar, sqrt(z), size);
  Value p = polynomial(
      z, {4.2163199048e-2, 2.4181311049e-2, 4.5470025998e-2, 7.4953002686e-2, 1.6666752422e-1});
  Value near = fma(mul(p, z), s, s), isLow = less(x, real(0));
  // acos(x) = 2 asin(s) or pi minus that; pi/2 minus asin(x).
  Value twice = add(near, near);
  Value far = select(isLow, sub(real(2 * kHalfPi), twice), twice);
  Value signedNear = withSign(near, x);
  return select(isFar, far, add(sub(real(kHalfPi), signedNear), real(restOf(kHalfPi))));
}

/// Of x >= 0: around 0, 1 and infinity.
Value ScalarEmitter::atanPositive(Value x) {
  Value isFar = less(real(2.414213562373095), x), isMiddle = less(real(0.4142135623730950), x);
  Value one = real(1);
  Value top = select(isFar, real(-1), select(isMiddle, add(x, real(-1)), x));
  Value bottom = select(isFar, x, select(isMiddle, add(x, one), one));
  Value t = mul(top, reciprocal(bottom));
  Value base = select(isFar, real(kHalfPi), select(isMiddle, real(kHalfPi / 2), real(0)));
  Value z = mul(t, t);
  Value p =
      polynomial(z, {8.05374449538e-2, -1.38776856032e-1, 1.99777106478e-1, -3.33329491539e-1});
  return add(base, fma(mul(p, z), t, t));
}

Value ScalarEmitter::atan(Value x) { return withSign(atanPositive(abs(x)), x); }

Value ScalarEmitter::atan2(Value y, Value x) {
  Value high = abs(y), wide = abs(x);
  // Both infinite or both zero: 1, or 0.
  Value isSame = equal(high, wide), isZero = equal(high, real(0));
  Value same = select(isZero, real(0), real(1));
  Value ratio = select(isSame, same, divide(high, wide));
  Value angle = atanPositive(ratio);
  Value isLow = lessi(bits(x), integer(0));
  return withSign(select(isLow, sub(real(2 * kHalfPi), angle), angle), y);
}

Value ScalarEmitter::sinh(Value x) {
  Value size = abs(x), z = mul(x, x);
  Value p = polynomial(z, {2.03721912945e-4, 8.33028376239e-3, 1.66667160211e-1});
  Value near = fma(mul(p, z), x, x);
  Value half = exp(size, -1);
  Value far = withSign(fma(reciprocal(half), real(-0.25), half), x);
  return select(less(size, real(1)), near, far);
}

Value ScalarEmitter::cosh(Value x) {
  Value half = exp(abs(x), -1);
  return fma(reciprocal(half), real(0.25), half);
}

/// log1p(x + x^2 / (1 + sqrt(1 + x^2))); of large numbers log(2 x).
Value ScalarEmitter::asinh(Value x) {
  Value size = abs(x), square = mul(size, size), one = real(1);
  Value root = sqrt(add(square, one));
  Value near = log1p(fma(square, reciprocal(add(root, one)), size));
  Value far = add(log(size), real(kLn2));
  return withSign(select(less(size, real(1e8)), near, far), x);
}

Value ScalarEmitter::acosh(Value x) {
  Value t = add(x, real(-1));
  Value near = log1p(add(t, sqrt(fma(t, t, add(t, t)))));
  Value far = add(log(x), real(kLn2));
  near = select(less(t, real(0)), nan(), near);
  return select(less(real(1e8), x), far, near);
}

Value ScalarEmitter::atanh(Value x) {
  Value size = abs(x);
  Value ratio = divide(add(size, size), sub(real(1), size));
  return withSign(mul(log1p(ratio), 0.5), x);
}

/// A polynomial near zero, 1 - exp of one beyond.
Value ScalarEmitter::erf(Value x) {
  Value t = abs(x), s = mul(x, x);
  Value far = polynomial(t, {-1.72853470e-5, 3.83197126e-4});
  far = fma(far, s, polynomial(t, {-3.88396438e-3, 2.42546219e-2}));
  for (double next : {-1.06777877e-1, -6.34846687e-1, -1.28717512e-1}) {
    far = fma(far, t, next);
  }
  far = fma(far, t, neg(t));
  far = sub(real(1), exp2(mul(far, kLog2E)));
  // Beyond 4 it is 1, and the polynomial may turn.
  far = select(less(real(4), t), real(1), far);
  Value near = polynomial(s, {-5.96761703e-4, 4.99119423e-3, -2.67681349e-2, 1.12819925e-1,
                              -3.76125336e-1, 1.28379166e-1});
  near = fma(near, x, x);
  return select(lessEqual(t, real(0.927734375)), near, withSign(far, x));
}

/// exp(-x^2) times a fraction in t = 1 / (1 + x / 2) beyond 1/2 (Press et al.,
/// erfcc with f32's precision); 1 - erf(x) below.
Value ScalarEmitter::erfc(Value x) {
  Value size = abs(x);
  Value t = reciprocal(fma(size, real(0.5), 1));
  Value p = polynomial(t, {0.17087277, -0.82215223, 1.48851587, -1.13520398, 0.27886807,
                           -0.18628806, 0.09678418, 0.37409196, 1.00002368, -1.26551223});
  Value square = mul(size, size), rest = fma(size, size, neg(square));
  Value far = mul(mul(t, exp(sub(p, square))), sub(real(1), rest));
  far = select(less(x, real(0)), sub(real(2), far), far);
  return select(less(size, real(0.5)), sub(real(1), erf(x)), far);
}

//===----------------------------------------------------------------------===//
// Floats of 16 bits and less
//===----------------------------------------------------------------------===//

namespace {
struct SmallFloat {
  unsigned mantissa; ///< bits
  int bias;
  double largest;
  bool hasInfinity;     ///< then beyond the largest there is infinity, else NaN
  bool hasNegativeZero; ///< else its bits are NaN
  bool hasNaN;

  explicit SmallFloat(FloatType type) {
    const llvm::fltSemantics &semantics = type.getFloatSemantics();
    mantissa = APFloat::semanticsPrecision(semantics) - 1;
    bias = 1 - APFloat::semanticsMinExponent(semantics);
    largest = APFloat::getLargest(semantics).convertToDouble();
    hasInfinity = APFloat::semanticsHasInf(semantics);
    hasNaN = APFloat::semanticsHasNaN(semantics);
    hasNegativeZero = !isa<Float8E4M3FNUZType, Float8E5M2FNUZType, Float8E4M3B11FNUZType>(type);
  }
};
} // namespace

Value ScalarEmitter::roundTo(Value x, FloatType type) {
  if (isa<BFloat16Type>(type)) {
    Value word = bits(x), odd = band(shr(word, integer(16)), integer(1));
    Value rounded = addi(addi(word, integer(0x7fff)), odd);
    Value value = fromBits(band(rounded, integer(int32_t(0xffff0000))));
    return select(equal(x, x), value, nan());
  }
  if (isa<Float8E8M0FNUType>(type)) {
    // Powers of two alone, from 2^-127, which is subnormal; halves go up.
    Value word = bits(x), isNormal = lessi(integer(0x7fffff), word);
    Value up = select(isNormal, integer(0x400000), integer(0x200000));
    Value exponent = shr(addi(word, up), integer(23));
    Value power = shl(exponent, integer(23));
    power = select(equali(exponent, integer(0)), integer(0x400000), power);
    Value isOut = bor(lessi(word, integer(0)), lessi(integer(254), exponent));
    isOut = bor(isOut, lessi(integer(0x7f7fffff), word));
    return fromBits(select(isOut, bits(nan()), power));
  }
  if (isa<Float16Type>(type)) {
    Value within = min(max(x, real(-65504)), real(65504));
    Value small = arith::TruncFOp::create(b, loc, type, within);
    Value rounded = arith::ExtFOp::create(b, loc, f32(), small);
    return select(less(abs(x), real(65520)), rounded, mul(x, infinity()));
  }
  SmallFloat format(type);
  // Adding 1.5 * 2^k rounds to the last bit of the type, which is 2^(k - 23).
  Value size = min(abs(x), real(2 * format.largest));
  Value exponent = band(bits(size), integer(0x7f800000));
  Value least = integer((128 - format.bias) << 23);
  Value aligned =
      addi(maxi(exponent, least), integer((23 - int(format.mantissa)) << 23 | 0x400000));
  Value rounded = sub(add(size, fromBits(aligned)), fromBits(aligned));
  Value largest = real(format.largest);
  rounded = !format.hasNaN ? min(rounded, largest)
                           : select(lessEqual(rounded, largest), rounded,
                                    format.hasInfinity ? mul(rounded, infinity()) : nan());
  Value result = withSign(rounded, x);
  return format.hasNegativeZero ? result : add(result, real(0));
}

Value ScalarEmitter::encode(Value x, FloatType type) {
  Value rounded = roundTo(x, type), word = bits(rounded);
  if (isa<BFloat16Type>(type)) {
    return band(shr(word, integer(16)), integer(0xffff));
  }
  if (isa<Float8E8M0FNUType>(type)) {
    return band(shr(word, integer(23)), integer(0xff));
  }
  SmallFloat format(type);
  unsigned width = type.getWidth();
  int64_t signBitOfType = int64_t(1) << (width - 1);
  // Scaled so that the exponents agree; subnormal numbers become such of f32.
  Value scaled = mul(abs(rounded), std::ldexp(1.0, format.bias - 127));
  Value small = shr(bits(scaled), integer(23 - format.mantissa));
  auto patternOf = [&](const APFloat &value) {
    return integer(int64_t(value.bitcastToAPInt().getZExtValue()));
  };
  const llvm::fltSemantics &semantics = type.getFloatSemantics();
  if (format.hasInfinity) {
    Value isFinite = lessEqual(abs(rounded), real(format.largest));
    small = select(isFinite, small, patternOf(APFloat::getInf(semantics)));
  }
  Value sign = band(shr(word, integer(32 - width)), integer(signBitOfType));
  small = bor(small, sign);
  if (format.hasNaN) {
    small = select(equal(rounded, rounded), small, patternOf(APFloat::getNaN(semantics)));
  }
  return small;
}

Value ScalarEmitter::decode(Value word, FloatType type) {
  if (isa<BFloat16Type>(type)) {
    return fromBits(shl(word, integer(16)));
  }
  if (isa<Float8E8M0FNUType>(type)) {
    Value power = shl(word, integer(23));
    power = select(equali(word, integer(0)), integer(0x400000), power);
    return fromBits(select(equali(word, integer(0xff)), bits(nan()), power));
  }
  SmallFloat format(type);
  unsigned width = type.getWidth();
  int64_t signBitOfType = int64_t(1) << (width - 1);
  Value small = band(word, integer(signBitOfType - 1));
  Value size =
      mul(fromBits(shl(small, integer(23 - format.mantissa))), std::ldexp(1.0, 127 - format.bias));
  const llvm::fltSemantics &semantics = type.getFloatSemantics();
  if (format.hasInfinity) {
    Value pattern = integer(int64_t(APFloat::getInf(semantics).bitcastToAPInt().getZExtValue()));
    size = select(equali(small, pattern), infinity(), size);
    size = select(lessi(pattern, small), nan(), size);
  } else if (format.hasNaN && format.hasNegativeZero) {
    size = select(equali(small, integer(signBitOfType - 1)), nan(), size);
  }
  Value sign = shl(band(word, integer(signBitOfType)), integer(32 - width));
  Value value = fromBits(bor(bits(size), sign));
  return format.hasNaN && !format.hasNegativeZero
             ? select(equali(word, integer(signBitOfType)), nan(), value)
             : value;
}
