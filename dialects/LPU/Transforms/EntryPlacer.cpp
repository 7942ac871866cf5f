//===- EntryPlacer.cpp - Buffers of one entry, by lifetime ----------------===//

#include "EntryPlacer.h"
#include "lpu/Target/Target.h"

using namespace mlir;
using namespace mlir::lpu;
using ::lpu::Side;
using ::lpu::Target;

int64_t mlir::lpu::getLargestBuffer(const BufferPlacer &buffers, const Placements &known) {
  unsigned lanes = buffers.getTarget().lanes();
  int64_t largest = 0;
  for (auto entry : buffers.getModule().getOps<func::FuncOp>()) {
    for (Operation &op : entry.getBody().front()) {
      if (!isa<MapOp, NestOp, AssembleOp, PermuteOp, GatherRowsOp, ConcatRowsOp>(op)) {
        continue;
      }
      for (Value result : op.getResults()) {
        if (!getWhole(result) && !known.contains(result) && !isStreamed(result, lanes)) {
          auto type = cast<BufferType>(result.getType());
          largest = std::max(largest, type.getRows() * type.getVectors(lanes));
        }
      }
    }
  }
  return largest;
}

/// The last operation that reads `buffer` or a part of it; null for an output. A contraction
/// reads its activations where its sums are used, and so does a map that streams them.
static Operation *getLastRead(Value buffer, int64_t lanes) {
  Operation *last = buffer.getDefiningOp();
  auto add = [&](Operation *user) {
    for (bool goesOn = true; goesOn;) {
      last = last->isBeforeInBlock(user) ? user : last;
      goesOn = false;
      for (Value result : user->getResults()) {
        if (ContractOp contract = getStreamedContract(result, lanes)) {
          user = *contract.getResult().user_begin();
          goesOn = true;
          break;
        }
      }
    }
  };
  SmallVector<Operation *> users(buffer.getUsers());
  if (auto whole = buffer.getDefiningOp<ConcatRowsOp>()) {
    for (Value part : whole.getParts()) {
      llvm::copy_if(part.getUsers(), std::back_inserter(users),
                    [&](Operation *user) { return user != whole; });
    }
  }
  for (Operation *user : users) {
    // What is a part of another buffer goes back with it.
    if (isa<StoreOutputOp, ConcatRowsOp>(user)) {
      return nullptr;
    }
    if (auto rows = dyn_cast<RowsOp>(user)) {
      Operation *read = getLastRead(rows.getResult(), lanes);
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

static FailureOr<DenseI64ArrayAttr> placeResult(BufferPlacer &buffers, Value result) {
  if (ConcatRowsOp whole = getWhole(result)) {
    return buffers.placePart(whole, result);
  }
  DenseI64ArrayAttr placement;
  if (failed(buffers.place(result.getDefiningOp(), result, buffers.getSides(result),
                           [&](DenseI64ArrayAttr a) { placement = a; }))) {
    return failure();
  }
  return placement;
}

/// A map or nest.
static LogicalResult placeMap(BufferPlacer &buffers, Operation *map, const Placements &known) {
  SmallVector<Attribute> placements;
  for (Value result : map->getResults()) {
    if (DenseI64ArrayAttr early = known.lookup(result)) {
      placements.push_back(early);
      continue;
    }
    if (isStreamed(result, buffers.getTarget().lanes())) {
      placements.push_back(DenseI64ArrayAttr::get(map->getContext(), {}));
      continue;
    }
    FailureOr<DenseI64ArrayAttr> placement = placeResult(buffers, result);
    if (failed(placement)) {
      return failure();
    }
    placements.push_back(*placement);
  }
  map->setAttr("placements", ArrayAttr::get(map->getContext(), placements));
  return success();
}

static LogicalResult placeResults(BufferPlacer &buffers, Operation *op,
                                  const Placements &known) {
  if (auto gather = dyn_cast<GatherRowsOp>(op)) {
    FailureOr<DenseI64ArrayAttr> placement = placeResult(buffers, gather.getResult());
    if (succeeded(placement)) {
      gather.setPlacementAttr(*placement);
    }
    return placement;
  }
  if (auto permute = dyn_cast<PermuteOp>(op)) {
    // The SXM gives vectors back to the side that they come from.
    int64_t from = buffers.getSlices(permute.getSource()).front();
    Side side = buffers.getTarget().sliceSide(unsigned(from));
    return buffers.place(op, permute.getResult(), side,
                         [&](DenseI64ArrayAttr a) { permute.setPlacementAttr(a); });
  }
  if (auto rows = dyn_cast<RowsOp>(op)) {
    rows.setPlacementAttr(buffers.getRows(rows.getSource(), int64_t(rows.getFirst())));
    buffers.setSlices(rows.getResult(), buffers.getSlices(rows.getSource()));
    return success();
  }
  if (auto concat = dyn_cast<ConcatRowsOp>(op)) {
    concat.setPlacementAttr(buffers.getRows(concat.getResult(), 0));
    return success();
  }
  if (auto assemble = dyn_cast<AssembleOp>(op)) {
    if (DenseI64ArrayAttr early = known.lookup(assemble.getResult())) {
      assemble.setPlacementAttr(early);
      return success();
    }
    return buffers.place(op, assemble.getResult(), buffers.getSides(assemble.getResult()),
                         [&](DenseI64ArrayAttr a) { assemble.setPlacementAttr(a); });
  }
  return isa<MapOp, NestOp>(op) ? placeMap(buffers, op, known) : success();
}

LogicalResult mlir::lpu::placeEntry(BufferPlacer &buffers, func::FuncOp entry,
                                    const Placements &known) {
  llvm::DenseMap<Operation *, SmallVector<Value>> lastReads;
  for (Operation &op : entry.getBody().front()) {
    if (!isa<MapOp, NestOp, AssembleOp, PermuteOp, GatherRowsOp, ConcatRowsOp>(op)) {
      continue;
    }
    for (Value result : op.getResults()) {
      if (Operation *last = getLastRead(result, buffers.getTarget().lanes())) {
        lastReads[last].push_back(result);
      }
    }
  }
  for (Operation &op : entry.getBody().front()) {
    if (failed(placeResults(buffers, &op, known))) {
      return failure();
    }
    for (Value buffer : lastReads.lookup(&op)) {
      buffers.release(buffer);
    }
  }
  return success();
}
