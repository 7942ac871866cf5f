#include "lpu/Import/ONNX.h"

#include <gmock/gmock.h>

namespace {

using testing::ElementsAre;
using testing::Pair;

std::string error(llvm::StringRef text) {
  auto entry = lpu::parseEntry(text);
  return entry ? "" : llvm::toString(entry.takeError());
}

TEST(Entry, BindsDimensionsAndBoundsInputs) {
  auto entry =
      lpu::parseEntry("decode:sequence_len=1,nonpad_kv_seqlen:max=256,batch=2");
  ASSERT_TRUE(static_cast<bool>(entry));
  EXPECT_EQ(entry->name, "decode");
  EXPECT_THAT(entry->dims,
              ElementsAre(Pair("sequence_len", 1), Pair("batch", 2)));
  EXPECT_THAT(entry->inputMax, ElementsAre(Pair("nonpad_kv_seqlen", 256)));
}

TEST(Entry, NameAlone) {
  auto entry = lpu::parseEntry("main");
  ASSERT_TRUE(static_cast<bool>(entry));
  EXPECT_EQ(entry->name, "main");
  EXPECT_TRUE(entry->dims.empty());
}

TEST(Entry, Errors) {
  EXPECT_EQ(error("a=1"),
            "--entry a=1: expected NAME[:DIMENSION=SIZE,INPUT:max=VALUE,...]");
  EXPECT_EQ(error(""),
            "--entry : expected NAME[:DIMENSION=SIZE,INPUT:max=VALUE,...]");
  EXPECT_EQ(error("a:b"),
            "--entry a:b: expected DIMENSION=SIZE or INPUT:max=VALUE, got 'b'");
  EXPECT_EQ(
      error("a:b=x"),
      "--entry a:b=x: expected DIMENSION=SIZE or INPUT:max=VALUE, got 'b=x'");
  EXPECT_EQ(error("a:b=0"), "--entry a:b=0: expected at least 1, got 'b=0'");
  EXPECT_EQ(error("a:b=1,b=2"), "--entry a:b=1,b=2: 'b' is given twice");
}

} // namespace
