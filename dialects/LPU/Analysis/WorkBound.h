//===- WorkBound.h - The time that a resource needs for its work -*- C++ -*-===//
#ifndef LPU_ANALYSIS_WORKBOUND_H
#define LPU_ANALYSIS_WORKBOUND_H

#include <cstdint>
#include <vector>

namespace mlir::lpu {

/// Work on one resource: none of it is done before cycle `release`, and from the
/// cycle of its last part to the end of the program are `tail` cycles.
struct Use {
  int64_t release = 0, work = 0, tail = 0;
};

/// (B9) A cycle count that no program beats which does all `uses` on a resource of
/// `capacity` a cycle: the largest, over all sets of uses with a release of at least
/// r and a tail of at least q, of r + work / capacity - 1 + q. Up to `held` of the
/// work of such a set may be done before r.
int64_t getWorkBound(std::vector<Use> uses, int64_t capacity, int64_t held = 0);

} // namespace mlir::lpu

#endif // LPU_ANALYSIS_WORKBOUND_H
