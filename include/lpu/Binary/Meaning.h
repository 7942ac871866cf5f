//===- Meaning.h - What instructions are meant to do and find ---*- C++ -*-===//
//
// The numbers of a Meaning (Program.h), defined in docs/Spec/Binary.md. Whoever states
// a meaning follows the order in which the program was meant; the verifier follows the
// cycles of the finished program, with code of its own, and expects the same numbers.
//
//===----------------------------------------------------------------------===//
#ifndef LPU_BINARY_MEANING_H
#define LPU_BINARY_MEANING_H

#include "lpu/Binary/Program.h"
#include <span>

namespace lpu::meaning {

/// A bijection in which every bit of the result depends on all bits of `x`.
constexpr uint64_t mix(uint64_t x) {
  x += 0x9e3779b97f4a7c15;
  x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
  x = (x ^ x >> 27) * 0x94d049bb133111eb;
  return x ^ x >> 31;
}
constexpr uint64_t join(uint64_t a, uint64_t b) { return mix(mix(a) ^ b); }

/// Where an instruction takes something in.
enum class Place : uint8_t {
  Operand = 1, ///< stream, mesh or MXM result: number, byte
  Word,        ///< read part, or its window
  OldWord,     ///< what a write part replaces, in all of its window
  Register,    ///< of an ALU: operand, 3 for the one that acc combines into
  Array,       ///< installed weights of an ABC
  Accumulator, ///< what an ACC adds to or replaces
  Emitted,     ///< what an ACC drives
};
/// What keeps values between instructions.
enum class Cell : uint8_t {
  Word = 1,    ///< slice * banks + bank, word
  Register,    ///< ALU, 0
  Accumulator, ///< plane, number
};

/// What operation and counts `instruction` was meant to have: opcode, n and m of its
/// Repeat, every field with its strides but for those that say where operands and results
/// lie (streams, ALUs, words, row groups, accumulators), which Meaning::sources covers.
uint32_t getOperation(const Instruction &instruction);

/// `byte` of operand `number` takes `fromByte` of the producer's result.
constexpr uint64_t getEdge(unsigned number, unsigned byte, uint32_t producer,
                           unsigned result, unsigned fromByte) {
  return join(uint64_t(Place::Operand) << 56 | uint64_t(number) << 48 | uint64_t(byte) << 32,
              uint64_t(result) << 48 | uint64_t(fromByte) << 32 | producer);
}
/// Share of one sample: issue `k` of the consumer takes what issue `from` of the producer gave.
constexpr uint64_t getSample(uint64_t edge, uint32_t k, uint32_t from) {
  return mix(edge ^ (uint64_t(k) << 32 | from));
}

/// Words of a window differ by this.
inline constexpr uint64_t kWordStep = 0x9e3779b97f4a7c15;

/// What a cell holds before any instruction.
constexpr uint64_t getInitial(Cell cell, uint64_t unit, uint64_t index) {
  return mix(uint64_t(cell) << 56 | unit) + index * kWordStep;
}
/// What issue `k` of `producer` leaves in a cell, the first one of a window.
constexpr uint64_t getStored(uint32_t producer, uint32_t k) {
  return join(uint64_t(0xff) << 56, uint64_t(producer) << 32 | k);
}
/// Share of word `part` in what a window holds.
constexpr uint64_t getPart(unsigned part, uint64_t contents) {
  return contents * (part * 0xd1342543de82ef94 + 1);
}
/// Share of one access: issue `k` finds `contents` in a cell, or all of a window's.
constexpr uint64_t getAccess(Place place, unsigned number, uint32_t k, uint64_t contents) {
  return join(uint64_t(place) << 56 | uint64_t(number) << 48 | k, contents);
}
/// Share of a row group in an array.
constexpr uint64_t getRows(unsigned group, uint64_t contents) {
  return join(uint64_t(0xfe) << 56 | group, contents);
}

/// An instruction in its place in the order that is meant.
struct Issue {
  QueueId queue;
  const Instruction *instruction = nullptr;
  int64_t cycle = 0;           ///< of its first issue
  bool hasOwnRegister = false; ///< of whatever ALU it will get
  Meaning *meaning = nullptr;  ///< `sources` is added to
};

/// Follows words, registers, weights and accumulators through a program in the order in
/// which it is meant.
class Storage {
public:
  explicit Storage(const Target &target);
  /// Instructions whose cycles say their order among themselves; all come after those of
  /// earlier calls. Addresses outside of the chip are passed over.
  void add(std::vector<Issue> issues);

private:
  struct Plane {
    std::vector<uint64_t> buffer; ///< by row group, 0 for none
    uint64_t array = 0;
    std::vector<std::pair<int64_t, uint64_t>> installs; ///< seen from a cycle on
  };
  void addQueue(std::span<const Issue> issues);
  void addWords(const Issue &issue, uint32_t i, uint32_t j, uint32_t k);
  void addRegister(const Issue &issue, uint32_t j, uint32_t k, uint64_t &contents);
  void addWeights(const Issue &issue, uint32_t i, uint32_t j, uint32_t k, int64_t cycle);
  void addAccumulator(const Issue &issue, uint32_t i, uint32_t j, uint32_t k);

  const Target &target;
  std::vector<uint64_t> words, accumulators, registers; ///< contents, 0 for initial ones
  std::vector<Plane> planes;
};

} // namespace lpu::meaning

#endif // LPU_BINARY_MEANING_H
