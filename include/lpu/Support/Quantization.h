//===- Quantization.h - Weights in int8 -------------------------*- C++ -*-===//
#ifndef LPU_SUPPORT_QUANTIZATION_H
#define LPU_SUPPORT_QUANTIZATION_H

#include "absl/status/statusor.h"
#include <cstdint>
#include <span>
#include <vector>

namespace lpu {

/// A tensor in int8, in its order of elements, with one scale for each index of an axis.
struct Int8Tensor {
  std::vector<int8_t> values;
  std::vector<float> scales;
};

/// Symmetric, for each index c of `axis`: scale[c] = max |value| / 127 in fp32, or 1
/// where that is 0; round to nearest even of value / scale, at most 127 in size
/// (docs/Compiler.md, "Weights in int8"). Error: a value that is not finite.
absl::StatusOr<Int8Tensor> quantizeInt8(std::span<const float> values,
                                        std::span<const int64_t> shape, int64_t axis);

/// values * scales.
std::vector<float> dequantizeInt8(const Int8Tensor &tensor, std::span<const int64_t> shape,
                                  int64_t axis);

} // namespace lpu

#endif // LPU_SUPPORT_QUANTIZATION_H
