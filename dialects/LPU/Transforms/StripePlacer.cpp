//===- StripePlacer.cpp - Slices of weights and states --------------------===//

#include "StripePlacer.h"
#include "lpu/Target/Target.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace mlir::lpu;
using ::lpu::Side;
using ::lpu::Target;

namespace {

class StripePlacer {
public:
  StripePlacer(BufferPlacer &buffers, const Reserves &reserves)
      : buffers(buffers), target(buffers.getTarget()), words(buffers.getWords()),
        reserves(reserves) {
    for (auto entry : buffers.getModule().getOps<func::FuncOp>()) {
      for (auto append : entry.getOps<AppendOp>()) {
        if (getStreamedAppend(append.getSource())) {
          auto state = append.getTiles().getDefiningOp<StateOp>();
          appendedTo[state.getNameAttr()].push_back(append.getSource());
        }
      }
      for (auto append : entry.getOps<AppendColumnsOp>()) {
        auto state = append.getTiles().getDefiningOp<StateOp>();
        appendedTo[state.getNameAttr()].push_back(append.getSource());
      }
    }
  }

  LogicalResult run() {
    // The widest and those of one side first, then the longest.
    SmallVector<std::pair<std::pair<bool, int64_t>, Operation *>> order;
    for (auto entry : buffers.getModule().getOps<func::FuncOp>()) {
      entry.walk([&](Operation *op) {
        if (auto state = dyn_cast<StateOp>(op)) {
          bool isWide = state.getResult().getType().getFormat() != Format::I8x1;
          int64_t count = getTileWords(state.getResult().getType(), target.lanes());
          order.push_back({{isWide, count}, op});
        } else if (auto contract = dyn_cast<ContractOp>(op);
                   contract && !contract.getTiles()) {
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

private:
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
                   required ? int(*required) : isStreamedInto(op) ? 2 : -1}];
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
          return buffers.emitDoesNotFit(op, "weights of " + Twine(count) +
                                                " words a tile in " +
                                                Twine(format->streams()) + " slices");
        }
      }
      shared = encodeStripes(op.getContext(), stripes);
    }
    op.setPlacementAttr(shared);
    return success();
  }

  /// Whether the activations of `op` come from the VXM, to either side.
  bool isStreamedInto(ContractOp op) {
    return bool(getStreamedContract(op.getActivations(), target.lanes()));
  }

  /// The side that has to work on `op`, if either. Rows that go from the VXM into tiles
  /// keep the slices there busy: the activations that make them come from the other side.
  /// What is summed with a state's tiles, or behind them, is for the other side's planes.
  std::optional<Side> getRequiredSide(ContractOp op) {
    auto getSide = [&](Value tiles) {
      return getOther(buffers.getSide(tiles.getDefiningOp<StateOp>().getNameAttr()));
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
    SmallVector<int64_t> order{target.innerPlane(Side::West), target.innerPlane(Side::East)};
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
      llvm::erase_if(
          order, [&](int64_t plane) { return target.planeSide(unsigned(plane)) != *side; });
    } else if (isStreamedInto(op)) {
      return {order[0], order[1]}; // its array lies on both sides: they take turns
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
          int64_t words =
              llvm::divideCeil(shape.tiles - int64_t(other), planes.size()) * shape.groups;
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
    bool isWidened = type.getFormat() == Format::U8;
    const char *name = isWidened || type.getFormat() == Format::F16 ? "f16" : "i8";
    const auto *format = target.format(name);
    if (!format) {
      return op.emitOpError("target ") << target.name() << " has no " << name << " format";
    }
    int64_t count = getTileWords(type, target.lanes());
    size_t width = format->streams() / (isWidened ? 2 : 1);
    std::optional<Stripe> stripe =
        findStripe(target.innerPlane(buffers.getSide(op.getNameAttr())), count, width,
                   SliceSet(), getAppendConflicts(op.getNameAttr()));
    if (!stripe || (isWidened && !addWideningWords(*stripe))) {
      return buffers.emitDoesNotFit(op, "state of " + Twine(count) + " words in " +
                                            Twine(width) + " slices");
    }
    op.setPlacementAttr(encodeStripes(op.getContext(), {*stripe}));
    return success();
  }

  /// The words of high bytes for widened tiles, in as many slices beside those of `stripe`:
  /// all tiles of a side share them, and load through all slices alike.
  bool addWideningWords(Stripe &stripe) {
    SliceSet taken;
    for (const BytePlacement &at : stripe.slices) {
      taken.insert(at.slice);
    }
    Side side = target.planeSide(unsigned(stripe.plane));
    SmallVector<std::pair<int64_t, int64_t>> order; ///< tiles served, slice
    for (int64_t i = target.slicesPerSide() - 1; i >= 0; --i) {
      int64_t slice = target.slice(side, unsigned(i));
      if (!taken.contains(slice)) {
        order.push_back({wideningWords[slice].second, slice});
      }
    }
    llvm::stable_sort(order, [](auto a, auto b) { return a.first < b.first; });
    size_t missing = stripe.slices.size();
    for (auto [served, slice] : order) {
      auto &[at, tiles] = wideningWords[slice];
      for (int64_t bank = 0; tiles == 0 && bank < int64_t(target.banks()); ++bank) {
        if (words.fits(slice, bank, 1 + reserves.get(slice, bank))) {
          at = {slice, bank, words.take(slice, bank, 1)};
          tiles = 1;
        }
      }
      if (missing > 0 && tiles > 0) {
        stripe.slices.push_back(at);
        ++tiles;
        --missing;
      }
      if (missing == 0) {
        return true;
      }
    }
    return false;
  }

  /// Slices of constants and maps that are read while rows go to the state `name`.
  SliceSet getAppendConflicts(StringAttr name) {
    SliceSet slices;
    for (Value rows : appendedTo.lookup(name)) {
      for (int64_t slice : buffers.getConflicts(rows, kBothSides)) {
        slices.insert(slice);
      }
    }
    return slices;
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
          if (words.usedWords(slice, bank) + reserves.get(slice, bank) <
              words.usedWords(slice, emptiest) + reserves.get(slice, emptiest)) {
            emptiest = bank;
          }
        }
        if (words.fits(slice, emptiest, count + reserves.get(slice, emptiest)) &&
            !excluded.contains(slice) && !(avoid && taken.contains(slice))) {
          banks.push_back({slice, emptiest});
        }
      }
      if (banks.size() < width) {
        continue;
      }
      llvm::stable_sort(banks, [&](const auto &a, const auto &b) {
        return words.usedWords(a.first, a.second) + reserves.get(a.first, a.second) <
               words.usedWords(b.first, b.second) + reserves.get(b.first, b.second);
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

  BufferPlacer &buffers;
  const Target &target;
  WordAllocator &words;
  const Reserves &reserves;
  llvm::DenseMap<Attribute, StateOp> states;                ///< by name
  llvm::DenseMap<Attribute, SmallVector<Value>> appendedTo; ///< rows, by state
  /// By slice: where its word of high bytes lies, and how many tiles use it.
  llvm::DenseMap<int64_t, std::pair<BytePlacement, int64_t>> wideningWords;
  /// Stripes by weights, columns of a tile and the side that has to have them.
  llvm::DenseMap<std::pair<std::pair<Attribute, int64_t>, int>, DenseI64ArrayAttr> stripesOf;
  llvm::DenseMap<Operation *, int64_t> firstPlane; ///< by the map that reads the sums
  int64_t nextPlane = 0;
};

} // namespace

LogicalResult mlir::lpu::placeStripes(BufferPlacer &buffers, const Reserves &reserves) {
  return StripePlacer(buffers, reserves).run();
}
