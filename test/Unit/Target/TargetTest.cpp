#include "lpu/Target/Target.h"
#include <cstdio>
#include <fstream>
#include <gtest/gtest.h>

using namespace lpu;

namespace {
Target get(std::string_view name) { return Target::lookup(name).value(); }
} // namespace

// (C1) The columns of tsp1, as docs/Spec/Machine.md lists them.
TEST(TargetTest, columnsOfTsp1) {
  Target t = get("tsp1");
  EXPECT_EQ(t.columns(), 97u);
  EXPECT_EQ(t.vxmColumn(), 48u);
  EXPECT_EQ(t.sliceColumn(t.slice(Side::West, 0)), 47u);
  EXPECT_EQ(t.sliceColumn(t.slice(Side::West, 43)), 4u);
  EXPECT_EQ(t.sliceColumn(t.slice(Side::East, 0)), 49u);
  EXPECT_EQ(t.sliceColumn(t.slice(Side::East, 43)), 92u);
  EXPECT_EQ(t.planeColumn(0), 1u);
  EXPECT_EQ(t.planeColumn(1), 2u);
  EXPECT_EQ(t.planeColumn(2), 94u);
  EXPECT_EQ(t.planeColumn(3), 95u);
  EXPECT_EQ(t.innerPlane(Side::West), 1u);
  EXPECT_EQ(t.innerPlane(Side::East), 2u);
  EXPECT_EQ(t.sxmColumn(Side::West), 3u);
  EXPECT_EQ(t.sxmColumn(Side::East), 93u);
  EXPECT_EQ(t.c2cColumn(Side::West), 0u);
  EXPECT_EQ(t.c2cColumn(Side::East), 96u);
}

TEST(TargetTest, sizesOfTsp1) {
  Target t = get("tsp1");
  EXPECT_EQ(t.sramBytes(), 230686720u);
  EXPECT_EQ(t.numQueues(), 144u);
  EXPECT_EQ(t.lanes(), 320u);
  EXPECT_EQ(t.format("f16")->rows(), 160u);
  EXPECT_EQ(t.format("i4"), nullptr);
}

TEST(TargetTest, queueNamesRoundTrip) {
  for (const std::string &name : Target::knownNames()) {
    Target t = get(name);
    for (unsigned number = 0; number < t.numQueues(); ++number) {
      QueueId queue = t.queue(number);
      EXPECT_TRUE(t.isValid(queue));
      EXPECT_EQ(t.queueNumber(queue), number);
      EXPECT_EQ(t.parseQueue(t.queueName(queue)).value(), queue);
    }
  }
  EXPECT_EQ(get("tiny").parseQueue("mem.w99").status().message(),
            "target tiny has no queue \"mem.w99\"");
}

TEST(TargetTest, unknownNameListsTheKnownOnes) {
  EXPECT_EQ(Target::lookup("tsp9").status().message(),
            "unknown target \"tsp9\"; known targets: ft32, tiny, tsp1");
}

TEST(TargetTest, filesAreTargetsToo) {
  std::string path = testing::TempDir() + "wide.textproto";
  TargetDescription d = get("tiny").description();
  d.set_name("wide");
  d.set_slices_per_side(41);
  auto write = [&](const std::string &text) { std::ofstream(path) << text; };
  auto message = [&] { return std::string(Target::lookup(path).status().message()); };
  write(d.DebugString());
  EXPECT_EQ(get(path).name(), "wide");
  EXPECT_EQ(get(path).numSlices(), 82u);
  d.set_name("a b");
  d.set_alus(0);
  write(d.DebugString());
  EXPECT_EQ(message(), path + ": target \"a b\" is invalid: name: expected letters, digits, "
                              "'-', '_' and '.', got \"a b\"; alus: expected 1 to 64, got 0");
  write("name: \"wide\"\nlanes: 3\n");
  EXPECT_EQ(message(), path + ": target description: 2:6: Message type "
                              "\"lpu.TargetDescription\" has no field named \"lanes\".");
  std::remove(path.c_str());
  EXPECT_EQ(message(), path + ": cannot read: No such file or directory");
}

TEST(TargetTest, everyBrokenRuleIsReported) {
  TargetDescription d = get("tiny").description();
  d.set_superlanes(65);
  d.mutable_latencies()->set_read(0);
  std::string message(Target::create(d).status().message());
  EXPECT_NE(message.find("superlanes: expected 1 to 64, got 65"), std::string::npos);
  EXPECT_NE(message.find("latencies.read: expected 1 to 1000, got 0"), std::string::npos);
  EXPECT_EQ(Target::parse("lanes: 3").status().code(),
            absl::StatusCode::kInvalidArgument);
}

// d_func of every instruction class, by hand from docs/Spec/Machine.md.
TEST(TargetTest, latencies) {
  Target t = get("tsp1");
  auto latency = [&](Opcode opcode, std::string_view field = {}, int64_t value = 0) {
    Instruction i = Instruction::make(opcode);
    if (!field.empty()) {
      i.set(field, value);
    }
    return t.latency(i);
  };
  EXPECT_EQ(latency(Opcode::Mem, "r", 1), 5u);
  EXPECT_EQ(latency(Opcode::Mem, "r", 2), 7u);
  EXPECT_EQ(latency(Opcode::Alu, "op", *parseEnum(FieldKind::AluOp, "add")), 4u);
  EXPECT_EQ(latency(Opcode::Alu, "op", *parseEnum(FieldKind::AluOp, "exp2")), 8u);
  EXPECT_EQ(latency(Opcode::Alu, "op", *parseEnum(FieldKind::AluOp, "rcp")), 8u);
  EXPECT_EQ(latency(Opcode::Accumulate), 1u);
  EXPECT_EQ(latency(Opcode::Shift), 3u);
  EXPECT_EQ(latency(Opcode::Permute), 6u);
  EXPECT_EQ(latency(Opcode::Transpose), 20u);
}
