//===- Mem.cpp - MEM slices (M1 to M9) ------------------------------------===//
#include "Chip.h"
#include "absl/strings/str_cat.h"
#include <cstring>

using namespace lpu;
using namespace lpu::executor;

bool Chip::mem(const FlatQueue &queue, const MemOp &op, uint32_t i,
               uint32_t j) {
  unsigned slice = queue.id.index;
  return (op.read.access == Access::None ||
          readPart(slice, op.read, i, j)) &&
         (op.write.access == Access::None ||
          writePart(slice, op.write, i, j));
}

/// The word of every superlane, -1 outside of the window.
bool Chip::mapWords(const MemPart &part, uint32_t i, uint32_t j,
                    std::array<int32_t, 64> &words) {
  int64_t base = part.address.at(i, j), low = part.low.at(i, j);
  if (base < 0 || base + part.length > memory.words()) {
    return fail(absl::StrCat("expected a window inside the ", memory.words(),
                             " words of the bank, got words ", base, " to ",
                             base + part.length, " (excl.)"),
                "M6");
  }
  const uint8_t *bytes[4];
  for (unsigned k = 0; k < 4; ++k) {
    bytes[k] = sample(part.map, k);
    if (!bytes[k]) {
      return false;
    }
  }
  for (unsigned s = 0; s < superlanes; ++s) {
    unsigned lane = s * target.lanesPerSuperlane();
    uint32_t offset = uint32_t(bytes[0][lane]) | uint32_t(bytes[1][lane]) << 8 |
                      uint32_t(bytes[2][lane]) << 16 |
                      uint32_t(bytes[3][lane]) << 24;
    int64_t inside = int64_t(offset) - low;
    words[s] =
        inside >= 0 && inside < part.length ? int32_t(base + inside) : -1;
  }
  return true;
}

bool Chip::readPart(unsigned slice, const MemPart &part, uint32_t i,
                    uint32_t j) {
  ++statistics->wordsRead;
  if (part.access == Access::Linear) {
    int64_t address = part.address.at(i, j);
    if (address < 0 || address >= memory.words()) {
      return fail(absl::StrCat("read of word ", address, ", the bank has ",
                               memory.words()),
                  "M7");
    }
    uint64_t word = memory.wordNumber(slice, part.bank, unsigned(address));
    if (memory.written(word) != memory.allSuperlanes()) {
      return fail(absl::StrCat("read of word ", address, " of bank ", part.bank,
                               ", which nobody wrote"),
                  "M8");
    }
    uint32_t vector = pool.allocate();
    std::memcpy(pool.data(vector), memory.data(word), lanes);
    return drive(part.data, 0, target.latencies().read(), vector);
  }
  std::array<int32_t, 64> words;
  if (!mapWords(part, i, j, words)) {
    return false;
  }
  uint32_t vector = pool.allocate();
  uint8_t *out = pool.data(vector);
  unsigned width = target.lanesPerSuperlane();
  for (unsigned s = 0; s < superlanes; ++s) {
    if (words[s] < 0) {
      std::memset(out + s * width, 0, width);
      continue;
    }
    uint64_t word = memory.wordNumber(slice, part.bank, unsigned(words[s]));
    if (!(memory.written(word) >> s & 1)) {
      pool.release(vector);
      return fail(absl::StrCat("gather of word ", words[s], " of bank ",
                               part.bank, ", which nobody wrote in superlane ",
                               s),
                  "M8");
    }
    std::memcpy(out + s * width, memory.data(word) + s * width, width);
  }
  return drive(part.data, 0, target.latencies().gather(), vector);
}

bool Chip::writePart(unsigned slice, const MemPart &part, uint32_t i,
                     uint32_t j) {
  ++statistics->wordsWritten;
  const uint8_t *from = sample(part.data);
  if (!from) {
    return false;
  }
  auto constant = [&](int64_t address) {
    return fail(absl::StrCat("write to word ", address, " of bank ", part.bank,
                             ", which holds weights"),
                "M9");
  };
  if (part.access == Access::Linear) {
    int64_t address = part.address.at(i, j);
    if (address < 0 || address >= memory.words()) {
      return fail(absl::StrCat("write to word ", address, ", the bank has ",
                               memory.words()),
                  "M7");
    }
    uint64_t word = memory.wordNumber(slice, part.bank, unsigned(address));
    if (memory.isConstant(word)) {
      return constant(address);
    }
    std::memcpy(memory.data(word), from, lanes);
    memory.written(word) = memory.allSuperlanes();
    return true;
  }
  std::array<int32_t, 64> words;
  if (!mapWords(part, i, j, words)) {
    return false;
  }
  unsigned width = target.lanesPerSuperlane();
  for (unsigned s = 0; s < superlanes; ++s) {
    if (words[s] < 0) {
      continue;
    }
    uint64_t word = memory.wordNumber(slice, part.bank, unsigned(words[s]));
    if (memory.isConstant(word)) {
      return constant(words[s]);
    }
    std::memcpy(memory.data(word) + s * width, from + s * width, width);
    memory.written(word) |= uint64_t(1) << s;
  }
  return true;
}
