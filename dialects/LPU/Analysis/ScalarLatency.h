//===- ScalarLatency.h - Least latency of elementwise operations -*- C++ -*-===//
#ifndef LPU_ANALYSIS_SCALARLATENCY_H
#define LPU_ANALYSIS_SCALARLATENCY_H

#include "LPU/Analysis/Costs.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "llvm/ADT/STLFunctionalExtras.h"

namespace mlir::lpu {

/// (B3) of an elementwise operation.
struct ScalarLatency {
  /// Cycles from an element of each input to the result; -1 where the result does
  /// not depend on it.
  llvm::SmallVector<int64_t> inputs;
  int64_t operations = 0; ///< on the VXM, an element, at least
};

/// Functions count, and products of two numbers that the run computes. A constant
/// factor may move into a scale and a sum into a product before it: they count nothing.
/// `isConstant` says which inputs of `op` are.
ScalarLatency getScalarLatency(linalg::GenericOp op, const Costs &costs,
                               llvm::function_ref<bool(Value)> isConstant);

} // namespace mlir::lpu

#endif // LPU_ANALYSIS_SCALARLATENCY_H
