//===- FoldScales.h - Factors that constants of a map can take --*- C++ -*-===//
#ifndef LPU_TRANSFORMS_FOLDSCALES_H
#define LPU_TRANSFORMS_FOLDSCALES_H

#include "LPU/IR/LPUKernelOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

namespace mlir::lpu {

/// Writes x * (tanh(x / 2) / 2 + 1/2) as h * tanh(h) + h, h = x / 2.
void simplifyBody(MapOp map);

/// The block argument whose constants can take a factor of `value`: scales of sums of
/// limbs, or constant rows, that are a factor of `value` and nothing else; null when
/// there is none.
BlockArgument getFactorCarrier(MapOp map, Value value);

/// Whether `op` multiplies such an argument by a constant, and so costs nothing.
bool isFoldedFactor(MapOp map, arith::MulFOp op);

/// Moves constant factors, those of results in limbs included, into the constants.
void foldScales(MapOp map);

} // namespace mlir::lpu

#endif // LPU_TRANSFORMS_FOLDSCALES_H
