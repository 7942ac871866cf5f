//===- MapGraph.h - A map's body as ALU operations in time ------*- C++ -*-===//
#ifndef LPU_LIB_CONVERSION_LPUTOSTREAM_MAPGRAPH_H
#define LPU_LIB_CONVERSION_LPUTOSTREAM_MAPGRAPH_H

#include "Lowering.h"
#include <optional>
#include <variant>

namespace lpu::stream_lowering {

/// An ALU operation of one vector's program.
struct MapNode {
  /// A node's result, an input of the map, or an immediate.
  struct Operand {
    enum class Kind { Node, Input, Float, Integer } kind;
    unsigned index = 0; ///< node or input
    float value = 0;
    int64_t integer = 0;
  };
  std::string op;                    ///< name in the instruction table
  llvm::SmallVector<Operand, 3> operands;
  std::optional<std::pair<int64_t, int64_t>> bounds; ///< lo, hi of f2i
  unsigned counter = 0;              ///< 1-based, 0 for none
  /// Result of the map and copy of it that this node drives, if any.
  std::optional<std::pair<unsigned, unsigned>> drives;
  /// Results of the map that it is and that wait on the mesh.
  llvm::SmallVector<unsigned, 1> carries;
  /// Cycle of its issue for the first row, relative to the last nodes' (0).
  int64_t time = 0;
  int64_t latency = 0;
};

/// The ALU program of `op`: its body, then the conversions of its results, in
/// topological order. An accumulator input counts as one value: the f32 sum of
/// its limbs. Saturation counters are appended to `counters`. Errors: an
/// operation that the VXM does not have.
mlir::FailureOr<std::vector<MapNode>>
buildMapGraph(mlir::lpu::MapOp op, const Target &target,
              llvm::SmallVectorImpl<std::string> &counters, llvm::StringRef name);

} // namespace lpu::stream_lowering

#endif // LPU_LIB_CONVERSION_LPUTOSTREAM_MAPGRAPH_H
