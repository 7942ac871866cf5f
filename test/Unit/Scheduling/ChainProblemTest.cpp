//===- ChainProblemTest.cpp - What check() rejects ------------------------===//

#include "Problems.h"
#include <gtest/gtest.h>

using namespace lpu;
using namespace lpu::scheduling;

namespace {

std::string checkOne(Chain chain) {
  ChainProblem problem = makeProblem();
  problem.chains.push_back(std::move(chain));
  return std::string(problem.check().message());
}

TEST(ChainProblem, LengthCountsResultsAndArrivals) {
  EXPECT_EQ(makeChain("a", {}).getLength(), 0);
  EXPECT_EQ(makeChain("a", {issueOn(0, 2, 3, 2)}).getLength(), 7);
  EXPECT_EQ(makeChain("a", {issueOnAlu(2, 4, 3)}).getLength(), 9);
  EXPECT_EQ(makeChain("a", {}, {flowFrom(6, 1, 3, 2)}).getLength(), 10);
}

TEST(ChainProblem, RejectsQueues) {
  EXPECT_EQ(checkOne(makeChain("a", {issueOn(6, 0)})),
            "chain 'a': expected a queue below 6, got 6");
  EXPECT_EQ(checkOne(makeChain("a", {issueOn(-2, 0)})),
            "chain 'a': expected a queue below 6, got -2");
  EXPECT_EQ(checkOne(makeChain("a", {issueOn(1, 0, 4), issueOn(2, 1), issueOn(1, 3)})),
            "chain 'a': issues 0 and 2 need queue 1 at once");
}

TEST(ChainProblem, RejectsResultsThatMeet) {
  ChainIssue slow = issueOn(4, 0), quick = issueOn(4, 4);
  slow.aluLatency = 8;
  quick.aluLatency = 4;
  EXPECT_EQ(checkOne(makeChain("a", {slow, quick})),
            "chain 'a': issues 0 and 1 need queue 4 at once");
  quick.cycles.offset = 5;
  EXPECT_EQ(checkOne(makeChain("a", {slow, quick})), "");
}

TEST(ChainProblem, RejectsCycles) {
  EXPECT_EQ(checkOne(makeChain("a", {issueOn(0, -1)})),
            "chain 'a': expected offsets from 0 on, got -1");
  EXPECT_EQ(checkOne(makeChain("a", {issueOn(0, 0, 2, 0)})),
            "chain 'a': violates (Q4): repeat [2, 0, 1, 0]");
  EXPECT_EQ(checkOne(makeChain("a", {issueOn(0, 0, 3, 2, 2, 4)})),
            "chain 'a': violates (Q4): repeat [3, 2, 2, 4]");
  EXPECT_EQ(checkOne(makeChain("a", {issueOn(0, 0, 3, 2, 2, 5)})), "");
}

TEST(ChainProblem, RejectsFlows) {
  EXPECT_EQ(checkOne(makeChain("a", {}, {flowFrom(0, 1, 0, 1, 1, 3)})),
            "chain 'a': expected flows of 1 to 2 streams, got 3");
  ChainFlow flow = flowFrom(2, 5, 0);
  flow.direction = Direction::West;
  EXPECT_EQ(checkOne(makeChain("a", {}, {flow})),
            "chain 'a': a flow reaches column 5 from 2 against its direction");
  flow = flowFrom(2, 8, 0);
  EXPECT_EQ(checkOne(makeChain("a", {}, {flow})),
            "chain 'a': expected columns below 8, got a flow from 2 to 8");
  flow = flowFrom(2, 5, 0);
  flow.drives[0].id = 1;
  EXPECT_EQ(checkOne(makeChain("a", {}, {flow})),
            "chain 'a': expected drives inside a flow of 1 streams, got streams 1 to 1");
}

TEST(ChainProblem, RejectsDependencesAgainstTheOrder) {
  ChainProblem problem = makeProblem();
  problem.chains = {makeChain("a", {issueOn(0, 0)}), makeChain("b", {issueOn(0, 0)})};
  problem.dependences = {{1, 0, 3}};
  EXPECT_EQ(problem.check().message(),
            "expected a dependence from an earlier chain, got 1 -> 0");
}

} // namespace
