//===- LowerBound.cpp - What no schedule can beat -------------------------===//
//
// Every bound here lets one resource be served alone: each use of it is a task
// that cannot start before `release`, needs `work`, and is followed by at least
// `tail` cycles until the program ends. A machine that may interrupt a task at
// any time and always serves the released task with the longest tail finishes
// first (Jackson's rule), and every schedule of the problem is a schedule of
// that machine. docs/Scheduling.md has the argument.
//
//===----------------------------------------------------------------------===//

#include "Paths.h"
#include "lpu/Scheduling/Algorithms.h"
#include <algorithm>
#include <queue>

using namespace lpu;
using namespace lpu::scheduling;

namespace {

struct Task {
  int64_t release, work, tail;
};

/// End of the program when a machine that does `speed` work a cycle serves
/// `tasks` alone.
int64_t getPreemptiveEnd(std::vector<Task> tasks, int64_t speed) {
  std::sort(tasks.begin(), tasks.end(),
            [](const Task &a, const Task &b) { return a.release < b.release; });
  // Released tasks, longest tail first: (tail, work left). Time counts in
  // 1/speed of a cycle.
  std::priority_queue<std::pair<int64_t, int64_t>> open;
  int64_t now = 0, end = 0;
  for (size_t next = 0; next < tasks.size() || !open.empty();) {
    if (open.empty()) {
      now = std::max(now, tasks[next].release * speed);
    }
    for (; next < tasks.size() && tasks[next].release * speed <= now; ++next) {
      open.emplace(tasks[next].tail, tasks[next].work);
    }
    auto [tail, work] = open.top();
    open.pop();
    int64_t until = next < tasks.size()
                        ? std::min(now + work, tasks[next].release * speed)
                        : now + work;
    work -= until - now;
    now = until;
    if (work > 0) {
      open.emplace(tail, work);
    } else {
      end = std::max(end, (now + speed - 1) / speed + tail);
    }
  }
  return end;
}

/// Tasks of one problem by resource.
class Relaxation {
public:
  explicit Relaxation(const ChainProblem &problem)
      : problem(problem), heads(getHeads(problem)), tails(getTails(problem)) {}

  int64_t getQueueBound() const {
    std::vector<std::vector<Task>> byQueue(problem.numQueues);
    std::vector<Task> alus;
    for (size_t c = 0; c < problem.chains.size(); ++c) {
      for (const ChainIssue &issue : problem.chains[c].issues) {
        int64_t busy = issue.cycles.last() - issue.cycles.offset + 1;
        Task task{heads[c] + issue.cycles.offset, busy,
                  tails[c] - issue.cycles.offset - busy};
        if (issue.queue != kAnyAlu) {
          byQueue[size_t(issue.queue)].push_back(task);
        }
        if (issue.queue == kAnyAlu || problem.isAluQueue(issue.queue)) {
          alus.push_back(task);
        }
      }
    }
    int64_t bound =
        problem.numAlus ? getPreemptiveEnd(std::move(alus), problem.numAlus) : 0;
    for (std::vector<Task> &tasks : byQueue) {
      bound = std::max(bound, getPreemptiveEnd(std::move(tasks), 1));
    }
    return bound;
  }

  /// In every cycle a column holds one value a stream of each direction.
  int64_t getStreamBound(Direction direction) const {
    int32_t column = getBusiestColumn(direction);
    std::vector<Task> tasks;
    forEachDrive(direction, [&](size_t c, const FlowDrive &drive) {
      auto [first, last] = getColumns(drive);
      if (column < first || column > last) {
        return;
      }
      int64_t way = std::abs(column - drive.column);
      tasks.push_back({heads[c] + drive.cycles.offset + way, getWork(drive),
                       tails[c] - (drive.cycles.last() + way + 1)});
    });
    return problem.streams ? getPreemptiveEnd(std::move(tasks), problem.streams) : 0;
  }

private:
  template <typename Function>
  void forEachDrive(Direction direction, Function function) const {
    for (size_t c = 0; c < problem.chains.size(); ++c) {
      for (const ChainFlow &flow : problem.chains[c].flows) {
        for (const FlowDrive &drive : flow.drives) {
          if (flow.direction == direction) {
            function(c, drive);
          }
        }
      }
    }
  }
  /// Columns that a value of `drive` holds: all but the farthest consumer's.
  static std::pair<int32_t, int32_t> getColumns(const FlowDrive &drive) {
    return drive.column < drive.reach
               ? std::pair(drive.column, drive.reach - 1)
               : std::pair(drive.reach + 1, drive.column);
  }
  static int64_t getWork(const FlowDrive &drive) {
    return int64_t(drive.width) * drive.cycles.n * drive.cycles.m;
  }
  int32_t getBusiestColumn(Direction direction) const {
    std::vector<int64_t> change(problem.columns + 1, 0);
    forEachDrive(direction, [&](size_t, const FlowDrive &drive) {
      auto [first, last] = getColumns(drive);
      change[size_t(first)] += getWork(drive);
      change[size_t(last) + 1] -= getWork(drive);
    });
    int64_t work = 0, most = -1;
    int32_t busiest = 0;
    for (size_t column = 0; column < problem.columns; ++column) {
      work += change[column];
      if (work > most) {
        most = work;
        busiest = int32_t(column);
      }
    }
    return busiest;
  }

  const ChainProblem &problem;
  std::vector<int64_t> heads, tails;
};

} // namespace

int64_t scheduling::getLowerBound(const ChainProblem &problem) {
  Relaxation relaxation(problem);
  return std::max({getLongestPath(problem), relaxation.getQueueBound(),
                   relaxation.getStreamBound(Direction::East),
                   relaxation.getStreamBound(Direction::West)});
}
