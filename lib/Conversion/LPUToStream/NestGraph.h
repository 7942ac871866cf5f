//===- NestGraph.h - A nest's body as ALU operations in time ----*- C++ -*-===//
#ifndef LPU_LIB_CONVERSION_LPUTOSTREAM_NESTGRAPH_H
#define LPU_LIB_CONVERSION_LPUTOSTREAM_NESTGRAPH_H

#include "MapGraph.h"

namespace lpu::stream_lowering {

/// The ALU program of a nest whose results are `steps` steps in a row: its body, the
/// reduction over these steps, and what drives the results. Every input is read in one
/// cycle. Errors: an operation that the VXM does not have.
mlir::FailureOr<std::vector<MapNode>> buildNestGraph(mlir::lpu::NestOp op, const Target &target,
                                                     int64_t steps);

/// ALUs that a program takes: one an operation, and one for every time that a result waits
/// for up to the longest delay.
int64_t countAlus(llvm::ArrayRef<MapNode> nodes, const Target &target);

} // namespace lpu::stream_lowering

#endif // LPU_LIB_CONVERSION_LPUTOSTREAM_NESTGRAPH_H
