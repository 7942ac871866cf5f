//===- MemoryMap.cpp - What lies in SRAM, and what does not fit -----------===//

#include "MemoryMap.h"
#include "LPU/IR/LPUKernelOps.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/BitVector.h"
#include "llvm/ADT/DenseSet.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MathExtras.h"
#include <numeric>

using namespace mlir;
using namespace mlir::lpu;
using ::lpu::Side;
using ::lpu::Target;

namespace {

enum Kind { Tables, Constants, Weights, States, Buffers, numKinds };
constexpr StringLiteral kNames[numKinds] = {"tables", "constants", "weights", "states",
                                            "buffers"};

class MemoryMap {
public:
  MemoryMap(ModuleOp module, const Target &target, const WordAllocator &words)
      : module(module), target(target), words(words),
        total(int64_t(target.numSlices()) * target.banks() * target.wordsPerBank()) {
    for (auto &kind : placed) {
      kind.resize(unsigned(total));
    }
    module.walk([&](Operation *op) { add(op); });
    for (auto entry : module.getOps<func::FuncOp>()) {
      needed[Buffers] = std::max(needed[Buffers], countBuffers(entry));
    }
  }

  void print(llvm::raw_ostream &out) const {
    out << llvm::formatv("memory map of {0}, in words of {1} bytes:\n", target.name(),
                         target.lanes());
    printRow(out, "", "west", "east", "bytes", "needs at least");
    int64_t sum[2] = {0, 0};
    for (Kind kind : {Tables, Constants, Weights, States, Buffers}) {
      int64_t side[2];
      for (Side s : {Side::West, Side::East}) {
        // Buffers are what has no placement yet.
        side[unsigned(s)] = kind == Buffers ? countUsed(s) - sum[unsigned(s)] : count(kind, s);
        sum[unsigned(s)] += side[unsigned(s)];
      }
      printCounts(out, kNames[kind], side, std::to_string(needed[kind]));
    }
    int64_t left[2] = {total / 2 - sum[0], total / 2 - sum[1]};
    printCounts(out, "together", sum, std::to_string(countNeeded()));
    printCounts(out, "free", left, "");
    printAdvice(out);
  }

private:
  int64_t countNeeded() const {
    return std::accumulate(std::begin(needed), std::end(needed), int64_t(0));
  }

  static void printRow(llvm::raw_ostream &out, StringRef name, StringRef west,
                       StringRef east, StringRef bytes, StringRef need) {
    std::string row =
        llvm::formatv("  {0,-10}{1,9}{2,9}{3,13}  {4}", name, west, east, bytes, need);
    out << StringRef(row).rtrim() << "\n";
  }

  void printCounts(llvm::raw_ostream &out, StringRef name, const int64_t (&side)[2],
                   StringRef need) const {
    printRow(out, name, std::to_string(side[0]), std::to_string(side[1]),
             std::to_string((side[0] + side[1]) * target.lanes()), need);
  }

  void printAdvice(llvm::raw_ostream &out) const {
    int64_t missing = countNeeded() - total;
    if (missing <= 0) {
      out << llvm::formatv(
          "  by their number the words suffice, but not as they lie: a bank has {0}, the "
          "longest free runs are {1} west and {2} east; fewer rows an entry, shorter "
          "caches or fewer entries leave longer ones",
          target.wordsPerBank(), findLongestRun(Side::West), findLongestRun(Side::East));
      return;
    }
    out << llvm::formatv("  {0} words ({1} bytes) are missing: the model is {2:F2} chips' worth",
                         missing, missing * target.lanes(),
                         double(countNeeded()) / double(total));
    if (missing < needed[States]) {
      out << "; with states (KV caches) of at most "
          << (needed[States] - missing) * 100 / needed[States] << "% of their length it may fit";
    }
  }

  int64_t countUsed(Side side) const {
    int64_t used = 0;
    forEachBank(side, [&](int64_t slice, int64_t bank) { used += words.usedWords(slice, bank); });
    return used;
  }

  int64_t findLongestRun(Side side) const {
    int64_t longest = 0;
    forEachBank(side, [&](int64_t slice, int64_t bank) {
      longest = std::max(longest, words.findLargestGap(slice, bank));
    });
    return longest;
  }

  void forEachBank(Side side, llvm::function_ref<void(int64_t, int64_t)> visit) const {
    for (unsigned i = 0; i < target.slicesPerSide(); ++i) {
      for (unsigned bank = 0; bank < target.banks(); ++bank) {
        visit(target.slice(side, i), bank);
      }
    }
  }

  unsigned getWord(int64_t slice, int64_t bank, int64_t first) const {
    return unsigned((slice * target.banks() + bank) * target.wordsPerBank() + first);
  }

  int64_t count(Kind kind, Side side) const {
    unsigned half = unsigned(total / 2), begin = side == Side::West ? 0 : half;
    int64_t count = 0;
    for (unsigned word : placed[kind].set_bits()) {
      count += word >= begin && word < begin + half;
    }
    return count;
  }

  void mark(Kind kind, const BytePlacement &at, int64_t count) {
    unsigned first = getWord(at.slice, at.bank, at.first);
    placed[kind].set(first, first + unsigned(count));
  }

  /// Whether `key` of `kind` has not been seen: equal ones lie once.
  bool isNew(Kind kind, const void *key, const void *other) {
    return seen.insert({{unsigned(kind), key}, other}).second;
  }

  int64_t countRows(BufferType type) const {
    return type.getRows() * type.getVectors(target.lanes());
  }
  int64_t countWords(BufferType type) const {
    return countRows(type) * getNumBytes(type.getFormat());
  }

  void add(Operation *op) {
    if (auto table = dyn_cast<TableOp>(op)) {
      BufferType type = table.getResult().getType();
      const void *value = table.getValue().getAsOpaquePointer();
      needed[Tables] += isNew(Tables, value, type.getAsOpaquePointer()) ? countWords(type) : 0;
      if (DenseI64ArrayAttr placement = table.getWindowsAttr()) {
        for (const TableWindow &window : decodeWindows(placement)) {
          mark(Tables, {window.slice, window.bank, window.first},
               window.rows * type.getVectors(target.lanes()));
        }
      }
    } else if (auto constant = dyn_cast<ConstantRowsOp>(op)) {
      BufferType type = constant.getResult().getType();
      const void *value = constant.getValue().getAsOpaquePointer();
      needed[Constants] +=
          isNew(Constants, value, type.getAsOpaquePointer()) ? countWords(type) : 0;
      if (DenseI64ArrayAttr placement = constant.getPlacementAttr()) {
        for (auto [part, copy] :
             llvm::enumerate(decodePlacement(placement, getNumBytes(type.getFormat())))) {
          for (const BytePlacement &byte : copy) {
            mark(Constants, byte, getPartWords(countRows(type), target.wordsPerBank(), part));
          }
        }
      }
    } else if (auto state = dyn_cast<StateOp>(op)) {
      addState(state);
    } else if (auto contract = dyn_cast<ContractOp>(op); contract && !contract.getTiles()) {
      addWeights(contract);
    }
  }

  void addState(StateOp op) {
    TilesType type = op.getResult().getType();
    int64_t width = type.getWidth() ? type.getWidth() : int64_t(target.lanes());
    int64_t count =
        llvm::divideCeil(type.getRows(), 16) * llvm::divideCeil(type.getColumns(), width);
    if (isNew(States, op.getNameAttr().getAsOpaquePointer(), nullptr)) {
      needed[States] += count * 16 * getNumBytes(type.getFormat());
    }
    if (DenseI64ArrayAttr placement = op.getPlacementAttr()) {
      for (const Stripe &stripe : decodeStripes(placement)) {
        size_t data = 16 * getNumBytes(type.getFormat());
        for (auto [j, byte] : llvm::enumerate(stripe.slices)) {
          mark(j < data ? States : Weights, byte, j < data ? count : 1);
        }
      }
    }
  }

  void addWeights(ContractOp op) {
    ContractShape shape = getContractShape(op, target.lanes());
    bool isOne = isOneWord(op, target.lanes());
    bool isF16 = op.getActivations().getType().getFormat() == Format::F16;
    int64_t count = isOne ? 1 : shape.tiles * shape.groups;
    const void *columns = reinterpret_cast<const void *>(shape.tileColumns);
    if (isNew(Weights, op.getWeightsAttr().getAsOpaquePointer(), columns)) {
      needed[Weights] += count * 16 * (isF16 ? 2 : 1);
    }
    if (DenseI64ArrayAttr placement = op.getPlacementAttr()) {
      SmallVector<Stripe> stripes = decodeStripes(placement);
      for (auto [index, stripe] : llvm::enumerate(stripes)) {
        int64_t tiles = llvm::divideCeil(shape.tiles - int64_t(index), int64_t(stripes.size()));
        for (const BytePlacement &byte : stripe.slices) {
          mark(Weights, byte, isOne ? 1 : tiles * shape.groups);
        }
      }
    }
  }

  /// Words that `entry` cannot do without: all that the host writes is there at once,
  /// and so are the operands and results of one operation.
  int64_t countBuffers(func::FuncOp entry) const {
    int64_t ofHost = 0, most = 0;
    for (Operation &op : entry.getBody().front()) {
      llvm::SmallDenseSet<Value> buffers;
      for (ValueRange values : {ValueRange(op.getOperands()), ValueRange(op.getResults())}) {
        for (Value value : values) {
          Operation *source = value.getDefiningOp();
          if (isa<BufferType>(value.getType()) &&
              !isa_and_nonnull<TableOp, ConstantRowsOp>(source)) {
            buffers.insert(value);
          }
        }
      }
      int64_t words = 0;
      for (Value buffer : buffers) {
        words += countWords(cast<BufferType>(buffer.getType()));
      }
      if (isa<LoadInputOp, DeriveOp>(op)) {
        ofHost += words;
      } else if (!isa<RowsOp, ConcatRowsOp>(op)) { // the same words as others
        most = std::max(most, words);
      }
    }
    return std::max(ofHost, most);
  }

  ModuleOp module;
  const Target &target;
  const WordAllocator &words;
  int64_t total;
  llvm::BitVector placed[numKinds]; ///< a bit a word of SRAM
  int64_t needed[numKinds] = {};
  llvm::DenseSet<std::pair<std::pair<unsigned, const void *>, const void *>> seen;
};

} // namespace

void mlir::lpu::attachMemoryMap(InFlightDiagnostic &diagnostic, ModuleOp module,
                                const Target &target, const WordAllocator &words) {
  std::string text;
  llvm::raw_string_ostream out(text);
  MemoryMap(module, target, words).print(out);
  diagnostic.attachNote() << text;
}
