//===- Weights.cpp - Constants of the tensor level as arrays --------------===//

#include "Weights.h"
#include "LPU/IR/LPUTensorOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include <cstring>

using namespace mlir;
using namespace ::lpu::tensor_lowering;

/// What `value`, a constant of `op`, holds; nothing where its elements are not of type T.
template <typename T>
static FailureOr<std::optional<std::vector<T>>>
readElements(Operation *op, Attribute value, mlir::onnx::WeightFiles &files) {
  if (auto reference = dyn_cast_or_null<mlir::onnx::WeightRefAttr>(value)) {
    auto bytes = files.getBytes(reference);
    if (!bytes) {
      return op->emitError(llvm::toString(bytes.takeError()));
    }
    std::vector<T> values(bytes->size() / sizeof(T));
    std::memcpy(values.data(), bytes->data(), values.size() * sizeof(T));
    return std::optional(std::move(values));
  }
  if (auto dense = dyn_cast_or_null<DenseElementsAttr>(value)) {
    if (auto values = dense.tryGetValues<T>(); succeeded(values)) {
      return std::optional(std::vector<T>(values->begin(), values->end()));
    }
  }
  return std::optional<std::vector<T>>();
}

/// What a constant holds; null when `value` is computed.
static Attribute getAttribute(Value value) {
  Operation *op = value.getDefiningOp();
  if (auto weight = dyn_cast_or_null<mlir::lpu::WeightOp>(op)) {
    return weight.getValue();
  }
  auto constant = dyn_cast_or_null<arith::ConstantOp>(op);
  return constant ? constant.getValue() : Attribute();
}

/// The f32 values of a constant as the model has them, not quantised.
static FailureOr<std::vector<float>> readFloats(Value value, mlir::onnx::WeightFiles &files) {
  Operation *op = value.getDefiningOp();
  if (!cast<ShapedType>(value.getType()).getElementType().isF32()) {
    return op->emitError("expected f32 elements, got ") << value.getType();
  }
  FailureOr<std::optional<std::vector<float>>> values =
      readElements<float>(op, getAttribute(value), files);
  if (failed(values)) {
    return failure();
  }
  if (!*values) {
    return op->emitError("expected f32 elements, got ") << getAttribute(value);
  }
  return std::move(**values);
}

/// A constant matrix or tensor in int8.
static FailureOr<::lpu::Int8Tensor> quantize(Value value, int64_t axis,
                                             mlir::onnx::WeightFiles &files) {
  FailureOr<std::vector<float>> values = readFloats(value, files);
  if (failed(values)) {
    return failure();
  }
  auto tensor = ::lpu::quantizeInt8(*values, cast<ShapedType>(value.getType()).getShape(), axis);
  if (!tensor.ok()) {
    return value.getDefiningOp()->emitError(std::string(tensor.status().message()));
  }
  return std::move(*tensor);
}

/// A constant that is marked for int8, as such; nothing for others.
static FailureOr<std::optional<QuantizedTensor>> quantizeMarked(Value value,
                                                                mlir::onnx::WeightFiles &files) {
  auto weight = value.getDefiningOp<mlir::lpu::WeightOp>();
  if (!weight || !weight.getInt8Axis()) {
    return std::optional<QuantizedTensor>();
  }
  int64_t axis = int64_t(*weight.getInt8Axis());
  FailureOr<::lpu::Int8Tensor> tensor = quantize(value, axis, files);
  if (failed(tensor)) {
    return failure();
  }
  return std::optional(
      QuantizedTensor{std::move(tensor->values), std::move(tensor->scales), axis});
}

namespace lpu::tensor_lowering {
FailureOr<std::optional<std::vector<float>>>
getConstant(Value value, mlir::onnx::WeightFiles &files) {
  if (!getAttribute(value)) {
    return std::optional<std::vector<float>>();
  }
  FailureOr<std::optional<QuantizedTensor>> marked = quantizeMarked(value, files);
  if (failed(marked)) {
    return failure();
  }
  if (*marked) {
    ::lpu::Int8Tensor tensor{std::move((*marked)->values), std::move((*marked)->scales)};
    return std::optional(::lpu::dequantizeInt8(
        tensor, cast<ShapedType>(value.getType()).getShape(), *(*marked)->axis));
  }
  FailureOr<std::vector<float>> values = readFloats(value, files);
  if (failed(values)) {
    return failure();
  }
  return std::optional(std::move(*values));
}
} // namespace lpu::tensor_lowering

/// A row-major rows x columns matrix turned round, in blocks that a cache holds.
template <typename T>
static std::vector<T> transpose(ArrayRef<T> values, int64_t rows, int64_t columns) {
  constexpr int64_t kBlock = 64;
  std::vector<T> result(values.size());
  for (int64_t top = 0; top < rows; top += kBlock) {
    for (int64_t left = 0; left < columns; left += kBlock) {
      for (int64_t c = left; c < std::min(columns, left + kBlock); ++c) {
        for (int64_t r = top; r < std::min(rows, top + kBlock); ++r) {
          result[size_t(c * rows + r)] = values[size_t(r * columns + c)];
        }
      }
    }
  }
  return result;
}

namespace lpu::tensor_lowering {
FailureOr<std::optional<QuantizedTensor>>
getQuantizedTensor(Value value, mlir::onnx::WeightFiles &files) {
  FailureOr<std::optional<QuantizedTensor>> marked = quantizeMarked(value, files);
  if (failed(marked) || *marked) {
    return marked;
  }
  auto op = value.getDefiningOp<mlir::lpu::DequantizeOp>();
  if (!op) {
    return std::optional<QuantizedTensor>();
  }
  FailureOr<std::optional<std::vector<float>>> scales = getConstant(op.getScale(), files);
  FailureOr<std::optional<std::vector<int8_t>>> values = readElements<int8_t>(
      op.getSource().getDefiningOp(), getAttribute(op.getSource()), files);
  if (failed(scales) || failed(values) || !*scales || !*values || op.getZeroPoint() || op.getBlockSize()) {
    return op.emitError("expected constant int8 integers and scales, without zero points "
                        "and blocks");
  }
  QuantizedTensor tensor{std::move(**values), std::move(**scales), std::nullopt};
  if (tensor.scales.size() != 1) {
    tensor.axis = op.getAxis();
  }
  return std::optional(std::move(tensor));
}

FailureOr<std::optional<::lpu::Int8Tensor>>
getQuantizedMatrix(Value value, mlir::onnx::WeightFiles &files) {
  auto turned = value.getDefiningOp<linalg::TransposeOp>();
  Value source = turned ? turned.getInput() : value;
  auto type = cast<RankedTensorType>(source.getType());
  if (turned && type.getRank() != 2) {
    return turned.emitOpError("expected a constant matrix");
  }
  int64_t columns = turned ? turned.getPermutation()[1] : 1;
  FailureOr<std::optional<QuantizedTensor>> known = getQuantizedTensor(source, files);
  if (failed(known)) {
    return failure();
  }
  ::lpu::Int8Tensor matrix;
  if (*known) {
    matrix = {std::move((*known)->values), std::move((*known)->scales)};
    if (!(*known)->axis) {
      matrix.scales.resize(size_t(type.getDimSize(columns)), matrix.scales.front());
    } else if ((*known)->axis != columns) {
      return source.getDefiningOp()->emitError("expected one scale a column of the matrix");
    }
  } else if (getAttribute(source)) {
    FailureOr<::lpu::Int8Tensor> quantized = quantize(source, columns, files);
    if (failed(quantized)) {
      return failure();
    }
    matrix = std::move(*quantized);
  } else {
    return std::optional<::lpu::Int8Tensor>();
  }
  if (columns == 0) {
    matrix.values =
        transpose<int8_t>(matrix.values, type.getDimSize(0), type.getDimSize(1));
  }
  return std::optional(std::move(matrix));
}

FailureOr<std::optional<std::vector<float>>> getMatrix(Value value,
                                                       mlir::onnx::WeightFiles &files) {
  auto turned = value.getDefiningOp<linalg::TransposeOp>();
  Value source = turned ? turned.getInput() : value;
  if (source.getDefiningOp<mlir::lpu::DequantizeOp>()) {
    FailureOr<std::optional<::lpu::Int8Tensor>> matrix = getQuantizedMatrix(value, files);
    if (failed(matrix)) {
      return failure();
    }
    return std::optional(::lpu::dequantizeInt8(
        **matrix, cast<RankedTensorType>(value.getType()).getShape(), 1));
  }
  FailureOr<std::optional<std::vector<float>>> values = getConstant(source, files);
  if (succeeded(values) && *values && turned && turned.getPermutation()[1] == 0) {
    auto type = cast<RankedTensorType>(source.getType());
    *values = transpose<float>(**values, type.getDimSize(0), type.getDimSize(1));
  }
  return values;
}
} // namespace lpu::tensor_lowering
