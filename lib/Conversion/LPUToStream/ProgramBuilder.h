//===- ProgramBuilder.h - What bodies of maps and nests become --*- C++ -*-===//
#ifndef LPU_LIB_CONVERSION_LPUTOSTREAM_PROGRAMBUILDER_H
#define LPU_LIB_CONVERSION_LPUTOSTREAM_PROGRAMBUILDER_H

#include "MapGraph.h"
#include <set>

namespace lpu::stream_lowering {

/// The nodes of an ALU program as they are appended, in topological order, and their times.
class ProgramBuilder {
protected:
  using Operand = MapNode::Operand;

  explicit ProgramBuilder(const Target &target) : target(target) {}

  static Operand immediate(float value) { return {Operand::Kind::Float, 0, value, 0}; }
  static Operand integer(int64_t value) { return {Operand::Kind::Integer, 0, 0, value}; }

  /// Appends operation `name`.
  Operand node(llvm::StringRef name, llvm::ArrayRef<Operand> operands);
  /// Appends what computes `op`: a few ALU operations for divisions, roots and floors, else one.
  /// An error is emitted where the VXM has none.
  mlir::FailureOr<Operand> compute(mlir::Operation &op, llvm::SmallVector<Operand> operands);

  /// When nodes read `input`.
  std::set<int64_t> getReadTimes(unsigned input) const;
  /// A copy on the mesh, which waits there, serves all uses of `input`.
  void readOnce(unsigned input);
  /// As late as possible, so that a value with one consumer never waits.
  void setTimes();

  const Target &target;
  std::vector<MapNode> nodes;
  llvm::DenseMap<mlir::Value, Operand> values;
};

} // namespace lpu::stream_lowering

#endif // LPU_LIB_CONVERSION_LPUTOSTREAM_PROGRAMBUILDER_H
