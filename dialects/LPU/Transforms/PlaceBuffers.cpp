//===- PlaceBuffers.cpp - Give every buffer its SRAM words ----------------===//

#include "LPU/Transforms/Passes.h"
#include "MemoryMap.h"
#include "WordAllocator.h"
#include "lpu/Target/Target.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/Support/MathExtras.h"
#include <deque>
#include <map>

namespace mlir::lpu {
#define GEN_PASS_DEF_PLACEBUFFERSPASS
#include "LPU/Transforms/Passes.h.inc"
} // namespace mlir::lpu

using namespace mlir;
using namespace mlir::lpu;
using ::lpu::Side;
using ::lpu::Target;

using SliceSet = llvm::DenseSet<int64_t>;

namespace {

/// What is kept near the VXM for what entries compute: `percent` of the words that
/// tables, weights and states leave, in `slices` of each side; `large` of them have room
/// for the largest buffer.
struct ReservePlan {
  int64_t slices, large, percent;
};

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
  static constexpr size_t kWindow = 48;  ///< byte planes, some ten buffers
  static constexpr int64_t kLeast = 8;   ///< fewer words are over before they are in the way
  std::deque<std::pair<int64_t, int64_t>> recent;
  llvm::DenseMap<int64_t, int64_t> words;
};

class Placer {
public:
  Placer(ModuleOp module, const Target &target, ReservePlan plan)
      : module(module), target(target), plan(plan), words(target) {}

  LogicalResult run() {
    // Tables first: they need many words in a row, in neighbouring slices; then what the
    // host writes, which many kernels read; then the VXM's constants, near to it; then
    // stripes, which need 16 slices with room at once. All of it serves every entry, and
    // so do the other constants.
    auto isOfVxm = [](ConstantRowsOp op) {
      return llvm::all_of(op.getResult().getUsers(), [&](Operation *user) {
        auto contract = dyn_cast<ContractOp>(user);
        return isa<MapOp>(user) || (contract && contract.getScales() == op.getResult());
      });
    };
    assignStateSides();
    if (failed(placeTables()) || failed(placeHostWords()) || failed(placeConstants(isOfVxm)) ||
        failed(placeOutputs())) {
      return failure();
    }
    reserveForBuffers();
    if (failed(placeStripes()) ||
        failed(placeConstants([](ConstantRowsOp) { return true; }))) {
      return failure();
    }
    // One entry runs at a time: what they compute takes the same words.
    WordAllocator image = words;
    for (auto entry : module.getOps<func::FuncOp>()) {
      words = image;
      if (failed(placeEntry(entry))) {
        return failure();
      }
    }
    return success();
  }

private:
  LogicalResult placeTables() {
    for (auto entry : module.getOps<func::FuncOp>()) {
      for (auto table : entry.getOps<TableOp>()) {
        if (failed(placeTable(table))) {
          return failure();
        }
      }
      for (auto constant : entry.getOps<ConstantRowsOp>()) {
        bool isTable = llvm::any_of(constant.getResult().getUsers(), [](Operation *user) {
          return isa<GatherRowsOp>(user);
        });
        if (isTable && failed(placeConstant(constant))) {
          return failure();
        }
      }
    }
    return success();
  }

  LogicalResult placeConstants(llvm::function_ref<bool(ConstantRowsOp)> isMeant) {
    for (auto entry : module.getOps<func::FuncOp>()) {
      for (auto constant : entry.getOps<ConstantRowsOp>()) {
        if (!constant.getPlacement() && isMeant(constant) && failed(placeConstant(constant))) {
          return failure();
        }
      }
    }
    return success();
  }

  /// Outputs that nothing else reads: they may be large. Those of one name and type share
  /// their words.
  LogicalResult placeOutputs() {
    llvm::DenseMap<std::pair<Attribute, Type>, Value> known;
    for (auto entry : module.getOps<func::FuncOp>()) {
      for (auto store : entry.getOps<StoreOutputOp>()) {
        Value buffer = store.getSource();
        if (!buffer.hasOneUse() || !isa<MapOp>(buffer.getDefiningOp())) {
          continue;
        }
        Value &first = known[{store.getNameAttr(), buffer.getType()}];
        if (first && placedEarly.contains(first)) {
          placedEarly[buffer] = placedEarly.lookup(first);
          slicesOf[buffer] = SmallVector<int64_t>(slicesOf[first]);
          continue;
        }
        first = buffer;
        if (failed(placeOne(buffer.getDefiningOp(), buffer, getSides(buffer),
                            [&](DenseI64ArrayAttr a) { placedEarly[buffer] = a; }))) {
          return failure();
        }
      }
    }
    return success();
  }

  /// There and back again, so that keys and values of a layer lie apart and both sides get
  /// as many of either.
  void assignStateSides() {
    int64_t number = 0;
    module.walk([&](StateOp op) {
      Side side = (number + 1) / 2 % 2 == 0 ? Side::West : Side::East;
      number += sideOfState.insert({op.getNameAttr(), side}).second;
    });
  }

  /// Inputs and what the host derives: written before cycle 0, so that nothing else of
  /// the entry may use their words. Those of another entry that look the same do.
  LogicalResult placeHostWords() {
    llvm::DenseMap<std::pair<Type, int64_t>, SmallVector<Value>> known; ///< by sides, too
    for (auto entry : module.getOps<func::FuncOp>()) {
      llvm::DenseMap<std::pair<Type, int64_t>, size_t> used;
      for (Operation &op : entry.getBody().front()) {
        if (!isa<LoadInputOp, DeriveOp>(op)) {
          continue;
        }
        Value buffer = op.getResult(0);
        SmallVector<Side> sides = getNeededSides(buffer);
        int64_t key = isa<LoadInputOp>(op) ? 8 : 0;
        for (Side side : sides) {
          key |= side == Side::West ? 1 : 2;
        }
        auto &equal = known[{buffer.getType(), key}];
        size_t &next = used[{buffer.getType(), key}];
        if (next < equal.size()) {
          Value other = equal[next++];
          op.setAttr("placement", other.getDefiningOp()->getAttr("placement"));
          slicesOf[buffer] = SmallVector<int64_t>(slicesOf[other]);
          bytesOf[buffer] = SmallVector<BytePlacement>(bytesOf[other]);
          continue;
        }
        if (failed(placeResults(&op))) {
          return failure();
        }
        equal.push_back(buffer);
        ++next;
      }
    }
    return success();
  }

  LogicalResult placeStripes() {
    // The widest and those of one side first, then the longest.
    SmallVector<std::pair<std::pair<bool, int64_t>, Operation *>> order;
    for (auto entry : module.getOps<func::FuncOp>()) {
      entry.walk([&](Operation *op) {
        if (auto state = dyn_cast<StateOp>(op)) {
          bool isWide = state.getResult().getType().getFormat() == Format::F16;
          order.push_back({{isWide, getWords(state)}, op});
        } else if (auto contract = dyn_cast<ContractOp>(op); contract && !contract.getTiles()) {
          ContractShape shape = getContractShape(contract, target.lanes());
          bool isFirst = isF16(contract) || getRequiredSide(contract);
          order.push_back({{isFirst, shape.tiles * shape.groups}, op});
        }
      });
    }
    llvm::stable_sort(order, [](const auto &a, const auto &b) { return a.first > b.first; });
    for (auto [size, op] : order) {
      auto state = dyn_cast<StateOp>(op);
      if (failed(state ? placeState(state) : placeWeights(cast<ContractOp>(op)))) {
        return failure();
      }
    }
    return success();
  }

  int64_t getWords(StateOp op) const {
    TilesType type = op.getResult().getType();
    int64_t width = type.getWidth() ? type.getWidth() : int64_t(target.lanes());
    return llvm::divideCeil(type.getRows(), 16) *
           llvm::divideCeil(type.getColumns(), width);
  }

  /// What the entry computes; words go back when nothing reads them any more.
  LogicalResult placeEntry(func::FuncOp entry) {
    llvm::DenseMap<Operation *, SmallVector<Value>> lastReads;
    for (Operation &op : entry.getBody().front()) {
      if (!isa<MapOp, PermuteOp, GatherRowsOp, ConcatRowsOp>(op)) {
        continue;
      }
      for (Value result : op.getResults()) {
        if (Operation *last = getLastRead(result)) {
          lastReads[last].push_back(result);
        }
      }
    }
    for (Operation &op : entry.getBody().front()) {
      if (!isa<LoadInputOp, DeriveOp>(op) && failed(placeResults(&op))) {
        return failure();
      }
      for (Value buffer : lastReads.lookup(&op)) {
        release(buffer);
      }
    }
    return success();
  }

  /// The last operation that reads `buffer`; null for an output. A contraction reads
  /// its activations where its sums are used.
  static Operation *getLastRead(Value buffer) {
    Operation *last = buffer.getDefiningOp();
    auto add = [&](Operation *user) {
      last = last->isBeforeInBlock(user) ? user : last;
    };
    for (Operation *user : buffer.getUsers()) {
      // What is a part of another buffer goes back with it.
      if (isa<StoreOutputOp, ConcatRowsOp>(user)) {
        return nullptr;
      }
      if (auto rows = dyn_cast<RowsOp>(user)) {
        Operation *read = getLastRead(rows.getResult());
        if (!read) {
          return nullptr;
        }
        add(read);
      }
      add(user);
      if (auto contract = dyn_cast<ContractOp>(user)) {
        llvm::for_each(contract.getResult().getUsers(), add);
      }
    }
    return last;
  }

  void release(Value buffer) {
    auto type = cast<BufferType>(buffer.getType());
    int64_t count = type.getRows() * type.getVectors(target.lanes());
    for (const BytePlacement &byte : bytesOf[buffer]) {
      words.release(byte.slice, byte.bank, byte.first, count);
    }
  }

  static bool isF16(ContractOp op) {
    return op.getActivations().getType().getFormat() == Format::F16;
  }

  /// The side that has to work on `op`, if either. Rows that go from the VXM into tiles
  /// keep the slices there busy: the activations that make them come from the other side.
  /// What is summed with a state's tiles, or behind them, is for the other side's planes.
  std::optional<Side> getRequiredSide(ContractOp op) {
    auto getSide = [&](Value tiles) {
      return getOther(sideOfState.lookup(tiles.getDefiningOp<StateOp>().getNameAttr()));
    };
    Operation *user = *op.getResult().user_begin();
    for (Value result : user->getResults()) {
      if (auto append = getStreamedAppend(result)) {
        return getSide(append.getTiles());
      }
    }
    if (!isF16(op)) {
      return std::nullopt; // planes that work one by one have time beside gangs
    }
    for (Operation *map : {user, op.getActivations().getDefiningOp()}) {
      for (Value operand : map->getOperands()) {
        auto other = operand.getDefiningOp<ContractOp>();
        if (other && other != op && other.getTiles()) {
          return getSide(other.getTiles());
        }
      }
    }
    return std::nullopt;
  }

  /// Planes that work on `op`: one for each N tile, in turn over the chip, inner
  /// planes first. Those of a gang count as one. Sums that one map reads together come
  /// from planes beside one another in that order, and so from both sides.
  SmallVector<int64_t> getPlanes(ContractOp op, int64_t gang) {
    SmallVector<int64_t> order{target.innerPlane(Side::West),
                               target.innerPlane(Side::East)};
    for (int64_t plane = 0; gang == 1 && plane < target.planes() / 2; ++plane) {
      for (int64_t other : {plane, plane + target.planes() / 2}) {
        if (!llvm::is_contained(order, other)) {
          order.push_back(other);
        }
      }
    }
    int64_t tiles = 0, together = 0, mine = 0;
    Operation *user = *op.getResult().user_begin();
    if (std::optional<Side> side = getRequiredSide(op)) {
      llvm::erase_if(order, [&](int64_t plane) {
        return target.planeSide(unsigned(plane)) != *side;
      });
    }
    int64_t count = int64_t(order.size());
    for (Value operand : user->getOperands()) {
      auto contract = operand.getDefiningOp<ContractOp>();
      if (contract && !contract.getTiles() && isF16(contract) == isF16(op)) {
        mine = contract == op ? together : mine;
        tiles += getContractShape(contract, target.lanes()).tiles;
        ++together;
      }
    }
    auto [first, isNew] = firstPlane.insert({user, nextPlane});
    nextPlane += isNew ? tiles : 0;
    SmallVector<int64_t> planes;
    int64_t used = std::min(getContractShape(op, target.lanes()).tiles,
                            std::max<int64_t>(1, count / together));
    for (int64_t k = 0; k < used; ++k) {
      planes.push_back(order[size_t((first->second + mine + k * together) % count)]);
    }
    return planes;
  }

  LogicalResult placeWeights(ContractOp op) {
    if (op.getTiles()) {
      return success();
    }
    const auto *format = target.format(isF16(op) ? "f16" : "i8");
    if (!format) {
      return op.emitOpError("target ")
             << target.name() << " has no " << (isF16(op) ? "f16" : "i8") << " format";
    }
    // Equal weights lie once.
    std::optional<Side> required = getRequiredSide(op);
    DenseI64ArrayAttr &shared =
        stripesOf[{{*op.getWeights(), getContractShape(op, target.lanes()).tileColumns},
                   required ? int(*required) : -1}];
    if (!shared) {
      SmallVector<int64_t> planes = getPlanes(op, format->gang());
      SmallVector<Stripe> stripes;
      if (!findStripes(op, planes, format->streams(), stripes)) {
        // One side is full: the planes of the other do it alone.
        int64_t count = getContractShape(op, target.lanes()).groups;
        bool fits = false;
        for (Side side : {Side::West, Side::East}) {
          SmallVector<int64_t> order{target.innerPlane(side)};
          for (int64_t plane = 0; format->gang() == 1 && plane < target.planes(); ++plane) {
            if (target.planeSide(unsigned(plane)) == side && plane != order.front()) {
              order.push_back(plane);
            }
          }
          order.resize(std::min(order.size(), planes.size()));
          fits = fits || findStripes(op, order, format->streams(), stripes);
        }
        if (!fits) {
          return emitDoesNotFit(op, "weights of " + Twine(count) + " words a tile in " +
                                        Twine(format->streams()) + " slices");
        }
      }
      shared = encodeStripes(op.getContext(), stripes);
    }
    op.setPlacementAttr(shared);
    return success();
  }

  /// A stripe for the tiles of each of `planes`; takes nothing where one has no room.
  bool findStripes(ContractOp op, ArrayRef<int64_t> planes, size_t width,
                   SmallVectorImpl<Stripe> &stripes) {
    ContractShape shape = getContractShape(op, target.lanes());
    bool oneWord = isOneWord(op, target.lanes());
    SliceSet taken;
    for (auto [index, plane] : llvm::enumerate(planes)) {
      int64_t mine = llvm::divideCeil(shape.tiles - int64_t(index), planes.size());
      int64_t count = oneWord ? 1 : mine * shape.groups;
      std::optional<Stripe> stripe = findStripe(plane, count, width, taken);
      if (!stripe) {
        for (auto [other, given] : llvm::enumerate(stripes)) {
          int64_t words = llvm::divideCeil(shape.tiles - int64_t(other), planes.size()) *
                          shape.groups;
          for (const BytePlacement &at : given.slices) {
            this->words.release(at.slice, at.bank, at.first, oneWord ? 1 : words);
          }
        }
        stripes.clear();
        return false;
      }
      for (const BytePlacement &at : stripe->slices) {
        taken.insert(at.slice);
      }
      stripes.push_back(*stripe);
    }
    return true;
  }

  /// The states of an entry take the sides in turn.
  LogicalResult placeState(StateOp op) {
    TilesType type = op.getResult().getType();
    auto [known, isNew] = states.insert({op.getNameAttr(), op});
    if (!isNew) {
      if (known->second.getResult().getType() != type) {
        return op.emitOpError("state '")
               << op.getName() << "' is " << type << " here and "
               << known->second.getResult().getType() << " in another entry";
      }
      op.setPlacementAttr(known->second.getPlacementAttr());
      return success();
    }
    const auto *format = target.format(type.getFormat() == Format::F16 ? "f16" : "i8");
    if (!format) {
      return op.emitOpError("target ")
             << target.name() << " has no " << stringifyFormat(type.getFormat()) << " format";
    }
    int64_t count = getWords(op);
    std::optional<Stripe> stripe =
        findStripe(target.innerPlane(sideOfState.lookup(op.getNameAttr())), count,
                   format->streams(), SliceSet(), getAppendConflicts(op.getNameAttr()));
    if (!stripe) {
      return emitDoesNotFit(op, "state of " + Twine(count) + " words in " +
                                    Twine(format->streams()) + " slices");
    }
    op.setPlacementAttr(encodeStripes(op.getContext(), {*stripe}));
    return success();
  }

  /// Slices of constants that maps read while they append to the state `name`.
  SliceSet getAppendConflicts(StringAttr name) {
    SliceSet slices;
    for (auto entry : module.getOps<func::FuncOp>()) {
      for (auto append : entry.getOps<AppendOp>()) {
        auto state = append.getTiles().getDefiningOp<StateOp>();
        if (state.getNameAttr() == name && getStreamedAppend(append.getSource())) {
          for (int64_t slice : getConflicts(append.getSource(), kBothSides)) {
            slices.insert(slice);
          }
        }
      }
    }
    return slices;
  }

  static Side getOther(Side side) { return side == Side::West ? Side::East : Side::West; }

  /// Where the parts of a gathered table lie; each one's map comes from the other side.
  llvm::SmallSetVector<Side, 2> getTableSides(GatherRowsOp op) {
    llvm::SmallSetVector<Side, 2> sides;
    if (auto table = op.getTable().getDefiningOp<TableOp>()) {
      for (int64_t slice : slicesOf[table.getResult()]) {
        sides.insert(target.sliceSide(unsigned(slice)));
      }
    } else {
      sides.insert(kTableSide);
    }
    return sides;
  }

  /// Tables that fit a bank lie there as a buffer does. Others get the outermost
  /// neighbouring slices that have room, on both sides where that can be: as few as
  /// will do, of one bank each while that is enough, so that the slices keep room for
  /// weights.
  LogicalResult placeTable(TableOp op) {
    BufferType type = op.getResult().getType();
    TableOp &known = tables[{op.getValue(), type}];
    if (known) {
      op.setWindowsAttr(known.getWindowsAttr());
      slicesOf[op.getResult()] = slicesOf[known.getResult()];
      return success();
    }
    known = op;
    int64_t vectors = type.getVectors(target.lanes());
    Side side = getEmptierSide();
    SmallVector<TableWindow> windows;
    for (int64_t b = 0; b < int64_t(getNumBytes(type.getFormat())); ++b) {
      SliceSet taken;
      for (int64_t slice : slicesOf[op.getResult()]) {
        taken.insert(slice);
      }
      bool placed = placeWindows(side, b, type.getRows(), vectors, taken, windows) ||
                    placeWindows(side, b, type.getRows(), vectors, SliceSet(), windows);
      if (!placed) {
        return emitDoesNotFit(op, "a table of " + Twine(type.getRows()) + " rows of " +
                                      Twine(vectors) +
                                      " words a byte plane, in neighbouring slices");
      }
      for (const TableWindow &window : windows) {
        slicesOf[op.getResult()].push_back(window.slice);
      }
    }
    op.setWindowsAttr(encodeWindows(op.getContext(), windows));
    return success();
  }

  bool placeWindows(Side side, int64_t byte, int64_t rows, int64_t vectors,
                    const SliceSet &taken, SmallVectorImpl<TableWindow> &windows) {
    int64_t count = rows * vectors;
    if (count <= target.wordsPerBank()) {
      if (std::optional<BytePlacement> place = findByte(side, count, taken)) {
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
        windows.push_back({byte, slice, bank, words.take(slice, bank, mine * vectors),
                           k * each, mine});
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

  /// The stripes that `op` reads its weights from.
  static SmallVector<Stripe> getStripes(ContractOp op) {
    if (op.getTiles()) {
      return decodeStripes(op.getTiles().getDefiningOp<StateOp>().getPlacementAttr());
    }
    return decodeStripes(op.getPlacementAttr());
  }

  /// Words a byte plane of the largest buffer that an entry computes.
  int64_t getLargestBuffer() {
    int64_t largest = 0;
    for (auto entry : module.getOps<func::FuncOp>()) {
      for (Operation &op : entry.getBody().front()) {
        if (!isa<MapOp, PermuteOp, GatherRowsOp, ConcatRowsOp>(op)) {
          continue;
        }
        for (Value result : op.getResults()) {
          bool isPart = result.hasOneUse() && isa<ConcatRowsOp>(*result.user_begin());
          if (!isPart && !placedEarly.contains(result) && !getStreamedAppend(result)) {
            auto type = cast<BufferType>(result.getType());
            largest = std::max(largest, type.getRows() * type.getVectors(target.lanes()));
          }
        }
      }
    }
    return largest;
  }

  /// Keeps words near the VXM for what entries compute, as the plan says.
  void reserveForBuffers() {
    int64_t largest = getLargestBuffer();
    // Operands and results of a map lie in slices of their own: more slices help more
    // than larger shares, as far as the largest buffer fits into some.
    int64_t capacity =
        int64_t(target.numSlices()) * target.banks() * target.wordsPerBank();
    int64_t room = capacity - words.totalUsed() - countStripeWords();
    int64_t wanted = room * plan.percent / 200;
    int64_t share = std::max<int64_t>(0, wanted - plan.large * largest) / plan.slices;
    for (Side side : {Side::West, Side::East}) {
      // The largest go where no constants lie that maps read together with them.
      SmallVector<std::pair<int64_t, int64_t>> order; ///< words in use, slice
      for (int64_t i = 0; i < std::min<int64_t>(plan.slices, target.slicesPerSide()); ++i) {
        int64_t slice = target.slice(side, unsigned(i)), used = 0;
        for (int64_t bank = 0; bank < int64_t(target.banks()); ++bank) {
          used += words.usedWords(slice, bank);
        }
        order.push_back({used, slice});
      }
      llvm::stable_sort(order, [](auto a, auto b) { return a.first < b.first; });
      int64_t left = wanted;
      for (auto [index, at] : llvm::enumerate(order)) {
        bool isLarge = int64_t(index) < plan.large;
        int64_t count = std::min(isLarge ? std::max(share, largest) : share, left);
        for (int64_t bank = int64_t(target.banks()) - 1; count > 0 && bank >= 0; --bank) {
          if (words.fits(at.second, bank, count)) {
            reserves[{at.second, bank}] = count;
            left -= count;
            break;
          }
        }
      }
    }
  }

  /// Words of all slices that weights and states take.
  int64_t countStripeWords() {
    llvm::DenseSet<std::pair<Attribute, int64_t>> seen;
    int64_t total = 0;
    for (auto entry : module.getOps<func::FuncOp>()) {
      entry.walk([&](Operation *op) {
        if (auto state = dyn_cast<StateOp>(op)) {
          bool isNew = seen.insert({state.getNameAttr(), -1}).second;
          total += isNew ? 16 * getNumBytes(state.getResult().getType().getFormat()) *
                               getWords(state)
                         : 0;
        } else if (auto contract = dyn_cast<ContractOp>(op); contract && !contract.getTiles()) {
          ContractShape shape = getContractShape(contract, target.lanes());
          bool isNew = seen.insert({*contract.getWeights(), shape.tileColumns}).second;
          int64_t count = isOneWord(contract, target.lanes()) ? 1 : shape.tiles * shape.groups;
          total += isNew ? count * 16 * (isF16(contract) ? 2 : 1) : 0;
        }
      });
    }
    return total;
  }

  /// Words of a bank that stripes leave for buffers.
  int64_t getReserve(int64_t slice, int64_t bank) const {
    auto it = reserves.find({slice, bank});
    return it == reserves.end() ? 0 : it->second;
  }

  /// `width` slices of the plane's side with room for `count` words in a bank, the
  /// emptiest banks first, far slices first among equals, none of `excluded`, outside
  /// `taken` while that leaves enough.
  std::optional<Stripe> findStripe(int64_t plane, int64_t count, size_t width,
                                   const SliceSet &taken,
                                   const SliceSet &excluded = SliceSet()) {
    Side side = target.planeSide(unsigned(plane));
    for (bool avoid : {true, false}) {
      SmallVector<std::pair<int64_t, int64_t>> banks; ///< slice, its emptiest bank
      for (int64_t i = target.slicesPerSide() - 1; i >= 0; --i) {
        int64_t slice = target.slice(side, unsigned(i)), emptiest = 0;
        for (int64_t bank = 1; bank < int64_t(target.banks()); ++bank) {
          if (words.usedWords(slice, bank) + getReserve(slice, bank) <
              words.usedWords(slice, emptiest) + getReserve(slice, emptiest)) {
            emptiest = bank;
          }
        }
        if (words.fits(slice, emptiest, count + getReserve(slice, emptiest)) &&
            !excluded.contains(slice) && !(avoid && taken.contains(slice))) {
          banks.push_back({slice, emptiest});
        }
      }
      if (banks.size() < width) {
        continue;
      }
      llvm::stable_sort(banks, [&](const auto &a, const auto &b) {
        return words.usedWords(a.first, a.second) + getReserve(a.first, a.second) <
               words.usedWords(b.first, b.second) + getReserve(b.first, b.second);
      });
      banks.resize(width);
      llvm::sort(banks);
      Stripe stripe{plane, {}};
      for (auto [slice, bank] : banks) {
        stripe.slices.push_back({slice, bank, words.take(slice, bank, count)});
      }
      return stripe;
    }
    return std::nullopt;
  }

  /// An equal constant serves where it lies on the right side, in slices that are free
  /// for `op`.
  LogicalResult placeConstant(ConstantRowsOp op) {
    auto &equal = constants[{op.getValue(), op.getResult().getType()}];
    SmallVector<Side> sides = getNeededSides(op.getResult());
    SliceSet conflicts = getConflicts(op.getResult(), kBothSides);
    for (ConstantRowsOp other : equal) {
      ArrayRef<int64_t> slices = slicesOf[other.getResult()];
      bool isFree = llvm::none_of(
          slices, [&](int64_t slice) { return conflicts.contains(slice); });
      bool hasSides = llvm::all_of(sides, [&](Side side) {
        return llvm::any_of(
            slices, [&](int64_t slice) { return target.sliceSide(unsigned(slice)) == side; });
      });
      if (isFree && hasSides) {
        SmallVector<int64_t> copy(slices);
        slicesOf[op.getResult()] = copy;
        op.setPlacementAttr(other.getPlacementAttr());
        return success();
      }
    }
    equal.push_back(op);
    return placeOne(op, op.getResult(), getSides(op.getResult()),
                    [&](DenseI64ArrayAttr a) { op.setPlacementAttr(a); });
  }

  LogicalResult placeResults(Operation *op) {
    if (auto input = dyn_cast<LoadInputOp>(op)) {
      return placeOne(op, input.getResult(), {Side::West},
                      [&](DenseI64ArrayAttr a) { input.setPlacementAttr(a); });
    }
    if (auto constant = dyn_cast<ConstantRowsOp>(op)) {
      return constant.getPlacement() ? success() : placeConstant(constant);
    }
    if (auto derived = dyn_cast<DeriveOp>(op)) {
      return placeOne(op, derived.getResult(), getSides(derived.getResult()),
                      [&](DenseI64ArrayAttr a) { derived.setPlacementAttr(a); });
    }
    if (auto gather = dyn_cast<GatherRowsOp>(op)) {
      return placeOne(op, gather.getResult(), getSides(gather.getResult()),
                      [&](DenseI64ArrayAttr a) { gather.setPlacementAttr(a); });
    }
    if (auto permute = dyn_cast<PermuteOp>(op)) {
      // The SXM gives vectors back to the side that they come from.
      int64_t from = slicesOf[permute.getSource()].front();
      return placeOne(op, permute.getResult(), {target.sliceSide(unsigned(from))},
                      [&](DenseI64ArrayAttr a) { permute.setPlacementAttr(a); });
    }
    if (auto rows = dyn_cast<RowsOp>(op)) {
      rows.setPlacementAttr(getRows(rows.getSource(), int64_t(rows.getFirst())));
      slicesOf[rows.getResult()] = SmallVector<int64_t>(slicesOf[rows.getSource()]);
      return success();
    }
    if (auto concat = dyn_cast<ConcatRowsOp>(op)) {
      concat.setPlacementAttr(getRows(concat.getResult(), 0));
      return success();
    }
    if (auto map = dyn_cast<MapOp>(op)) {
      SmallVector<Attribute> placements;
      for (Value result : map.getResults()) {
        if (DenseI64ArrayAttr early = placedEarly.lookup(result)) {
          placements.push_back(early);
          continue;
        }
        if (getStreamedAppend(result)) {
          placements.push_back(DenseI64ArrayAttr::get(op->getContext(), {}));
          continue;
        }
        auto whole = result.hasOneUse() ? dyn_cast<ConcatRowsOp>(*result.user_begin())
                                        : ConcatRowsOp();
        if (whole) {
          FailureOr<DenseI64ArrayAttr> part = placePart(whole, result);
          if (failed(part)) {
            return failure();
          }
          placements.push_back(*part);
          continue;
        }
        if (failed(placeOne(op, result, getSides(result),
                            [&](DenseI64ArrayAttr a) { placements.push_back(a); }))) {
          return failure();
        }
      }
      map.setPlacementsAttr(ArrayAttr::get(op->getContext(), placements));
    }
    return success();
  }

  /// The copies of `buffer`, which is placed, from row `first` on.
  DenseI64ArrayAttr getRows(Value buffer, int64_t first) {
    auto type = cast<BufferType>(buffer.getType());
    SmallVector<Placement> copies;
    unsigned bytes = getNumBytes(type.getFormat());
    for (ArrayRef<BytePlacement> all = bytesOf[buffer]; !all.empty();
         all = all.drop_front(bytes)) {
      copies.emplace_back(all.begin(), all.begin() + bytes);
      for (BytePlacement &byte : copies.back()) {
        byte.first += first * type.getVectors(target.lanes());
      }
    }
    return encodePlacement(buffer.getContext(), copies);
  }

  /// The first part places the whole, away from what goes with any part.
  FailureOr<DenseI64ArrayAttr> placePart(ConcatRowsOp whole, Value part) {
    Value result = whole.getResult();
    if (!bytesOf.contains(result)) {
      if (failed(placeOne(whole, result, getSides(result), [](DenseI64ArrayAttr) {}))) {
        return failure();
      }
      SmallVector<int64_t> slices(slicesOf[result]);
      for (Value other : whole.getParts()) {
        slicesOf[other] = slices;
      }
    }
    int64_t first = 0;
    for (Value other : whole.getParts()) {
      if (other == part) {
        break;
      }
      first += cast<BufferType>(other.getType()).getRows();
    }
    return getRows(result, first);
  }

  /// Sides on which `buffer` is read: those of the planes that contract it;
  /// for the VXM any side will do. Scales of a contraction are read by the VXM.
  SmallVector<Side> getSides(Value buffer) {
    SmallVector<Side> sides = getNeededSides(buffer);
    if (sides.empty()) {
      // Alternate, so that both directions carry operands to the VXM.
      sides.push_back(nextSide);
      nextSide = nextSide == Side::West ? Side::East : Side::West;
    }
    return sides;
  }

  SmallVector<Side> getNeededSides(Value buffer) {
    llvm::SmallSetVector<Side, 2> sides;
    for (Operation *user : buffer.getUsers()) {
      if (auto rows = dyn_cast<RowsOp>(user)) {
        for (Side side : getNeededSides(rows.getResult())) {
          sides.insert(side);
        }
      }
      if (auto gather = dyn_cast<GatherRowsOp>(user)) {
        if (gather.getMap() != buffer) {
          sides.insert(kTableSide);
          continue;
        }
        for (Side side : getTableSides(gather)) {
          sides.insert(getOther(side));
        }
      }
      if (auto append = dyn_cast<AppendOp>(user)) {
        // Data and map pass the VXM on their way to the tiles.
        auto state = append.getTiles().getDefiningOp<StateOp>();
        sides.insert(getOther(sideOfState.lookup(state.getNameAttr())));
      }
      auto contract = dyn_cast<ContractOp>(user);
      if (!contract || contract.getActivations() != buffer) {
        continue;
      }
      for (const Stripe &stripe : getStripes(contract)) {
        sides.insert(target.planeSide(unsigned(stripe.plane)));
      }
    }
    SmallVector<Side> sorted(sides.begin(), sides.end());
    llvm::sort(sorted);
    return sorted;
  }

  /// Whether planes of `side` take part in `op`; of those that are not chosen yet, all do.
  bool worksOn(ContractOp op, Side side) {
    DenseI64ArrayAttr placement =
        op.getTiles() ? op.getTiles().getDefiningOp<StateOp>().getPlacementAttr()
                      : op.getPlacementAttr();
    return !placement || llvm::any_of(decodeStripes(placement), [&](const Stripe &stripe) {
      return target.planeSide(unsigned(stripe.plane)) == side;
    });
  }

  /// Slices that `buffer` may not share: those of what one map reads or writes
  /// together with it, activations and scales of the sums it reads included.
  /// `sides`: where the copies of `buffer` lie that matter.
  SliceSet getConflicts(Value buffer, ArrayRef<Side> sides) {
    llvm::SmallSetVector<Operation *, 8> maps;
    auto addUsers = [&](Value value) {
      SmallVector<Operation *> users(value.getUsers());
      for (Operation *user : value.getUsers()) {
        if (auto rows = dyn_cast<RowsOp>(user)) {
          llvm::append_range(users, rows.getResult().getUsers());
        }
      }
      for (Operation *user : users) {
        if (auto append = dyn_cast<AppendOp>(user)) {
          maps.insert(append.getSource().getDefiningOp());
        } else if (isa<MapOp, PermuteOp, GatherRowsOp>(user)) {
          maps.insert(user);
        }
      }
    };
    if (auto whole = buffer.getDefiningOp<ConcatRowsOp>()) {
      for (Value part : whole.getParts()) {
        maps.insert(part.getDefiningOp());
      }
    }
    addUsers(buffer);
    for (Operation *user : buffer.getUsers()) {
      auto contract = dyn_cast<ContractOp>(user);
      if (contract && llvm::any_of(sides, [&](Side side) { return worksOn(contract, side); })) {
        addUsers(contract.getResult());
      }
    }
    if (isa_and_nonnull<MapOp, PermuteOp, GatherRowsOp>(buffer.getDefiningOp())) {
      maps.insert(buffer.getDefiningOp());
    }
    SliceSet slices;
    auto addSlices = [&](Value value, std::optional<Side> only = std::nullopt) {
      if (auto rows = value.getDefiningOp<RowsOp>()) {
        value = rows.getSource();
      }
      for (int64_t slice : slicesOf.lookup(value)) {
        if (!only || target.sliceSide(unsigned(slice)) == *only) {
          slices.insert(slice);
        }
      }
    };
    for (Operation *op : maps) {
      for (Value result : op->getResults()) {
        // Its rows go into these tiles at once.
        if (auto append = getStreamedAppend(result)) {
          addSlices(append.getMap());
          auto state = append.getTiles().getDefiningOp<StateOp>();
          if (state.getPlacementAttr()) {
            for (const BytePlacement &at :
                 decodeStripes(state.getPlacementAttr()).front().slices) {
              slices.insert(at.slice);
            }
          }
        }
      }
      for (Value operand : op->getOperands()) {
        addSlices(operand);
        auto contract = operand.getDefiningOp<ContractOp>();
        for (Side side : {Side::West, Side::East}) {
          if (contract && worksOn(contract, side)) {
            addSlices(contract.getActivations(), side);
          }
        }
        if (contract && contract.getScales()) {
          addSlices(contract.getScales());
        }
      }
      for (Value result : op->getResults()) {
        addSlices(result);
      }
    }
    return slices;
  }

  LogicalResult placeOne(Operation *op, Value buffer, ArrayRef<Side> sides,
                         llvm::function_ref<void(DenseI64ArrayAttr)> set) {
    auto type = cast<BufferType>(buffer.getType());
    int64_t count = type.getRows() * type.getVectors(target.lanes());
    SmallVector<Placement> copies;
    bool isFree = getNeededSides(buffer).empty();
    SliceSet own;
    for (Side side : sides) {
      Placement copy;
      SliceSet conflicts = getConflicts(buffer, isFree ? ArrayRef(kBothSides) : ArrayRef(side));
      conflicts.insert(own.begin(), own.end());
      for (unsigned b = 0; b < getNumBytes(type.getFormat()); ++b) {
        std::optional<BytePlacement> byte = findByte(side, count, conflicts);
        if (!byte && isFree && b == 0) {
          side = getOther(side);
          byte = findByte(side, count, conflicts);
        }
        if (!byte) {
          return emitDoesNotFit(op, "a buffer of " + Twine(count) +
                                        " words a byte plane");
        }
        conflicts.insert(byte->slice);
        own.insert(byte->slice);
        slicesOf[buffer].push_back(byte->slice);
        bytesOf[buffer].push_back(*byte);
        copy.push_back(*byte);
      }
      copies.push_back(std::move(copy));
    }
    set(encodePlacement(op->getContext(), copies));
    return success();
  }

  /// The slice without a conflict that is near the VXM and not busy with what was placed
  /// just before, in a bank whose words were not in use before, while there are such;
  /// then the smallest gap.
  std::optional<BytePlacement> findByte(Side side, int64_t count,
                                        const SliceSet &conflicts) {
    std::pair<int64_t, int64_t> best{INT64_MAX, -1};
    int64_t least = INT64_MAX;
    BytePlacement found{}, ahead{};
    for (int64_t i = 0; i < int64_t(target.slicesPerSide()); ++i) {
      int64_t slice = target.slice(side, unsigned(i));
      if (conflicts.contains(slice)) {
        continue;
      }
      // A value travels there and back.
      int64_t cost = 2 * i + traffic.get(slice);
      for (int64_t bank = int64_t(target.banks()) - 1; bank >= 0; --bank) {
        if (cost < least && words.fitsAhead(slice, bank, count)) {
          least = cost;
          ahead = {slice, bank, 0};
        }
        auto gap = words.findSmallestGap(slice, bank, count);
        if (gap.first < best.first) {
          best = gap;
          found = {slice, bank, gap.second};
        }
      }
    }
    if (least != INT64_MAX) {
      traffic.add(ahead.slice, count);
      ahead.first = words.take(ahead.slice, ahead.bank, count);
      return ahead;
    }
    if (best.second < 0) {
      return std::nullopt;
    }
    traffic.add(found.slice, count);
    words.takeAt(found.slice, found.bank, found.first, count);
    return found;
  }

  InFlightDiagnostic emitDoesNotFit(Operation *op, const Twine &what) {
    int64_t capacity =
        int64_t(target.numSlices()) * target.banks() * target.wordsPerBank();
    InFlightDiagnostic diagnostic =
        op->emitOpError("does not fit into SRAM: ")
        << what << "; " << words.totalUsed() << " of " << capacity << " words of "
        << target.name() << " are taken";
    attachMemoryMap(diagnostic, module, target, words);
    return diagnostic;
  }

  ModuleOp module;
  const Target &target;
  ReservePlan plan;
  WordAllocator words;
  Traffic traffic;
  llvm::DenseMap<Attribute, StateOp> states; ///< by name
  llvm::DenseMap<Attribute, Side> sideOfState;
  llvm::DenseMap<std::pair<Attribute, Type>, TableOp> tables;
  llvm::DenseMap<std::pair<Attribute, Type>, SmallVector<ConstantRowsOp>> constants;
  std::map<std::pair<int64_t, int64_t>, int64_t> reserves; ///< by slice and bank
  llvm::DenseMap<Value, DenseI64ArrayAttr> placedEarly; ///< outputs
  llvm::DenseMap<Value, SmallVector<BytePlacement>> bytesOf;
  llvm::DenseMap<Value, SmallVector<int64_t>> slicesOf;
  /// Stripes by weights, columns of a tile and the side that has to have them.
  llvm::DenseMap<std::pair<std::pair<Attribute, int64_t>, int>, DenseI64ArrayAttr> stripesOf;
  /// Of buffers that are gathered from.
  static constexpr Side kTableSide = Side::East;
  static constexpr Side kBothSides[] = {Side::West, Side::East};
  Side nextSide = Side::East;
  llvm::DenseMap<Operation *, int64_t> firstPlane; ///< by the map that reads the sums
  int64_t nextPlane = 0;
};

struct PlaceBuffers : mlir::lpu::impl::PlaceBuffersPassBase<PlaceBuffers> {
  void runOnOperation() override {
    const ::lpu::Target *target = getTarget(getOperation());
    if (!target) {
      return signalPassFailure();
    }
    // Where room is short it depends on the mix of buffers which plan serves. Many slices
    // first: what is read at the same time then lies apart.
    std::optional<ReservePlan> first;
    for (int64_t percent : {92, 96, 86, 78, 68, 55}) {
      for (int64_t slices : {28, 24, 20, 32, 16, 36, 12, 8}) {
        for (int64_t large : {int64_t(4), int64_t(8), slices}) {
          ReservePlan plan{slices, large, percent};
          first = first ? first : plan;
          ScopedDiagnosticHandler quiet(&getContext(),
                                        [](Diagnostic &) { return success(); });
          if (succeeded(place(*target, plan))) {
            return;
          }
        }
      }
    }
    if (failed(place(*target, *first))) {
      signalPassFailure();
    }
  }

  LogicalResult place(const Target &target, ReservePlan plan) {
    getOperation().walk([](Operation *op) {
      for (StringRef name : {"placement", "placements", "windows"}) {
        op->removeAttr(name);
      }
    });
    return Placer(getOperation(), target, plan).run();
  }
};

} // namespace
