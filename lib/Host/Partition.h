//===- Partition.h - An entry as calls of kernels ---------------*- C++ -*-===//
#ifndef LPU_LIB_HOST_PARTITION_H
#define LPU_LIB_HOST_PARTITION_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/StringMap.h"
#include <vector>

namespace lpu::host {

/// Memory of one value, or of several that only differ in shape.
struct Buffer {
  mlir::RankedTensorType type;
  int input = -1;                         ///< which input it is
  mlir::Operation *constant = nullptr;    ///< what makes the constant it is
  bool computedConstant = false;          ///< whether it is made once, from constants
};

/// One call of a kernel: its arguments are the inputs, then the result.
struct Call {
  int kernel;                          ///< -1: a conversion of elements
  std::vector<unsigned> inputs;
  unsigned result;
  int tied = -1;                       ///< the buffer that the result starts as
  mlir::Operation *op;                 ///< of the entry
  std::vector<int> operands;           ///< buffers of its operands; -1: no data
};

struct Partition {
  std::vector<Buffer> buffers;
  std::vector<Call> calls;
  std::vector<unsigned> results;
  unsigned numKernels = 0;
};

/// The name of a kernel's function.
std::string getKernelName(unsigned kernel);

/// Cuts `entry` into calls, and adds the kernels' functions to `kernels`. May
/// rewrite the entry.
mlir::FailureOr<Partition> partition(mlir::func::FuncOp entry, mlir::ModuleOp kernels);

} // namespace lpu::host

#endif // LPU_LIB_HOST_PARTITION_H
