//===- Issues.h - A program's issues, in time -------------------*- C++ -*-===//
#ifndef LPU_LIB_VERIFIER_ISSUES_H
#define LPU_LIB_VERIFIER_ISSUES_H

#include "absl/strings/str_cat.h"
#include "lpu/Support/Strings.h"
#include "lpu/Verifier/Verifier.h"
#include <algorithm>
#include <set>
#include <tuple>

namespace lpu::verifier {

/// One instruction of a queue.
struct Placed {
  QueueId queue;
  uint32_t number = 0; ///< of the queue
  uint32_t index = 0;  ///< in the queue
  const TimedInstruction *timed = nullptr;

  const Instruction &in() const { return timed->instruction; }
};

/// One issue of an instruction under its Repeat.
struct Issue {
  const Placed *placed;
  uint32_t i, j;
  int64_t cycle;

  const Instruction &in() const { return placed->in(); }
  int64_t get(std::string_view name) const {
    const Instruction &instruction = in();
    return instruction.get(unsigned(instruction.info().fieldIndex(name)), i, j);
  }
};

/// Checks one entry; each member function is one family of rules.
class EntryVerifier {
public:
  EntryVerifier(const Program &program, const EntryProgram &entry)
      : program(program), target(program.target), entry(entry) {}

  VerifierReport run(size_t maxViolations);

private:
  /// Queues, Repeat, cycle count (Q1 to Q4, T10).
  void collect();
  /// Streams and their intent (T3 to T6).
  void checkStreams();
  /// SRAM words (M1 to M9, H2).
  void checkMemory();
  /// Mesh, results, registers, operand types (V1 to V8).
  void checkVxm();
  /// Weights, passes, accumulators (X1 to X11).
  void checkMxm();
  /// Records that no operand made use of.
  void checkIntentUsed();

  void report(const Issue &issue, const std::string &what, std::string_view rule);
  /// "mem@14#0 of queue mem.w3"
  std::string describe(const Placed &placed) const;
  /// Whether intent lets `producer` feed `operand` of `consumer`.
  bool isMeant(const Placed &consumer, unsigned operand, const Placed &producer,
               unsigned result);
  void expectIntent(const Issue &consumer, unsigned operand, const Placed &producer,
                    unsigned result, const std::string &where);
  void note(int64_t cycle) { lastCycle = std::max(lastCycle, cycle); }
  unsigned latencyOf(const Placed &placed) const {
    return target.latency(placed.in());
  }
  template <typename Function> void forEach(UnitKind kind, Function function) const {
    for (const Issue &issue : issues) {
      if (issue.placed->queue.kind == kind) {
        function(issue);
      }
    }
  }

  const Program &program;
  const Target &target;
  const EntryProgram &entry;
  std::vector<Placed> placed;
  std::vector<Issue> issues; ///< in cycle order, then queue order
  int64_t lastCycle = -1;
  std::vector<Violation> violations;
  /// consumer queue, index, operand, producer queue, index, result
  using Record = std::tuple<uint32_t, uint32_t, unsigned, uint32_t, uint32_t, unsigned>;
  std::vector<std::pair<Record, bool>> intent; ///< sorted; whether it was used
};

} // namespace lpu::verifier

#endif // LPU_LIB_VERIFIER_ISSUES_H
