//===- Intent.cpp - Which instruction feeds which operand -----------------===//

#include "lpu/Binary/Intent.h"
#include "absl/strings/str_cat.h"
#include "lpu/Binary/Meaning.h"
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
  uint16_t byte;
  uint32_t instruction, k; ///< of the entry, and which of its issues
};

class Deriver {
public:
  Deriver(const Target &target, EntryProgram &entry) : target(target), entry(entry) {}

  absl::Status run() {
    for (const QueueStream &queue : entry.queues) {
      for (const TimedInstruction &timed : queue.instructions) {
        meanings.push_back({uint32_t(meanings.size() + 1),
                            meaning::getOperation(timed.instruction), 0});
      }
    }
    forEach([&](const Issue &issue) {
      for (const OperandInfo &result : getResults(target, issue.queue, *issue.instruction)) {
        eachLane(issue, result, [&](Lane lane, int64_t cycle, unsigned byte) {
          drives[lane][cycle] = {target.queueNumber(issue.queue), issue.index, result.number,
                                 uint16_t(byte), issue.number, issue.k};
        });
      }
    });
    forEach([&](const Issue &issue) {
      for (const OperandInfo &operand : getOperands(target, issue.queue, *issue.instruction)) {
        eachLane(issue, operand, [&](Lane lane, int64_t cycle, unsigned byte) {
          resolve(issue, operand, lane, cycle, byte);
        });
      }
    });
    if (!status.ok()) {
      return status;
    }
    addStorage();
    entry.intent.clear();
    for (const auto &[cq, ci, op, pq, pi, pr] : found) {
      entry.intent.push_back({cq, ci, op, pr, pq, pi});
    }
    entry.meanings = std::move(meanings);
    return absl::OkStatus();
  }

private:
  struct Issue {
    QueueId queue;
    uint32_t index;
    const Instruction *instruction;
    int64_t cycle;
    uint32_t number, k; ///< instruction of the entry, and which of its issues
  };

  template <typename Callback> void forEach(Callback callback) {
    uint32_t number = 0;
    for (const QueueStream &queue : entry.queues) {
      for (uint32_t index = 0; index < queue.instructions.size(); ++index, ++number) {
        const TimedInstruction &timed = queue.instructions[index];
        const Repeat &r = timed.instruction.repeat;
        for (uint32_t i = 0; i < r.m; ++i) {
          for (uint32_t j = 0; j < r.n; ++j) {
            callback(Issue{queue.queue, index, &timed.instruction,
                           timed.cycle + int64_t(i) * r.e + int64_t(j) * r.d, number,
                           i * r.n + j});
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
      callback(Lane{info.kind, info.alu, 0, 0}, cycle, 0u);
      return;
    case OperandInfo::Kind::MxmResult:
      callback(Lane{info.kind, issue.queue.index, 0, 0}, cycle, 0u);
      return;
    case OperandInfo::Kind::Stream: {
      int64_t column = target.column(issue.queue);
      bool east = info.group.direction == Direction::East;
      for (unsigned k = 0; k < info.group.count; ++k) {
        callback(Lane{info.kind, unsigned(info.group.direction),
                      info.group.base + k * info.group.step,
                      east ? cycle - column : cycle + column},
                 cycle, k);
      }
      return;
    }
    }
  }

  void resolve(const Issue &issue, const OperandInfo &operand, const Lane &lane,
               int64_t cycle, unsigned byte) {
    if (issue.instruction->opcode == Opcode::Activate && issue.instruction->get("count") == 0 &&
        issue.instruction->get("mask") == 0) {
      return; // no row takes part
    }
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
      uint64_t edge = meaning::getEdge(operand.number, byte, meanings[drive->instruction].number,
                                       drive->result, drive->byte);
      meanings[issue.number].sources += meaning::getSample(edge, issue.k, drive->k);
    } else if (status.ok() && issue.instruction->opcode != Opcode::Activate) {
      // Inactive row groups of an abc need not be driven.
      status = absl::InvalidArgumentError(absl::StrCat(
          "nothing feeds operand ", operand.number, " of ",
          toAbsl(issue.instruction->info().mnemonic), " in queue ",
          target.queueName(issue.queue), ", cycle ", issue.cycle));
    }
  }

  void addStorage() {
    std::vector<meaning::Issue> issues;
    for (const QueueStream &queue : entry.queues) {
      for (const TimedInstruction &timed : queue.instructions) {
        issues.push_back({queue.queue, &timed.instruction, timed.cycle, false,
                          &meanings[issues.size()]});
      }
    }
    meaning::Storage(target).add(std::move(issues));
  }

  const Target &target;
  EntryProgram &entry;
  std::vector<Meaning> meanings;
  std::map<Lane, std::map<int64_t, Drive>> drives;
  std::set<std::tuple<uint32_t, uint32_t, uint16_t, uint32_t, uint32_t, uint16_t>> found;
  absl::Status status;
};

} // namespace

absl::Status deriveIntent(const Target &target, EntryProgram &entry) {
  return Deriver(target, entry).run();
}

} // namespace lpu
