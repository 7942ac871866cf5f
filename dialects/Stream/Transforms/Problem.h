//===- Problem.h - A program as a scheduling problem ------------*- C++ -*-===//
#ifndef STREAM_TRANSFORMS_PROBLEM_H
#define STREAM_TRANSFORMS_PROBLEM_H

#include "Effects.h"

namespace mlir::stream {

/// The scheduling problem of a program, and the way back.
class ProgramProblem {
public:
  /// Errors are reported at the issue: what cannot be scheduled.
  static FailureOr<ProgramProblem> create(ProgramOp program,
                                          const ::lpu::Target &target);

  const ::lpu::scheduling::ChainProblem &get() const { return problem; }

  /// Writes starts, stream ids, ALUs and the cycle count.
  void write(const ::lpu::scheduling::Schedule &schedule);

  /// The schedule that the attributes spell. Errors are reported at the
  /// operation: a start, an id or an ALU that is absent, ids of a bundle that
  /// are not consecutive.
  FailureOr<::lpu::scheduling::Schedule> read();

private:
  ProgramProblem(ProgramOp program, const ::lpu::Target &target)
      : program(program), target(target) {}

  LogicalResult addChain(ParsedChain &chain);
  LogicalResult addIssue(::lpu::scheduling::Chain &chain, ParsedIssue &issue);
  LogicalResult addFlow(::lpu::scheduling::Chain &chain, Value root);
  /// A flow of a chain, and the first of its ids that a value has.
  struct FlowId {
    unsigned flow, id;
  };
  /// `flowId`: of the issue's first flow; moves behind its last one.
  LogicalResult readIds(::lpu::scheduling::ChainPlacement &placement, IssueOp issue,
                        const FlowId *&flowId);

  ProgramOp program;
  const ::lpu::Target &target;
  ::lpu::scheduling::ChainProblem problem;
  std::vector<ParsedChain> chains;
  uint64_t registerAlus = 0; ///< ALUs whose register the program names
  std::vector<FlowId> flowIds; ///< of all issues' flows, in order
  /// Of one chain, while it is added.
  llvm::DenseMap<Operation *, ParsedIssue *> parsed;
  llvm::DenseSet<Value> roots;
  llvm::DenseMap<Value, FlowId> idOf;
};

} // namespace mlir::stream

#endif // STREAM_TRANSFORMS_PROBLEM_H
