//===- Contractions.h - Sums of products for the MXM ------------*- C++ -*-===//
#ifndef LPU_LIB_CONVERSION_TENSORTONEST_CONTRACTIONS_H
#define LPU_LIB_CONVERSION_TENSORTONEST_CONTRACTIONS_H

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include <optional>

namespace lpu::nest_lowering {

/// A sum of products of f32 with a constant, as arrays of the MXM compute it: a reduction loop
/// along the lanes of the activations, a parallel one along the lanes of the result.
struct Contraction {
  unsigned activations, weights; ///< inputs of the operation
  int64_t k, n;                  ///< loops
};

/// What `op` is, where it is one and large enough for an array to pay: with less work than
/// `kLeastWork` words of products the way to the MXM and back is longer than the sum.
std::optional<Contraction> findContraction(mlir::linalg::GenericOp op, int64_t lanes);

} // namespace lpu::nest_lowering

#endif // LPU_LIB_CONVERSION_TENSORTONEST_CONTRACTIONS_H
