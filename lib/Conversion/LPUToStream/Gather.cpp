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

/// The map that passes the VXM before it comes to `window`; null when there is none.
static const Placement *findMap(ArrayRef<Placement> maps, const TableWindow &window,
                                const Target &target) {
  return findCopy(maps, getOther(target.sliceSide(unsigned(window.slice))), target);
}

LogicalResult Lowering::lowerGatherRows(GatherRowsOp op) {
  auto tables = getWindows(op.getTable());
  SmallVector<Placement> maps = getPlacements(op.getMap());
  SmallVector<Placement> results = getPlacements(op.getResult());
  // A copy of the table of which every part has a map on the other side.
  auto *planes = llvm::find_if(tables, [&](const auto &table) {
    return llvm::all_of(table, [&](ArrayRef<TableWindow> windows) {
      return llvm::all_of(windows, [&](const TableWindow &window) {
        return findMap(maps, window, target);
      });
    });
  });
  if (planes == tables.end() || results.empty()) {
    return op.emitOpError("expected placed operands, the map on the other side of the VXM "
                          "than the table");
  }
  for (const Placement &copy : results) {
    for (auto [windows, to] : llvm::zip(*planes, copy)) {
      if (windows.size() == 1) {
        gatherFromOne(op, *findMap(maps, windows.front(), target), windows.front(), to);
      } else if (failed(gatherFromMany(op, maps, windows, to))) {
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
  Value at = readWords(chain, map, 0, column, 0, repeated, {1, 0});
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

namespace {

/// The windows of one side. A map passes the VXM and then all slices, once for every
/// bank; what it finds comes back to the VXM on one stream, a slice's words two cycles
/// behind its inner neighbour's. Cycles count from the map's at the VXM.
struct SideWindows {
  const Placement *map;
  SmallVector<TableWindow> windows; ///< in the order in which their words come
  int64_t banks = 1, firstBank = 0;
  int64_t arrival = 0, interval = 1; ///< of the first word, from word to word

  int64_t getLastArrival() const {
    return arrival + (int64_t(windows.size()) - 1) * interval;
  }
  static int64_t getDistance(const TableWindow &window, const Target &target) {
    return std::abs(int64_t(target.sliceColumn(unsigned(window.slice))) -
                    int64_t(target.vxmColumn()));
  }
  int64_t getIssue(const TableWindow &window, const Target &target) const {
    return window.bank - firstBank + getDistance(window, target);
  }
  int64_t getArrival(const TableWindow &window, const Target &target) const {
    return getIssue(window, target) + getDistance(window, target) +
           int64_t(target.latencies().gather());
  }
};

} // namespace

/// The windows by side; nothing when words come at irregular intervals.
static std::optional<SmallVector<SideWindows, 2>>
splitBySide(ArrayRef<Placement> maps, ArrayRef<TableWindow> windows, const Target &target) {
  SmallVector<SideWindows, 2> sides;
  for (const TableWindow &window : windows) {
    const Placement *map = findMap(maps, window, target);
    auto *side = llvm::find_if(sides, [&](const SideWindows &s) { return s.map == map; });
    if (side == sides.end()) {
      sides.push_back({map, {}});
      side = &sides.back();
    }
    side->windows.push_back(window);
  }
  for (SideWindows &side : sides) {
    auto [low, high] = std::minmax_element(
        side.windows.begin(), side.windows.end(),
        [](const auto &a, const auto &b) { return a.bank < b.bank; });
    side.firstBank = low->bank;
    side.banks = high->bank - low->bank + 1;
    llvm::sort(side.windows, [&](const TableWindow &a, const TableWindow &b) {
      return side.getArrival(a, target) < side.getArrival(b, target);
    });
    side.arrival = side.getArrival(side.windows.front(), target);
    if (side.windows.size() > 1) {
      side.interval = side.getArrival(side.windows[1], target) - side.arrival;
    }
    for (auto [index, window] : llvm::enumerate(side.windows)) {
      if (side.getArrival(window, target) != side.arrival + int64_t(index) * side.interval) {
        return std::nullopt;
      }
    }
  }
  return sides;
}

// Outside a window a word is zero, so the sum over all windows is the row's word: an
// ALU adds up what comes from one side, another adds the two sides.
LogicalResult Lowering::gatherFromMany(GatherRowsOp op, ArrayRef<Placement> maps,
                                       ArrayRef<TableWindow> windows,
                                       const BytePlacement &to) {
  auto sides = splitBySide(maps, windows, target);
  if (!sides) {
    return op.emitOpError("expected a table in neighbouring slices, in as many banks of each");
  }
  int64_t vectors = op.getTable().getType().getVectors(target.lanes());
  int64_t rows = op.getResult().getType().getRows(), alu = target.latencies().alu();
  unsigned vxm = target.vxmColumn();
  auto out = ChainBuilder::direction(vxm, target.sliceColumn(unsigned(to.slice)));
  int64_t end = 0;
  for (const SideWindows &side : *sides) {
    end = std::max(end, side.getLastArrival());
  }
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t vector = 0; vector < vectors; ++vector) {
      ChainBuilder chain(program, op.getLoc(),
                         getName(op, "gather") + ".r" + std::to_string(row) + ".v" +
                             std::to_string(vector),
                         target);
      auto setOutput = [&](Fields &fields) {
        fields.set("out", "i8").set("out_dir", stringifyDirection(out));
        return SmallVector<Type>{chain.flow(out, 1), chain.mesh()};
      };
      SmallVector<Value> sums;
      Value driven;
      for (const SideWindows &side : *sides) {
        int64_t start = end - side.getLastArrival();
        SmallVector<Value> words;
        Value at = readWords(chain, *side.map, row, vxm, start, {side.banks, 1, 1, 0});
        auto in = cast<mlir::stream::FlowType>(at.getType()).getDirection();
        auto back = in == mlir::stream::Direction::East ? mlir::stream::Direction::West
                                                        : mlir::stream::Direction::East;
        for (const TableWindow &window : side.windows) {
          Fields fields = chain.fields();
          setWindow(fields, window, vectors, vector);
          fields.set("r_dir", stringifyDirection(back))
              .set("r_map_dir", stringifyDirection(in));
          words.push_back(
              chain
                  .issue("mem", target.queueName({UnitKind::Mem, uint16_t(window.slice)}),
                         start + side.getIssue(window, target), fields, at,
                         chain.flow(back, 1))
                  .getResult(0));
        }
        Value word = words.size() == 1 ? words.front() : chain.merge(words);
        Fields sum = chain.fields();
        sum.set("op", "acc").set("a", "stream").set("a_type", "i8").set("reset", "outer");
        sum.set("a_dir", stringifyDirection(back));
        SmallVector<Type> types{chain.mesh()};
        if (sides->size() == 1) {
          types = setOutput(sum);
        }
        auto issue =
            chain.issue("alu", "vxm.*", start + side.arrival, sum, word, types,
                        {int64_t(side.windows.size()), side.interval, 1, 0});
        driven = issue.getResult(0);
        sums.push_back(issue->getResults().back());
      }
      int64_t done = end + alu;
      if (sides->size() == 2) {
        Fields add = chain.fields();
        add.set("op", "add").set("a", "mesh").set("b", "mesh");
        SmallVector<Type> types = setOutput(add);
        driven = chain.issue("alu", "vxm.*", done, add, sums, types).getResult(0);
        done += alu;
      }
      chain.writeFrom(vxm, done, driven, 0, unsigned(to.slice), to.bank,
                      to.first + row * vectors + vector);
      chain.finish();
    }
  }
  return success();
}
