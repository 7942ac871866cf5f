//===- Host.h - The tensor level on this machine ----------------*- C++ -*-===//
//
// An entry of the tensor level is cut into kernels, one an operation; kernels
// of one form are compiled once, by MLIR's JIT, and called in order. Sums run in
// the order of the definition. docs/Host.md says how.
//
//===----------------------------------------------------------------------===//
#ifndef LPU_HOST_HOST_H
#define LPU_HOST_HOST_H

#include "absl/status/statusor.h"
#include "lpu/Support/Npy.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/DenseMap.h"
#include <memory>
#include <string>
#include <vector>

namespace lpu::host {

/// An input or output: its name in the model and its static type.
struct Port {
  std::string name;
  mlir::RankedTensorType type;
};

/// Largest |x| of each operand of an operation; 0 for operands that are
/// constants or not float. Of a cache update: of each column of its rows.
using Observations = llvm::DenseMap<mlir::Operation *, std::vector<float>>;

/// One entry, compiled. Its weights are mapped, not copied.
class Program {
public:
  /// `entry` is at the tensor level, in a context with all dialects of
  /// registerAllDialects. Errors are emitted at the operation.
  static mlir::FailureOr<std::unique_ptr<Program>> compile(mlir::func::FuncOp entry);
  ~Program();

  const std::vector<Port> &inputs() const;
  const std::vector<Port> &outputs() const;
  /// Kernels that were compiled and calls of them that a run makes.
  size_t numKernels() const;
  size_t numCalls() const;

  /// Outputs in order, from inputs in order. A cache that is updated and read
  /// no more is updated in the input's own memory. With `observations`, merges
  /// the largest |x| of the operands of each linalg.matmul, norm,
  /// lpu.attention and lpu.cache_update of the entry that was compiled. Errors name the input, or
  /// the operation that met a value that is not finite or does not fit its type.
  absl::StatusOr<std::vector<NpyArray>> run(std::vector<NpyArray> inputs,
                                            Observations *observations = nullptr);

private:
  Program();
  struct Implementation;
  std::unique_ptr<Implementation> implementation;
};

/// An array of zeros of an input's type.
NpyArray makeZeros(mlir::RankedTensorType type);
/// NumPy's type string of an array of such elements, "<f4", of what NumPy lacks that of
/// unsigned integers with the same bits; empty for what is no number.
std::string getDescr(mlir::Type element);

} // namespace lpu::host

#endif // LPU_HOST_HOST_H
