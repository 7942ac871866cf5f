//===- Derive.h - Integers that the host computes ---------------*- C++ -*-===//
#ifndef LPU_LIB_CONVERSION_TENSORTOKERNEL_DERIVE_H
#define LPU_LIB_CONVERSION_TENSORTOKERNEL_DERIVE_H

#include "LPU/IR/LPUKernelOps.h"
#include <string>

namespace lpu::tensor_lowering {

/// An expression over integer inputs, evaluated for every lane of every vector
/// of a derived buffer. Division and remainder are floor's, by a positive
/// divisor; comparisons are 1 or 0.
class IndexExpr {
public:
  IndexExpr(int64_t constant); // NOLINT: constants mix freely with expressions
  static IndexExpr lane();
  /// The number of the vector in its buffer.
  static IndexExpr row();
  /// Element `index` of the integer input called `name`.
  static IndexExpr input(llvm::StringRef name, const IndexExpr &index);

  friend IndexExpr operator+(const IndexExpr &a, const IndexExpr &b);
  friend IndexExpr operator-(const IndexExpr &a, const IndexExpr &b);
  friend IndexExpr operator*(const IndexExpr &a, const IndexExpr &b);
  friend IndexExpr operator/(const IndexExpr &a, const IndexExpr &b);
  friend IndexExpr operator%(const IndexExpr &a, const IndexExpr &b);
  friend IndexExpr operator<(const IndexExpr &a, const IndexExpr &b);
  friend IndexExpr operator==(const IndexExpr &a, const IndexExpr &b);
  friend IndexExpr min(const IndexExpr &a, const IndexExpr &b);
  friend IndexExpr max(const IndexExpr &a, const IndexExpr &b);
  /// condition != 0 ? a : b
  friend IndexExpr select(const IndexExpr &condition, const IndexExpr &a,
                          const IndexExpr &b);

  /// In postfix order, as lpu.derive has it.
  llvm::ArrayRef<int64_t> getSteps() const { return steps; }
  llvm::ArrayRef<std::string> getInputs() const { return inputs; }

private:
  IndexExpr() = default;
  static IndexExpr join(llvm::ArrayRef<const IndexExpr *> operands,
                        mlir::lpu::DeriveStep step);
  llvm::SmallVector<int64_t> steps; ///< [step, value], flat
  std::vector<std::string> inputs;
};

} // namespace lpu::tensor_lowering

#endif // LPU_LIB_CONVERSION_TENSORTOKERNEL_DERIVE_H
