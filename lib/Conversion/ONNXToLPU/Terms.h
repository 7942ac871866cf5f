//===- Terms.h - Sums, products and extremes over loops ---------*- C++ -*-===//
//
// linalg.generic as families with reductions need it, and arithmetic on the
// scalars of its bodies.
//
//===----------------------------------------------------------------------===//
#ifndef LPU_LIB_CONVERSION_ONNXTOLPU_TERMS_H
#define LPU_LIB_CONVERSION_ONNXTOLPU_TERMS_H

#include "Builder.h"
#include "Rules.h"

namespace lpu::onnx_lowering {

/// Attributes of a node; nothing where it does not give them.
std::optional<llvm::SmallVector<int64_t>> getInts(mlir::onnx::NodeOp op, llvm::StringRef name);
std::optional<llvm::SmallVector<float>> getFloats(mlir::onnx::NodeOp op, llvm::StringRef name);
llvm::SmallVector<llvm::StringRef> getStrings(mlir::onnx::NodeOp op, llvm::StringRef name);

/// The least and the largest value of an integer type of the model, as far as an i32 has them.
std::pair<int64_t, int64_t> getRange(mlir::Type element);

/// A tensor as loops read it: one expression of the loops for each dimension.
struct Read {
  mlir::Value tensor;
  llvm::SmallVector<mlir::AffineExpr> at;
};
/// Loop `loop` of those given to overLoops.
inline mlir::AffineExpr loop(mlir::Builder &builder, size_t loop) {
  return builder.getAffineDimExpr(unsigned(loop));
}
/// `tensor` read at the loops in their order.
Read readAt(mlir::Builder &builder, mlir::Value tensor, llvm::ArrayRef<unsigned> loops);

/// What joins the elements of one result. Booleans: Max is or, Min is and.
enum class Join { Add, Mul, Max, Min };

/// The tensor over the loops `results`, in that order, of what `body` makes of each of `reads`;
/// all other loops are joined. What nothing is joined to is the neutral element.
mlir::Value overLoops(mlir::ImplicitLocOpBuilder &builder, llvm::ArrayRef<int64_t> extents,
                      llvm::ArrayRef<Read> reads, llvm::ArrayRef<unsigned> results, Join join,
                      mlir::Type element, ScalarBody body);
/// The sum of products of two tensors, f32 or i32 both.
mlir::Value contract(mlir::ImplicitLocOpBuilder &builder, llvm::ArrayRef<int64_t> extents,
                     const Read &a, const Read &b, llvm::ArrayRef<unsigned> results);
/// numpy's matmul of f32 or i32: vectors, matrices, batches that broadcast. The last two
/// dimensions of either may be meant the other way round.
mlir::Value matmul(mlir::ImplicitLocOpBuilder &builder, mlir::Value x, mlir::Value y,
                   bool transposesX = false, bool transposesY = false);
/// `body` of every element, joined along `axes`, which stay with size 1.
mlir::Value reduceTo1(mlir::ImplicitLocOpBuilder &builder, mlir::Value input,
                      llvm::ArrayRef<int64_t> axes, Join join, mlir::Type element, ScalarBody body);
mlir::Value reduceTo1(mlir::ImplicitLocOpBuilder &builder, mlir::Value input,
                      llvm::ArrayRef<int64_t> axes, Join join);
/// The mean of floats along `axes`, which stay with size 1.
mlir::Value meanTo1(mlir::ImplicitLocOpBuilder &builder, mlir::Value input,
                    llvm::ArrayRef<int64_t> axes);
/// `body` over tensors that broadcast to each other; `element` is by default the first one's.
mlir::Value each(mlir::ImplicitLocOpBuilder &builder, mlir::ValueRange inputs, ScalarBody body,
                 mlir::Type element = {});
/// exp(x - max) and its sum along `axes`.
struct Exponentials {
  mlir::Value shifted, exponentials, sum;
};
Exponentials getExponentials(mlir::ImplicitLocOpBuilder &builder, mlir::Value input,
                             llvm::ArrayRef<int64_t> axes);
mlir::Value softmax(mlir::ImplicitLocOpBuilder &builder, mlir::Value input,
                    llvm::ArrayRef<int64_t> axes);
mlir::Value logSoftmax(mlir::ImplicitLocOpBuilder &builder, mlir::Value input,
                       llvm::ArrayRef<int64_t> axes);

/// `input` with `low` and `high` more elements a dimension; negative counts cut.
mlir::Value padOrCut(mlir::ImplicitLocOpBuilder &builder, mlir::Value input,
                     llvm::ArrayRef<int64_t> low, llvm::ArrayRef<int64_t> high, double value);
/// `input` with dimensions of size 1 before its own, for `rank` dimensions.
mlir::Value toRank(mlir::ImplicitLocOpBuilder &builder, mlir::Value input, int64_t rank);
/// A vector over dimension `axis` of `rank` dimensions, or the one element that it has.
mlir::Value alongAxis(mlir::ImplicitLocOpBuilder &builder, mlir::Value input, int64_t axis,
                      int64_t rank);
/// Floats as integers of `element`, to the nearest (halves to even) plus `zero`, saturated; where
/// `element` is a float, the sum alone. `zero` may be null.
mlir::Value quantizeTo(mlir::ImplicitLocOpBuilder &builder, mlir::Value input, mlir::Value zero,
                       mlir::Type element);

//===----------------------------------------------------------------------===//
// Scalars: f32, or i32 where it says so
//===----------------------------------------------------------------------===//

mlir::Value add(mlir::ImplicitLocOpBuilder &builder, mlir::Value x, mlir::Value y);
mlir::Value sub(mlir::ImplicitLocOpBuilder &builder, mlir::Value x, mlir::Value y);
mlir::Value mul(mlir::ImplicitLocOpBuilder &builder, mlir::Value x, mlir::Value y);
mlir::Value divide(mlir::ImplicitLocOpBuilder &builder, mlir::Value x, mlir::Value y);
mlir::Value larger(mlir::ImplicitLocOpBuilder &builder, mlir::Value x, mlir::Value y);
mlir::Value smaller(mlir::ImplicitLocOpBuilder &builder, mlir::Value x, mlir::Value y);
/// x < y and x == y.
mlir::Value isLess(mlir::ImplicitLocOpBuilder &builder, mlir::Value x, mlir::Value y);
mlir::Value isEqual(mlir::ImplicitLocOpBuilder &builder, mlir::Value x, mlir::Value y);
mlir::Value select(mlir::ImplicitLocOpBuilder &builder, mlir::Value condition, mlir::Value x,
                   mlir::Value y);
mlir::Value toFloat(mlir::ImplicitLocOpBuilder &builder, mlir::Value x, bool isUnsigned = false);
mlir::Value sigmoidOf(mlir::ImplicitLocOpBuilder &builder, mlir::Value x);
/// x to the power p and its inverse, for x >= 0.
mlir::Value powerOf(mlir::ImplicitLocOpBuilder &builder, mlir::Value x, double p);
mlir::Value rootOf(mlir::ImplicitLocOpBuilder &builder, mlir::Value x, double p);

/// Bodies of `each`.
template <mlir::Value (*function)(mlir::ImplicitLocOpBuilder &, mlir::Value, mlir::Value)>
mlir::Value binary(mlir::ImplicitLocOpBuilder &builder, mlir::ValueRange in) {
  return function(builder, in[0], in[1]);
}
template <typename Op> mlir::Value unary(mlir::ImplicitLocOpBuilder &builder, mlir::ValueRange in) {
  return Op::create(builder, in[0]);
}

} // namespace lpu::onnx_lowering

#endif // LPU_LIB_CONVERSION_ONNXTOLPU_TERMS_H
