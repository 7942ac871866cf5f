//===- Derive.cpp - Integers that the host computes -----------------------===//

#include "Derive.h"
#include "EntryConverter.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/ADT/STLExtras.h"

using namespace mlir;
using namespace mlir::lpu;
using ::lpu::tensor_lowering::EntryConverter;
using ::lpu::tensor_lowering::Extent;

namespace lpu::tensor_lowering {

IndexExpr::IndexExpr(int64_t constant) : steps{int64_t(DeriveStep::Constant), constant} {}

IndexExpr IndexExpr::lane() { return join({}, DeriveStep::Lane); }
IndexExpr IndexExpr::row() { return join({}, DeriveStep::Row); }

IndexExpr IndexExpr::input(StringRef name, const IndexExpr &index) {
  IndexExpr result = join({&index}, DeriveStep::Input);
  auto it = llvm::find(result.inputs, name);
  result.steps.back() = it - result.inputs.begin();
  if (it == result.inputs.end()) {
    result.inputs.push_back(name.str());
  }
  return result;
}

IndexExpr IndexExpr::join(ArrayRef<const IndexExpr *> operands, DeriveStep step) {
  IndexExpr result;
  for (const IndexExpr *operand : operands) {
    for (size_t k = 0; k < operand->steps.size(); k += 2) {
      int64_t value = operand->steps[k + 1];
      if (operand->steps[k] == int64_t(DeriveStep::Input)) {
        const std::string &name = operand->inputs[size_t(value)];
        auto it = llvm::find(result.inputs, name);
        value = it - result.inputs.begin();
        if (it == result.inputs.end()) {
          result.inputs.push_back(name);
        }
      }
      result.steps.append({operand->steps[k], value});
    }
  }
  result.steps.append({int64_t(step), 0});
  return result;
}

IndexExpr operator+(const IndexExpr &a, const IndexExpr &b) {
  return IndexExpr::join({&a, &b}, DeriveStep::Add);
}
IndexExpr operator-(const IndexExpr &a, const IndexExpr &b) {
  return IndexExpr::join({&a, &b}, DeriveStep::Sub);
}
IndexExpr operator*(const IndexExpr &a, const IndexExpr &b) {
  return IndexExpr::join({&a, &b}, DeriveStep::Mul);
}
IndexExpr operator/(const IndexExpr &a, const IndexExpr &b) {
  return IndexExpr::join({&a, &b}, DeriveStep::FloorDiv);
}
IndexExpr operator%(const IndexExpr &a, const IndexExpr &b) {
  return IndexExpr::join({&a, &b}, DeriveStep::Mod);
}
IndexExpr operator<(const IndexExpr &a, const IndexExpr &b) {
  return IndexExpr::join({&a, &b}, DeriveStep::Lt);
}
IndexExpr operator==(const IndexExpr &a, const IndexExpr &b) {
  return IndexExpr::join({&a, &b}, DeriveStep::Eq);
}
IndexExpr min(const IndexExpr &a, const IndexExpr &b) {
  return IndexExpr::join({&a, &b}, DeriveStep::Min);
}
IndexExpr max(const IndexExpr &a, const IndexExpr &b) {
  return IndexExpr::join({&a, &b}, DeriveStep::Max);
}
IndexExpr select(const IndexExpr &condition, const IndexExpr &a, const IndexExpr &b) {
  return IndexExpr::join({&condition, &a, &b}, DeriveStep::Select);
}
} // namespace lpu::tensor_lowering

using ::lpu::tensor_lowering::IndexExpr;

LogicalResult EntryConverter::loadInteger(Builder &b, BlockArgument argument) {
  auto type = cast<RankedTensorType>(argument.getType());
  StringRef name = getInputName(argument.getArgNumber());
  auto most = entry.getArgAttrOfType<IntegerAttr>(argument.getArgNumber(),
                                                  LPUDialect::kMaxAttr);
  IntegerInputOp::create(b, name, type.getElementType(), type.getShape(), IntegerAttr(),
                         most ? IntegerAttr::get(b.getI64Type(), most.getInt())
                              : IntegerAttr());
  return success();
}

FailureOr<IndexExpr> EntryConverter::getElement(Value integers, const IndexExpr &index,
                                                Operation *user) {
  // Reshapes and narrower integers keep their elements.
  Operation *op = integers.getDefiningOp();
  while (op && op->getNumOperands() == 1 &&
         isa<tensor::CollapseShapeOp, tensor::ExpandShapeOp>(op)) {
    integers = op->getOperand(0);
    op = integers.getDefiningOp();
  }
  if (auto argument = dyn_cast<BlockArgument>(integers)) {
    return IndexExpr::input(getInputName(argument.getArgNumber()), index);
  }
  if (auto constant = dyn_cast_or_null<arith::ConstantOp>(op)) {
    auto dense = dyn_cast<DenseIntElementsAttr>(constant.getValue());
    if (dense && dense.isSplat()) {
      return IndexExpr(dense.getSplatValue<APInt>().getSExtValue());
    }
  }
  return user->emitOpError("expected integers that are inputs of the entry: computed "
                           "ones are not supported yet");
}

FailureOr<int64_t> EntryConverter::getMaximum(Value integers, int64_t otherwise,
                                              Operation *user) {
  auto argument = dyn_cast_or_null<BlockArgument>(integers);
  auto most = argument ? entry.getArgAttrOfType<IntegerAttr>(argument.getArgNumber(),
                                                             LPUDialect::kMaxAttr)
                       : IntegerAttr();
  if (most && most.getInt() < 1) {
    return user->emitOpError("expected an upper bound of at least 1, got ") << most.getInt();
  }
  return most ? std::min(most.getInt(), otherwise) : otherwise;
}

Value EntryConverter::derive(Builder &b, StringRef label, const IndexExpr &value,
                             Extent extent, Format format) {
  SmallVector<StringRef> names(value.getInputs().begin(), value.getInputs().end());
  auto steps = b.getDenseI64ArrayAttr(value.getSteps());
  auto inputs = b.getStrArrayAttr(names);
  BufferType type = buffer(extent, format);
  // Equal ones are computed once.
  for (auto op : b.getBlock()->getOps<DeriveOp>()) {
    if (op.getStepsAttr() == steps && op.getInputsAttr() == inputs &&
        op.getResult().getType() == type) {
      return op.getResult();
    }
  }
  return DeriveOp::create(b, type, label, inputs, steps, DenseI64ArrayAttr());
}
