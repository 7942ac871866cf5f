//===- Sequence.cpp - What the inputs of an entry are for -----------------===//

#include "LPU/IR/LPUDialect.h"
#include "LPU/IR/LPUTensorOps.h"
#include "lpu/Host/Calibration.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using mlir::lpu::LPUDialect;

namespace lpu::host {
namespace {

/// Whether `op` has the elements of its first operand: a reshape, or a
/// conversion of integers.
bool keepsElements(Operation *op) {
  if (isa<tensor::CollapseShapeOp, tensor::ExpandShapeOp>(op)) {
    return true;
  }
  auto generic = dyn_cast<linalg::GenericOp>(op);
  if (!generic || generic.getNumDpsInputs() != 1 || generic.getNumDpsInits() != 1 ||
      generic.getNumParallelLoops() != generic.getNumLoops()) {
    return false;
  }
  return llvm::all_of(generic.getBody()->without_terminator(), [](Operation &inner) {
    return isa<arith::ExtSIOp, arith::TruncIOp>(inner);
  });
}

/// Uses of `value`, and of what has its elements.
void forEachUse(Value value, llvm::function_ref<void(OpOperand &)> visit) {
  for (OpOperand &use : value.getUses()) {
    visit(use);
    if (keepsElements(use.getOwner()) && use.getOperandNumber() == 0) {
      forEachUse(use.getOwner()->getResult(0), visit);
    }
  }
}

bool isConstant(Value value) {
  Operation *op = value.getDefiningOp();
  if (auto real = dyn_cast_or_null<mlir::lpu::DequantizeOp>(op)) {
    return isConstant(real.getSource()) && isConstant(real.getScale());
  }
  return op && isa<mlir::lpu::WeightOp, arith::ConstantOp>(op);
}

class Analysis {
public:
  explicit Analysis(func::FuncOp entry) : entry(entry) {}

  SequenceInfo run() {
    for (BlockArgument argument : entry.getArguments()) {
      InputRole role = getDeclaredState(argument);
      if (role.kind == InputRole::Data) {
        forEachUse(argument, [&](OpOperand &use) { refine(role, use); });
      }
      if (role.kind == InputRole::Token) {
        ArrayRef<int64_t> shape = cast<RankedTensorType>(argument.getType()).getShape();
        info.tokensPerRun = shape.empty() ? 1 : shape.back();
      }
      limitBy(argument, role);
      info.inputs.push_back(role);
    }
    return info;
  }

private:
  void limit(int64_t positions) {
    info.capacity = info.capacity == 0 ? positions : std::min(info.capacity, positions);
  }

  /// A bound that the entry states on an input.
  void limitBy(BlockArgument argument, const InputRole &role) {
    auto most =
        entry.getArgAttrOfType<IntegerAttr>(argument.getArgNumber(), LPUDialect::kMaxAttr);
    if (most && role.kind == InputRole::Length) {
      limit(most.getInt());
    } else if (most && role.kind == InputRole::Position) {
      limit(most.getInt() + 1);
    } else if (most && role.kind == InputRole::WriteAt) {
      limit(most.getInt() + info.tokensPerRun);
    }
  }

  /// States that the entry names.
  InputRole getDeclaredState(BlockArgument argument) {
    Attribute state = entry.getArgAttr(argument.getArgNumber(), LPUDialect::kStateAttr);
    for (unsigned i = 0; state && i < entry.getNumResults(); ++i) {
      if (entry.getResultAttr(i, LPUDialect::kStateAttr) == state) {
        return {InputRole::State, int64_t(i), 0};
      }
    }
    return {};
  }

  /// The output that `value`, or what has its elements, is.
  int64_t findOutput(Value value) {
    int64_t output = -1;
    forEachUse(value, [&](OpOperand &use) {
      if (isa<func::ReturnOp>(use.getOwner())) {
        output = use.getOperandNumber();
      }
    });
    return output;
  }

  void refine(InputRole &role, OpOperand &use) {
    Operation *op = use.getOwner();
    if (auto update = dyn_cast<mlir::lpu::CacheUpdateOp>(op)) {
      auto cache = cast<RankedTensorType>(update.getCache().getType());
      if (use.get() == update.getPositions()) {
        role = {InputRole::WriteAt, -1, 0};
      } else if (use.get() == update.getCache()) {
        int64_t output = findOutput(update.getResult());
        if (output >= 0) {
          role = {InputRole::State, output, 0};
          limit(cache.getDimSize(int64_t(update.getAxis())));
        }
      }
    } else if (auto attention = dyn_cast<mlir::lpu::AttentionOp>(op)) {
      if (use.get() == attention.getKvLength()) {
        role = {InputRole::Length, -1, 0};
      }
    } else if (auto gather = dyn_cast<mlir::lpu::GatherOp>(op)) {
      if (use.get() == gather.getIndices()) {
        refineByGather(role, gather);
      }
    }
  }

  /// An index into a constant table is a position where its rows rotate, else a
  /// token; an index into computed rows wants the last one.
  void refineByGather(InputRole &role, mlir::lpu::GatherOp gather) {
    int64_t size = cast<RankedTensorType>(gather.getTable().getType())
                       .getDimSize(int64_t(gather.getAxis()));
    if (!isConstant(gather.getTable())) {
      role = {InputRole::LastRow, -1, size};
      return;
    }
    bool rotates = false;
    forEachUse(gather.getResult(), [&](OpOperand &use) {
      auto rotary = dyn_cast<mlir::lpu::RotaryOp>(use.getOwner());
      rotates |= rotary && use.getOperandNumber() != 0;
    });
    if (rotates) {
      role = {InputRole::Position, -1, size};
      limit(size);
    } else if (role.kind != InputRole::Position) {
      role = {InputRole::Token, -1, size};
    }
  }

  func::FuncOp entry;
  SequenceInfo info;
};

} // namespace

SequenceInfo analyzeSequence(func::FuncOp entry) { return Analysis(entry).run(); }

} // namespace lpu::host
