//===- Reserves.h - Words that stripes leave for buffers --------*- C++ -*-===//
#ifndef LPU_TRANSFORMS_RESERVES_H
#define LPU_TRANSFORMS_RESERVES_H

#include "BufferPlacer.h"
#include <map>

namespace mlir::lpu {

/// What is kept near the VXM for what entries compute: `percent` of the words that
/// tables, weights and states leave, in `slices` of each side; `large` of them have room
/// for the largest buffer.
struct ReservePlan {
  int64_t slices, large, percent;
};

/// Words of each bank that stripes leave for what entries compute.
class Reserves {
public:
  /// Keeps words near the VXM, as `plan` says; `largest`: words a byte plane of the largest
  /// buffer that an entry computes.
  Reserves(const BufferPlacer &buffers, ReservePlan plan, int64_t largest);

  int64_t get(int64_t slice, int64_t bank) const;

  bool operator==(const Reserves &other) const { return reserves == other.reserves; }

private:
  std::map<std::pair<int64_t, int64_t>, int64_t> reserves; ///< by slice and bank
};

/// Whether weights have the f16 format, and not int8.
bool isF16(ContractOp op);

} // namespace mlir::lpu

#endif // LPU_TRANSFORMS_RESERVES_H
