//===- Reservations.cpp - Which cycles of what are taken ------------------===//

#include "Reservations.h"
#include <algorithm>
#include <numeric>

using namespace lpu;
using namespace lpu::scheduling;

int64_t IntervalSet::findFree(int64_t first, int64_t length) const {
  auto it = std::lower_bound(
      intervals.begin(), intervals.end(), first,
      [](const Interval &interval, int64_t cycle) { return interval.last < cycle; });
  for (; it != intervals.end() && it->first < first + length; ++it) {
    first = it->last + 1;
  }
  return first;
}

void IntervalSet::insert(int64_t first, int64_t length) {
  int64_t last = first + length - 1;
  auto next = std::lower_bound(
      intervals.begin(), intervals.end(), first,
      [](const Interval &interval, int64_t cycle) { return interval.last < cycle; });
  bool joinsNext = next != intervals.end() && next->first == last + 1;
  bool joinsPrevious = next != intervals.begin() && std::prev(next)->last == first - 1;
  if (joinsPrevious && joinsNext) {
    std::prev(next)->last = next->last;
    intervals.erase(next);
  } else if (joinsPrevious) {
    std::prev(next)->last = last;
  } else if (joinsNext) {
    next->first = first;
  } else {
    intervals.insert(next, {first, last});
  }
}

//===----------------------------------------------------------------------===//
// Streams
//===----------------------------------------------------------------------===//

bool Span::contains(int64_t line) const {
  int64_t x = line - lines.offset;
  if (x < 0 || line > lines.last()) {
    return false;
  }
  if (lines.m > 1) {
    x -= std::min<int64_t>(x / lines.e, lines.m - 1) * lines.e;
  }
  return x == 0 || (lines.n > 1 && x % lines.d == 0 && x / lines.d < lines.n);
}

static bool isDense(const Progression &lines) {
  return lines.m == 1 && (lines.n == 1 || lines.d == 1);
}

bool Span::meets(const Span &other, int64_t shift) const {
  if (first >= other.last || other.first >= last ||
      lines.offset > other.lines.last() + shift ||
      other.lines.offset + shift > lines.last()) {
    return false;
  }
  if (isDense(lines) && isDense(other.lines)) {
    return true;
  }
  bool mine = int64_t(lines.n) * lines.m <= int64_t(other.lines.n) * other.lines.m;
  const Span &few = mine ? *this : other, &many = mine ? other : *this;
  int64_t move = mine ? -shift : shift;
  bool meet = false;
  few.lines.forEach([&](int64_t line) { meet = meet || many.contains(line + move); });
  return meet;
}

Span StreamReservations::getSpan(Direction direction, const FlowDrive &drive,
                                 int64_t start) const {
  bool east = direction == Direction::East;
  Span span;
  span.lines = drive.cycles;
  // Counted from a line that no value is before.
  span.lines.offset += start + columns + (east ? -drive.column : drive.column);
  span.first = east ? drive.column : -drive.column;
  span.last = east ? drive.reach : -drive.reach;
  // One level of repetition where one says it all.
  Progression &lines = span.lines;
  if (lines.n == 1 && lines.m > 1) {
    lines = {lines.offset, lines.m, lines.e, 1, 0};
  } else if (lines.m > 1 && int64_t(lines.n) * lines.d == lines.e) {
    lines = {lines.offset, lines.n * lines.m, lines.d, 1, 0};
  }
  return span;
}

int64_t StreamReservations::getWait(Direction direction, uint32_t id,
                                    const Span &span, size_t mark) const {
  const auto &buckets = ids[2 * id + unsigned(direction)];
  size_t last = std::min<size_t>(size_t(span.lines.last() / kBucketLines) + 1,
                                 buckets.size());
  for (size_t b = size_t(span.lines.offset / kBucketLines); b < last; ++b) {
    for (uint32_t index : buckets[b]) {
      const Span &other = taken[index].span;
      if (!other.meets(span, 0)) {
        continue;
      }
      if (index >= mark) {
        return kNever;
      }
      if (isDense(span.lines) && isDense(other.lines)) {
        return other.lines.last() - span.lines.offset + 1;
      }
      int64_t shift = 1;
      while (other.meets(span, shift)) {
        ++shift;
      }
      return shift;
    }
  }
  return 0;
}

void StreamReservations::reserve(Direction direction, uint32_t id, uint32_t width,
                                 const Span &span) {
  uint32_t key = 2 * id + unsigned(direction);
  size_t last = size_t(span.lines.last() / kBucketLines);
  for (uint32_t k = 0; k < width; ++k) {
    auto &buckets = ids[key + 2 * k];
    if (last >= buckets.size()) {
      buckets.resize(last + 1);
    }
    for (size_t b = size_t(span.lines.offset / kBucketLines); b <= last; ++b) {
      buckets[b].push_back(uint32_t(taken.size()));
    }
  }
  taken.push_back({span, key, width});
}

void StreamReservations::rollBack(size_t mark) {
  while (taken.size() > mark) {
    const Taken &top = taken.back();
    for (uint32_t k = 0; k < top.width; ++k) {
      for (int64_t b = top.span.lines.offset / kBucketLines;
           b <= top.span.lines.last() / kBucketLines; ++b) {
        ids[top.id + 2 * k][size_t(b)].pop_back();
      }
    }
    taken.pop_back();
  }
}

//===----------------------------------------------------------------------===//
// Chains
//===----------------------------------------------------------------------===//

static int64_t getBusy(const Progression &cycles) {
  return cycles.last() - cycles.offset + 1;
}

bool scheduling::conflictOnAlu(const ChainIssue &a, const ChainIssue &b) {
  if (a.cycles.offset <= b.cycles.last() && b.cycles.offset <= a.cycles.last()) {
    return true;
  }
  // Different latencies can bring results together.
  return a.aluLatency > 0 && b.aluLatency > 0 &&
         a.cycles.offset + a.aluLatency <= b.cycles.last() + b.aluLatency &&
         b.cycles.offset + b.aluLatency <= a.cycles.last() + a.aluLatency;
}

Reservations::Reservations(const ChainProblem &problem)
    : problem(problem), queues(problem.numQueues), results(problem.numAlus),
      streams(problem.streams, problem.columns) {}

int64_t Reservations::findAluStart(uint32_t alu, const ChainIssue &issue,
                                   int64_t start) const {
  int64_t busy = getBusy(issue.cycles);
  for (;;) {
    int64_t found = queues[problem.firstAluQueue + alu].findFree(
                        start + issue.cycles.offset, busy) -
                    issue.cycles.offset;
    if (issue.aluLatency > 0) {
      int64_t result = issue.cycles.offset + issue.aluLatency;
      found = results[alu].findFree(found + result, busy) - result;
    }
    if (found == start) {
      return start;
    }
    start = found;
  }
}

int64_t Reservations::findQueueStart(const Chain &chain, int64_t start) const {
  for (int64_t before = -1; before != start;) {
    before = start;
    for (const ChainIssue &issue : chain.issues) {
      if (problem.isAluQueue(issue.queue)) {
        start = findAluStart(uint32_t(issue.queue) - problem.firstAluQueue, issue,
                             start);
      } else if (issue.queue != kAnyAlu) {
        start = queues[size_t(issue.queue)].findFree(start + issue.cycles.offset,
                                                     getBusy(issue.cycles)) -
                issue.cycles.offset;
      }
    }
  }
  return start;
}

int64_t Reservations::chooseAlus(const Chain &chain, int64_t start,
                                 ChainPlacement &placement) {
  int64_t retry = StreamReservations::kNever;
  // Issues of this chain with their ALU.
  std::vector<std::pair<const ChainIssue *, uint32_t>> held;
  for (const ChainIssue &issue : chain.issues) {
    if (problem.isAluQueue(issue.queue)) {
      held.emplace_back(&issue, uint32_t(issue.queue) - problem.firstAluQueue);
    }
  }
  for (size_t k = 0; k < chain.issues.size(); ++k) {
    const ChainIssue &issue = chain.issues[k];
    if (issue.queue != kAnyAlu) {
      continue;
    }
    auto fits = [&](uint32_t alu) {
      if (issue.excludedAlus >> alu & 1) {
        return false;
      }
      int64_t free = findAluStart(alu, issue, start);
      if (free > start) {
        retry = std::min(retry, free);
        return false;
      }
      return std::none_of(held.begin(), held.end(), [&](const auto &other) {
        return other.second == alu && conflictOnAlu(*other.first, issue);
      });
    };
    uint32_t alu = 0;
    while (alu < problem.numAlus && !fits(alu)) {
      ++alu;
    }
    if (alu == problem.numAlus) {
      return retry;
    }
    placement.issueAlus[k] = alu;
    held.emplace_back(&issue, alu);
  }
  return 0;
}

int64_t Reservations::tryIds(const ChainFlow &flow, int64_t start, uint32_t first,
                             size_t mark) {
  for (const FlowDrive &drive : flow.drives) {
    Span span = streams.getSpan(flow.direction, drive, start);
    for (uint32_t id = first + drive.id; id < first + drive.id + drive.width; ++id) {
      if (int64_t wait = streams.getWait(flow.direction, id, span, mark)) {
        return wait;
      }
    }
  }
  return 0;
}

int64_t Reservations::chooseIds(const Chain &chain, int64_t start,
                                ChainPlacement &placement) {
  // Wide flows first: single streams fill what they leave.
  std::vector<uint32_t> order(chain.flows.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
    uint32_t left = chain.flows[a].width, right = chain.flows[b].width;
    return left != right ? left > right : a < b;
  });
  int64_t shortest = StreamReservations::kNever;
  size_t mark = streams.getMark();
  for (uint32_t k : order) {
    const ChainFlow &flow = chain.flows[k];
    // Aligned, so that what is left takes flows of the same width.
    uint32_t step = problem.streams % flow.width == 0 ? flow.width : 1;
    uint32_t first = 0;
    for (; first + flow.width <= problem.streams; first += step) {
      int64_t wait = tryIds(flow, start, first, mark);
      if (wait == 0) {
        break;
      }
      shortest = std::min(shortest, wait);
    }
    if (first + flow.width > problem.streams) {
      streams.rollBack(mark);
      return shortest == StreamReservations::kNever ? shortest : start + shortest;
    }
    placement.flowIds[k] = first;
    for (const FlowDrive &drive : flow.drives) {
      streams.reserve(flow.direction, first + drive.id, drive.width,
                      streams.getSpan(flow.direction, drive, start));
    }
  }
  return 0;
}

void Reservations::reserveQueues(const Chain &chain,
                                 const ChainPlacement &placement) {
  for (size_t k = 0; k < chain.issues.size(); ++k) {
    const ChainIssue &issue = chain.issues[k];
    uint32_t queue = issue.queue == kAnyAlu
                         ? problem.firstAluQueue + placement.issueAlus[k]
                         : uint32_t(issue.queue);
    int64_t first = placement.start + issue.cycles.offset;
    queues[queue].insert(first, getBusy(issue.cycles));
    if (problem.isAluQueue(int(queue)) && issue.aluLatency > 0) {
      results[queue - problem.firstAluQueue].insert(first + issue.aluLatency,
                                                    getBusy(issue.cycles));
    }
  }
}

std::string_view Reservations::place(const Chain &chain, int64_t earliest,
                                     ChainPlacement &placement) {
  placement.flowIds.assign(chain.flows.size(), 0);
  placement.issueAlus.assign(chain.issues.size(), 0);
  for (int64_t start = earliest;;) {
    start = findQueueStart(chain, start);
    int64_t retry = chooseAlus(chain, start, placement);
    std::string_view lacking = "ALUs";
    if (retry == 0) {
      retry = chooseIds(chain, start, placement);
      lacking = "streams";
    }
    if (retry == 0) {
      placement.start = start;
      reserveQueues(chain, placement);
      return {};
    }
    if (retry == StreamReservations::kNever) {
      return lacking;
    }
    start = retry;
  }
}
