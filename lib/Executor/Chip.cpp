//===- Chip.cpp - The issue loop ------------------------------------------===//
#include "Chip.h"
#include "absl/strings/str_cat.h"
#include "lpu/Support/Strings.h"
#include <bit>
#include <queue>

using namespace lpu;
using namespace lpu::executor;

namespace {
/// Which queues issue in which cycle. Near cycles are bit sets in a ring, far
/// ones wait in a heap: an idle queue costs nothing.
class Calendar {
public:
  explicit Calendar(unsigned queues)
      : wordsPerCycle((queues + 63) / 64), ring(size_t(kRing) * wordsPerCycle) {}

  void schedule(unsigned queue, int64_t cycle) {
    ++pending;
    if (cycle - present < kRing) {
      set(queue, cycle);
    } else {
      far.emplace(cycle, queue);
    }
  }
  bool empty() const { return pending == 0; }
  int64_t cycle() const { return present; }
  /// Moves on to the next cycle in which something issues.
  void advance() {
    while (true) {
      while (!far.empty() && far.top().first - present < kRing) {
        set(far.top().second, far.top().first);
        far.pop();
      }
      if (near == 0) {
        present = far.top().first;
        continue;
      }
      for (unsigned w = 0; w < wordsPerCycle; ++w) {
        if (word(present, w)) {
          return;
        }
      }
      ++present;
    }
  }
  /// Calls `f` with every queue of the present cycle in ascending order, until
  /// it returns false.
  template <typename F> bool issueAll(F f) {
    for (unsigned w = 0; w < wordsPerCycle; ++w) {
      uint64_t bits = word(present, w);
      word(present, w) = 0;
      unsigned count = unsigned(std::popcount(bits));
      near -= count;
      pending -= count;
      for (; bits; bits &= bits - 1) {
        if (!f(w * 64 + unsigned(std::countr_zero(bits)))) {
          return false;
        }
      }
    }
    return true;
  }

private:
  static constexpr int64_t kRing = 4096;
  using Far = std::pair<int64_t, unsigned>;
  uint64_t &word(int64_t cycle, unsigned w) {
    return ring[size_t(cycle & (kRing - 1)) * wordsPerCycle + w];
  }
  void set(unsigned queue, int64_t cycle) {
    word(cycle, queue / 64) |= uint64_t(1) << (queue % 64);
    ++near;
  }

  unsigned wordsPerCycle;
  std::vector<uint64_t> ring;
  std::priority_queue<Far, std::vector<Far>, std::greater<Far>> far;
  int64_t present = 0;
  uint64_t near = 0, pending = 0;
};

/// Where a queue is in its program.
struct Position {
  const FlatQueue *queue = nullptr;
  uint32_t index = 0, i = 0, j = 0;

  int64_t cycle() const {
    const FlatOp &op = queue->ops[index];
    return op.cycle + int64_t(i) * op.e + int64_t(j) * op.d;
  }
  /// False at the end of the program.
  bool advance() {
    const FlatOp &op = queue->ops[index];
    if (++j < op.n) {
      return true;
    }
    j = 0;
    if (++i < op.m) {
      return true;
    }
    i = 0;
    return ++index < queue->ops.size();
  }
};
} // namespace

Chip::Chip(const Program &program, const ExecutorOptions &options)
    : program(program), target(program.target),
      vectorInstructions(options.useVectorInstructions),
      lanes(target.lanes()), superlanes(target.superlanes()), pool(lanes),
      streams(target, pool), memory(target), planes(target.planes()) {
  for (Plane &plane : planes) {
    plane.accumulators.resize(target.accumulators());
    plane.accumulatorLanes.resize(size_t(target.accumulators()) * lanes);
  }
  const Latencies &l = target.latencies();
  meshRing = std::bit_ceil(
      std::max({l.alu(), l.alu_transcendental(), l.alu_delay_max()}) + 1);
  mesh.resize(size_t(target.alus()) * meshRing);
  registers.resize(target.alus());
  for (LaneValue &value : mesh) {
    value.lanes.resize(lanes);
  }
  for (LaneValue &value : registers) {
    value.lanes.resize(lanes);
  }
  for (auto &operand : scratch) {
    operand.resize(lanes);
  }
}

void Chip::reset() {
  streams.clear();
  for (Plane &plane : planes) {
    plane.buffer = nullptr;
    plane.array = nullptr;
    plane.installs.clear();
    plane.results.clear();
    plane.accumulators.assign(target.accumulators(), {});
  }
  for (LaneValue &value : mesh) {
    value.cycle = -1;
  }
  for (LaneValue &value : registers) {
    value.cycle = -1;
  }
  lastCycle = -1;
  failure.clear();
}

absl::Status Chip::run(const FlatEntry &program, RunStatistics &stats,
                       std::vector<uint64_t> &saturated) {
  reset();
  entry = &program;
  statistics = &stats;
  saturations = &saturated;
  queueByNumber.assign(target.numQueues(), nullptr);
  std::vector<Position> positions(program.queues.size());
  Calendar calendar(unsigned(positions.size()));
  for (unsigned q = 0; q < positions.size(); ++q) {
    positions[q].queue = &program.queues[q];
    queueByNumber[program.queues[q].number] = &program.queues[q];
    if (!program.queues[q].ops.empty()) {
      calendar.schedule(q, positions[q].cycle());
    }
  }
  std::array<uint64_t, 256> byOpcode = {};
  std::vector<uint64_t> byQueue(positions.size(), 0);
  bool good = true;
  while (good && !calendar.empty()) {
    calendar.advance();
    int64_t cycle = calendar.cycle();
    good = checkLost(cycle);
    if (good) {
      note(cycle);
    }
    good = good && calendar.issueAll([&](unsigned q) {
      Position &at = positions[q];
      const FlatOp &op = at.queue->ops[at.index];
      now = {at.queue->number, at.index, cycle};
      ++byOpcode[unsigned(op.opcode)];
      ++byQueue[q];
      if (!issue(*at.queue, op, at.i, at.j)) {
        return false;
      }
      if (at.advance()) {
        calendar.schedule(q, at.cycle());
      }
      return true;
    });
  }
  good = good && checkLost(INT64_MAX);
  if (!good) {
    return absl::FailedPreconditionError(failure);
  }
  stats.cycles = lastCycle + 1;
  stats.instructions = program.instructions;
  stats.issuesByQueue.assign(target.numQueues(), 0);
  for (unsigned q = 0; q < positions.size(); ++q) {
    stats.issuesByQueue[program.queues[q].number] = byQueue[q];
    stats.issues += byQueue[q];
  }
  for (unsigned k = 0; k < byOpcode.size(); ++k) {
    if (byOpcode[k]) {
      stats.issuesByMnemonic[std::string(
          lookupInstruction(Opcode(k))->mnemonic)] = byOpcode[k];
    }
  }
  return absl::OkStatus();
}

bool Chip::issue(const FlatQueue &queue, const FlatOp &op, uint32_t i,
                 uint32_t j) {
  column = target.column(queue.id);
  switch (op.opcode) {
  case Opcode::Mem:
    return mem(queue, op.mem, i, j);
  case Opcode::Alu:
    return alu(queue, op.vxm, j);
  case Opcode::LoadWeights:
  case Opcode::InstallWeights:
    return weights(queue, op, i, j);
  case Opcode::Activate:
    return activate(queue, op.activate, i, j);
  case Opcode::Accumulate:
    return accumulate(queue, op.accumulate, i, j);
  case Opcode::Transpose:
    return transpose(op.sxm);
  case Opcode::Shift:
  case Opcode::Select:
  case Opcode::Distribute:
  case Opcode::Rotate:
  case Opcode::Permute:
    return sxm(queue, op);
  default:
    return fail("systems of more than one chip are not executed yet", "C4");
  }
}

const FlatOp *Chip::findOp(const IssueRef &ref) const {
  const FlatQueue *queue = queueByNumber[ref.queue];
  return queue && ref.index < queue->ops.size() ? &queue->ops[ref.index]
                                                : nullptr;
}

std::string Chip::describe(const IssueRef &ref) const {
  const FlatOp *op = findOp(ref);
  std::string_view mnemonic =
      op ? lookupInstruction(op->opcode)->mnemonic : "?";
  return absl::StrCat(issueName(mnemonic, ref.cycle, ref.index), " of queue ",
                      target.queueName(target.queue(ref.queue)));
}

bool Chip::fail(std::string text, std::string_view rule) {
  const FlatOp *op = findOp(now);
  failure = hazardMessage(target, now.queue, now.cycle,
                          op ? lookupInstruction(op->opcode)->mnemonic : "?",
                          now.index, text, rule);
  return false;
}

const uint8_t *Chip::sample(StreamRef stream, unsigned offset) {
  const uint8_t *bytes = streams.sample(stream.direction, stream.id + offset,
                                        column, now.cycle);
  if (!bytes) {
    fail(absl::StrCat(
             "stream ",
             toAbsl(getEnumName(FieldKind::Direction, int(stream.direction))),
             " ", stream.id + offset, " sampled empty at column ", column),
         "T5");
  }
  return bytes;
}

bool Chip::drive(StreamRef stream, unsigned offset, unsigned latency,
                 uint32_t vector) {
  int64_t cycle = now.cycle + latency;
  unsigned id = stream.id + offset;
  const IssueRef *other =
      streams.drive(stream.direction, id, column, cycle, vector, now);
  if (other) {
    return fail(
        absl::StrCat(
            "two drivers of stream ",
            toAbsl(getEnumName(FieldKind::Direction, int(stream.direction))),
            " ", id, " at column ", column, " in cycle ", cycle,
            ", the other is ", describe(*other)),
        "T4");
  }
  ++statistics->streamDrives;
  note(cycle);
  return true;
}

bool Chip::activeMask(int64_t first, unsigned count, uint64_t mask,
                      unsigned limit, std::string_view what,
                      std::string_view rule, uint64_t &active) {
  uint64_t all = limit == 64 ? ~uint64_t(0) : (uint64_t(1) << limit) - 1;
  if (count == 0) {
    active = mask;
    if (mask & ~all) {
      return fail(absl::StrCat("expected ", toAbsl(what), " below ", limit,
                               ", got ", 63 - std::countl_zero(mask)),
                  rule);
    }
    return true;
  }
  if (first < 0 || first + count > limit) {
    return fail(absl::StrCat("expected ", toAbsl(what), " below ", limit,
                             ", got ", first < 0 ? first : first + count - 1),
                rule);
  }
  active = (count == 64 ? ~uint64_t(0) : (uint64_t(1) << count) - 1) << first;
  return true;
}
