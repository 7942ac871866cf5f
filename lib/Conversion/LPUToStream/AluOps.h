//===- AluOps.h - Scalar operations as ALU operations -----------*- C++ -*-===//
#ifndef LPU_LIB_CONVERSION_LPUTOSTREAM_ALUOPS_H
#define LPU_LIB_CONVERSION_LPUTOSTREAM_ALUOPS_H

#include "lpu/Target/Target.h"
#include "mlir/IR/Operation.h"

namespace lpu::stream_lowering {

/// An ALU operation by its name in the instruction table.
struct AluOperation {
  llvm::StringRef name;  ///< empty: none does it
  bool isTurned = false; ///< it takes the two operands the other way round
  bool isFree = false;   ///< the result is the operand's bits
};
/// What the VXM does `op` with; results of comparisons are int32, 1 or 0.
AluOperation getAluOperation(mlir::Operation &op);

/// Cycles from issue to result.
int64_t getAluLatency(llvm::StringRef name, const Target &target);

} // namespace lpu::stream_lowering

#endif // LPU_LIB_CONVERSION_LPUTOSTREAM_ALUOPS_H
