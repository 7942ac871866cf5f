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

/// The number of `table` among the module's, added where it is new. Lanes past
/// its end stay.
static int64_t getTable(ModuleOp module, ArrayRef<int64_t> table, const Target &target) {
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

// One byte plane after another: slice -> SXM -> slice, all words of the plane
// one a cycle.
LogicalResult Lowering::lowerPermute(mlir::lpu::PermuteOp op) {
  auto type = op.getSource().getType();
  SmallVector<Placement> sources = getPlacements(op.getSource());
  SmallVector<Placement> results = getPlacements(op.getResult());
  if (sources.empty() || results.empty() || op.getTable().size() > target.lanes()) {
    return op.emitOpError("expected placed operands and at most ")
           << target.lanes() << " lanes";
  }
  int64_t table = getTable(program->getParentOfType<ModuleOp>(), op.getTable(), target);
  Repeated words{type.getRows() * type.getVectors(target.lanes()), 1, 1, 0};
  for (const Placement &result : results) {
    for (auto [from, to] : llvm::zip(sources.front(), result)) {
      Side side = target.sliceSide(unsigned(from.slice));
      ChainBuilder chain(program, op.getLoc(), getName(op, "permute"), target);
      unsigned column = target.sxmColumn(side);
      Value x = chain.readFor(column, 0, unsigned(from.slice), from.bank, from.first,
                              words, {{"r_addr", {0, 1}}});
      auto in = cast<mlir::stream::FlowType>(x.getType()).getDirection();
      auto out = ChainBuilder::direction(column, target.sliceColumn(unsigned(to.slice)));
      Fields fields = chain.fields();
      fields.set("dir", stringifyDirection(in)).set("out_dir", stringifyDirection(out));
      fields.set("table", table);
      Value moved =
          chain
              .issue("permute", target.queueName({UnitKind::SxmPermute, uint16_t(side)}), 0,
                     fields, x, chain.flow(out, 1), words)
              .getResult(0);
      chain.writeFrom(column, int64_t(target.latencies().permute()), moved, 0,
                      unsigned(to.slice), to.bank, to.first, words, {{"w_addr", {0, 1}}});
      chain.finish();
    }
  }
  return success();
}

// Data and map pass all slices of the stripe; each takes what falls into its
// own window.
LogicalResult Lowering::lowerAppend(mlir::lpu::AppendOp op) {
  auto state = op.getTiles().getDefiningOp<mlir::lpu::StateOp>();
  auto tiles = op.getTiles().getType();
  auto type = op.getSource().getType();
  Stripe stripe = mlir::lpu::decodeStripes(state.getPlacementAttr()).front();
  Side away = target.planeSide(unsigned(stripe.plane)) == Side::West ? Side::East : Side::West;
  auto find = [&](Value buffer) -> std::optional<Placement> {
    for (const Placement &copy : getPlacements(buffer)) {
      if (target.sliceSide(unsigned(copy.front().slice)) == away) {
        return copy;
      }
    }
    return std::nullopt;
  };
  std::optional<Placement> source = find(op.getSource()), map = find(op.getMap());
  if (!source || !map) {
    return op.emitOpError("expected source and map on the other side of the VXM");
  }
  int64_t groups = divideCeil(tiles.getRows(), 16);
  int64_t perVector = tiles.getWidth() ? tiles.getWidth() : int64_t(target.lanes());
  int64_t vectors = divideCeil(tiles.getColumns(), perVector);
  int64_t words = groups * vectors;
  bool transposed = tiles.getTransposed();
  // Straight: one vector an N tile; transposed: one row a group.
  int64_t count = transposed ? groups : vectors;
  int64_t step = transposed ? 1 : groups;
  int64_t rows = op.getMap().getType().getRows();
  if (type.getRows() * type.getVectors(target.lanes()) != rows * count) {
    return op.emitOpError("expected a source of ")
           << rows * count << " vectors, got " << type;
  }
  ChainBuilder chain(program, op.getLoc(), getName(op, "append"), target);
  unsigned vxm = target.vxmColumn();
  Repeated repeated{count, 1, rows, count};
  SmallVector<Value> data, address;
  for (const auto &byte : *source) {
    data.push_back(chain.readFor(vxm, 0, unsigned(byte.slice), byte.bank, byte.first,
                                 repeated, {{"r_addr", {count, 1}}}));
  }
  for (const auto &byte : *map) {
    address.push_back(chain.readFor(vxm, 0, unsigned(byte.slice), byte.bank, byte.first,
                                    repeated, {{"r_addr", {1, 0}}}));
  }
  Value at = chain.bundle(address);
  auto dir = cast<mlir::stream::FlowType>(at.getType()).getDirection();
  for (auto [j, byteAt] : llvm::enumerate(stripe.slices)) {
    int64_t index = int64_t(j) % 16, byte = int64_t(j) / 16;
    Fields fields = chain.fields();
    fields.set("w", "mapped").set("w_bank", byteAt.bank).set("w_addr", byteAt.first);
    fields.set("w_dir", stringifyDirection(dir)).set("w_map_dir", stringifyDirection(dir));
    // The window leaves out what the step adds last.
    fields.set("w_lo", index * words).set("w_len", words - (count - 1) * step);
    unsigned to = target.sliceColumn(unsigned(byteAt.slice));
    chain.issue("mem", target.queueName({UnitKind::Mem, uint16_t(byteAt.slice)}),
                std::abs(int64_t(to) - int64_t(vxm)), fields, {data[size_t(byte)], at}, {},
                repeated, {{"w_addr", {0, step}}});
  }
  chain.finish();
  return success();
}
