//===- ChainProblem.cpp - Checks of problems and schedules ----------------===//

#include "lpu/Scheduling/ChainProblem.h"
#include "absl/strings/str_cat.h"
#include <algorithm>
#include <map>

using namespace lpu;
using namespace lpu::scheduling;

absl::Status ChainProblem::check() const {
  for (const Dependence &dependence : dependences) {
    if (dependence.from >= dependence.to || dependence.to >= chains.size()) {
      return absl::InvalidArgumentError(
          absl::StrCat("expected a dependence from an earlier chain, got ",
                       dependence.from, " -> ", dependence.to));
    }
  }
  for (const Chain &chain : chains) {
    auto bad = [&](const auto &...what) {
      return absl::InvalidArgumentError(
          absl::StrCat("chain '", chain.name, "': ", what...));
    };
    for (const ChainIssue &issue : chain.issues) {
      if (issue.queue != kAnyAlu && uint32_t(issue.queue) >= numQueues) {
        return bad("expected a queue below ", numQueues, ", got ", issue.queue);
      }
      if (issue.cycles.offset < 0) {
        return bad("expected offsets from 0 on, got ", issue.cycles.offset);
      }
    }
    for (const ChainFlow &flow : chain.flows) {
      if (flow.width > streams) {
        return bad("expected flows of up to ", streams, " streams, got ",
                   flow.width);
      }
      for (const FlowDrive &drive : flow.drives) {
        bool along = flow.direction == Direction::East
                         ? drive.column < drive.reach
                         : drive.column > drive.reach;
        if (!along || drive.id + drive.width > flow.width) {
          return bad("a flow reaches column ", drive.reach, " from ",
                     drive.column, " against its direction");
        }
      }
    }
  }
  return absl::OkStatus();
}

namespace {

absl::Status verifyQueues(const ChainProblem &problem, const Schedule &schedule) {
  std::vector<std::vector<std::pair<int64_t, int64_t>>> busy(problem.numQueues);
  std::vector<std::vector<int64_t>> results(problem.numAlus);
  for (size_t c = 0; c < problem.chains.size(); ++c) {
    const ChainPlacement &placement = schedule.chains[c];
    for (size_t k = 0; k < problem.chains[c].issues.size(); ++k) {
      const ChainIssue &issue = problem.chains[c].issues[k];
      uint32_t alu = placement.issueAlus[k];
      uint32_t queue = issue.queue == kAnyAlu ? problem.firstAluQueue + alu
                                              : uint32_t(issue.queue);
      busy[queue].emplace_back(placement.start + issue.cycles.offset,
                               placement.start + issue.cycles.last());
      if (issue.queue == kAnyAlu) {
        issue.cycles.forEach([&](int64_t cycle) {
          results[alu].push_back(placement.start + cycle + issue.aluLatency);
        });
      }
    }
  }
  for (size_t queue = 0; queue < busy.size(); ++queue) {
    std::sort(busy[queue].begin(), busy[queue].end());
    for (size_t k = 1; k < busy[queue].size(); ++k) {
      if (busy[queue][k].first <= busy[queue][k - 1].second) {
        return absl::InternalError(absl::StrCat(
            "queue ", queue, " is busy in cycle ", busy[queue][k].first));
      }
    }
  }
  for (size_t alu = 0; alu < results.size(); ++alu) {
    std::sort(results[alu].begin(), results[alu].end());
    auto twice = std::adjacent_find(results[alu].begin(), results[alu].end());
    if (twice != results[alu].end()) {
      return absl::InternalError(
          absl::StrCat("ALU ", alu, " has two results in cycle ", *twice));
    }
  }
  return absl::OkStatus();
}

/// Replays every drive column by column: no (direction, id, column, cycle) on
/// the way of a value is driven by another.
absl::Status verifyStreams(const ChainProblem &problem, const Schedule &schedule) {
  struct Value {
    int64_t first, last; ///< columns in the stream's direction
  };
  std::map<std::tuple<int, uint32_t, int64_t>, std::vector<Value>> lines;
  for (size_t c = 0; c < problem.chains.size(); ++c) {
    const ChainPlacement &placement = schedule.chains[c];
    for (size_t k = 0; k < problem.chains[c].flows.size(); ++k) {
      const ChainFlow &flow = problem.chains[c].flows[k];
      int sign = flow.direction == Direction::East ? 1 : -1;
      if (placement.flowIds[k] + flow.width > problem.streams) {
        return absl::InternalError("stream id out of range");
      }
      for (const FlowDrive &drive : flow.drives) {
        for (uint32_t id = 0; id < drive.width; ++id) {
          drive.cycles.forEach([&](int64_t cycle) {
            int64_t line = placement.start + cycle - sign * drive.column;
            lines[{sign, placement.flowIds[k] + drive.id + id, line}].push_back(
                {int64_t(sign) * drive.column, int64_t(sign) * drive.reach});
          });
        }
      }
    }
  }
  for (auto &[key, values] : lines) {
    std::sort(values.begin(), values.end(),
              [](const Value &a, const Value &b) { return a.first < b.first; });
    for (size_t k = 1; k < values.size(); ++k) {
      if (values[k].first < values[k - 1].last ||
          values[k].first == values[k - 1].first) {
        return absl::InternalError(absl::StrCat(
            "stream ", std::get<1>(key), " is driven at column ",
            std::abs(values[k].first), " over a value still needed"));
      }
    }
  }
  return absl::OkStatus();
}

} // namespace

absl::Status scheduling::verify(const ChainProblem &problem,
                                const Schedule &schedule) {
  if (schedule.chains.size() != problem.chains.size()) {
    return absl::InternalError("expected a placement for every chain");
  }
  for (const Dependence &dependence : problem.dependences) {
    if (schedule.chains[dependence.to].start <
        schedule.chains[dependence.from].start + dependence.delay) {
      return absl::InternalError(absl::StrCat(
          "chain '", problem.chains[dependence.to].name, "' starts too early after '",
          problem.chains[dependence.from].name, "'"));
    }
  }
  for (size_t c = 0; c < schedule.chains.size(); ++c) {
    if (schedule.chains[c].start < 0) {
      return absl::InternalError("a chain starts before cycle 0");
    }
  }
  if (absl::Status status = verifyQueues(problem, schedule); !status.ok()) {
    return status;
  }
  return verifyStreams(problem, schedule);
}
