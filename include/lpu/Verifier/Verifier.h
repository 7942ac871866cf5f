//===- Verifier.h - Proves a binary free of hazards -------------*- C++ -*-===//
//
// From the binary alone, without data and for every input: every instruction
// finds what its intent names where and when it looks for it, and no rule of
// docs/Spec/Machine.md is violated. Independent of the executor and of the
// compiler (docs/Verifier.md).
//
//===----------------------------------------------------------------------===//
#ifndef LPU_VERIFIER_VERIFIER_H
#define LPU_VERIFIER_VERIFIER_H

#include "absl/status/status.h"
#include "lpu/Binary/Program.h"
#include <string>
#include <vector>

namespace lpu {

/// What is wrong, where.
struct Violation {
  int64_t cycle = 0;
  std::string message; ///< queue, cycle, instruction, rule
};

struct VerifierReport {
  uint64_t instructions = 0, issues = 0;
  int64_t cycles = 0;                ///< (T10)
  std::vector<Violation> violations; ///< in cycle order, at most `maxViolations`
};

/// Verifies one entry of `program`.
VerifierReport verifyEntry(const Program &program, const EntryProgram &entry,
                           size_t maxViolations = 20);

/// FailedPrecondition with every violation of every entry, one a line.
absl::Status verifyProgram(const Program &program);

} // namespace lpu

#endif // LPU_VERIFIER_VERIFIER_H
