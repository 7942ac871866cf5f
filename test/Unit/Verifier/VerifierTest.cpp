//===- VerifierTest.cpp - The verifier rejects what is wrong --------------===//

#include "../Executor/Hazards.h"
#include "Violations.h"
#include "absl/strings/str_cat.h"
#include "lpu/Binary/Assembly.h"
#include <gmock/gmock.h>

using namespace lpu;
using testing::Contains;
using testing::HasSubstr;

namespace {

class HazardTest : public testing::TestWithParam<Hazard> {};

TEST_P(HazardTest, IsRejected) {
  absl::StatusOr<Program> program = assemble(GetParam().text, "test");
  if (!program.ok()) {
    EXPECT_EQ(getRule(GetParam()), "") << program.status().message();
    return;
  }
  EXPECT_THAT(getViolations(*program),
              Contains(HasSubstr("violates (" + getRule(GetParam()) + ")")));
}

INSTANTIATE_TEST_SUITE_P(All, HazardTest, testing::ValuesIn(hazards()),
                         [](const auto &info) { return info.param.name; });

/// One int8 pass through a full row group, emitted, added to 1.5 on the VXM and
/// written back: every unit but the SXM takes part.
Program makeProgram() {
  std::string body =
      "  region output mem.e0 bank 0 words 0..0 \"y\"\n"
      "  tensor output y i8 as i8 shape 32 rows 1 columns 32 vectors 1 stride "
      "1 planes mem.e0:0:0\n" +
      weightReads() +
      "  queue mem.w16\n    @19 mem r=linear r_addr=0 r_dir=west r_id=31\n"
      "  queue mxm.1.weights\n    @46 lw group=0 dir=west base=0\n    @47 iw\n"
      "  queue mxm.1.activations\n    @49 abc dir=west base=31 count=1\n"
      "  queue mxm.1.accumulators\n    @89 acc mode=set a=5 count=2 emit=true "
      "b=5 emit_count=2 dir=east base=4\n"
      "  queue vxm.0\n    @132 alu op=add a=stream a_type=i32 a_base=4 "
      "b=immediate b_type=i32 b_value=7\n"
      "  queue vxm.1\n    @136 alu op=copy a=mesh a_base=0 out=i8 out_base=3\n"
      "  queue mem.e0\n    @141 mem w=linear w_addr=0 w_id=3\n  intent auto\n";
  absl::StatusOr<Program> result =
      assemble(program(weightsImage(), body), "test");
  EXPECT_TRUE(result.ok()) << result.status().message();
  result->entries.front().header.set_cycles(142);
  return std::move(*result);
}

TEST(Verifier, AcceptsAProgramWithoutHazard) {
  EXPECT_THAT(getViolations(makeProgram()), testing::IsEmpty());
}

TEST(Verifier, RejectsAWrongPromise) {
  Program program = makeProgram();
  program.entries.front().header.set_cycles(143);
  EXPECT_THAT(getViolations(program),
              Contains("entry main: 143 cycles are promised, 142 are needed; "
                       "violates (T10)"));
}

// Nothing in this program may move: each instruction a cycle earlier or later
// is another program.
TEST(Verifier, RejectsEveryMoveInTime) {
  Program original = makeProgram();
  for (size_t q = 0; q < original.entries.front().queues.size(); ++q) {
    size_t count = original.entries.front().queues[q].instructions.size();
    for (size_t k = 0; k < count; ++k) {
      for (int step : {-1, 1}) {
        Program program = makeProgram();
        auto &instruction = program.entries.front().queues[q].instructions[k];
        // The install may come at 47 only: earlier its queue is busy, and
        // RejectsALateInstall tests later.
        if (instruction.instruction.opcode == Opcode::InstallWeights ||
            instruction.cycle + step < 0) {
          continue;
        }
        instruction.cycle += step;
        EXPECT_THAT(getViolations(program), testing::Not(testing::IsEmpty()))
            << q << " " << k << " " << step;
      }
    }
  }
}

// The words that the host writes and reads are those of its tensors, no more and no fewer.
TEST(Verifier, RejectsTensorsInOtherWords) {
  const std::string region = "  region input mem.w3 bank 0 words 2..4 \"x\"\n";
  const std::string tensor = "  tensor input x i8 as i8 shape 96 rows 3 columns 32 vectors 1 "
                             "stride 1 planes mem.w3:0:2\n";
  const std::string other = "  tensor input z i8 as i8 shape 32 rows 1 columns 32 vectors 1 "
                            "stride 1 planes mem.w3:0:";
  auto check = [&](const std::string &body) {
    absl::StatusOr<Program> result = assemble(program("", body + "  intent auto\n"), "test");
    EXPECT_TRUE(result.ok()) << result.status().message();
    return getViolations(*result);
  };
  const std::string where = " of bank 0 of mem.w3; violates (H1)";
  EXPECT_THAT(check(region + tensor), testing::IsEmpty());
  EXPECT_THAT(check(region),
              Contains("entry main: region \"x\" has words of no tensor: word 2" + where));
  EXPECT_THAT(check(region + tensor + other + "3\n"),
              testing::ElementsAre("entry main: 'z' is where another input is: word 3" + where));
  // Outputs may be the same, or an input.
  const std::string output = "  tensor output y i8 as i8 shape 32 rows 1 columns 32 vectors 1 "
                             "stride 1 planes mem.w3:0:";
  EXPECT_THAT(check(region + tensor + output + "3\n" + output + "3\n"), testing::IsEmpty());
  EXPECT_THAT(check(region + tensor + output + "5\n"),
              Contains("entry main: 'y' is in words declared otherwise: word 5" + where));
  EXPECT_THAT(check(region + tensor + "  region output mem.w3 bank 0 words 5..5 \"o\"\n"),
              Contains("entry main: region \"o\" has words of no tensor: word 5" + where));
  EXPECT_THAT(check(region + tensor + other + "5\n"),
              testing::ElementsAre("entry main: 'z' is in words declared otherwise: word 5" + where));
}

TEST(Verifier, KnowsTheTypeOfBits) {
  auto check = [](const std::string &first, const std::string &last) {
    absl::StatusOr<Program> result = assemble(
        program("", "  queue vxm.0\n    @0 alu op=bits a=immediate" + first +
                        "\n  queue vxm.1\n    @4 alu op=and a=mesh a_base=0 b=immediate b_type=i32 "
                        "b_value=1\n  queue vxm.2\n    @8 alu op=bits a=mesh a_base=1\n"
                        "  queue vxm.3\n    @12 alu a=mesh a_base=2 " + last +
                        "\n  intent auto\n"),
        "test");
    EXPECT_TRUE(result.ok()) << result.status().message();
    result->entries.front().header.set_cycles(21);
    return getViolations(*result);
  };
  EXPECT_THAT(check("", "op=rsqrt"), testing::IsEmpty());
  EXPECT_THAT(check(" a_type=i32", "op=rsqrt"),
              Contains(HasSubstr("operand a: expected an int32 operand; violates (V1)")));
  EXPECT_THAT(check("", "op=i2f"),
              Contains(HasSubstr("operand a: expected an int32 operand; violates (V1)")));
}

TEST(Verifier, RejectsALateInstall) {
  Program program = makeProgram();
  for (QueueStream &queue : program.entries.front().queues) {
    if (queue.queue.kind == UnitKind::MxmWeights) {
      queue.instructions[1].cycle = 48;
    }
  }
  EXPECT_THAT(getViolations(program), Contains(HasSubstr("violates (X6)")));
}

TEST(Verifier, RejectsMissingSwappedAndSuperfluousIntent) {
  Program original = makeProgram();
  size_t records = original.entries.front().intent.size();
  ASSERT_GT(records, 20u);
  for (size_t k = 0; k < records; ++k) {
    Program missing = makeProgram();
    auto &intent = missing.entries.front().intent;
    intent.erase(intent.begin() + long(k));
    EXPECT_THAT(getViolations(missing),
                Contains(HasSubstr("which no intent record names")));
    Program swapped = makeProgram();
    swapped.entries.front().intent[k].producerQueue ^= 1;
    EXPECT_THAT(getViolations(swapped), testing::SizeIs(testing::Ge(2u)));
  }
  Program more = makeProgram();
  IntentRecord record = more.entries.front().intent.front();
  record.producerIndex += 1;
  more.entries.front().intent.push_back(record);
  EXPECT_THAT(getViolations(more),
              Contains(HasSubstr("never takes that value")));
}

/// Every field of every instruction, changed by one: rejected, unless the field
/// does not matter to any rule.
TEST(Verifier, RejectsChangedFields) {
  Program original = makeProgram();
  unsigned rejected = 0;
  for (size_t q = 0; q < original.entries.front().queues.size(); ++q) {
    size_t count = original.entries.front().queues[q].instructions.size();
    for (size_t k = 0; k < count; ++k) {
      size_t fields = original.entries.front()
                          .queues[q]
                          .instructions[k]
                          .instruction.fields.size();
      for (size_t f = 0; f < fields; ++f) {
        Program program = makeProgram();
        Instruction &in =
            program.entries.front().queues[q].instructions[k].instruction;
        std::string_view name = in.info().fields[f].name;
        in.fields[f] += 1;
        bool decides = name == "r_dir" || name == "r_id" || name == "w_id" ||
                       name == "w_dir" || name == "dir" || name == "base" ||
                       name == "out_base" || name == "out_dir" ||
                       name == "group";
        bool rejects =
            !checkProgram(program).ok() || !getViolations(program).empty();
        rejected += rejects;
        bool unused = (name == "w_id" || name == "w_dir") ? in.get("w") == 0
                      : (name == "r_id" || name == "r_dir")
                          ? in.get("r") == 0
                          : (name == "out_base" || name == "out_dir") &&
                                in.get("out") == 0;
        if (decides && !unused) {
          EXPECT_TRUE(rejects) << in.info().mnemonic << " " << name;
        }
      }
    }
  }
  EXPECT_GT(rejected, 60u);
}

} // namespace
