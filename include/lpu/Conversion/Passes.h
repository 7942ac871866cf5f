//===- Passes.h - From one level to the next --------------------*- C++ -*-===//
#ifndef LPU_CONVERSION_PASSES_H
#define LPU_CONVERSION_PASSES_H

#include "mlir/Pass/Pass.h"
#include <memory>

namespace lpu {

/// `stream.program`, scheduled, -> `isa.entry`. An unscheduled chain is an error.
std::unique_ptr<mlir::Pass> createStreamToISAPass();
/// One entry of the kernel level (a function whose buffers are placed) ->
/// `stream.program`, and the SRAM words it uses as `isa` operations.
std::unique_ptr<mlir::Pass> createLPUToStreamPass();

} // namespace lpu

#endif // LPU_CONVERSION_PASSES_H
