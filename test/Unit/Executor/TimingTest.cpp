//===- TimingTest.cpp - Hand-computed cycles of every timed rule ----------===//
//
// Each program runs when its consumer samples in the one right cycle, and
// stops one cycle earlier and one later. Columns: Programs.h.
//
//===----------------------------------------------------------------------===//

#include "Programs.h"
#include "absl/strings/str_replace.h"
#include "lpu/Binary/Assembly.h"
#include "lpu/Executor/Executor.h"
#include <cstring>
#include <gmock/gmock.h>

using namespace lpu;
using testing::HasSubstr;

namespace {

absl::StatusOr<RunResult> runText(const std::string &text) {
  absl::StatusOr<Program> program = assemble(text, "test");
  if (!program.ok()) {
    return program.status();
  }
  auto executor =
      Executor::create(std::make_shared<const Program>(std::move(*program)));
  return executor.ok() ? executor->run("main", {})
                       : absl::StatusOr<RunResult>(executor.status());
}

struct Timing {
  const char *name;
  std::string text; ///< the sampling instruction is at @SAMPLE
  int cycle;        ///< the right cycle
  int64_t cycles;   ///< of the whole program (T10)
};

std::string images(int first, int last) {
  std::string text;
  for (int s = first; s <= last; ++s) {
    text += "image weights mem.w" + std::to_string(s) +
            " bank 0 words 0..1 \"w\" = fill 1\n";
  }
  return text;
}
std::string alu(const std::string &fields) {
  return program("", "  region scratch mem.e0 bank 0 words 0..0 \"s\"\n"
                     "  queue vxm.0\n    @10 alu " + fields + "\n"
                     "  queue mem.e0\n    @SAMPLE mem w=linear w_addr=0 w_id=0\n");
}
// 16 constant slices w0 ... w15 pass the SXM of the west (column 3) together.
std::string sixteen(int cycle, const std::string &direction) {
  std::string text;
  for (int s = 0; s < 16; ++s) {
    text += "  queue mem.w" + std::to_string(s) + "\n    @" +
            std::to_string(cycle + s) + " mem r=linear r_addr=0 r_dir=" +
            direction + " r_id=" + std::to_string(s) + "\n";
  }
  return text;
}
const std::string kOut = "  region scratch mem.w20 bank 0 words 0..3 \"s\"\n";

std::vector<Timing> timings() {
  return {
      // (M2) mem.w1 is column 42: 7 + 5 + 2 columns to the VXM at 44. The
      // alu issued at 14 drives at 18: 19 cycles.
      {"Read",
       program(images(1, 1), "  queue mem.w1\n    @7 mem r=linear r_addr=0 r_id=0\n"
                             "  queue vxm.0\n    @SAMPLE alu op=copy a=stream a_type=i8 out=i8\n"),
       14, 19},
      // (V4) drives at 10 + 4, mem.e0 is the next column.
      {"Alu", alu("op=copy a=immediate a_type=i32 out=i8"), 15, 16},
      {"Bits", alu("op=bits a=immediate out=i8"), 15, 16},
      {"Transcendental", alu("op=exp2 a=immediate out=f32"), 19, 20},
      {"Delay", alu("op=delay lo=64 a=immediate a_type=i32 out=i8"), 75, 76},
      // (P1) the permuted vector of mem.w1 (column 42) is at the SXM, column
      // 3, in 0 + 5 + 39 = 44; back at mem.w20, column 23: 20 columns.
      {"Shift",
       program(images(1, 1), kOut + "  queue mem.w1\n    @0 mem r=linear r_addr=0 r_dir=west r_id=0\n"
                             "  queue sxm.w.shift\n    @44 shift dir=west id=0 lanes=3 out_dir=east out_id=1\n"
                             "  queue mem.w20\n    @SAMPLE mem w=linear w_addr=0 w_dir=east w_id=1\n"),
       67, 68},
      // (P2)
      {"Permute",
       program("table 31 30 29 28 27 26 25 24 23 22 21 20 19 18 17 16 15 14 13 12 11 10 9 8 7 6 5 4 3 2 1 0\n" +
                   images(1, 1),
               kOut + "  queue mem.w1\n    @0 mem r=linear r_addr=0 r_dir=west r_id=0\n"
                      "  queue sxm.w.permute\n    @44 permute dir=west id=0 table=0 out_dir=east out_id=1\n"
                      "  queue mem.w20\n    @SAMPLE mem w=linear w_addr=0 w_dir=east w_id=1\n"),
       70, 71},
      // (P3) slice S is column 43 - S and reads in S: all pass column 3 in 45.
      {"Transpose",
       program(images(0, 15),
               kOut + sixteen(0, "west") +
                   "  queue sxm.w.transpose\n    @45 transpose dir=west base=0 out_dir=east out_base=0\n"
                   "  queue mem.w20\n    @SAMPLE mem w=linear w_addr=0 w_dir=east w_id=7\n"),
       85, 86},
      // (X8), (X5) rows at 46 in column 2, installed in 47, seen from 49 on;
      // the result of the abc appears 40 later and is emitted in the next
      // cycle: mem.w20 is 21 columns away.
      {"Emit",
       program(images(0, 16),
               kOut + sixteen(0, "west") +
                   "  queue mem.w16\n    @19 mem r=linear r_addr=0 r_dir=west r_id=31\n"
                   "  queue mxm.1.weights\n    @46 lw group=0 dir=west base=0\n    @47 iw\n"
                   "  queue mxm.1.activations\n    @49 abc dir=west base=31 count=1\n"
                   "  queue mxm.1.accumulators\n    @89 acc mode=set a=5 count=2 emit=true b=5 emit_count=2 dir=east base=4\n"
                   "  queue mem.w20\n    @SAMPLE mem w=linear w_addr=0 w_dir=east w_id=4\n"),
       111, 112},
  };
}

class TimingTest : public testing::TestWithParam<Timing> {};

TEST_P(TimingTest, OneCycleIsRight) {
  const Timing &timing = GetParam();
  auto at = [&](int cycle) {
    return runText(absl::StrReplaceAll(
        timing.text, {{"SAMPLE", std::to_string(cycle)}}));
  };
  absl::StatusOr<RunResult> right = at(timing.cycle);
  ASSERT_TRUE(right.ok()) << right.status().message();
  EXPECT_EQ(right->statistics.cycles, timing.cycles);
  for (int wrong : {timing.cycle - 1, timing.cycle + 1}) {
    EXPECT_THAT(std::string(at(wrong).status().message()),
                HasSubstr("violates (T5)"))
        << wrong;
  }
}

INSTANTIATE_TEST_SUITE_P(All, TimingTest, testing::ValuesIn(timings()),
                         [](const auto &info) { return info.param.name; });

// (T10), (Q3): 4 + 2·20 + 2·3 is the last issue.
TEST(Repeat, IssuesAtEveryStep) {
  auto result = runText(program(
      "image weights mem.w0 bank 0 words 0..31 \"w\" = iota\n",
      "  queue mem.w0\n    @4 mem r=linear r_addr=0 r_id=0 repeat 3 3 3 20 stride r_addr 8 1\n"));
  ASSERT_TRUE(result.ok()) << result.status().message();
  EXPECT_EQ(result->statistics.issues, 9u);
  EXPECT_EQ(result->statistics.cycles, 4 + 2 * 20 + 2 * 3 + 5 + 1);
}

} // namespace
