//===- Quantization.cpp - Integers that stand for real numbers ------------===//

#include "LPU/IR/LPUTensorOps.h"
#include "Rules.h"

using namespace mlir;
using ::lpu::onnx_lowering::Rule;
using mlir::onnx::NodeOp;

namespace {

std::string whyNotDequantize(NodeOp op) {
  std::string reason = ::lpu::onnx_lowering::whyNotRanked(op);
  if (!reason.empty()) {
    return reason;
  }
  if (!cast<ShapedType>(op.getInputs()[0].getType()).getElementType().isSignlessInteger(8)) {
    return "input 0 is not int8";
  }
  if (op.hasInput(2)) {
    return "a zero point is not supported yet";
  }
  return ::lpu::onnx_lowering::getInt(op, "block_size", 0) != 0
             ? "blocks are not supported yet"
             : "";
}

SmallVector<Value> convertDequantize(NodeOp op, ValueRange inputs,
                                     ImplicitLocOpBuilder &b) {
  auto type = cast<RankedTensorType>(op.getResult(0).getType());
  auto scale = cast<RankedTensorType>(inputs[1].getType());
  IntegerAttr axis;
  if (scale.getRank() == 1) {
    int64_t value = ::lpu::onnx_lowering::getInt(op, "axis", 1);
    axis = b.getI64IntegerAttr(value < 0 ? value + type.getRank() : value);
  }
  return {mlir::lpu::DequantizeOp::create(b, type, inputs[0], inputs[1], Value(), axis,
                                          IntegerAttr(), UnitAttr())
              .getResult()};
}

} // namespace

namespace lpu::onnx_lowering {
ArrayRef<Rule> getQuantizationRules() {
  static const Rule rules[] = {
      {"", "DequantizeLinear", 10, whyNotDequantize, convertDequantize},
  };
  return rules;
}
} // namespace lpu::onnx_lowering
