//===- NumericsTest.cpp - Formats, functions and MXM sums -----------------===//
//
// docs/Spec/Numerics.md, against the host's libm and plain integer sums.
//
//===----------------------------------------------------------------------===//
#include "lpu/Support/Numerics.h"
#include "Executor/MxmKernels.h"
#include "Executor/VxmKernels.h"
#include <cmath>
#include <gtest/gtest.h>
#include <random>
#include <vector>

using namespace lpu;

namespace {

float fromBits(uint32_t bits) { return std::bit_cast<float>(bits); }
uint32_t toBits(float x) { return std::bit_cast<uint32_t>(x); }

/// Position of `x` among all fp32 values, for distances in ulp.
int64_t ordinal(float x) {
  int64_t magnitude = toBits(x) & 0x7fffffff;
  return toBits(x) >> 31 ? -magnitude : magnitude;
}

/// Checks `f` on every 4099th fp32 bit pattern against libm in double.
template <typename F, typename G> void expectOneUlp(F f, G exact) {
  int64_t worst = 0;
  for (uint64_t bits = 0; bits <= 0xffffffffu; bits += 4099) {
    float x = fromBits(uint32_t(bits)), got = f(x);
    float want = float(exact(double(x)));
    if (want != want) {
      ASSERT_EQ(toBits(got), kCanonicalNan) << std::hex << bits;
      continue;
    }
    ASSERT_EQ(got, got) << std::hex << bits;
    worst = std::max(worst, std::abs(ordinal(got) - ordinal(want)));
  }
  EXPECT_LE(worst, 1);
}

TEST(Numerics, FunctionsAreWithinOneUlp) {
  expectOneUlp(machineExp2, [](double x) { return std::exp2(x); });
  expectOneUlp(machineLog2, [](double x) { return std::log2(x); });
  expectOneUlp(machineTanh, [](double x) { return std::tanh(x); });
  expectOneUlp(machineRsqrt, [](double x) { return 1.0 / std::sqrt(x); });
  expectOneUlp(machineRcp, [](double x) { return 1.0 / x; });
}

TEST(Numerics, HalfRoundsToNearestEven) {
  for (uint16_t h = 0; h < 0x7bff; ++h) {
    float low = halfToFloat(h), high = halfToFloat(uint16_t(h + 1));
    float middle = (low + high) / 2;
    uint16_t even = h & 1 ? uint16_t(h + 1) : h;
    ASSERT_EQ(floatToHalf(low).bits, h);
    ASSERT_EQ(floatToHalf(middle).bits, even);
    ASSERT_EQ(floatToHalf(std::nextafterf(middle, 0)).bits, h);
    ASSERT_EQ(floatToHalf(std::nextafterf(middle, 1e9f)).bits, h + 1);
    ASSERT_EQ(floatToHalf(-middle).bits, 0x8000 | even);
  }
}

TEST(Numerics, HalfSaturatesFiniteValuesAlone) {
  EXPECT_EQ(floatToHalf(65519.996f).bits, 0x7bff);
  EXPECT_FALSE(floatToHalf(65519.996f).saturated);
  EXPECT_EQ(floatToHalf(-65520.0f).bits, 0xfbff);
  EXPECT_TRUE(floatToHalf(-65520.0f).saturated);
  EXPECT_EQ(floatToHalf(INFINITY).bits, 0x7c00);
  EXPECT_FALSE(floatToHalf(INFINITY).saturated);
  EXPECT_EQ(floatToHalf(fromBits(0xff800001)).bits, 0x7e00);
  EXPECT_EQ(toBits(halfToFloat(0xfc01)), kCanonicalNan);
}

TEST(Numerics, BfloatRoundsToNearestEven) {
  for (uint32_t b = 0; b < 0x7f7f; ++b) {
    uint32_t low = b << 16;
    ASSERT_EQ(floatToBfloat(fromBits(low)).bits, b);
    ASSERT_EQ(floatToBfloat(fromBits(low + 0x7fff)).bits, b);
    ASSERT_EQ(floatToBfloat(fromBits(low + 0x8000)).bits, b + (b & 1));
    ASSERT_EQ(floatToBfloat(fromBits(low + 0x8001)).bits, b + 1);
  }
  EXPECT_EQ(floatToBfloat(fromBits(0x7f7f8000)).bits, 0x7f7f);
  EXPECT_TRUE(floatToBfloat(fromBits(0x7f7f8000)).saturated);
  EXPECT_EQ(floatToBfloat(-INFINITY).bits, 0xff80);
  EXPECT_EQ(floatToBfloat(fromBits(0x7f800001)).bits, 0x7fc0);
}

TEST(Numerics, FusedMultiplyAddRoundsOnce) {
  std::mt19937 random(1);
  for (int i = 0; i < 2000000; ++i) {
    float a = fromBits(random()), b = fromBits(random()), c = fromBits(random());
    if (i % 2) { // near cancellation
      c = fromBits(toBits(-a * b) + random() % 5 - 2);
    }
    float want = canonical(std::fma(a, b, c));
    ASSERT_EQ(toBits(fusedMultiplyAdd(a, b, c)), toBits(want))
        << a << " * " << b << " + " << c;
  }
}

TEST(Numerics, FloorAddTakesTheExactSum) {
  EXPECT_EQ(floorAdd(1.0f, -1e-30f), 0.0f); // the rounded sum is 1
  EXPECT_EQ(floorAdd(1.0f, 1e-30f), 1.0f);
  EXPECT_EQ(floorAdd(-1.0f, -1e-30f), -2.0f);
  EXPECT_EQ(floorAdd(2.5f, 0.25f), 2.0f);
  EXPECT_EQ(toBits(floorAdd(INFINITY, -INFINITY)), kCanonicalNan);
}

// Not even a NaN becomes the one NaN, as it does in every operation on numbers.
TEST(VxmKernels, BitsAreTheSameInBothTypes) {
  const std::vector<uint32_t> bits = {0, 1, 0x80000000, 0x3f800000, 0x7f800000, 0x7f800001,
                                      0x7fc12345, 0xffc00001, 0xffffffff};
  for (bool isFloat : {false, true}) {
    for (bool vectorInstructions : {false, true}) {
      std::vector<uint32_t> got(bits.size());
      executor::VxmOp op;
      op.op = executor::AluOp::Bits;
      op.numOperands = 1;
      executor::VxmLanes lanes{};
      lanes.in[0] = bits.data();
      lanes.isFloat[0] = isFloat;
      lanes.out = got.data();
      lanes.outIsFloat = isFloat;
      lanes.lanes = unsigned(bits.size());
      lanes.vectorInstructions = vectorInstructions;
      EXPECT_EQ(executor::computeLanes(op, lanes), "");
      EXPECT_EQ(lanes.outIsFloat, !isFloat);
      EXPECT_EQ(got, bits);
      EXPECT_EQ(lanes.saturated, 0u);
    }
  }
}

TEST(MxmKernels, Int8SumsAreExact) {
  constexpr unsigned kLanes = 336, kGroups = 21; // 64-column blocks and a rest
  std::mt19937 random(2);
  std::vector<uint8_t> plain(size_t(kLanes) * kGroups * 16), pairs(plain.size());
  std::vector<int8_t> x(kGroups * 16);
  for (uint8_t &w : plain) {
    w = random() % 4 ? uint8_t(random()) : 0x80;
  }
  for (int8_t &v : x) {
    v = random() % 4 ? int8_t(random()) : int8_t(-128);
  }
  for (unsigned g = 0; g < kGroups; ++g) {
    const uint8_t *rows[16];
    for (unsigned j = 0; j < 16; ++j) {
      rows[j] = plain.data() + size_t(16 * g + j) * kLanes;
    }
    executor::interleaveRows(rows, kLanes, pairs.data() + size_t(16) * g * kLanes);
  }
  for (uint64_t groups : {0x1fffffull, 0x100001ull, 0ull}) {
    for (bool vector : {false, true}) {
      std::vector<uint32_t> got(kLanes);
      executor::multiplyInt8({groups, kGroups, kLanes, vector}, x.data(),
                             reinterpret_cast<const int8_t *>(pairs.data()),
                             got.data());
      for (unsigned n = 0; n < kLanes; ++n) {
        int32_t want = 0;
        for (unsigned k = 0; k < kGroups * 16; ++k) {
          want += groups >> (k / 16) & 1
                      ? x[k] * int8_t(plain[size_t(k) * kLanes + n]) : 0;
        }
        ASSERT_EQ(int32_t(got[n]), want) << "column " << n;
      }
    }
  }
}

/// One pass over three rows of one weight each, the same in every column.
uint32_t halfPass(uint16_t x0, uint16_t w0, uint16_t x1, uint16_t w1,
                  uint16_t x2 = 0, uint16_t w2 = 0) {
  constexpr unsigned kLanes = 32;
  uint16_t x[16] = {x0, x1, x2};
  uint16_t w[16] = {w0, w1, w2};
  std::vector<uint8_t> low(16 * kLanes), high(16 * kLanes);
  std::vector<uint16_t> halves(16 * kLanes);
  std::vector<int32_t> fixed(16 * kLanes);
  const uint8_t *lows[16], *highs[16];
  for (unsigned k = 0; k < 16; ++k) {
    std::fill_n(low.begin() + k * kLanes, kLanes, uint8_t(w[k]));
    std::fill_n(high.begin() + k * kLanes, kLanes, uint8_t(w[k] >> 8));
    lows[k] = low.data() + k * kLanes;
    highs[k] = high.data() + k * kLanes;
  }
  uint32_t results[2];
  for (bool vector : {false, true}) {
    uint32_t bits = 0;
    bool fits = executor::storeHalfRows(lows, highs, kLanes, halves.data(),
                                        fixed.data(), bits, vector);
    std::vector<uint32_t> out(kLanes);
    executor::multiplyHalf({1, 1, kLanes, vector},
                           {x, halves.data(), fixed.data(), &bits, fits},
                           out.data());
    EXPECT_EQ(out[0], out[kLanes - 1]);
    results[vector] = out[0];
  }
  EXPECT_EQ(results[0], results[1]);
  return results[0];
}

TEST(MxmKernels, HalfPassIsExactAndRoundsOnce) {
  // 1 + 2^-24 is a tie: to even. With 2^-48 more it is above the tie.
  EXPECT_EQ(halfPass(0x3c00, 0x3c00, 0x0001, 0x3c00), 0x3f800000u);
  EXPECT_EQ(halfPass(0x3c00, 0x3c00, 0x0001, 0x3c00, 0x0001, 0x0001), 0x3f800001u);
  // 65504^2 cancels exactly and leaves 2^-48.
  EXPECT_EQ(halfPass(0x7bff, 0x7bff, 0xfbff, 0x7bff, 0x0001, 0x0001),
            toBits(std::ldexp(1.0f, -48)));
  EXPECT_EQ(halfPass(0x7c00, 0x3c00, 0x3c00, 0x3c00), 0x7f800000u);
  EXPECT_EQ(halfPass(0x7c00, 0x3c00, 0xfc00, 0x3c00), kCanonicalNan);
  EXPECT_EQ(halfPass(0x7c00, 0x0000, 0x3c00, 0x3c00), kCanonicalNan);
}

} // namespace
