//===- WorkBound.cpp - The time that a resource needs for its work --------===//

#include "LPU/Analysis/WorkBound.h"
#include <algorithm>

int64_t mlir::lpu::getWorkBound(std::vector<Use> uses, int64_t capacity, int64_t held) {
  std::erase_if(uses, [](const Use &use) { return use.work <= 0; });
  std::sort(uses.begin(), uses.end(),
            [](const Use &a, const Use &b) { return a.release > b.release; });
  std::vector<Use> open; // those released at r or later, longest tail first
  int64_t bound = 0;
  for (size_t k = 0; k < uses.size(); ++k) {
    auto place = std::lower_bound(open.begin(), open.end(), uses[k],
                                  [](const Use &a, const Use &b) { return a.tail > b.tail; });
    open.insert(place, uses[k]);
    if (k + 1 < uses.size() && uses[k + 1].release == uses[k].release) {
      continue;
    }
    int64_t work = -held;
    for (const Use &use : open) {
      work += use.work;
      if (work > 0) {
        bound = std::max(bound, uses[k].release + (work + capacity - 1) / capacity - 1 + use.tail);
      }
    }
  }
  return bound;
}
