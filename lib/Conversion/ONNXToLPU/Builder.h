//===- Builder.h - What rules of several families build ---------*- C++ -*-===//
//
// Structured ops of the tensor level with static shapes. Scalars of bodies are
// f32, i32 and i1.
//
//===----------------------------------------------------------------------===//
#ifndef LPU_LIB_CONVERSION_ONNXTOLPU_BUILDER_H
#define LPU_LIB_CONVERSION_ONNXTOLPU_BUILDER_H

#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace lpu::onnx_lowering {

inline mlir::RankedTensorType typeOf(mlir::Value value) {
  return mlir::cast<mlir::RankedTensorType>(value.getType());
}
inline mlir::Type elementOf(mlir::Value value) { return typeOf(value).getElementType(); }
inline llvm::ArrayRef<int64_t> shapeOf(mlir::Value value) { return typeOf(value).getShape(); }

/// One element of a result from one element of every input.
using ScalarBody = llvm::function_ref<mlir::Value(mlir::ImplicitLocOpBuilder &, mlir::ValueRange)>;

/// A scalar constant of `type`, f32, i32 or i1; what does not fit an i32 wraps.
mlir::Value scalar(mlir::ImplicitLocOpBuilder &builder, mlir::Type type, double value);
mlir::Value scalarFloat(mlir::ImplicitLocOpBuilder &builder, double value);
mlir::Value scalarInt(mlir::ImplicitLocOpBuilder &builder, int64_t value);
mlir::Value scalarBool(mlir::ImplicitLocOpBuilder &builder, bool value);

/// A tensor whose elements are all `value`, a scalar.
mlir::Value fill(mlir::ImplicitLocOpBuilder &builder, llvm::ArrayRef<int64_t> shape,
                 mlir::Value value);
/// Constant tensors in row-major order.
mlir::Value constantFloats(mlir::ImplicitLocOpBuilder &builder, llvm::ArrayRef<int64_t> shape,
                           llvm::ArrayRef<float> values);
mlir::Value constantInts(mlir::ImplicitLocOpBuilder &builder, llvm::ArrayRef<int64_t> shape,
                         llvm::ArrayRef<int32_t> values);

/// Axes as [0, rank).
inline int64_t toAxis(int64_t axis, int64_t rank) { return axis < 0 ? axis + rank : axis; }
mlir::Value reshapeTo(mlir::ImplicitLocOpBuilder &builder, mlir::Value value,
                      llvm::ArrayRef<int64_t> shape);
/// The indices from `first` on, `size` of them, along one axis.
mlir::Value sliceAxis(mlir::ImplicitLocOpBuilder &builder, mlir::Value value, int64_t axis,
                      int64_t first, int64_t size, int64_t step = 1);
/// `values` one behind the other along `axis`; those without elements are left out.
mlir::Value concatenate(mlir::ImplicitLocOpBuilder &builder, llvm::ArrayRef<mlir::Value> values,
                        int64_t axis);

/// The shape that shapes broadcast to, as numpy does it.
llvm::SmallVector<int64_t> broadcastShapes(mlir::ValueRange tensors);

/// `body` at every element of `shape`; inputs broadcast to it from the right.
mlir::Value mapElements(mlir::ImplicitLocOpBuilder &builder, llvm::ArrayRef<int64_t> shape,
                        mlir::Type element, mlir::ValueRange inputs, ScalarBody body);

/// `body` at every point of `loops`; input k is read at maps[k], maps from the
/// loops that never leave the input.
mlir::Value mapIndexed(mlir::ImplicitLocOpBuilder &builder, llvm::ArrayRef<int64_t> loops,
                       mlir::Type element, mlir::ValueRange inputs,
                       llvm::ArrayRef<mlir::AffineMap> maps, ScalarBody body);

/// Joins elements along `axes`, each in [0, rank), starting from `init`, a
/// scalar that changes nothing: `body` gets what is joined so far and one more
/// element. Dimensions of size 1 stay for the axes if `keeps`.
mlir::Value reduceElements(mlir::ImplicitLocOpBuilder &builder, mlir::Value input,
                           llvm::ArrayRef<int64_t> axes, bool keeps, mlir::Value init,
                           ScalarBody body);

/// The index of loop `dim` in a body, as an i32.
mlir::Value loopIndex(mlir::ImplicitLocOpBuilder &builder, int64_t dim);

} // namespace lpu::onnx_lowering

#endif // LPU_LIB_CONVERSION_ONNXTOLPU_BUILDER_H
