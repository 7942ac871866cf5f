//===- PlaceBuffers.cpp - Give every buffer its SRAM words ----------------===//

#include "LPU/Transforms/Passes.h"
#include "lpu/Target/Target.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/Support/MathExtras.h"

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

/// Words handed out of every (slice, bank), from word 0 on.
class WordAllocator {
public:
  explicit WordAllocator(const Target &target)
      : target(target), used(target.numSlices() * target.banks(), 0) {}

  int64_t usedWords(int64_t slice, int64_t bank) const {
    return used[slice * target.banks() + bank];
  }
  bool fits(int64_t slice, int64_t bank, int64_t words) const {
    return usedWords(slice, bank) + words <= target.wordsPerBank();
  }
  int64_t take(int64_t slice, int64_t bank, int64_t words) {
    int64_t &next = used[slice * target.banks() + bank];
    int64_t first = next;
    next += words;
    return first;
  }
  /// Lifts a bank's next free word to `first` and takes `words` from there.
  void takeAt(int64_t slice, int64_t bank, int64_t first, int64_t words) {
    used[slice * target.banks() + bank] = first + words;
  }
  int64_t totalUsed() const {
    int64_t total = 0;
    for (int64_t words : used) {
      total += words;
    }
    return total;
  }

private:
  const Target &target;
  std::vector<int64_t> used;
};

class Placer {
public:
  Placer(func::FuncOp entry, const Target &target)
      : entry(entry), target(target), words(target) {}

  LogicalResult run() {
    // Stripes first: they are the large ones and need 16 free slices at once.
    WalkResult walked = entry.walk([&](ContractOp op) {
      return failed(placeWeights(op)) ? WalkResult::interrupt()
                                      : WalkResult::advance();
    });
    if (walked.wasInterrupted()) {
      return failure();
    }
    for (Operation &op : entry.getBody().front()) {
      if (failed(placeResults(&op))) {
        return failure();
      }
    }
    return success();
  }

private:
  int64_t getVectors(int64_t columns) const {
    return llvm::divideCeil(columns, target.lanes());
  }

  /// Planes that work on `op`: one for each N tile, inner planes of both
  /// sides first, as many as there are.
  SmallVector<int64_t> getPlanes(ContractOp op) const {
    auto type = cast<RankedTensorType>(op.getWeights().getType());
    int64_t tiles = getVectors(type.getDimSize(1));
    SmallVector<int64_t> order{target.innerPlane(Side::West),
                               target.innerPlane(Side::East)};
    for (int64_t plane = 0; plane < target.planes(); ++plane) {
      if (!llvm::is_contained(order, plane)) {
        order.push_back(plane);
      }
    }
    order.resize(std::min<int64_t>(tiles, order.size()));
    return order;
  }

  LogicalResult placeWeights(ContractOp op) {
    auto type = cast<RankedTensorType>(op.getWeights().getType());
    const auto *format = target.format("i8");
    if (!format) {
      return op.emitOpError("target ") << target.name() << " has no i8 format";
    }
    int64_t rowsPerTile = format->rows(), k = type.getDimSize(0);
    int64_t tileWords = 0;
    for (int64_t first = 0; first < k; first += rowsPerTile) {
      tileWords += llvm::divideCeil(std::min(rowsPerTile, k - first), 16);
    }
    SmallVector<int64_t> planes = getPlanes(op);
    int64_t tiles = getVectors(type.getDimSize(1));
    SmallVector<Stripe> stripes;
    SliceSet taken;
    for (auto [index, plane] : llvm::enumerate(planes)) {
      int64_t mine = llvm::divideCeil(tiles - int64_t(index), planes.size());
      std::optional<Stripe> stripe =
          findStripe(plane, mine * tileWords, format->streams(), taken);
      if (!stripe) {
        return emitDoesNotFit(op, "weights of " + Twine(mine * tileWords) +
                                      " words in " + Twine(format->streams()) +
                                      " slices");
      }
      taken.insert(stripe->slices.begin(), stripe->slices.end());
      stripes.push_back(*stripe);
    }
    op.setPlacementAttr(encodeStripes(op.getContext(), stripes));
    return success();
  }

  /// The emptiest slices of the plane's side, far ones first among equals,
  /// outside `taken` while that leaves enough.
  std::optional<Stripe> findStripe(int64_t plane, int64_t count, size_t width,
                                   const SliceSet &taken) {
    Side side = target.planeSide(plane);
    std::optional<Stripe> best;
    for (bool avoid : {true, false}) {
      for (int64_t bank = 0; bank < target.banks() && !best; ++bank) {
        SmallVector<int64_t> slices;
        for (int64_t i = target.slicesPerSide() - 1; i >= 0; --i) {
          int64_t slice = target.slice(side, i);
          if (words.fits(slice, bank, count) &&
              !(avoid && taken.contains(slice))) {
            slices.push_back(slice);
          }
        }
        llvm::stable_sort(slices, [&](int64_t a, int64_t b) {
          return words.usedWords(a, bank) < words.usedWords(b, bank);
        });
        if (slices.size() < width) {
          continue;
        }
        slices.resize(width);
        int64_t first = words.usedWords(slices.back(), bank);
        if (first + count > target.wordsPerBank()) {
          continue;
        }
        llvm::sort(slices);
        best = Stripe{plane, bank, first, {slices.begin(), slices.end()}};
      }
      if (best) {
        break;
      }
    }
    if (best) {
      for (int64_t slice : best->slices) {
        words.takeAt(slice, best->bank, best->first, count);
      }
    }
    return best;
  }

  LogicalResult placeResults(Operation *op) {
    if (auto input = dyn_cast<LoadInputOp>(op)) {
      return placeOne(op, input.getResult(), {Side::West},
                      [&](DenseI64ArrayAttr a) { input.setPlacementAttr(a); });
    }
    if (auto constant = dyn_cast<ConstantRowsOp>(op)) {
      return placeOne(op, constant.getResult(), getSides(constant.getResult()),
                      [&](DenseI64ArrayAttr a) { constant.setPlacementAttr(a); });
    }
    if (auto map = dyn_cast<MapOp>(op)) {
      SmallVector<Attribute> placements;
      for (Value result : map.getResults()) {
        if (failed(placeOne(op, result, getSides(result),
                            [&](DenseI64ArrayAttr a) { placements.push_back(a); }))) {
          return failure();
        }
      }
      map.setPlacementsAttr(ArrayAttr::get(op->getContext(), placements));
    }
    return success();
  }

  /// Sides on which `buffer` is read: those of the planes that contract it;
  /// for the VXM any side will do. Scales of a contraction are read by the VXM.
  SmallVector<Side> getSides(Value buffer) {
    llvm::SmallSetVector<Side, 2> sides;
    for (Operation *user : buffer.getUsers()) {
      auto contract = dyn_cast<ContractOp>(user);
      if (!contract || contract.getActivations() != buffer) {
        continue;
      }
      for (const Stripe &stripe : decodeStripes(contract.getPlacementAttr())) {
        sides.insert(target.planeSide(stripe.plane));
      }
    }
    if (sides.empty()) {
      // Alternate, so that both directions carry operands to the VXM.
      sides.insert(nextSide);
      nextSide = nextSide == Side::West ? Side::East : Side::West;
    }
    SmallVector<Side> sorted(sides.begin(), sides.end());
    llvm::sort(sorted);
    return sorted;
  }

  /// Slices that `buffer` may not share: those of what one map reads or writes
  /// together with it, scales of the accumulators it reads included.
  SliceSet getConflicts(Value buffer) {
    llvm::SmallSetVector<Operation *, 8> maps;
    auto addUsers = [&](Value value) {
      for (Operation *user : value.getUsers()) {
        if (isa<MapOp>(user)) {
          maps.insert(user);
        }
      }
    };
    addUsers(buffer);
    for (Operation *user : buffer.getUsers()) {
      if (auto contract = dyn_cast<ContractOp>(user)) {
        addUsers(contract.getResult());
      }
    }
    if (auto map = buffer.getDefiningOp<MapOp>()) {
      maps.insert(map);
    }
    SliceSet slices;
    auto addSlices = [&](Value value) {
      for (int64_t slice : slicesOf.lookup(value)) {
        slices.insert(slice);
      }
    };
    for (Operation *op : maps) {
      for (Value operand : op->getOperands()) {
        addSlices(operand);
        if (auto contract = operand.getDefiningOp<ContractOp>()) {
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
    int64_t count = type.getRows() * getVectors(type.getColumns());
    auto conflicts = getConflicts(buffer);
    SmallVector<Placement> copies;
    for (Side side : sides) {
      Placement copy;
      for (unsigned b = 0; b < getNumBytes(type.getFormat()); ++b) {
        std::optional<BytePlacement> byte = findByte(side, count, conflicts);
        if (!byte) {
          return emitDoesNotFit(op, "a buffer of " + Twine(count) +
                                        " words a byte plane");
        }
        conflicts.insert(byte->slice);
        slicesOf[buffer].push_back(byte->slice);
        copy.push_back(*byte);
      }
      copies.push_back(std::move(copy));
    }
    set(encodePlacement(op->getContext(), copies));
    return success();
  }

  /// The emptiest bank of the nearest slices without a conflict.
  std::optional<BytePlacement>
  findByte(Side side, int64_t count,
           const SliceSet &conflicts) {
    for (int64_t i = 0; i < target.slicesPerSide(); ++i) {
      int64_t slice = target.slice(side, i);
      if (conflicts.contains(slice)) {
        continue;
      }
      for (int64_t bank = target.banks() - 1; bank >= 0; --bank) {
        if (words.fits(slice, bank, count)) {
          return BytePlacement{slice, bank, words.take(slice, bank, count)};
        }
      }
    }
    return std::nullopt;
  }

  InFlightDiagnostic emitDoesNotFit(Operation *op, const Twine &what) {
    int64_t capacity =
        int64_t(target.numSlices()) * target.banks() * target.wordsPerBank();
    return op->emitOpError("does not fit into SRAM: ")
           << what << "; " << words.totalUsed() << " of " << capacity
           << " words of " << target.name() << " are taken";
  }

  func::FuncOp entry;
  const Target &target;
  WordAllocator words;
  llvm::DenseMap<Value, SmallVector<int64_t>> slicesOf;
  Side nextSide = Side::East;
};

struct PlaceBuffers : mlir::lpu::impl::PlaceBuffersPassBase<PlaceBuffers> {
  void runOnOperation() override {
    auto module = getOperation()->getParentOfType<ModuleOp>();
    auto name = module ? module->getAttrOfType<StringAttr>("lpu.target")
                       : StringAttr();
    if (!name) {
      getOperation().emitOpError("expected `lpu.target` on the module");
      return signalPassFailure();
    }
    absl::StatusOr<Target> target = Target::lookup(name.getValue().str());
    if (!target.ok()) {
      getOperation().emitOpError(std::string(target.status().message()));
      return signalPassFailure();
    }
    if (failed(Placer(getOperation(), *target).run())) {
      signalPassFailure();
    }
  }
};

} // namespace
