//===- Reservations.cpp - Which cycles of what are taken ------------------===//

#include "Reservations.h"
#include <algorithm>
#include <bit>

using namespace lpu;
using namespace lpu::scheduling;

void CycleSet::insert(int64_t cycle) {
  uint64_t word = uint64_t(cycle) / 64;
  if (word >= words.size()) {
    words.resize(std::max<uint64_t>(word + 1, words.size() * 2));
  }
  words[word] |= uint64_t(1) << (cycle % 64);
}

int64_t CycleSet::findIn(int64_t first, int64_t last) const {
  for (int64_t cycle = first; cycle <= last;) {
    uint64_t word = uint64_t(cycle) / 64;
    if (word >= words.size()) {
      return -1;
    }
    uint64_t bits = words[word] >> (cycle % 64);
    if (bits) {
      int64_t found = cycle + std::countr_zero(bits);
      return found <= last ? found : -1;
    }
    cycle = int64_t(word + 1) * 64;
  }
  return -1;
}

void CycleSet::insertRange(int64_t first, int64_t last) {
  for (int64_t cycle = first; cycle <= last; ++cycle) {
    insert(cycle);
  }
}

bool StreamReservations::isFree(Direction direction, uint32_t id, int64_t cycle,
                                int32_t column, int32_t reach) const {
  const auto &lines = diagonals[2 * id + unsigned(direction)];
  uint64_t line = uint64_t(diagonal(direction, cycle, column));
  if (line >= lines.size()) {
    return true;
  }
  // In the stream's direction columns count up for both.
  int32_t first = direction == Direction::East ? column : -column;
  int32_t last = direction == Direction::East ? reach : -reach;
  for (const Interval &taken : lines[line]) {
    if (first < taken.last && taken.first < last) {
      return false;
    }
  }
  return true;
}

void StreamReservations::reserve(Direction direction, uint32_t id, int64_t cycle,
                                 int32_t column, int32_t reach) {
  auto &lines = diagonals[2 * id + unsigned(direction)];
  uint64_t line = uint64_t(diagonal(direction, cycle, column));
  if (line >= lines.size()) {
    lines.resize(std::max<uint64_t>(line + 1, lines.size() * 2));
  }
  int32_t first = direction == Direction::East ? column : -column;
  int32_t last = direction == Direction::East ? reach : -reach;
  lines[line].push_back({first, last});
}

Reservations::Reservations(const ChainProblem &problem)
    : problem(problem), queues(problem.numQueues), aluResults(problem.numAlus),
      streams(problem.streams, problem.columns) {}

bool Reservations::chooseAlus(const Chain &chain, int64_t start,
                              ChainPlacement &placement) {
  // Issues of this chain that hold an ALU already.
  absl::InlinedVector<size_t, 16> chosen;
  for (size_t k = 0; k < chain.issues.size(); ++k) {
    const ChainIssue &issue = chain.issues[k];
    if (issue.queue != kAnyAlu) {
      continue;
    }
    int64_t first = start + issue.cycles.offset;
    int64_t last = start + issue.cycles.last();
    auto fits = [&](uint32_t alu) {
      if (queues[problem.firstAluQueue + alu].findIn(first, last) >= 0) {
        return false;
      }
      bool free = true;
      issue.cycles.forEach([&](int64_t cycle) {
        free &= !aluResults[alu].contains(start + cycle + issue.aluLatency);
      });
      for (size_t other : chosen) {
        const ChainIssue &taken = chain.issues[other];
        if (placement.issueAlus[other] != alu) {
          continue;
        }
        free &= taken.cycles.offset > issue.cycles.last() ||
                issue.cycles.offset > taken.cycles.last();
        // Different latencies on one ALU: keep their results apart.
        free &= taken.aluLatency == issue.aluLatency ||
                taken.cycles.offset + taken.aluLatency >
                    issue.cycles.last() + issue.aluLatency ||
                issue.cycles.offset + issue.aluLatency >
                    taken.cycles.last() + taken.aluLatency;
      }
      return free;
    };
    uint32_t alu = 0;
    while (alu < problem.numAlus && !fits(alu)) {
      ++alu;
    }
    if (alu == problem.numAlus) {
      return false;
    }
    placement.issueAlus[k] = alu;
    chosen.push_back(k);
  }
  return true;
}

bool Reservations::isFlowFree(const ChainFlow &flow, int64_t start,
                              uint32_t first) const {
  for (const FlowDrive &drive : flow.drives) {
    for (uint32_t id = first + drive.id; id < first + drive.id + drive.width; ++id) {
      bool free = true;
      drive.cycles.forEach([&](int64_t cycle) {
        free = free && streams.isFree(flow.direction, id, start + cycle,
                                      drive.column, drive.reach);
      });
      if (!free) {
        return false;
      }
    }
  }
  return true;
}

bool Reservations::chooseIds(const Chain &chain, int64_t start,
                             ChainPlacement &placement) {
  // Flows of one chain may conflict with each other too: reserve at once, in a
  // copy-free way, by trying ids in order and remembering what is held.
  for (size_t k = 0; k < chain.flows.size(); ++k) {
    const ChainFlow &flow = chain.flows[k];
    bool placed = false;
    for (uint32_t first = 0; first + flow.width <= problem.streams && !placed;
         ++first) {
      bool clash = false;
      for (size_t other = 0; other < k && !clash; ++other) {
        clash = chain.flows[other].direction == flow.direction &&
                placement.flowIds[other] < first + flow.width &&
                first < placement.flowIds[other] + chain.flows[other].width;
      }
      if (!clash && isFlowFree(flow, start, first)) {
        placement.flowIds[k] = first;
        placed = true;
      }
    }
    if (!placed) {
      return false;
    }
  }
  return true;
}

bool Reservations::tryPlace(const Chain &chain, int64_t start,
                            ChainPlacement &placement, int64_t &retry) {
  retry = start + 1;
  for (const ChainIssue &issue : chain.issues) {
    if (issue.queue == kAnyAlu) {
      continue;
    }
    int64_t taken = queues[size_t(issue.queue)].findIn(
        start + issue.cycles.offset, start + issue.cycles.last());
    if (taken >= 0) {
      retry = std::max(retry, taken + 1 - issue.cycles.offset);
    }
  }
  if (retry > start + 1) {
    return false;
  }
  for (const ChainIssue &issue : chain.issues) {
    if (issue.queue != kAnyAlu &&
        queues[size_t(issue.queue)].contains(start + issue.cycles.offset)) {
      return false;
    }
  }
  placement.start = start;
  placement.flowIds.assign(chain.flows.size(), 0);
  placement.issueAlus.assign(chain.issues.size(), 0);
  if (!chooseAlus(chain, start, placement) || !chooseIds(chain, start, placement)) {
    return false;
  }
  for (size_t k = 0; k < chain.issues.size(); ++k) {
    const ChainIssue &issue = chain.issues[k];
    uint32_t queue = issue.queue == kAnyAlu
                         ? problem.firstAluQueue + placement.issueAlus[k]
                         : uint32_t(issue.queue);
    queues[queue].insertRange(start + issue.cycles.offset,
                              start + issue.cycles.last());
    if (issue.queue == kAnyAlu) {
      issue.cycles.forEach([&](int64_t cycle) {
        aluResults[placement.issueAlus[k]].insert(start + cycle + issue.aluLatency);
      });
    }
  }
  for (size_t k = 0; k < chain.flows.size(); ++k) {
    const ChainFlow &flow = chain.flows[k];
    for (const FlowDrive &drive : flow.drives) {
      for (uint32_t id = 0; id < drive.width; ++id) {
        drive.cycles.forEach([&](int64_t cycle) {
          streams.reserve(flow.direction, placement.flowIds[k] + drive.id + id,
                          start + cycle, drive.column, drive.reach);
        });
      }
    }
  }
  return true;
}
