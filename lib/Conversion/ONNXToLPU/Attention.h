//===- Attention.h - Attention as products, maps and a softmax --*- C++ -*-===//
#ifndef LPU_LIB_CONVERSION_ONNXTOLPU_ATTENTION_H
#define LPU_LIB_CONVERSION_ONNXTOLPU_ATTENTION_H

#include "Terms.h"

namespace lpu::onnx_lowering {

/// Vectors of every head and token: batch x heads x tokens x size, or with tokens before heads.
struct Heads {
  mlir::Value tensor;
  bool tokensFirst = false;

  int64_t batch() const { return shapeOf(tensor)[0]; }
  int64_t heads() const { return shapeOf(tensor)[tokensFirst ? 2 : 1]; }
  int64_t tokens() const { return shapeOf(tensor)[tokensFirst ? 1 : 2]; }
  int64_t size() const { return shapeOf(tensor)[3]; }
  /// With `group` > 1, heads are read at two expressions: of a group, and in it.
  Read read(mlir::ImplicitLocOpBuilder &builder, int64_t group, mlir::AffineExpr batch,
            llvm::ArrayRef<mlir::AffineExpr> head, mlir::AffineExpr token,
            mlir::AffineExpr element) const;
};

/// batch x tokens x (heads * size), or batch x heads x tokens x size.
Heads getHeadsOf(mlir::ImplicitLocOpBuilder &builder, mlir::Value value, int64_t heads);
mlir::Value toHeadsFirst(mlir::ImplicitLocOpBuilder &builder, const Heads &of);
/// The tokens of `past`, which has heads first, and those of `now`.
Heads append(mlir::ImplicitLocOpBuilder &builder, mlir::Value past, const Heads &now);
/// Row rows[..] of a matrix.
mlir::Value gatherRows(mlir::ImplicitLocOpBuilder &builder, mlir::Value table, mlir::Value rows);
/// The rotary embedding by tables of batch x tokens x half of what rotates.
Heads rotate(mlir::ImplicitLocOpBuilder &builder, const Heads &x, mlir::Value cos, mlir::Value sin,
             bool isInterleaved);

/// What is done to products of queries and keys before the softmax.
struct Scoring {
  float scale = 1, softcap = 0;
  bool isCausal = false;
  /// Tokens before the first query, where no lengths are given: query i sees keys up to past + i.
  int64_t past = 0;
  /// With isCausal, how many keys a query sees at most; all where it is 0.
  int64_t window = 0;
  /// Broadcasts to batch x query heads x queries x keys. Booleans hide where they are false. Keys
  /// beyond its last dimension are hidden.
  mlir::Value mask;
  /// More to add, of rank 4.
  mlir::Value bias;
  /// Keys of each sequence; its last query is the last of them.
  mlir::Value lengths;
  /// What the softmax is rounded to; f32 where it is null.
  mlir::Type precision;
};

/// Scores in their stages, batch x query heads x queries x keys.
struct Attended {
  mlir::Value products, capped, masked, probabilities;
  Heads value;

  /// batch x query heads x queries x size, or with tokens before heads.
  mlir::Value getResult(mlir::ImplicitLocOpBuilder &builder, bool tokensFirst) const;
};
Attended attend(mlir::ImplicitLocOpBuilder &builder, const Heads &query, const Heads &key,
                const Heads &value, const Scoring &scoring);

} // namespace lpu::onnx_lowering

#endif // LPU_LIB_CONVERSION_ONNXTOLPU_ATTENTION_H
