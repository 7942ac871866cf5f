//===- ListSchedulerTest.cpp - Schedules are right and soon found ---------===//

#include "Problems.h"
#include <chrono>
#include <gtest/gtest.h>

using namespace lpu;
using namespace lpu::scheduling;

namespace {

Schedule scheduleOf(const ChainProblem &problem) {
  auto schedule = scheduleByCriticalPath(problem);
  EXPECT_TRUE(schedule.ok()) << schedule.status().message();
  if (!schedule.ok()) {
    return {};
  }
  absl::Status status = verify(problem, *schedule);
  EXPECT_TRUE(status.ok()) << status.message();
  return *schedule;
}

TEST(ListScheduler, EmptyProblem) {
  EXPECT_EQ(scheduleOf(makeProblem()).cycles, 0);
  EXPECT_EQ(getLowerBound(makeProblem()), 0);
}

TEST(ListScheduler, LongestTailFirstAndGapsFilled) {
  ChainProblem problem = makeProblem();
  problem.chains = {makeChain("short", {issueOn(0, 0, 3)}),
                    makeChain("long", {issueOn(0, 0, 10)}),
                    makeChain("late", {issueOn(0, 0, 4)})};
  problem.dependences = {{1, 2, 14}};
  Schedule schedule = scheduleOf(problem);
  EXPECT_EQ(schedule.chains[1].start, 0);
  EXPECT_EQ(schedule.chains[2].start, 14);
  EXPECT_EQ(schedule.chains[0].start, 10);
  EXPECT_EQ(schedule.cycles, 18);
}

TEST(ListScheduler, HolesOfFlowsAreUsed) {
  // Two drivers every second cycle on a machine of one stream interleave.
  ChainProblem problem = makeProblem();
  problem.streams = 1;
  problem.chains = {makeChain("a", {}, {flowFrom(1, 6, 0, 8, 2)}),
                    makeChain("b", {}, {flowFrom(2, 6, 0, 8, 2)})};
  EXPECT_EQ(scheduleOf(problem).chains[1].start, 0);
  problem.chains[1].flows[0].drives[0].column = 1;
  EXPECT_EQ(scheduleOf(problem).chains[1].start, 1);
}

TEST(ListScheduler, WideFlowsAreAligned) {
  // While one stream is taken for a cycle, a wide flow leaves room for another.
  ChainProblem problem = makeProblem();
  problem.streams = 4;
  problem.chains = {makeChain("narrow", {}, {flowFrom(1, 6, 0)}),
                    makeChain("wide", {}, {flowFrom(1, 6, 0, 20, 1, 2)}),
                    makeChain("other", {}, {flowFrom(1, 6, 0, 20, 1, 2)}),
                    makeChain("after", {issueOn(0, 0)})};
  problem.dependences = {{0, 3, 50}};
  Schedule schedule = scheduleOf(problem);
  EXPECT_EQ(schedule.chains[1].start, 0);
  EXPECT_EQ(schedule.chains[1].flowIds[0], 2u);
  EXPECT_EQ(schedule.chains[2].start, 1);
}

TEST(ListScheduler, ResultsOfOneAluStayApart) {
  ChainProblem problem = makeProblem();
  problem.numAlus = 1;
  problem.chains = {makeChain("slow", {issueOnAlu(0, 8)}),
                    makeChain("quick", {issueOnAlu(0, 4)})};
  problem.dependences = {{0, 1, 4}};
  EXPECT_EQ(scheduleOf(problem).chains[1].start, 5);
}

TEST(ListScheduler, ExcludedAlusAreNotTaken) {
  ChainProblem problem = makeProblem();
  problem.chains = {makeChain("a", {issueOnAlu(0, 4)})};
  problem.chains[0].issues[0].excludedAlus = 1;
  EXPECT_EQ(scheduleOf(problem).chains[0].issueAlus[0], 1u);
}

TEST(ListScheduler, SaysWhatIsLacking) {
  ChainProblem problem = makeProblem();
  problem.chains = {
      makeChain("a", {issueOnAlu(0, 4), issueOnAlu(0, 4), issueOnAlu(0, 4)})};
  EXPECT_EQ(scheduleByCriticalPath(problem).status().message(),
            "chain 'a' needs more ALUs at once than the target has");
  problem.chains = {
      makeChain("b", {}, {flowFrom(0, 4, 0), flowFrom(1, 4, 1, 1, 1, 2)})};
  EXPECT_EQ(scheduleByCriticalPath(problem).status().message(),
            "chain 'b' needs more streams at once than the target has");
  problem.chains = {makeChain("c", {issueOn(9, 0)})};
  EXPECT_EQ(scheduleByCriticalPath(problem).status().message(),
            "chain 'c': expected a queue below 6, got 9");
}

TEST(ListScheduler, RandomProblemsOfManySizes) {
  std::mt19937 random(3);
  for (uint32_t round = 0; round < 200; ++round) {
    ChainProblem problem = makeRandomProblem(random, 1 + round % 40);
    Schedule schedule = scheduleOf(problem);
    EXPECT_LE(getLowerBound(problem), schedule.cycles);
    EXPECT_EQ(scheduleOf(problem).cycles, schedule.cycles); // deterministic
  }
}

/// A program as decode has it, on a chip of 88 slices, 16 ALUs and 4 planes: a
/// layer is tile loads (16 reads that meet at a plane), passes through the
/// tiles, and vector work after them.
class Decode {
public:
  ChainProblem make(uint32_t layers, uint32_t tilesAPlane) {
    problem.firstAluQueue = kSlices;
    problem.numAlus = 16;
    problem.numQueues = kSlices + 16 + 3 * 4;
    problem.streams = 32;
    problem.columns = 97;
    for (uint32_t layer = 0; layer < layers; ++layer) {
      passes.clear();
      for (uint32_t tile = 0; tile < tilesAPlane; ++tile) {
        for (int plane = 0; plane < 4; ++plane) {
          addTile(plane, int(tile));
        }
      }
      for (int k = 0; k < 6; ++k) {
        addVectorWork(k);
      }
    }
    return std::move(problem);
  }

private:
  static constexpr int kSlices = 88;
  static int sliceColumn(int slice) { return slice < 44 ? 47 - slice : 5 + slice; }

  uint32_t add(Chain chain) {
    problem.chains.push_back(std::move(chain));
    return uint32_t(problem.chains.size() - 1);
  }

  void addTile(int plane, int tile) {
    int column = plane < 2 ? 1 + plane : 92 + plane;
    int queue = kSlices + 16 + 3 * plane;
    int west = plane < 2 ? 0 : 44;
    Chain load = makeChain("load", {issueOn(queue, 65, 20), issueOn(queue, 85)});
    ChainFlow rows;
    rows.direction = plane < 2 ? Direction::West : Direction::East;
    rows.width = 16;
    for (int k = 0; k < 16; ++k) {
      int slice = west + (tile + plane) % 2 * 16 + k;
      int64_t offset = 60 - std::abs(sliceColumn(slice) - column);
      load.issues.push_back(issueOn(slice, offset, 20));
      rows.drives.push_back(
          {uint32_t(k), 1, {offset + 5, 20, 1, 1, 0}, sliceColumn(slice), column});
    }
    load.flows.push_back(rows);
    uint32_t l = add(load);
    if (last[plane] >= 0) {
      // The array is in use until the last pass; then the next tile's install.
      problem.dependences.push_back({uint32_t(last[plane]), l, 48 - 86});
    }
    int source = sliceColumn(west + 40);
    int64_t way = std::abs(source - column);
    uint32_t p = add(makeChain("pass",
                               {issueOn(west + 40, 0, 3), issueOn(queue + 1, 5 + way, 3),
                                issueOn(queue + 2, 45 + way, 3)},
                               {flowFrom(source, column, 5, 3)}));
    problem.dependences.push_back({l, p, 87 - (5 + way)});
    if (vector >= 0) {
      problem.dependences.push_back({uint32_t(vector), p, 60});
    }
    last[plane] = p;
    passes.push_back(p);
  }

  void addVectorWork(int k) {
    int slice = k % 2 ? 3 + k : 47 + k;
    Chain work = makeChain("vector", {issueOn(slice, 0, 4)},
                           {flowFrom(sliceColumn(slice), 48, 5, 4)});
    for (int alu = 0; alu < 8; ++alu) {
      work.issues.push_back(issueOnAlu(12 + 4 * alu, alu % 3 ? 4 : 8, 4));
    }
    uint32_t w = add(work);
    for (uint32_t p : passes) {
      problem.dependences.push_back({p, w, 50});
    }
    vector = w;
  }

  ChainProblem problem;
  std::vector<uint32_t> passes;
  int64_t last[4] = {-1, -1, -1, -1}, vector = -1;
};

TEST(ListScheduler, TwentyThousandChains) {
  ChainProblem problem = Decode().make(30, 82);
  ASSERT_GE(problem.chains.size(), 19000u);
  auto begin = std::chrono::steady_clock::now();
  auto schedule = scheduleByCriticalPath(problem);
  std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
  ASSERT_TRUE(schedule.ok());
  int64_t bound = getLowerBound(problem);
  std::chrono::duration<double> all = std::chrono::steady_clock::now() - begin;
  RecordProperty("cycles", std::to_string(schedule->cycles));
  RecordProperty("bound", std::to_string(bound));
  RecordProperty("path", std::to_string(getLongestPath(problem)));
  RecordProperty("seconds", std::to_string(seconds.count()));
  RecordProperty("with_bound", std::to_string(all.count()));
  EXPECT_TRUE(verify(problem, *schedule).ok());
  EXPECT_LE(bound, schedule->cycles);
  EXPECT_LE(schedule->cycles, bound * 6 / 5);
  EXPECT_LT(seconds.count(), 15);
}

} // namespace
