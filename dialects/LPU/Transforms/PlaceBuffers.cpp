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
    return isa<MapOp, NestOp, AssembleOp>(user) || (contract && contract.getScales() == op.getResult());
  });
}

namespace {

/// What no plan changes: what is placed before the stripes. Every plan starts from a copy.
class CommonPlacement {
public:
  CommonPlacement(ModuleOp module, const Target &target) : buffers(module, target) {
    module.walk([&](Operation *op) { clear(op); });
  }

  /// Tables first: they need many words in a row, in neighbouring slices; then what the
  /// host writes, which many kernels read; then the VXM's constants, near to it.
  LogicalResult run() {
    if (failed(placeTables(buffers, constants)) || failed(placeHostWords(buffers)) ||
        failed(constants.placeAll(buffers, isOfVxm)) ||
        failed(placeOutputs(buffers, outputs))) {
      return failure();
    }
    largest = getLargestBuffer(buffers, outputs);
    buffers.getModule().walk([&](Operation *op) {
      if (llvm::none_of(kAttributes, [&](StringRef name) { return op->hasAttr(name); })) {
        open.push_back(op);
      }
    });
    return success();
  }

  Reserves getReserves(ReservePlan plan) const { return Reserves(buffers, plan, largest); }

  /// Stripes, which need 16 slices with room at once, then the other constants: all of that
  /// serves every entry. Then what each entry computes.
  LogicalResult placeRest(const Reserves &reserves, bool isTrial) const {
    llvm::for_each(open, clear);
    BufferPlacer buffers = this->buffers;
    buffers.setTrial(isTrial);
    ConstantPlacer constants = this->constants;
    if (failed(placeStripes(buffers, reserves)) ||
        failed(constants.placeAll(buffers, [](ConstantRowsOp) { return true; }))) {
      return failure();
    }
    // One entry runs at a time: what they compute takes the same words.
    WordAllocator image = buffers.getWords();
    for (auto entry : buffers.getModule().getOps<func::FuncOp>()) {
      buffers.getWords() = image;
      if (failed(placeEntry(buffers, entry, outputs))) {
        return failure();
      }
    }
    return success();
  }

private:
  static constexpr StringLiteral kAttributes[] = {"placement", "placements", "windows"};
  static void clear(Operation *op) {
    for (StringRef name : kAttributes) {
      op->removeAttr(name);
    }
  }

  BufferPlacer buffers;
  ConstantPlacer constants;
  Placements outputs;
  int64_t largest = 0;           ///< words a byte plane that an entry computes
  std::vector<Operation *> open; ///< not placed yet
};

struct PlaceBuffers : mlir::lpu::impl::PlaceBuffersPassBase<PlaceBuffers> {
  void runOnOperation() override {
    const Target *target = getTarget(getOperation());
    if (!target) {
      return signalPassFailure();
    }
    CommonPlacement common(getOperation(), *target);
    if (failed(common.run())) {
      return signalPassFailure();
    }
    // Where room is short it depends on the mix of buffers which plan serves. Many slices
    // first: what is read at the same time then lies apart.
    std::vector<Reserves> tried;
    for (int64_t percent : {92, 96, 86, 78, 68, 55}) {
      for (int64_t slices : {28, 24, 20, 32, 16, 36, 12, 8}) {
        for (int64_t large : {int64_t(4), int64_t(8), slices}) {
          Reserves reserves = common.getReserves({slices, large, percent});
          if (llvm::is_contained(tried, reserves)) {
            continue; // as where room is short, or no buffer is large
          }
          ScopedDiagnosticHandler quiet(&getContext(), [](Diagnostic &) { return success(); });
          if (succeeded(common.placeRest(reserves, /*isTrial=*/true))) {
            return;
          }
          tried.push_back(std::move(reserves));
        }
      }
    }
    // The first again, to say what does not fit.
    if (failed(common.placeRest(tried.front(), /*isTrial=*/false))) {
      signalPassFailure();
    }
  }
};

} // namespace
