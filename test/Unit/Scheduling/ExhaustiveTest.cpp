//===- ExhaustiveTest.cpp - The bound against every schedule --------------===//

#include "Problems.h"
#include <gtest/gtest.h>

using namespace lpu;
using namespace lpu::scheduling;

namespace {

/// The shortest schedule, by trying every start, stream id and ALU of every
/// chain in turn; `limit` is a cycle count that some schedule reaches.
class Search {
public:
  Search(const ChainProblem &problem, int64_t limit) : problem(problem), best(limit) {}

  int64_t run() {
    extend(0);
    return best;
  }

private:
  int64_t getCycles() const {
    int64_t cycles = 0;
    for (size_t c = 0; c < schedule.chains.size(); ++c) {
      cycles = std::max(cycles, schedule.chains[c].start +
                                    problem.chains[c].getLength());
    }
    return cycles;
  }

  bool isLegal() {
    ChainProblem part = problem;
    part.chains.resize(schedule.chains.size());
    std::erase_if(part.dependences, [&](const Dependence &dependence) {
      return dependence.to >= part.chains.size();
    });
    schedule.cycles = getCycles();
    return verify(part, schedule).ok();
  }

  void extend(size_t c) {
    if (c == problem.chains.size()) {
      best = getCycles();
      return;
    }
    const Chain &chain = problem.chains[c];
    schedule.chains.push_back({});
    for (int64_t start = 0; start + chain.getLength() < best; ++start) {
      choose(chain, start);
    }
    schedule.chains.pop_back();
  }

  void choose(const Chain &chain, int64_t start) {
    for (uint32_t id = 0; id < (chain.flows.empty() ? 1 : problem.streams); ++id) {
      for (uint32_t alu = 0; alu < problem.numAlus; ++alu) {
        schedule.chains.back() = {start,
                                  std::vector<uint32_t>(chain.flows.size(), id),
                                  std::vector<uint32_t>(chain.issues.size(), alu)};
        if (isLegal()) {
          extend(schedule.chains.size());
        }
      }
    }
  }

  const ChainProblem &problem;
  Schedule schedule;
  int64_t best;
};

TEST(LowerBound, NeverAboveTheShortestSchedule) {
  std::mt19937 random(7);
  int met = 0, optimal = 0;
  constexpr int kProblems = 200;
  for (int round = 0; round < kProblems; ++round) {
    ChainProblem problem = makeRandomProblem(random, 2 + round % 3);
    auto schedule = scheduleByCriticalPath(problem);
    ASSERT_TRUE(schedule.ok()) << schedule.status().message();
    ASSERT_TRUE(verify(problem, *schedule).ok()) << verify(problem, *schedule).message();
    int64_t best = Search(problem, schedule->cycles).run();
    int64_t bound = getLowerBound(problem);
    ASSERT_LE(bound, best) << "round " << round;
    ASSERT_LE(best, schedule->cycles);
    met += bound == best;
    optimal += best == schedule->cycles;
  }
  RecordProperty("met", met);
  RecordProperty("optimal", optimal);
  // A bound that is far below, or a scheduler that is far above, shows here.
  EXPECT_GE(met, kProblems * 7 / 10);
  EXPECT_GE(optimal, kProblems * 8 / 10);
}

TEST(LowerBound, CountsWorkOfAQueue) {
  ChainProblem problem = makeProblem();
  for (int c = 0; c < 5; ++c) {
    problem.chains.push_back(makeChain("c", {issueOn(0, 2, 4)}));
  }
  EXPECT_EQ(getLongestPath(problem), 6);
  EXPECT_EQ(getLowerBound(problem), 2 + 5 * 4);
}

TEST(LowerBound, CountsWorkOfAllAlus) {
  ChainProblem problem = makeProblem();
  for (int c = 0; c < 5; ++c) {
    problem.chains.push_back(makeChain("c", {issueOnAlu(0, 4, 3)}));
  }
  // 15 issues on two ALUs, the last result four cycles later.
  EXPECT_EQ(getLowerBound(problem), 8 + 4);
}

TEST(LowerBound, CountsValuesOfAColumn) {
  ChainProblem problem = makeProblem();
  for (int c = 0; c < 6; ++c) {
    problem.chains.push_back(
        makeChain("c", {}, {c % 2 ? flowFrom(0, 4, 0, 3) : flowFrom(3, 7, 0, 3)}));
  }
  // 18 values pass column 3 on two streams, which takes 9 cycles, and the last
  // one is sampled a cycle later at best.
  EXPECT_EQ(getLongestPath(problem), 7);
  EXPECT_EQ(getLowerBound(problem), 9 + 1);
}

TEST(LowerBound, KnowsWhatComesAfter) {
  ChainProblem problem = makeProblem();
  problem.chains = {makeChain("a", {issueOn(0, 0, 10)}),
                    makeChain("b", {issueOn(0, 0, 10)}),
                    makeChain("after b", {issueOn(1, 0, 30)})};
  problem.dependences = {{1, 2, 10}};
  EXPECT_EQ(getLowerBound(problem), 40);
  problem.dependences = {{0, 2, 10}, {1, 2, 10}};
  EXPECT_EQ(getLowerBound(problem), 50);
}

TEST(LowerBound, WaitsForCycleZero) {
  // A chain that could start before its predecessor cannot start before cycle 0.
  ChainProblem problem = makeProblem();
  problem.chains = {makeChain("a", {issueOn(0, 0)}), makeChain("b", {issueOn(1, 0)}),
                    makeChain("c", {issueOn(2, 0)})};
  problem.dependences = {{0, 1, -20}, {1, 2, 5}};
  EXPECT_EQ(getLowerBound(problem), 6);
}

} // namespace
