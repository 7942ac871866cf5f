//===- Algorithms.h - Schedules and bounds of chain problems ----*- C++ -*-===//
#ifndef LPU_SCHEDULING_ALGORITHMS_H
#define LPU_SCHEDULING_ALGORITHMS_H

#include "absl/status/statusor.h"
#include "lpu/Scheduling/ChainProblem.h"
#include <functional>

namespace lpu::scheduling {

/// Called now and then with the share of the search that is done, 0 to 1.
using OnProgress = std::function<void(double)>;

/// List scheduling: of the chains whose predecessors are placed, the one with
/// the longest way to the end goes to the earliest start at which its queues,
/// ALUs and streams are free. Deterministic. Errors: what `check` finds; a chain
/// that fits no start (more streams or ALUs at once than there are).
absl::StatusOr<Schedule> scheduleByCriticalPath(const ChainProblem &problem);

/// List scheduling by any rule: of the chains whose predecessors are placed, the one
/// with the largest number in `priorities` comes first, in program order among equals.
/// One number a chain. Errors as above.
absl::StatusOr<Schedule> scheduleByPriority(const ChainProblem &problem,
                                            const std::vector<int64_t> &priorities);

/// A schedule that takes no more cycles than `schedule`, a legal one: list scheduling
/// again and again, `steps` times, each time with more weight on the chains that had to
/// wait for a queue, an ALU or a stream on the way to the last cycle. Ends early where
/// none waited, or at the bound of the chains. Deterministic.
Schedule improveSchedule(const ChainProblem &problem, Schedule schedule, unsigned steps,
                         const OnProgress &onProgress = {});

/// How long to search for a schedule.
enum class Effort {
  Fast,     ///< once, in program order
  Standard, ///< once, by critical path
  High,     ///< standard, then improved in a fixed number of steps
};
absl::StatusOr<Schedule> scheduleWithEffort(const ChainProblem &problem, Effort effort,
                                            const OnProgress &onProgress = {});

/// The longest path through the dependences, with the length of its last chain.
int64_t getLongestPath(const ChainProblem &problem);

/// A cycle count that no schedule of `problem` can beat: the largest of the
/// longest path and, for every queue, for the ALUs together and for the busiest
/// column of streams of each direction, the shortest time in which that one
/// resource could do its work if all others were free. Computed without a
/// schedule; docs/Scheduling.md has the proof. `problem` must pass `check`.
int64_t getLowerBound(const ChainProblem &problem);

} // namespace lpu::scheduling

#endif // LPU_SCHEDULING_ALGORITHMS_H
