//===- Strings.h - String views between std and Abseil ----------*- C++ -*-===//
#ifndef LPU_SUPPORT_STRINGS_H
#define LPU_SUPPORT_STRINGS_H

#include "absl/strings/string_view.h"
#include <string_view>

namespace lpu {
/// Distributions build Abseil with its own string_view: a distinct type.
inline absl::string_view toAbsl(std::string_view text) {
  return {text.data(), text.size()};
}
} // namespace lpu

#endif // LPU_SUPPORT_STRINGS_H
