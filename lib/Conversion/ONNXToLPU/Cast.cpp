//===- Cast.cpp - One element type to another -----------------------------===//

#include "Elementwise.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace ::lpu::onnx_lowering;
using mlir::onnx::NodeOp;
using Predicate = arith::CmpIPredicate;
using FloatPredicate = arith::CmpFPredicate;

namespace {

Value add(ImplicitLocOpBuilder &b, Value x, Value y) { return arith::AddIOp::create(b, x, y); }

/// Towards zero. Low bits are what integers are carried by, so that only uint32
/// and wider have values beyond i32.
Value toInteger(ImplicitLocOpBuilder &b, Value x, bool isWideUnsigned) {
  Value number = arith::FPToSIOp::create(b, b.getI32Type(), x);
  if (!isWideUnsigned) {
    return number;
  }
  Value isLow = arith::CmpFOp::create(b, FloatPredicate::OLT, x, scalarFloat(b, 0));
  Value high = arith::FPToUIOp::create(b, b.getI32Type(), x);
  return arith::SelectOp::create(b, isLow, number, high);
}

/// 2^e that is nearest to x: up, down or nearest, as its exponent says. What
/// has no sign has no zero: the least is 2^-127. Infinity and NaN are NaN.
Value toPowerOfTwo(ImplicitLocOpBuilder &b, Value x, bool saturates, StringRef mode) {
  Type integer = b.getI32Type();
  Value bits = arith::BitcastOp::create(b, integer, x);
  Value magnitude = arith::AndIOp::create(b, bits, scalarInt(b, 0x7fffffff));
  Value rest = arith::AndIOp::create(b, bits, scalarInt(b, 0x7fffff));
  Value exponent = arith::ShRUIOp::create(b, magnitude, scalarInt(b, 23));
  Value isSpecial = arith::CmpIOp::create(b, Predicate::sge, magnitude, scalarInt(b, 0x7f800000));
  if (mode != "down") {
    Value goesUp;
    if (mode == "up") {
      goesUp = arith::CmpIOp::create(b, Predicate::sgt, rest, scalarInt(b, 0));
    } else {
      // Halves go up, but for the subnormal one: 0 is even.
      Value isNormal = arith::CmpIOp::create(b, Predicate::sgt, exponent, scalarInt(b, 0));
      Value half = scalarInt(b, 0x400000);
      Value bound = arith::SelectOp::create(b, isNormal, half, scalarInt(b, 0x400001));
      goesUp = arith::CmpIOp::create(b, Predicate::sge, rest, bound);
    }
    exponent = add(b, exponent, arith::ExtUIOp::create(b, integer, goesUp));
  }
  Value most = scalarInt(b, 254);
  if (saturates) {
    exponent = arith::MinSIOp::create(b, exponent, most);
  }
  // 2^-127 is subnormal: half of the least normal number.
  Value isLeast = arith::CmpIOp::create(b, Predicate::eq, exponent, scalarInt(b, 0));
  Value shifted = arith::ShLIOp::create(b, exponent, scalarInt(b, 23));
  Value result = arith::SelectOp::create(b, isLeast, scalarInt(b, 0x400000), shifted);
  // Beyond 254, too, there is NaN.
  Value isOut = arith::CmpIOp::create(b, Predicate::sgt, exponent, most);
  Value isNaN = arith::OrIOp::create(b, isSpecial, isOut);
  result = arith::SelectOp::create(b, isNaN, scalarInt(b, 0x7fc00000), result);
  return arith::BitcastOp::create(b, b.getF32Type(), result);
}

/// The carried value of `x`, carried of type `from`, as `to`, before it is
/// rounded to `to`.
Value cast(NodeOp op, ImplicitLocOpBuilder &b, Value x, Type from, Type to) {
  Type carried = x.getType(), wanted = getCarried(to);
  bool isUnsigned = from.isUnsignedInteger() && from.getIntOrFloatBitWidth() >= 32;
  if (wanted.isInteger(1)) {
    return carried.isInteger(1) ? x
           : isa<FloatType>(carried)
               ? Value(arith::CmpFOp::create(b, FloatPredicate::UNE, x, scalarFloat(b, 0)))
               : Value(arith::CmpIOp::create(b, Predicate::ne, x, scalarInt(b, 0)));
  }
  if (wanted.isInteger(32)) {
    bool isWide = to.isUnsignedInteger() && to.getIntOrFloatBitWidth() >= 32;
    return carried.isInteger(1)      ? Value(arith::ExtUIOp::create(b, wanted, x))
           : isa<FloatType>(carried) ? toInteger(b, x, isWide)
                                     : x;
  }
  if (carried.isInteger(1) || (isUnsigned && carried.isInteger(32))) {
    x = arith::UIToFPOp::create(b, wanted, x);
  } else if (carried.isInteger(32)) {
    x = arith::SIToFPOp::create(b, wanted, x);
  }
  bool saturates = getInt(op, "saturate", 1) != 0;
  if (isa<Float8E8M0FNUType>(to)) {
    return toPowerOfTwo(b, x, saturates, getString(op, "round_mode", "up"));
  }
  return saturates ? saturateFloat(b, x, to) : x;
}

SmallVector<Value> convertCast(NodeOp op, ValueRange inputs, ImplicitLocOpBuilder &b) {
  Type from = elementOf(op.getInputs()[0]), to = elementOf(op.getResult(0));
  auto type = mlir::cast<RankedTensorType>(inputs[0].getType());
  if (from == to) {
    return {inputs[0]};
  }
  return {mapElements(
      b, type.getShape(), getCarried(to), inputs[0],
      [&](ImplicitLocOpBuilder &at, ValueRange in) { return ::cast(op, at, in[0], from, to); })};
}

std::string whyNotCast(NodeOp op) {
  std::string reason = whyNotRanked(op);
  if (!reason.empty()) {
    return reason;
  }
  if (!getCarriedTensor(op.getInputs()[0].getType())) {
    return "elements of input 0 are not numbers";
  }
  if (!getCarriedTensor(op.getResult(0).getType())) {
    return "elements of output 0 are not numbers";
  }
  StringRef mode = getString(op, "round_mode", "up");
  return mode == "up" || mode == "down" || mode == "nearest" ? "" : "round_mode is " + mode.str();
}

std::string whyNotBitCast(NodeOp op) {
  std::string reason = whyNotCast(op);
  if (!reason.empty()) {
    return reason;
  }
  Type from = elementOf(op.getInputs()[0]), to = elementOf(op.getResult(0));
  // bool is a byte of 0 or 1 in memory.
  auto bitsOf = [](Type type) { return type.isInteger(1) ? 8 : type.getIntOrFloatBitWidth(); };
  if (bitsOf(from) != bitsOf(to)) {
    return "elements have different sizes";
  }
  if (isa<FloatType>(from) != isa<FloatType>(to) && bitsOf(from) > 32) {
    return "64-bit elements are carried in 32 bits";
  }
  return "";
}

/// The bits of `x`, carried of type `from`, as an i32.
Value toBits(ImplicitLocOpBuilder &b, Value x, Type from) {
  unsigned size = from.getIntOrFloatBitWidth();
  if (!isa<FloatType>(from)) {
    return from.isInteger(1) ? Value(arith::ExtUIOp::create(b, b.getI32Type(), x)) : x;
  }
  Value small = size < 32 ? Value(arith::TruncFOp::create(b, from, x)) : x;
  Value bits = arith::BitcastOp::create(b, b.getIntegerType(size), small);
  return size < 32 ? Value(arith::ExtUIOp::create(b, b.getI32Type(), bits)) : bits;
}
Value fromBits(ImplicitLocOpBuilder &b, Value bits, Type to) {
  unsigned size = to.getIntOrFloatBitWidth();
  if (!isa<FloatType>(to)) {
    return to.isInteger(1) ? Value(arith::CmpIOp::create(b, Predicate::ne, bits, scalarInt(b, 0)))
                           : bits;
  }
  Value small = size < 32 ? Value(arith::TruncIOp::create(b, b.getIntegerType(size), bits)) : bits;
  Value x = arith::BitcastOp::create(b, to, small);
  return size < 32 ? Value(arith::ExtFOp::create(b, b.getF32Type(), x)) : x;
}

SmallVector<Value> convertBitCast(NodeOp op, ValueRange inputs, ImplicitLocOpBuilder &b) {
  Type from = elementOf(op.getInputs()[0]), to = elementOf(op.getResult(0));
  auto type = mlir::cast<RankedTensorType>(inputs[0].getType());
  if (from == to || (isa<FloatType>(from) && from.getIntOrFloatBitWidth() > 32)) {
    return {inputs[0]};
  }
  return {mapElements(b, type.getShape(), getCarried(to), inputs[0],
                      [&](ImplicitLocOpBuilder &at, ValueRange in) {
                        return fromBits(at, toBits(at, in[0], from), to);
                      })};
}

} // namespace

namespace lpu::onnx_lowering {

Value saturateFloat(ImplicitLocOpBuilder &b, Value x, Type to) {
  auto type = mlir::dyn_cast<FloatType>(to);
  if (!type || type.getIntOrFloatBitWidth() > 8 || isa<Float8E8M0FNUType>(type)) {
    return x;
  }
  const llvm::fltSemantics &semantics = type.getFloatSemantics();
  double most = APFloat::getLargest(semantics).convertToDouble();
  if (!APFloat::semanticsHasNaN(semantics)) {
    Value isNaN = arith::CmpFOp::create(b, FloatPredicate::UNO, x, x);
    x = arith::SelectOp::create(b, isNaN, scalarFloat(b, 0), x);
  }
  x = arith::MaximumFOp::create(b, x, scalarFloat(b, -most));
  return arith::MinimumFOp::create(b, x, scalarFloat(b, most));
}

ArrayRef<Rule> getCastRules() {
  static const Rule rules[] = {
      {"", "Cast", 1, whyNotCast, convertCast},
      {"", "CastLike", 15, whyNotCast, convertCast},
      {"", "BitCast", 26, whyNotBitCast, convertBitCast},
  };
  return rules;
}
} // namespace lpu::onnx_lowering
