//===- Contraction.cpp - Sums of products ---------------------------------===//

#include "LPU/IR/LPUTensorOps.h"
#include "Rules.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using ::lpu::onnx_lowering::Rule;
using mlir::onnx::NodeOp;

namespace {

std::string whyNotMatMul(NodeOp op) {
  std::string reason = ::lpu::onnx_lowering::whyNotRanked(op);
  if (!reason.empty()) {
    return reason;
  }
  auto a = cast<ShapedType>(op.getInputs()[0].getType());
  auto b = cast<ShapedType>(op.getInputs()[1].getType());
  if (!a.getElementType().isF32()) {
    return "elements are not float";
  }
  if (b.getRank() != 2 || a.getRank() < 2) {
    return "input 1 is not a matrix: batches of matrices are not supported yet";
  }
  return "";
}

/// All dimensions but the last as one.
Value toMatrix(ImplicitLocOpBuilder &b, Value value) {
  auto type = cast<RankedTensorType>(value.getType());
  if (type.getRank() == 2) {
    return value;
  }
  ReassociationIndices rows =
      llvm::to_vector(llvm::seq<int64_t>(0, type.getRank() - 1));
  SmallVector<ReassociationIndices> groups{rows, {type.getRank() - 1}};
  return tensor::CollapseShapeOp::create(b, value, groups);
}

SmallVector<Value> convertMatMul(NodeOp op, ValueRange inputs,
                                 ImplicitLocOpBuilder &b) {
  auto type = cast<RankedTensorType>(op.getResult(0).getType());
  Value rows = toMatrix(b, inputs[0]);
  auto rowsType = cast<RankedTensorType>(rows.getType());
  auto matrix = RankedTensorType::get(
      {rowsType.getDimSize(0), type.getShape().back()}, type.getElementType());
  Value zero = arith::ConstantOp::create(b, b.getZeroAttr(type.getElementType()));
  Value empty = tensor::EmptyOp::create(b, matrix.getShape(), matrix.getElementType());
  Value init = linalg::FillOp::create(b, zero, empty).getResult(0);
  Value result = linalg::MatmulOp::create(b, TypeRange(matrix),
                                          ValueRange{rows, inputs[1]},
                                          ValueRange(init))
                     .getResult(0);
  if (type.getRank() == 2) {
    return {result};
  }
  ReassociationIndices leading =
      llvm::to_vector(llvm::seq<int64_t>(0, type.getRank() - 1));
  SmallVector<ReassociationIndices> groups{leading, {type.getRank() - 1}};
  return {Value(tensor::ExpandShapeOp::create(b, type, result, groups))};
}

} // namespace

namespace lpu::onnx_lowering {
ArrayRef<Rule> getContractionRules() {
  static const Rule rules[] = {
      {"", "MatMul", 1, whyNotMatMul, convertMatMul},
  };
  return rules;
}
} // namespace lpu::onnx_lowering
