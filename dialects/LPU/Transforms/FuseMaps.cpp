//===- FuseMaps.cpp - Join maps that pass a buffer on ---------------------===//

#include "FoldScales.h"
#include "LPU/Transforms/Passes.h"
#include "lpu/Target/Target.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/IRMapping.h"
#include <set>

namespace mlir::lpu {
#define GEN_PASS_DEF_FUSEMAPSPASS
#include "LPU/Transforms/Passes.h.inc"
} // namespace mlir::lpu

using namespace mlir;
using namespace mlir::lpu;

namespace {

/// ALUs that a map's program holds: those of its operations (a division or square
/// root is two), three for every sum of limbs, one for one of f16, five for every
/// result in limbs, and one for every value that has to wait. Operations are timed
/// as late as possible, as the lowering times them.
unsigned countAlus(MapOp map, const ::lpu::Target &target) {
  int64_t alu = target.latencies().alu(), slow = target.latencies().alu_transcendental();
  unsigned count = 0;
  // When a value is wanted, relative to the last operation.
  llvm::DenseMap<Value, std::set<int64_t>> wanted;
  Block &body = map.getBody().front();
  for (auto [value, type] :
       llvm::zip(body.getTerminator()->getOperands(), map.getResultTypes())) {
    Format format = cast<BufferType>(type).getFormat();
    bool limbs = getNumLimbs(format) != 0;
    if (format == Format::U8) {
      ++count;
      wanted[value].insert(0);
      continue;
    }
    // The factor of a result in limbs may be part of a constant.
    bool isFolded = limbs && getFactorCarrier(map, value);
    count += !limbs ? 0 : isFolded ? 4 : 5;
    wanted[value].insert(!limbs ? alu : isFolded ? -2 * alu : -3 * alu);
  }
  for (Operation &op : llvm::reverse(body.without_terminator())) {
    if (isa<arith::ConstantOp>(op)) {
      continue;
    }
    auto product = dyn_cast<arith::MulFOp>(op);
    if (product && isFoldedFactor(map, product)) {
      for (Value operand : op.getOperands()) {
        wanted[operand].insert(wanted[op.getResult(0)].begin(), wanted[op.getResult(0)].end());
      }
      continue;
    }
    int64_t latency = isa<math::Exp2Op, math::Log2Op, math::TanhOp, math::RsqrtOp>(op) ? slow
                      : isa<arith::DivFOp>(op)  ? slow + alu
                      : isa<math::SqrtOp>(op)   ? 2 * slow
                      : isa<RoundOp>(op)        ? 2 * alu
                                                : alu;
    const std::set<int64_t> &uses = wanted[op.getResult(0)];
    count += unsigned(isa<arith::DivFOp, math::SqrtOp, RoundOp>(op) ? 2 : 1);
    count += uses.empty() ? 0 : unsigned(uses.size() - 1);
    int64_t issue = (uses.empty() ? 0 : *uses.begin()) - latency;
    for (Value operand : op.getOperands()) {
      if (!operand.getDefiningOp<arith::ConstantOp>()) {
        wanted[operand].insert(issue);
      }
    }
  }
  for (auto [input, argument] : llvm::zip(map.getInputs(), body.getArguments())) {
    if (auto sums = dyn_cast<AccType>(input.getType())) {
      count += getNumLimbs(sums.getFormat()) ? 3 : 1;
      count += wanted[argument].empty() ? 0 : unsigned(wanted[argument].size() - 1);
    } else if (getNumLimbs(cast<BufferType>(input.getType()).getFormat())) {
      count += unsigned(wanted[argument].size()); // integers become f32
    }
  }
  return count;
}

/// The one user of all results of `map`, if it is a map that can take it in.
MapOp getConsumer(MapOp map) {
  Operation *only = nullptr;
  for (Value result : map.getResults()) {
    if (cast<BufferType>(result.getType()).getFormat() != Format::F32) {
      return {};
    }
    for (Operation *user : result.getUsers()) {
      if (only && only != user) {
        return {};
      }
      only = user;
    }
  }
  auto consumer = dyn_cast_or_null<MapOp>(only);
  if (!consumer) {
    return {};
  }
  auto from = cast<BufferType>(map.getResult(0).getType());
  auto to = cast<BufferType>(consumer.getResult(0).getType());
  bool same = from.getRows() == to.getRows() && from.getColumns() == to.getColumns();
  return same ? consumer : MapOp();
}

/// Joins both; null when the joint program needs more ALUs than there are.
MapOp fuse(MapOp map, MapOp consumer, const ::lpu::Target &target) {
  OpBuilder builder(consumer);
  SmallVector<Value> inputs(map.getInputs());
  for (Value input : consumer.getInputs()) {
    if (input.getDefiningOp() != map && !llvm::is_contained(inputs, input)) {
      inputs.push_back(input);
    }
  }
  auto fused = MapOp::create(builder, consumer.getLoc(), consumer.getResultTypes(),
                             inputs, consumer.getScales(), ArrayAttr());
  Block &block = fused.getBody().emplaceBlock();
  llvm::DenseMap<Value, Value> arguments;
  for (Value input : inputs) {
    // An input given twice is read once.
    Value argument = block.addArgument(builder.getF32Type(), input.getLoc());
    arguments.try_emplace(input, argument);
  }
  builder.setInsertionPointToEnd(&block);
  IRMapping mapping;
  auto copy = [&](MapOp from) {
    Block &body = from.getBody().front();
    for (auto [input, argument] : llvm::zip(from.getInputs(), body.getArguments())) {
      if (!mapping.contains(argument)) {
        mapping.map(argument, arguments.lookup(input));
      }
    }
    for (Operation &op : body.without_terminator()) {
      builder.clone(op, mapping);
    }
    return body.getTerminator();
  };
  Operation *yield = copy(map);
  Block &body = consumer.getBody().front();
  for (auto [input, argument] : llvm::zip(consumer.getInputs(), body.getArguments())) {
    if (input.getDefiningOp() == map) {
      unsigned number = cast<OpResult>(input).getResultNumber();
      mapping.map(argument, mapping.lookup(yield->getOperand(number)));
    }
  }
  builder.clone(*copy(consumer), mapping);
  fused.setUncounted(consumer.getUncounted());
  simplifyBody(fused);
  // One row leaves an ALU after a few cycles.
  bool isBusy = cast<BufferType>(fused.getResult(0).getType()).getRows() > 1;
  if (countAlus(fused, target) > (isBusy ? 1 : 2) * target.alus()) {
    fused.erase();
    return {};
  }
  consumer.replaceAllUsesWith(fused.getResults());
  consumer.erase();
  map.erase();
  return fused;
}

struct FuseMaps : mlir::lpu::impl::FuseMapsPassBase<FuseMaps> {
  void runOnOperation() override {
    const ::lpu::Target *target = getTarget(getOperation());
    if (!target) {
      return signalPassFailure();
    }
    // From the first map down: what reads the same sums comes together first, so
    // that these can be computed where they are used. A map with two users may have
    // one afterwards.
    for (bool changed = true; changed;) {
      changed = false;
      Operation *next = nullptr;
      for (Operation *op = &getOperation().getBody().front().front(); op; op = next) {
        next = op->getNextNode();
        auto map = dyn_cast<MapOp>(op);
        MapOp consumer = map ? getConsumer(map) : MapOp();
        if (!consumer) {
          continue;
        }
        bool isNext = next == consumer;
        if (MapOp fused = fuse(map, consumer, *target)) {
          next = isNext ? fused.getOperation() : next;
          changed = true;
        }
      }
    }
    for (MapOp map : getOperation().getOps<MapOp>()) {
      foldScales(map);
    }
  }
};

} // namespace
