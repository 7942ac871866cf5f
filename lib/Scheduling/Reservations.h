//===- Reservations.h - Which cycles of what are taken ----------*- C++ -*-===//
#ifndef LPU_LIB_SCHEDULING_RESERVATIONS_H
#define LPU_LIB_SCHEDULING_RESERVATIONS_H

#include "absl/container/inlined_vector.h"
#include "lpu/Scheduling/ChainProblem.h"

namespace lpu::scheduling {

/// A set of cycles that grows as needed.
class CycleSet {
public:
  bool contains(int64_t cycle) const {
    uint64_t word = uint64_t(cycle) / 64;
    return word < words.size() && (words[word] >> (cycle % 64) & 1);
  }
  void insert(int64_t cycle);
  /// First cycle of [first, last] in the set, or -1.
  int64_t findIn(int64_t first, int64_t last) const;
  void insertRange(int64_t first, int64_t last);

private:
  std::vector<uint64_t> words;
};

/// Values on the streams. A value driven at column p in cycle t stays on the
/// diagonal t - p (east) or t + p (west); it is needed from its driver up to
/// its farthest consumer, and another driver on the same diagonal may not be in
/// [driver, reach): two values conflict when these intervals overlap.
class StreamReservations {
public:
  StreamReservations(uint32_t streams, uint32_t columns)
      : columns(columns), diagonals(2 * streams) {}

  bool isFree(Direction direction, uint32_t id, int64_t cycle, int32_t column,
              int32_t reach) const;
  void reserve(Direction direction, uint32_t id, int64_t cycle, int32_t column,
               int32_t reach);

private:
  struct Interval {
    int32_t first, last; ///< columns, first < last, last not included
  };
  int64_t diagonal(Direction direction, int64_t cycle, int32_t column) const {
    return direction == Direction::East ? cycle - column + columns
                                        : cycle + column;
  }
  uint32_t columns;
  using Diagonal = absl::InlinedVector<Interval, 2>;
  std::vector<std::vector<Diagonal>> diagonals; ///< [2 * id + direction][diagonal]
};

/// What placed chains hold.
class Reservations {
public:
  explicit Reservations(const ChainProblem &problem);

  /// Places `chain` at `start` if everything is free; chooses the lowest free
  /// ids and ALUs. False, and nothing reserved, otherwise; `retry` is the
  /// earliest later start worth a try.
  bool tryPlace(const Chain &chain, int64_t start, ChainPlacement &placement,
                int64_t &retry);

private:
  bool chooseAlus(const Chain &chain, int64_t start, ChainPlacement &placement);
  bool chooseIds(const Chain &chain, int64_t start, ChainPlacement &placement);
  bool isFlowFree(const ChainFlow &flow, int64_t start, uint32_t first) const;

  const ChainProblem &problem;
  std::vector<CycleSet> queues;
  std::vector<CycleSet> aluResults;
  StreamReservations streams;
};

} // namespace lpu::scheduling

#endif // LPU_LIB_SCHEDULING_RESERVATIONS_H
