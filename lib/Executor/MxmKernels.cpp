//===- MxmKernels.cpp - Vector times installed array ----------------------===//
//
// The sums are exact, so their order and the instructions that form them make
// no difference to the bits.
//
//===----------------------------------------------------------------------===//
#include "MxmKernels.h"
#include "lpu/Support/Numerics.h"
#include <algorithm>
#include <bit>
#include <cstring>
#include <vector>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

using namespace lpu;
using namespace lpu::executor;

namespace {
using Wide = __int128;
constexpr unsigned kRows = 16;

void multiplyInt8Portable(const ActiveRows &rows, const int8_t *x,
                          const int8_t *weights, uint32_t *out) {
  std::fill_n(out, rows.lanes, 0u);
  for (unsigned g = 0; g < rows.numGroups; ++g) {
    if (!(rows.groups >> g & 1)) {
      continue;
    }
    for (unsigned k = g * kRows; k < (g + 1) * kRows; k += 2) {
      const int8_t *w = weights + size_t(k) * rows.lanes;
      for (unsigned n = 0; n < rows.lanes; ++n) {
        out[n] += uint32_t(int32_t(x[k]) * w[2 * n] +
                           int32_t(x[k + 1]) * w[2 * n + 1]);
      }
    }
  }
}

#if defined(__x86_64__)
bool hasAvx2() {
  static const bool has = __builtin_cpu_supports("avx2");
  return has;
}

/// Columns n .. n + 8 * Blocks - 1. A pair of rows is one multiply-add of
/// 16-bit pairs; the sum of two products of bytes can't overflow.
template <unsigned Blocks>
__attribute__((target("avx2"))) void
multiplyColumns(const ActiveRows &rows, const int32_t *pairs,
                const int8_t *weights, unsigned n, uint32_t *out) {
  __m256i sums[Blocks];
  for (unsigned b = 0; b < Blocks; ++b) {
    sums[b] = _mm256_setzero_si256();
  }
  for (uint64_t groups = rows.groups; groups; groups &= groups - 1) {
    unsigned firstPair = unsigned(std::countr_zero(groups)) * kRows / 2;
    for (unsigned p = firstPair; p < firstPair + kRows / 2; ++p) {
      const int8_t *w = weights + (size_t(p) * rows.lanes + n) * 2;
      __m256i x = _mm256_set1_epi32(pairs[p]);
      for (unsigned b = 0; b < Blocks; ++b) {
        __m256i wide = _mm256_cvtepi8_epi16(_mm_loadu_si128(
            reinterpret_cast<const __m128i *>(w + size_t(b) * 16)));
        sums[b] = _mm256_add_epi32(sums[b], _mm256_madd_epi16(wide, x));
      }
    }
  }
  for (unsigned b = 0; b < Blocks; ++b) {
    _mm256_storeu_si256(reinterpret_cast<__m256i *>(out + n + b * 8), sums[b]);
  }
}

__attribute__((target("avx2"))) void
multiplyInt8Vector(const ActiveRows &rows, const int8_t *x,
                   const int8_t *weights, uint32_t *out) {
  int32_t pairs[64 * kRows / 2];
  for (unsigned p = 0; p < rows.numGroups * kRows / 2; ++p) {
    pairs[p] = int32_t(uint32_t(uint16_t(int16_t(x[2 * p]))) |
                       uint32_t(uint16_t(int16_t(x[2 * p + 1]))) << 16);
  }
  unsigned n = 0;
  for (; n + 64 <= rows.lanes; n += 64) {
    multiplyColumns<8>(rows, pairs, weights, n, out);
  }
  for (; n + 16 <= rows.lanes; n += 16) {
    multiplyColumns<2>(rows, pairs, weights, n, out);
  }
}
#endif

/// |value| in units of 2^-24; not for infinities and NaN.
uint64_t halfMagnitude(uint16_t h) {
  unsigned exponent = (h >> 10) & 31, fraction = h & 1023;
  return exponent ? uint64_t(fraction | 1024) << (exponent - 1) : fraction;
}
bool isSpecial(uint16_t h) { return (h & 0x7c00) == 0x7c00; }

inline __attribute__((always_inline)) uint32_t
storeHalfLoop(const uint8_t *low, const uint8_t *high, unsigned lanes,
              uint16_t *__restrict halves, int32_t *__restrict fixed,
              uint32_t &worst) {
  uint32_t bits = 0, largest = 0;
  for (unsigned l = 0; l < lanes; ++l) {
    uint32_t h = uint32_t(low[l]) | uint32_t(high[l]) << 8;
    uint32_t exponent = (h >> 10) & 31, fraction = h & 1023;
    uint32_t shift = exponent > 22 ? 22 : exponent;
    uint32_t magnitude =
        shift ? (fraction | 1024) << (shift - 1) : fraction;
    halves[l] = uint16_t(h);
    fixed[l] = int32_t(h & 0x8000 ? 0u - magnitude : magnitude);
    bits |= magnitude;
    largest = largest > exponent ? largest : exponent;
  }
  worst = largest;
  return bits;
}
uint32_t storeHalfPortable(const uint8_t *low, const uint8_t *high,
                           unsigned lanes, uint16_t *halves, int32_t *fixed,
                           uint32_t &worst) {
  return storeHalfLoop(low, high, lanes, halves, fixed, worst);
}
#if defined(__x86_64__)
__attribute__((target("avx2"))) uint32_t
storeHalfVector(const uint8_t *low, const uint8_t *high, unsigned lanes,
                uint16_t *halves, int32_t *fixed, uint32_t &worst) {
  return storeHalfLoop(low, high, lanes, halves, fixed, worst);
}
#endif

inline __attribute__((always_inline)) void
addRow(int32_t x, const int32_t *w, unsigned lanes, int64_t *__restrict sums) {
  for (unsigned n = 0; n < lanes; ++n) {
    sums[n] += int64_t(x) * int64_t(w[n]);
  }
}
inline __attribute__((always_inline)) void
sumFixed(const ActiveRows &rows, const int32_t *x, const int32_t *weights,
         int64_t *sums) {
  for (uint64_t groups = rows.groups; groups; groups &= groups - 1) {
    unsigned first = unsigned(std::countr_zero(groups)) * kRows;
    for (unsigned k = first; k < first + kRows; ++k) {
      addRow(x[k], weights + size_t(k) * rows.lanes, rows.lanes, sums);
    }
  }
}
void sumFixedPortable(const ActiveRows &rows, const int32_t *x,
                      const int32_t *weights, int64_t *sums) {
  sumFixed(rows, x, weights, sums);
}
#if defined(__x86_64__)
__attribute__((target("avx2"))) void sumFixedVector(const ActiveRows &rows,
                                                    const int32_t *x,
                                                    const int32_t *weights,
                                                    int64_t *sums) {
  sumFixed(rows, x, weights, sums);
}
#endif

/// 2^n as fp32, for exponents of normal numbers.
float powerOfTwo(int n) { return std::bit_cast<float>(uint32_t(n + 127) << 23); }

/// Sums in 64 bits where no sum can leave them. Returns false otherwise.
bool multiplyHalfFast(const ActiveRows &rows, const HalfPass &pass,
                      uint32_t *out) {
  if (rows.groups & ~pass.fits) {
    return false;
  }
  int32_t x[64 * kRows];
  uint64_t xBits = 0, wBits = 0;
  for (uint64_t groups = rows.groups; groups; groups &= groups - 1) {
    unsigned g = unsigned(std::countr_zero(groups));
    wBits |= pass.fixedBits[g];
    for (unsigned k = g * kRows; k < (g + 1) * kRows; ++k) {
      if (isSpecial(pass.x[k])) {
        return false;
      }
      xBits |= halfMagnitude(pass.x[k]);
    }
  }
  // Common trailing zeros of the activations cost no bits.
  int shift = xBits ? std::countr_zero(xBits) : 0;
  int used = std::bit_width(xBits >> shift) + std::bit_width(wBits) +
             std::bit_width(unsigned(std::popcount(rows.groups)) * kRows);
  if (used > 63 || std::bit_width(xBits >> shift) > 31) {
    return false;
  }
  for (uint64_t groups = rows.groups; groups; groups &= groups - 1) {
    unsigned first = unsigned(std::countr_zero(groups)) * kRows;
    for (unsigned k = first; k < first + kRows; ++k) {
      int32_t magnitude = int32_t(halfMagnitude(pass.x[k]) >> shift);
      x[k] = pass.x[k] & 0x8000 ? -magnitude : magnitude;
    }
  }
  int64_t sums[64 * kRows];
  std::fill_n(sums, rows.lanes, 0);
#if defined(__x86_64__)
  if (rows.vectorInstructions && hasAvx2()) {
    sumFixedVector(rows, x, pass.fixed, sums);
  } else
#endif
  {
    sumFixedPortable(rows, x, pass.fixed, sums);
  }
  // Rounds once; scaling by a power of two is exact here.
  float scale = powerOfTwo(shift - 48);
  for (unsigned n = 0; n < rows.lanes; ++n) {
    out[n] = std::bit_cast<uint32_t>(float(sums[n]) * scale);
  }
  return true;
}

/// One column in 128 bits: products are multiples of 2^-48 below 2^33.
uint32_t multiplyHalfColumn(const ActiveRows &rows, const HalfPass &pass,
                            unsigned n) {
  Wide sum = 0;
  bool nan = false, positive = false, negative = false;
  for (uint64_t groups = rows.groups; groups; groups &= groups - 1) {
    unsigned first = unsigned(std::countr_zero(groups)) * kRows;
    for (unsigned k = first; k < first + kRows; ++k) {
      uint16_t x = pass.x[k], w = pass.weights[size_t(k) * rows.lanes + n];
      bool minus = (x ^ w) & 0x8000;
      if (isSpecial(x) || isSpecial(w)) {
        bool isNan = (x & 0x7fff) > 0x7c00 || (w & 0x7fff) > 0x7c00 ||
                     (x & 0x7fff) == 0 || (w & 0x7fff) == 0;
        nan |= isNan;
        (minus ? negative : positive) |= !isNan;
        continue;
      }
      Wide product = Wide(halfMagnitude(x)) * Wide(halfMagnitude(w));
      sum += minus ? -product : product;
    }
  }
  if (nan || (positive && negative)) {
    return kCanonicalNan;
  }
  if (positive || negative) {
    return positive ? 0x7f800000u : 0xff800000u;
  }
  return std::bit_cast<uint32_t>(float(sum) * powerOfTwo(-48));
}
} // namespace

void executor::multiplyInt8(const ActiveRows &rows, const int8_t *x,
                            const int8_t *weights, uint32_t *out) {
#if defined(__x86_64__)
  if (rows.vectorInstructions && hasAvx2()) {
    return multiplyInt8Vector(rows, x, weights, out);
  }
#endif
  multiplyInt8Portable(rows, x, weights, out);
}

void executor::interleaveRows(const uint8_t *const *rows, unsigned lanes,
                              uint8_t *out) {
  for (unsigned k = 0; k < kRows; k += 2, out += size_t(2) * lanes) {
    const uint8_t *even = rows[k], *odd = rows[k + 1];
    uint8_t *__restrict pair = out;
    for (unsigned l = 0; l < lanes; ++l) {
      pair[2 * l] = even[l];
      pair[2 * l + 1] = odd[l];
    }
  }
}

bool executor::storeHalfRows(const uint8_t *const *low,
                             const uint8_t *const *high, unsigned lanes,
                             uint16_t *halves, int32_t *fixed, uint32_t &bits,
                             bool vectorInstructions) {
  // 21 is the largest exponent field whose values stay below 2^31 units.
  constexpr uint32_t kLargest = 21;
  uint32_t worst = 0;
  bits = 0;
  for (unsigned k = 0; k < kRows; ++k) {
    uint32_t rowWorst = 0;
    uint16_t *h = halves + size_t(k) * lanes;
    int32_t *f = fixed + size_t(k) * lanes;
#if defined(__x86_64__)
    if (vectorInstructions && hasAvx2()) {
      bits |= storeHalfVector(low[k], high[k], lanes, h, f, rowWorst);
    } else
#endif
    {
      bits |= storeHalfPortable(low[k], high[k], lanes, h, f, rowWorst);
    }
    worst = std::max(worst, rowWorst);
  }
  return worst <= kLargest;
}

void executor::multiplyHalf(const ActiveRows &rows, const HalfPass &pass,
                            uint32_t *out) {
  if (multiplyHalfFast(rows, pass, out)) {
    return;
  }
  for (unsigned n = 0; n < rows.lanes; ++n) {
    out[n] = multiplyHalfColumn(rows, pass, n);
  }
}
