//===- Violations.h - What the verifier says of a program -----------------===//
#ifndef LPU_TEST_UNIT_VERIFIER_VIOLATIONS_H
#define LPU_TEST_UNIT_VERIFIER_VIOLATIONS_H

#include "lpu/Verifier/Verifier.h"
#include <string>
#include <vector>

/// The messages about the first entry.
inline std::vector<std::string> getViolations(const lpu::Program &program) {
  std::vector<std::string> messages;
  for (const lpu::Violation &violation :
       lpu::verifyEntry(program, program.entries.front(), 1000).violations) {
    messages.push_back(violation.message);
  }
  return messages;
}

#endif // LPU_TEST_UNIT_VERIFIER_VIOLATIONS_H
