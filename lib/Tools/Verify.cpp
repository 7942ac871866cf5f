//===- Verify.cpp - lpu-verify --------------------------------------------===//

#include "lpu/Binary/Assembly.h"
#include "lpu/Tools/Tools.h"
#include "lpu/Verifier/Verifier.h"
#include <iostream>

namespace lpu {
namespace {

constexpr const char *kUsage =
    "usage: lpu-verify PROGRAM [--entry NAME]\n"
    "  proves a binary (or assembly text, *.lpuasm) free of hazards, for every\n"
    "  input; exit code 1 and one line a violation where it is not\n";

int fail(const std::string &message) {
  std::cerr << "lpu-verify: " << message << "\n";
  return 1;
}

} // namespace

int runVerify(int argc, char **argv) {
  std::string input, only;
  for (int i = 1; i < argc; ++i) {
    std::string argument = argv[i];
    if (argument == "--help") {
      std::cout << kUsage;
      return 0;
    }
    if (argument == "--entry" && i + 1 < argc) {
      only = argv[++i];
    } else if (argument[0] == '-' || !input.empty()) {
      return fail("unknown argument " + argument + "\n" + kUsage);
    } else {
      input = argument;
    }
  }
  if (input.empty()) {
    return fail(std::string("expected a program\n") + kUsage);
  }
  absl::StatusOr<Program> program = loadProgram(input);
  if (!program.ok()) {
    return fail(std::string(program.status().message()));
  }
  if (!only.empty() && !program->findEntry(only)) {
    return fail(input + ": no entry '" + only + "'");
  }
  bool clean = true;
  for (const EntryProgram &entry : program->entries) {
    if (!only.empty() && entry.header.name() != only) {
      continue;
    }
    VerifierReport report = verifyEntry(*program, entry);
    for (const Violation &violation : report.violations) {
      std::cerr << "lpu-verify: " << violation.message << "\n";
      clean = false;
    }
    if (report.violations.empty()) {
      std::cout << "entry " << entry.header.name() << ": " << report.instructions
                << " instructions, " << report.issues << " issues, " << report.cycles
                << " cycles: no hazard\n";
    }
  }
  return clean ? 0 : 1;
}

} // namespace lpu
