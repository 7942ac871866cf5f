//===- GuardLanes.cpp - What lanes beyond a tensor's columns hold ---------===//
//
// docs/Rationale/UnusedLanes.md has the rule. What a map makes of such lanes is
// computed here, from zeros that the host, the image and the MXM guarantee.
//
//===----------------------------------------------------------------------===//

#include "LPU/Transforms/Passes.h"
#include "lpu/Target/Target.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/TypeSwitch.h"
#include <cmath>

namespace mlir::lpu {
#define GEN_PASS_DEF_GUARDLANESPASS
#include "LPU/Transforms/Passes.h.inc"
} // namespace mlir::lpu

using namespace mlir;
using namespace mlir::lpu;

namespace {

/// What is known of a value in unused lanes.
struct Rest {
  enum class Kind { Known, Finite, Anything } kind = Kind::Anything;
  float value = 0;

  static Rest known(float value) { return {Kind::Known, value}; }
  static Rest finite() { return {Kind::Finite}; }
  static Rest anything() { return {Kind::Anything}; }
  bool isKnown() const { return kind == Kind::Known; }
  bool isZero() const { return isKnown() && value == 0; }
  bool isFinite() const { return isKnown() ? std::isfinite(value) : kind == Kind::Finite; }
};

Rest multiply(const Rest &a, const Rest &b) {
  if (a.isKnown() && b.isKnown()) {
    return Rest::known(a.value * b.value);
  }
  return (a.isZero() && b.isFinite()) || (b.isZero() && a.isFinite()) ? Rest::known(0)
                                                                     : Rest::anything();
}

Rest add(const Rest &a, const Rest &b) {
  return a.isKnown() && b.isKnown() ? Rest::known(a.value + b.value) : Rest::anything();
}

Rest compare(arith::CmpFPredicate predicate, float a, float b) {
  switch (predicate) {
  case arith::CmpFPredicate::OEQ:
    return Rest::known(a == b);
  case arith::CmpFPredicate::OLT:
    return Rest::known(a < b);
  case arith::CmpFPredicate::OLE:
    return Rest::known(a <= b);
  case arith::CmpFPredicate::OGT:
    return Rest::known(a > b);
  case arith::CmpFPredicate::OGE:
    return Rest::known(a >= b);
  default:
    return Rest::anything();
  }
}

/// The result of `op`, an operation of a map's body.
Rest evaluate(Operation *op, ArrayRef<Rest> in) {
  if (auto constant = dyn_cast<arith::ConstantOp>(op)) {
    auto number = dyn_cast<FloatAttr>(constant.getValue());
    return number ? Rest::known(number.getValue().convertToFloat()) : Rest::anything();
  }
  if (isa<arith::MulFOp>(op)) {
    return multiply(in[0], in[1]);
  }
  if (isa<math::FmaOp>(op)) {
    return add(multiply(in[0], in[1]), in[2]);
  }
  if (isa<arith::SelectOp>(op) && in[0].isKnown()) {
    return in[0].value != 0 ? in[1] : in[2];
  }
  if (!llvm::all_of(in, [](const Rest &rest) { return rest.isKnown(); })) {
    return Rest::anything();
  }
  float a = in[0].value, b = in.size() > 1 ? in[1].value : 0;
  return llvm::TypeSwitch<Operation *, Rest>(op)
      .Case([&](arith::AddFOp) { return Rest::known(a + b); })
      .Case([&](arith::SubFOp) { return Rest::known(a - b); })
      .Case([&](arith::DivFOp) { return Rest::known(a / b); })
      .Case([&](arith::MaximumFOp) { return Rest::known(std::isnan(a) || a > b ? a : b); })
      .Case([&](arith::MinimumFOp) { return Rest::known(std::isnan(a) || a < b ? a : b); })
      .Case([&](arith::NegFOp) { return Rest::known(-a); })
      .Case([&](arith::CmpFOp cmp) { return compare(cmp.getPredicate(), a, b); })
      .Case([&](math::AbsFOp) { return Rest::known(std::fabs(a)); })
      .Case([&](math::Exp2Op) { return Rest::known(std::exp2(a)); })
      .Case([&](math::Log2Op) { return Rest::known(std::log2(a)); })
      .Case([&](math::TanhOp) { return Rest::known(std::tanh(a)); })
      .Case([&](math::SqrtOp) { return Rest::known(std::sqrt(a)); })
      .Case([&](math::RsqrtOp) { return Rest::known(1 / std::sqrt(a)); })
      .Case([&](RoundOp round) {
        float rounded = std::nearbyint(a);
        bool isInRange = rounded >= float(int64_t(round.getLeast())) &&
                         rounded <= float(int64_t(round.getMost()));
        return isInRange ? Rest::known(rounded) : Rest::anything();
      })
      .Default([](Operation *) { return Rest::anything(); });
}

/// Whether a result of `format` takes `value` as it is, uncounted.
bool isInRange(Format format, float scale, float value) {
  constexpr float kLargestF16 = 65504;
  if (unsigned limbs = getNumLimbs(format)) {
    double levels = 0;
    for (unsigned limb = 0; limb < limbs; ++limb) {
      levels = levels * 256 + 127;
    }
    return std::fabs(std::nearbyint(double(value) * scale)) <= levels; // false for NaN
  }
  if (format == Format::U8) {
    return value >= -0.5f && value <= 255.5f;
  }
  return format != Format::F16 || std::fabs(value) <= kLargestF16;
}

struct GuardLanes : mlir::lpu::impl::GuardLanesPassBase<GuardLanes> {
  void runOnOperation() override {
    const ::lpu::Target *target = getTarget(getOperation());
    if (!target) {
      return signalPassFailure();
    }
    lanes = target->lanes();
    superlane = target->lanesPerSuperlane();
    rests.clear();
    for (Operation &op : getOperation().getBody().front()) {
      if (auto map = dyn_cast<MapOp>(op)) {
        visit(map);
        continue;
      }
      for (Value result : op.getResults()) {
        rests.insert({result, getRest(op, result.getType())});
      }
    }
  }

private:
  template <typename T> bool hasUnusedLanes(T type) const {
    int64_t width = type.getColumnsPerVector(lanes);
    return type.getColumns() != 1 && (width < lanes || type.getColumns() % width != 0);
  }

  /// What `op`, no map, makes in the unused lanes of a result of `type`.
  Rest getRest(Operation &op, Type type) {
    if (auto buffer = dyn_cast<BufferType>(type); buffer && buffer.getColumns() == 1) {
      return Rest::finite(); // as in lanes in use: if it is not, no lane is right
    }
    if (auto sums = dyn_cast<AccType>(type)) {
      // Columns of zeros, or of tiles where nothing but zeros was appended; positions
      // beyond those in use have keys. Widened tiles have no zeros: there superlanes that
      // are not driven are.
      auto tiles = cast<ContractOp>(op).getTiles();
      bool isZero = sums.getColumns() != 1 && !(tiles && tiles.getType().getTransposed());
      if (tiles && tiles.getType().getFormat() == Format::U8) {
        isZero &= sums.getWidth() > 0 && sums.getWidth() % superlane == 0 &&
                  sums.getColumns() % sums.getWidth() == 0;
      }
      return isZero ? Rest::known(0) : Rest::finite();
    }
    if (isa<LoadInputOp, ConstantRowsOp, TableOp>(op)) {
      return Rest::known(0);
    }
    if (isa<GatherRowsOp, RowsOp, PermuteOp>(op)) {
      return rests.lookup(op.getOperand(0));
    }
    if (isa<ConcatRowsOp>(op)) {
      bool isZero = llvm::all_of(op.getOperands(), [&](Value part) {
        return rests.lookup(part).isZero();
      });
      return isZero ? Rest::known(0) : Rest::anything();
    }
    return isa<DeriveOp>(op) ? Rest::finite() : Rest::anything();
  }

  /// What a map over rows like those of `result` reads of `input` there.
  Rest getInput(Value input, BufferType result) {
    Rest rest = rests.lookup(input);
    auto type = dyn_cast<BufferType>(input.getType());
    bool isAlike = !type || type.getColumns() == 1 ||
                   (type.getColumns() == result.getColumns() &&
                    type.getWidth() == result.getWidth());
    if (isAlike || !hasUnusedLanes(type)) {
      return isAlike ? rest : Rest::finite();
    }
    // One vector that is wider than those of the result: unused and used lanes.
    return rest.isFinite() ? Rest::finite() : rest;
  }

  static bool isAppended(Value buffer) {
    return llvm::any_of(buffer.getUsers(), [](Operation *user) {
      auto rows = dyn_cast<RowsOp>(user);
      return isa<AppendOp>(user) || (rows && isAppended(rows.getResult()));
    });
  }

  void visit(MapOp map) {
    auto type = cast<BufferType>(map.getResult(0).getType());
    if (!hasUnusedLanes(type)) {
      for (Value result : map.getResults()) {
        rests.insert({result, Rest::finite()});
      }
      return;
    }
    llvm::DenseMap<Value, Rest> inner;
    Block &body = map.getBody().front();
    for (auto [input, argument] : llvm::zip(map.getInputs(), body.getArguments())) {
      inner[argument] = getInput(input, type);
    }
    for (Operation &op : body.without_terminator()) {
      SmallVector<Rest> in;
      for (Value operand : op.getOperands()) {
        in.push_back(inner.lookup(operand));
      }
      inner[op.getResult(0)] = evaluate(&op, in);
    }
    for (auto [r, result] : llvm::enumerate(map.getResults())) {
      Value yielded = body.getTerminator()->getOperand(unsigned(r));
      Rest rest = inner.lookup(yielded);
      Format format = cast<BufferType>(result.getType()).getFormat();
      bool isRight = rest.isKnown() && isInRange(format, map.getScales()[r], rest.value) &&
                     (rest.isZero() || format == Format::U8 || !isAppended(result));
      if (format == Format::F32 || isRight || map.getUnguarded()) {
        bool isRounded = format != Format::F32 && !rest.isZero();
        rests.insert({result, isRounded ? Rest::finite() : rest});
        continue;
      }
      guard(map, unsigned(r));
      rests.insert({result, Rest::known(0)});
    }
  }

  /// Makes result `r` zero in unused lanes: the image has zeros beside ones there.
  void guard(MapOp map, unsigned r) {
    auto type = cast<BufferType>(map.getResult(r).getType());
    OpBuilder builder(map);
    auto ones = DenseElementsAttr::get(
        RankedTensorType::get({1, type.getColumns()}, builder.getF32Type()), 1.0f);
    auto used = ConstantRowsOp::create(
        builder, map.getLoc(),
        BufferType::get(builder.getContext(), 1, type.getColumns(), Format::F32,
                        type.getWidth()),
        ones, DenseI64ArrayAttr());
    rests.insert({used.getResult(), Rest::known(0)});
    Block &body = map.getBody().front();
    auto yield = cast<YieldOp>(body.getTerminator());
    map.getInputsMutable().append(used.getResult());
    Value lane = body.addArgument(builder.getF32Type(), map.getLoc());
    builder.setInsertionPoint(yield);
    Value zero =
        arith::ConstantOp::create(builder, map.getLoc(), builder.getF32FloatAttr(0));
    Value isUnused = arith::CmpFOp::create(builder, map.getLoc(),
                                           arith::CmpFPredicate::OEQ, lane, zero);
    Value result = arith::SelectOp::create(builder, map.getLoc(), isUnused, zero,
                                           yield.getOperand(r));
    yield->setOperand(r, result);
  }

  int64_t lanes = 0, superlane = 0;
  llvm::DenseMap<Value, Rest> rests;
};

} // namespace
