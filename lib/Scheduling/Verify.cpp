//===- Verify.cpp - Checks of schedules -----------------------------------===//
//
// Written cycle by cycle and without the scheduler's reservations, so that it
// can judge them.
//
//===----------------------------------------------------------------------===//

#include "absl/strings/str_cat.h"
#include "lpu/Scheduling/ChainProblem.h"
#include <algorithm>

using namespace lpu;
using namespace lpu::scheduling;

namespace {

/// Something held in a cycle (or on a diagonal), and by which chain.
struct Use {
  uint64_t place;
  int64_t first, last; ///< cycles or columns, both included
  uint32_t chain;
  bool operator<(const Use &other) const {
    return place != other.place ? place < other.place : first < other.first;
  }
};

class Verifier {
public:
  Verifier(const ChainProblem &problem, const Schedule &schedule)
      : problem(problem), schedule(schedule) {}

  absl::Status run() {
    for (auto step : {&Verifier::checkShape, &Verifier::checkDependences,
                      &Verifier::checkQueues, &Verifier::checkStreams}) {
      if (absl::Status status = (this->*step)(); !status.ok()) {
        return status;
      }
    }
    return absl::OkStatus();
  }

private:
  template <typename... Text> static absl::Status bad(const Text &...text) {
    return absl::InternalError(absl::StrCat(text...));
  }
  const std::string &name(uint32_t chain) const {
    return problem.chains[chain].name;
  }

  absl::Status checkShape() {
    if (schedule.chains.size() != problem.chains.size()) {
      return bad("expected a placement for each of ", problem.chains.size(),
                 " chains, got ", schedule.chains.size());
    }
    int64_t cycles = 0;
    for (uint32_t c = 0; c < problem.chains.size(); ++c) {
      const Chain &chain = problem.chains[c];
      const ChainPlacement &placement = schedule.chains[c];
      if (placement.start < 0) {
        return bad("chain '", name(c), "' starts before cycle 0");
      }
      if (placement.flowIds.size() != chain.flows.size() ||
          placement.issueAlus.size() != chain.issues.size()) {
        return bad("chain '", name(c), "' lacks streams or ALUs");
      }
      for (size_t k = 0; k < chain.flows.size(); ++k) {
        if (uint64_t(placement.flowIds[k]) + chain.flows[k].width > problem.streams) {
          return bad("chain '", name(c), "' has stream ids above ",
                     problem.streams - 1);
        }
      }
      cycles = std::max(cycles, placement.start + chain.getLength());
    }
    if (cycles != schedule.cycles) {
      return bad("expected a cycle count of ", cycles, ", got ", schedule.cycles);
    }
    return absl::OkStatus();
  }

  absl::Status checkDependences() {
    for (const Dependence &dependence : problem.dependences) {
      if (schedule.chains[dependence.to].start <
          schedule.chains[dependence.from].start + dependence.delay) {
        return bad("chain '", name(dependence.to), "' starts too early after '",
                   name(dependence.from), "'");
      }
    }
    return absl::OkStatus();
  }

  /// An issue of one chain on its queue.
  struct Issue {
    const ChainIssue *issue;
    uint32_t chain;
  };

  absl::Status checkQueues() {
    // The uses of one queue at a time need little memory.
    std::vector<std::vector<Issue>> issues(problem.numQueues);
    for (uint32_t c = 0; c < problem.chains.size(); ++c) {
      const ChainPlacement &placement = schedule.chains[c];
      for (size_t k = 0; k < problem.chains[c].issues.size(); ++k) {
        const ChainIssue &issue = problem.chains[c].issues[k];
        uint32_t alu = placement.issueAlus[k];
        if (issue.queue == kAnyAlu &&
            (alu >= problem.numAlus || issue.excludedAlus >> alu & 1)) {
          return bad("chain '", name(c), "' may not use ALU ", alu);
        }
        issues[issue.queue == kAnyAlu ? problem.firstAluQueue + alu : uint32_t(issue.queue)]
            .push_back({&issue, c});
      }
    }
    for (size_t queue = 0; queue < issues.size(); ++queue) {
      if (absl::Status status = checkQueue(queue, issues[queue]); !status.ok()) {
        return status;
      }
    }
    return absl::OkStatus();
  }

  absl::Status checkQueue(size_t queue, const std::vector<Issue> &issues) {
    std::vector<Use> busy, results;
    for (auto [issue, chain] : issues) {
      int64_t start = schedule.chains[chain].start;
      busy.push_back({0, start + issue->cycles.offset, start + issue->cycles.last(), chain});
      if (problem.isAluQueue(int(queue)) && issue->aluLatency > 0) {
        issue->cycles.forEach([&, issue = issue, chain = chain](int64_t cycle) {
          int64_t at = start + cycle + issue->aluLatency;
          results.push_back({0, at, at, chain});
        });
      }
    }
    if (const Use *clash = findOverlap(busy)) {
      return bad("queue ", queue, " is still busy with '", name(clash[-1].chain),
                 "' in cycle ", clash->first, ", where '", name(clash->chain), "' issues");
    }
    if (const Use *clash = findOverlap(results)) {
      return bad("ALU ", queue - problem.firstAluQueue, " has results of '",
                 name(clash[-1].chain), "' and '", name(clash->chain), "' in cycle ",
                 clash->first);
    }
    return absl::OkStatus();
  }

  /// What one chain drives on one stream.
  struct Drive {
    const FlowDrive *drive;
    uint32_t chain;
  };

  absl::Status checkStreams() {
    // By id and direction: the values of one stream at a time need little memory.
    std::vector<std::vector<Drive>> drives(2 * size_t(problem.streams));
    std::vector<size_t> counts(drives.size(), 0);
    forEachDrive([&](size_t stream, const FlowDrive &, uint32_t) { ++counts[stream]; });
    for (size_t stream = 0; stream < drives.size(); ++stream) {
      drives[stream].reserve(counts[stream]);
    }
    forEachDrive([&](size_t stream, const FlowDrive &drive, uint32_t chain) {
      drives[stream].push_back({&drive, chain});
    });
    for (size_t stream = 0; stream < drives.size(); ++stream) {
      absl::Status status = checkStream(stream / 2, stream % 2 == 0, drives[stream]);
      if (!status.ok()) {
        return status;
      }
    }
    return absl::OkStatus();
  }

  /// Calls `function` for every stream of every drive, with the drive's chain.
  template <typename Function> void forEachDrive(Function function) const {
    for (uint32_t c = 0; c < problem.chains.size(); ++c) {
      for (size_t k = 0; k < problem.chains[c].flows.size(); ++k) {
        const ChainFlow &flow = problem.chains[c].flows[k];
        for (const FlowDrive &drive : flow.drives) {
          size_t first = size_t(schedule.chains[c].flowIds[k] + drive.id);
          for (uint32_t id = 0; id < drive.width; ++id) {
            function(2 * (first + id) + unsigned(flow.direction), drive, c);
          }
        }
      }
    }
  }

  absl::Status checkStream(size_t id, bool east, const std::vector<Drive> &drives) {
    std::vector<Use> values;
    size_t count = 0;
    for (const auto &[drive, chain] : drives) {
      count += size_t(drive->cycles.n) * drive->cycles.m;
    }
    values.reserve(count);
    for (const auto &[drive, chain] : drives) {
      // Columns in the stream's direction; the farthest consumer samples
      // before a driver in its column replaces (T2).
      int64_t first = east ? drive->column : -drive->column;
      int64_t last = (east ? drive->reach : -drive->reach) - 1;
      int64_t start = schedule.chains[chain].start;
      drive->cycles.forEach([&, chain = chain](int64_t cycle) {
        values.push_back({uint64_t(start + cycle - first + problem.columns), first, last, chain});
      });
    }
    if (const Use *clash = findOverlap(values)) {
      return bad("'", name(clash->chain), "' drives ", east ? "east" : "west", " stream ", id,
                 " at column ", std::abs(clash->first), " over a value that '",
                 name(clash[-1].chain), "' still needs");
    }
    return absl::OkStatus();
  }

  /// The second of two uses of one place that overlap, next to the first; null
  /// when none do. Sorts.
  static const Use *findOverlap(std::vector<Use> &uses) {
    std::sort(uses.begin(), uses.end());
    for (size_t k = 1; k < uses.size(); ++k) {
      if (uses[k].place == uses[k - 1].place &&
          uses[k].first <= uses[k - 1].last) {
        return &uses[k];
      }
    }
    return nullptr;
  }

  const ChainProblem &problem;
  const Schedule &schedule;
};

} // namespace

absl::Status scheduling::verify(const ChainProblem &problem,
                                const Schedule &schedule) {
  return Verifier(problem, schedule).run();
}
