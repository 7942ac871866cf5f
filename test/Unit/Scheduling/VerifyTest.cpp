//===- VerifyTest.cpp - Wrong schedules are found -------------------------===//

#include "Problems.h"
#include <gtest/gtest.h>

using namespace lpu;
using namespace lpu::scheduling;

namespace {

/// Places the chains of `problem` at `starts`, with stream 0 and ALU 0.
Schedule placeAt(const ChainProblem &problem, std::vector<int64_t> starts) {
  Schedule schedule;
  for (size_t c = 0; c < starts.size(); ++c) {
    const Chain &chain = problem.chains[c];
    schedule.chains.push_back({starts[c],
                               std::vector<uint32_t>(chain.flows.size(), 0),
                               std::vector<uint32_t>(chain.issues.size(), 0)});
    schedule.cycles = std::max(schedule.cycles, starts[c] + chain.getLength());
  }
  return schedule;
}

std::string verifyAt(const ChainProblem &problem, std::vector<int64_t> starts) {
  return std::string(verify(problem, placeAt(problem, std::move(starts))).message());
}

TEST(VerifySchedule, Queues) {
  ChainProblem problem = makeProblem();
  problem.chains = {makeChain("a", {issueOn(1, 0, 3, 2)}),
                    makeChain("b", {issueOn(1, 0)})};
  // The holes of a Repeat cannot be used (Q4).
  EXPECT_EQ(verifyAt(problem, {0, 3}),
            "queue 1 is still busy with 'a' in cycle 3, where 'b' issues");
  EXPECT_EQ(verifyAt(problem, {0, 5}), "");
}

TEST(VerifySchedule, AluResults) {
  ChainProblem problem = makeProblem();
  problem.chains = {makeChain("slow", {issueOnAlu(0, 8)}),
                    makeChain("quick", {issueOnAlu(0, 4)})};
  EXPECT_EQ(verifyAt(problem, {0, 4}),
            "ALU 0 has results of 'slow' and 'quick' in cycle 8");
  EXPECT_EQ(verifyAt(problem, {0, 5}), "");
  problem.chains[1].issues[0] = issueOn(4, 0);
  problem.chains[1].issues[0].aluLatency = 4;
  EXPECT_EQ(verifyAt(problem, {0, 4}),
            "ALU 0 has results of 'slow' and 'quick' in cycle 8");
  problem.chains[0].issues[0].excludedAlus = 1;
  EXPECT_EQ(verifyAt(problem, {0, 5}), "chain 'slow' may not use ALU 0");
}

TEST(VerifySchedule, Streams) {
  ChainProblem problem = makeProblem();
  problem.chains = {makeChain("a", {}, {flowFrom(1, 5, 0)}),
                    makeChain("b", {}, {flowFrom(3, 6, 0)})};
  // b drives column 3 two cycles after a drove column 1.
  EXPECT_EQ(verifyAt(problem, {0, 2}),
            "'b' drives east stream 0 at column 3 over a value that 'a' still needs");
  EXPECT_EQ(verifyAt(problem, {0, 1}), "");
  // Replacing where the last consumer samples is legal (T2).
  problem.chains[0] = makeChain("a", {}, {flowFrom(1, 3, 0)});
  EXPECT_EQ(verifyAt(problem, {0, 2}), "");
  problem.chains = {makeChain("a", {}, {flowFrom(5, 1, 0)}),
                    makeChain("b", {}, {flowFrom(3, 0, 0)})};
  EXPECT_EQ(verifyAt(problem, {0, 2}),
            "'b' drives west stream 0 at column 3 over a value that 'a' still needs");
}

TEST(VerifySchedule, DependencesAndNumbers) {
  ChainProblem problem = makeProblem();
  problem.chains = {makeChain("a", {issueOn(0, 0)}), makeChain("b", {issueOn(1, 0)})};
  problem.dependences = {{0, 1, 7}};
  EXPECT_EQ(verifyAt(problem, {0, 6}), "chain 'b' starts too early after 'a'");
  EXPECT_EQ(verifyAt(problem, {-1, 7}), "chain 'a' starts before cycle 0");
  Schedule schedule = placeAt(problem, {0, 7});
  schedule.cycles = 7;
  EXPECT_EQ(verify(problem, schedule).message(), "expected a cycle count of 8, got 7");
  schedule.chains.pop_back();
  EXPECT_EQ(verify(problem, schedule).message(),
            "expected a placement for each of 2 chains, got 1");
}

} // namespace
