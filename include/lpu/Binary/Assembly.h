//===- Assembly.h - Assembly text <-> Program -------------------*- C++ -*-===//
#ifndef LPU_BINARY_ASSEMBLY_H
#define LPU_BINARY_ASSEMBLY_H

#include "lpu/Binary/Program.h"

namespace lpu {

/// Parses assembly text (docs/Spec/Assembly.md). Errors carry `file`:line:column.
absl::StatusOr<Program> assemble(std::string_view text, std::string_view file);
/// Reads a binary, or assembles the text of a file *.lpuasm.
absl::StatusOr<Program> loadProgram(const std::string &path);
/// assemble(disassemble(p)) encodes to the same bytes as p. Raw image bytes go
/// to the text when small, else to `sideFile` (empty: an error when needed).
absl::StatusOr<std::string> disassemble(const Program &program,
                                        const std::string &sideFile);

} // namespace lpu

#endif // LPU_BINARY_ASSEMBLY_H
