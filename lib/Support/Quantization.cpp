//===- Quantization.cpp - Weights in int8 ---------------------------------===//

#include "lpu/Support/Quantization.h"
#include "absl/strings/str_cat.h"
#include <algorithm>
#include <cmath>

namespace lpu {
namespace {

/// Calls run(channel, begin, end) for every run of elements of one channel, in order.
template <typename Run>
void forEachRun(std::span<const int64_t> shape, int64_t axis, Run run) {
  size_t outer = 1, channels = size_t(shape[size_t(axis)]), inner = 1;
  for (size_t d = 0; d < shape.size(); ++d) {
    (d < size_t(axis) ? outer : inner) *= d == size_t(axis) ? 1 : size_t(shape[d]);
  }
  size_t begin = 0;
  for (size_t o = 0; o < outer; ++o) {
    for (size_t c = 0; c < channels; ++c, begin += inner) {
      run(c, begin, begin + inner);
    }
  }
}

} // namespace

absl::StatusOr<Int8Tensor> quantizeInt8(std::span<const float> values,
                                        std::span<const int64_t> shape, int64_t axis) {
  Int8Tensor result{std::vector<int8_t>(values.size()),
                    std::vector<float>(size_t(shape[size_t(axis)]), 0)};
  bool isFinite = true;
  forEachRun(shape, axis, [&](size_t channel, size_t begin, size_t end) {
    float largest = result.scales[channel];
    for (size_t i = begin; i < end; ++i) {
      largest = std::max(largest, std::fabs(values[i]));
      isFinite &= std::isfinite(values[i]);
    }
    result.scales[channel] = largest;
  });
  if (!isFinite) {
    auto at = std::ranges::find_if(values, [](float x) { return !std::isfinite(x); });
    return absl::InvalidArgumentError(absl::StrCat(
        "expected finite weights, got ", *at, " at element ", at - values.begin()));
  }
  for (float &scale : result.scales) {
    scale /= 127;
    scale = scale == 0 ? 1 : scale; // of zeros, or of values that vanish beside 127
  }
  forEachRun(shape, axis, [&](size_t channel, size_t begin, size_t end) {
    float scale = result.scales[channel];
    for (size_t i = begin; i < end; ++i) {
      float rounded = std::nearbyint(values[i] / scale);
      result.values[i] = int8_t(std::clamp(rounded, -127.0f, 127.0f));
    }
  });
  return result;
}

std::vector<float> dequantizeInt8(const Int8Tensor &tensor, std::span<const int64_t> shape,
                                  int64_t axis) {
  std::vector<float> values(tensor.values.size());
  forEachRun(shape, axis, [&](size_t channel, size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i) {
      values[i] = float(tensor.values[i]) * tensor.scales[channel];
    }
  });
  return values;
}

} // namespace lpu
