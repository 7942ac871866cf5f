//===- Passes.h - From one level to the next --------------------*- C++ -*-===//
#ifndef LPU_CONVERSION_PASSES_H
#define LPU_CONVERSION_PASSES_H

#include "ONNX/IR/ONNXDialect.h"
#include "mlir/Pass/Pass.h"
#include <memory>
#include <string>

namespace lpu {

/// The onnx level -> the tensor level, one function at a time. Without `composites`, only
/// rules that work on carried elements are used.
std::unique_ptr<mlir::Pass> createONNXToLPUPass(bool composites = true);
/// What is in the way of converting `op`; empty when nothing is.
std::string whyNotConvertible(mlir::onnx::NodeOp op);

/// Composites of the tensor level -> linalg, one function at a time.
/// With `keepsGathers`, those that look up rows stay.
std::unique_ptr<mlir::Pass> createDecomposeCompositesPass(bool keepsGathers = false);

/// Number formats of kernels.
struct KernelOptions {
  /// int8 limbs of activations that enter the MXM, 1 to 3, times int8 weights; 0:
  /// activations and weights are fp16.
  unsigned limbs = 3;
  bool isHalf() const { return limbs == 0; }
  /// Largest |x| of activations that calibration did not see; 0: an error.
  float activationMax = 0;
  /// Range of activations / largest |x| that was seen or stated; beyond it they
  /// saturate, counted. 0: 4 for what calibration saw of three limbs, which have
  /// bits to spare, else 2.
  float headroom = 0;
};
/// The tensor level -> kernels, not yet placed.
std::unique_ptr<mlir::Pass> createTensorToKernelPass(const KernelOptions &options = {});

/// The tensor level -> loop nests on words (lpu.nest, lpu.assemble), not yet placed: for any
/// entry of the closed set of operations (docs/Architecture.md), without composites.
std::unique_ptr<mlir::Pass> createTensorToNestPass();
/// Before it: linalg's named products as loops, one function at a time.
std::unique_ptr<mlir::Pass> createGeneralizeProductsPass();
/// Cuts nests that need more ALUs or streams than a chain can have.
std::unique_ptr<mlir::Pass> createSplitNestsPass();

/// The SRAM words that placed kernels use as `isa` operations, for all entries at once:
/// they share words.
std::unique_ptr<mlir::Pass> createEmitMemoryPass();
/// One entry of the kernel level (a function whose buffers are placed) ->
/// `stream.program`.
std::unique_ptr<mlir::Pass> createLPUToStreamPass();
/// `stream.program`, scheduled, -> `isa.entry`. An unscheduled chain is an error.
std::unique_ptr<mlir::Pass> createStreamToISAPass();

} // namespace lpu

#endif // LPU_CONVERSION_PASSES_H
