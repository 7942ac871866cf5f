//===- StripePlacer.h - Slices of weights and states ------------*- C++ -*-===//
#ifndef LPU_TRANSFORMS_STRIPEPLACER_H
#define LPU_TRANSFORMS_STRIPEPLACER_H

#include "Reserves.h"

namespace mlir::lpu {

/// Places weights and states, each in 16 or 32 slices of the side whose planes have it.
LogicalResult placeStripes(BufferPlacer &buffers, const Reserves &reserves);

} // namespace mlir::lpu

#endif // LPU_TRANSFORMS_STRIPEPLACER_H
