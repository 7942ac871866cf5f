//===- Movement.cpp - Operators that only move or rename elements ---------===//

#include "LPU/IR/LPUTensorOps.h"
#include "Rules.h"

using namespace mlir;
using ::lpu::onnx_lowering::Rule;
using mlir::onnx::NodeOp;

namespace {

SmallVector<Value> convertIdentity(NodeOp op, ValueRange inputs,
                                   ImplicitLocOpBuilder &b) {
  return {inputs[0]};
}

} // namespace

namespace lpu::onnx_lowering {
ArrayRef<Rule> getMovementRules() {
  static const Rule rules[] = {
      {"", "Identity", 1, ::lpu::onnx_lowering::whyNotRanked, convertIdentity},
  };
  return rules;
}
} // namespace lpu::onnx_lowering
