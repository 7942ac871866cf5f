//===- Effects.h - What instructions read and write -------------*- C++ -*-===//
#ifndef STREAM_TRANSFORMS_EFFECTS_H
#define STREAM_TRANSFORMS_EFFECTS_H

#include "Stream/IR/StreamDialect.h"
#include "lpu/Scheduling/ChainProblem.h"

namespace mlir::stream {

/// A place that keeps values between instructions, as one number.
using Cell = uint64_t;

/// One access of a cell. A read takes the cell in `cycle`; a write is seen by
/// reads from `cycle` on.
struct Effect {
  Cell cell;
  bool isWrite;
  int64_t cycle; ///< relative to the chain's start
};

/// Calls `add` for every access of `instruction` under its Repeat, issued at
/// `offset`: SRAM words (M2, M4, M5: a mapped part may touch its whole window),
/// the plane's weight buffer and installed array (X2 to X6), accumulators (X9,
/// X10).
void forEachEffect(const ::lpu::Target &target, ::lpu::QueueId queue,
                   const ::lpu::Instruction &instruction, int64_t offset,
                   llvm::function_ref<void(const Effect &)> add);

/// Whether `cell` is an SRAM word.
bool isWord(Cell cell);

/// start(to) >= start(from) + delay for all chains of `program`, in program
/// order, so that every read sees the write that precedes it in the text.
FailureOr<std::vector<::lpu::scheduling::Dependence>>
getDependences(ProgramOp program, const ::lpu::Target &target);

} // namespace mlir::stream

#endif // STREAM_TRANSFORMS_EFFECTS_H
