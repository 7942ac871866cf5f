//===- SharedBuffers.h - Buffers with the same words in every entry *- C++ -*-===//
#ifndef LPU_TRANSFORMS_SHAREDBUFFERS_H
#define LPU_TRANSFORMS_SHAREDBUFFERS_H

#include "BufferPlacer.h"

namespace mlir::lpu {

/// Placements of buffers whose operation has them only with its entry.
using Placements = llvm::DenseMap<Value, DenseI64ArrayAttr>;

/// Places constants. Equal ones share their words where that works.
class ConstantPlacer {
public:
  /// Those of all entries that `isMeant` holds for and that are not placed yet.
  LogicalResult placeAll(BufferPlacer &buffers,
                         llvm::function_ref<bool(ConstantRowsOp)> isMeant);
  /// An equal constant serves where it lies on the right side, in slices that are free
  /// for `op`.
  LogicalResult place(BufferPlacer &buffers, ConstantRowsOp op);

private:
  llvm::DenseMap<std::pair<Attribute, Type>, SmallVector<ConstantRowsOp>> placed;
};

/// Inputs and what the host derives: written before cycle 0, so that nothing else of
/// the entry may use their words. Those of another entry that look the same do.
LogicalResult placeHostWords(BufferPlacer &buffers);

/// Outputs that nothing else reads: they may be large. Those of one name and type share
/// their words. Adds their placements to `placements`.
LogicalResult placeOutputs(BufferPlacer &buffers, Placements &placements);

} // namespace mlir::lpu

#endif // LPU_TRANSFORMS_SHAREDBUFFERS_H
