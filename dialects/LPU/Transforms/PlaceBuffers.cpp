//===- PlaceBuffers.cpp - Give every buffer its SRAM words ----------------===//

#include "EntryPlacer.h"
#include "LPU/Transforms/Passes.h"
#include "SharedBuffers.h"
#include "StripePlacer.h"
#include "TablePlacer.h"
#include "lpu/Target/Target.h"
#include "mlir/IR/BuiltinOps.h"

namespace mlir::lpu {
#define GEN_PASS_DEF_PLACEBUFFERSPASS
#include "LPU/Transforms/Passes.h.inc"
} // namespace mlir::lpu

using namespace mlir;
using namespace mlir::lpu;
using ::lpu::Target;

/// Whether the VXM reads `op`, and nothing else does.
static bool isOfVxm(ConstantRowsOp op) {
  return llvm::all_of(op.getResult().getUsers(), [&](Operation *user) {
    auto contract = dyn_cast<ContractOp>(user);
    return isa<MapOp>(user) || (contract && contract.getScales() == op.getResult());
  });
}

static LogicalResult placeModule(ModuleOp module, const Target &target, ReservePlan plan) {
  // Tables first: they need many words in a row, in neighbouring slices; then what the
  // host writes, which many kernels read; then the VXM's constants, near to it; then
  // stripes, which need 16 slices with room at once. All of it serves every entry, and
  // so do the other constants.
  BufferPlacer buffers(module, target);
  ConstantPlacer constants;
  Placements outputs;
  if (failed(placeTables(buffers, constants)) || failed(placeHostWords(buffers)) ||
      failed(constants.placeAll(buffers, isOfVxm)) || failed(placeOutputs(buffers, outputs))) {
    return failure();
  }
  Reserves reserves(buffers, plan, getLargestBuffer(buffers, outputs));
  if (failed(placeStripes(buffers, reserves)) ||
      failed(constants.placeAll(buffers, [](ConstantRowsOp) { return true; }))) {
    return failure();
  }
  // One entry runs at a time: what they compute takes the same words.
  WordAllocator image = buffers.getWords();
  for (auto entry : module.getOps<func::FuncOp>()) {
    buffers.getWords() = image;
    if (failed(placeEntry(buffers, entry, outputs))) {
      return failure();
    }
  }
  return success();
}

namespace {

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
          ScopedDiagnosticHandler quiet(&getContext(), [](Diagnostic &) { return success(); });
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
    return placeModule(getOperation(), target, plan);
  }
};

} // namespace
