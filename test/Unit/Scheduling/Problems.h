//===- Problems.h - Small chain problems for tests --------------*- C++ -*-===//
#ifndef LPU_TEST_UNIT_SCHEDULING_PROBLEMS_H
#define LPU_TEST_UNIT_SCHEDULING_PROBLEMS_H

#include "lpu/Scheduling/Algorithms.h"
#include <random>

namespace lpu::scheduling {

/// 4 plain queues (0 to 3), 2 ALUs (queues 4 and 5), 2 streams, 8 columns.
inline ChainProblem makeProblem() {
  ChainProblem problem;
  problem.numQueues = 6;
  problem.streams = 2;
  problem.columns = 8;
  problem.firstAluQueue = 4;
  problem.numAlus = 2;
  return problem;
}

inline ChainIssue issueOn(int queue, int64_t offset, uint32_t n = 1, uint32_t d = 1,
                          uint32_t m = 1, uint32_t e = 0) {
  ChainIssue issue;
  issue.queue = queue;
  issue.cycles = {offset, n, d, m, e};
  return issue;
}

inline ChainIssue issueOnAlu(int64_t offset, int64_t latency, uint32_t n = 1) {
  ChainIssue issue = issueOn(kAnyAlu, offset, n);
  issue.aluLatency = latency;
  return issue;
}

/// One driver on `width` streams from `column` to `reach`.
inline ChainFlow flowFrom(int32_t column, int32_t reach, int64_t offset,
                          uint32_t n = 1, uint32_t d = 1, uint32_t width = 1) {
  ChainFlow flow;
  flow.direction = column < reach ? Direction::East : Direction::West;
  flow.width = width;
  flow.drives.push_back({0, width, {offset, n, d, 1, 0}, column, reach});
  return flow;
}

inline Chain makeChain(std::string name, std::vector<ChainIssue> issues,
                       std::vector<ChainFlow> flows = {}) {
  Chain chain;
  chain.name = std::move(name);
  chain.issues = std::move(issues);
  chain.flows = std::move(flows);
  return chain;
}

/// A problem of `count` chains drawn from `random`, each of which fits the
/// machine of makeProblem alone: at most one issue on any ALU and one flow.
inline ChainProblem makeRandomProblem(std::mt19937 &random, uint32_t count) {
  auto below = [&](uint32_t limit) { return uint32_t(random() % limit); };
  ChainProblem problem = makeProblem();
  for (uint32_t c = 0; c < count; ++c) {
    Chain chain = makeChain("c" + std::to_string(c), {});
    uint32_t queue = below(4);
    for (uint32_t k = 1 + below(2); k-- > 0; queue = (queue + 1) % 4) {
      uint32_t n = 1 + below(3), d = 1 + below(2), m = 1 + below(2);
      chain.issues.push_back(issueOn(int(queue), below(3), n, d, m, (n - 1) * d + 1));
    }
    if (below(2)) {
      chain.issues.push_back(issueOnAlu(below(3), 1 + below(3), 1 + below(2)));
    }
    if (below(2)) {
      uint32_t column = below(8), reach = (column + 1 + below(7)) % 8;
      chain.flows.push_back(flowFrom(int32_t(column), int32_t(reach), below(3),
                                     1 + below(2), 1 + below(2), 1 + below(2)));
    }
    for (uint32_t from = 0; from < c; ++from) {
      if (below(3) == 0) {
        problem.dependences.push_back({from, c, int64_t(below(6)) - 1});
      }
    }
    problem.chains.push_back(std::move(chain));
  }
  return problem;
}

} // namespace lpu::scheduling

#endif // LPU_TEST_UNIT_SCHEDULING_PROBLEMS_H
