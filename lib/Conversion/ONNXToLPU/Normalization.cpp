//===- Normalization.cpp - Norms over the last dimensions -----------------===//

#include "LPU/IR/LPUTensorOps.h"
#include "Rules.h"

using namespace mlir;
using ::lpu::onnx_lowering::Rule;
using mlir::onnx::NodeOp;

namespace {

std::string whyNotRmsNorm(NodeOp op) {
  std::string reason = ::lpu::onnx_lowering::whyNotRanked(op);
  auto type = cast<ShapedType>(op.getResult(0).getType());
  if (reason.empty() && !type.getElementType().isF32()) {
    return "elements are not float";
  }
  return reason;
}

SmallVector<Value> convertRmsNorm(NodeOp op, ValueRange inputs,
                                  ImplicitLocOpBuilder &b) {
  int64_t rank = cast<ShapedType>(inputs[0].getType()).getRank();
  int64_t axis = ::lpu::onnx_lowering::getInt(op, "axis", -1);
  float epsilon = ::lpu::onnx_lowering::getFloat(op, "epsilon", 1e-5f);
  return {mlir::lpu::RmsNormOp::create(b, inputs[0].getType(), inputs[0], inputs[1],
                                       axis < 0 ? axis + rank : axis,
                                       llvm::APFloat(epsilon))
              .getResult()};
}

} // namespace

namespace lpu::onnx_lowering {
ArrayRef<Rule> getNormalizationRules() {
  static const Rule rules[] = {
      {"", "RMSNormalization", 23, whyNotRmsNorm, convertRmsNorm},
  };
  return rules;
}
} // namespace lpu::onnx_lowering
