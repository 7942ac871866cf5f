//===- Issues.h - A program's issues, in time -------------------*- C++ -*-===//
#ifndef LPU_LIB_VERIFIER_ISSUES_H
#define LPU_LIB_VERIFIER_ISSUES_H

#include "absl/strings/str_cat.h"
#include "lpu/Binary/Meaning.h"
#include "lpu/Support/Strings.h"
#include "lpu/Verifier/Verifier.h"
#include <algorithm>
#include <functional>
#include <queue>

namespace lpu::verifier {

/// One instruction of a queue.
struct Placed {
  QueueId queue;
  uint32_t queueNumber = 0;
  uint32_t index = 0;  ///< in the queue
  const TimedInstruction *timed = nullptr;
  uint32_t firstRecord = 0, lastRecord = 0; ///< of intent that are about it; last not included
  uint32_t number = 0; ///< by which meanings name it

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
  /// Which issue of the instruction it is.
  uint32_t ordinal() const { return i * in().repeat.n + j; }
};

/// Calls `function` with every issue of `placed`, in the order of their cycles.
template <typename Function> void forEachIssue(const Placed &placed, Function function) {
  const Repeat &repeat = placed.in().repeat;
  for (uint32_t i = 0; i < repeat.m; ++i) {
    for (uint32_t j = 0; j < repeat.n; ++j) {
      function(Issue{&placed, i, j,
                     placed.timed->cycle + int64_t(i) * repeat.e + int64_t(j) * repeat.d});
    }
  }
}

struct StreamUse;
class Words;

/// Checks one entry; each member function is one family of rules.
class EntryVerifier {
public:
  EntryVerifier(const Program &program, const EntryProgram &entry)
      : program(program), target(program.target), entry(entry) {}

  VerifierReport run(size_t maxViolations);

private:
  /// Queues, Repeat, cycle count (Q1 to Q4, T10).
  void collect();
  void collectIntent();
  /// Numbers and operations (I1, I2).
  void collectMeanings();
  /// What was found, against what was meant (I3).
  void checkSources();
  /// Streams and their intent (T3 to T6).
  void checkStreams();
  void checkStream(Direction direction, unsigned id, std::vector<StreamUse> &uses);
  /// SRAM words (M1 to M9, H2).
  void checkMemory();
  /// Where the host's tensors lie (H1).
  void checkBindings();
  void checkParts(const Placed &p);
  void checkAccesses(const Placed &p, bool isWrite, Words &words);
  /// Mesh, results, registers, operand types (V1 to V8).
  void checkVxm();
  /// Weights, passes, accumulators (X1 to X11).
  void checkMxm();
  /// Records that no operand made use of.
  void checkIntentUsed();
  /// Notes that issue `k` of `p` found `contents` at `place`.
  void addAccess(const Placed &p, meaning::Place place, unsigned number, uint32_t k,
                 uint64_t contents) {
    sources[size_t(&p - placed.data())] += meaning::getAccess(place, number, k, contents);
  }
  void addSources(const Placed &p, uint64_t share) { sources[size_t(&p - placed.data())] += share; }
  /// Whether there is no need to look on.
  bool isDone() const { return violations.size() >= enough; }

  void report(const Issue &issue, const std::string &what, std::string_view rule);
  /// "mem@14#0 of queue mem.w3"
  std::string describe(const Placed &placed) const;
  /// Whether intent lets `producer` feed `operand` of `consumer`.
  bool isMeant(const Placed &consumer, unsigned operand, const Placed &producer,
               unsigned result);
  /// Reports where intent does not; `where` is called for the message alone.
  void expectIntent(const Issue &consumer, unsigned operand, const Placed &producer,
                    unsigned result, const std::function<std::string()> &where);
  void note(int64_t cycle) { lastCycle = std::max(lastCycle, cycle); }
  unsigned latencyOf(const Placed &placed) const {
    return target.latency(placed.in());
  }
  /// Queue by queue.
  template <typename Function> void forEachPlaced(UnitKind kind, Function function) const {
    for (const Placed &p : placed) {
      if (p.queue.kind == kind) {
        function(p);
      }
    }
  }
  /// The issues of the queues of `kinds`, in cycle order, then queue order.
  template <typename Function>
  void forEachInOrder(std::initializer_list<UnitKind> kinds, Function function) const;

  const Program &program;
  const Target &target;
  const EntryProgram &entry;
  std::vector<Placed> placed;
  uint64_t issues = 0;
  int64_t lastCycle = -1;
  std::vector<Violation> violations;
  std::vector<const IntentRecord *> intent; ///< by consumer
  std::vector<bool> isUsed;                 ///< by record
  std::vector<uint64_t> sources;            ///< found so far, by instruction
  size_t enough = SIZE_MAX;                 ///< violations
};

template <typename Function>
void EntryVerifier::forEachInOrder(std::initializer_list<UnitKind> kinds,
                                   Function function) const {
  /// A queue at its next issue.
  struct Cursor {
    Issue issue;
    const Placed *end;
    bool operator<(const Cursor &other) const { // the earliest is on top
      return std::tie(other.issue.cycle, other.issue.placed->queueNumber) <
             std::tie(issue.cycle, issue.placed->queueNumber);
    }
    bool advance() {
      const Repeat &repeat = issue.in().repeat;
      const Placed *at = issue.placed;
      if (++issue.j == repeat.n) {
        issue.j = 0;
        if (++issue.i == repeat.m) {
          issue.i = 0;
          ++at;
        }
      }
      return set(at);
    }
    bool set(const Placed *at) {
      issue.placed = at;
      if (at == end) {
        return false;
      }
      const Repeat &repeat = at->in().repeat;
      issue.cycle = at->timed->cycle + int64_t(issue.i) * repeat.e + int64_t(issue.j) * repeat.d;
      return true;
    }
  };
  std::priority_queue<Cursor> open;
  for (size_t first = 0, last = 0; first < placed.size(); first = last) {
    while (last < placed.size() && placed[last].queueNumber == placed[first].queueNumber) {
      ++last;
    }
    Cursor cursor{{nullptr, 0, 0, 0}, placed.data() + last};
    if (std::find(kinds.begin(), kinds.end(), placed[first].queue.kind) != kinds.end() &&
        cursor.set(placed.data() + first)) {
      open.push(cursor);
    }
  }
  while (!open.empty()) {
    Cursor cursor = open.top();
    open.pop();
    bool more = true;
    do {
      function(cursor.issue);
      more = cursor.advance();
    } while (more && (open.empty() || open.top() < cursor));
    if (more) {
      open.push(cursor);
    }
  }
}

} // namespace lpu::verifier

#endif // LPU_LIB_VERIFIER_ISSUES_H
