//===- Lanes.h - Which dimension of each tensor runs along lanes -*- C++ -*-===//
//
// Where a dimension lies on lanes, every operation works on whole words. That is so for all
// tensors that an operation ties together by one parallel loop, so dimensions that loops
// tie are one class; a class that no operation reduces, cuts or looks up is free to lie on
// lanes. Tensors of which none does have one element a word, the same in every lane.
//
//===----------------------------------------------------------------------===//
#ifndef LPU_LIB_CONVERSION_TENSORTONEST_LANES_H
#define LPU_LIB_CONVERSION_TENSORTONEST_LANES_H

#include "Contractions.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "llvm/ADT/DenseMap.h"

namespace lpu::nest_lowering {

/// The number of a linalg.fill, also of a generalized one; null where `op` is something else.
mlir::Value getFill(mlir::Operation *op);

/// Whether `value` is known at compile time, so that every user may lay it out anew:
/// constants, fills and what is empty.
bool isFree(mlir::Value value);

class LaneAssignment {
public:
  /// Chooses for all tensors of `entry`, at `lanes` lanes a word.
  LaneAssignment(mlir::func::FuncOp entry, int64_t lanes);

  /// The dimension of `value` on lanes; -1 when there is none.
  int64_t getDim(mlir::Value value) const;
  /// The loop of `op` on lanes; -1 when there is none.
  int64_t getLoop(mlir::linalg::GenericOp op) const;

  /// What `op` is to be for the MXM: its activations have their depth on lanes, its result
  /// its columns. Null when it is a nest.
  const Contraction *getContraction(mlir::linalg::GenericOp op) const {
    auto found = contractions.find(op);
    return found == contractions.end() ? nullptr : &found->second;
  }

private:
  struct Class {
    bool isBad = false, isChosen = false;
    double gain = 0;
    llvm::SmallVector<unsigned> conflicts;
  };

  unsigned find(unsigned id) const;
  void unite(unsigned a, unsigned b);
  /// The class of a dimension; none where it has one index, or lies as its users like.
  std::optional<unsigned> getClass(mlir::Value value, int64_t dim) const;
  void markBad(mlir::Value value, int64_t dim);
  void tie(mlir::Value a, int64_t dimA, mlir::Value b, int64_t dimB);
  void visit(mlir::Operation &op);
  void visitGeneric(mlir::linalg::GenericOp op);
  /// Classes that may not both lie on lanes.
  void separate(llvm::ArrayRef<unsigned> classes);
  void choose();

  /// Classes for the contractions that are left, and the choice among them.
  void assign(mlir::Block &body);
  /// Whether depth and columns of a contraction lie on lanes.
  bool isServed(mlir::linalg::GenericOp op, const Contraction &contraction) const;

  int64_t lanes;
  llvm::DenseMap<mlir::Operation *, Contraction> contractions;
  llvm::DenseMap<mlir::Value, unsigned> first; ///< id of dimension 0
  mutable llvm::SmallVector<unsigned> parent;  ///< mutable: paths are shortened
  llvm::SmallVector<Class> classes;            ///< by id; that of the class is its root's
  llvm::SmallVector<mlir::Value> tensors;
};

/// What a dimension of a reshape becomes where it stays by itself: pairs of dimensions of
/// source and result. Dimensions of one index, and those that others join, have none.
llvm::SmallVector<std::pair<int64_t, int64_t>>
getKeptDims(llvm::ArrayRef<mlir::ReassociationIndices> groups, mlir::RankedTensorType source,
            mlir::RankedTensorType result);

} // namespace lpu::nest_lowering

#endif // LPU_LIB_CONVERSION_TENSORTONEST_LANES_H
