//===- Verifier.cpp - Proves a binary free of hazards ---------------------===//

#include "lpu/Verifier/Verifier.h"
#include "Issues.h"

using namespace lpu;
using namespace lpu::verifier;

VerifierReport EntryVerifier::run(size_t maxViolations) {
  enough = maxViolations;
  // Later checks only add to what is known to be wrong.
  using Check = void (EntryVerifier::*)();
  for (Check check : {&EntryVerifier::collect, &EntryVerifier::checkMemory,
                      &EntryVerifier::checkMxm, &EntryVerifier::checkVxm,
                      &EntryVerifier::checkStreams, &EntryVerifier::checkSources,
                      &EntryVerifier::checkIntentUsed}) {
    if (!isDone()) {
      (this->*check)();
    }
  }
  VerifierReport report;
  report.instructions = placed.size();
  report.issues = issues;
  report.cycles = lastCycle + 1;
  uint64_t promised = entry.header.cycles();
  if (promised != 0 && int64_t(promised) != report.cycles) {
    violations.push_back({INT64_MAX, absl::StrCat("entry ", entry.header.name(), ": ",
                                                  promised, " cycles are promised, ",
                                                  report.cycles,
                                                  " are needed; violates (T10)")});
  }
  std::stable_sort(violations.begin(), violations.end(),
                   [](const Violation &a, const Violation &b) {
                     return a.cycle < b.cycle;
                   });
  if (violations.size() > maxViolations) {
    violations.resize(maxViolations);
  }
  report.violations = std::move(violations);
  return report;
}

VerifierReport lpu::verifyEntry(const Program &program, const EntryProgram &entry,
                                size_t maxViolations) {
  return EntryVerifier(program, entry).run(maxViolations);
}

absl::Status lpu::verifyProgram(const Program &program) {
  std::string text;
  for (const EntryProgram &entry : program.entries) {
    for (const Violation &violation : verifyEntry(program, entry).violations) {
      absl::StrAppend(&text, text.empty() ? "" : "\n", violation.message);
    }
  }
  return text.empty() ? absl::OkStatus() : absl::FailedPreconditionError(text);
}
