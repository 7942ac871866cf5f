#include "lpu/Binary/Assembly.h"
#include <gtest/gtest.h>
#include <random>

using namespace lpu;

namespace {

// The VXM of tiny is at column 44, west slice 3 at 40, east slice 2 at 47: a
// read issued at 10 drives at 15 and is at east slice 2 at 15 + 7 = 22.
constexpr const char *kText = R"(target tiny
producer "by hand"
table 1 0 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31
image weights mem.w3 bank 0 words 5..5 "w" = iota
image state mem.w9 bank 1 words 0..3 "s"
entry "main"
  region scratch mem.e2 bank 0 words 9..9 "out"
  tensor output "y" i8 as i8 shape 1x32 rows 1 columns 32 vectors 1 stride 1 planes mem.e2:0:9
  integer "pos" i64 shape 1 min 0 max 7
  derive "map" rows 1 stride 1 planes mem.w0:0:0 = lane constant 16 mod constant 0 input 0 select
  counter "q"
  queue mem.w3
    @10 mem r=linear r_addr=5 repeat 2 1 1 0 stride r_addr 0 0
  queue mem.e2
    @22 mem w=linear w_addr=9 repeat 2 1 1 0
  intent auto
)";

std::string getMessage(std::string_view text) {
  return std::string(assemble(text, "t.lpuasm").status().message());
}

} // namespace

TEST(AssemblyTest, roundTrip) {
  absl::StatusOr<Program> program = assemble(kText, "t.lpuasm");
  ASSERT_TRUE(program.ok()) << program.status().message();
  std::string text = disassemble(*program, "").value();
  absl::StatusOr<Program> again = assemble(text, "again");
  ASSERT_TRUE(again.ok()) << again.status().message() << "\n" << text;
  EXPECT_EQ(disassemble(*again, "").value(), text);
  EXPECT_EQ(again->entries[0].intent, program->entries[0].intent);
  EXPECT_EQ(again->entries[0].meanings, program->entries[0].meanings);
  EXPECT_EQ(again->entries[0].meanings.size(), 2u);
  EXPECT_EQ(again->entries[0].queues[0].instructions,
            program->entries[0].queues[0].instructions);
}

// A machine that does not ship goes into the text, with all characters of its strings.
TEST(AssemblyTest, describedTargetsRoundTrip) {
  TargetDescription description = Target::lookup("tiny")->description();
  description.set_name("mine");
  description.set_words_per_bank(300);
  description.set_summary("a \"small\" one # it's mine\n");
  Program program(Target::create(description).value());
  program.entries.emplace_back().header.set_name("main");
  std::string text = disassemble(program, "").value();
  EXPECT_EQ(text.find("target mine described \"name: 'mine' summary: 'a "), 0u) << text;
  absl::StatusOr<Program> again = assemble(text, "again");
  ASSERT_TRUE(again.ok()) << again.status().message() << "\n" << text;
  EXPECT_EQ(again->target.description().SerializeAsString(), description.SerializeAsString());
  EXPECT_EQ(disassemble(*again, "").value(), text);
}

TEST(AssemblyTest, intentFollowsTheDiagonal) {
  Program program = assemble(kText, "t.lpuasm").value();
  uint32_t producer = program.target.queueNumber({UnitKind::Mem, 3});
  uint32_t consumer = program.target.queueNumber({UnitKind::Mem, 42});
  std::vector<IntentRecord> expected{{consumer, 0, 1, 0, producer, 0}};
  EXPECT_EQ(program.entries[0].intent, expected);
}

TEST(AssemblyTest, errorsCarryTheirPlace) {
  EXPECT_EQ(getMessage("entry a\n"), "t.lpuasm:1:1: expected a line `target NAME` first");
  EXPECT_EQ(getMessage("target tsp9"),
            "t.lpuasm:1:8: unknown target \"tsp9\"; known targets: ft32, tiny, tsp1");
  EXPECT_EQ(getMessage("target none.textproto"),
            "t.lpuasm:1:8: none.textproto: cannot read: No such file or directory");
  EXPECT_EQ(getMessage("target tiny described \"alu: 1\""),
            "t.lpuasm:1:23: target description: 1:4: Message type \"lpu.TargetDescription\" "
            "has no field named \"alu\".");
  std::string head = "target tiny\nentry a\nqueue mem.w3\n";
  EXPECT_EQ(getMessage(head + "  @4 raed"), "t.lpuasm:4:6: no instruction is called `raed`");
  EXPECT_EQ(getMessage(head + "@4 mem x=1"), "t.lpuasm:4:8: mem has no field `x`");
  EXPECT_EQ(getMessage(head + "@4 mem r_addr=q"), "t.lpuasm:4:8: expected a value, got `q`");
  EXPECT_EQ(getMessage(head + "queue mem.w77"), "t.lpuasm:4:7: target tiny has no queue \"mem.w77\"");
  EXPECT_EQ(getMessage("target tiny\nimage weights mem.w0 bank 0 words 3..3 \"a\" = hex 00"),
            "t.lpuasm:2:50: expected 32 bytes of hex digits, got 2 characters");
  EXPECT_EQ(getMessage("target tiny\nentry a\ntensor input x i8 as i8 shape 96 rows 3 columns 32 "
                       "vectors 1 stride 2 planes mem.w3:0:4092"),
            "t.lpuasm: entry a: \"x\": slice 3, bank 0, words from 4092 on are not on target tiny");
  EXPECT_EQ(getMessage(head + "@4 mem meant 1:2g:3"),
            "t.lpuasm:4:14: expected NUMBER:OPERATION:SOURCES");
  EXPECT_EQ(getMessage(head + "@4 mem w=linear\nintent auto"),
            "t.lpuasm: entry a: intent auto: nothing feeds operand 1 of mem in queue "
            "mem.w3, cycle 4");
}

TEST(AssemblyTest, randomTextNeverCrashes) {
  std::mt19937 random(1);
  std::string text = kText;
  for (int i = 0; i < 2000; ++i) {
    std::string damaged = text;
    for (int k = 0; k < 3; ++k) {
      size_t at = random() % damaged.size();
      switch (random() % 3) {
      case 0:
        damaged[at] = char(32 + random() % 95);
        break;
      case 1:
        damaged.erase(at, random() % 8);
        break;
      default:
        damaged.insert(at, damaged.substr(random() % damaged.size(), 6));
      }
    }
    (void)assemble(damaged, "t.lpuasm");
  }
}
