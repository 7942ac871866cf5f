//===- Validate.h - Rules of a target description ---------------*- C++ -*-===//
#ifndef LPU_LIB_TARGET_VALIDATE_H
#define LPU_LIB_TARGET_VALIDATE_H

#include "absl/status/status.h"
#include "lpu/Target/Target.pb.h"

namespace lpu {
/// Every rule that `description` breaks, in one message.
absl::Status validateTarget(const TargetDescription &description);
} // namespace lpu

#endif // LPU_LIB_TARGET_VALIDATE_H
