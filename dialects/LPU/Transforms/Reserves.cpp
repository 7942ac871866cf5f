//===- Reserves.cpp - Words that stripes leave for buffers ----------------===//

#include "Reserves.h"
#include "lpu/Target/Target.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace mlir::lpu;
using ::lpu::Side;
using ::lpu::Target;

bool mlir::lpu::isF16(ContractOp op) {
  return op.getActivations().getType().getFormat() == Format::F16;
}

/// Words of all slices that weights and states take.
static int64_t countStripeWords(ModuleOp module, const Target &target) {
  llvm::DenseSet<std::pair<Attribute, int64_t>> seen;
  int64_t total = 0;
  for (auto entry : module.getOps<func::FuncOp>()) {
    entry.walk([&](Operation *op) {
      if (auto state = dyn_cast<StateOp>(op)) {
        bool isNew = seen.insert({state.getNameAttr(), -1}).second;
        unsigned bytes = getNumBytes(state.getResult().getType().getFormat());
        total += isNew ? 16 * bytes * getTileWords(state.getResult().getType(), target.lanes()) : 0;
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

Reserves::Reserves(const BufferPlacer &buffers, ReservePlan plan, int64_t largest) {
  const Target &target = buffers.getTarget();
  const WordAllocator &words = buffers.getWords();
  // Operands and results of a map lie in slices of their own: more slices help more
  // than larger shares, as far as the largest buffer fits into some.
  int64_t capacity = int64_t(target.numSlices()) * target.banks() * target.wordsPerBank();
  int64_t room = capacity - words.totalUsed() - countStripeWords(buffers.getModule(), target);
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

int64_t Reserves::get(int64_t slice, int64_t bank) const {
  auto it = reserves.find({slice, bank});
  return it == reserves.end() ? 0 : it->second;
}
