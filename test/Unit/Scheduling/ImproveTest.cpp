//===- ImproveTest.cpp - Effort pays and never costs ----------------------===//

#include "Problems.h"
#include <gtest/gtest.h>

using namespace lpu;
using namespace lpu::scheduling;

namespace {

bool isLegal(const ChainProblem &problem, const absl::StatusOr<Schedule> &schedule) {
  return schedule.ok() && verify(problem, *schedule).ok();
}

TEST(Improve, GivesWayToTheChainThatWaited) {
  // The two chains of 10 cycles have the longest tails; what has to come early is the
  // short one, whose successor waits for the queue that both of them need.
  ChainProblem problem = makeProblem();
  problem.chains = {makeChain("long", {issueOn(0, 0, 10)}), makeChain("short", {issueOn(0, 0, 2)}),
                    makeChain("after long", {issueOn(1, 0, 10)}),
                    makeChain("after short", {issueOn(1, 0, 9)})};
  problem.dependences = {{0, 2, 10}, {1, 3, 2}};
  Schedule schedule = *scheduleByCriticalPath(problem);
  ASSERT_EQ(schedule.cycles, 29);
  Schedule better = improveSchedule(problem, schedule, 4);
  EXPECT_TRUE(verify(problem, better).ok());
  EXPECT_EQ(better.cycles, 22);
  EXPECT_EQ(improveSchedule(problem, schedule, 0).cycles, 29);
}

TEST(Improve, NeverWorseAndOftenBetter) {
  std::mt19937 random(11);
  int better = 0;
  for (int round = 0; round < 100; ++round) {
    ChainProblem problem = makeRandomProblem(random, 12);
    auto fast = scheduleWithEffort(problem, Effort::Fast);
    auto standard = scheduleWithEffort(problem, Effort::Standard);
    auto high = scheduleWithEffort(problem, Effort::High);
    ASSERT_TRUE(isLegal(problem, fast) && isLegal(problem, standard) && isLegal(problem, high));
    ASSERT_LE(high->cycles, std::min(standard->cycles, fast->cycles));
    ASSERT_LE(getLowerBound(problem), high->cycles);
    better += high->cycles < standard->cycles;
    auto again = scheduleWithEffort(problem, Effort::High);
    for (size_t c = 0; c < problem.chains.size(); ++c) {
      ASSERT_EQ(again->chains[c].start, high->chains[c].start);
    }
  }
  EXPECT_GE(better, 10);
}

TEST(Improve, SaysHowFarItIs) {
  std::mt19937 random(11);
  ChainProblem problem = makeRandomProblem(random, 12);
  std::vector<double> shares;
  auto report = [&](double share) { shares.push_back(share); };
  ASSERT_TRUE(scheduleWithEffort(problem, Effort::High, report).ok());
  ASSERT_FALSE(shares.empty());
  EXPECT_GT(shares.front(), 0);
  EXPECT_TRUE(std::is_sorted(shares.begin(), shares.end()));
  EXPECT_LT(shares.back(), 1);
}

TEST(Improve, EmptyProblem) {
  EXPECT_EQ(scheduleWithEffort(makeProblem(), Effort::High)->cycles, 0);
}

TEST(ListScheduler, WorstPriorityKeepsTheBound) {
  std::mt19937 random(5);
  int64_t worse = 0;
  for (int round = 0; round < 50; ++round) {
    ChainProblem problem = makeRandomProblem(random, 12);
    std::vector<int64_t> last(problem.chains.size());
    for (size_t c = 0; c < last.size(); ++c) {
      last[c] = int64_t(c); // against program order
    }
    auto bad = scheduleByPriority(problem, last);
    ASSERT_TRUE(isLegal(problem, bad));
    ASSERT_LE(getLowerBound(problem), bad->cycles);
    worse += bad->cycles - scheduleByCriticalPath(problem)->cycles;
  }
  EXPECT_GT(worse, 0);
}

TEST(ListScheduler, WantsAPriorityForEveryChain) {
  ChainProblem problem = makeProblem();
  problem.chains = {makeChain("a", {issueOn(0, 0)})};
  EXPECT_EQ(scheduleByPriority(problem, {}).status().message(),
            "expected a priority for each of 1 chains, got 0");
}

} // namespace
