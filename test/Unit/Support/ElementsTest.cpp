//===- ElementsTest.cpp - Elements of tensors, from type to type ----------===//

#include "lpu/Support/Elements.h"
#include "lpu/Support/Numerics.h"
#include <bit>
#include <cmath>
#include <gtest/gtest.h>

using namespace lpu;

namespace {

uint64_t bitsOf(float value) { return std::bit_cast<uint32_t>(value); }

float floatOf(ElementType type, uint64_t bits) {
  uint64_t result = 0;
  EXPECT_TRUE(convertElement(type, F32, bits, result));
  return std::bit_cast<float>(uint32_t(result));
}

std::optional<uint64_t> converted(ElementType from, ElementType to, uint64_t bits) {
  uint64_t result = 0;
  return convertElement(from, to, bits, result) ? std::optional(result) : std::nullopt;
}

const ElementType kSmallFloats[] = {F16,    BF16,       F8E4M3FN, F8E4M3FNUZ,
                                    F8E5M2, F8E5M2FNUZ, F8E8M0,   F4E2M1};

TEST(ElementsTest, namesAndSizes) {
  for (int type = 0; type < ElementType_ARRAYSIZE; ++type) {
    EXPECT_EQ(parseElementType(elementTypeName(ElementType(type))), ElementType(type));
    EXPECT_EQ(elementBytes(hostType(ElementType(type))), elementBytes(ElementType(type)));
    EXPECT_FALSE(numpyTypeString(ElementType(type)).empty());
  }
  EXPECT_EQ(numpyTypeString(BF16), "<u2");
  EXPECT_EQ(numpyTypeString(I4), "|u1");
}

TEST(ElementsTest, largestAndSmallest) {
  EXPECT_EQ(floatOf(F8E4M3FN, 0x7e), 448);
  EXPECT_EQ(floatOf(F8E4M3FN, 0x01), std::ldexp(1.0f, -9));
  EXPECT_EQ(floatOf(F8E4M3FNUZ, 0x7f), 240);
  EXPECT_EQ(floatOf(F8E4M3FNUZ, 0x81), -std::ldexp(1.0f, -10));
  EXPECT_EQ(floatOf(F8E5M2, 0x7b), 57344);
  EXPECT_EQ(floatOf(F8E5M2FNUZ, 0x7f), 57344);
  EXPECT_EQ(floatOf(F8E8M0, 0x00), std::ldexp(1.0f, -127));
  EXPECT_EQ(floatOf(F8E8M0, 0xfe), std::ldexp(1.0f, 127));
  EXPECT_EQ(floatOf(F4E2M1, 0x7), 6);
  EXPECT_EQ(floatOf(F4E2M1, 0x9), -0.5f);
  EXPECT_TRUE(std::isnan(floatOf(F8E4M3FN, 0xff)));
  EXPECT_TRUE(std::isnan(floatOf(F8E4M3FNUZ, 0x80)));
  EXPECT_TRUE(std::isnan(floatOf(F8E5M2FNUZ, 0x80)));
  EXPECT_TRUE(std::isnan(floatOf(F8E8M0, 0xff)));
  EXPECT_TRUE(std::isnan(floatOf(F8E5M2, 0x7d)));
  EXPECT_EQ(floatOf(F8E5M2, 0xfc), -INFINITY);
}

// Every code is its own nearest one, and halfway between two the even one wins.
TEST(ElementsTest, everyCode) {
  for (ElementType type : kSmallFloats) {
    uint32_t count = type == F16 || type == BF16 ? 1 << 16 : type == F4E2M1 ? 16 : 256;
    for (uint32_t code = 0; code < count; ++code) {
      float value = floatOf(type, code);
      auto back = converted(F32, type, bitsOf(value));
      if (value != value) {
        ASSERT_TRUE(back && std::isnan(floatOf(type, *back))) << elementTypeName(type);
        continue;
      }
      ASSERT_EQ(back, code) << elementTypeName(type);
      uint32_t sign = type == F8E8M0 ? 0 : count / 2;
      if ((code & ~sign) + 1 >= (sign ? sign : count) || std::isinf(value)) {
        continue;
      }
      float next = floatOf(type, code + 1);
      if (std::isfinite(next)) {
        auto between = std::bit_cast<uint64_t>((double(value) + double(next)) / 2);
        ASSERT_EQ(converted(F64, type, between), code + (code & 1)) << elementTypeName(type);
      }
    }
  }
}

TEST(ElementsTest, agreesWithNumerics) {
  uint32_t state = 1;
  for (int k = 0; k < 1000000; ++k) {
    state = state * 1664525 + 1013904223;
    Rounded16 half = floatToHalf(std::bit_cast<float>(state));
    Rounded16 brain = floatToBfloat(std::bit_cast<float>(state));
    ASSERT_EQ(converted(F32, F16, state),
              half.saturated ? std::nullopt : std::optional<uint64_t>(half.bits)) << state;
    ASSERT_EQ(converted(F32, BF16, state),
              brain.saturated ? std::nullopt : std::optional<uint64_t>(brain.bits)) << state;
  }
  for (uint32_t code = 0; code < 1 << 16; ++code) {
    ASSERT_EQ(converted(F16, F32, code), bitsOf(halfToFloat(uint16_t(code))));
    ASSERT_EQ(converted(BF16, F32, code), bitsOf(bfloatToFloat(uint16_t(code))));
  }
}

TEST(ElementsTest, floatsOutOfRange) {
  EXPECT_FALSE(converted(F64, F32, std::bit_cast<uint64_t>(1e300)));
  EXPECT_EQ(converted(F64, F32, std::bit_cast<uint64_t>(double(INFINITY))), bitsOf(INFINITY));
  EXPECT_EQ(converted(F64, F32, std::bit_cast<uint64_t>(1e-320)), bitsOf(0));
  EXPECT_FALSE(converted(F32, F8E4M3FN, bitsOf(465)));
  EXPECT_EQ(converted(F32, F8E4M3FN, bitsOf(464)), 0x7e); // halfway to 480, which is none
  EXPECT_FALSE(converted(F32, F8E4M3FN, bitsOf(INFINITY)));
  EXPECT_FALSE(converted(F32, F4E2M1, bitsOf(NAN)));
  EXPECT_FALSE(converted(F32, F8E8M0, bitsOf(0)));
  EXPECT_FALSE(converted(F32, F8E8M0, bitsOf(-1)));
  EXPECT_EQ(converted(F32, F8E4M3FNUZ, bitsOf(-0.0f)), 0);
  EXPECT_FALSE(converted(F32, I32, bitsOf(1)));
}

TEST(ElementsTest, integers) {
  EXPECT_EQ(converted(I64, I32, uint64_t(-5)), 0xfffffffb);
  EXPECT_FALSE(converted(I64, I32, uint64_t(INT32_MAX) + 1));
  EXPECT_EQ(converted(I64, I32, uint64_t(int64_t(INT32_MIN))), 0x80000000);
  EXPECT_FALSE(converted(I64, I32, uint64_t(int64_t(INT32_MIN) - 1)));
  EXPECT_EQ(converted(I32, I64, 0xfffffffb), uint64_t(-5));
  EXPECT_EQ(converted(U32, I32, 0xfffffffb), 0xfffffffb);
  EXPECT_EQ(converted(I32, U32, 0xfffffffb), 0xfffffffb);
  EXPECT_EQ(converted(U64, I32, 0xfffffffb), 0xfffffffb);
  EXPECT_EQ(converted(I32, U64, 0xfffffffb), 0xfffffffb);
  EXPECT_FALSE(converted(U64, I32, uint64_t(1) << 32));
  EXPECT_EQ(converted(I8, I32, 0x80), 0xffffff80);
  EXPECT_EQ(converted(U8, I32, 0x80), 0x80);
  EXPECT_EQ(converted(U16, I32, 0xffff), 0xffff);
  EXPECT_FALSE(converted(I32, U8, 256));
  EXPECT_FALSE(converted(I32, U8, 0xffffffff));
  EXPECT_FALSE(converted(I32, I8, 128));
  EXPECT_EQ(converted(I32, I8, 0xffffff80), 0x80);
  // Of less than a byte the low bits count, whatever lies above.
  EXPECT_EQ(converted(I4, I32, 0x0f), 0xffffffff);
  EXPECT_EQ(converted(I4, I32, 0xff), 0xffffffff);
  EXPECT_EQ(converted(U4, I32, 0x0f), 15);
  EXPECT_EQ(converted(I32, I4, 0xffffffff), 0x0f);
  EXPECT_FALSE(converted(I32, I4, 8));
  EXPECT_EQ(converted(I32, U2, 3), 3);
  EXPECT_FALSE(converted(I32, I2, 2));
  EXPECT_EQ(converted(BOOL, I32, 1), 1);
  EXPECT_EQ(converted(I32, BOOL, 1), 1);
  EXPECT_FALSE(converted(I32, BOOL, 2));
}

TEST(ElementsTest, errorsNameTheElement) {
  int64_t values[] = {1, int64_t(5) << 32};
  uint8_t result[8];
  absl::Status status = convertElements(
      I64, reinterpret_cast<const uint8_t *>(values), I32, result, 2);
  EXPECT_EQ(status.message(), "element 1, 21474836480, does not fit i32");
  EXPECT_EQ(elementText(F8E4M3FN, 0x7e), "448");
  EXPECT_EQ(elementText(U64, UINT64_MAX), "18446744073709551615");
}

} // namespace
