//===- Contraction.cpp - Sums of products ---------------------------------===//

#include "LPU/IR/LPUTensorOps.h"
#include "Terms.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using mlir::onnx::NodeOp;
using namespace ::lpu::onnx_lowering;

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
  ReassociationIndices rows = llvm::to_vector(llvm::seq<int64_t>(0, type.getRank() - 1));
  SmallVector<ReassociationIndices> groups{rows, {type.getRank() - 1}};
  return tensor::CollapseShapeOp::create(b, value, groups);
}

SmallVector<Value> convertMatMul(NodeOp op, ValueRange inputs, ImplicitLocOpBuilder &b) {
  auto type = cast<RankedTensorType>(op.getResult(0).getType());
  Value rows = toMatrix(b, inputs[0]);
  auto rowsType = cast<RankedTensorType>(rows.getType());
  auto matrix = RankedTensorType::get({rowsType.getDimSize(0), type.getShape().back()},
                                      type.getElementType());
  Value zero = arith::ConstantOp::create(b, b.getZeroAttr(type.getElementType()));
  Value empty = tensor::EmptyOp::create(b, matrix.getShape(), matrix.getElementType());
  Value init = linalg::FillOp::create(b, zero, empty).getResult(0);
  Value result =
      linalg::MatmulOp::create(b, TypeRange(matrix), ValueRange{rows, inputs[1]}, ValueRange(init))
          .getResult(0);
  if (type.getRank() == 2) {
    return {result};
  }
  ReassociationIndices leading = llvm::to_vector(llvm::seq<int64_t>(0, type.getRank() - 1));
  SmallVector<ReassociationIndices> groups{leading, {type.getRank() - 1}};
  return {Value(tensor::ExpandShapeOp::create(b, type, result, groups))};
}

//===----------------------------------------------------------------------===//
// Vectors, batches and other elements than float
//===----------------------------------------------------------------------===//

int64_t getRank(NodeOp op, unsigned input) { return typeOf(op.getInputs()[input]).getRank(); }

std::string whyNotProduct(NodeOp op, unsigned x, unsigned y) {
  std::string reason = whyNotRanked(op);
  if (reason.empty() && (getRank(op, x) == 0 || getRank(op, y) == 0)) {
    return "an input is a scalar";
  }
  return reason;
}

std::string whyNotMatMuls(NodeOp op) { return whyNotProduct(op, 0, 1); }

SmallVector<Value> convertMatMuls(NodeOp op, ValueRange inputs, ImplicitLocOpBuilder &b) {
  return {matmul(b, inputs[0], inputs[1])};
}

/// Dimensions 1 .. rank - 2, 0, rank - 1: the first one becomes the rows.
Value turnBatch(ImplicitLocOpBuilder &b, Value value) {
  int64_t rank = typeOf(value).getRank();
  SmallVector<int64_t> order = llvm::to_vector(llvm::seq<int64_t>(1, rank - 1));
  order.append({0, rank - 1});
  return transpose(b, value, order);
}

Value scaleBy(ImplicitLocOpBuilder &b, Value value, float factor) {
  return factor == 1 ? value : each(b, value, [&](ImplicitLocOpBuilder &in, ValueRange x) {
    return mul(in, x[0], scalarFloat(in, factor));
  });
}

SmallVector<Value> convertFusedMatMul(NodeOp op, ValueRange inputs, ImplicitLocOpBuilder &b) {
  Value x = inputs[0], y = inputs[1];
  x = getInt(op, "transBatchA", 0) != 0 && typeOf(x).getRank() > 2 ? turnBatch(b, x) : x;
  y = getInt(op, "transBatchB", 0) != 0 && typeOf(y).getRank() > 2 ? turnBatch(b, y) : y;
  Value product = matmul(b, x, y, getInt(op, "transA", 0) != 0, getInt(op, "transB", 0) != 0);
  return {scaleBy(b, product, getFloat(op, "alpha", 1))};
}

std::string whyNotGemm(NodeOp op) {
  std::string reason = whyNotRanked(op);
  if (reason.empty() && (getRank(op, 0) != 2 || getRank(op, 1) != 2)) {
    return "input 0 or 1 is no matrix";
  }
  return reason;
}

/// alpha * x * y + beta * c. Integers are scaled as floats.
SmallVector<Value> convertGemm(NodeOp op, ValueRange inputs, ImplicitLocOpBuilder &b) {
  Value product =
      matmul(b, inputs[0], inputs[1], getInt(op, "transA", 0) != 0, getInt(op, "transB", 0) != 0);
  float alpha = getFloat(op, "alpha", 1), beta = getFloat(op, "beta", 1);
  SmallVector<Value> terms{product};
  if (op.hasInput(2) && beta != 0) {
    terms.push_back(inputs[2]);
  }
  if (terms.size() == 1 && alpha == 1) {
    return {product};
  }
  Type element = elementOf(product);
  bool isUnsigned = elementOf(op.getInputs()[0]).isUnsignedInteger();
  auto scale = [&](ImplicitLocOpBuilder &in, Value x, float factor) -> Value {
    if (factor == 1) {
      return x;
    }
    Value scaled = mul(in, toFloat(in, x, isUnsigned), scalarFloat(in, factor));
    return isa<FloatType>(element) ? scaled : Value(arith::FPToSIOp::create(in, element, scaled));
  };
  return {each(b, terms, [&](ImplicitLocOpBuilder &in, ValueRange x) {
    Value result = scale(in, x[0], alpha);
    return x.size() == 1 ? result : add(in, result, scale(in, x[1], beta));
  })};
}

//===----------------------------------------------------------------------===//
// Quantised
//===----------------------------------------------------------------------===//

/// A scale or zero point: one for all, one for each index of `axis`, or of rank `rank`.
Value spread(ImplicitLocOpBuilder &b, Value parameter, int64_t axis, int64_t rank) {
  RankedTensorType type = typeOf(parameter);
  if (type.getNumElements() == 1) {
    return reshapeTo(b, parameter, {});
  }
  return type.getRank() == 1 ? alongAxis(b, parameter, axis, rank) : parameter;
}

/// Rows of input 0 and columns of input 1 may have their own parameters.
Value spreadRows(ImplicitLocOpBuilder &b, Value parameter, Value of) {
  int64_t rank = typeOf(of).getRank();
  return spread(b, parameter, std::max<int64_t>(rank - 2, 0), rank);
}
Value spreadColumns(ImplicitLocOpBuilder &b, Value parameter, Value of) {
  int64_t rank = typeOf(of).getRank();
  return spread(b, parameter, rank - 1, rank);
}

/// Products of what is left when the zero points, null where there are none, are taken off.
Value multiplyCentered(ImplicitLocOpBuilder &b, Value x, Value xZero, Value y, Value yZero) {
  if (xZero) {
    x = each(b, {x, spreadRows(b, xZero, x)}, binary<sub>);
  }
  if (yZero) {
    y = each(b, {y, spreadColumns(b, yZero, y)}, binary<sub>);
  }
  return matmul(b, x, y);
}

SmallVector<Value> convertMatMulInteger(NodeOp op, ValueRange inputs, ImplicitLocOpBuilder &b) {
  return {multiplyCentered(b, inputs[0], op.hasInput(2) ? inputs[2] : Value(), inputs[1],
                           op.hasInput(3) ? inputs[3] : Value())};
}

enum QLinearInput { kX, kXScale, kXZero, kY, kYScale, kYZero, kScale, kZero };

std::string whyNotQLinearMatMul(NodeOp op) { return whyNotProduct(op, kX, kY); }

SmallVector<Value> convertQLinearMatMul(NodeOp op, ValueRange inputs, ImplicitLocOpBuilder &b) {
  Value product = multiplyCentered(b, inputs[kX], inputs[kXZero], inputs[kY], inputs[kYZero]);
  Value result = inputs[kX];
  auto divisor = spreadRows(b, inputs[kScale], result);
  Value real = each(
      b,
      {product, spreadRows(b, inputs[kXScale], result),
       spreadColumns(b, inputs[kYScale], inputs[kY]), divisor},
      [](ImplicitLocOpBuilder &in, ValueRange x) {
        return mul(in, toFloat(in, x[0]), divide(in, mul(in, x[1], x[2]), x[3]));
      },
      b.getF32Type());
  return {quantizeTo(b, real, spreadRows(b, inputs[kZero], result), elementOf(op.getResult(0)))};
}

} // namespace

namespace lpu::onnx_lowering {
ArrayRef<Rule> getContractionRules() {
  static const Rule rules[] = {
      {"", "MatMul", 1, whyNotMatMul, convertMatMul},
      {"", "MatMul", 1, whyNotMatMuls, convertMatMuls},
      {"", "Gemm", 1, whyNotGemm, convertGemm},
      {"", "MatMulInteger", 10, whyNotMatMuls, convertMatMulInteger},
      {"", "QLinearMatMul", 10, whyNotQLinearMatMul, convertQLinearMatMul},
      {"com.microsoft", "FusedMatMul", 1, whyNotMatMuls, convertFusedMatMul},
  };
  return rules;
}
} // namespace lpu::onnx_lowering
