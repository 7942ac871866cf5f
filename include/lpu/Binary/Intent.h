//===- Intent.h - Which instruction feeds which operand ---------*- C++ -*-===//
#ifndef LPU_BINARY_INTENT_H
#define LPU_BINARY_INTENT_H

#include "lpu/Binary/Program.h"

namespace lpu {

/// Sets the intent and the meanings that the timing of `entry` implies: each operand is
/// fed by the last driver of its diagonal, each word, register and accumulator holds what
/// was put there last. For programs written by hand (`intent auto`); a compiler states what
/// it meant instead. Records are sorted. Errors name the first operand that nothing feeds.
absl::Status deriveIntent(const Target &target, EntryProgram &entry);

} // namespace lpu

#endif // LPU_BINARY_INTENT_H
