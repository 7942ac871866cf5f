//===- MeaningTest.cpp - The verifier holds a program against its meaning -===//
//
// Each change leaves a program without hazard whose operands all come from instructions
// that intent names: only the meaning tells (docs/Spec/Binary.md, I1 to I3).
//
//===----------------------------------------------------------------------===//

#include "../Executor/Hazards.h"
#include "Violations.h"
#include "lpu/Binary/Assembly.h"
#include <functional>
#include <gmock/gmock.h>

using namespace lpu;
using testing::Each;
using testing::HasSubstr;

namespace {

struct Change {
  const char *name;
  std::string text; ///< image lines, "entry main", body
  std::function<void(EntryProgram &)> change;
};

/// A function that sets a field of instruction `index` of queue number `queue`.
std::function<void(EntryProgram &)> set(size_t queue, size_t index, std::string field,
                                        int64_t value) {
  return [=](EntryProgram &entry) {
    entry.queues[queue].instructions[index].instruction.set(field, value);
  };
}
std::function<void(EntryProgram &)> moveTo(size_t queue, size_t index, int64_t cycle) {
  return [=](EntryProgram &entry) { entry.queues[queue].instructions[index].cycle = cycle; };
}

// A read of mem.w3 at 10 drives at 15 and is at mem.e2 at 22.
const std::string kWords = "image weights mem.w3 bank 0 words 5..8 \"w\" = iota\n";
const std::string kPlaces = "  region scratch mem.e2 bank 0 words 0..9 \"s\"\n";

/// One pass through row groups that `weights` load, all of its results set into `accumulators`.
std::string makePass(const std::string &weights, const std::string &activations,
                     const std::string &accumulators) {
  return program(weightsImage(), weightReads(" repeat 2 1 1 0 stride r_addr 0 1") +
                                     "  queue mem.w16\n    @20 mem r=linear r_dir=west r_id=31 "
                                     "repeat 4 1 1 0\n" +
                                     "  queue mxm.1.weights\n" + weights +
                                     "  queue mxm.1.activations\n" + activations +
                                     "  queue mxm.1.accumulators\n" + accumulators +
                                     "  intent auto\n");
}

const std::string kTwoPasses =
    makePass("    @46 lw group=0 dir=west base=0 repeat 2 1 1 0 stride group 0 1\n    @48 iw\n",
             "    @50 abc dir=west base=31 count=2 repeat 2 1 1 0\n",
             "    @90 acc mode=set a=5 count=2 repeat 2 1 1 0 stride a 0 1\n"
             "    @95 acc emit=true b=5 emit_count=2 dir=east\n");

std::vector<Change> changes() {
  const std::string move = program(
      kWords, "  region input mem.e2 bank 0 words 0..9 \"x\"\n"
              "  tensor input x i8 as i8 shape 10x32 rows 10 columns 32 vectors 1 stride 1 "
              "planes mem.e2:0:0\n"
                  "  queue mem.w3\n    @10 mem r=linear r_addr=5 repeat 2 1 1 0 stride r_addr 0 1\n"
                  "  queue mem.e2\n    @22 mem w=linear w_addr=1 repeat 2 1 1 0 stride w_addr 0 1\n"
                  "    @30 mem r=linear r_addr=1 r_id=7 repeat 2 1 1 0 stride r_addr 0 1\n"
                  "  intent auto\n");
  // The map is word 0 of mem.w4 .. w7, which all read so that it is at mem.e2 at 30.
  std::string map;
  for (int byte = 0; byte < 4; ++byte) {
    map += "  queue mem.w" + std::to_string(4 + byte) + "\n    @" + std::to_string(17 - byte) +
           " mem r=linear r_id=" + std::to_string(8 + byte) + "\n";
  }
  std::string maps;
  for (int byte = 4; byte < 8; ++byte) {
    maps += "image weights mem.w" + std::to_string(byte) + " bank 0 words 0..0 \"m\" = fill 0\n";
  }
  const std::string gather = program(
      maps + "image weights mem.e2 bank 0 words 0..9 \"w\" = iota\n",
      map + "  queue mem.e2\n    @30 mem r=mapped r_addr=1 r_len=3 r_map_id=8\n  intent auto\n");
  const std::string scatter =
      program(maps + kWords, "  queue mem.w3\n    @18 mem r=linear r_addr=5 r_id=0\n" + map +
                                 kPlaces +
                                 "  queue mem.e2\n    @30 mem w=mapped w_addr=1 w_len=3 w_map_id=8\n"
                                 "  intent auto\n");
  const std::string registers =
      program("", "  queue vxm.0\n    @0 alu op=acc a=immediate a_value=1.5f reset=always\n"
                  "    @2 alu op=acc a=immediate a_value=2.5f reset=always\n"
                  "    @4 alu op=add a=register b=immediate b_value=1.0f\n  intent auto\n");
  const std::string mesh = program(
      "", "  queue vxm.0\n    @0 alu op=copy a=immediate a_value=1.5f repeat 3 1 1 0\n"
          "  queue vxm.1\n    @5 alu op=copy a=mesh a_base=0\n  intent auto\n");
  const std::string bytes = program(
      "", "  queue vxm.0\n    @0 alu op=copy a=immediate a_type=i32 out=i32 out_base=0\n"
          "  queue mem.e0\n    @5 mem w=linear w_id=1\n" +
              std::string("  region scratch mem.e0 bank 0 words 0..0 \"s\"\n  intent auto\n"));
  auto exchange = [](EntryProgram &entry) {
    auto &all = entry.queues[0].instructions;
    std::swap(all[0].instruction, all[1].instruction);
    std::swap(entry.meanings[0], entry.meanings[1]);
  };
  auto stride = [](size_t queue, size_t index, std::string field, int32_t j) {
    return [=](EntryProgram &entry) {
      entry.queues[queue].instructions[index].instruction.setStride(field, 0, j);
    };
  };
  constexpr size_t kWeights = 17, kAccumulators = 19;
  return {
      {"ConstantWord", move, set(0, 0, "r_addr", 6)},
      {"StrideOfReads", move, stride(0, 0, "r_addr", 2)},
      {"WrittenWord", move, set(1, 0, "w_addr", 2)},
      {"WordOfAnotherIssue", move, stride(1, 1, "r_addr", 0)},
      {"AnotherBank", program(kWords + "image weights mem.w3 bank 1 words 5..5 \"v\" = iota\n",
                              "  queue mem.w3\n    @0 mem r=linear r_addr=5\n  intent auto\n"),
       set(0, 0, "r_bank", 1)},
      {"WindowOfAGather", gather, set(4, 0, "r_addr", 2)},
      {"WindowOfAScatter", scatter, set(5, 0, "w_addr", 2)},
      {"RegisterOfAnotherAcc", registers, exchange},
      {"MeshOfAnotherIssue", mesh, moveTo(1, 0, 6)},
      {"StreamOfAnotherIssue",
       program(kWords, kPlaces + "  queue mem.w3\n    @10 mem r=linear r_addr=5 repeat 2 1 1 0\n"
                                 "  queue mem.e2\n    @22 mem w=linear w_addr=1\n  intent auto\n"),
       moveTo(1, 0, 23)},
      {"ByteOfAnotherOrder", bytes, set(1, 0, "w_id", 2)},
      {"RowGroups", makePass("    @46 lw group=0 dir=west base=0 repeat 2 1 1 0 stride group 0 1\n"
                             "    @48 iw\n",
                             "    @50 abc dir=west base=31 count=2\n",
                             "    @90 acc mode=set count=2\n"),
       [](EntryProgram &entry) {
         Instruction &in = entry.queues[kWeights].instructions[0].instruction;
         in.set("group", 1);
         in.setStride("group", 0, -1);
       }},
      {"EarlyInstall", makePass("    @46 lw group=0 dir=west base=0\n"
                                "    @47 lw group=0 dir=west base=0 install=true\n    @49 iw\n",
                                "    @50 abc dir=west base=31 count=1\n",
                                "    @90 acc mode=set count=2\n"),
       moveTo(kWeights, 2, 48)},
      {"EmittedAccumulator", kTwoPasses, set(kAccumulators, 1, "b", 6)},
      {"SetAccumulator", kTwoPasses, set(kAccumulators, 0, "a", 4)},
  };
}

class MeaningTest : public testing::TestWithParam<Change> {};

TEST_P(MeaningTest, AnotherSourceIsRejected) {
  absl::StatusOr<Program> program = assemble(GetParam().text, "test");
  ASSERT_TRUE(program.ok()) << program.status().message();
  ASSERT_THAT(getViolations(*program), testing::IsEmpty());
  GetParam().change(program->entries.front());
  ASSERT_TRUE(checkProgram(*program).ok());
  std::vector<std::string> violations = getViolations(*program);
  EXPECT_FALSE(violations.empty());
  EXPECT_THAT(violations, Each(HasSubstr("violates (I3)")));
}

INSTANTIATE_TEST_SUITE_P(All, MeaningTest, testing::ValuesIn(changes()),
                         [](const auto &info) { return info.param.name; });

TEST(Meaning, AnotherOperationIsRejected) {
  const std::string text = program(
      "", "  queue vxm.0\n    @0 alu op=add a=immediate b=immediate repeat 2 1 1 0\n  intent auto\n");
  auto check = [&](const std::function<void(Instruction &)> &change, const char *rule) {
    Program program = assemble(text, "test").value();
    change(program.entries[0].queues[0].instructions[0].instruction);
    EXPECT_THAT(getViolations(program), testing::Contains(HasSubstr(rule)));
  };
  check([](Instruction &in) { in.set("op", *parseEnum(FieldKind::AluOp, "mul")); }, "(I2)");
  check([](Instruction &in) { in.set("b_value", 1); }, "(I2)");
  check([](Instruction &in) { in.repeat.n = 3; }, "(I2)");
  check([](Instruction &in) { in.repeat.m = 2, in.repeat.e = 9; }, "(I2)");
}

TEST(Meaning, EveryInstructionHasANumberOfItsOwn) {
  const std::string text =
      program("", "  queue vxm.0\n    @0 alu op=neg a=immediate\n    @1 alu op=neg a=immediate\n"
                  "  intent auto\n");
  auto check = [&](const std::function<void(EntryProgram &)> &change, const char *message) {
    Program program = assemble(text, "test").value();
    change(program.entries[0]);
    EXPECT_THAT(getViolations(program), testing::ElementsAre(HasSubstr(message)));
  };
  check([](EntryProgram &entry) { entry.meanings.clear(); },
        "expected a meaning for each of 2 instructions, got 0; violates (I1)");
  check([](EntryProgram &entry) { entry.meanings[0].number = 2; },
        "expected each instruction to have a number of its own, got 2 twice; violates (I1)");
  check([](EntryProgram &entry) { entry.meanings[0].number = 0; },
        "number of its own, got 0; violates (I1)");
}

} // namespace
