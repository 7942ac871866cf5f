//===- Quantization.cpp - Integers that stand for real numbers ------------===//

#include "LPU/IR/LPUTensorOps.h"
#include "Rules.h"

using namespace mlir;
using ::lpu::onnx_lowering::Elements;
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

/// The axis of scales, where there are several.
IntegerAttr getAxis(NodeOp op, RankedTensorType type, RankedTensorType scale, OpBuilder &b) {
  if (scale.getRank() != 1) {
    return {};
  }
  int64_t value = ::lpu::onnx_lowering::getInt(op, "axis", 1);
  return b.getI64IntegerAttr(value < 0 ? value + type.getRank() : value);
}

SmallVector<Value> convertDequantize(NodeOp op, ValueRange inputs,
                                     ImplicitLocOpBuilder &b) {
  auto type = cast<RankedTensorType>(op.getResult(0).getType());
  auto scale = cast<RankedTensorType>(inputs[1].getType());
  return {mlir::lpu::DequantizeOp::create(b, type, inputs[0], inputs[1], Value(),
                                          getAxis(op, type, scale, b), IntegerAttr(), UnitAttr())
              .getResult()};
}

std::string whyNotQuantize(NodeOp op) {
  std::string reason = ::lpu::onnx_lowering::whyNotRanked(op);
  if (!reason.empty()) {
    return reason;
  }
  if (!cast<ShapedType>(op.getResult(0).getType()).getElementType().isSignlessInteger(8)) {
    return "output 0 is not int8";
  }
  for (unsigned input : {0u, 1u}) {
    if (!cast<ShapedType>(op.getInputs()[input].getType()).getElementType().isF32()) {
      return ("input " + Twine(input) + " is not float").str();
    }
  }
  if (op.hasInput(2)) {
    return "a zero point is not supported yet";
  }
  if (::lpu::onnx_lowering::getInt(op, "precision", 1) > 1) {
    return "precision is not float"; // 1 is ONNX's FLOAT, 0 the scale's type
  }
  return ::lpu::onnx_lowering::getInt(op, "block_size", 0) != 0
             ? "blocks are not supported yet"
             : "";
}

SmallVector<Value> convertQuantize(NodeOp op, ValueRange inputs, ImplicitLocOpBuilder &b) {
  auto type = cast<RankedTensorType>(op.getResult(0).getType());
  auto scale = cast<RankedTensorType>(inputs[1].getType());
  return {mlir::lpu::QuantizeOp::create(b, type, inputs[0], inputs[1], getAxis(op, type, scale, b))
              .getResult()};
}

} // namespace

namespace lpu::onnx_lowering {
ArrayRef<Rule> getQuantizationRules() {
  static const Rule rules[] = {
      {"", "DequantizeLinear", 10, whyNotDequantize, convertDequantize, Elements::Native},
      {"", "QuantizeLinear", 10, whyNotQuantize, convertQuantize, Elements::Native},
  };
  return rules;
}
} // namespace lpu::onnx_lowering
