//===- Weights.h - Constants of the tensor level as arrays ------*- C++ -*-===//
#ifndef LPU_LIB_CONVERSION_TENSORTOKERNEL_WEIGHTS_H
#define LPU_LIB_CONVERSION_TENSORTOKERNEL_WEIGHTS_H

#include "ONNX/IR/WeightFiles.h"
#include "lpu/Support/Quantization.h"
#include "mlir/IR/Value.h"

namespace lpu::tensor_lowering {

/// The f32 values of `value` when it is a constant: lpu.weight or
/// arith.constant; nothing when it is computed. Errors are emitted at the
/// constant: a file that cannot be read.
mlir::FailureOr<std::optional<std::vector<float>>>
getConstant(mlir::Value value, mlir::onnx::WeightFiles &files);

/// A tensor in int8 and what its integers are scaled by: one value, or one for each
/// index of `axis`.
struct QuantizedTensor {
  std::vector<int8_t> values;
  std::vector<float> scales;
  std::optional<int64_t> axis;
};
/// The integers behind `value`: those that the model dequantises, or those of a weight
/// with `int8_axis`; nothing when it is neither.
mlir::FailureOr<std::optional<QuantizedTensor>>
getQuantizedTensor(mlir::Value value, mlir::onnx::WeightFiles &files);

/// The K x N matrix behind `value` in int8 with one scale a column, transposed where the
/// module transposes it. A constant that is not in int8 yet is quantised here. Nothing
/// when it is computed.
mlir::FailureOr<std::optional<::lpu::Int8Tensor>>
getQuantizedMatrix(mlir::Value value, mlir::onnx::WeightFiles &files);

/// The same matrix in f32, its integers scaled where the model has some.
mlir::FailureOr<std::optional<std::vector<float>>>
getMatrix(mlir::Value value, mlir::onnx::WeightFiles &files);

} // namespace lpu::tensor_lowering

#endif // LPU_LIB_CONVERSION_TENSORTOKERNEL_WEIGHTS_H
