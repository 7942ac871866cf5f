//===- Effects.h - What instructions read and write -------------*- C++ -*-===//
#ifndef STREAM_TRANSFORMS_EFFECTS_H
#define STREAM_TRANSFORMS_EFFECTS_H

#include "Stream/IR/StreamDialect.h"
#include "lpu/Scheduling/ChainProblem.h"

namespace mlir::stream {

/// An issue with its queue.
struct ParsedIssue {
  IssueOp op;
  ::lpu::QueueId queue; ///< ALU 0 where the ALU is not chosen

  /// Without what a schedule decides.
  ::lpu::Instruction getInstruction() { return op.getInstruction().unpack(); }
  bool isAnyAlu() { return op.getQueue() == "vxm.*"; }
  int64_t getOffset() { return op.getOffset(); }
};

struct ParsedChain {
  ChainOp op;
  std::vector<ParsedIssue> issues;
};

/// The chains of `program` in their order. Errors are reported at the issue.
FailureOr<std::vector<ParsedChain>> parseChains(ProgramOp program,
                                                const ::lpu::Target &target);

/// A place that keeps values between instructions, as one number.
using Cell = uint64_t;

/// One access of a cell. A read takes the cell in `cycle`; a write is seen by
/// reads from `cycle` on.
struct Effect {
  Cell cell;
  bool isWrite;
  int64_t cycle; ///< relative to the chain's start
};

/// Calls `add` for every access of `issue`, whose instruction is `in`, under its Repeat: SRAM words (M2, M4,
/// M5: a mapped part may touch its whole window), the weight buffer and
/// installed array of every plane of the gang (X1 to X6), accumulators (X9,
/// X10), the register of an ALU that the program names (V8).
void forEachEffect(const ::lpu::Target &target, ParsedIssue &issue,
                   const ::lpu::Instruction &in,
                   llvm::function_ref<void(const Effect &)> add);

/// Planes that an MXM instruction of `format` on the queues of `plane` uses: the
/// lead plane first (X1).
SmallVector<unsigned, 2> getGang(const ::lpu::Target &target, unsigned plane,
                                 int64_t format);

/// Whether the ALU's register has a part in `instruction`; `fromOutside` when
/// another instruction has to have loaded it.
bool usesRegister(const ::lpu::Instruction &instruction, bool &fromOutside);

/// start(to) >= start(from) + delay for all chains, in program order, so that
/// every read sees the write that precedes it in the text.
std::vector<::lpu::scheduling::Dependence>
getDependences(std::vector<ParsedChain> &chains, const ::lpu::Target &target);

} // namespace mlir::stream

#endif // STREAM_TRANSFORMS_EFFECTS_H
