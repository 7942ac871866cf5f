//===- Elements.cpp - Elements of tensors, from type to type --------------===//
#include "lpu/Support/Elements.h"
#include "absl/strings/str_cat.h"
#include "lpu/Support/Numerics.h"
#include "lpu/Support/Strings.h"
#include <algorithm>
#include <bit>
#include <cstring>

using namespace lpu;

namespace {

/// Which codes of a small float are no numbers.
enum class Special {
  Ieee,    ///< the largest exponent: infinities and NaNs
  LastNan, ///< all ones
  NanOnly, ///< the code of -0
  None,
  PowerOfTwo ///< no sign, no zero; all ones is NaN
};

struct FloatFormat {
  int bits, mantissa, bias;
  Special special;

  uint32_t sign() const { return special == Special::PowerOfTwo ? 0 : 1u << (bits - 1); }
  /// Past the last code of a finite magnitude.
  uint32_t limit() const {
    uint32_t all = special == Special::PowerOfTwo ? 0xff : sign() - 1;
    return special == Special::Ieee ? all >> mantissa << mantissa
           : special == Special::LastNan || special == Special::PowerOfTwo ? all
                                                                           : all + 1;
  }
  uint32_t nan() const {
    return special == Special::Ieee      ? limit() | 1u << (mantissa - 1)
           : special == Special::NanOnly ? sign()
                                         : limit();
  }
};

/// Of floats of at most 16 bits.
FloatFormat formatOf(ElementType type) {
  switch (type) {
  case F16:
    return {16, 10, 15, Special::Ieee};
  case BF16:
    return {16, 7, 127, Special::Ieee};
  case F8E4M3FN:
    return {8, 3, 7, Special::LastNan};
  case F8E4M3FNUZ:
    return {8, 3, 8, Special::NanOnly};
  case F8E5M2:
    return {8, 2, 15, Special::Ieee};
  case F8E5M2FNUZ:
    return {8, 2, 16, Special::NanOnly};
  case F8E8M0:
    return {8, 0, 127, Special::PowerOfTwo};
  default:
    return {4, 1, 1, Special::None}; // F4E2M1
  }
}

/// 2^n for -1022 <= n <= 1023.
double powerOfTwo(int n) { return std::bit_cast<double>(uint64_t(n + 1023) << 52); }

/// The exponent of a double that is not subnormal.
int exponentOf(double x) { return int(std::bit_cast<uint64_t>(x) >> 52 & 0x7ff) - 1023; }

double decode(const FloatFormat &format, uint32_t code) {
  code &= (1u << format.bits) - 1;
  uint32_t magnitude = code & ~format.sign();
  bool isNegative = code != magnitude;
  double value;
  if (magnitude >= format.limit() ||
      (format.special == Special::NanOnly && code == format.sign())) {
    value = magnitude == format.limit() && format.special == Special::Ieee ? __builtin_inf()
                                                                           : __builtin_nan("");
  } else if (format.special == Special::PowerOfTwo) {
    value = powerOfTwo(int(magnitude) - format.bias);
  } else {
    int exponent = int(magnitude >> format.mantissa);
    uint32_t fraction = magnitude & ((1u << format.mantissa) - 1);
    value = double(exponent ? fraction + (1u << format.mantissa) : fraction) *
            powerOfTwo((exponent ? exponent : 1) - format.bias - format.mantissa);
  }
  return isNegative && value == value ? -value : value;
}

bool encode(const FloatFormat &format, double value, uint32_t &code) {
  if (value != value) {
    code = format.nan();
    return format.special != Special::None;
  }
  bool isPower = format.special == Special::PowerOfTwo;
  bool isNegative = std::bit_cast<uint64_t>(value) >> 63;
  uint32_t sign = isNegative ? format.sign() : 0;
  double magnitude = isNegative ? -value : value;
  if (magnitude == __builtin_inf()) {
    code = sign | format.limit();
    return format.special == Special::Ieee;
  }
  int least = isPower ? -format.bias : 1 - format.bias;
  if (isPower && (isNegative || magnitude < powerOfTwo(least))) {
    return false;
  }
  int exponent = std::max(exponentOf(magnitude), least);
  // Exact: a division by a power of two.
  double scaled = magnitude / powerOfTwo(exponent - format.mantissa);
  auto whole = uint64_t(scaled);
  double rest = scaled - double(whole);
  uint32_t first = 1u << format.mantissa; // fraction of a number that is not subnormal
  uint64_t found =
      whole < first ? whole
                    : (uint64_t(exponent - least + !isPower) << format.mantissa) + (whole - first);
  // The next code is the next number, also where the exponent grows.
  found += rest > 0.5 || (rest == 0.5 && (found & 1));
  code = uint32_t(found);
  if (found >= format.limit()) {
    return false;
  }
  if (code != 0 || format.special != Special::NanOnly) {
    code |= sign;
  }
  return true;
}

double toDouble(ElementType type, uint64_t bits) {
  return type == F32   ? double(std::bit_cast<float>(uint32_t(bits)))
         : type == F64 ? std::bit_cast<double>(bits)
                       : decode(formatOf(type), uint32_t(bits));
}

bool fromDouble(ElementType type, double value, uint64_t &bits) {
  if (type == F64) {
    bits = std::bit_cast<uint64_t>(value);
    return true;
  }
  if (type == F32) {
    float rounded = canonical(float(value));
    bits = std::bit_cast<uint32_t>(rounded);
    return rounded - rounded == 0 || value - value != 0;
  }
  uint32_t code = 0;
  bool fits = encode(formatOf(type), value, code);
  bits = code;
  return fits;
}

struct IntegerFormat {
  unsigned bits;
  bool isSigned;
};

IntegerFormat integerOf(ElementType type) {
  switch (type) {
  case I2:
    return {2, true};
  case I4:
    return {4, true};
  case I8:
    return {8, true};
  case I16:
    return {16, true};
  case I32:
    return {32, true};
  case I64:
    return {64, true};
  case BOOL:
    return {1, false};
  case U2:
    return {2, false};
  case U4:
    return {4, false};
  case U8:
    return {8, false};
  case U16:
    return {16, false};
  case U32:
    return {32, false};
  default:
    return {64, false};
  }
}

/// Of a signed type as int64, of others as they are; both in 64 bits.
uint64_t toInteger(ElementType type, uint64_t bits) {
  IntegerFormat format = integerOf(type);
  unsigned unused = 64 - format.bits;
  return type == BOOL      ? (bits & 0xff) != 0
         : format.isSigned ? uint64_t(int64_t(bits << unused) >> unused)
                           : bits << unused >> unused;
}

bool convertInteger(ElementType from, ElementType to, uint64_t bits, uint64_t &result) {
  IntegerFormat source = integerOf(from), format = integerOf(to);
  // The machine's 32 bits are both i32 and u32.
  if (to == I32 && !source.isSigned && source.bits >= 32) {
    format.isSigned = false;
  }
  if (from == I32 && !format.isSigned && format.bits >= 32) {
    from = U32;
    source.isSigned = false;
  }
  uint64_t value = toInteger(from, bits);
  bool isNegative = source.isSigned && int64_t(value) < 0;
  unsigned magnitude = format.bits - format.isSigned;
  result = format.bits == 64 ? value : value & ((uint64_t(1) << format.bits) - 1);
  if (isNegative) {
    return format.isSigned && int64_t(value) >> magnitude == -1;
  }
  return magnitude == 64 || value >> magnitude == 0;
}

uint64_t loadBits(const uint8_t *at, unsigned bytes) {
  uint64_t bits = 0;
  std::memcpy(&bits, at, bytes);
  return bits;
}

} // namespace

std::string_view lpu::elementTypeName(ElementType type) {
  return unsigned(type) < std::size(kElementTypeNames) ? kElementTypeNames[type] : "?";
}

std::optional<ElementType> lpu::parseElementType(std::string_view name) {
  for (size_t i = 0; i < std::size(kElementTypeNames); ++i) {
    if (kElementTypeNames[i] == name) {
      return ElementType(i);
    }
  }
  return std::nullopt;
}

unsigned lpu::elementBytes(ElementType type) {
  switch (type) {
  case F32:
  case I32:
  case U32:
    return 4;
  case F16:
  case BF16:
  case I16:
  case U16:
    return 2;
  case I64:
  case U64:
  case F64:
    return 8;
  default:
    return 1;
  }
}

bool lpu::isFloatType(ElementType type) {
  switch (type) {
  case F64:
  case F32:
  case F16:
  case BF16:
  case F8E4M3FN:
  case F8E4M3FNUZ:
  case F8E5M2:
  case F8E5M2FNUZ:
  case F8E8M0:
  case F4E2M1:
    return true;
  default:
    return false;
  }
}

ElementType lpu::hostType(ElementType type) {
  switch (type) {
  case BF16:
    return U16;
  case F8E4M3FN:
  case F8E4M3FNUZ:
  case F8E5M2:
  case F8E5M2FNUZ:
  case F8E8M0:
  case F4E2M1:
  case I4:
  case U4:
  case I2:
  case U2:
    return U8;
  default:
    return type;
  }
}

std::string_view lpu::numpyTypeString(ElementType type) {
  switch (hostType(type)) {
  case F64:
    return "<f8";
  case F32:
    return "<f4";
  case F16:
    return "<f2";
  case I8:
    return "|i1";
  case U8:
    return "|u1";
  case I16:
    return "<i2";
  case U16:
    return "<u2";
  case I32:
    return "<i4";
  case U32:
    return "<u4";
  case I64:
    return "<i8";
  case U64:
    return "<u8";
  case BOOL:
    return "|b1";
  default:
    return "";
  }
}

std::optional<ElementType> lpu::parseNumpyType(std::string_view text) {
  for (ElementType type : {F32, F16, I8, U8, I16, I32, I64, BOOL, U16, U32, U64, F64}) {
    if (numpyTypeString(type) == text) {
      return type;
    }
  }
  return std::nullopt;
}

bool lpu::convertElement(ElementType from, ElementType to, uint64_t bits, uint64_t &result) {
  if (from == to) {
    result = bits;
    return true;
  }
  if (isFloatType(from) != isFloatType(to)) {
    return false;
  }
  return isFloatType(from) ? fromDouble(to, toDouble(from, bits), result)
                           : convertInteger(from, to, bits, result);
}

absl::Status lpu::convertElements(ElementType from, const uint8_t *source, ElementType to,
                                  uint8_t *result, size_t count) {
  unsigned fromBytes = elementBytes(from), toBytes = elementBytes(to);
  for (size_t k = 0; k < count; ++k) {
    uint64_t bits = loadBits(source + k * fromBytes, fromBytes), converted = 0;
    if (!convertElement(from, to, bits, converted)) {
      return absl::OutOfRangeError(absl::StrCat("element ", k, ", ", elementText(from, bits),
                                                ", does not fit ", toAbsl(elementTypeName(to))));
    }
    std::memcpy(result + k * toBytes, &converted, toBytes);
  }
  return absl::OkStatus();
}

std::string lpu::elementText(ElementType type, uint64_t bits) {
  if (isFloatType(type)) {
    return absl::StrCat(toDouble(type, bits));
  }
  uint64_t value = toInteger(type, bits);
  return integerOf(type).isSigned ? absl::StrCat(int64_t(value)) : absl::StrCat(value);
}
