//===- BoundCycles.cpp - Lower bounds of entries and layers ---------------===//

#include "LPU/Analysis/CycleBound.h"
#include "LPU/IR/LPUDialect.h"
#include "LPU/Transforms/Passes.h"
#include "lpu/Target/Target.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinOps.h"

namespace mlir::lpu {
#define GEN_PASS_DEF_BOUNDCYCLESPASS
#include "LPU/Transforms/Passes.h.inc"
} // namespace mlir::lpu

using namespace mlir;
using namespace mlir::lpu;

namespace {

struct BoundCycles : mlir::lpu::impl::BoundCyclesPassBase<BoundCycles> {
  using BoundCyclesPassBase::BoundCyclesPassBase;

  void runOnOperation() override {
    func::FuncOp entry = getOperation();
    const ::lpu::Target *target = getTarget(entry);
    if (!target) {
      return signalPassFailure();
    }
    BoundFormats formats{limbs};
    Builder builder(&getContext());
    auto set = [&](Operation *op, int64_t cycles) {
      op->setAttr(LPUDialect::kLowerBoundAttr, builder.getI64IntegerAttr(cycles));
    };
    set(entry, getCycleBound(entry, *target, formats));
    SmallVector<NamedAttribute> layers;
    for (const PartBound &layer : getLayerBounds(entry, *target, formats)) {
      layers.push_back(builder.getNamedAttr(layer.name.empty() ? "-" : layer.name,
                                            builder.getI64IntegerAttr(layer.cycles)));
    }
    entry->setAttr(LPUDialect::kLayerBoundsAttr, builder.getDictionaryAttr(layers));
    if (operations) {
      for (Operation &op : entry.getBody().front().without_terminator()) {
        set(&op, getCycleBound(entry, &op, *target, formats));
      }
    }
  }
};

} // namespace
