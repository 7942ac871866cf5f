//===- Weights.cpp - Constants of the tensor level as arrays --------------===//

#include "Weights.h"
#include "LPU/IR/LPUTensorOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include <cmath>
#include <cstring>

using namespace mlir;
using namespace ::lpu::tensor_lowering;

static FailureOr<std::vector<float>> readValues(Operation *op, Attribute value,
                                                mlir::onnx::WeightFiles &files) {
  if (auto reference = dyn_cast<mlir::onnx::WeightRefAttr>(value)) {
    auto bytes = files.getBytes(reference);
    if (!bytes) {
      return op->emitError(llvm::toString(bytes.takeError()));
    }
    std::vector<float> values(bytes->size() / sizeof(float));
    std::memcpy(values.data(), bytes->data(), values.size() * sizeof(float));
    return values;
  }
  auto dense = dyn_cast<DenseElementsAttr>(value);
  if (!dense || !dense.getElementType().isF32()) {
    return op->emitError("expected f32 elements, got ") << value;
  }
  return std::vector<float>(dense.value_begin<float>(), dense.value_end<float>());
}

namespace lpu::tensor_lowering {
FailureOr<std::optional<std::vector<float>>>
getConstant(Value value, mlir::onnx::WeightFiles &files) {
  Operation *op = value.getDefiningOp();
  Attribute attribute;
  if (auto weight = dyn_cast_or_null<mlir::lpu::WeightOp>(op)) {
    attribute = weight.getValue();
  } else if (auto constant = dyn_cast_or_null<arith::ConstantOp>(op)) {
    attribute = constant.getValue();
  } else {
    return std::optional<std::vector<float>>();
  }
  if (!cast<ShapedType>(value.getType()).getElementType().isF32()) {
    return op->emitError("expected f32 elements, got ") << value.getType();
  }
  FailureOr<std::vector<float>> values = readValues(op, attribute, files);
  if (failed(values)) {
    return failure();
  }
  return std::optional(std::move(*values));
}
} // namespace lpu::tensor_lowering

namespace lpu::tensor_lowering {
QuantizedMatrix quantizeColumns(ArrayRef<float> matrix,
                                                      int64_t rows, int64_t columns) {
  QuantizedMatrix result;
  result.values.resize(size_t(rows * columns));
  result.scales.assign(size_t(columns), 0);
  for (int64_t k = 0; k < rows; ++k) {
    for (int64_t n = 0; n < columns; ++n) {
      float &largest = result.scales[size_t(n)];
      largest = std::max(largest, std::fabs(matrix[size_t(k * columns + n)]));
    }
  }
  for (float &scale : result.scales) {
    scale = scale == 0 ? 1 : scale / 127;
  }
  for (int64_t k = 0; k < rows; ++k) {
    for (int64_t n = 0; n < columns; ++n) {
      size_t at = size_t(k * columns + n);
      result.values[at] =
          int8_t(std::nearbyint(matrix[at] / result.scales[size_t(n)]));
    }
  }
  return result;
}
} // namespace lpu::tensor_lowering

/// The bytes of an int8 constant.
static FailureOr<std::vector<int8_t>> readInt8(Value value,
                                               mlir::onnx::WeightFiles &files) {
  Operation *op = value.getDefiningOp();
  Attribute attribute;
  if (auto weight = dyn_cast_or_null<mlir::lpu::WeightOp>(op)) {
    attribute = weight.getValue();
  } else if (auto constant = dyn_cast_or_null<arith::ConstantOp>(op)) {
    attribute = constant.getValue();
  }
  if (auto reference = dyn_cast_or_null<mlir::onnx::WeightRefAttr>(attribute)) {
    auto bytes = files.getBytes(reference);
    if (!bytes) {
      return op->emitError(llvm::toString(bytes.takeError()));
    }
    return std::vector<int8_t>(bytes->begin(), bytes->end());
  }
  if (auto dense = dyn_cast_or_null<DenseElementsAttr>(attribute)) {
    return std::vector<int8_t>(dense.value_begin<int8_t>(), dense.value_end<int8_t>());
  }
  return failure();
}

/// A row-major rows x columns matrix turned round.
template <typename T>
static std::vector<T> transpose(ArrayRef<T> values, int64_t rows, int64_t columns) {
  std::vector<T> result(values.size());
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = 0; c < columns; ++c) {
      result[size_t(c * rows + r)] = values[size_t(r * columns + c)];
    }
  }
  return result;
}

namespace lpu::tensor_lowering {
FailureOr<std::optional<QuantizedTensor>>
getQuantizedTensor(Value value, mlir::onnx::WeightFiles &files) {
  auto op = value.getDefiningOp<mlir::lpu::DequantizeOp>();
  if (!op) {
    return std::optional<QuantizedTensor>();
  }
  FailureOr<std::optional<std::vector<float>>> scales = getConstant(op.getScale(), files);
  FailureOr<std::vector<int8_t>> values = readInt8(op.getSource(), files);
  if (failed(scales) || failed(values) || !*scales || op.getZeroPoint() || op.getBlockSize()) {
    return op.emitError("expected constant int8 integers and scales, without zero points "
                        "and blocks");
  }
  QuantizedTensor tensor{std::move(*values), std::move(**scales), std::nullopt};
  if (tensor.scales.size() != 1) {
    tensor.axis = op.getAxis();
  }
  return std::optional(std::move(tensor));
}

FailureOr<std::optional<QuantizedMatrix>>
getQuantizedMatrix(Value value, mlir::onnx::WeightFiles &files) {
  auto type = cast<RankedTensorType>(value.getType());
  auto turned = value.getDefiningOp<linalg::TransposeOp>();
  Value source = turned ? turned.getInput() : value;
  if (turned && type.getRank() != 2) {
    return turned.emitOpError("expected a constant matrix");
  }
  int64_t rows = type.getDimSize(0), columns = type.getDimSize(1);
  if (auto op = source.getDefiningOp<mlir::lpu::DequantizeOp>()) {
    FailureOr<std::optional<std::vector<float>>> scales =
        getConstant(op.getScale(), files);
    FailureOr<std::vector<int8_t>> values = readInt8(op.getSource(), files);
    if (failed(scales) || failed(values) || !*scales) {
      return op.emitError("expected constant integers and scales");
    }
    QuantizedMatrix matrix{std::move(*values), std::move(**scales)};
    if (turned) {
      matrix.values = transpose<int8_t>(matrix.values, columns, rows);
    }
    if (matrix.scales.size() == 1) {
      matrix.scales.resize(size_t(columns), matrix.scales.front());
    } else if (op.getAxis() != (turned ? 0 : 1)) {
      return op.emitError("expected one scale a column of the matrix");
    }
    return std::optional(std::move(matrix));
  }
  FailureOr<std::optional<std::vector<float>>> values = getConstant(source, files);
  if (failed(values)) {
    return failure();
  }
  if (!*values) {
    return std::optional<QuantizedMatrix>();
  }
  std::vector<float> matrix = std::move(**values);
  if (turned) {
    matrix = transpose<float>(matrix, columns, rows);
  }
  return std::optional(quantizeColumns(matrix, rows, columns));
}
} // namespace lpu::tensor_lowering
