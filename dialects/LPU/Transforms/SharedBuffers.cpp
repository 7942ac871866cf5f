//===- SharedBuffers.cpp - Buffers with the same words in every entry -----===//

#include "SharedBuffers.h"
#include "lpu/Target/Target.h"

using namespace mlir;
using namespace mlir::lpu;
using ::lpu::Side;
using ::lpu::Target;

LogicalResult ConstantPlacer::place(BufferPlacer &buffers, ConstantRowsOp op) {
  auto &equal = placed[{op.getValue(), op.getResult().getType()}];
  SmallVector<Side> sides = buffers.getNeededSides(op.getResult());
  SliceSet conflicts = buffers.getConflicts(op.getResult(), kBothSides);
  for (ConstantRowsOp other : equal) {
    ArrayRef<int64_t> slices = buffers.getSlices(other.getResult());
    bool isFree =
        llvm::none_of(slices, [&](int64_t slice) { return conflicts.contains(slice); });
    bool hasSides = llvm::all_of(sides, [&](Side side) {
      return llvm::any_of(slices, [&](int64_t slice) {
        return buffers.getTarget().sliceSide(unsigned(slice)) == side;
      });
    });
    if (isFree && hasSides) {
      buffers.share(op.getResult(), other.getResult());
      op.setPlacementAttr(other.getPlacementAttr());
      return success();
    }
  }
  equal.push_back(op);
  return buffers.place(op, op.getResult(), buffers.getSides(op.getResult()),
                       [&](DenseI64ArrayAttr a) { op.setPlacementAttr(a); });
}

LogicalResult ConstantPlacer::placeAll(BufferPlacer &buffers,
                                       llvm::function_ref<bool(ConstantRowsOp)> isMeant) {
  for (auto entry : buffers.getModule().getOps<func::FuncOp>()) {
    for (auto constant : entry.getOps<ConstantRowsOp>()) {
      if (!constant.getPlacement() && isMeant(constant) && failed(place(buffers, constant))) {
        return failure();
      }
    }
  }
  return success();
}

LogicalResult mlir::lpu::placeHostWords(BufferPlacer &buffers) {
  llvm::DenseMap<std::pair<Type, int64_t>, SmallVector<Value>> known; ///< by sides, too
  for (auto entry : buffers.getModule().getOps<func::FuncOp>()) {
    llvm::DenseMap<std::pair<Type, int64_t>, size_t> used;
    for (Operation &op : entry.getBody().front()) {
      if (!isa<LoadInputOp, DeriveOp>(op)) {
        continue;
      }
      Value buffer = op.getResult(0);
      SmallVector<Side> sides = buffers.getNeededSides(buffer);
      int64_t key = isa<LoadInputOp>(op) ? 8 : 0;
      for (Side side : sides) {
        key |= side == Side::West ? 1 : 2;
      }
      auto &equal = known[{buffer.getType(), key}];
      size_t &next = used[{buffer.getType(), key}];
      if (next < equal.size()) {
        Value other = equal[next++];
        op.setAttr("placement", other.getDefiningOp()->getAttr("placement"));
        buffers.share(buffer, other);
        continue;
      }
      sides = isa<LoadInputOp>(op) ? SmallVector<Side>{Side::West} : buffers.getSides(buffer);
      if (failed(buffers.place(&op, buffer, sides,
                               [&](DenseI64ArrayAttr a) { op.setAttr("placement", a); }))) {
        return failure();
      }
      equal.push_back(buffer);
      ++next;
    }
  }
  return success();
}

LogicalResult mlir::lpu::placeOutputs(BufferPlacer &buffers, Placements &placements) {
  llvm::DenseMap<std::pair<Attribute, Type>, Value> known;
  for (auto entry : buffers.getModule().getOps<func::FuncOp>()) {
    for (auto store : entry.getOps<StoreOutputOp>()) {
      Value buffer = store.getSource();
      if (!buffer.hasOneUse() || !isa<MapOp, NestOp, AssembleOp>(buffer.getDefiningOp())) {
        continue;
      }
      Value &first = known[{store.getNameAttr(), buffer.getType()}];
      if (first && placements.contains(first)) {
        placements[buffer] = placements.lookup(first);
        buffers.share(buffer, first);
        continue;
      }
      first = buffer;
      if (failed(buffers.place(buffer.getDefiningOp(), buffer, buffers.getSides(buffer),
                               [&](DenseI64ArrayAttr a) { placements[buffer] = a; }))) {
        return failure();
      }
    }
  }
  return success();
}
