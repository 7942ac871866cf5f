//===- Intent.cpp - Which instruction feeds which operand -----------------===//

#include "lpu/Binary/Intent.h"
#include "absl/strings/str_cat.h"
#include "lpu/Binary/Operands.h"
#include "lpu/Support/Strings.h"
#include <algorithm>
#include <map>
#include <set>
#include <tuple>

namespace lpu {
namespace {

/// Where a value travels: kind, then direction, id and diagonal of a stream,
/// or the ALU, or the plane.
using Lane = std::tuple<OperandInfo::Kind, unsigned, unsigned, int64_t>;

struct Drive {
  uint32_t queue, index;
  uint16_t result;
};

class Deriver {
public:
  Deriver(const Target &target, const EntryProgram &entry)
      : target(target), entry(entry) {}

  absl::StatusOr<std::vector<IntentRecord>> run() {
    forEach([&](const Issue &issue) {
      for (const OperandInfo &result : getResults(target, issue.queue, *issue.instruction)) {
        eachLane(issue, result, [&](Lane lane, int64_t cycle) {
          drives[lane][cycle] = {target.queueNumber(issue.queue), issue.index, result.number};
        });
      }
    });
    forEach([&](const Issue &issue) {
      for (const OperandInfo &operand : getOperands(target, issue.queue, *issue.instruction)) {
        eachLane(issue, operand, [&](Lane lane, int64_t cycle) {
          resolve(issue, operand, lane, cycle);
        });
      }
    });
    if (!status.ok()) {
      return status;
    }
    std::vector<IntentRecord> records;
    for (const auto &[cq, ci, op, pq, pi, pr] : found) {
      records.push_back({cq, ci, op, pr, pq, pi});
    }
    return records;
  }

private:
  struct Issue {
    QueueId queue;
    uint32_t index;
    const Instruction *instruction;
    int64_t cycle;
  };

  template <typename Callback> void forEach(Callback callback) {
    for (const QueueStream &queue : entry.queues) {
      for (uint32_t index = 0; index < queue.instructions.size(); ++index) {
        const TimedInstruction &timed = queue.instructions[index];
        const Repeat &r = timed.instruction.repeat;
        for (uint32_t i = 0; i < r.m; ++i) {
          for (uint32_t j = 0; j < r.n; ++j) {
            callback(Issue{queue.queue, index, &timed.instruction,
                           timed.cycle + int64_t(i) * r.e + int64_t(j) * r.d});
          }
        }
      }
    }
  }

  template <typename Callback>
  void eachLane(const Issue &issue, const OperandInfo &info, Callback callback) {
    int64_t cycle = issue.cycle + info.offset;
    switch (info.kind) {
    case OperandInfo::Kind::Mesh:
      callback(Lane{info.kind, info.alu, 0, 0}, cycle);
      return;
    case OperandInfo::Kind::MxmResult:
      callback(Lane{info.kind, issue.queue.index, 0, 0}, cycle);
      return;
    case OperandInfo::Kind::Stream: {
      int64_t column = target.column(issue.queue);
      bool east = info.group.direction == Direction::East;
      for (unsigned k = 0; k < info.group.count; ++k) {
        callback(Lane{info.kind, unsigned(info.group.direction),
                      info.group.base + k * info.group.step,
                      east ? cycle - column : cycle + column},
                 cycle);
      }
      return;
    }
    }
  }

  void resolve(const Issue &issue, const OperandInfo &operand, const Lane &lane,
               int64_t cycle) {
    const Drive *drive = nullptr;
    if (auto it = drives.find(lane); it != drives.end()) {
      if (operand.kind == OperandInfo::Kind::Stream) {
        // A unit samples before it drives: only strictly earlier drives count.
        auto at = it->second.lower_bound(cycle);
        drive = at == it->second.begin() ? nullptr : &std::prev(at)->second;
      } else if (auto at = it->second.find(cycle); at != it->second.end()) {
        drive = &at->second;
      }
    }
    if (drive) {
      found.insert({target.queueNumber(issue.queue), issue.index, operand.number,
                    drive->queue, drive->index, drive->result});
    } else if (status.ok() && issue.instruction->opcode != Opcode::Activate) {
      // Inactive row groups of an abc need not be driven.
      status = absl::InvalidArgumentError(absl::StrCat(
          "nothing feeds operand ", operand.number, " of ",
          toAbsl(issue.instruction->info().mnemonic), " in queue ",
          target.queueName(issue.queue), ", cycle ", issue.cycle));
    }
  }

  const Target &target;
  const EntryProgram &entry;
  std::map<Lane, std::map<int64_t, Drive>> drives;
  std::set<std::tuple<uint32_t, uint32_t, uint16_t, uint32_t, uint32_t, uint16_t>> found;
  absl::Status status;
};

} // namespace

absl::StatusOr<std::vector<IntentRecord>> deriveIntent(const Target &target,
                                                       const EntryProgram &entry) {
  return Deriver(target, entry).run();
}

} // namespace lpu
