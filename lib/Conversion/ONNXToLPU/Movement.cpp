//===- Movement.cpp - Operators that only move or rename elements ---------===//

#include "LPU/IR/LPUTensorOps.h"
#include "Rules.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Utils/ReshapeOpsUtils.h"
#include "mlir/Dialect/Utils/IndexingUtils.h"

using namespace mlir;
using ::lpu::onnx_lowering::Elements;
using ::lpu::onnx_lowering::Rule;
using mlir::onnx::NodeOp;

namespace {

SmallVector<Value> convertIdentity(NodeOp op, ValueRange inputs,
                                   ImplicitLocOpBuilder &b) {
  return {inputs[0]};
}

/// Any operator whose output has the input's elements in the input's order: the
/// shape is the type's, however the node spells it.
SmallVector<Value> convertReshape(NodeOp op, ValueRange inputs, ImplicitLocOpBuilder &b) {
  return {::lpu::onnx_lowering::reshape(b, inputs[0],
                                        cast<RankedTensorType>(op.getResult(0).getType()))};
}

std::string whyNotReshape(NodeOp op) {
  std::string reason = ::lpu::onnx_lowering::whyNotRanked(op);
  if (!reason.empty()) {
    return reason;
  }
  return ::lpu::onnx_lowering::getInt(op, "allowzero", 0) != 0 ? "allowzero is not 0" : "";
}

std::string whyNotTranspose(NodeOp op) {
  std::string reason = ::lpu::onnx_lowering::whyNotRanked(op);
  if (!reason.empty()) {
    return reason;
  }
  auto order = dyn_cast_or_null<DenseI64ArrayAttr>(op.getNodeAttr("perm"));
  int64_t rank = cast<RankedTensorType>(op.getInputs()[0].getType()).getRank();
  return order && !isPermutationVector(order.asArrayRef()) ? "perm is no permutation"
         : order && order.size() != rank                   ? "perm has not the input's rank"
                                                           : "";
}

SmallVector<Value> convertTranspose(NodeOp op, ValueRange inputs, ImplicitLocOpBuilder &b) {
  int64_t rank = cast<RankedTensorType>(inputs[0].getType()).getRank();
  auto order = dyn_cast_or_null<DenseI64ArrayAttr>(op.getNodeAttr("perm"));
  SmallVector<int64_t> permutation =
      order ? llvm::to_vector(order.asArrayRef())
            : llvm::to_vector(llvm::reverse(llvm::seq<int64_t>(0, rank)));
  return {::lpu::onnx_lowering::transpose(b, inputs[0], permutation)};
}

/// "input 1 is not int32 or int64" where an index has other elements.
std::string whyNotIndices(NodeOp op, unsigned index) {
  Type element = cast<RankedTensorType>(op.getInputs()[index].getType()).getElementType();
  return element.isSignlessInteger(32) || element.isSignlessInteger(64)
             ? ""
             : ("input " + Twine(index) + " is not int32 or int64").str();
}

std::string whyNotGather(NodeOp op) {
  std::string reason = ::lpu::onnx_lowering::whyNotRanked(op);
  if (!reason.empty()) {
    return reason;
  }
  return cast<RankedTensorType>(op.getInputs()[0].getType()).getRank() == 0
             ? "input 0 is a scalar"
             : whyNotIndices(op, 1);
}

SmallVector<Value> convertGather(NodeOp op, ValueRange inputs, ImplicitLocOpBuilder &b) {
  int64_t rank = cast<RankedTensorType>(inputs[0].getType()).getRank();
  int64_t axis = ::lpu::onnx_lowering::getInt(op, "axis", 0);
  return {mlir::lpu::GatherOp::create(b, op.getResult(0).getType(), inputs[0], inputs[1],
                                      axis < 0 ? axis + rank : axis)
              .getResult()};
}

int64_t getScatterAxis(NodeOp op) {
  int64_t axis = ::lpu::onnx_lowering::getInt(op, "axis", -2);
  return axis < 0 ? axis + cast<RankedTensorType>(op.getInputs()[0].getType()).getRank() : axis;
}

std::string whyNotTensorScatter(NodeOp op) {
  std::string reason = ::lpu::onnx_lowering::whyNotRanked(op);
  if (!reason.empty()) {
    return reason;
  }
  if (getScatterAxis(op) == 0) {
    return "axis is the batch";
  }
  StringRef mode = ::lpu::onnx_lowering::getString(op, "mode", "linear");
  if (mode != "linear" && mode != "circular") {
    return "mode is " + mode.str();
  }
  return op.hasInput(2) ? whyNotIndices(op, 2) : "";
}

SmallVector<Value> convertTensorScatter(NodeOp op, ValueRange inputs,
                                        ImplicitLocOpBuilder &b) {
  Value positions = op.hasInput(2) ? inputs[2] : Value();
  bool circular = ::lpu::onnx_lowering::getString(op, "mode", "linear") == "circular";
  return {mlir::lpu::CacheUpdateOp::create(b, inputs[0].getType(), inputs[0], inputs[1],
                                           positions, getScatterAxis(op), circular)
              .getResult()};
}

} // namespace

namespace lpu::onnx_lowering {
Value reshape(ImplicitLocOpBuilder &b, Value value, RankedTensorType type) {
  auto from = cast<RankedTensorType>(value.getType());
  if (from.getShape() == type.getShape()) {
    return value;
  }
  auto groups = getReassociationIndicesForReshape(from, type);
  if (groups && from.getRank() > type.getRank()) {
    return tensor::CollapseShapeOp::create(b, type, value, *groups);
  }
  if (groups && from.getRank() < type.getRank()) {
    return tensor::ExpandShapeOp::create(b, type, value, *groups);
  }
  auto flat = RankedTensorType::get({from.getNumElements()}, from.getElementType());
  return reshape(b, reshape(b, value, flat), type);
}

Value transpose(ImplicitLocOpBuilder &b, Value value, ArrayRef<int64_t> permutation) {
  auto type = cast<RankedTensorType>(value.getType());
  SmallVector<int64_t> shape;
  for (int64_t d : permutation) {
    shape.push_back(type.getDimSize(d));
  }
  Value init = tensor::EmptyOp::create(b, shape, type.getElementType());
  return linalg::TransposeOp::create(b, value, init, permutation)->getResult(0);
}

ArrayRef<Rule> getMovementRules() {
  static const Rule rules[] = {
      {"", "Identity", 1, whyNotRanked, convertIdentity, Elements::Moved},
      {"", "Reshape", 5, whyNotReshape, convertReshape, Elements::Moved},
      {"", "Flatten", 1, whyNotRanked, convertReshape, Elements::Moved},
      {"", "Squeeze", 1, whyNotRanked, convertReshape, Elements::Moved},
      {"", "Unsqueeze", 1, whyNotRanked, convertReshape, Elements::Moved},
      {"", "Transpose", 1, whyNotTranspose, convertTranspose, Elements::Moved},
      {"", "Gather", 1, whyNotGather, convertGather, Elements::Native},
      {"", "TensorScatter", 24, whyNotTensorScatter, convertTensorScatter, Elements::Native},
  };
  return rules;
}
} // namespace lpu::onnx_lowering
