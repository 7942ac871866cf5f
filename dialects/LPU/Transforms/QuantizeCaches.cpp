//===- QuantizeCaches.cpp - KV caches in int8 -----------------------------===//

#include "LPU/IR/LPUDialect.h"
#include "LPU/IR/LPUTensorOps.h"
#include "LPU/Transforms/Passes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "llvm/ADT/MapVector.h"
#include <cmath>

namespace mlir::lpu {
#define GEN_PASS_DEF_QUANTIZECACHESPASS
#include "LPU/Transforms/Passes.h.inc"
} // namespace mlir::lpu

using namespace mlir;
using namespace mlir::lpu;

namespace {

/// The attention that reads `cache`; null when there is none.
AttentionOp getReader(Value cache) {
  for (OpOperand &use : cache.getUses()) {
    auto attention = dyn_cast<AttentionOp>(use.getOwner());
    if (attention && (use.get() == attention.getKey() || use.get() == attention.getValue())) {
      return attention;
    }
  }
  return {};
}

/// A cache of attention that an entry gets, updates and gives back.
bool isCache(CacheUpdateOp op) {
  auto argument = dyn_cast<BlockArgument>(op.getCache());
  Value updated = op.getResult();
  bool isReturned = llvm::any_of(
      updated.getUsers(), [](Operation *user) { return isa<func::ReturnOp>(user); });
  return argument && argument.hasOneUse() && isReturned && getReader(updated) &&
         isa<func::FuncOp>(argument.getOwner()->getParentOp()) &&
         getElementTypeOrSelf(argument.getType()).isF32() &&
         llvm::all_of(updated.getUsers(), [](Operation *user) {
           return isa<func::ReturnOp, AttentionOp>(user);
         });
}

/// Both elements of a pair that rotates take each other's size at other positions.
void joinRotated(RotaryOp op, MutableArrayRef<float> largest) {
  int64_t size = int64_t(largest.size()) / int64_t(op.getHeads());
  int64_t pairs = cast<RankedTensorType>(op.getCos().getType()).getShape().back();
  for (int64_t head = 0; head < int64_t(op.getHeads()); ++head) {
    for (int64_t pair = 0; pair < pairs; ++pair) {
      int64_t first = head * size + (op.getInterleaved() ? 2 * pair : pair);
      float &a = largest[size_t(first)];
      float &b = largest[size_t(first + (op.getInterleaved() ? 1 : pairs))];
      a = b = std::hypot(a, b);
    }
  }
}

Value skipReshapes(Value value) {
  Operation *op = value.getDefiningOp();
  while (op && isa<tensor::CollapseShapeOp, tensor::ExpandShapeOp>(op)) {
    value = op->getOperand(0);
    op = value.getDefiningOp();
  }
  return value;
}

struct QuantizeCaches : mlir::lpu::impl::QuantizeCachesPassBase<QuantizeCaches> {
  using QuantizeCachesPassBase::QuantizeCachesPassBase;

  void runOnOperation() override {
    // Entries share caches by name.
    llvm::MapVector<Attribute, SmallVector<CacheUpdateOp>> updates;
    for (auto entry : getOperation().getOps<func::FuncOp>()) {
      for (auto op : entry.getOps<CacheUpdateOp>()) {
        if (isCache(op)) {
          unsigned number = cast<BlockArgument>(op.getCache()).getArgNumber();
          Attribute name = entry.getArgAttr(number, LPUDialect::kNameAttr);
          updates[name ? name : Attribute(op.getLoc())].push_back(op);
        }
      }
    }
    for (auto &[name, same] : updates) {
      FailureOr<std::vector<float>> scales = findScales(same);
      if (failed(scales)) {
        return signalPassFailure();
      }
      for (CacheUpdateOp op : same) {
        quantize(op, *scales);
      }
    }
  }

private:
  FailureOr<std::vector<float>> findScales(ArrayRef<CacheUpdateOp> updates) {
    CacheUpdateOp first = updates.front();
    auto columns = size_t(cast<RankedTensorType>(first.getRows().getType()).getShape().back());
    std::vector<float> largest(columns, 0);
    for (CacheUpdateOp op : updates) {
      auto seen = op->getAttrOfType<DenseF32ArrayAttr>(LPUDialect::kColumnMaxAttr);
      if (!seen || seen.size() != int64_t(columns)) {
        continue;
      }
      std::vector<float> mine(seen.asArrayRef());
      if (auto rotary = skipReshapes(op.getRows()).getDefiningOp<RotaryOp>()) {
        joinRotated(rotary, mine);
      }
      for (size_t c = 0; c < columns; ++c) {
        largest[c] = std::max(largest[c], mine[c] * headroom);
      }
    }
    float most = *llvm::max_element(largest);
    if (most == 0 && activationMax > 0) {
      most = activationMax;
      largest.assign(columns, most);
    }
    if (most == 0) {
      return first.emitError("the range of its rows is not known: give "
                             "--calibration=FILE.npz or --activation-max=LARGEST");
    }
    raiseToHeads(first, largest);
    for (float &scale : largest) {
      scale = std::max(scale, most * kLeastShare) / 127;
    }
    return largest;
  }

  /// A column that calibration saw little of may have more later: at least a share of the
  /// largest of its head.
  static void raiseToHeads(CacheUpdateOp op, MutableArrayRef<float> largest) {
    size_t size = largest.size() / getReader(op.getResult()).getKvHeads();
    for (size_t first = 0; first < largest.size(); first += size) {
      MutableArrayRef<float> head = largest.slice(first, size);
      float least = kHeadShare * *llvm::max_element(head);
      for (float &column : head) {
        column = std::max(column, least);
      }
    }
  }

  static constexpr float kHeadShare = 1.0f / 3;
  /// Of the largest of all heads, for one of which nothing was seen.
  static constexpr float kLeastShare = 1.0f / 256;

  static void quantize(CacheUpdateOp op, ArrayRef<float> scales) {
    ImplicitLocOpBuilder b(op.getLoc(), op);
    auto argument = cast<BlockArgument>(op.getCache());
    auto entry = cast<func::FuncOp>(argument.getOwner()->getParentOp());
    auto type = cast<RankedTensorType>(argument.getType());
    auto rowsType = cast<RankedTensorType>(op.getRows().getType());
    IntegerAttr axis = b.getI64IntegerAttr(type.getRank() - 1);
    Value scale = arith::ConstantOp::create(
        b, DenseElementsAttr::get(
               RankedTensorType::get({int64_t(scales.size())}, b.getF32Type()), scales));
    Value rows = QuantizeOp::create(b, rowsType.clone(b.getI8Type()), op.getRows(), scale, axis);
    argument.setType(type.clone(b.getI8Type()));
    auto update = CacheUpdateOp::create(b, argument.getType(), argument, rows, op.getPositions(),
                                        op.getAxisAttr(), op.getCircularAttr());
    Value reals = DequantizeOp::create(b, type, update.getResult(), scale, Value(), axis,
                                       IntegerAttr(), UnitAttr());
    op.getResult().replaceUsesWithIf(reals, [](OpOperand &use) {
      return isa<AttentionOp>(use.getOwner());
    });
    op.getResult().replaceAllUsesWith(update.getResult());
    op.erase();
    Operation *end = entry.getBody().front().getTerminator();
    entry.setFunctionType(
        b.getFunctionType(entry.getBody().front().getArgumentTypes(), end->getOperandTypes()));
  }
};

} // namespace
