//===- Layout.cpp - Where a tensor's columns lie --------------------------===//

#include "Layout.h"
#include "LPU/IR/LPUTensorOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace mlir::lpu;
using ::lpu::tensor_lowering::HeadLayout;
using ::lpu::tensor_lowering::Layout;
using ::lpu::tensor_lowering::Layouts;

HeadLayout HeadLayout::get(int64_t queryHeads, int64_t kvHeads, int64_t headSize,
                           int64_t lanes) {
  int64_t perVector = std::min(kvHeads, lanes / headSize);
  while (perVector > 0 && kvHeads % perVector != 0) {
    --perVector;
  }
  return {queryHeads, kvHeads, headSize, perVector,
          std::min(queryHeads, lanes / headSize)};
}

std::vector<int64_t> HeadLayout::getOrder() const {
  std::vector<int64_t> columns;
  int64_t group = queryHeads / kvHeads;
  for (int64_t r = 0; r < group; ++r) {
    for (int64_t head = 0; head < kvHeads; ++head) {
      for (int64_t d = 0; d < headSize; ++d) {
        columns.push_back((head * group + r) * headSize + d);
      }
    }
  }
  return columns;
}

static int64_t getColumns(Value tensor) {
  auto type = dyn_cast<RankedTensorType>(tensor.getType());
  return type && type.getRank() > 0 ? type.getShape().back() : 1;
}

void Layouts::require(Value tensor, const Layout &layout) {
  if (!layouts.insert({tensor, layout}).second) {
    return;
  }
  Operation *op = tensor.getDefiningOp();
  if (isa_and_nonnull<tensor::CollapseShapeOp, tensor::ExpandShapeOp>(op)) {
    if (getColumns(op->getOperand(0)) == getColumns(tensor)) {
      require(op->getOperand(0), layout);
    }
  } else if (auto quantize = dyn_cast_or_null<QuantizeOp>(op)) {
    require(quantize.getSource(), layout);
  } else if (auto rotary = dyn_cast_or_null<RotaryOp>(op)) {
    require(rotary.getInput(), layout);
  } else if (auto generic = dyn_cast_or_null<linalg::GenericOp>(op)) {
    for (Value input : generic.getInputs()) {
      if (getColumns(input) == getColumns(tensor)) {
        require(input, layout);
      }
    }
  }
}

void Layouts::propagate(Value tensor) {
  Layout layout = layouts.lookup(tensor);
  for (Operation *user : tensor.getUsers()) {
    if (isa<linalg::GenericOp, tensor::CollapseShapeOp, tensor::ExpandShapeOp>(user) &&
        getColumns(user->getResult(0)) == getColumns(tensor) &&
        layouts.insert({user->getResult(0), layout}).second) {
      propagate(user->getResult(0));
    }
  }
}

void Layouts::assign(func::FuncOp entry, int64_t lanes) {
  for (AttentionOp op : entry.getOps<AttentionOp>()) {
    int64_t size = getColumns(op.getQuery()) / int64_t(op.getQueryHeads());
    int64_t valueSize = getColumns(op.getResult()) / int64_t(op.getQueryHeads());
    HeadLayout heads = HeadLayout::get(int64_t(op.getQueryHeads()),
                                       int64_t(op.getKvHeads()), size, lanes);
    HeadLayout valueHeads = HeadLayout::get(int64_t(op.getQueryHeads()),
                                            int64_t(op.getKvHeads()), valueSize, lanes);
    if (heads.headsPerVector == 0 || valueHeads.headsPerVector == 0) {
      continue; // reported where it is converted
    }
    require(op.getQuery(), heads.getQuery());
    for (auto [cache, layout] :
         {std::pair{op.getKey(), heads.getKeyValue()},
          std::pair{op.getValue(), valueHeads.getKeyValue()}}) {
      auto reals = cache.getDefiningOp<DequantizeOp>();
      Value stored = reals ? reals.getSource() : cache;
      if (auto update = stored.getDefiningOp<CacheUpdateOp>()) {
        require(update.getRows(), layout);
      }
    }
    layouts[op.getResult()] = valueHeads.getResult();
    propagate(op.getResult());
  }
}

const Layout &Layouts::operator[](Value tensor) const {
  auto it = layouts.find(tensor);
  return it == layouts.end() ? plain : it->second;
}
