//===- Layout.h - Where a tensor's columns lie ------------------*- C++ -*-===//
#ifndef LPU_LIB_CONVERSION_TENSORTOKERNEL_LAYOUT_H
#define LPU_LIB_CONVERSION_TENSORTOKERNEL_LAYOUT_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/DenseMap.h"
#include <vector>

namespace lpu::tensor_lowering {

/// The columns of a buffer: how many a vector carries, and which column of the
/// tensor each one is.
struct Layout {
  int64_t width = 0;            ///< 0: as many as there are lanes
  std::vector<int64_t> columns; ///< empty: in the tensor's order
  bool operator==(const Layout &) const = default;

  bool isPlain() const { return width == 0 && columns.empty(); }
  int64_t getColumn(int64_t c) const { return columns.empty() ? c : columns[size_t(c)]; }
  /// `rows` x `columns` values with their columns in this order.
  template <typename T> std::vector<T> permuteColumns(llvm::ArrayRef<T> values) const {
    std::vector<T> result(values.begin(), values.end());
    for (size_t at = 0; !columns.empty() && at < values.size(); ++at) {
      size_t c = at % columns.size();
      result[at] = values[at - c + size_t(columns[c])];
    }
    return result;
  }
  /// The same for the rows of a matrix with `n` columns.
  template <typename T>
  std::vector<T> permuteRows(llvm::ArrayRef<T> values, int64_t n) const {
    std::vector<T> result;
    result.reserve(values.size());
    for (int64_t row = 0; row < int64_t(values.size()) / n; ++row) {
      llvm::ArrayRef<T> from = values.slice(size_t(getColumn(row) * n), size_t(n));
      result.insert(result.end(), from.begin(), from.end());
    }
    return result;
  }
};

/// Heads of attention in lanes. A vector carries `headsPerVector` key and value
/// heads. What attention makes has one query head for every value head of a vector, on
/// its lanes. Queries come in the same order, one group of query heads after another,
/// `queriesPerVector` a vector.
struct HeadLayout {
  int64_t queryHeads, kvHeads, headSize, headsPerVector, queriesPerVector;
  /// As many heads a vector as fit and divide them evenly; 0 when none fits.
  static HeadLayout get(int64_t queryHeads, int64_t kvHeads, int64_t headSize,
                        int64_t lanes);
  int64_t getWidth() const { return headsPerVector * headSize; }
  Layout getKeyValue() const { return {getWidth(), {}}; }
  Layout getQuery() const { return {queriesPerVector * headSize, getOrder()}; }
  Layout getResult() const { return {getWidth(), getOrder()}; }

private:
  std::vector<int64_t> getOrder() const;
};

/// The layouts that the attention of `entry` asks of the tensors it reads and
/// gives to the one it makes; all others are plain.
class Layouts {
public:
  void assign(mlir::func::FuncOp entry, int64_t lanes);
  const Layout &operator[](mlir::Value tensor) const;

private:
  /// Asks the producers of `tensor` for `layout`, up to a product with a
  /// constant, which can give its columns any order.
  void require(mlir::Value tensor, const Layout &layout);
  /// Hands the layout of `tensor` on to what is made of it lane by lane.
  void propagate(mlir::Value tensor);

  llvm::DenseMap<mlir::Value, Layout> layouts;
  Layout plain;
};

} // namespace lpu::tensor_lowering

#endif // LPU_LIB_CONVERSION_TENSORTOKERNEL_LAYOUT_H
