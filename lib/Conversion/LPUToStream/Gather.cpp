//===- Gather.cpp - lpu.gather_rows to mapped reads -----------------------===//

#include "Lowering.h"

using namespace lpu;
using namespace lpu::stream_lowering;
using namespace mlir;
using mlir::lpu::BytePlacement;
using mlir::lpu::GatherRowsOp;
using mlir::lpu::Placement;
using mlir::lpu::TableWindow;
using mlir::stream::stringifyDirection;

/// The windows of each byte plane of a table, of each of its copies.
static SmallVector<SmallVector<SmallVector<TableWindow>>> getWindows(Value table) {
  auto type = cast<mlir::lpu::BufferType>(table.getType());
  unsigned bytes = mlir::lpu::getNumBytes(type.getFormat());
  if (auto op = table.getDefiningOp<mlir::lpu::TableOp>()) {
    if (!op.getWindowsAttr()) {
      return {};
    }
    SmallVector<SmallVector<TableWindow>> planes(bytes);
    for (const TableWindow &window : mlir::lpu::decodeWindows(op.getWindowsAttr())) {
      planes[size_t(window.byte)].push_back(window);
    }
    return {planes};
  }
  SmallVector<SmallVector<SmallVector<TableWindow>>> copies;
  for (const Placement &copy : getPlacements(table)) {
    copies.emplace_back(bytes);
    for (auto [b, byte] : llvm::enumerate(copy)) {
      copies.back()[b].push_back(
          {int64_t(b), byte.slice, byte.bank, byte.first, 0, type.getRows()});
    }
  }
  return copies;
}

LogicalResult Lowering::lowerGatherRows(GatherRowsOp op) {
  auto tables = getWindows(op.getTable());
  SmallVector<Placement> maps = getPlacements(op.getMap());
  SmallVector<Placement> results = getPlacements(op.getResult());
  // A table and a map on two sides.
  const SmallVector<SmallVector<TableWindow>> *planes = nullptr;
  const Placement *map = nullptr;
  for (const auto &table : tables) {
    for (const Placement &copy : maps) {
      if (target.sliceSide(unsigned(copy.front().slice)) !=
          target.sliceSide(unsigned(table[0][0].slice))) {
        planes = &table;
        map = &copy;
      }
    }
  }
  if (!planes || results.empty()) {
    return op.emitOpError("expected placed operands, the map on the other side of the VXM "
                          "than the table");
  }
  for (const Placement &copy : results) {
    for (auto [windows, to] : llvm::zip(*planes, copy)) {
      if (windows.size() == 1) {
        gatherFromOne(op, *map, windows.front(), to);
      } else if (failed(gatherFromMany(op, *map, windows, to))) {
        return failure();
      }
    }
  }
  return success();
}

/// Sets the read part of a gather of vector `vector` of the rows of `window`.
static void setWindow(Fields &fields, const TableWindow &window, int64_t vectors,
                      int64_t vector) {
  // The window leaves out what follows its last row's first vector.
  fields.set("r", "mapped").set("r_bank", window.bank).set("r_addr", window.first + vector);
  fields.set("r_lo", window.firstRow * vectors);
  fields.set("r_len", window.rows * vectors - (vectors - 1));
}

// All vectors of all rows in one chain; the words go straight to their slice.
void Lowering::gatherFromOne(GatherRowsOp op, const Placement &map,
                             const TableWindow &window, const BytePlacement &to) {
  int64_t vectors = op.getTable().getType().getVectors(target.lanes());
  int64_t rows = op.getResult().getType().getRows();
  Repeated repeated{vectors, 1, rows, vectors};
  ChainBuilder chain(program, op.getLoc(), getName(op, "gather"), target);
  unsigned column = target.sliceColumn(unsigned(window.slice));
  SmallVector<Value> address;
  for (const auto &byte : map) {
    address.push_back(chain.readFor(column, 0, unsigned(byte.slice), byte.bank, byte.first,
                                    repeated, {{"r_addr", {1, 0}}}));
  }
  Value at = chain.bundle(address);
  auto in = cast<mlir::stream::FlowType>(at.getType()).getDirection();
  auto out = ChainBuilder::direction(column, target.sliceColumn(unsigned(to.slice)));
  Fields fields = chain.fields();
  setWindow(fields, window, vectors, 0);
  fields.set("r_dir", stringifyDirection(out)).set("r_map_dir", stringifyDirection(in));
  Value word = chain
                   .issue("mem", target.queueName({UnitKind::Mem, uint16_t(window.slice)}), 0,
                          fields, at, chain.flow(out, 1), repeated, {{"r_addr", {0, 1}}})
                   .getResult(0);
  chain.writeFrom(column, int64_t(target.latencies().gather()), word, 0, unsigned(to.slice),
                  to.bank, to.first, repeated, {{"w_addr", {vectors, 1}}});
  chain.finish();
}

// The map passes the VXM and then all slices, once for every bank; what it finds
// comes back to the VXM on one stream, a slice's words two cycles behind its inner
// neighbour's. Outside a window a word is zero, so the sum of all is the row's.
LogicalResult Lowering::gatherFromMany(GatherRowsOp op, const Placement &map,
                                       ArrayRef<TableWindow> windows,
                                       const BytePlacement &to) {
  int64_t vectors = op.getTable().getType().getVectors(target.lanes());
  int64_t rows = op.getResult().getType().getRows();
  unsigned vxm = target.vxmColumn();
  int64_t firstBank = windows.front().bank, lastBank = firstBank;
  for (const TableWindow &window : windows) {
    firstBank = std::min(firstBank, window.bank);
    lastBank = std::max(lastBank, window.bank);
  }
  auto getDistance = [&](const TableWindow &window) {
    return std::abs(int64_t(target.sliceColumn(unsigned(window.slice))) - int64_t(vxm));
  };
  auto getIssue = [&](const TableWindow &window) {
    return window.bank - firstBank + getDistance(window);
  };
  auto getArrival = [&](const TableWindow &window) {
    return getIssue(window) + getDistance(window) + int64_t(target.latencies().gather());
  };
  SmallVector<TableWindow> ordered(windows);
  llvm::sort(ordered, [&](const TableWindow &a, const TableWindow &b) {
    return getArrival(a) < getArrival(b);
  });
  int64_t count = int64_t(ordered.size()), first = getArrival(ordered.front());
  Repeated arrivals{count, getArrival(ordered[1]) - first, 1, 0};
  for (auto [index, window] : llvm::enumerate(ordered)) {
    if (getArrival(window) != first + int64_t(index) * arrivals.d) {
      return op.emitOpError("expected a table in neighbouring slices, in as many banks of each");
    }
  }
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t vector = 0; vector < vectors; ++vector) {
      ChainBuilder chain(program, op.getLoc(),
                         getName(op, "gather") + ".r" + std::to_string(row) + ".v" +
                             std::to_string(vector),
                         target);
      SmallVector<Value> address, words;
      for (const auto &byte : map) {
        address.push_back(chain.readFor(vxm, 0, unsigned(byte.slice), byte.bank,
                                        byte.first + row,
                                        {lastBank - firstBank + 1, 1, 1, 0}));
      }
      Value at = chain.bundle(address);
      auto in = cast<mlir::stream::FlowType>(at.getType()).getDirection();
      for (const TableWindow &window : ordered) {
        auto back = ChainBuilder::direction(target.sliceColumn(unsigned(window.slice)), vxm);
        Fields fields = chain.fields();
        setWindow(fields, window, vectors, vector);
        fields.set("r_dir", stringifyDirection(back)).set("r_map_dir", stringifyDirection(in));
        words.push_back(
            chain
                .issue("mem", target.queueName({UnitKind::Mem, uint16_t(window.slice)}),
                       getIssue(window), fields, at, chain.flow(back, 1))
                .getResult(0));
      }
      Value word = chain.merge(words);
      auto back = cast<mlir::stream::FlowType>(word.getType()).getDirection();
      auto out = ChainBuilder::direction(vxm, target.sliceColumn(unsigned(to.slice)));
      Fields sum = chain.fields();
      sum.set("op", "acc").set("a", "stream").set("a_type", "i8").set("reset", "outer");
      sum.set("a_dir", stringifyDirection(back));
      sum.set("out", "i8").set("out_dir", stringifyDirection(out));
      auto issue = chain.issue("alu", "vxm.*", first, sum, word,
                               {chain.flow(out, 1), chain.mesh()}, arrivals);
      int64_t done = first + (count - 1) * arrivals.d + int64_t(target.latencies().alu());
      chain.writeFrom(vxm, done, issue.getResult(0), 0, unsigned(to.slice), to.bank,
                      to.first + row * vectors + vector);
      chain.finish();
    }
  }
  return success();
}
