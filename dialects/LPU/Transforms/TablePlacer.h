//===- TablePlacer.h - Windows of tables that are gathered from -*- C++ -*-===//
#ifndef LPU_TRANSFORMS_TABLEPLACER_H
#define LPU_TRANSFORMS_TABLEPLACER_H

#include "SharedBuffers.h"

namespace mlir::lpu {

/// Places tables, and constants that are gathered from.
LogicalResult placeTables(BufferPlacer &buffers, ConstantPlacer &constants);

} // namespace mlir::lpu

#endif // LPU_TRANSFORMS_TABLEPLACER_H
