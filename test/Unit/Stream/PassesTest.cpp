//===- PassesTest.cpp - stream-schedule and verify-stream -----------------===//

#include "StreamModule.h"
#include <gtest/gtest.h>

using namespace mlir;

namespace {

TEST(StreamPasses, RejectOtherLevels) {
  StreamModule module("module attributes {lpu.target = \"tiny\"} { module {} }");
  EXPECT_FALSE(module.verifyStream());
  EXPECT_EQ(module.errors, "'builtin.module' op does not belong to the stream level");
}

constexpr char kCopy[] = R"(
stream.chain "copy" {
  %x = stream.issue "mem" on "mem.w0" at 0 {r = "linear", r_dir = "east"} : () -> !stream.flow<east, 1>
  %y = stream.issue "alu" on "vxm.*" at 6 {op = "copy", a = "stream", a_type = "i8", out = "i8"}(%x) : (!stream.flow<east, 1>) -> !stream.flow<east, 1>
  stream.issue "mem" on "mem.e0" at 11 {w = "linear"}(%y) : (!stream.flow<east, 1>) -> ()
}
)";

TEST(StreamPasses, VerifyStreamReadsTheSchedule) {
  StreamModule module(moduleText(kCopy));
  ASSERT_TRUE(module.schedule()) << module.errors;
  EXPECT_TRUE(module.verifyStream()) << module.errors;
  stream::ProgramOp program = module.getProgram();
  EXPECT_EQ(*program.getCycles(), 12u);
  EXPECT_EQ(*program.getChainBound(), 12u);
  program.setCycles(13);
  EXPECT_FALSE(module.verifyStream());
  EXPECT_EQ(module.errors, "'stream.program' op expected a cycle count of 12, got 13");
  module.errors.clear();
  program.setCycles(12);
  program.setChainBound(3);
  EXPECT_FALSE(module.verifyStream());
  EXPECT_EQ(module.errors, "'stream.program' op expected a bound of the chains of 12, got 3");
  module.errors.clear();
  stream::ChainOp chain = *program.getBody().getOps<stream::ChainOp>().begin();
  (*chain.getBody().getOps<stream::IssueOp>().begin()).removeIdsAttr();
  EXPECT_FALSE(module.verifyStream());
  EXPECT_EQ(module.errors,
            "'stream.issue' op expected the stream ids of its results");
}

TEST(StreamPasses, DependencesOrderChains) {
  std::string second = kCopy;
  // e0 is read back into w1.
  second.replace(second.find("\"copy\""), 6, "\"back\"");
  for (auto [from, to] : {std::pair("mem.w0", "mem.x0"), std::pair("mem.e0", "mem.w1"),
                          std::pair("mem.x0", "mem.e0"), std::pair("r_dir = \"east\"", "r_dir = \"west\""),
                          std::pair("a_type", "a_dir = \"west\", a_type"),
                          std::pair("out = \"i8\"", "out = \"i8\", out_dir = \"west\""),
                          std::pair("at 11", "at 12"),
                          std::pair("{w = \"linear\"}", "{w = \"linear\", w_dir = \"west\"}")}) {
    second.replace(second.find(from), std::string(from).size(), to);
  }
  for (size_t at; (at = second.find("flow<east")) != std::string::npos;) {
    second.replace(at, 9, "flow<west");
  }
  StreamModule module(moduleText(std::string(kCopy) + second));
  ASSERT_TRUE(module.schedule()) << module.errors;
  std::vector<uint64_t> starts;
  for (stream::ChainOp chain : module.getProgram().getBody().getOps<stream::ChainOp>()) {
    starts.push_back(*chain.getStart());
  }
  // Written in cycle 11, read in 12 (M4).
  EXPECT_EQ(starts, (std::vector<uint64_t>{0, 12}));
}

TEST(StreamPasses, RegistersNeedANamedAlu) {
  StreamModule module(moduleText(R"(
stream.chain "c" {
  stream.issue "alu" on "vxm.*" at 0 {op = "add", a = "register", b = "register"} : () -> ()
})"));
  EXPECT_FALSE(module.schedule());
  EXPECT_EQ(module.errors, "'stream.issue' op expected a named ALU: its register is "
                           "loaded by another instruction");
}

TEST(StreamPasses, LinksAreNotScheduledYet) {
  StreamModule module(moduleText(R"(
stream.chain "c" {
  %x = stream.issue "mem" on "mem.e39" at 0 {r = "linear", r_dir = "east"} : () -> !stream.flow<east, 1>
  stream.issue "send" on "c2c.6.send" at 9 {dir = "east"}(%x) : (!stream.flow<east, 1>) -> ()
})"));
  EXPECT_FALSE(module.schedule());
  EXPECT_EQ(module.errors, "'stream.issue' op links cannot be scheduled yet");
}

TEST(StreamPasses, OneBundleAFlow) {
  StreamModule module(moduleText(R"(
stream.chain "c" {
  %x = stream.issue "mem" on "mem.w0" at 0 {r = "linear", r_dir = "east"} : () -> !stream.flow<east, 1>
  %y = stream.issue "mem" on "mem.w1" at 0 {r = "linear", r_dir = "east"} : () -> !stream.flow<east, 1>
  %a = stream.bundle %x, %y : (!stream.flow<east, 1>, !stream.flow<east, 1>) -> !stream.flow<east, 2>
  %b = stream.bundle %y, %x : (!stream.flow<east, 1>, !stream.flow<east, 1>) -> !stream.flow<east, 2>
})"));
  EXPECT_FALSE(module.schedule());
  EXPECT_EQ(module.errors,
            "'stream.issue' op expected a flow to be part of one bundle or merge");
}

} // namespace
