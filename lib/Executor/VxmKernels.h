//===- VxmKernels.h - Lane-wise operations ----------------------*- C++ -*-===//
#ifndef LPU_LIB_EXECUTOR_VXMKERNELS_H
#define LPU_LIB_EXECUTOR_VXMKERNELS_H

#include "Decode.h"
#include <cstdint>

namespace lpu::executor {

/// Operand and result lanes of one operation; fp32 as its bits.
struct VxmLanes {
  const uint32_t *in[3];
  bool isFloat[3];
  uint32_t *out;
  bool outIsFloat = false;
  unsigned lanes;
  uint64_t saturated = 0; ///< lanes that saturated
  bool vectorInstructions;
};

/// Computes `op`, all but acc and accmax (V1). Returns an empty view, or what is
/// wrong with the operand types. `out` may not overlap an operand.
std::string_view computeLanes(const VxmOp &op, VxmLanes &v);

/// out = a + b or max(a, b), as acc and accmax do; `out` may be `a`.
void combineLanes(bool isMax, bool isFloat, const uint32_t *a,
                  const uint32_t *b, uint32_t *out, unsigned lanes);

/// Widens a stream group: bytes[k] is byte k of every lane.
void widenLanes(StreamType type, const uint8_t *const *bytes, uint32_t *out,
                unsigned lanes);
/// Narrows to byte planes; returns the number of saturated lanes.
uint64_t narrowLanes(Drive drive, bool saturate, const uint32_t *in,
                     uint8_t *const *bytes, unsigned lanes);

} // namespace lpu::executor

#endif // LPU_LIB_EXECUTOR_VXMKERNELS_H
