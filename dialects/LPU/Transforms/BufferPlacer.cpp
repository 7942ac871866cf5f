//===- BufferPlacer.cpp - Words for one buffer after another --------------===//

#include "BufferPlacer.h"
#include "MemoryMap.h"
#include "lpu/Target/Target.h"

using namespace mlir;
using namespace mlir::lpu;
using ::lpu::Side;
using ::lpu::Target;

BufferPlacer::BufferPlacer(ModuleOp module, const Target &target)
    : module(module), target(target), words(target) {
  assignStateSides();
}

ArrayRef<int64_t> BufferPlacer::getSlices(Value buffer) const {
  auto it = slicesOf.find(buffer);
  return it == slicesOf.end() ? ArrayRef<int64_t>() : ArrayRef<int64_t>(it->second);
}

void BufferPlacer::setSlices(Value buffer, ArrayRef<int64_t> slices) {
  SmallVector<int64_t> copy(slices);
  slicesOf[buffer] = std::move(copy);
}

void BufferPlacer::share(Value buffer, Value other) {
  setSlices(buffer, getSlices(other));
  SmallVector<BytePlacement> bytes = bytesOf.lookup(other);
  bytesOf[buffer] = std::move(bytes);
}

void BufferPlacer::assignStateSides() {
  int64_t number = 0;
  module.walk([&](StateOp op) {
    Side side = number % 2 == 0 ? Side::West : Side::East;
    number += sideOfState.insert({op.getNameAttr(), side}).second;
  });
}

SmallVector<Side> BufferPlacer::getSides(Value buffer) {
  SmallVector<Side> sides = getNeededSides(buffer);
  auto type = cast<BufferType>(buffer.getType());
  for (Operation *user : buffer.getUsers()) {
    int64_t bytes = getNumBytes(type.getFormat());
    if (auto columns = dyn_cast<AppendColumnsOp>(user); columns && columns.getSource() == buffer) {
      moves[unsigned(sides.front())] += bytes * target.lanes();
    } else if (isa<PermuteOp>(user) && sides.empty()) {
      // Where the SXM has less to do.
      sides.push_back(moves[0] <= moves[1] ? Side(0) : Side(1));
      moves[unsigned(sides.front())] += bytes * type.getRows() * type.getVectors(target.lanes());
    }
  }
  if (sides.empty()) {
    // Alternate, so that both directions carry operands to the VXM.
    sides.push_back(nextSide);
    nextSide = getOther(nextSide);
  }
  return sides;
}

llvm::SmallSetVector<Side, 2> BufferPlacer::getTableSides(GatherRowsOp op) {
  llvm::SmallSetVector<Side, 2> sides;
  // A table that is an input is where inputs are.
  auto known = slicesOf.find(op.getTable());
  if (known != slicesOf.end() && !known->second.empty()) {
    for (int64_t slice : known->second) {
      sides.insert(target.sliceSide(unsigned(slice)));
    }
  } else {
    sides.insert(kTableSide);
  }
  return sides;
}

SmallVector<Side> BufferPlacer::getNeededSides(Value buffer) {
  llvm::SmallSetVector<Side, 2> sides;
  if (auto whole = buffer.getDefiningOp<ConcatRowsOp>()) {
    for (Value part : whole.getParts()) {
      for (Side side : getNeededSides(part)) {
        sides.insert(side);
      }
    }
  }
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
      sides.insert(getOther(getSide(state.getNameAttr())));
    }
    if (auto columns = dyn_cast<AppendColumnsOp>(user)) {
      // The rows go through their SXM and past the VXM, in step with the map to the tiles.
      auto state = columns.getTiles().getDefiningOp<StateOp>();
      Side side = getSide(state.getNameAttr());
      sides.insert(columns.getFrom() == buffer ? side : getOther(side));
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

bool BufferPlacer::worksOn(ContractOp op, Side side) {
  SmallVector<Stripe> stripes = getStripes(op);
  return stripes.empty() || llvm::any_of(stripes, [&](const Stripe &stripe) {
           return target.planeSide(unsigned(stripe.plane)) == side;
         });
}

SliceSet BufferPlacer::getConflicts(Value buffer, ArrayRef<Side> sides) {
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
      } else if (isa<MapOp, NestOp, AssembleOp, PermuteOp, GatherRowsOp, AppendColumnsOp>(user)) {
        maps.insert(user);
      }
    }
  };
  // What reads a part of a buffer reads it where the whole lies.
  SmallVector<Value> read{buffer};
  if (auto whole = buffer.getDefiningOp<ConcatRowsOp>()) {
    for (Value part : whole.getParts()) {
      maps.insert(part.getDefiningOp());
      read.push_back(part);
    }
  }
  for (Value value : read) {
    addUsers(value);
    SmallVector<Operation *> users(value.getUsers());
    for (Operation *user : value.getUsers()) {
      if (auto rows = dyn_cast<RowsOp>(user)) {
        llvm::append_range(users, rows.getResult().getUsers());
      }
    }
    for (Operation *user : users) {
      auto contract = dyn_cast<ContractOp>(user);
      if (contract && llvm::any_of(sides, [&](Side side) { return worksOn(contract, side); })) {
        addUsers(contract.getResult());
      }
    }
  }
  if (isa_and_nonnull<MapOp, NestOp, AssembleOp, PermuteOp, GatherRowsOp>(buffer.getDefiningOp())) {
    maps.insert(buffer.getDefiningOp());
  }
  // What goes from one map into an array and on to another map is one chain.
  for (size_t k = 0; k < maps.size(); ++k) {
    for (Value result : maps[k]->getResults()) {
      ContractOp contract = getStreamedContract(result, target.lanes());
      if (contract) {
        maps.insert(*contract.getResult().user_begin());
      }
    }
    for (Value operand : maps[k]->getOperands()) {
      auto contract = operand.getDefiningOp<ContractOp>();
      if (contract && getStreamedContract(contract.getActivations(), target.lanes())) {
        maps.insert(contract.getActivations().getDefiningOp());
      }
    }
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
  auto addTiles = [&](Value tiles) {
    for (const Stripe &stripe : getStripes(tiles)) {
      for (const BytePlacement &at : stripe.slices) {
        slices.insert(at.slice);
      }
    }
  };
  for (Operation *op : maps) {
    if (auto columns = dyn_cast<AppendColumnsOp>(op)) {
      addTiles(columns.getTiles());
    }
    for (Value result : op->getResults()) {
      // Its rows go into these tiles at once.
      if (auto append = getStreamedAppend(result)) {
        addSlices(append.getMap());
        addTiles(append.getTiles());
      }
    }
    // Each piece is a chain of its own: those that are read never meet.
    if (isa<AssembleOp>(op) && op->getResult(0) != buffer) {
      addSlices(op->getResult(0));
      continue;
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

std::optional<BytePlacement> BufferPlacer::findByte(Side side, int64_t count,
                                                    const SliceSet &conflicts) {
  std::pair<int64_t, int64_t> least{INT64_MAX, 0};
  std::optional<BytePlacement> found;
  for (int64_t i = 0; i < int64_t(target.slicesPerSide()); ++i) {
    int64_t slice = target.slice(side, unsigned(i));
    if (conflicts.contains(slice)) {
      continue;
    }
    for (int64_t bank = int64_t(target.banks()) - 1; bank >= 0; --bank) {
      auto [first, given] = words.findOldest(slice, bank, count);
      if (first < 0) {
        continue;
      }
      // A value travels there and back. Who writes words waits for the last reader of what
      // was there: of two banks that with the older room.
      std::pair<int64_t, int64_t> cost{2 * i + traffic.get(slice), given};
      if (cost < least) {
        least = cost;
        found = {slice, bank, first};
      }
    }
  }
  if (found) {
    traffic.add(found->slice, count);
    words.takeAt(found->slice, found->bank, found->first, count);
  }
  return found;
}

/// Whether `buffer` may lie in several banks, a part after the other: nests alone, and the
/// host, know of parts; for kernels several places are copies.
static bool mayHaveParts(Value buffer) {
  Operation *maker = buffer.getDefiningOp();
  auto load = dyn_cast<LoadInputOp>(maker);
  return (load ? load.getChunkWords() > 0 : isa<NestOp, AssembleOp, ConstantRowsOp>(maker)) &&
         llvm::all_of(buffer.getUsers(), [](Operation *user) {
           auto store = dyn_cast<StoreOutputOp>(user);
           return store ? store.getChunkWords() > 0 : isa<NestOp, AssembleOp>(user);
         });
}

std::optional<SmallVector<Placement>>
BufferPlacer::findPlaces(Side side, int64_t count, int64_t bank, unsigned bytes,
                         SliceSet conflicts) {
  Traffic before = traffic;
  SmallVector<Placement> parts;
  parts.assign(size_t(llvm::divideCeil(count, bank)), Placement(bytes));
  SmallVector<std::pair<BytePlacement, int64_t>> taken;
  for (unsigned b = 0; b < bytes; ++b) {
    SliceSet plane;
    for (auto [number, part] : llvm::enumerate(parts)) {
      int64_t size = getPartWords(count, bank, number);
      std::optional<BytePlacement> byte = findByte(side, size, conflicts);
      if (!byte) {
        for (auto &[place, given] : taken) {
          words.release(place.slice, place.bank, place.first, given);
        }
        traffic = before;
        return std::nullopt;
      }
      taken.push_back({*byte, size});
      plane.insert(byte->slice);
      part[b] = *byte;
    }
    conflicts.insert(plane.begin(), plane.end());
  }
  return parts;
}

LogicalResult BufferPlacer::place(Operation *op, Value buffer, ArrayRef<Side> sides,
                                  llvm::function_ref<void(DenseI64ArrayAttr)> set) {
  auto type = cast<BufferType>(buffer.getType());
  int64_t count = type.getRows() * type.getVectors(target.lanes());
  SmallVector<Placement> copies;
  bool isFree = getNeededSides(buffer).empty();
  int64_t bank = mayHaveParts(buffer) ? int64_t(target.wordsPerBank()) : count;
  SliceSet own;
  for (Side side : sides) {
    SliceSet conflicts = getConflicts(buffer, isFree ? ArrayRef(kBothSides) : ArrayRef(side));
    conflicts.insert(own.begin(), own.end());
    unsigned bytes = getNumBytes(type.getFormat());
    auto parts = findPlaces(side, count, bank, bytes, conflicts);
    if (!parts && isFree) {
      parts = findPlaces(getOther(side), count, bank, bytes, conflicts);
    }
    if (!parts) {
      return emitDoesNotFit(op, "a buffer of " + Twine(count) + " words a byte plane");
    }
    for (const Placement &part : *parts) {
      for (const BytePlacement &byte : part) {
        own.insert(byte.slice);
        slicesOf[buffer].push_back(byte.slice);
        bytesOf[buffer].push_back(byte);
      }
    }
    llvm::append_range(copies, *parts);
  }
  set(encodePlacement(op->getContext(), copies));
  return success();
}

DenseI64ArrayAttr BufferPlacer::getRows(Value buffer, int64_t first) {
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

FailureOr<DenseI64ArrayAttr> BufferPlacer::placePart(ConcatRowsOp whole, Value part) {
  Value result = whole.getResult();
  if (!bytesOf.contains(result)) {
    if (failed(place(whole, result, getSides(result), [](DenseI64ArrayAttr) {}))) {
      return failure();
    }
    SmallVector<int64_t> slices(slicesOf[result]);
    SmallVector<BytePlacement> bytes(bytesOf[result]);
    for (Value other : whole.getParts()) {
      slicesOf[other] = slices;
      bytesOf[other] = bytes;
      auto type = cast<BufferType>(other.getType());
      for (BytePlacement &byte : bytes) {
        byte.first += type.getRows() * type.getVectors(target.lanes());
      }
    }
  }
  return getRows(part, 0);
}

void BufferPlacer::release(Value buffer) {
  auto type = cast<BufferType>(buffer.getType());
  int64_t count = type.getRows() * type.getVectors(target.lanes());
  unsigned bytes = getNumBytes(type.getFormat());
  for (auto [index, byte] : llvm::enumerate(bytesOf[buffer])) {
    words.release(byte.slice, byte.bank, byte.first,
                  getPartWords(count, target.wordsPerBank(), index / bytes));
  }
}

InFlightDiagnostic BufferPlacer::emitDoesNotFit(Operation *op, const Twine &what) {
  int64_t capacity = int64_t(target.numSlices()) * target.banks() * target.wordsPerBank();
  InFlightDiagnostic diagnostic = op->emitOpError("does not fit into SRAM: ")
                                  << what << "; " << words.totalUsed() << " of " << capacity
                                  << " words of " << target.name() << " are taken";
  if (!isTrial) {
    attachMemoryMap(diagnostic, module, target, words);
  }
  return diagnostic;
}
