//===- SplitNests.cpp - Nests that the VXM has the ALUs for ---------------===//

#include "NestGraph.h"
#include "lpu/Conversion/Passes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/Pass/Pass.h"
#include "llvm/ADT/SetVector.h"

using namespace lpu;
using namespace lpu::stream_lowering;
using namespace mlir;
using mlir::lpu::BufferType;
using mlir::lpu::Format;
using mlir::lpu::NestOp;

namespace {

/// The most buffers that one chain reads or writes: a direction has streams for so many.
constexpr size_t kMostInputs = 6, kMostResults = 4;

bool isFloat(Type buffer) { return cast<BufferType>(buffer).getFormat() == Format::F32; }

/// Cuts one nest after the other: what the first operations of its body compute for those
/// behind goes through buffers.
class Splitter {
public:
  Splitter(NestOp nest, const Target &target) : nest(nest), target(target) {}

  /// Fails with an error where one operation alone does not fit.
  LogicalResult run() {
    while (!fits(nest)) {
      Block &body = nest.getBody().front();
      SmallVector<Operation *> operations;
      for (Operation &op : body.without_terminator()) {
        if (!isRemade(&op)) {
          operations.push_back(&op);
        }
      }
      NestOp best;
      // The longest beginning that fits; what it passes on is counted, too.
      for (size_t count = 1; count < operations.size(); ++count) {
        NestOp first = makeFirst(ArrayRef(operations).take_front(count));
        if (!first) {
          continue;
        }
        if (!fits(first)) {
          first.erase();
          if (count > 64) {
            break;
          }
          continue;
        }
        if (best) {
          best.erase();
        }
        best = first;
        length = count;
      }
      if (!best) {
        return nest.emitOpError("needs more than the ") << target.alus() << " ALUs of the VXM";
      }
      makeRest(best, ArrayRef(operations).take_front(length));
    }
    return success();
  }

private:
  /// Whether a chain of `op` has ALUs and streams enough.
  bool fits(NestOp op) {
    FailureOr<std::vector<MapNode>> nodes = buildNestGraph(op, target, op.getNumSteps());
    return succeeded(nodes) && countAlus(*nodes, target) <= int64_t(target.alus()) &&
           op.getInputs().size() <= kMostInputs && op.getNumResults() <= kMostResults;
  }

  /// Values of `operations` that others use, behind them.
  static SmallVector<Value> getLive(ArrayRef<Operation *> operations) {
    llvm::SmallPtrSet<Operation *, 16> inside(operations.begin(), operations.end());
    SmallVector<Value> live;
    for (Operation *op : operations) {
      bool leaves =
          llvm::any_of(op->getUsers(), [&](Operation *user) { return !inside.contains(user); });
      // Constants, and bools of buffers, are made again.
      if (leaves && !isRemade(op)) {
        live.push_back(op->getResult(0));
      }
    }
    return live;
  }
  static bool isRemade(Operation *op) {
    return op->hasTrait<OpTrait::ConstantLike>() ||
           (isa<arith::TruncIOp>(op) && isa<BlockArgument>(op->getOperand(0)));
  }

  /// What `roots` need of the body, in its order; nothing of what is in `known`.
  SmallVector<Operation *> getSlice(ArrayRef<Value> roots, llvm::function_ref<bool(Value)> known) {
    llvm::SmallPtrSet<Operation *, 32> needed;
    SmallVector<Value> left(roots);
    while (!left.empty()) {
      Value value = left.pop_back_val();
      Operation *op = value.getDefiningOp();
      if (op && !known(value) && needed.insert(op).second) {
        llvm::append_range(left, op->getOperands());
      }
    }
    SmallVector<Operation *> slice;
    for (Operation &op : nest.getBody().front()) {
      if (needed.contains(&op)) {
        slice.push_back(&op);
      }
    }
    return slice;
  }

  /// Block arguments that `operations` and `values` use.
  static llvm::SetVector<Value> getArguments(ArrayRef<Operation *> operations,
                                             ArrayRef<Value> values) {
    llvm::SetVector<Value> used;
    auto add = [&](Value value) {
      if (isa<BlockArgument>(value)) {
        used.insert(value);
      }
    };
    for (Operation *op : operations) {
      llvm::for_each(op->getOperands(), add);
    }
    llvm::for_each(values, add);
    return used;
  }

  /// The inputs that are the block arguments `used`, and their accesses.
  void addInputs(const llvm::SetVector<Value> &used, SmallVectorImpl<Value> &inputs,
                 SmallVectorImpl<Attribute> &accesses) {
    for (Value argument : used) {
      unsigned index = cast<BlockArgument>(argument).getArgNumber();
      inputs.push_back(nest.getInputs()[index]);
      accesses.push_back(nest.getAccesses()[index]);
    }
  }

  /// A nest of `operations` with a result for each live value; null where these are too
  /// many or none.
  NestOp makeFirst(ArrayRef<Operation *> operations) {
    SmallVector<Value> live = getLive(operations);
    auto fitsWord = [](Value value) {
      return value.getType().isF32() || value.getType().isSignlessInteger();
    };
    if (live.empty() || live.size() > kMostResults || !llvm::all_of(live, fitsWord)) {
      return {};
    }
    SmallVector<Operation *> slice = getSlice(live, [](Value) { return false; });
    llvm::SetVector<Value> used = getArguments(slice, {});
    OpBuilder b(nest);
    ArrayRef<int64_t> loops = nest.getLoops();
    SmallVector<int64_t> access(loops.size() + 1, 0);
    int64_t words = 1;
    for (size_t k = loops.size(); k-- > 0;) {
      access[k + 1] = words;
      words *= loops[k];
    }
    int64_t columns = 1;
    for (Value input : nest.getInputs()) {
      columns = std::max(columns, cast<BufferType>(input.getType()).getColumns());
    }
    SmallVector<Value> inputs;
    SmallVector<Attribute> accesses;
    addInputs(used, inputs, accesses);
    SmallVector<Type> types;
    for (Value value : live) {
      Format format = value.getType().isF32() ? Format::F32 : Format::I32;
      types.push_back(BufferType::get(b.getContext(), words, columns, format, 0));
      accesses.push_back(b.getDenseI64ArrayAttr(access));
    }
    auto first = NestOp::create(b, nest.getLoc(), types, inputs, nest.getLoopsAttr(),
                                b.getArrayAttr(accesses), StringAttr(), uint64_t(1), ArrayAttr());
    Block &block = first.getBody().emplaceBlock();
    IRMapping mapping;
    for (Value argument : used) {
      mapping.map(argument, block.addArgument(argument.getType(), nest.getLoc()));
    }
    b.setInsertionPointToEnd(&block);
    for (Operation *op : slice) {
      b.clone(*op, mapping);
    }
    SmallVector<Value> results;
    for (Value value : live) {
      Value mapped = mapping.lookup(value);
      bool isBit = mapped.getType().isInteger(1);
      results.push_back(
          isBit ? Value(arith::ExtUIOp::create(b, nest.getLoc(), b.getI32Type(), mapped)) : mapped);
    }
    mlir::lpu::YieldOp::create(b, nest.getLoc(), results);
    return first;
  }

  /// Replaces the nest by one that takes the results of `first`.
  void makeRest(NestOp first, ArrayRef<Operation *> done) {
    Block &old = nest.getBody().front();
    SmallVector<Value> live = getLive(done);
    SmallVector<Value> roots(old.getTerminator()->getOperands());
    SmallVector<Operation *> slice =
        getSlice(roots, [&](Value value) { return llvm::is_contained(live, value); });
    llvm::SetVector<Value> used = getArguments(slice, roots);
    OpBuilder b(nest);
    SmallVector<Value> inputs;
    SmallVector<Attribute> accesses;
    addInputs(used, inputs, accesses);
    for (auto [r, result] : llvm::enumerate(first.getResults())) {
      inputs.push_back(result);
      accesses.push_back(first.getAccesses()[first.getInputs().size() + r]);
    }
    llvm::append_range(accesses, nest.getAccesses().getValue().drop_front(nest.getInputs().size()));
    auto rest = NestOp::create(b, nest.getLoc(), nest.getResultTypes(), inputs, nest.getLoopsAttr(),
                               b.getArrayAttr(accesses), nest.getReductionAttr(),
                               nest.getReducedAttr(), ArrayAttr());
    Block &block = rest.getBody().emplaceBlock();
    IRMapping mapping;
    for (Value argument : used) {
      mapping.map(argument, block.addArgument(argument.getType(), nest.getLoc()));
    }
    b.setInsertionPointToEnd(&block);
    for (auto [value, result] : llvm::zip(live, first.getResults())) {
      Type type = isFloat(result.getType()) ? Type(b.getF32Type()) : Type(b.getI32Type());
      Value argument = block.addArgument(type, nest.getLoc());
      bool isBit = value.getType().isInteger(1);
      mapping.map(value,
                  isBit ? Value(arith::TruncIOp::create(b, nest.getLoc(), b.getI1Type(), argument))
                        : argument);
    }
    for (Operation *op : slice) {
      b.clone(*op, mapping);
    }
    b.clone(*old.getTerminator(), mapping);
    nest.replaceAllUsesWith(rest.getResults());
    nest.erase();
    nest = rest;
  }

  NestOp nest;
  const Target &target;
  size_t length = 0;
};

struct SplitNests : PassWrapper<SplitNests, OperationPass<func::FuncOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(SplitNests)
  StringRef getArgument() const override { return "lpu-split-nests"; }
  StringRef getDescription() const override {
    return "cut nests that need more ALUs or streams than a chain can have";
  }
  void runOnOperation() override {
    const Target *target = mlir::lpu::getTarget(getOperation());
    if (!target) {
      return signalPassFailure();
    }
    for (NestOp nest : llvm::make_early_inc_range(getOperation().getOps<NestOp>())) {
      if (failed(Splitter(nest, *target).run())) {
        return signalPassFailure();
      }
    }
  }
};

} // namespace

namespace lpu {
std::unique_ptr<mlir::Pass> createSplitNestsPass() { return std::make_unique<SplitNests>(); }
} // namespace lpu
