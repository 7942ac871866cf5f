//===- Intent.h - Which instruction feeds which operand ---------*- C++ -*-===//
#ifndef LPU_BINARY_INTENT_H
#define LPU_BINARY_INTENT_H

#include "lpu/Binary/Program.h"

namespace lpu {

/// The records that the timing of `entry` implies: each operand is fed by the
/// last driver of its diagonal. For programs written by hand (`intent auto`);
/// a compiler states what it meant instead. Sorted. Errors name the first
/// operand that nothing feeds.
absl::StatusOr<std::vector<IntentRecord>> deriveIntent(const Target &target,
                                                       const EntryProgram &entry);

} // namespace lpu

#endif // LPU_BINARY_INTENT_H
