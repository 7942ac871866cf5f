//===- VectorChain.h - The chain of one vector of a map's results -*- C++ -*-===//
#ifndef LPU_LIB_CONVERSION_LPUTOSTREAM_VECTORCHAIN_H
#define LPU_LIB_CONVERSION_LPUTOSTREAM_VECTORCHAIN_H

#include "MapGraph.h"
#include <map>

namespace lpu::stream_lowering {

/// An array that takes the rows of a map's result straight from the VXM, and the
/// accumulators of the sums: limb l of row r has first + r * step + l, rows counted from the
/// block's first; with a step of 0 sums go on before the next come.
struct StreamedArray {
  mlir::lpu::ContractOp contract;
  unsigned plane;
  llvm::SmallVector<Pass> passes; ///< of one vector of activations, one a half
  int64_t first, step;
};

/// Sums on their way: limb by limb, at the VXM from cycle `arrival` of the chain on.
struct SumFlow {
  mlir::Value flow;
  int64_t arrival;
};

/// Writes a chain, or a part of one, that computes one vector of some rows of a map's results.
/// A step of its Repeats is a row.
///
/// The limbs of a sum come one after another, those of all rows before those of the next
/// limb; sums wait for them in delays. So a row takes a cycle, and what follows keeps its
/// ALUs for as many cycles as there are rows.
class VectorChain {
public:
  /// The most rows of sums in limbs: what a delay can hold.
  static int64_t getMostRows(const Target &target) {
    return target.latencies().alu_delay_max() + target.latencies().alu();
  }

  /// `tiles` are the accumulators of the inputs that are sums, by input; those of
  /// row `firstRow` come first. Of a tile with a last pass, the chain streams the
  /// activations, too, and its sums go on as they are complete.
  VectorChain(mlir::lpu::MapOp op, llvm::ArrayRef<MapNode> nodes, Rows rows, int64_t firstRow,
              int64_t vector, const std::map<unsigned, AccumulatorTile> &tiles,
              const Target &target, ChainBuilder &chain);

  /// The result that is streamed goes into `array`.
  void streamTo(const StreamedArray &array) { streamed = &array; }
  /// The sums that `input` reads, and the results of `producer` that others read, come from
  /// the part of the chain that `producer` has written.
  void continueFrom(const VectorChain &producer, unsigned input, SumFlow flow);

  mlir::LogicalResult build();
  /// Sends the streamed rows, which are built, through the array; `emits` their sums.
  SumFlow sendRows(bool emits);

private:
  /// Accumulators that hold one row of the sums in `input`.
  int64_t getNumEmissions(unsigned input);
  bool isFloat(unsigned input);
  /// Whether one operation takes the sums in `input`, which can come on a stream.
  bool isTakenOnce(unsigned input) { return getUses(input).size() == 1 && isFloat(input); }
  /// Cycles from the first limb on the mesh to the sum of all up to `limb`, the
  /// number of one, high limb first.
  int64_t getLimbLatency(int64_t limb);
  /// Cycles from the first emission's arrival to the sum on the mesh.
  int64_t getSumLatency(unsigned input);
  /// Whether the plane of `input` is free to emit its accumulators so that they arrive
  /// from `arrival` on, for every row; they are taken.
  bool takeEmissions(unsigned input, int64_t arrival);
  /// When the operations that take the sums in `input` do so.
  llvm::SmallVector<int64_t> getUses(unsigned input);

  /// One issue a row.
  Repeated each() const;
  /// One issue a limb of every row.
  Repeated each(int64_t limbs) const { return {rows.inner, 1, limbs, rows.inner}; }
  unsigned vxm() const { return target.vxmColumn(); }
  /// Strides from row to row, where one takes `stride` words.
  std::array<int64_t, 2> getSteps(int64_t stride) const {
    return {rows.outerStep * stride, rows.innerStep * stride};
  }
  /// The rows of an input of `inputRows` rows that serve the chain's rows.
  mlir::FailureOr<Rows> getInputRows(int64_t inputRows);

  mlir::lpu::BufferType getResultType(const MapNode &node);
  const mlir::lpu::Placement &getResultPlacement(const MapNode &node);
  mlir::stream::Direction getResultDirection(const MapNode &node);
  mlir::LogicalResult writeResult(const MapNode &node, mlir::Value flow);
  /// Scatters the rows into the tiles: data and map pass all slices of the stripe; each
  /// takes what falls into its own window.
  /// The plane or slices that the result of `node` goes to, by their column.
  unsigned getResultColumn(const MapNode &node);
  mlir::LogicalResult append(mlir::lpu::AppendOp append, mlir::Value flow, int64_t cycle);

  mlir::LogicalResult setOperand(Fields &fields, llvm::StringRef letter,
                                 const MapNode::Operand &operand, int64_t time,
                                 llvm::SmallVectorImpl<mlir::Value> &operands);
  mlir::LogicalResult setInput(Fields &fields, llvm::StringRef letter, unsigned input,
                               int64_t time, llvm::SmallVectorImpl<mlir::Value> &operands);
  mlir::LogicalResult setSums(Fields &fields, llvm::StringRef letter, unsigned input,
                              int64_t time, llvm::SmallVectorImpl<mlir::Value> &operands);
  /// The words of `copy` that serve the chain's rows, at the VXM from `cycle` on.
  mlir::FailureOr<mlir::Value> readRows(mlir::lpu::BufferType type,
                                        const mlir::lpu::Placement &copy, int64_t cycle);
  /// Word `word` of every byte plane of `copy`, at the VXM from `cycle` on; it grows by
  /// `steps` with the rows.
  mlir::Value readWords(const mlir::lpu::Placement &copy, int64_t word, int64_t cycle,
                        std::array<int64_t, 2> steps);
  /// `value`, on the mesh in cycle `ready`, in cycle `wanted`.
  mlir::Value delayed(mlir::Value value, int64_t ready, int64_t wanted);

  /// The sums in `input`, limb by limb, at the VXM from `arrival` on.
  mlir::Value emitSums(unsigned input, const AccumulatorTile &tile, int64_t arrival);
  /// The activations of the last pass, in the plane from `cycle` on, and what that
  /// makes.
  mlir::Value streamActivations(unsigned input, const AccumulatorTile &tile, int64_t cycle);
  /// The streamed rows on a stream once more, at the VXM in cycle `cycle`.
  mlir::Value driveAgain(int64_t cycle);
  /// The sums in `flow` on the mesh, the first one getSumLatency after its first emission,
  /// which comes to the VXM in cycle `arrival`.
  mlir::FailureOr<mlir::Value> takeSums(unsigned input, mlir::Value flow, int64_t arrival);
  /// The sum of `limbs`, high limb first, each 256 times the next, on the mesh from
  /// `cycle` on, and when it is complete.
  std::pair<mlir::Value, int64_t> sumLimbs(mlir::Value limbs, int64_t count, int64_t cycle);

  mlir::lpu::MapOp op;
  llvm::ArrayRef<MapNode> nodes;
  Rows rows;
  int64_t firstRow, vector;
  const std::map<unsigned, AccumulatorTile> &tiles;
  const Target &target;
  ChainBuilder &chain;
  int64_t origin = 0; ///< cycle of the chain that the nodes' times count from
  const StreamedArray *streamed = nullptr;
  std::optional<std::pair<unsigned, SumFlow>> given; ///< sums, by input
  /// The node that drives the streamed rows, on a stream and on the mesh.
  const MapNode *driver = nullptr;
  mlir::Value driven, onMesh;
  /// Results that wait on the mesh, and from when on in the chain.
  std::map<unsigned, std::pair<mlir::Value, int64_t>> carried;
  /// Inputs that do.
  std::map<unsigned, std::pair<mlir::Value, int64_t>> carriedInputs;
  int64_t resultRows = 1; ///< of the whole map
  std::vector<mlir::Value> results; ///< on the mesh, by node
  /// First cycle and the one past the last of emissions at the VXM, by plane.
  std::map<unsigned, std::vector<std::pair<int64_t, int64_t>>> emissionsOf;
  std::map<unsigned, llvm::SmallVector<mlir::lpu::Placement>> placementsOf;
  std::map<unsigned, std::pair<mlir::Value, int64_t>> sums;
  std::map<std::pair<unsigned, int64_t>, mlir::Value> streams;
  std::map<std::pair<const void *, int64_t>, mlir::Value> delays;
};

} // namespace lpu::stream_lowering

#endif // LPU_LIB_CONVERSION_LPUTOSTREAM_VECTORCHAIN_H
