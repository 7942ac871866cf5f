//===- ListScheduler.cpp - List scheduling by critical path ---------------===//

#include "Reservations.h"
#include "absl/strings/str_cat.h"
#include "lpu/Scheduling/Algorithms.h"
#include <algorithm>
#include <queue>

using namespace lpu;
using namespace lpu::scheduling;

namespace {

/// Cycles from a chain's start to its last issue or drive.
int64_t getLength(const Chain &chain) {
  int64_t length = 0;
  for (const ChainIssue &issue : chain.issues) {
    length = std::max(length, issue.cycles.last() + 1);
  }
  for (const ChainFlow &flow : chain.flows) {
    for (const FlowDrive &drive : flow.drives) {
      length = std::max(length, drive.cycles.last() + 1);
    }
  }
  return length;
}

/// Longest way from each chain's start to the end of the program.
std::vector<int64_t> getTails(const ChainProblem &problem) {
  std::vector<int64_t> tails(problem.chains.size());
  for (size_t c = 0; c < tails.size(); ++c) {
    tails[c] = getLength(problem.chains[c]);
  }
  std::vector<std::vector<uint32_t>> outgoing(problem.chains.size());
  for (uint32_t d = 0; d < problem.dependences.size(); ++d) {
    outgoing[problem.dependences[d].from].push_back(d);
  }
  for (size_t c = tails.size(); c-- > 0;) {
    for (uint32_t d : outgoing[c]) {
      const Dependence &dependence = problem.dependences[d];
      tails[c] = std::max(tails[c], dependence.delay + tails[dependence.to]);
    }
  }
  return tails;
}

/// A chain that does not fit an empty machine after this many tries never does.
constexpr int64_t kMaxTries = 1 << 20;

} // namespace

int64_t scheduling::getLongestPath(const ChainProblem &problem) {
  int64_t longest = 0;
  for (int64_t tail : getTails(problem)) {
    longest = std::max(longest, tail);
  }
  return longest;
}

absl::StatusOr<Schedule>
scheduling::scheduleByCriticalPath(const ChainProblem &problem) {
  if (absl::Status status = problem.check(); !status.ok()) {
    return status;
  }
  size_t count = problem.chains.size();
  std::vector<int64_t> tails = getTails(problem);
  std::vector<std::vector<uint32_t>> outgoing(count);
  std::vector<uint32_t> waiting(count, 0);
  for (uint32_t d = 0; d < problem.dependences.size(); ++d) {
    outgoing[problem.dependences[d].from].push_back(d);
    ++waiting[problem.dependences[d].to];
  }
  // The longest tail first; program order among equals.
  auto later = [&](uint32_t a, uint32_t b) {
    return tails[a] != tails[b] ? tails[a] < tails[b] : a > b;
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
    int64_t start = std::max<int64_t>(earliest[c], 0), retry = 0, tries = 0;
    while (!reservations.tryPlace(chain, start, schedule.chains[c], retry)) {
      if (++tries == kMaxTries) {
        return absl::ResourceExhaustedError(absl::StrCat(
            "chain '", chain.name, "' fits no start: it needs more streams or "
            "ALUs at once than the target has"));
      }
      start = retry;
    }
    schedule.cycles = std::max(schedule.cycles, start + getLength(chain));
    for (uint32_t d : outgoing[c]) {
      const Dependence &dependence = problem.dependences[d];
      earliest[dependence.to] =
          std::max(earliest[dependence.to], start + dependence.delay);
      if (--waiting[dependence.to] == 0) {
        ready.push(dependence.to);
      }
    }
  }
  return schedule;
}
