//===- BufferPlacer.h - Words for one buffer after another ------*- C++ -*-===//
#ifndef LPU_TRANSFORMS_BUFFERPLACER_H
#define LPU_TRANSFORMS_BUFFERPLACER_H

#include "LPU/IR/LPUKernelOps.h"
#include "WordAllocator.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/SetVector.h"
#include <array>
#include <deque>

namespace mlir::lpu {

using SliceSet = llvm::DenseSet<int64_t>;

constexpr ::lpu::Side kBothSides[] = {::lpu::Side::West, ::lpu::Side::East};

/// Words that the byte planes placed last put into each slice: they are written and
/// read at about the same time, one word a cycle and slice.
class Traffic {
public:
  int64_t get(int64_t slice) const {
    auto it = words.find(slice);
    return it == words.end() ? 0 : it->second;
  }
  void add(int64_t slice, int64_t count) {
    if (count < kLeast) {
      return;
    }
    recent.push_back({slice, count});
    words[slice] += count;
    if (recent.size() > kWindow) {
      words[recent.front().first] -= recent.front().second;
      recent.pop_front();
    }
  }

private:
  static constexpr size_t kWindow = 56;  ///< byte planes, a dozen buffers
  static constexpr int64_t kLeast = 24; ///< fewer words are over before they are in the way
  std::deque<std::pair<int64_t, int64_t>> recent;
  llvm::DenseMap<int64_t, int64_t> words;
};

/// What lies where, as far as it is placed, and words for the next buffer: near the VXM, on
/// the sides that read it, away from what is read or written together with it.
class BufferPlacer {
public:
  BufferPlacer(ModuleOp module, const ::lpu::Target &target);

  ModuleOp getModule() const { return module; }
  const ::lpu::Target &getTarget() const { return target; }
  WordAllocator &getWords() { return words; }
  const WordAllocator &getWords() const { return words; }

  /// The side of the planes that have the tiles of the state `name`.
  ::lpu::Side getSide(StringAttr name) const { return sideOfState.lookup(name); }

  /// Slices of all copies of `buffer`; none where it is not placed.
  ArrayRef<int64_t> getSlices(Value buffer) const;
  void setSlices(Value buffer, ArrayRef<int64_t> slices);
  /// `buffer` takes the words of `other`, which is placed.
  void share(Value buffer, Value other);

  /// Sides on which `buffer` is read: those of the planes that contract it;
  /// for the VXM any side will do. Scales of a contraction are read by the VXM.
  SmallVector<::lpu::Side> getSides(Value buffer);
  /// Those sides where it matters.
  SmallVector<::lpu::Side> getNeededSides(Value buffer);
  /// Slices that `buffer` may not share: those of what one map reads or writes
  /// together with it, activations and scales of the sums it reads included.
  /// `sides`: where the copies of `buffer` lie that matter.
  SliceSet getConflicts(Value buffer, ArrayRef<::lpu::Side> sides);

  /// Gives `buffer`, which `op` makes, words on each of `sides` and the placement to `set`.
  LogicalResult place(Operation *op, Value buffer, ArrayRef<::lpu::Side> sides,
                      llvm::function_ref<void(DenseI64ArrayAttr)> set);
  /// The first part places the whole, away from what goes with any part.
  FailureOr<DenseI64ArrayAttr> placePart(ConcatRowsOp whole, Value part);
  /// The copies of `buffer`, which is placed, from row `first` on.
  DenseI64ArrayAttr getRows(Value buffer, int64_t first);
  /// The slice without a conflict that is near the VXM and not busy with what was placed
  /// just before; there the words that were given back longest ago.
  std::optional<BytePlacement> findByte(::lpu::Side side, int64_t count,
                                        const SliceSet &conflicts);
  /// Words for `count` words of each of `bytes` planes on one side, in parts of a `bank`;
  /// nothing where it has no room.
  std::optional<SmallVector<Placement>> findPlaces(::lpu::Side side, int64_t count, int64_t bank,
                                                   unsigned bytes, SliceSet conflicts);
  void release(Value buffer);

  /// Leaves out the memory map of errors: nobody reads those of a trial.
  void setTrial(bool value) { isTrial = value; }
  /// Says that `what` of `op` has no room, and what lies in SRAM.
  InFlightDiagnostic emitDoesNotFit(Operation *op, const Twine &what);

private:
  /// In turn, so that keys and values of a layer lie apart.
  void assignStateSides();
  /// Where the parts of a gathered table lie; each one's map comes from the other side.
  llvm::SmallSetVector<::lpu::Side, 2> getTableSides(GatherRowsOp op);
  /// Whether planes of `side` take part in `op`; of those that are not chosen yet, all do.
  bool worksOn(ContractOp op, ::lpu::Side side);

  /// Of buffers that are gathered from.
  static constexpr ::lpu::Side kTableSide = ::lpu::Side::East;

  ModuleOp module;
  const ::lpu::Target &target;
  WordAllocator words;
  Traffic traffic;
  llvm::DenseMap<Attribute, ::lpu::Side> sideOfState; ///< by name
  llvm::DenseMap<Value, SmallVector<BytePlacement>> bytesOf;
  llvm::DenseMap<Value, SmallVector<int64_t>> slicesOf;
  ::lpu::Side nextSide = ::lpu::Side::East;
  std::array<int64_t, 2> moves{}; ///< words that the SXM of each side moves
  bool isTrial = false;
};

} // namespace mlir::lpu

#endif // LPU_TRANSFORMS_BUFFERPLACER_H
