//===- WordAllocator.h - Which words of SRAM are in use ---------*- C++ -*-===//
#ifndef LPU_TRANSFORMS_WORDALLOCATOR_H
#define LPU_TRANSFORMS_WORDALLOCATOR_H

#include "lpu/Target/Target.h"
#include <cstdint>
#include <map>
#include <vector>

namespace mlir::lpu {

/// Words of every (slice, bank). Words that were given back are taken again as late as
/// possible: `take` goes round, and `findOldest` knows when they were.
class WordAllocator {
public:
  explicit WordAllocator(const ::lpu::Target &target)
      : target(&target), states(target.numSlices() * target.banks()) {}

  int64_t usedWords(int64_t slice, int64_t bank) const { return at(slice, bank).used; }
  bool fits(int64_t slice, int64_t bank, int64_t words) const {
    return find(at(slice, bank), 0, words) >= 0;
  }
  int64_t take(int64_t slice, int64_t bank, int64_t words) {
    State &state = states[size_t(slice * int64_t(target->banks()) + bank)];
    int64_t first = find(state, state.next, words);
    first = first < 0 ? find(state, 0, words) : first;
    state.used += words;
    state.next = first + words;
    state.taken[first] = first + words;
    merge(state, first);
    return first;
  }
  int64_t findLargestGap(int64_t slice, int64_t bank) const {
    int64_t largest = 0, from = 0;
    for (auto [first, last] : at(slice, bank).taken) {
      largest = std::max(largest, first - from);
      from = last;
    }
    return std::max(largest, int64_t(target->wordsPerBank()) - from);
  }
  /// Where `words` fit that were given back longest ago, and when the last of them was, counted
  /// in byte planes placed; 0: never in use. -1 and -1 when there is no room.
  std::pair<int64_t, int64_t> findOldest(int64_t slice, int64_t bank, int64_t words) const {
    const State &state = at(slice, bank);
    std::pair<int64_t, int64_t> best{-1, -1};
    int64_t from = 0;
    auto consider = [&](int64_t end) {
      // From stretch to stretch of words that were given back together.
      for (int64_t first = from; first + words <= end;) {
        int64_t last = 0;
        auto following = state.given.upper_bound(first);
        for (auto it = std::prev(following);
             it != state.given.end() && it->first < first + words; ++it) {
          last = std::max(last, it->second);
        }
        if (best.first < 0 || last < best.second) {
          best = {first, last};
        }
        first = following == state.given.end() ? end : following->first;
      }
    };
    for (auto [first, last] : state.taken) {
      consider(first);
      from = last;
    }
    consider(target->wordsPerBank());
    return best;
  }
  void takeAt(int64_t slice, int64_t bank, int64_t first, int64_t words) {
    State &state = states[size_t(slice * int64_t(target->banks()) + bank)];
    ++clock;
    state.used += words;
    state.taken[first] = first + words;
    merge(state, first);
  }
  void release(int64_t slice, int64_t bank, int64_t first, int64_t words) {
    State &state = states[size_t(slice * int64_t(target->banks()) + bank)];
    auto run = std::prev(state.taken.upper_bound(first));
    int64_t last = run->second;
    state.used -= words;
    run->second = first;
    if (run->first == first) {
      state.taken.erase(run);
    }
    if (first + words < last) {
      state.taken[first + words] = last;
    }
    // What follows keeps its time.
    int64_t behind = std::prev(state.given.upper_bound(first + words))->second;
    state.given.erase(state.given.lower_bound(first), state.given.upper_bound(first + words));
    state.given[first] = clock;
    state.given[first + words] = behind;
  }
  int64_t totalUsed() const {
    int64_t total = 0;
    for (const State &state : states) {
      total += state.used;
    }
    return total;
  }

private:
  struct State {
    std::map<int64_t, int64_t> taken; ///< runs of words: first, past the last
    std::map<int64_t, int64_t> given{{0, 0}}; ///< first word of a stretch, when it was given back
    int64_t used = 0, next = 0;
  };
  const State &at(int64_t slice, int64_t bank) const {
    return states[size_t(slice * int64_t(target->banks()) + bank)];
  }
  /// The first word from `from` on with `words` free ones; -1 when there is none.
  int64_t find(const State &state, int64_t from, int64_t words) const {
    auto run = state.taken.upper_bound(from);
    if (run != state.taken.begin()) {
      from = std::max(from, std::prev(run)->second);
    }
    for (; run != state.taken.end() && run->first - from < words; ++run) {
      from = run->second;
    }
    return from + words <= int64_t(target->wordsPerBank()) ? from : -1;
  }
  static void merge(State &state, int64_t first) {
    auto run = state.taken.find(first);
    if (run != state.taken.begin() && std::prev(run)->second == first) {
      std::prev(run)->second = run->second;
      run = std::prev(state.taken.erase(run));
    }
    auto following = std::next(run);
    if (following != state.taken.end() && following->first == run->second) {
      run->second = following->second;
      state.taken.erase(following);
    }
  }

  const ::lpu::Target *target;
  std::vector<State> states;
  int64_t clock = 1; ///< counts byte planes placed
};

} // namespace mlir::lpu

#endif // LPU_TRANSFORMS_WORDALLOCATOR_H
