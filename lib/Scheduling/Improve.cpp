//===- Improve.cpp - Better schedules step by step ------------------------===//
//
// List scheduling errs where a chain on the way to the last cycle waits for a
// resource that a less urgent chain took first. Such chains get a weight: their
// priority, and that of all that comes before them, grows by it.
//
//===----------------------------------------------------------------------===//

#include "Paths.h"
#include "lpu/Scheduling/Algorithms.h"
#include <algorithm>
#include <optional>

using namespace lpu;
using namespace lpu::scheduling;

namespace {

class Improvement {
public:
  Improvement(const ChainProblem &problem, Schedule schedule)
      : problem(problem), best(std::move(schedule)), weights(problem.chains.size(), 0),
        into(problem.chains.size()) {
    for (uint32_t d = 0; d < problem.dependences.size(); ++d) {
      into[problem.dependences[d].to].push_back(d);
    }
  }

  Schedule run(unsigned steps, const OnProgress &onProgress) {
    int64_t bound = getLowerBound(problem);
    Schedule last = best;
    for (unsigned step = 0; step < steps && best.cycles > bound; ++step) {
      if (!addWeights(last)) {
        break;
      }
      absl::StatusOr<Schedule> next = scheduleByPriority(problem, getTails(problem, weights));
      if (!next.ok()) {
        break;
      }
      last = std::move(*next);
      if (last.cycles < best.cycles) {
        best = last;
      }
      if (onProgress) {
        onProgress(double(step + 1) / steps);
      }
    }
    return std::move(best);
  }

private:
  /// Follows the chains that decided the last cycle back to the first and gives those
  /// that waited as much weight as they waited. Tells whether one did.
  bool addWeights(const Schedule &schedule) {
    uint32_t chain = 0;
    auto getEnd = [&](uint32_t c) {
      return schedule.chains[c].start + problem.chains[c].getLength();
    };
    for (uint32_t c = 1; c < problem.chains.size(); ++c) {
      chain = getEnd(c) > getEnd(chain) ? c : chain;
    }
    bool waited = false;
    for (;;) {
      int64_t ready = 0;
      std::optional<uint32_t> before;
      for (uint32_t d : into[chain]) {
        const Dependence &dependence = problem.dependences[d];
        int64_t time = schedule.chains[dependence.from].start + dependence.delay;
        if (time > ready || (time == ready && !before)) {
          ready = time;
          before = dependence.from;
        }
      }
      int64_t wait = schedule.chains[chain].start - ready;
      weights[chain] += wait;
      waited |= wait > 0;
      if (!before) {
        return waited;
      }
      chain = *before;
    }
  }

  const ChainProblem &problem;
  Schedule best;
  std::vector<int64_t> weights;
  std::vector<std::vector<uint32_t>> into; ///< dependences by the chain they lead to
};

} // namespace

Schedule scheduling::improveSchedule(const ChainProblem &problem, Schedule schedule,
                                     unsigned steps, const OnProgress &onProgress) {
  if (problem.chains.empty()) {
    return schedule;
  }
  return Improvement(problem, std::move(schedule)).run(steps, onProgress);
}

absl::StatusOr<Schedule> scheduling::scheduleWithEffort(const ChainProblem &problem,
                                                        Effort effort,
                                                        const OnProgress &onProgress) {
  auto scheduleInOrder = [&] {
    return scheduleByPriority(problem, std::vector<int64_t>(problem.chains.size(), 0));
  };
  if (effort == Effort::Fast) {
    return scheduleInOrder();
  }
  absl::StatusOr<Schedule> schedule = scheduleByCriticalPath(problem);
  if (effort == Effort::Standard || !schedule.ok()) {
    return schedule;
  }
  // More steps than that brought little with the models tried (docs/Scheduling.md).
  constexpr unsigned kSteps = 24;
  // One schedule before the steps, one after them.
  auto report = [&](double share) {
    if (onProgress) {
      onProgress((1 + share * kSteps) / (kSteps + 2));
    }
  };
  report(0);
  Schedule best = improveSchedule(problem, std::move(*schedule), kSteps, report);
  absl::StatusOr<Schedule> inOrder = scheduleInOrder();
  return inOrder.ok() && inOrder->cycles < best.cycles ? *std::move(inOrder) : best;
}
