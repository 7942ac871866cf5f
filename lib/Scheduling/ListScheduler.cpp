//===- ListScheduler.cpp - List scheduling by critical path ---------------===//

#include "Paths.h"
#include "Reservations.h"
#include "absl/strings/str_cat.h"
#include "lpu/Scheduling/Algorithms.h"
#include <algorithm>
#include <queue>

using namespace lpu;
using namespace lpu::scheduling;

absl::StatusOr<Schedule>
scheduling::scheduleByCriticalPath(const ChainProblem &problem) {
  if (absl::Status status = problem.check(); !status.ok()) {
    return status;
  }
  return scheduleByPriority(problem, getTails(problem));
}

absl::StatusOr<Schedule>
scheduling::scheduleByPriority(const ChainProblem &problem,
                               const std::vector<int64_t> &priorities) {
  if (absl::Status status = problem.check(); !status.ok()) {
    return status;
  }
  size_t count = problem.chains.size();
  if (priorities.size() != count) {
    return absl::InvalidArgumentError(absl::StrCat("expected a priority for each of ", count,
                                                   " chains, got ", priorities.size()));
  }
  Successors successors = getSuccessors(problem);
  std::vector<uint32_t> waiting(count, 0);
  for (const Dependence &dependence : problem.dependences) {
    ++waiting[dependence.to];
  }
  auto later = [&](uint32_t a, uint32_t b) {
    return priorities[a] != priorities[b] ? priorities[a] < priorities[b] : a > b;
  };
  std::priority_queue<uint32_t, std::vector<uint32_t>, decltype(later)> ready(later);
  for (uint32_t c = 0; c < count; ++c) {
    if (waiting[c] == 0) {
      ready.push(c);
    }
  }
  Reservations reservations(problem);
  Schedule schedule;
  schedule.chains.resize(count);
  std::vector<int64_t> earliest(count, 0);
  while (!ready.empty()) {
    uint32_t c = ready.top();
    ready.pop();
    const Chain &chain = problem.chains[c];
    std::string_view lacking =
        reservations.place(chain, earliest[c], schedule.chains[c]);
    if (!lacking.empty()) {
      return absl::ResourceExhaustedError(
          absl::StrCat("chain '", chain.name, "' needs more ", std::string(lacking),
                       " at once than the target has"));
    }
    int64_t start = schedule.chains[c].start;
    schedule.cycles = std::max(schedule.cycles, start + chain.getLength());
    for (uint32_t k = successors.first[c]; k < successors.first[c + 1]; ++k) {
      const Dependence &dependence = problem.dependences[successors.order[k]];
      earliest[dependence.to] =
          std::max(earliest[dependence.to], start + dependence.delay);
      if (--waiting[dependence.to] == 0) {
        ready.push(dependence.to);
      }
    }
  }
  return schedule;
}
