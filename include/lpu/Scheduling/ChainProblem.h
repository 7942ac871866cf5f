//===- ChainProblem.h - Scheduling of rigid chains --------------*- C++ -*-===//
//
// The scheduling problem of a chip's program: chains of instructions with one
// free number each, their start, plus the choices of stream ids and ALUs. It
// knows no dialect. Clients fill a ChainProblem, an algorithm
// (Algorithms.h) fills a Schedule, `verify` judges it.
//
//===----------------------------------------------------------------------===//
#ifndef LPU_SCHEDULING_CHAINPROBLEM_H
#define LPU_SCHEDULING_CHAINPROBLEM_H

#include "absl/status/status.h"
#include "lpu/ISA/ISA.h"
#include <cstdint>
#include <string>
#include <vector>

namespace lpu::scheduling {

/// Cycles offset + i * e + j * d for 0 <= i < m, 0 <= j < n.
struct Progression {
  int64_t offset = 0;
  uint32_t n = 1, d = 1, m = 1, e = 0;

  int64_t last() const {
    return offset + int64_t(m - 1) * e + int64_t(n - 1) * d;
  }
  template <typename Function> void forEach(Function function) const {
    for (uint32_t i = 0; i < m; ++i) {
      for (uint32_t j = 0; j < n; ++j) {
        function(offset + int64_t(i) * e + int64_t(j) * d);
      }
    }
  }
};

inline constexpr int kAnyAlu = -1;

/// One instruction of a chain. Its queue is busy from the first issue to the
/// last one.
struct ChainIssue {
  int queue = 0;         ///< queue number, or kAnyAlu
  Progression cycles;    ///< of the issues, relative to the chain's start
  int64_t aluLatency = 0; ///< VXM: cycles to the result, of which an ALU has one a cycle
  uint64_t excludedAlus = 0; ///< kAnyAlu: bit set of ALUs it may not take
};

/// One driver of a flow: it puts values on ids first + id ... + width - 1, where
/// `first` is the flow's first id.
struct FlowDrive {
  uint32_t id = 0, width = 1;
  Progression cycles;    ///< of driving, relative to the chain's start
  int32_t column = 0;    ///< of the driver
  int32_t reach = 0;     ///< column of the farthest consumer
};

/// Streams that get consecutive ids together: a bundle, a merge, or one flow.
struct ChainFlow {
  Direction direction = Direction::East;
  uint32_t width = 1;
  std::vector<FlowDrive> drives;
};

struct Chain {
  std::string name;
  std::vector<ChainIssue> issues;
  std::vector<ChainFlow> flows;

  /// Cycles from the start to the last issue, ALU result, driven value or
  /// arrival at a farthest consumer, that cycle included.
  int64_t getLength() const;
};

/// start(to) >= start(from) + delay.
struct Dependence {
  uint32_t from, to;
  int64_t delay;
};

struct ChainProblem {
  uint32_t numQueues = 0;
  uint32_t streams = 0;  ///< ids of a direction
  uint32_t columns = 0;
  uint32_t firstAluQueue = 0, numAlus = 0; ///< at most 64 ALUs
  std::vector<Chain> chains;
  /// Every `from` is below its `to`: the chains are in program order.
  std::vector<Dependence> dependences;

  /// Whether every number is in range. Errors name the chain.
  absl::Status check() const;

  bool isAluQueue(int queue) const {
    return queue >= 0 && uint32_t(queue) >= firstAluQueue &&
           uint32_t(queue) < firstAluQueue + numAlus;
  }
};

struct ChainPlacement {
  int64_t start = 0;
  std::vector<uint32_t> flowIds;   ///< first id by flow
  std::vector<uint32_t> issueAlus; ///< ALU by issue; 0 where none was to choose
};

struct Schedule {
  std::vector<ChainPlacement> chains;
  /// Largest start + length: the cycle count of the program (T10).
  int64_t cycles = 0;
};

/// Checks a schedule from nothing but the problem, cycle by cycle: dependences,
/// one busy issue a queue and cycle, one result an ALU and cycle, no value replaced
/// between its driver and its farthest consumer, the cycle count.
absl::Status verify(const ChainProblem &problem, const Schedule &schedule);

} // namespace lpu::scheduling

#endif // LPU_SCHEDULING_CHAINPROBLEM_H
