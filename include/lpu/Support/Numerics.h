//===- Numerics.h - The machine's number formats, bit for bit ---*- C++ -*-===//
//
// The VXM's functions and conversions as docs/Spec/Numerics.md writes them:
// IEEE double operations only, rounded once, so that every host gives the same
// bits. Nothing here calls the host's libm.
//
//===----------------------------------------------------------------------===//
#ifndef LPU_SUPPORT_NUMERICS_H
#define LPU_SUPPORT_NUMERICS_H

#include <bit>
#include <cstdint>

namespace lpu {

/// Bits of the one NaN that arithmetic produces (V9).
inline constexpr uint32_t kCanonicalNan = 0x7fc00000u;

inline bool isNanBits(uint32_t bits) { return (bits << 1) > 0xff000000u; }
/// `x`, or the canonical NaN where `x` is any NaN.
inline float canonical(float x) {
  return x == x ? x : std::bit_cast<float>(kCanonicalNan);
}

/// fp16 bits -> fp32, exact; NaN becomes the canonical NaN.
float halfToFloat(uint16_t bits);
/// bf16 bits -> fp32, exact; NaN becomes the canonical NaN.
float bfloatToFloat(uint16_t bits);

/// A rounded value and whether a finite value was too large and saturated.
struct Rounded16 {
  uint16_t bits;
  bool saturated;
};
/// fp32 -> fp16, nearest even; finite overflow saturates to 65504.
Rounded16 floatToHalf(float x);
/// fp32 -> bf16, nearest even; finite overflow saturates to the largest.
Rounded16 floatToBfloat(float x);

/// floor of the exact sum, rounded to fp32 (nearest even).
float floorAdd(float a, float b);
/// a * b + c with one rounding, on every host.
float fusedMultiplyAdd(float a, float b, float c);

/// The functions of (V10): at most 1 ulp from the exact value.
float machineExp2(float x);
float machineLog2(float x);
float machineTanh(float x);
float machineRsqrt(float x);
float machineRcp(float x);

} // namespace lpu

#endif // LPU_SUPPORT_NUMERICS_H
