//===- AssemblyNames.h - Words that both directions of assembly use -*- C++ -*-===//
#ifndef LPU_LIB_BINARY_ASSEMBLYNAMES_H
#define LPU_LIB_BINARY_ASSEMBLYNAMES_H

#include <string_view>

namespace lpu {

/// Spellings of RegionKind and DerivedStep::Op by their value.
inline constexpr std::string_view kRegionKinds[] = {
    "weights", "state", "padding", "scratch", "input", "output", "derived"};
inline constexpr std::string_view kDerivedOps[] = {
    "constant", "lane", "row", "input", "add", "sub", "mul", "floordiv", "mod",
    "min", "max", "lt", "le", "eq", "and", "or", "select"};

} // namespace lpu

#endif // LPU_LIB_BINARY_ASSEMBLYNAMES_H
