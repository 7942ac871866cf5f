//===- FuseMaps.cpp - Join maps that pass a buffer on ---------------------===//

#include "LPU/Transforms/Passes.h"
#include "lpu/Target/Target.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/IRMapping.h"

namespace mlir::lpu {
#define GEN_PASS_DEF_FUSEMAPSPASS
#include "LPU/Transforms/Passes.h.inc"
} // namespace mlir::lpu

using namespace mlir;
using namespace mlir::lpu;

namespace {

/// ALUs that a map's program holds: its operations (a division or square root is two), three
/// for every sum of limbs, one for every input of integers, four for every result in limbs.
unsigned countAlus(MapOp map) {
  unsigned count = 0;
  for (Operation &op : map.getBody().front().without_terminator()) {
    count += isa<arith::ConstantOp>(op) ? 0 : isa<arith::DivFOp, math::SqrtOp>(op) ? 2 : 1;
  }
  for (Value input : map.getInputs()) {
    auto buffer = dyn_cast<BufferType>(input.getType());
    count += !buffer ? 3 : getNumLimbs(buffer.getFormat()) ? 1 : 0;
  }
  for (Type result : map.getResultTypes()) {
    count += getNumLimbs(cast<BufferType>(result).getFormat()) ? 5 : 1;
  }
  return count;
}

/// The one user of all results of `map`, if it is a map that can take it in.
MapOp getConsumer(MapOp map, unsigned maxAlus) {
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
  return same && countAlus(map) + countAlus(consumer) <= maxAlus ? consumer : MapOp();
}

void fuse(MapOp map, MapOp consumer) {
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
  consumer.replaceAllUsesWith(fused.getResults());
  consumer.erase();
  map.erase();
}

struct FuseMaps : mlir::lpu::impl::FuseMapsPassBase<FuseMaps> {
  void runOnOperation() override {
    auto module = getOperation()->getParentOfType<ModuleOp>();
    auto name = module ? module->getAttrOfType<StringAttr>("lpu.target") : StringAttr();
    if (!name) {
      getOperation().emitOpError("expected `lpu.target` on the module");
      return signalPassFailure();
    }
    absl::StatusOr<::lpu::Target> target =
        ::lpu::Target::lookup(name.getValue().str());
    if (!target.ok()) {
      getOperation().emitOpError(std::string(target.status().message()));
      return signalPassFailure();
    }
    // From the last map up: what it took in may now take in others.
    SmallVector<MapOp> maps(getOperation().getOps<MapOp>());
    for (MapOp map : llvm::reverse(maps)) {
      if (MapOp consumer = getConsumer(map, target->alus())) {
        fuse(map, consumer);
      }
    }
  }
};

} // namespace
