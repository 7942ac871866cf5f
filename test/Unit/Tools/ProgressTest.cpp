//===- ProgressTest.cpp - What a tool says while it works -----------------===//

#include "Tools/Progress.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

using namespace lpu;
using testing::HasSubstr;
using testing::MatchesRegex;
using testing::Not;

namespace {

constexpr std::chrono::milliseconds kTick(10);

void sleepTicks(int count) { std::this_thread::sleep_for(count * kTick); }

/// What `run` makes a Progress say.
template <typename Function> std::string record(bool isTerminal, Function run) {
  std::string text;
  llvm::raw_string_ostream out(text);
  {
    Progress progress(&out, isTerminal, kTick);
    run(progress);
  }
  return text;
}

TEST(Progress, SaysNothingWithoutAStream) {
  Progress progress(nullptr, true);
  progress.stage("import");
  progress.update(0.5);
  progress.clearLine();
  ASSERT_EQ(progress.getTimes().size(), 1u);
  EXPECT_EQ(progress.getTimes()[0].first, "import");
}

TEST(Progress, ALineAStage) {
  std::string text = record(false, [](Progress &progress) {
    progress.stage("import");
    progress.stage("place");
  });
  EXPECT_THAT(text, MatchesRegex("\\[  .\\... s\\] import\n\\[  .\\... s\\] place\n"));
}

TEST(Progress, SaysHowMuchIsDoneAndLeft) {
  std::string text = record(false, [](Progress &progress) {
    progress.stage("schedule");
    sleepTicks(10);
    progress.update(0.01); // some 10 s left
    sleepTicks(20);
  });
  EXPECT_THAT(text, HasSubstr("] schedule\n")); // before a share is known
  EXPECT_THAT(text, HasSubstr("] schedule: 1 %, about "));
}

TEST(Progress, SaysNoTimeWhereLittleIsLeft) {
  std::string text = record(false, [](Progress &progress) {
    progress.stage("schedule");
    progress.update(0.9);
    sleepTicks(10);
  });
  EXPECT_THAT(text, HasSubstr("] schedule: 90 %\n"));
  EXPECT_THAT(text, Not(HasSubstr("about")));
}

TEST(Progress, ANewStageHasNoShareYet) {
  std::string text = record(false, [](Progress &progress) {
    progress.stage("calibrate");
    progress.update(0.5);
    progress.stage("place");
    sleepTicks(10);
  });
  EXPECT_THAT(text, Not(HasSubstr("place:")));
}

TEST(Progress, ATerminalsLineIsWrittenOver) {
  std::string text = record(true, [](Progress &progress) {
    progress.stage("schedule");
    progress.update(0.9);
    sleepTicks(10);
  });
  EXPECT_THAT(text, HasSubstr("] schedule\x1b[K\n"));
  EXPECT_THAT(text, HasSubstr("] schedule: 90 %\x1b[K\r"));
  EXPECT_TRUE(llvm::StringRef(text).ends_with("\x1b[K")); // the line is cleared at the end
}

TEST(Progress, KeepsTheTimeOfEachStage) {
  Progress progress(nullptr, false);
  progress.stage("slow");
  sleepTicks(5);
  progress.stage("quick");
  const StageTimes &times = progress.getTimes();
  ASSERT_EQ(times.size(), 2u);
  EXPECT_EQ(times[0].first, "slow");
  EXPECT_GE(times[0].second, 0.05);
  EXPECT_EQ(times[1].first, "quick");
  double last = times[1].second;
  sleepTicks(2);
  EXPECT_EQ(progress.getTimes()[1].second, last); // it has ended
}

} // namespace
