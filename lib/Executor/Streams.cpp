//===- Streams.cpp - Vectors in flight ------------------------------------===//
#include "Streams.h"
#include <algorithm>
#include <bit>

using namespace lpu;
using namespace lpu::executor;

VectorPool::VectorPool(unsigned lanes) : stride((lanes + 63) / 64 * 64) {}

uint32_t VectorPool::allocate() {
  if (free.empty()) {
    uint32_t first = uint32_t(blocks.size()) * kBlock;
    blocks.push_back(std::make_unique<uint8_t[]>(stride * kBlock));
    for (uint32_t i = kBlock; i-- > 0;) {
      free.push_back(first + i);
    }
  }
  uint32_t id = free.back();
  free.pop_back();
  return id;
}

Streams::Streams(const Target &target, VectorPool &pool)
    : pool(pool), streams(target.streams()) {
  // A diagonal lives from its first drive, at most the longest latency after
  // the present cycle, until it leaves the chip.
  const Latencies &l = target.latencies();
  unsigned longest = std::max(
      {l.read(), l.gather(), l.alu(), l.alu_transcendental(),
       l.alu_delay_max(), l.mxm_emit(), l.shift(), l.permute(), l.transpose(),
       l.receive()});
  unsigned span = 2 * target.columns() + longest + 2;
  ringBits = unsigned(std::bit_width(std::bit_ceil(span))) - 1;
  ringMask = (size_t(1) << ringBits) - 1;
  slots.resize((size_t(2) * streams) << ringBits);
}

void Streams::clearSlot(Slot &slot) {
  for (const Drive &drive : slot.drives) {
    pool.release(drive.vector);
  }
  slot.drives.clear();
}

void Streams::clear() {
  for (Slot &slot : slots) {
    clearSlot(slot);
    slot.diagonal = INT64_MIN;
  }
}

const IssueRef *Streams::drive(Direction direction, unsigned id,
                               unsigned column, int64_t cycle, uint32_t vector,
                               const IssueRef &by) {
  int64_t diagonal = diagonalOf(direction, column, cycle);
  Slot &s = slot(direction, id, diagonal);
  if (s.diagonal != diagonal) {
    clearSlot(s);
    s.diagonal = diagonal;
  }
  auto at = s.drives.end();
  while (at != s.drives.begin() && std::prev(at)->cycle >= cycle) {
    --at;
  }
  if (at != s.drives.end() && at->cycle == cycle) {
    pool.release(vector);
    return &at->by;
  }
  s.drives.insert(at, Drive{cycle, vector, by});
  return nullptr;
}

const uint8_t *Streams::sample(Direction direction, unsigned id,
                               unsigned column, int64_t cycle) {
  int64_t diagonal = diagonalOf(direction, column, cycle);
  Slot &s = slot(direction, id, diagonal);
  if (s.diagonal != diagonal) {
    return nullptr;
  }
  // The latest drive of an earlier cycle: what is driven here now is not seen.
  for (size_t i = s.drives.size(); i-- > 0;) {
    if (s.drives[i].cycle < cycle) {
      return pool.data(s.drives[i].vector);
    }
  }
  return nullptr;
}
