//===- Elements.h - Elements of tensors, from type to type ------*- C++ -*-===//
//
// A model has more element types than the machine. Here is what their bits mean on
// the host and which of them become which, at every boundary between the two.
//
//===----------------------------------------------------------------------===//
#ifndef LPU_SUPPORT_ELEMENTS_H
#define LPU_SUPPORT_ELEMENTS_H

#include "absl/status/status.h"
#include "lpu/Support/Elements.pb.h"
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace lpu {

/// By the type's value.
inline constexpr std::string_view kElementTypeNames[] = {
    "f32",        "f16",    "bf16", "i8",  "u8",  "i16",      "i32",        "i64",
    "bool",       "u16",    "u32",  "u64", "f64", "f8e4m3fn", "f8e4m3fnuz", "f8e5m2",
    "f8e5m2fnuz", "f8e8m0", "i4",   "u4",  "i2",  "u2",       "f4e2m1"};
static_assert(std::size(kElementTypeNames) == ElementType_ARRAYSIZE);

std::string_view elementTypeName(ElementType type);
std::optional<ElementType> parseElementType(std::string_view name);
/// Bytes of one element on the host; those of fewer bits have a byte each, from its low bit.
unsigned elementBytes(ElementType type);
bool isFloatType(ElementType type);

/// The type of an array of the host: of what NumPy lacks, unsigned integers of as many bytes.
ElementType hostType(ElementType type);
/// NumPy's type string of hostType, "<f4" for F32.
std::string_view numpyTypeString(ElementType type);
std::optional<ElementType> parseNumpyType(std::string_view text);

/// One element in another type. Floats are rounded to nearest even and stay floats;
/// integers keep their value, but for U32 and U64 as I32 and back: those are the low 32
/// bits. False where the value does not fit: out of range, an infinity or a NaN that the
/// type lacks, a float for an integer.
bool convertElement(ElementType from, ElementType to, uint64_t bits, uint64_t &result);
/// The same for `count` elements in a row. OutOfRange: "element 3, 300, does not fit u8".
absl::Status convertElements(ElementType from, const uint8_t *source, ElementType to,
                             uint8_t *result, size_t count);
/// The value in decimal.
std::string elementText(ElementType type, uint64_t bits);

} // namespace lpu

#endif // LPU_SUPPORT_ELEMENTS_H
