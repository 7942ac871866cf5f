//===- Reservations.h - Which cycles of what are taken ----------*- C++ -*-===//
#ifndef LPU_LIB_SCHEDULING_RESERVATIONS_H
#define LPU_LIB_SCHEDULING_RESERVATIONS_H

#include "absl/container/inlined_vector.h"
#include "lpu/Scheduling/ChainProblem.h"
#include <limits>

namespace lpu::scheduling {

/// Cycles as sorted, disjoint intervals; intervals that touch become one.
class IntervalSet {
public:
  /// The smallest cycle c >= first such that [c, c + length) is free.
  int64_t findFree(int64_t first, int64_t length) const;
  /// Inserts [first, first + length), which must be free.
  void insert(int64_t first, int64_t length);

private:
  struct Interval {
    int64_t first, last;
  };
  std::vector<Interval> intervals;
};

/// Values of one drive on one stream id. A value driven at column p in cycle t
/// stays on the diagonal t - p (east) or t + p (west). It holds the columns from
/// its driver to before its farthest consumer, counted in the stream's
/// direction: there another driver on the same diagonal would replace it or be
/// replaced.
struct Span {
  Progression lines;     ///< diagonals
  int32_t first, last;   ///< columns; `last` not included

  bool contains(int64_t line) const;
  /// Whether this and `other`, moved by `shift` lines, hold a place both.
  bool meets(const Span &other, int64_t shift) const;
};

/// Which diagonals and columns of every stream are taken.
class StreamReservations {
public:
  StreamReservations(uint32_t streams, uint32_t columns)
      : columns(columns), ids(2 * size_t(streams)) {}

  Span getSpan(Direction direction, const FlowDrive &drive, int64_t start) const;

  /// 0 if `span` is free on (direction, id). Else by how many cycles it has to
  /// come later, at least; `kNever` if what is in the way was reserved after
  /// `mark`.
  int64_t getWait(Direction direction, uint32_t id, const Span &span,
                  size_t mark) const;
  /// Takes `span` on `width` ids from `id` on.
  void reserve(Direction direction, uint32_t id, uint32_t width, const Span &span);

  size_t getMark() const { return taken.size(); }
  /// Takes back everything reserved after `mark`.
  void rollBack(size_t mark);

  static constexpr int64_t kNever = std::numeric_limits<int64_t>::max();

private:
  /// Lines are searched in buckets; a span is in every bucket it reaches into.
  static constexpr int64_t kBucketLines = 64;
  struct Taken {
    Span span;
    uint32_t id, width; ///< index into `ids` of the first one, and how many
  };
  /// Most buckets hold a few.
  using Bucket = absl::InlinedVector<uint32_t, 4>;
  uint32_t columns;
  std::vector<Taken> taken;
  std::vector<std::vector<Bucket>> ids; ///< [2 id + direction][bucket], into `taken`
};

/// What placed chains hold.
class Reservations {
public:
  explicit Reservations(const ChainProblem &problem);

  /// Places `chain` at the first start >= `earliest` at which it fits; chooses
  /// the lowest free ALUs and ids, those of wide flows aligned to their width. Returns
  /// what there is too little of ("ALUs", "streams") when it fits nowhere, else an
  /// empty text.
  std::string_view place(const Chain &chain, int64_t earliest,
                         ChainPlacement &placement);

private:
  int64_t findQueueStart(const Chain &chain, int64_t start) const;
  int64_t findAluStart(uint32_t alu, const ChainIssue &issue, int64_t start) const;
  /// Both return 0 when chosen, else the next start worth a try.
  int64_t chooseAlus(const Chain &chain, int64_t start, ChainPlacement &placement);
  int64_t chooseIds(const Chain &chain, int64_t start, ChainPlacement &placement);
  int64_t tryIds(const ChainFlow &flow, int64_t start, uint32_t first, size_t mark);
  void reserveQueues(const Chain &chain, const ChainPlacement &placement);

  const ChainProblem &problem;
  std::vector<IntervalSet> queues, results; ///< by queue; by ALU
  StreamReservations streams;
};

/// Whether two issues of one chain would be in each other's way on one ALU.
bool conflictOnAlu(const ChainIssue &a, const ChainIssue &b);

} // namespace lpu::scheduling

#endif // LPU_LIB_SCHEDULING_RESERVATIONS_H
