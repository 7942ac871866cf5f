//===- NestConverter.h - One entry, tensors to loop nests -------*- C++ -*-===//
#ifndef LPU_LIB_CONVERSION_TENSORTONEST_NESTCONVERTER_H
#define LPU_LIB_CONVERSION_TENSORTONEST_NESTCONVERTER_H

#include "Contractions.h"
#include "LPU/IR/LPUKernelOps.h"
#include "LPU/IR/LPUTensorOps.h"
#include "Lanes.h"
#include "ONNX/IR/WeightFiles.h"
#include "lpu/Target/Target.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include <map>

namespace lpu::nest_lowering {

/// Where the elements of a tensor lie among the words of a buffer: element (i_0 ..) in word
/// offset + sum strides[d] * i_d, all lanes alike; with a dimension on lanes, index i of
/// that is lane i % lanes of word ... + (i / lanes) * vectorStride.
struct Layout {
  int64_t laneDim = -1, vectorStride = 1, offset = 0;
  llvm::SmallVector<int64_t> strides; ///< one a dimension, 0 for that on lanes
};

class NestConverter {
public:
  NestConverter(mlir::func::FuncOp entry, const Target &target);

  /// Replaces the body of the entry. Errors are emitted at the operation.
  mlir::LogicalResult run();

private:
  using Builder = mlir::ImplicitLocOpBuilder;

  /// A tensor that the chip holds.
  struct Placed {
    mlir::Value buffer;
    Layout layout;
  };
  /// An operand of a nest: [offset, stride a loop].
  struct Operand {
    mlir::Value buffer;
    llvm::SmallVector<int64_t> access;
  };

  mlir::LogicalResult loadInput(Builder &b, mlir::BlockArgument argument);
  mlir::LogicalResult convert(Builder &b, mlir::Operation &op);
  mlir::LogicalResult convertGeneric(Builder &b, mlir::linalg::GenericOp op);
  mlir::LogicalResult convertContraction(Builder &b, mlir::linalg::GenericOp op,
                                         const Contraction &contraction);
  mlir::LogicalResult convertReduction(Builder &b, mlir::linalg::GenericOp op);
  mlir::LogicalResult convertGather(Builder &b, mlir::lpu::GatherOp op);
  mlir::LogicalResult convertReshape(Builder &b, mlir::Operation *op,
                                     llvm::ArrayRef<mlir::ReassociationIndices> groups);
  mlir::LogicalResult convertPad(Builder &b, mlir::tensor::PadOp op);
  mlir::LogicalResult convertInsert(Builder &b, mlir::tensor::InsertSliceOp op);
  mlir::LogicalResult convertConcat(Builder &b, mlir::tensor::ConcatOp op);
  mlir::LogicalResult convertReturn(Builder &b, mlir::Operation &op);

  int64_t lanes() const { return int64_t(target.lanes()); }
  int64_t getVectors(int64_t size) const { return (size + lanes() - 1) / lanes(); }
  /// Words of a part of a buffer that is larger than a bank; 0 for others.
  int64_t getChunk(mlir::Value buffer) const {
    int64_t bank = int64_t(target.wordsPerBank());
    return mlir::cast<mlir::lpu::BufferType>(buffer.getType()).getRows() > bank ? bank : 0;
  }
  /// Rows without gaps, the dimension on lanes innermost.
  Layout getCanonical(mlir::RankedTensorType type, int64_t laneDim) const;
  /// The buffer of a tensor in that layout.
  mlir::lpu::BufferType getBuffer(mlir::RankedTensorType type, int64_t laneDim);
  mlir::lpu::BufferType getBuffer(int64_t words, int64_t columns, mlir::Type element);

  /// The elements of a constant, as 32 bits each; nothing where `value` is none. One element
  /// where all are equal.
  std::optional<std::vector<uint32_t>> getConstant(mlir::Value value);
  /// Slices, transposes and reshapes of constants are constants: notes the result's elements.
  bool moveConstant(mlir::Operation &op);
  /// The element that all of a free tensor have.
  std::optional<uint32_t> getSplat(mlir::Value value);
  /// `value`, of which, where it is free, `laneDim` lies on lanes.
  mlir::FailureOr<Placed> get(Builder &b, mlir::Value value, int64_t laneDim);
  /// `value` where the assignment wants it.
  mlir::FailureOr<Placed> get(Builder &b, mlir::Value value);

  /// The loops of an operation at the level of words: those that are not on lanes, and,
  /// last of the parallel ones, the vectors of the one that is.
  struct Loops {
    llvm::SmallVector<int64_t> sizes;
    llvm::SmallVector<int64_t> dims; ///< of the operation; -1 for the vectors
    size_t parallel = 0;
    int64_t lane = -1; ///< loop of the operation
  };
  Loops getLoops(mlir::linalg::GenericOp op);
  /// Words of an operand, by its indexing map.
  llvm::SmallVector<int64_t> getAccess(const Layout &layout, mlir::AffineMap map,
                                       const Loops &loops);
  /// The index of `loop` as a tensor of words.
  Operand getIndex(Builder &b, const Loops &loops, int64_t loop, int64_t size);

  /// The last `loops` loops of a nest, by "add" or "max"; none where `kind` is empty.
  struct Reduction {
    llvm::StringRef kind;
    int64_t loops = 1;
  };
  /// A nest over `loops` with results of these buffers and accesses. `body` gets the values
  /// of the operands and returns those of the results.
  mlir::lpu::NestOp
  nest(Builder &b, llvm::ArrayRef<int64_t> loops, llvm::ArrayRef<Operand> operands,
       llvm::ArrayRef<mlir::lpu::BufferType> results,
       llvm::ArrayRef<llvm::SmallVector<int64_t>> resultAccesses, Reduction reduction,
       llvm::function_ref<llvm::SmallVector<mlir::Value>(Builder &, mlir::ValueRange)> body);
  /// Operands of `op` and the values of its body that they are; those that are one number
  /// go to `splats`.
  mlir::FailureOr<llvm::SmallVector<Operand>>
  getOperands(Builder &b, mlir::linalg::GenericOp op, const Loops &loops,
              llvm::DenseMap<mlir::Value, uint32_t> &splats,
              llvm::SmallVectorImpl<mlir::Value> &arguments);
  /// `roots` of the body of `op`, computed from `values` of `arguments`, as words have them.
  llvm::SmallVector<mlir::Value> cloneBody(Builder &b, mlir::linalg::GenericOp op,
                                           mlir::ValueRange values,
                                           llvm::ArrayRef<mlir::Value> arguments,
                                           const llvm::DenseMap<mlir::Value, uint32_t> &splats,
                                           mlir::ValueRange roots);
  /// Sums and the like of `operand` over the last loop, which has `size` steps, for `rows`
  /// words before it: by halves.
  mlir::Value reduceByHalves(Builder &b, mlir::Value buffer, int64_t rows, int64_t size,
                             mlir::Operation *combiner);

  /// A copy of some words: all of `from` in the order of `type`'s canonical layout.
  mlir::Value copyTo(Builder &b, const Placed &from, mlir::RankedTensorType type, int64_t laneDim);
  /// A piece of lpu.assemble: the box of `sizes`, from one layout to another; input -1 is
  /// `value`.
  mlir::Attribute getPiece(Builder &b, int64_t input, uint32_t value, llvm::ArrayRef<int64_t> sizes,
                           int64_t laneDim, const Layout &from, const Layout &to);
  /// `layout` moved to an index, with steps.
  static Layout shift(const Layout &layout, llvm::ArrayRef<int64_t> offsets,
                      llvm::ArrayRef<int64_t> steps = {});
  /// Pieces that fill `type` but for the box at `offsets`, from the same box of input
  /// `input` (-1: `value`).
  void addAround(Builder &b, llvm::SmallVectorImpl<mlir::Attribute> &pieces, int64_t input,
                 uint32_t value, llvm::ArrayRef<int64_t> shape, llvm::ArrayRef<int64_t> offsets,
                 llvm::ArrayRef<int64_t> sizes, int64_t laneDim, const Layout &from,
                 const Layout &to);

  mlir::func::FuncOp entry;
  const Target &target;
  LaneAssignment assignment;
  mlir::onnx::WeightFiles files;
  llvm::DenseMap<mlir::Value, Placed> values;
  std::map<std::pair<const void *, int64_t>, Placed> constants;
  /// Elements of what moves constants, or has none.
  llvm::DenseMap<mlir::Value, std::vector<uint32_t>> moved;
};

} // namespace lpu::nest_lowering

#endif // LPU_LIB_CONVERSION_TENSORTONEST_NESTCONVERTER_H
