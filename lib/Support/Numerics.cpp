//===- Numerics.cpp - The machine's number formats, bit for bit -----------===//
//
// docs/Spec/Numerics.md. Compiled with -ffp-contract=off: a contracted a * b + c
// would change the bits from host to host.
//
//===----------------------------------------------------------------------===//
#include "lpu/Support/Numerics.h"

using namespace lpu;

namespace {
constexpr double kInfinity = __builtin_inf();
float nan() { return std::bit_cast<float>(kCanonicalNan); }

/// 2^n for -1022 <= n <= 1023.
double powerOfTwo(int n) {
  return std::bit_cast<double>(uint64_t(n + 1023) << 52);
}

/// ln(2)^k / k!, rounded to double.
constexpr double kExp2[] = {
    1.0,
    0.69314718055994530942,
    0.24022650695910071233,
    0.055504108664821579953,
    0.0096181291076284771620,
    0.0013333558146428443423,
    0.00015403530393381609954,
    0.000015252733804059840280,
    0.0000013215486790144309488,
    1.0178086009239699727e-7,
    7.0549116208011233299e-9,
    4.4455382718708114976e-10,
    2.5678435993488205142e-11,
    1.3691488853904128881e-12};

/// 2^x in double for |x| <= 1000.
double exp2Double(double x) {
  // Adding and taking away 1.5 * 2^52 rounds to the nearest integer.
  constexpr double kRound = 6755399441055744.0;
  double n = (x + kRound) - kRound;
  double r = x - n;
  double p = kExp2[13];
  for (int k = 12; k >= 0; --k) {
    p = p * r + kExp2[k];
  }
  return p * powerOfTwo(int(n));
}
} // namespace

float lpu::halfToFloat(uint16_t h) {
  uint32_t sign = uint32_t(h & 0x8000) << 16, magnitude = h & 0x7fff;
  if (magnitude > 0x7c00) {
    return nan();
  }
  if (magnitude == 0x7c00) {
    return std::bit_cast<float>(sign | 0x7f800000u);
  }
  // Scaling by 2^112 is exact and handles subnormals.
  float scaled = std::bit_cast<float>(magnitude << 13) *
                 std::bit_cast<float>(uint32_t(127 + 112) << 23);
  return std::bit_cast<float>(std::bit_cast<uint32_t>(scaled) | sign);
}

float lpu::bfloatToFloat(uint16_t bits) {
  uint32_t wide = uint32_t(bits) << 16;
  return isNanBits(wide) ? nan() : std::bit_cast<float>(wide);
}

Rounded16 lpu::floatToHalf(float x) {
  uint32_t bits = std::bit_cast<uint32_t>(x);
  uint16_t sign = uint16_t(bits >> 16) & 0x8000;
  uint32_t magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) {
    return {0x7e00, false};
  }
  if (magnitude == 0x7f800000) {
    return {uint16_t(sign | 0x7c00), false};
  }
  if (magnitude >= 0x477ff000) { // 65520 and above round past 65504
    return {uint16_t(sign | 0x7bff), true};
  }
  if (magnitude < 0x38800000) { // below 2^-14: multiples of 2^-24
    // Adding 0.5 aligns the value so that fp32 addition rounds at 2^-24.
    float aligned = std::bit_cast<float>(magnitude) + 0.5f;
    return {uint16_t(sign | (std::bit_cast<uint32_t>(aligned) - 0x3f000000)),
            false};
  }
  uint32_t rounded = magnitude + 0xfff + ((magnitude >> 13) & 1);
  return {uint16_t(sign | ((rounded - 0x38000000) >> 13)), false};
}

Rounded16 lpu::floatToBfloat(float x) {
  uint32_t bits = std::bit_cast<uint32_t>(x);
  if (isNanBits(bits)) {
    return {0x7fc0, false};
  }
  if ((bits & 0x7fffffff) == 0x7f800000) {
    return {uint16_t(bits >> 16), false};
  }
  uint32_t rounded = bits + 0x7fff + ((bits >> 16) & 1);
  if ((rounded & 0x7fffffff) >= 0x7f800000) {
    return {uint16_t(((bits >> 16) & 0x8000) | 0x7f7f), true};
  }
  return {uint16_t(rounded >> 16), false};
}

float lpu::floorAdd(float a, float b) {
  // sum + error is the exact sum (two-sum). The error matters only where the
  // rounded sum is an integer just above the exact one.
  double x = a, y = b, sum = x + y;
  if (!(sum - sum == 0.0)) {
    return canonical(float(sum));
  }
  double yy = sum - x, error = (x - (sum - yy)) + (y - yy);
  double whole = __builtin_floor(sum);
  if (whole == sum && error < 0) {
    whole -= 1.0;
  }
  return float(whole);
}

float lpu::fusedMultiplyAdd(float a, float b, float c) {
  // The product is exact in double. The sum is rounded to odd, so that the
  // rounding to fp32 is the only one that counts.
  double product = double(a) * double(b), addend = c;
  double sum = product + addend;
  if (!(sum - sum == 0.0)) {
    return canonical(float(sum));
  }
  double back = sum - product;
  double error = (product - (sum - back)) + (addend - back);
  uint64_t bits = std::bit_cast<uint64_t>(sum);
  if (error != 0 && (bits & 1) == 0) {
    // Step towards the exact sum: it lies between two neighbours, take the odd.
    bool grow = (error > 0) == (sum > 0);
    bits += grow ? 1 : uint64_t(-1);
  }
  return float(std::bit_cast<double>(bits));
}

float lpu::machineExp2(float x) {
  if (x != x) {
    return nan();
  }
  if (x >= 128.0f) {
    return float(kInfinity);
  }
  if (x < -150.0f) {
    return 0.0f;
  }
  return float(exp2Double(x));
}

float lpu::machineLog2(float x) {
  if (x != x || x < 0) {
    return nan();
  }
  if (x == 0) {
    return float(-kInfinity);
  }
  if (x == float(kInfinity)) {
    return x;
  }
  uint64_t bits = std::bit_cast<uint64_t>(double(x));
  int exponent = int(bits >> 52) - 1023;
  double m = std::bit_cast<double>((bits & 0xfffffffffffffull) |
                                   0x3ff0000000000000ull);
  if (m > 1.4142135623730951) {
    m *= 0.5;
    exponent += 1;
  }
  // log(m) = 2 atanh(s), |s| <= 0.1716.
  double s = (m - 1.0) / (m + 1.0), q = s * s;
  double p = 1.0 / 25.0;
  for (int k = 23; k >= 1; k -= 2) {
    p = p * q + 1.0 / double(k);
  }
  // 2 / ln(2)
  return float(double(exponent) + (s * p) * 2.8853900817779268147);
}

float lpu::machineTanh(float x) {
  if (x != x) {
    return nan();
  }
  double d = x, magnitude = d < 0 ? -d : d, result;
  if (magnitude >= 10.0) {
    result = 1.0;
  } else if (magnitude < 0.03125) {
    double q = magnitude * magnitude;
    result = magnitude *
             (1.0 + q * (-1.0 / 3.0 + q * (2.0 / 15.0 + q * (-17.0 / 315.0))));
  } else {
    double e = exp2Double(magnitude * 2.8853900817779268147);
    result = (e - 1.0) / (e + 1.0);
  }
  float rounded = float(result);
  return std::bit_cast<float>(std::bit_cast<uint32_t>(rounded) |
                              (std::bit_cast<uint32_t>(x) & 0x80000000u));
}

float lpu::machineRsqrt(float x) {
  // Square root and division are correctly rounded by IEEE 754.
  return canonical(float(1.0 / __builtin_sqrt(double(x))));
}

float lpu::machineRcp(float x) { return canonical(float(1.0 / double(x))); }
