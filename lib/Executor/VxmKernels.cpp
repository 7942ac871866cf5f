//===- VxmKernels.cpp - Lane-wise operations ------------------------------===//
//
// docs/Spec/Numerics.md. Compiled with -ffp-contract=off.
//
//===----------------------------------------------------------------------===//
#include "VxmKernels.h"
#include "lpu/Support/Numerics.h"
#include <algorithm>
#include <bit>
#include <cmath>

using namespace lpu;
using namespace lpu::executor;

namespace {
float asFloat(uint32_t bits) { return std::bit_cast<float>(bits); }
uint32_t asBits(float x) { return std::bit_cast<uint32_t>(x); }
/// Bits of an arithmetic result (V9).
uint32_t resultBits(float x) { return x == x ? asBits(x) : kCanonicalNan; }

template <typename F> void eachLane(VxmLanes &v, F f) {
  const uint32_t *a = v.in[0];
  uint32_t *__restrict out = v.out;
  for (unsigned l = 0; l < v.lanes; ++l) {
    out[l] = f(a[l]);
  }
}
template <typename F> void eachPair(VxmLanes &v, F f) {
  const uint32_t *a = v.in[0], *b = v.in[1];
  uint32_t *__restrict out = v.out;
  for (unsigned l = 0; l < v.lanes; ++l) {
    out[l] = f(a[l], b[l]);
  }
}

/// IEEE 754-2019 minimum and maximum: NaN wins, -0 is below +0.
uint32_t minBits(uint32_t a, uint32_t b) {
  float x = asFloat(a), y = asFloat(b);
  if (x != x || y != y) {
    return kCanonicalNan;
  }
  return x == y ? (a | b) : (x < y ? a : b);
}
uint32_t maxBits(uint32_t a, uint32_t b) {
  float x = asFloat(a), y = asFloat(b);
  if (x != x || y != y) {
    return kCanonicalNan;
  }
  return x == y ? (a & b) : (x > y ? a : b);
}
uint32_t minInt(uint32_t a, uint32_t b) { return int32_t(a) < int32_t(b) ? a : b; }
uint32_t maxInt(uint32_t a, uint32_t b) { return int32_t(a) > int32_t(b) ? a : b; }

void fmaPortable(VxmLanes &v) {
  for (unsigned l = 0; l < v.lanes; ++l) {
    v.out[l] = resultBits(fusedMultiplyAdd(asFloat(v.in[0][l]),
                                           asFloat(v.in[1][l]),
                                           asFloat(v.in[2][l])));
  }
}
#if defined(__x86_64__)
__attribute__((target("avx2,fma"))) void fmaVector(VxmLanes &v) {
  const uint32_t *a = v.in[0], *b = v.in[1], *c = v.in[2];
  uint32_t *__restrict out = v.out;
  for (unsigned l = 0; l < v.lanes; ++l) {
    float r = __builtin_fmaf(std::bit_cast<float>(a[l]),
                             std::bit_cast<float>(b[l]),
                             std::bit_cast<float>(c[l]));
    out[l] = r == r ? std::bit_cast<uint32_t>(r) : kCanonicalNan;
  }
}
bool hasFma() {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}
#endif

void fma(VxmLanes &v) {
#if defined(__x86_64__)
  static const bool has = hasFma();
  if (has && v.vectorInstructions) {
    return fmaVector(v);
  }
#endif
  fmaPortable(v);
}

uint64_t floatToInt(const VxmLanes &v, int32_t low, int32_t high) {
  // Adding and taking away 1.5 * 2^52 rounds to nearest even up to 2^51.
  constexpr double kRound = 6755399441055744.0, kLimit = 4294967296.0;
  uint64_t saturated = 0;
  for (unsigned l = 0; l < v.lanes; ++l) {
    double x = asFloat(v.in[0][l]);
    if (x != x) {
      v.out[l] = 0;
      ++saturated;
      continue;
    }
    double clipped = std::min(std::max(x, -kLimit), kLimit);
    double y = (clipped + kRound) - kRound;
    saturated += (y < low) | (y > high);
    v.out[l] = uint32_t(int32_t(std::min(std::max(y, double(low)), double(high))));
  }
  return saturated;
}

uint64_t roundToHalf(const VxmLanes &v) {
  uint64_t saturated = 0;
  for (unsigned l = 0; l < v.lanes; ++l) {
    Rounded16 r = floatToHalf(asFloat(v.in[0][l]));
    saturated += r.saturated;
    v.out[l] = asBits(halfToFloat(r.bits));
  }
  return saturated;
}

std::string_view unary(const VxmOp &op, VxmLanes &v) {
  bool isFloat = v.isFloat[0];
  v.outIsFloat = isFloat;
  auto needs = [&](bool wantFloat) { return isFloat == wantFloat; };
  switch (op.op) {
  case AluOp::Copy:
  case AluOp::Delay:
    eachLane(v, [](uint32_t a) { return a; });
    return {};
  case AluOp::Bits:
    v.outIsFloat = !isFloat;
    eachLane(v, [](uint32_t a) { return a; });
    return {};
  case AluOp::Abs:
    if (isFloat) {
      eachLane(v, [](uint32_t a) {
        return isNanBits(a) ? kCanonicalNan : a & 0x7fffffffu;
      });
    } else {
      eachLane(v, [](uint32_t a) { return int32_t(a) < 0 ? 0u - a : a; });
    }
    return {};
  case AluOp::Neg:
    if (isFloat) {
      eachLane(v, [](uint32_t a) {
        return isNanBits(a) ? kCanonicalNan : a ^ 0x80000000u;
      });
    } else {
      eachLane(v, [](uint32_t a) { return 0u - a; });
    }
    return {};
  case AluOp::I2F:
    if (!needs(false)) {
      return "expected an int32 operand";
    }
    v.outIsFloat = true;
    eachLane(v, [](uint32_t a) { return asBits(float(int32_t(a))); });
    return {};
  default:
    break;
  }
  if (!needs(true)) {
    return "expected an fp32 operand";
  }
  switch (op.op) {
  case AluOp::F2I:
    v.outIsFloat = false;
    v.saturated = floatToInt(v, op.low, op.high);
    break;
  case AluOp::F2H:
    v.saturated = roundToHalf(v);
    break;
  case AluOp::Exp2:
    eachLane(v, [](uint32_t a) { return asBits(machineExp2(asFloat(a))); });
    break;
  case AluOp::Log2:
    eachLane(v, [](uint32_t a) { return asBits(machineLog2(asFloat(a))); });
    break;
  case AluOp::Tanh:
    eachLane(v, [](uint32_t a) { return asBits(machineTanh(asFloat(a))); });
    break;
  case AluOp::Rsqrt:
    eachLane(v, [](uint32_t a) { return asBits(machineRsqrt(asFloat(a))); });
    break;
  case AluOp::Rcp:
    eachLane(v, [](uint32_t a) { return asBits(machineRcp(asFloat(a))); });
    break;
  default:
    return "expected an operation of the table";
  }
  return {};
}

std::string_view binaryFloat(const VxmOp &op, VxmLanes &v) {
  v.outIsFloat = true;
  switch (op.op) {
  case AluOp::Add:
    eachPair(v, [](uint32_t a, uint32_t b) {
      return resultBits(asFloat(a) + asFloat(b));
    });
    return {};
  case AluOp::Sub:
    eachPair(v, [](uint32_t a, uint32_t b) {
      return resultBits(asFloat(a) - asFloat(b));
    });
    return {};
  case AluOp::Mul:
    eachPair(v, [](uint32_t a, uint32_t b) {
      return resultBits(asFloat(a) * asFloat(b));
    });
    return {};
  case AluOp::Min:
    eachPair(v, minBits);
    return {};
  case AluOp::Max:
    eachPair(v, maxBits);
    return {};
  case AluOp::FloorAdd:
    eachPair(v, [](uint32_t a, uint32_t b) {
      return asBits(floorAdd(asFloat(a), asFloat(b)));
    });
    return {};
  default:
    break;
  }
  v.outIsFloat = false;
  switch (op.op) {
  case AluOp::CmpLt:
    eachPair(v, [](uint32_t a, uint32_t b) {
      return uint32_t(asFloat(a) < asFloat(b));
    });
    return {};
  case AluOp::CmpLe:
    eachPair(v, [](uint32_t a, uint32_t b) {
      return uint32_t(asFloat(a) <= asFloat(b));
    });
    return {};
  case AluOp::CmpEq:
    eachPair(v, [](uint32_t a, uint32_t b) {
      return uint32_t(asFloat(a) == asFloat(b));
    });
    return {};
  default:
    return "expected int32 operands";
  }
}

std::string_view binaryInt(const VxmOp &op, VxmLanes &v) {
  v.outIsFloat = false;
  switch (op.op) {
  case AluOp::Add:
    eachPair(v, [](uint32_t a, uint32_t b) { return a + b; });
    return {};
  case AluOp::Sub:
    eachPair(v, [](uint32_t a, uint32_t b) { return a - b; });
    return {};
  case AluOp::Mul:
    eachPair(v, [](uint32_t a, uint32_t b) { return a * b; });
    return {};
  case AluOp::Min:
    eachPair(v, minInt);
    return {};
  case AluOp::Max:
    eachPair(v, maxInt);
    return {};
  case AluOp::And:
    eachPair(v, [](uint32_t a, uint32_t b) { return a & b; });
    return {};
  case AluOp::Or:
    eachPair(v, [](uint32_t a, uint32_t b) { return a | b; });
    return {};
  case AluOp::Xor:
    eachPair(v, [](uint32_t a, uint32_t b) { return a ^ b; });
    return {};
  case AluOp::Shl:
    eachPair(v, [](uint32_t a, uint32_t b) { return a << (b & 31); });
    return {};
  case AluOp::Shr:
    eachPair(v, [](uint32_t a, uint32_t b) {
      return uint32_t(int32_t(a) >> (b & 31));
    });
    return {};
  case AluOp::CmpLt:
    eachPair(v, [](uint32_t a, uint32_t b) {
      return uint32_t(int32_t(a) < int32_t(b));
    });
    return {};
  case AluOp::CmpLe:
    eachPair(v, [](uint32_t a, uint32_t b) {
      return uint32_t(int32_t(a) <= int32_t(b));
    });
    return {};
  case AluOp::CmpEq:
    eachPair(v, [](uint32_t a, uint32_t b) { return uint32_t(a == b); });
    return {};
  default:
    return "expected fp32 operands";
  }
}

std::string_view ternary(const VxmOp &op, VxmLanes &v) {
  if (op.op == AluOp::Fma) {
    if (!v.isFloat[0] || !v.isFloat[1] || !v.isFloat[2]) {
      return "expected fp32 operands";
    }
    v.outIsFloat = true;
    fma(v);
    return {};
  }
  if (v.isFloat[0]) {
    return "expected an int32 condition";
  }
  if (v.isFloat[1] != v.isFloat[2]) {
    return "expected operands of one type";
  }
  v.outIsFloat = v.isFloat[1];
  for (unsigned l = 0; l < v.lanes; ++l) {
    v.out[l] = v.in[0][l] != 0 ? v.in[1][l] : v.in[2][l];
  }
  return {};
}
} // namespace

std::string_view executor::computeLanes(const VxmOp &op, VxmLanes &v) {
  if (op.numOperands == 1) {
    return unary(op, v);
  }
  if (op.numOperands == 3) {
    return ternary(op, v);
  }
  if (v.isFloat[0] != v.isFloat[1]) {
    return "expected operands of one type";
  }
  return v.isFloat[0] ? binaryFloat(op, v) : binaryInt(op, v);
}

void executor::combineLanes(bool isMax, bool isFloat, const uint32_t *a,
                            const uint32_t *b, uint32_t *out, unsigned lanes) {
  for (unsigned l = 0; l < lanes; ++l) {
    if (isFloat) {
      out[l] = isMax ? maxBits(a[l], b[l])
                     : resultBits(asFloat(a[l]) + asFloat(b[l]));
    } else {
      out[l] = isMax ? maxInt(a[l], b[l]) : a[l] + b[l];
    }
  }
}

void executor::widenLanes(StreamType type, const uint8_t *const *bytes,
                          uint32_t *out, unsigned lanes) {
  const uint8_t *b0 = bytes[0], *b1 = bytes[1], *b2 = bytes[2], *b3 = bytes[3];
  switch (type) {
  case StreamType::I8:
    for (unsigned l = 0; l < lanes; ++l) {
      out[l] = uint32_t(int32_t(int8_t(b0[l])));
    }
    return;
  case StreamType::I16:
    for (unsigned l = 0; l < lanes; ++l) {
      out[l] = uint32_t(int32_t(int16_t(b0[l] | b1[l] << 8)));
    }
    return;
  case StreamType::F16:
    for (unsigned l = 0; l < lanes; ++l) {
      out[l] = asBits(halfToFloat(uint16_t(b0[l] | b1[l] << 8)));
    }
    return;
  case StreamType::BF16:
    for (unsigned l = 0; l < lanes; ++l) {
      out[l] = asBits(bfloatToFloat(uint16_t(b0[l] | b1[l] << 8)));
    }
    return;
  case StreamType::I32:
  case StreamType::F32:
    for (unsigned l = 0; l < lanes; ++l) {
      out[l] = uint32_t(b0[l]) | uint32_t(b1[l]) << 8 | uint32_t(b2[l]) << 16 |
               uint32_t(b3[l]) << 24;
    }
    return;
  }
}

uint64_t executor::narrowLanes(Drive drive, bool saturate, const uint32_t *in,
                               uint8_t *const *bytes, unsigned lanes) {
  uint64_t saturated = 0;
  bool isInt8 = drive == Drive::I8;
  if (isInt8 || drive == Drive::I16) {
    int32_t low = isInt8 ? -128 : -32768, high = isInt8 ? 127 : 32767;
    for (unsigned l = 0; l < lanes; ++l) {
      int32_t x = int32_t(in[l]);
      int32_t y = saturate ? std::clamp(x, low, high) : x;
      saturated += x != y;
      bytes[0][l] = uint8_t(y);
      if (!isInt8) {
        bytes[1][l] = uint8_t(y >> 8);
      }
    }
    return saturated;
  }
  if (drive == Drive::F16 || drive == Drive::BF16) {
    for (unsigned l = 0; l < lanes; ++l) {
      Rounded16 r = drive == Drive::F16 ? floatToHalf(asFloat(in[l]))
                                        : floatToBfloat(asFloat(in[l]));
      saturated += r.saturated;
      bytes[0][l] = uint8_t(r.bits);
      bytes[1][l] = uint8_t(r.bits >> 8);
    }
    return saturated;
  }
  for (unsigned k = 0; k < 4; ++k) {
    uint8_t *__restrict out = bytes[k];
    for (unsigned l = 0; l < lanes; ++l) {
      out[l] = uint8_t(in[l] >> (8 * k));
    }
  }
  return 0;
}
