//===- SplitRows.cpp - Kernels for some rows at a time --------------------===//

#include "LPU/Transforms/Passes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/Support/MathExtras.h"

namespace mlir::lpu {
#define GEN_PASS_DEF_SPLITROWSPASS
#include "LPU/Transforms/Passes.h.inc"
} // namespace mlir::lpu

using namespace mlir;
using namespace mlir::lpu;

namespace {

int64_t getRows(Value value) {
  if (auto sums = dyn_cast<AccType>(value.getType())) {
    return sums.getRows();
  }
  auto type = dyn_cast<BufferType>(value.getType());
  return type ? type.getRows() : 0;
}

/// What the host writes, or parts that lie together: any rows of it can be read.
bool isSource(Value value) {
  return isa_and_nonnull<DeriveOp, LoadInputOp, ConcatRowsOp>(value.getDefiningOp());
}

class Splitter {
public:
  Splitter(func::FuncOp entry, int64_t rows) : entry(entry), most(rows) {}

  void run() {
    choose();
    for (Operation &op : llvm::make_early_inc_range(entry.getBody().front())) {
      if (chosen.contains(&op)) {
        split(&op);
      } else {
        useWholes(&op);
      }
    }
    for (Operation *op : llvm::reverse(chosen)) {
      op->erase();
    }
    SmallVector<Operation *> views;
    for (Operation &op : entry.getBody().front()) {
      if (isa<ConcatRowsOp, RowsOp>(op)) {
        views.push_back(&op);
      }
    }
    for (Operation *op : llvm::reverse(views)) {
      if (op->use_empty()) {
        op->erase();
      }
    }
  }

private:
  /// The rows that `op` works on, one after another; 0 where it is not such an operation.
  static int64_t getSplitRows(Operation *op) {
    if (auto contract = dyn_cast<ContractOp>(op)) {
      return contract.getSplit() || contract.getMerge() ? 0 : getRows(contract.getActivations());
    }
    if (auto append = dyn_cast<AppendOp>(op)) {
      bool isByRow = getRows(append.getSource()) == getRows(append.getMap());
      return isByRow && getStreamedAppend(append.getSource()) ? getRows(append.getSource()) : 0;
    }
    return isa<MapOp, PermuteOp, GatherRowsOp>(op) ? getRows(op->getResult(0)) : 0;
  }

  /// The operands of which a part of `op` takes a part.
  static SmallVector<Value> getSplitOperands(Operation *op) {
    if (auto contract = dyn_cast<ContractOp>(op)) {
      return {contract.getActivations()};
    }
    if (auto gather = dyn_cast<GatherRowsOp>(op)) {
      return {gather.getMap()};
    }
    SmallVector<Value> operands;
    llvm::copy_if(op->getOperands(), std::back_inserter(operands),
                  [](Value operand) { return getRows(operand) > 1; });
    return operands;
  }

  /// Whether the parts of `op` have what they read, and whatever needs them takes parts.
  bool isPossible(Operation *op) {
    int64_t rows = getSplitRows(op);
    SmallVector<Value> operands = getSplitOperands(op);
    bool hasParts = !operands.empty() && llvm::all_of(operands, [&](Value operand) {
      return getRows(operand) == rows &&
             (isSource(operand) || chosen.contains(operand.getDefiningOp()));
    });
    auto isChosen = [&](Operation *user) { return chosen.contains(user); };
    return hasParts && llvm::all_of(op->getResults(), [&](Value result) {
             bool isTied = isa<AccType>(result.getType()) || getStreamedAppend(result) ||
                           isa<PermuteOp>(op);
             // A part of a buffer has no parts.
             return getRows(result) == rows &&
                    (!isTied || llvm::all_of(result.getUsers(), isChosen)) &&
                    llvm::none_of(result.getUsers(), llvm::IsaPred<ConcatRowsOp>);
           });
  }

  void choose() {
    for (Operation &op : entry.getBody().front()) {
      if (getSplitRows(&op) > most) {
        chosen.insert(&op);
      }
    }
    for (bool changed = true; changed;) {
      changed = chosen.remove_if([&](Operation *op) { return !isPossible(op); });
    }
  }

  /// Part `number` of `value`, at `first`.
  Value getPart(ImplicitLocOpBuilder &b, Value value, size_t number, int64_t first,
                int64_t count) {
    if (auto it = partsOf.find(value); it != partsOf.end()) {
      return it->second[number];
    }
    if (auto whole = value.getDefiningOp<ConcatRowsOp>()) {
      int64_t at = 0;
      for (Value part : whole.getParts()) {
        if (at == first && getRows(part) == count) {
          return part;
        }
        at += getRows(part);
      }
    }
    Value &view = views[{value, first}];
    if (!view) {
      auto type = cast<BufferType>(value.getType());
      view = RowsOp::create(b, withRows(type, count), value, uint64_t(first), DenseI64ArrayAttr());
    }
    return view;
  }

  static BufferType withRows(BufferType type, int64_t rows) {
    return BufferType::get(type.getContext(), rows, type.getColumns(), type.getFormat(),
                           type.getWidth());
  }
  static Type withRows(Type type, int64_t rows) {
    if (auto sums = dyn_cast<AccType>(type)) {
      return AccType::get(type.getContext(), rows, sums.getColumns(), sums.getFormat(),
                          sums.getWidth());
    }
    return withRows(cast<BufferType>(type), rows);
  }

  void split(Operation *op) {
    ImplicitLocOpBuilder b(op->getLoc(), op);
    int64_t rows = getSplitRows(op);
    int64_t step = getPartRows(rows, most);
    SmallVector<Value> operands = getSplitOperands(op);
    for (OpOperand &operand : op->getOpOperands()) {
      if (!llvm::is_contained(operands, operand.get())) {
        useWhole(b, operand);
      }
    }
    size_t number = 0;
    for (int64_t first = 0; first < rows; first += step, ++number) {
      int64_t count = std::min(step, rows - first);
      IRMapping mapping;
      for (Value operand : operands) {
        mapping.map(operand, getPart(b, operand, number, first, count));
      }
      Operation *part = b.clone(*op, mapping);
      if (auto contract = dyn_cast<ContractOp>(part)) {
        contract.setTurn(number);
      }
      for (auto [result, mine] : llvm::zip(op->getResults(), part->getResults())) {
        mine.setType(withRows(result.getType(), count));
        partsOf[result].push_back(mine);
      }
    }
  }

  /// `op` reads whole buffers: those that are in parts now lie together.
  void useWholes(Operation *op) {
    ImplicitLocOpBuilder b(op->getLoc(), op);
    if (auto rows = dyn_cast<RowsOp>(op)) {
      auto it = partsOf.find(rows.getSource());
      if (it != partsOf.end()) {
        int64_t first = 0;
        for (Value part : it->second) {
          if (first == int64_t(rows.getFirst()) && part.getType() == rows.getType()) {
            rows.getResult().replaceAllUsesWith(part);
            rows.erase();
            return;
          }
          first += getRows(part);
        }
      }
    }
    for (OpOperand &operand : op->getOpOperands()) {
      useWhole(b, operand);
    }
  }

  void useWhole(ImplicitLocOpBuilder &b, OpOperand &operand) {
    auto it = partsOf.find(operand.get());
    if (it == partsOf.end()) {
      return;
    }
    Value &whole = wholes[operand.get()];
    if (!whole) {
      whole = ConcatRowsOp::create(b, operand.get().getType(), it->second, DenseI64ArrayAttr());
    }
    operand.set(whole);
  }

  func::FuncOp entry;
  int64_t most;
  llvm::SetVector<Operation *> chosen;
  llvm::DenseMap<Value, SmallVector<Value>> partsOf;
  llvm::DenseMap<Value, Value> wholes;
  llvm::DenseMap<std::pair<Value, int64_t>, Value> views;
};

struct SplitRows : mlir::lpu::impl::SplitRowsPassBase<SplitRows> {
  using SplitRowsPassBase::SplitRowsPassBase;

  void runOnOperation() override { Splitter(getOperation(), rows).run(); }
};

} // namespace
