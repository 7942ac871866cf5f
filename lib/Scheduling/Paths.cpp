//===- Paths.cpp - Longest paths through the dependences ------------------===//

#include "Paths.h"
#include "lpu/Scheduling/Algorithms.h"
#include <algorithm>

using namespace lpu;
using namespace lpu::scheduling;

Successors scheduling::getSuccessors(const ChainProblem &problem) {
  Successors successors;
  successors.first.assign(problem.chains.size() + 1, 0);
  for (const Dependence &dependence : problem.dependences) {
    ++successors.first[dependence.from + 1];
  }
  for (size_t c = 0; c < problem.chains.size(); ++c) {
    successors.first[c + 1] += successors.first[c];
  }
  std::vector<uint32_t> next(successors.first);
  successors.order.resize(problem.dependences.size());
  for (uint32_t d = 0; d < problem.dependences.size(); ++d) {
    successors.order[next[problem.dependences[d].from]++] = d;
  }
  return successors;
}

std::vector<int64_t> scheduling::getHeads(const ChainProblem &problem) {
  Successors successors = getSuccessors(problem);
  std::vector<int64_t> heads(problem.chains.size(), 0);
  for (size_t c = 0; c < heads.size(); ++c) {
    for (uint32_t k = successors.first[c]; k < successors.first[c + 1]; ++k) {
      const Dependence &dependence = problem.dependences[successors.order[k]];
      heads[dependence.to] =
          std::max(heads[dependence.to], heads[c] + dependence.delay);
    }
  }
  return heads;
}

std::vector<int64_t> scheduling::getTails(const ChainProblem &problem,
                                          const std::vector<int64_t> &weights) {
  Successors successors = getSuccessors(problem);
  std::vector<int64_t> tails(problem.chains.size());
  for (size_t c = tails.size(); c-- > 0;) {
    tails[c] = problem.chains[c].getLength();
    for (uint32_t k = successors.first[c]; k < successors.first[c + 1]; ++k) {
      const Dependence &dependence = problem.dependences[successors.order[k]];
      tails[c] = std::max(tails[c], dependence.delay + tails[dependence.to]);
    }
    tails[c] += weights.empty() ? 0 : weights[c];
  }
  return tails;
}

int64_t scheduling::getLongestPath(const ChainProblem &problem) {
  // Delays may be negative, so a path may have to wait for cycle 0 on its way:
  // heads and tails together.
  std::vector<int64_t> heads = getHeads(problem), tails = getTails(problem);
  int64_t longest = 0;
  for (size_t c = 0; c < heads.size(); ++c) {
    longest = std::max(longest, heads[c] + tails[c]);
  }
  return longest;
}
