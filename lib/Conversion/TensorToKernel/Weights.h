//===- Weights.h - Constants of the tensor level as arrays ------*- C++ -*-===//
#ifndef LPU_LIB_CONVERSION_TENSORTOKERNEL_WEIGHTS_H
#define LPU_LIB_CONVERSION_TENSORTOKERNEL_WEIGHTS_H

#include "ONNX/IR/WeightFiles.h"
#include "mlir/IR/Value.h"

namespace lpu::tensor_lowering {

/// The f32 values of `value` when it is a constant: lpu.weight or
/// arith.constant; nothing when it is computed. Errors are emitted at the
/// constant: a file that cannot be read.
mlir::FailureOr<std::optional<std::vector<float>>>
getConstant(mlir::Value value, mlir::onnx::WeightFiles &files);

/// A K x N matrix in int8 with one scale a column: values[k, n] * scales[n].
struct QuantizedMatrix {
  std::vector<int8_t> values;
  std::vector<float> scales;
};
/// scale[n] = max_k |w[k, n]| / 127, 1 where the column is zero; values are
/// rounded to nearest even.
QuantizedMatrix quantizeColumns(llvm::ArrayRef<float> matrix, int64_t rows,
                                int64_t columns);

/// The matrix behind `value` in int8: as the model has it when it is dequantised
/// column by column, else quantised here; nothing when it is computed.
mlir::FailureOr<std::optional<QuantizedMatrix>>
getQuantizedMatrix(mlir::Value value, mlir::onnx::WeightFiles &files);

/// The integers of a constant in int8 and what they are scaled by: one value, or one
/// for each index of `axis`.
struct QuantizedTensor {
  std::vector<int8_t> values;
  std::vector<float> scales;
  std::optional<int64_t> axis;
};
/// What `value` dequantises; nothing when it is no dequantised constant.
mlir::FailureOr<std::optional<QuantizedTensor>>
getQuantizedTensor(mlir::Value value, mlir::onnx::WeightFiles &files);

} // namespace lpu::tensor_lowering

#endif // LPU_LIB_CONVERSION_TENSORTOKERNEL_WEIGHTS_H
