//===- ExpandScalars.cpp - Scalar bodies in operations of the VXM ---------===//

#include "LPU/Transforms/MachineScalars.h"
#include "LPU/Transforms/Passes.h"
#include "ScalarEmitter.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/IR/Dominance.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/Transforms/CSE.h"
#include "llvm/ADT/TypeSwitch.h"

namespace mlir::lpu {
#define GEN_PASS_DEF_EXPANDSCALARSPASS
#include "LPU/Transforms/Passes.h.inc"
} // namespace mlir::lpu

using namespace mlir;
using namespace mlir::lpu;
using FloatPredicate = arith::CmpFPredicate;
using Predicate = arith::CmpIPredicate;

namespace {

constexpr float kLargestF16 = 65504;

bool isWord(Type type) { return type.isF32() || type.isInteger(32); }
bool isMachineType(Type type) { return isWord(type) || type.isInteger(1); }
/// Floats that are f32 rounded.
bool isSmallFloat(Type type) { return isa<FloatType>(type) && type.getIntOrFloatBitWidth() <= 16; }

bool isConstant(Value value, float expected) {
  APFloat number(0.0f);
  return matchPattern(value, m_ConstantFloat(&number)) &&
         &number.getSemantics() == &APFloat::IEEEsingle() && number.convertToFloat() == expected;
}
/// min(max(x, -65504), 65504).
bool isWithinHalf(Value value) {
  auto low = value.getDefiningOp<arith::MinimumFOp>();
  auto high = low ? low.getLhs().getDefiningOp<arith::MaximumFOp>() : arith::MaximumFOp();
  return high && isConstant(low.getRhs(), kLargestF16) && isConstant(high.getRhs(), -kLargestF16);
}
/// The truncf of f2h: within its range, and extended again at once.
bool isHalfRounding(arith::TruncFOp op) {
  return op.getType().isF16() && isWithinHalf(op.getIn()) &&
         llvm::all_of(op->getUsers(), [](Operation *user) { return isa<arith::ExtFOp>(user); });
}

bool isMachineCompare(FloatPredicate predicate) {
  return llvm::is_contained({FloatPredicate::OEQ, FloatPredicate::OLT, FloatPredicate::OLE,
                             FloatPredicate::OGT, FloatPredicate::OGE},
                            predicate);
}
bool isMachineCompare(Predicate predicate) {
  return llvm::is_contained(
      {Predicate::eq, Predicate::slt, Predicate::sle, Predicate::sgt, Predicate::sge}, predicate);
}

bool isToInteger(Operation *op) {
  auto conversion = dyn_cast<arith::FPToSIOp>(op);
  return conversion && conversion.getType().isInteger(32) &&
         conversion.getIn().getDefiningOp<math::RoundEvenOp>();
}

/// One body, from its first operation to its last.
class Expander {
public:
  explicit Expander(Operation *op) : builder(op), e(builder, op->getLoc()) {}

  /// What `op` computes, in machine scalars; null where that is not known.
  Value expand(Operation *op) {
    return llvm::TypeSwitch<Operation *, Value>(op)
        .Case<arith::DivFOp, arith::RemFOp, arith::CmpFOp, arith::MinNumFOp, arith::MaxNumFOp,
              arith::TruncFOp, arith::ExtFOp, arith::FPToSIOp, arith::FPToUIOp, arith::UIToFPOp,
              arith::SIToFPOp>([&](auto each) { return expandFloat(each); })
        .Case<arith::DivSIOp, arith::DivUIOp, arith::RemSIOp, arith::RemUIOp, arith::FloorDivSIOp,
              arith::CeilDivSIOp, arith::CeilDivUIOp, arith::CmpIOp, arith::MaxUIOp, arith::MinUIOp,
              arith::ShRUIOp, arith::ExtSIOp, arith::ExtUIOp, arith::TruncIOp, arith::BitcastOp,
              arith::AddIOp, arith::MulIOp, math::AbsIOp>(
            [&](auto each) { return isInteger(each) ? expandInteger(each) : Value(); })
        .Default([&](Operation *other) { return expandMath(other); });
  }

private:
  /// Operands of sub-word types are handled with what made them.
  static bool isInteger(Operation *op) {
    return isa<arith::ExtSIOp, arith::ExtUIOp, arith::TruncIOp, arith::BitcastOp>(op) ||
           llvm::all_of(op->getOperandTypes(), isMachineType);
  }

  //===--------------------------------------------------------------------===//
  // Floats
  //===--------------------------------------------------------------------===//

  Value expandFloat(arith::DivFOp op) {
    return op.getType().isF32() ? e.divide(op.getLhs(), op.getRhs()) : Value();
  }
  Value expandFloat(arith::RemFOp op) {
    return op.getType().isF32() ? e.remainder(op.getLhs(), op.getRhs()) : Value();
  }
  Value expandFloat(arith::MinNumFOp op) {
    return unlessNaN(op, [&](Value x, Value y) { return e.min(x, y); });
  }
  Value expandFloat(arith::MaxNumFOp op) {
    return unlessNaN(op, [&](Value x, Value y) { return e.max(x, y); });
  }
  template <typename Op, typename Join> Value unlessNaN(Op op, Join join) {
    if (!op.getType().isF32()) {
      return {};
    }
    Value x = e.unlessNaN(op.getLhs(), op.getRhs());
    return join(x, e.unlessNaN(op.getRhs(), x));
  }

  Value expandFloat(arith::CmpFOp op) {
    Value x = op.getLhs(), y = op.getRhs();
    if (!x.getType().isF32()) {
      return {};
    }
    auto differ = [&] { return e.bor(e.less(x, y), e.less(y, x)); };
    auto ordered = [&] {
      Value first = e.equal(x, x);
      return x == y ? first : e.band(first, e.equal(y, y));
    };
    switch (op.getPredicate()) {
    case FloatPredicate::AlwaysFalse:
    case FloatPredicate::AlwaysTrue:
      return e.boolean(op.getPredicate() == FloatPredicate::AlwaysTrue);
    case FloatPredicate::ONE:
      return differ();
    case FloatPredicate::UEQ:
      return e.logicalNot(differ());
    case FloatPredicate::UNE:
      return e.logicalNot(e.equal(x, y));
    case FloatPredicate::ORD:
      return ordered();
    case FloatPredicate::UNO:
      return e.logicalNot(ordered());
    case FloatPredicate::UGT:
      return e.logicalNot(e.lessEqual(x, y));
    case FloatPredicate::UGE:
      return e.logicalNot(e.less(x, y));
    case FloatPredicate::ULT:
      return e.logicalNot(e.lessEqual(y, x));
    case FloatPredicate::ULE:
      return e.logicalNot(e.less(y, x));
    default:
      return {};
    }
  }

  /// Of a pair alone the second is rewritten: the first goes with it.
  Value expandFloat(arith::ExtFOp op) {
    auto type = cast<FloatType>(op.getIn().getType());
    if (!isSmallFloat(type) || !op.getType().isF32()) {
      return {};
    }
    if (auto truncated = op.getIn().getDefiningOp<arith::TruncFOp>()) {
      return truncated.getIn().getType().isF32() ? e.roundTo(truncated.getIn(), type) : Value();
    }
    Value word;
    if (auto cast = op.getIn().getDefiningOp<arith::BitcastOp>()) {
      word = getWord(cast.getIn(), /*isSigned=*/false);
    }
    return word ? e.decode(word, type) : Value();
  }
  Value expandFloat(arith::TruncFOp) { return {}; }

  Value expandFloat(arith::FPToSIOp op) {
    return op.getIn().getType().isF32() && op.getType().isInteger(32) ? e.toSigned(op.getIn())
                                                                      : Value();
  }
  Value expandFloat(arith::FPToUIOp op) {
    return op.getIn().getType().isF32() && op.getType().isInteger(32) ? e.toUnsigned(op.getIn())
                                                                      : Value();
  }
  Value expandFloat(arith::UIToFPOp op) {
    if (!op.getType().isF32()) {
      return {};
    }
    if (op.getIn().getType().isInteger(1)) {
      return e.select(op.getIn(), e.real(1), e.real(0));
    }
    return op.getIn().getType().isInteger(32) ? e.unsignedToFloat(op.getIn()) : Value();
  }
  Value expandFloat(arith::SIToFPOp op) {
    return op.getType().isF32() && op.getIn().getType().isInteger(1)
               ? e.select(op.getIn(), e.real(-1), e.real(0))
               : Value();
  }

  //===--------------------------------------------------------------------===//
  // Integers
  //===--------------------------------------------------------------------===//

  template <typename Op> static bool isI1(Op op) {
    return op->getOperand(0).getType().isInteger(1);
  }

  Value expandInteger(arith::DivSIOp op) { return divide(op).quotient; }
  Value expandInteger(arith::RemSIOp op) { return divide(op).rest; }
  Value expandInteger(arith::DivUIOp op) { return divide(op).quotient; }
  Value expandInteger(arith::RemUIOp op) { return divide(op).rest; }
  template <typename Op> ScalarEmitter::Division divide(Op op) {
    if (!op.getType().isInteger(32)) {
      return {};
    }
    return isa<arith::DivSIOp, arith::RemSIOp>(op.getOperation())
               ? e.divideSigned(op.getLhs(), op.getRhs())
               : e.divideUnsigned(op.getLhs(), op.getRhs());
  }
  Value expandInteger(arith::FloorDivSIOp op) {
    if (!op.getType().isInteger(32)) {
      return {};
    }
    auto [quotient, rest] = e.divideSigned(op.getLhs(), op.getRhs());
    Value zero = e.integer(0);
    Value isLow =
        e.band(e.lessi(e.bxor(rest, op.getRhs()), zero), e.logicalNot(e.equali(rest, zero)));
    return e.select(isLow, e.subi(quotient, e.integer(1)), quotient);
  }
  Value expandInteger(arith::CeilDivSIOp op) {
    if (!op.getType().isInteger(32)) {
      return {};
    }
    auto [quotient, rest] = e.divideSigned(op.getLhs(), op.getRhs());
    Value zero = e.integer(0);
    Value isHigh = e.band(e.logicalNot(e.lessi(e.bxor(rest, op.getRhs()), zero)),
                          e.logicalNot(e.equali(rest, zero)));
    return e.select(isHigh, e.addi(quotient, e.integer(1)), quotient);
  }
  Value expandInteger(arith::CeilDivUIOp op) {
    if (!op.getType().isInteger(32)) {
      return {};
    }
    auto [quotient, rest] = e.divideUnsigned(op.getLhs(), op.getRhs());
    return e.select(e.equali(rest, e.integer(0)), quotient, e.addi(quotient, e.integer(1)));
  }

  Value expandInteger(arith::CmpIOp op) {
    Value x = op.getLhs(), y = op.getRhs();
    Predicate predicate = op.getPredicate();
    if (isI1(op)) {
      return compareBits(predicate, x, y);
    }
    switch (predicate) {
    case Predicate::ne:
      return e.logicalNot(e.equali(x, y));
    case Predicate::ult:
      return e.lessUnsigned(x, y);
    case Predicate::ugt:
      return e.lessUnsigned(y, x);
    case Predicate::ule:
      return e.logicalNot(e.lessUnsigned(y, x));
    case Predicate::uge:
      return e.logicalNot(e.lessUnsigned(x, y));
    default:
      return {};
    }
  }
  /// Signed, true is -1.
  Value compareBits(Predicate predicate, Value x, Value y) {
    auto less = [&](Value a, Value c) { return e.band(e.logicalNot(a), c); };
    switch (predicate) {
    case Predicate::eq:
      return e.logicalNot(e.bxor(x, y));
    case Predicate::ne:
      return e.bxor(x, y);
    case Predicate::ult:
    case Predicate::sgt:
      return less(x, y);
    case Predicate::ugt:
    case Predicate::slt:
      return less(y, x);
    case Predicate::ule:
    case Predicate::sge:
      return e.logicalNot(less(y, x));
    case Predicate::uge:
    case Predicate::sle:
      return e.logicalNot(less(x, y));
    }
    return {};
  }

  Value expandInteger(arith::MaxUIOp op) {
    return isI1(op)
               ? e.bor(op.getLhs(), op.getRhs())
               : e.unsignedBits(e.maxi(e.unsignedBits(op.getLhs()), e.unsignedBits(op.getRhs())));
  }
  Value expandInteger(arith::MinUIOp op) {
    return isI1(op)
               ? e.band(op.getLhs(), op.getRhs())
               : e.unsignedBits(e.mini(e.unsignedBits(op.getLhs()), e.unsignedBits(op.getRhs())));
  }
  Value expandInteger(arith::AddIOp op) {
    return isI1(op) ? e.bxor(op.getLhs(), op.getRhs()) : Value();
  }
  Value expandInteger(arith::MulIOp op) {
    return isI1(op) ? e.band(op.getLhs(), op.getRhs()) : Value();
  }
  Value expandInteger(arith::ShRUIOp op) {
    return isI1(op) ? Value() : e.shrUnsigned(op.getLhs(), op.getRhs());
  }
  Value expandInteger(math::AbsIOp op) {
    return isI1(op) ? Value() : e.maxi(op.getOperand(), e.subi(e.integer(0), op.getOperand()));
  }

  /// A sub-word integer extended to i32; null where it does not come from one
  /// word.
  Value getWord(Value small, bool isSigned) {
    unsigned width = small.getType().getIntOrFloatBitWidth();
    Operation *from = small.getDefiningOp();
    Value word;
    if (width == 32) {
      return small;
    }
    if (auto truncated = dyn_cast_or_null<arith::TruncIOp>(from);
        truncated && truncated.getIn().getType().isInteger(32)) {
      word = truncated.getIn();
    } else if (auto cast = dyn_cast_or_null<arith::BitcastOp>(from)) {
      auto truncated = cast.getIn().getDefiningOp<arith::TruncFOp>();
      if (truncated && truncated.getIn().getType().isF32()) {
        word = e.encode(truncated.getIn(), ::cast<FloatType>(truncated.getType()));
      }
    }
    if (!word) {
      return {};
    }
    if (!isSigned) {
      return e.band(word, e.integer((int64_t(1) << width) - 1));
    }
    Value unused = e.integer(32 - width);
    return e.shr(e.shl(word, unused), unused);
  }

  Value expandInteger(arith::ExtSIOp op) {
    if (!op.getType().isInteger(32)) {
      return {};
    }
    return isI1(op) ? e.select(op.getIn(), e.integer(-1), e.integer(0)) : getWord(op.getIn(), true);
  }
  Value expandInteger(arith::ExtUIOp op) {
    return op.getType().isInteger(32) && !isI1(op) ? getWord(op.getIn(), false) : Value();
  }
  Value expandInteger(arith::TruncIOp op) {
    return op.getType().isInteger(1) && op.getIn().getType().isInteger(32)
               ? e.equali(e.band(op.getIn(), e.integer(1)), e.integer(1))
               : Value();
  }
  Value expandInteger(arith::BitcastOp) { return {}; }

  //===--------------------------------------------------------------------===//
  // Functions
  //===--------------------------------------------------------------------===//

  Value expandMath(Operation *op) {
    if (op->getNumOperands() == 0 || op->getNumResults() != 1) {
      return {};
    }
    Value x = op->getOperand(0), y = op->getNumOperands() > 1 ? op->getOperand(1) : Value();
    Type result = op->getResult(0).getType();
    if (isa<math::IPowIOp>(op)) {
      return result.isInteger(32) ? e.powInteger(x, y) : Value();
    }
    if (!result.isF32()) {
      return {};
    }
    using Trigonometric = ScalarEmitter::Trigonometric;
    return llvm::TypeSwitch<Operation *, Value>(op)
        .Case([&](math::CeilOp) { return e.ceil(x); })
        .Case([&](math::TruncOp) { return e.trunc(x); })
        .Case([&](math::RoundOp) { return e.roundAway(x); })
        .Case([&](math::RoundEvenOp) { return e.roundEven(x); })
        .Case([&](math::SqrtOp) { return e.sqrt(x); })
        .Case([&](math::ExpOp) { return e.exp(x); })
        .Case([&](math::ExpM1Op) { return e.expm1(x); })
        .Case([&](math::LogOp) { return e.log(x); })
        .Case([&](math::Log10Op) { return e.mul(e.log2(x), 0.30102999566398120); })
        .Case([&](math::Log1pOp) { return e.log1p(x); })
        .Case([&](math::PowFOp) { return e.pow(x, y); })
        .Case([&](math::FPowIOp) {
          return y.getType().isInteger(32) ? e.pow(x, e.toFloat(y)) : Value();
        })
        .Case([&](math::SinOp) { return e.trigonometric(Trigonometric::Sin, x); })
        .Case([&](math::CosOp) { return e.trigonometric(Trigonometric::Cos, x); })
        .Case([&](math::TanOp) { return e.trigonometric(Trigonometric::Tan, x); })
        .Case([&](math::AsinOp) { return e.asin(x); })
        .Case([&](math::AcosOp) { return e.acos(x); })
        .Case([&](math::AtanOp) { return e.atan(x); })
        .Case([&](math::Atan2Op) { return e.atan2(x, y); })
        .Case([&](math::SinhOp) { return e.sinh(x); })
        .Case([&](math::CoshOp) { return e.cosh(x); })
        .Case([&](math::AsinhOp) { return e.asinh(x); })
        .Case([&](math::AcoshOp) { return e.acosh(x); })
        .Case([&](math::AtanhOp) { return e.atanh(x); })
        .Case([&](math::ErfOp) { return e.erf(x); })
        .Case([&](math::ErfcOp) { return e.erfc(x); })
        .Case([&](math::CbrtOp) { return e.cbrt(x); })
        .Case([&](math::CopySignOp) { return e.withSign(e.abs(x), y); })
        .Case([&](math::IsNaNOp) { return e.isNaN(x); })
        .Case([&](math::ClampFOp op) {
          return e.min(e.max(op.getValue(), op.getMin()), op.getMax());
        })
        .Default([](Operation *) { return Value(); });
  }

  OpBuilder builder;
  ScalarEmitter e;
};

/// Drops what is unused, such as the first operation of a pair.
void clean(Block &block) {
  for (Operation &op : llvm::make_early_inc_range(llvm::reverse(block))) {
    if (isOpTriviallyDead(&op)) {
      op.erase();
    }
  }
}

struct ExpandScalars : mlir::lpu::impl::ExpandScalarsPassBase<ExpandScalars> {
  void runOnOperation() override {
    SmallVector<Operation *> bodies;
    getOperation()->walk([&](Operation *op) {
      if (isa<linalg::GenericOp, MapOp>(op)) {
        bodies.push_back(op);
      }
    });
    IRRewriter rewriter(&getContext());
    for (Operation *op : bodies) {
      // A kernel divides by a reciprocal and a product.
      expandScalars(op->getRegion(0).front(), isa<MapOp>(op));
      DominanceInfo dominance(op);
      eliminateCommonSubExpressions(rewriter, dominance, op);
    }
  }
};

} // namespace

namespace mlir::lpu {

bool isMachineScalar(Operation *op) {
  auto isOf = [&](Type type) {
    auto is = [&](Type each) { return each == type; };
    return llvm::all_of(op->getOperandTypes(), is) && llvm::all_of(op->getResultTypes(), is);
  };
  Type f32 = Float32Type::get(op->getContext()), i32 = IntegerType::get(op->getContext(), 32);
  Type i1 = IntegerType::get(op->getContext(), 1);
  if (op->hasTrait<OpTrait::IsTerminator>()) {
    return llvm::all_of(op->getOperandTypes(), isMachineType);
  }
  if (isa<arith::ConstantOp, arith::SelectOp>(op)) {
    return isMachineType(op->getResult(0).getType());
  }
  if (isa<arith::AddFOp, arith::SubFOp, arith::MulFOp, arith::NegFOp, arith::MaximumFOp,
          arith::MinimumFOp, math::FmaOp, math::AbsFOp, math::FloorOp, math::Exp2Op, math::Log2Op,
          math::TanhOp, math::RsqrtOp, RoundOp>(op)) {
    return isOf(f32);
  }
  if (isa<arith::AddIOp, arith::SubIOp, arith::MulIOp, arith::ShLIOp, arith::ShRSIOp,
          arith::MaxSIOp, arith::MinSIOp>(op)) {
    return isOf(i32);
  }
  if (isa<arith::AndIOp, arith::OrIOp, arith::XOrIOp>(op)) {
    return isOf(i32) || isOf(i1);
  }
  if (isa<arith::DivFOp>(op)) {
    return isOf(f32) && isConstant(op->getOperand(0), 1);
  }
  if (auto compare = dyn_cast<arith::CmpFOp>(op)) {
    return compare.getLhs().getType().isF32() && isMachineCompare(compare.getPredicate());
  }
  if (auto compare = dyn_cast<arith::CmpIOp>(op)) {
    return compare.getLhs().getType().isInteger(32) && isMachineCompare(compare.getPredicate());
  }
  if (auto conversion = dyn_cast<arith::SIToFPOp>(op)) {
    return conversion.getIn().getType().isInteger(32) && conversion.getType().isF32();
  }
  if (isa<math::RoundEvenOp>(op)) {
    return isOf(f32) && !op->use_empty() && llvm::all_of(op->getUsers(), isToInteger);
  }
  if (auto cast = dyn_cast<arith::BitcastOp>(op)) {
    return isWord(cast.getIn().getType()) && isWord(cast.getType());
  }
  if (auto extension = dyn_cast<arith::ExtUIOp>(op)) {
    return extension.getIn().getType().isInteger(1) && extension.getType().isInteger(32);
  }
  if (auto truncation = dyn_cast<arith::TruncFOp>(op)) {
    return truncation.getIn().getType().isF32() && isHalfRounding(truncation);
  }
  if (auto extension = dyn_cast<arith::ExtFOp>(op)) {
    auto truncation = extension.getIn().getDefiningOp<arith::TruncFOp>();
    return truncation && extension.getType().isF32() && isMachineScalar(truncation);
  }
  return isToInteger(op) && isWord(cast<arith::FPToSIOp>(op).getIn().getType());
}

void expandScalars(Block &block, bool keepsQuotients) {
  // What is appended by an expansion lies in front of its operation and needs
  // none.
  for (Operation &op : llvm::make_early_inc_range(block)) {
    bool stays = keepsQuotients && isa<arith::DivFOp, math::SqrtOp>(op);
    if (isMachineScalar(&op) || stays || op.use_empty()) {
      continue;
    }
    OpBuilder builder(&op);
    SmallVector<Value> folded;
    bool isFolded = succeeded(builder.tryFold(&op, folded)) && folded.size() == 1;
    Value value = isFolded ? folded[0] : Expander(&op).expand(&op);
    if (!value) {
      continue;
    }
    if (isa<math::RoundEvenOp>(op)) {
      // Together with the conversion it is one operation as it is.
      op.getResult(0).replaceUsesWithIf(
          value, [](OpOperand &use) { return !isToInteger(use.getOwner()); });
    } else {
      op.getResult(0).replaceAllUsesWith(value);
    }
  }
  clean(block);
}

void expandSmallFloats(Operation *root) {
  // f16 is LLVM's.
  auto isExpanded = [](Type type) { return isSmallFloat(type) && !type.isF16(); };
  SmallVector<Operation *> conversions;
  root->walk([&](Operation *op) {
    bool isFrom = isa<arith::ExtFOp>(op) && isExpanded(op->getOperand(0).getType());
    bool isTo = isa<arith::TruncFOp>(op) && isExpanded(op->getResult(0).getType());
    if (isFrom || isTo) {
      conversions.push_back(op);
    }
  });
  for (Operation *op : conversions) {
    OpBuilder b(op);
    ScalarEmitter e(b, op->getLoc());
    Value x = op->getOperand(0), result;
    if (isa<arith::ExtFOp>(op) && op->getResult(0).getType().isF32()) {
      auto type = cast<FloatType>(x.getType());
      Value word = arith::BitcastOp::create(b, op->getLoc(), b.getIntegerType(type.getWidth()), x);
      result = e.decode(arith::ExtUIOp::create(b, op->getLoc(), b.getI32Type(), word), type);
    } else if (isa<arith::TruncFOp>(op) && x.getType().isF32()) {
      auto type = cast<FloatType>(op->getResult(0).getType());
      Value word = arith::TruncIOp::create(b, op->getLoc(), b.getIntegerType(type.getWidth()),
                                           e.encode(x, type));
      result = arith::BitcastOp::create(b, op->getLoc(), type, word);
    }
    if (result) {
      op->getResult(0).replaceAllUsesWith(result);
      op->erase();
    }
  }
}

} // namespace mlir::lpu
