//===- AppendColumns.cpp - Many rows into transposed tiles ----------------===//

#include "Lowering.h"

using namespace lpu;
using namespace lpu::stream_lowering;
using namespace mlir;
using mlir::lpu::AppendColumnsOp;
using mlir::lpu::BytePlacement;
using mlir::lpu::Placement;
using mlir::lpu::Stripe;
using mlir::stream::FlowType;
using mlir::stream::stringifyDirection;

namespace {

/// The vectors of one distance and byte: gathered one slice's after another, moved on by the
/// SXM behind the rows, and scattered. Vector i is at the SXM in cycle i.
class ColumnsChain {
public:
  ColumnsChain(Lowering &lowering, AppendColumnsOp op, StringRef name, int64_t distance)
      : op(op), target(lowering.target), chain(lowering.program, op.getLoc(), name, target),
        distance(distance), group(int64_t(target.lanesPerSuperlane())), all{group, 1, 1, 0} {}

  void run(const BytePlacement &rows, const Placement &from, const Placement &to,
           ArrayRef<BytePlacement> slices, int64_t table) {
    Side side = target.sliceSide(unsigned(rows.slice));
    unsigned sxm = target.sxmColumn(side);
    Value vectors = gather(rows, from, sxm);
    Value moved = permuteLanes(chain, side, table, vectors, slices.front().slice, all);
    scatter(moved, to, slices, sxm);
    chain.finish();
  }

private:
  Value gather(const BytePlacement &rows, const Placement &from, unsigned sxm) {
    unsigned column = target.sliceColumn(unsigned(rows.slice));
    int64_t start = -std::abs(int64_t(sxm) - int64_t(column)) -
                    int64_t(target.latencies().gather());
    Value at = readWords(chain, from, distance, column, start, all);
    auto dir = ChainBuilder::direction(column, sxm);
    auto type = op.getSource().getType();
    int64_t vectors = type.getVectors(target.lanes());
    SmallVector<Value> words;
    for (int64_t i = 0; i < group; ++i) {
      // What counts from -group in slice 0 counts from i - group here; rows that are not
      // there lie outside the window.
      Fields fields = chain.fields();
      fields.set("r", "mapped").set("r_bank", rows.bank).set("r_dir", stringifyDirection(dir));
      fields.set("r_addr", rows.first + int64_t(op.getVector()));
      fields.set("r_lo", (group - i) * vectors);
      fields.set("r_len", type.getRows() * vectors - (vectors - 1));
      fields.set("r_map_dir", stringifyDirection(cast<FlowType>(at.getType()).getDirection()));
      words.push_back(chain
                          .issue("mem", target.queueName({UnitKind::Mem, uint16_t(rows.slice)}),
                                 start + i, fields, at, chain.flow(dir, 1))
                          .getResult(0));
    }
    return chain.merge(words);
  }

  // The map leaves in step with the data, towards the same slices.
  void scatter(Value data, const Placement &to, ArrayRef<BytePlacement> slices, unsigned sxm) {
    int64_t words = mlir::lpu::getTileWords(op.getTiles().getType(), target.lanes());
    auto getCycle = [&](const BytePlacement &at) {
      unsigned column = target.sliceColumn(unsigned(at.slice));
      return int64_t(target.latencies().permute()) + std::abs(int64_t(column) - int64_t(sxm));
    };
    unsigned column = target.sliceColumn(unsigned(slices.front().slice));
    Value at = readWords(chain, to, distance * group, column, getCycle(slices.front()), all,
                         {0, 1});
    StringRef dir = stringifyDirection(cast<FlowType>(data.getType()).getDirection());
    for (auto [i, slice] : llvm::enumerate(slices)) {
      Fields fields = chain.fields();
      fields.set("w", "mapped").set("w_bank", slice.bank).set("w_addr", slice.first);
      fields.set("w_dir", dir).set("w_map_dir", dir).set("w_len", words);
      chain.issue("mem", target.queueName({UnitKind::Mem, uint16_t(slice.slice)}),
                  getCycle(slice) + int64_t(i), fields, {data, at}, {});
    }
  }

  AppendColumnsOp op;
  const Target &target;
  ChainBuilder chain;
  int64_t distance, group;
  Repeated all; ///< one issue a slice
};

} // namespace

namespace lpu::stream_lowering {
SmallVector<int64_t> getSuperlaneRotation(int64_t distance, const Target &target) {
  int64_t lanes = int64_t(target.lanes()), shift = distance * target.lanesPerSuperlane();
  SmallVector<int64_t> table;
  for (int64_t lane = 0; lane < lanes; ++lane) {
    table.push_back((lane - shift + lanes) % lanes);
  }
  return table;
}
} // namespace lpu::stream_lowering

LogicalResult Lowering::lowerAppendColumns(AppendColumnsOp op) {
  int64_t lanes = int64_t(target.lanes()), group = int64_t(target.lanesPerSuperlane());
  auto type = op.getSource().getType();
  if (op.getFrom().getType().getRows() != lanes / group ||
      op.getTo().getType().getRows() != lanes || type.getRows() > lanes - group ||
      int64_t(op.getVector()) >= type.getVectors(lanes)) {
    return op.emitOpError("expected one of the ")
           << type.getVectors(lanes) << " vectors of at most " << lanes - group
           << " rows, and maps of " << lanes / group << " and " << lanes << " rows";
  }
  Stripe stripe = mlir::lpu::getStripes(op.getTiles()).front();
  Side side = target.planeSide(unsigned(stripe.plane)), other = getOther(side);
  SmallVector<Placement> sources = getPlacements(op.getSource());
  SmallVector<Placement> froms = getPlacements(op.getFrom()), tos = getPlacements(op.getTo());
  const Placement *rows = findCopy(sources, other, target);
  const Placement *from = findCopy(froms, side, target), *to = findCopy(tos, other, target);
  if (!rows || !from || !to) {
    return op.emitOpError("expected its rows and the map to the tiles on the other side of the "
                          "VXM than these, the map from the rows on their side");
  }
  std::string name = getName(op, "append");
  for (int64_t distance = 0; distance < op.getFrom().getType().getRows(); ++distance) {
    int64_t table = getTable(program->getParentOfType<ModuleOp>(),
                             getSuperlaneRotation(distance, target), target);
    for (auto [b, byte] : llvm::enumerate(*rows)) {
      auto slices = ArrayRef(stripe.slices).slice(b * size_t(group), size_t(group));
      ColumnsChain(*this, op, name + ".d" + std::to_string(distance), distance)
          .run(byte, *from, *to, slices, table);
    }
  }
  return success();
}
