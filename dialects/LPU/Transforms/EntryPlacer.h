//===- EntryPlacer.h - Buffers of one entry, by lifetime --------*- C++ -*-===//
#ifndef LPU_TRANSFORMS_ENTRYPLACER_H
#define LPU_TRANSFORMS_ENTRYPLACER_H

#include "SharedBuffers.h"

namespace mlir::lpu {

/// Places what `entry` computes; words go back when nothing reads them any more. `known`:
/// placements of outputs.
LogicalResult placeEntry(BufferPlacer &buffers, func::FuncOp entry, const Placements &known);

/// Words a byte plane of the largest buffer that an entry computes.
int64_t getLargestBuffer(const BufferPlacer &buffers, const Placements &known);

} // namespace mlir::lpu

#endif // LPU_TRANSFORMS_ENTRYPLACER_H
