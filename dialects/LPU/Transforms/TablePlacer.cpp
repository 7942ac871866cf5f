//===- TablePlacer.cpp - Windows of tables that are gathered from ---------===//

#include "TablePlacer.h"
#include "lpu/Target/Target.h"

using namespace mlir;
using namespace mlir::lpu;
using ::lpu::Side;
using ::lpu::Target;

namespace {

class TablePlacer {
public:
  explicit TablePlacer(BufferPlacer &buffers)
      : buffers(buffers), target(buffers.getTarget()), words(buffers.getWords()) {}

  /// Tables that fit a bank lie there as a buffer does. Others get the outermost
  /// neighbouring slices that have room, on both sides where that can be: as few as
  /// will do, of one bank each while that is enough, so that the slices keep room for
  /// weights.
  LogicalResult place(TableOp op) {
    BufferType type = op.getResult().getType();
    TableOp &known = tables[{op.getValue(), type}];
    if (known) {
      op.setWindowsAttr(known.getWindowsAttr());
      buffers.share(op.getResult(), known.getResult());
      return success();
    }
    known = op;
    int64_t vectors = type.getVectors(target.lanes());
    Side side = getEmptierSide();
    SmallVector<TableWindow> windows;
    SmallVector<int64_t> slices;
    for (int64_t b = 0; b < int64_t(getNumBytes(type.getFormat())); ++b) {
      SliceSet taken(slices.begin(), slices.end());
      bool placed = placeWindows(side, b, type.getRows(), vectors, taken, windows) ||
                    placeWindows(side, b, type.getRows(), vectors, SliceSet(), windows);
      if (!placed) {
        return buffers.emitDoesNotFit(op, "a table of " + Twine(type.getRows()) + " rows of " +
                                              Twine(vectors) +
                                              " words a byte plane, in neighbouring slices");
      }
      for (const TableWindow &window : windows) {
        slices.push_back(window.slice);
      }
    }
    buffers.setSlices(op.getResult(), slices);
    op.setWindowsAttr(encodeWindows(op.getContext(), windows));
    return success();
  }

private:
  bool placeWindows(Side side, int64_t byte, int64_t rows, int64_t vectors,
                    const SliceSet &taken, SmallVectorImpl<TableWindow> &windows) {
    int64_t count = rows * vectors;
    if (count <= target.wordsPerBank()) {
      if (std::optional<BytePlacement> place = buffers.findByte(side, count, taken)) {
        windows.push_back({byte, place->slice, place->bank, place->first, 0, rows});
        return true;
      }
    }
    int64_t banks = target.banks(), last = target.slicesPerSide();
    auto place = [&](ArrayRef<Side> sides, int64_t firstSlice, int64_t slices,
                     int64_t firstBank, int64_t count) {
      int64_t perSide = slices * count, parts = perSide * int64_t(sides.size());
      // Rows of a window; none is split.
      int64_t each = llvm::divideCeil(rows, parts);
      if ((parts - 1) * each >= rows) {
        return false;
      }
      auto getBank = [&](int64_t k) {
        int64_t slice = firstSlice + k % perSide / count;
        return std::pair(target.slice(sides[size_t(k / perSide)], unsigned(slice)),
                         firstBank + k % count);
      };
      for (int64_t k = 0; k < parts; ++k) {
        auto [slice, bank] = getBank(k);
        if (taken.contains(slice) || !words.fits(slice, bank, each * vectors)) {
          return false;
        }
      }
      for (int64_t k = 0; k < parts; ++k) {
        auto [slice, bank] = getBank(k);
        int64_t mine = std::min(each, rows - k * each);
        windows.push_back(
            {byte, slice, bank, words.take(slice, bank, mine * vectors), k * each, mine});
      }
      return true;
    };
    auto search = [&](ArrayRef<Side> sides) {
      for (int64_t count = 1; count <= banks; ++count) {
        for (int64_t slices = 1; slices <= last; ++slices) {
          for (int64_t first = last - slices; first >= 0; --first) {
            for (int64_t bank = banks - count; bank >= 0; --bank) {
              if (place(sides, first, slices, bank, count)) {
                return true;
              }
            }
          }
        }
      }
      return false;
    };
    return search({Side::West, Side::East}) || search(side);
  }

  Side getEmptierSide() {
    int64_t used[2] = {0, 0};
    for (int64_t i = 0; i < target.slicesPerSide(); ++i) {
      for (Side side : {Side::West, Side::East}) {
        for (int64_t bank = 0; bank < target.banks(); ++bank) {
          used[side == Side::East] += words.usedWords(target.slice(side, i), bank);
        }
      }
    }
    return used[0] < used[1] ? Side::West : Side::East;
  }

  BufferPlacer &buffers;
  const Target &target;
  WordAllocator &words;
  llvm::DenseMap<std::pair<Attribute, Type>, TableOp> tables;
};

} // namespace

LogicalResult mlir::lpu::placeTables(BufferPlacer &buffers, ConstantPlacer &constants) {
  TablePlacer tables(buffers);
  for (auto entry : buffers.getModule().getOps<func::FuncOp>()) {
    for (auto table : entry.getOps<TableOp>()) {
      if (failed(tables.place(table))) {
        return failure();
      }
    }
    for (auto constant : entry.getOps<ConstantRowsOp>()) {
      bool isTable = llvm::any_of(constant.getResult().getUsers(),
                                  [](Operation *user) { return isa<GatherRowsOp>(user); });
      if (isTable && failed(constants.place(buffers, constant))) {
        return failure();
      }
    }
  }
  return success();
}
