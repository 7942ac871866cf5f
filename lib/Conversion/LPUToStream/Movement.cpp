//===- Movement.cpp - Kernels that move words -----------------------------===//

#include "ISA/IR/ISADialect.h"
#include "Lowering.h"
#include "mlir/IR/BuiltinOps.h"

using namespace lpu;
using namespace lpu::stream_lowering;
using namespace mlir;
using mlir::lpu::Placement;
using mlir::lpu::Stripe;
using mlir::stream::stringifyDirection;

namespace lpu::stream_lowering {
int64_t getTable(ModuleOp module, ArrayRef<int64_t> table, const Target &target) {
  SmallVector<int64_t> full(table);
  for (int64_t lane = int64_t(full.size()); lane < int64_t(target.lanes()); ++lane) {
    full.push_back(lane);
  }
  int64_t number = 0;
  for (auto op : module.getOps<lpuisa::TableOp>()) {
    if (op.getEntries() == ArrayRef<int64_t>(full)) {
      return number;
    }
    ++number;
  }
  OpBuilder builder(module.getBodyRegion());
  auto op = lpuisa::TableOp::create(builder, module.getLoc(), full);
  // In the order of their numbers, before everything else.
  Operation *after = nullptr;
  for (auto other : module.getOps<lpuisa::TableOp>()) {
    after = other == op ? after : other.getOperation();
  }
  if (after) {
    op->moveAfter(after);
  }
  return number;
}

Value permuteLanes(ChainBuilder &chain, Side side, int64_t table, Value x, int64_t slice,
                   Repeated repeated) {
  const Target &target = chain.getTarget();
  auto in = cast<mlir::stream::FlowType>(x.getType()).getDirection();
  auto out = ChainBuilder::direction(target.sxmColumn(side), target.sliceColumn(unsigned(slice)));
  Fields fields = chain.fields();
  fields.set("dir", stringifyDirection(in)).set("out_dir", stringifyDirection(out));
  fields.set("table", table);
  return chain
      .issue("permute", target.queueName({UnitKind::SxmPermute, uint16_t(side)}), 0, fields, x,
             chain.flow(out, 1), repeated)
      .getResult(0);
}
} // namespace lpu::stream_lowering

// One byte plane after another, some rows at a time: slice -> SXM -> slice, one word a
// cycle.
LogicalResult Lowering::lowerPermute(mlir::lpu::PermuteOp op) {
  auto type = op.getSource().getType();
  SmallVector<Placement> sources = getPlacements(op.getSource());
  SmallVector<Placement> results = getPlacements(op.getResult());
  if (sources.empty() || results.empty() || op.getTable().size() > target.lanes()) {
    return op.emitOpError("expected placed operands and at most ")
           << target.lanes() << " lanes";
  }
  int64_t table = getTable(program->getParentOfType<ModuleOp>(), op.getTable(), target);
  int64_t all = type.getRows() * type.getVectors(target.lanes());
  int64_t step = getBlockRows(type.getRows()) * type.getVectors(target.lanes());
  auto moveRows = [&](const mlir::lpu::BytePlacement &from, const mlir::lpu::BytePlacement &to,
                      int64_t first) {
    Repeated words{std::min(step, all - first), 1, 1, 0};
    Side side = target.sliceSide(unsigned(from.slice));
    ChainBuilder chain(program, op.getLoc(), getName(op, "permute"), target);
    unsigned column = target.sxmColumn(side);
    Value x = chain.readFor(column, 0, unsigned(from.slice), from.bank, from.first + first,
                            words, {{"r_addr", {0, 1}}});
    Value moved = permuteLanes(chain, side, table, x, to.slice, words);
    chain.writeFrom(column, int64_t(target.latencies().permute()), moved, 0,
                    unsigned(to.slice), to.bank, to.first + first, words,
                    {{"w_addr", {0, 1}}});
    chain.finish();
  };
  for (int64_t first = 0; first < all; first += step) {
    for (const Placement &result : results) {
      for (auto [from, to] : llvm::zip(sources.front(), result)) {
        moveRows(from, to, first);
      }
    }
  }
  return success();
}

// The map that makes the rows writes them.
LogicalResult Lowering::lowerAppend(mlir::lpu::AppendOp op) {
  if (!mlir::lpu::getStreamedAppend(op.getSource())) {
    return op.emitOpError("expected the rows of a map that nothing else reads");
  }
  return success();
}
