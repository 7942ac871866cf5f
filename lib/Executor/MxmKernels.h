//===- MxmKernels.h - Vector times installed array --------------*- C++ -*-===//
#ifndef LPU_LIB_EXECUTOR_MXMKERNELS_H
#define LPU_LIB_EXECUTOR_MXMKERNELS_H

#include <cstdint>

namespace lpu::executor {

/// Rows of an array that one ABC uses.
struct ActiveRows {
  uint64_t groups;      ///< bit set of groups of 16 rows
  unsigned numGroups;
  unsigned lanes;       ///< columns
  bool vectorInstructions;
};

/// out[n] = sum of x[k] * w[k][n] over the active rows, in int32 (X12).
/// `weights` are rows in pairs: [k / 2][n][k % 2].
void multiplyInt8(const ActiveRows &rows, const int8_t *x,
                  const int8_t *weights, uint32_t *out);

/// Stores 16 rows of int8 as rows in pairs.
void interleaveRows(const uint8_t *const *rows, unsigned lanes, uint8_t *out);

/// 16 rows of fp16: bits, and values in units of 2^-24 where they fit 32 bits.
/// Returns whether all fit; `bits` is the union of the bits of all |values|.
bool storeHalfRows(const uint8_t *const *low, const uint8_t *const *high,
                   unsigned lanes, uint16_t *halves, int32_t *fixed,
                   uint32_t &bits, bool vectorInstructions);

/// One fp16 pass, summed exactly and rounded once (X12).
struct HalfPass {
  const uint16_t *x;          ///< K fp16 bits
  const uint16_t *weights;    ///< [k][n]
  const int32_t *fixed;       ///< [k][n], valid in groups of `fits`
  const uint32_t *fixedBits;  ///< per group
  uint64_t fits;
};
void multiplyHalf(const ActiveRows &rows, const HalfPass &pass, uint32_t *out);

} // namespace lpu::executor

#endif // LPU_LIB_EXECUTOR_MXMKERNELS_H
