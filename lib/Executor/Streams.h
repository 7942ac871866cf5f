//===- Streams.h - Vectors in flight ----------------------------*- C++ -*-===//
//
// A (direction, id, cycle -+ column) names a diagonal; a value driven on it
// stays there until replaced (T3). Every driver of the machine drives all
// superlanes of its vector, so presence (T5) is a property of the vector.
//
//===----------------------------------------------------------------------===//
#ifndef LPU_LIB_EXECUTOR_STREAMS_H
#define LPU_LIB_EXECUTOR_STREAMS_H

#include "lpu/Target/Target.h"
#include "absl/container/inlined_vector.h"
#include <memory>
#include <vector>

namespace lpu::executor {

/// Names one issue of one instruction, for messages.
struct IssueRef {
  uint32_t queue = 0; ///< Target::queueNumber
  uint32_t index = 0; ///< instruction in the queue's program
  int64_t cycle = -1;
};

/// Vectors of `lanes` bytes, reused.
class VectorPool {
public:
  explicit VectorPool(unsigned lanes);
  /// A vector whose bytes are undefined.
  uint32_t allocate();
  void release(uint32_t id) { free.push_back(id); }
  uint8_t *data(uint32_t id) {
    return blocks[id / kBlock].get() + size_t(id % kBlock) * stride;
  }

private:
  static constexpr uint32_t kBlock = 1024;
  size_t stride;
  std::vector<std::unique_ptr<uint8_t[]>> blocks;
  std::vector<uint32_t> free;
};

class Streams {
public:
  Streams(const Target &target, VectorPool &pool);

  void clear();
  /// Puts a vector on a stream at `column` in `cycle` and owns it from here.
  /// Returns null, or the driver that is there already
  /// (T4). The pointer is valid until the next call.
  const IssueRef *drive(Direction direction, unsigned id, unsigned column,
                        int64_t cycle, uint32_t vector, const IssueRef &by);
  /// The vector that `column` sees before anything is replaced in `cycle`, or
  /// null (T5). Valid until the next drive.
  const uint8_t *sample(Direction direction, unsigned id, unsigned column,
                        int64_t cycle);

private:
  struct Drive {
    int64_t cycle;
    uint32_t vector;
    IssueRef by;
  };
  struct Slot {
    int64_t diagonal = INT64_MIN;
    absl::InlinedVector<Drive, 1> drives; ///< by ascending cycle
  };

  Slot &slot(Direction direction, unsigned id, int64_t diagonal) {
    return slots[((size_t(direction) * streams + id) << ringBits) +
                 (size_t(diagonal) & ringMask)];
  }
  static int64_t diagonalOf(Direction direction, unsigned column,
                            int64_t cycle) {
    return direction == Direction::East ? cycle - int64_t(column)
                                        : cycle + int64_t(column);
  }
  void clearSlot(Slot &slot);

  VectorPool &pool;
  unsigned streams, ringBits;
  size_t ringMask;
  std::vector<Slot> slots;
};

} // namespace lpu::executor

#endif // LPU_LIB_EXECUTOR_STREAMS_H
