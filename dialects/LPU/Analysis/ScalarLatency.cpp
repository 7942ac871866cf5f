//===- ScalarLatency.cpp - Least latency of elementwise operations --------===//

#include "LPU/Analysis/ScalarLatency.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/DenseSet.h"

using namespace mlir;
using namespace mlir::lpu;

namespace {

/// Numbers of a body that the run computes.
using Computed = llvm::DenseSet<Value>;

/// Cycles from operand `index` to the result.
int64_t getCost(Operation &op, unsigned index, const Costs &costs, const Computed &computed) {
  if (isa<math::ExpOp, math::Exp2Op, math::LogOp, math::Log2Op, math::TanhOp, math::RsqrtOp,
          math::SqrtOp>(op)) {
    return costs.function;
  }
  if (isa<arith::DivFOp>(op)) {
    if (!computed.contains(op.getOperand(1))) {
      return 0;
    }
    int64_t product = computed.contains(op.getOperand(0)) ? costs.alu : 0;
    return index == 0 ? product : costs.function + product;
  }
  if (isa<arith::MulFOp, math::FmaOp>(op)) {
    bool isProduct = computed.contains(op.getOperand(0)) && computed.contains(op.getOperand(1));
    return isProduct ? costs.alu : 0;
  }
  return 0;
}

} // namespace

ScalarLatency mlir::lpu::getScalarLatency(linalg::GenericOp op, const Costs &costs,
                                          llvm::function_ref<bool(Value)> isConstant) {
  Block &body = op.getRegion().front();
  Computed computed;
  for (OpOperand *input : op.getDpsInputOperands()) {
    if (!isConstant(input->get())) {
      computed.insert(body.getArgument(input->getOperandNumber()));
    }
  }
  for (Operation &scalar : body.without_terminator()) {
    if (llvm::any_of(scalar.getOperands(), [&](Value v) { return computed.contains(v); })) {
      computed.insert(scalar.result_begin(), scalar.result_end());
    }
  }
  // Cycles to the result, from the last operation up.
  llvm::DenseMap<Value, int64_t> after;
  for (Value result : body.getTerminator()->getOperands()) {
    after[result] = 0;
  }
  ScalarLatency latency;
  for (Operation &scalar : llvm::reverse(body.without_terminator())) {
    auto found = after.end();
    for (Value result : scalar.getResults()) {
      found = after.find(result);
    }
    if (found == after.end()) {
      continue; // nothing uses it
    }
    int64_t users = found->second, most = 0;
    for (OpOperand &operand : scalar.getOpOperands()) {
      if (!computed.contains(operand.get())) {
        continue;
      }
      int64_t cost = getCost(scalar, operand.getOperandNumber(), costs, computed);
      most = std::max(most, cost);
      auto [at, isNew] = after.try_emplace(operand.get(), users + cost);
      at->second = std::max(at->second, users + cost);
    }
    latency.operations += most > 0;
  }
  for (OpOperand *input : op.getDpsInputOperands()) {
    auto found = after.find(body.getArgument(input->getOperandNumber()));
    latency.inputs.push_back(found == after.end() ? -1 : found->second);
  }
  return latency;
}
