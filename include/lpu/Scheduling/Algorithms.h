//===- Algorithms.h - Schedules and bounds of chain problems ----*- C++ -*-===//
#ifndef LPU_SCHEDULING_ALGORITHMS_H
#define LPU_SCHEDULING_ALGORITHMS_H

#include "absl/status/statusor.h"
#include "lpu/Scheduling/ChainProblem.h"

namespace lpu::scheduling {

/// List scheduling: of the chains whose predecessors are placed, the one with
/// the longest way to the end goes to the earliest start at which its queues,
/// ALUs and streams are free. Deterministic. Errors: a chain that no start fits
/// (more streams or ALUs at once than there are).
absl::StatusOr<Schedule> scheduleByCriticalPath(const ChainProblem &problem);

/// The longest path through the dependences, plus the length of its last chain.
int64_t getLongestPath(const ChainProblem &problem);

} // namespace lpu::scheduling

#endif // LPU_SCHEDULING_ALGORITHMS_H
