//===- Decompose.h - Composites of the tensor level as linalg ---*- C++ -*-===//
//
// One function a composite: the value of its result in linalg, tensor, arith,
// math and scf, for static shapes. Sums of products have the reduction outside
// of a parallel loop over contiguous elements: the order of the additions stays
// that of the definition, and the loop vectorises.
//
//===----------------------------------------------------------------------===//
#ifndef LPU_LIB_CONVERSION_LPUTOLINALG_DECOMPOSE_H
#define LPU_LIB_CONVERSION_LPUTOLINALG_DECOMPOSE_H

#include "LPU/IR/LPUDialect.h"
#include "LPU/IR/LPUTensorOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace lpu::linalg_lowering {

using mlir::ImplicitLocOpBuilder;
using mlir::Value;
using mlir::ValueRange;

/// Computes one element from those of the inputs and, last, of the result so far.
using Body = llvm::function_ref<Value(ImplicitLocOpBuilder &, ValueRange)>;

inline mlir::RankedTensorType typeOf(Value value) {
  return mlir::cast<mlir::RankedTensorType>(value.getType());
}
Value empty(ImplicitLocOpBuilder &b, llvm::ArrayRef<int64_t> shape, mlir::Type element);
/// A tensor of one f32 value.
Value fill(ImplicitLocOpBuilder &b, llvm::ArrayRef<int64_t> shape, float value);
Value floatConstant(ImplicitLocOpBuilder &b, float value);
Value indexConstant(ImplicitLocOpBuilder &b, int64_t value);

/// linalg.generic over `loops` loops. `maps` are one list of loops an operand,
/// the result's last; a loop -1 is index 0. Loops in `reductions` are sums.
Value generic(ImplicitLocOpBuilder &b, unsigned loops, ValueRange inputs, Value init,
              llvm::ArrayRef<llvm::SmallVector<int64_t>> maps,
              llvm::ArrayRef<int64_t> reductions, Body body);
/// The same over every element of the result.
Value elementwise(ImplicitLocOpBuilder &b, ValueRange inputs, mlir::RankedTensorType type,
                  Body body);
/// All loops but those in `without`, below `count`.
llvm::SmallVector<int64_t> loopsWithout(int64_t count, llvm::ArrayRef<int64_t> without);

/// The element of `tensor` at `indices`; of a dequantised one, from its integers.
Value readElement(ImplicitLocOpBuilder &b, Value tensor, ValueRange indices);
/// An integer of type i32 or i64 as an index.
Value toIndex(ImplicitLocOpBuilder &b, Value integer);

Value decompose(ImplicitLocOpBuilder &b, mlir::lpu::DequantizeOp op);
Value decompose(ImplicitLocOpBuilder &b, mlir::lpu::QuantizeOp op);
Value decompose(ImplicitLocOpBuilder &b, mlir::lpu::GatherOp op);
Value decompose(ImplicitLocOpBuilder &b, mlir::lpu::CacheUpdateOp op);
Value decompose(ImplicitLocOpBuilder &b, mlir::lpu::RmsNormOp op);
Value decompose(ImplicitLocOpBuilder &b, mlir::lpu::LayerNormOp op);
Value decompose(ImplicitLocOpBuilder &b, mlir::lpu::SoftmaxOp op);
Value decompose(ImplicitLocOpBuilder &b, mlir::lpu::RotaryOp op);
Value decompose(ImplicitLocOpBuilder &b, mlir::lpu::AttentionOp op);

} // namespace lpu::linalg_lowering

#endif // LPU_LIB_CONVERSION_LPUTOLINALG_DECOMPOSE_H
