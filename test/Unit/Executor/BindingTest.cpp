//===- BindingTest.cpp - Where tensors lie, in any type -------------------===//
//
// The outputs of these programs lie where inputs do, so that a run without
// instructions shows what was written.
//
//===----------------------------------------------------------------------===//

#include "Programs.h"
#include "absl/strings/str_cat.h"
#include "lpu/Binary/Assembly.h"
#include "lpu/Executor/Executor.h"
#include "lpu/Verifier/Verifier.h"
#include <cstring>
#include <gmock/gmock.h>
#include <numeric>

using namespace lpu;
using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;

namespace {

constexpr size_t kLanes = 32;

/// Words 0 .. words - 1 of bank 0 of mem.w0 .. as an input's.
std::string regions(int planes, int words, int bank = 0) {
  std::string text;
  for (int s = 0; s < planes; ++s) {
    absl::StrAppend(&text, "  region input mem.w", s, " bank ", bank, " words 0..", words - 1,
                    " \"x\"\n");
  }
  return text;
}
std::string planes(int count, int bank = 0) {
  std::string text;
  for (int s = 0; s < count; ++s) {
    absl::StrAppend(&text, " mem.w", s, ":", bank, ":0");
  }
  return text;
}

template <typename T> HostTensor tensor(ElementType type, std::vector<int64_t> shape,
                                        const std::vector<T> &values) {
  HostTensor result{type, std::move(shape), std::vector<uint8_t>(values.size() * sizeof(T))};
  std::memcpy(result.bytes.data(), values.data(), result.bytes.size());
  return result;
}
template <typename T> std::vector<T> valuesOf(const HostTensor &tensor) {
  std::vector<T> values(tensor.bytes.size() / sizeof(T));
  std::memcpy(values.data(), tensor.bytes.data(), tensor.bytes.size());
  return values;
}

absl::StatusOr<HostTensors> run(const std::string &body, const HostTensors &inputs) {
  absl::StatusOr<Program> program = assemble(::program("", body), "test");
  if (!program.ok()) {
    return program.status();
  }
  // The text says all.
  absl::StatusOr<std::string> text = disassemble(*program, "");
  EXPECT_TRUE(text.ok());
  absl::StatusOr<Program> again = assemble(*text, "again");
  EXPECT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again.ok() ? *disassemble(*again, "") : "", *text);
  EXPECT_TRUE(verifyProgram(*program).ok()) << verifyProgram(*program);
  auto executor = Executor::create(std::make_shared<const Program>(std::move(*program)));
  if (!executor.ok()) {
    return executor.status();
  }
  absl::StatusOr<RunResult> result = executor->run("main", inputs);
  return result.ok() ? absl::StatusOr<HostTensors>(std::move(result->outputs)) : result.status();
}

TEST(BindingTest, everyTypeThereAndBack) {
  for (int k = 0; k < ElementType_ARRAYSIZE; ++k) {
    auto type = ElementType(k);
    bool isFloat = isFloatType(type);
    // Ones, and codes that every type has.
    uint64_t one = 1;
    ASSERT_TRUE(!isFloat || convertElement(F32, type, 0x3f800000, one));
    std::vector<uint8_t> bytes;
    for (int e = 0; e < 3; ++e) {
      uint64_t code = e == 1 ? 1 : one;
      const auto *raw = reinterpret_cast<const uint8_t *>(&code);
      bytes.insert(bytes.end(), raw, raw + elementBytes(type));
    }
    std::string name(elementTypeName(type)), stored = isFloat ? "f32" : "i32";
    std::string where = " shape 3 layout lanes 0 vector 0 offset 0 words 1 strides 0 planes";
    if (type == F64) {
      std::fill(bytes.begin() + 8, bytes.begin() + 16, 0); // the smallest one is 0 in f32
    }
    for (ElementType given : {type, hostType(type)}) {
      auto outputs = run(regions(4, 1) + "  tensor input x " + name + " as " + stored + where +
                             planes(4) + "\n  tensor output y " + name + " as " + stored + where +
                             planes(4) + "\n",
                         {{"x", {given, {3}, bytes}}});
      ASSERT_TRUE(outputs.ok()) << outputs.status();
      EXPECT_EQ(outputs->at("y").type, type);
      EXPECT_EQ(outputs->at("y").bytes, bytes) << name;
    }
  }
}

// Dimension 1 along lanes, the second vector of a row 4 words on; rows backwards.
TEST(BindingTest, layout) {
  std::vector<int64_t> values(120);
  std::iota(values.begin(), values.end(), -60);
  auto outputs =
      run(regions(4, 8) +
              "  tensor input x i64 as i32 shape 3x40 layout lanes 1 vector 4 offset 2 words 8 "
              "strides -1x7 planes" + planes(4) +
              "\n  tensor output raw i32 as i32 shape 8x32 rows 8 columns 32 vectors 1 stride 1 "
              "planes" + planes(4) +
              "\n  tensor output x i64 as i32 shape 3x40 layout lanes 1 vector 4 offset 2 words 8 "
              "strides -1x7 planes" + planes(4) + "\n",
          {{"x", tensor(I64, {3, 40}, values)}});
  ASSERT_TRUE(outputs.ok()) << outputs.status();
  EXPECT_EQ(valuesOf<int64_t>(outputs->at("x")), values);
  std::vector<int32_t> raw = valuesOf<int32_t>(outputs->at("raw"));
  for (size_t r = 0; r < 3; ++r) {
    for (size_t lane = 0; lane < kLanes; ++lane) {
      EXPECT_EQ(raw[(2 - r) * kLanes + lane], values[r * 40 + lane]);
      EXPECT_EQ(raw[(6 - r) * kLanes + lane], lane < 8 ? values[r * 40 + 32 + lane] : 0);
    }
  }
  for (size_t word : {3u, 7u}) {
    EXPECT_THAT(std::vector<int32_t>(&raw[word * kLanes], &raw[word * kLanes] + kLanes), Each(0));
  }
}

TEST(BindingTest, firstDimensionAlongLanesInChunks) {
  std::vector<uint8_t> values(5 * 3 * 2);
  std::iota(values.begin(), values.end(), 0);
  std::string x = " u8 as i32 shape 5x3x2 layout lanes 0 vector 0 offset 0 words 6 strides 0x1x3 "
                  "planes" + planes(4) + planes(4, 1) + " chunk 4\n";
  auto outputs = run(regions(4, 4) + regions(4, 2, 1) + "  tensor input x" + x +
                         "  tensor output x" + x +
                         "  tensor output raw i32 as i32 shape 2x32 rows 2 columns 32 vectors 1 "
                         "stride 1 planes" + planes(4, 1) + "\n",
                     {{"x", tensor(U8, {5, 3, 2}, values)}});
  ASSERT_TRUE(outputs.ok()) << outputs.status();
  EXPECT_EQ(valuesOf<uint8_t>(outputs->at("x")), values);
  // Words 4 and 5: indices (., 1, 1) and (., 2, 1).
  std::vector<int32_t> raw = valuesOf<int32_t>(outputs->at("raw"));
  for (size_t lane = 0; lane < 5; ++lane) {
    EXPECT_EQ(raw[lane], values[lane * 6 + 3]);
    EXPECT_EQ(raw[kLanes + lane], values[lane * 6 + 5]);
  }
}

TEST(BindingTest, scalarsAndEmptyTensors) {
  auto outputs =
      run(regions(4, 2) +
              "  tensor input s f64 as f32 shape scalar layout lanes -1 vector 0 offset 1 words 2 "
              "planes" + planes(4) +
              "\n  tensor input none i8 as i32 shape 0x4 layout lanes 1 vector 1 offset 0 words 0 "
              "strides 1x0 planes"
              "\n  tensor output raw f32 as f32 shape 2x32 rows 2 columns 32 vectors 1 stride 1 "
              "planes" + planes(4) +
              "\n  tensor output s bf16 as f32 shape scalar layout lanes -1 vector 0 offset 1 words "
              "2 planes" + planes(4) +
              "\n  tensor output none u16 as i32 shape 3x0 layout lanes 0 vector 1 offset 0 words 0 "
              "strides 0x1 planes\n",
          {{"s", tensor<double>(F64, {}, {-1.5})}, {"none", tensor<int8_t>(I8, {0, 4}, {})}});
  ASSERT_TRUE(outputs.ok()) << outputs.status();
  std::vector<float> raw = valuesOf<float>(outputs->at("raw"));
  EXPECT_THAT(std::vector<float>(raw.begin(), raw.begin() + kLanes), Each(0.0f));
  EXPECT_THAT(std::vector<float>(raw.begin() + kLanes, raw.end()), Each(-1.5f));
  EXPECT_THAT(valuesOf<uint16_t>(outputs->at("s")), ElementsAre(0xbfc0));
  EXPECT_EQ(outputs->at("none").shape, (std::vector<int64_t>{3, 0}));
  EXPECT_TRUE(outputs->at("none").bytes.empty());
}

TEST(BindingTest, valuesThatDoNotFit) {
  auto message = [](const std::string &type, const std::string &stored, int bytes,
                    const HostTensor &tensor) {
    auto outputs = run(regions(bytes, 1) + "  tensor input x " + type + " as " + stored +
                           " shape 2 layout lanes 0 vector 0 offset 0 words 1 strides 0 planes" +
                           planes(bytes) + "\n",
                       {{"x", tensor}});
    return std::string(outputs.status().message());
  };
  EXPECT_EQ(message("i64", "i32", 4, tensor<int64_t>(I64, {2}, {1, int64_t(1) << 31})),
            "input 'x': element 1, 2147483648, does not fit i32");
  EXPECT_EQ(message("u64", "i32", 4, tensor<uint64_t>(U64, {2}, {UINT32_MAX, UINT64_MAX})),
            "input 'x': element 1, 18446744073709551615, does not fit i32");
  EXPECT_EQ(message("f64", "f32", 4, tensor<double>(F64, {2}, {0, 1e300})),
            "input 'x': element 1, 1e+300, does not fit f32");
  EXPECT_EQ(message("f32", "f16", 2, tensor<float>(F32, {2}, {0, 1e5f})),
            "input 'x': element 1, 100000, does not fit f16");
  EXPECT_EQ(message("bf16", "f32", 4, tensor<int16_t>(I16, {2}, {0, 0})),
            "input 'x': expected bf16[2], got i16[2]");
}

TEST(BindingTest, badBindings) {
  auto message = [](const std::string &binding, const char *way = "input") {
    auto outputs = run(regions(4, 4) + "  tensor " + way + " x " + binding + "\n", {});
    return std::string(outputs.status().message());
  };
  std::string all = " planes" + planes(4);
  EXPECT_THAT(message("f32 as i32 shape 2 layout lanes 0 vector 0 offset 0 words 1 strides 0" + all),
              HasSubstr("\"x\": f32 cannot be stored as i32"));
  EXPECT_THAT(message("f32 as f32 shape 2 layout lanes 0 vector 0 offset 0 words 1" + all),
              HasSubstr("\"x\": expected 1 word strides, got 0"));
  EXPECT_THAT(message("f32 as f32 shape 2 layout lanes 1 vector 0 offset 0 words 1 strides 0" + all),
              HasSubstr("\"x\": expected a dimension along lanes of -1 to 0, got 1"));
  EXPECT_THAT(message("f32 as f32 shape 5x2 layout lanes 1 vector 0 offset 0 words 4 strides 1x0" + all),
              HasSubstr("\"x\": elements lie in words 0 to 4 of 4"));
  EXPECT_THAT(message("f32 as f32 shape 2x2 layout lanes 1 vector 0 offset 0 words 4 strides -1x0" + all),
              HasSubstr("\"x\": elements lie in words -1 to 0 of 4"));
  EXPECT_THAT(message("f32 as f32 shape 2x2 layout lanes 1 vector 0 offset 0 words 4 strides 0x0" + all),
              HasSubstr("\"x\": dimension 0: elements of an input lie in one another's place"));
  EXPECT_THAT(message("f32 as f32 shape 2 layout lanes 0 vector 0 offset 0 words 4 strides 0 planes" + planes(2)),
              HasSubstr("\"x\": expected 4 byte planes, got 2"));
  EXPECT_THAT(message("f32 as f32 shape 2 layout lanes 0 vector 0 offset 0 words 4 strides 0" + all + " chunk 3"),
              HasSubstr("\"x\": expected 8 byte planes, got 4"));
}

} // namespace
