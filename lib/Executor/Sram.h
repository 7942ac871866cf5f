//===- Sram.h - Words and who wrote them ------------------------*- C++ -*-===//
#ifndef LPU_LIB_EXECUTOR_SRAM_H
#define LPU_LIB_EXECUTOR_SRAM_H

#include "lpu/Binary/Program.h"
#include <memory>
#include <vector>

namespace lpu::executor {

/// A chip's words, one byte a lane, with the superlanes that hold something.
class Sram {
public:
  explicit Sram(const Target &target);
  ~Sram();
  Sram(const Sram &) = delete;
  Sram &operator=(const Sram &) = delete;

  /// Copies the image of `program`; its words stay written from run to run.
  absl::Status load(const Program &program);
  /// Zeroes the state regions.
  void resetState();
  /// Their bytes, in the order of the image.
  std::vector<uint8_t> readState() const;
  /// Forgets every word that is not part of the image.
  void startRun();

  unsigned words() const { return wordsPerBank; }
  uint64_t wordNumber(unsigned slice, unsigned bank, unsigned word) const {
    return (uint64_t(slice) * banks + bank) * wordsPerBank + word;
  }
  uint8_t *data(uint64_t word) { return bytes + word * lanes; }
  /// Bit set of superlanes (M8).
  uint64_t &written(uint64_t word) { return writtenMasks[word]; }
  bool isConstant(uint64_t word) const { return constant[word]; }
  uint64_t allSuperlanes() const { return all; }
  /// The first word of `range`, or an error when it leaves its bank.
  absl::StatusOr<uint64_t> locate(unsigned slice, unsigned bank, uint64_t first,
                                  uint64_t count, std::string_view what) const;

private:
  unsigned slices, banks, wordsPerBank, lanes;
  uint64_t all;
  uint8_t *bytes = nullptr; ///< mapped, so that untouched words cost nothing
  uint64_t size = 0;
  std::vector<uint64_t> writtenMasks, imageMasks;
  std::vector<bool> constant;
  std::vector<std::pair<uint64_t, uint64_t>> stateRuns; ///< first word, words
};

} // namespace lpu::executor

#endif // LPU_LIB_EXECUTOR_SRAM_H
