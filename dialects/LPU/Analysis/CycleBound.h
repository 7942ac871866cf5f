//===- CycleBound.h - A cycle count that no lowering beats ------*- C++ -*-===//
//
// From an entry at the tensor level and a target alone: no schedule, slice, plane,
// tile or row block is known yet. docs/LowerBound.md has what is taken as given and
// the argument, term by term; the labels (B1) to (B9) recur here.
//
//===----------------------------------------------------------------------===//
#ifndef LPU_ANALYSIS_CYCLEBOUND_H
#define LPU_ANALYSIS_CYCLEBOUND_H

#include "lpu/Target/Target.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace mlir::lpu {

/// Number formats, the ones that the kernel level will use.
struct BoundFormats {
  unsigned limbs = 3; ///< int8 limbs of activations that meet constant matrices
};

struct PartBound {
  std::string name; ///< of the layer, or empty
  int64_t cycles;
};

/// Cycles of a run of `entry`, at least.
int64_t getCycleBound(func::FuncOp entry, const ::lpu::Target &target,
                      const BoundFormats &formats);

/// Cycles from the first instruction of some operations of `entry` to their last one,
/// at least: other operations come before, after and beside.
int64_t getCycleBound(func::FuncOp entry, llvm::ArrayRef<Operation *> operations,
                      const ::lpu::Target &target, const BoundFormats &formats);

/// The bounds of the layers (getLayerName), by name.
std::vector<PartBound> getLayerBounds(func::FuncOp entry, const ::lpu::Target &target,
                                      const BoundFormats &formats);

} // namespace mlir::lpu

#endif // LPU_ANALYSIS_CYCLEBOUND_H
