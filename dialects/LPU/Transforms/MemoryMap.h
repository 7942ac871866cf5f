//===- MemoryMap.h - What lies in SRAM, and what does not fit ---*- C++ -*-===//
#ifndef LPU_TRANSFORMS_MEMORYMAP_H
#define LPU_TRANSFORMS_MEMORYMAP_H

#include "WordAllocator.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/Diagnostics.h"

namespace mlir::lpu {

/// Attaches to `diagnostic`, of something that does not fit, what is placed so far by
/// kind and side, what the module needs at least, and what would make it fit. What lies
/// in `words` without a placement attribute counts as buffers.
void attachMemoryMap(InFlightDiagnostic &diagnostic, ModuleOp module,
                     const ::lpu::Target &target, const WordAllocator &words);

} // namespace mlir::lpu

#endif // LPU_TRANSFORMS_MEMORYMAP_H
