//===- Bindings.h - The words of a tensor -----------------------*- C++ -*-===//
#ifndef LPU_BINARY_BINDINGS_H
#define LPU_BINARY_BINDINGS_H

#include "absl/status/status.h"
#include "lpu/Binary/Program.pb.h"
#include <algorithm>
#include <cstdint>
#include <vector>

namespace lpu {

/// Everything that a binding says by itself and on a machine with `lanes`: number of byte
/// planes, types, words within those of the tensor. Errors do not name the tensor.
absl::Status checkBinding(const TensorBinding &binding, unsigned lanes, bool isInput);

/// Words of one byte plane that the tensor takes, all chunks together.
uint64_t countWords(const TensorBinding &binding);
/// Where word `word` of byte plane `byte` is: slice and bank, with that word as first.
BytePlane locateWord(const TensorBinding &binding, unsigned byte, uint64_t word);

/// Elements in lanes 0, 1 .. of one word: `count` of them, `step` apart in C order.
struct ElementRun {
  uint64_t word, first, step, count;
};

/// The runs of a binding with a layout that checkBinding accepts, in C order of their first
/// elements where lanes come last.
template <typename Function>
void forEachRun(const TensorBinding &binding, unsigned lanes, Function function) {
  const Layout &layout = binding.layout();
  int rank = binding.shape_size(), lane = layout.lane_dim();
  std::vector<int64_t> index(size_t(rank), 0);
  uint64_t laneStep = 1, laneExtent = lane < 0 ? 1 : uint64_t(binding.shape(lane));
  for (int d = 0; d < rank; ++d) {
    if (binding.shape(d) == 0) {
      return;
    }
    laneStep *= d > lane ? uint64_t(binding.shape(d)) : 1;
  }
  while (true) {
    int64_t word = layout.offset();
    uint64_t first = 0;
    for (int d = 0; d < rank; ++d) {
      first = first * uint64_t(binding.shape(d)) + uint64_t(index[size_t(d)]);
      word += d == lane ? 0 : layout.word_strides(d) * index[size_t(d)];
    }
    for (uint64_t done = 0; done < laneExtent; done += lanes, word += layout.vector_stride()) {
      function(ElementRun{uint64_t(word), first + done * laneStep, laneStep,
                          std::min<uint64_t>(lanes, laneExtent - done)});
    }
    int d = rank - 1;
    for (; d >= 0; --d) {
      if (d != lane && ++index[size_t(d)] < binding.shape(d)) {
        break;
      }
      index[size_t(d)] = 0;
    }
    if (d < 0) {
      return;
    }
  }
}

} // namespace lpu

#endif // LPU_BINARY_BINDINGS_H
