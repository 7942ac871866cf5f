//===- ChainProblem.cpp - Checks of problems ------------------------------===//

#include "lpu/Scheduling/ChainProblem.h"
#include "Reservations.h"
#include "absl/strings/str_cat.h"
#include <algorithm>

using namespace lpu;
using namespace lpu::scheduling;

int64_t Chain::getLength() const {
  int64_t length = 0;
  for (const ChainIssue &issue : issues) {
    length = std::max(length, issue.cycles.last() + issue.aluLatency + 1);
  }
  for (const ChainFlow &flow : flows) {
    for (const FlowDrive &drive : flow.drives) {
      length = std::max(length, drive.cycles.last() +
                                    std::abs(drive.reach - drive.column) + 1);
    }
  }
  return length;
}

namespace {

/// Errors about one chain.
class ChainChecker {
public:
  ChainChecker(const ChainProblem &problem, const Chain &chain)
      : problem(problem), chain(chain) {}

  absl::Status run() const {
    for (const ChainIssue &issue : chain.issues) {
      if (absl::Status status = check(issue); !status.ok()) {
        return status;
      }
    }
    for (const ChainFlow &flow : chain.flows) {
      if (flow.width == 0 || flow.width > problem.streams) {
        return bad("expected flows of 1 to ", problem.streams, " streams, got ",
                   flow.width);
      }
      for (const FlowDrive &drive : flow.drives) {
        if (absl::Status status = check(flow, drive); !status.ok()) {
          return status;
        }
      }
    }
    return checkRigid();
  }

private:
  template <typename... Text> absl::Status bad(const Text &...text) const {
    return absl::InvalidArgumentError(
        absl::StrCat("chain '", chain.name, "': ", text...));
  }

  absl::Status check(const Progression &cycles) const {
    if (cycles.offset < 0) {
      return bad("expected offsets from 0 on, got ", cycles.offset);
    }
    bool inner = cycles.n > 0 && (cycles.n == 1 || cycles.d > 0);
    bool outer = cycles.m > 0 && (cycles.m == 1 ||
                                  cycles.e > uint64_t(cycles.n - 1) * cycles.d);
    if (!inner || !outer) {
      return bad("violates (Q4): repeat [", cycles.n, ", ", cycles.d, ", ", cycles.m,
                 ", ", cycles.e, "]");
    }
    return absl::OkStatus();
  }

  absl::Status check(const ChainIssue &issue) const {
    if (issue.queue != kAnyAlu &&
        (issue.queue < 0 || uint32_t(issue.queue) >= problem.numQueues)) {
      return bad("expected a queue below ", problem.numQueues, ", got ", issue.queue);
    }
    if (issue.aluLatency < 0) {
      return bad("expected an ALU latency from 0 on, got ", issue.aluLatency);
    }
    return check(issue.cycles);
  }

  absl::Status check(const ChainFlow &flow, const FlowDrive &drive) const {
    if (drive.width == 0 || uint64_t(drive.id) + drive.width > flow.width) {
      return bad("expected drives inside a flow of ", flow.width,
                 " streams, got streams ", drive.id, " to ",
                 uint64_t(drive.id) + drive.width - 1);
    }
    if (std::min(drive.column, drive.reach) < 0 ||
        uint32_t(std::max(drive.column, drive.reach)) >= problem.columns) {
      return bad("expected columns below ", problem.columns, ", got a flow from ",
                 drive.column, " to ", drive.reach);
    }
    if (flow.direction == Direction::East ? drive.column >= drive.reach
                                          : drive.column <= drive.reach) {
      return bad("a flow reaches column ", drive.reach, " from ", drive.column,
                 " against its direction");
    }
    return check(drive.cycles);
  }

  /// No start helps issues of one queue that are busy at once.
  absl::Status checkRigid() const {
    for (size_t a = 0; a < chain.issues.size(); ++a) {
      const ChainIssue &first = chain.issues[a];
      for (size_t b = a + 1; b < chain.issues.size() && first.queue != kAnyAlu; ++b) {
        if (first.queue == chain.issues[b].queue &&
            conflictOnAlu(first, chain.issues[b])) {
          return bad("issues ", a, " and ", b, " need queue ", first.queue,
                     " at once");
        }
      }
    }
    return absl::OkStatus();
  }

  const ChainProblem &problem;
  const Chain &chain;
};

} // namespace

absl::Status ChainProblem::check() const {
  if (numAlus > 64 || firstAluQueue + numAlus > numQueues) {
    return absl::InvalidArgumentError(absl::StrCat(
        "expected up to 64 ALUs, with queues below ", numQueues, ", got ", numAlus,
        " from queue ", firstAluQueue));
  }
  for (const Dependence &dependence : dependences) {
    if (dependence.from >= dependence.to || dependence.to >= chains.size()) {
      return absl::InvalidArgumentError(
          absl::StrCat("expected a dependence from an earlier chain, got ",
                       dependence.from, " -> ", dependence.to));
    }
  }
  for (const Chain &chain : chains) {
    if (absl::Status status = ChainChecker(*this, chain).run(); !status.ok()) {
      return status;
    }
  }
  return absl::OkStatus();
}
