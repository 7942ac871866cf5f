//===- Mutations.h - Binaries changed in one place --------------*- C++ -*-===//
#ifndef LPU_TEST_MUTATION_MUTATIONS_H
#define LPU_TEST_MUTATION_MUTATIONS_H

#include "lpu/Binary/Program.h"
#include <string>
#include <vector>

namespace lpu::mutation {

/// One change by one of one number of an entry.
struct Mutation {
  enum class Of : uint8_t {
    Cycle,   ///< issue of one instruction
    Gap,     ///< the nop before an instruction: what follows in the queue moves along
    Field,   ///< `number` of the instruction, to `value`
    Repeat,  ///< n, d, m, e by `number`
    Stride,  ///< `number` is twice the slot, odd for the inner stride
    Intent,  ///< number `number` of record `index`
    Meaning, ///< number `number` of the meaning of instruction `index` of the entry
    Promise, ///< the cycle count
  } of;
  uint32_t queue = 0, index = 0, number = 0;
  int64_t value = 0; ///< of a field; else what is added
};

/// All of them, in the order of the entry.
std::vector<Mutation> enumerate(const EntryProgram &entry);

/// "bank", "address", "stream", ...: the rows of the table of results.
std::string getKind(const EntryProgram &entry, const Mutation &mutation);

/// Whether the instruction has no use for the number, as docs/Spec/ISA.md has it: a field of a
/// part that is absent, an interval or stride of a Repeat that does not repeat that way.
bool isUnused(const EntryProgram &entry, const Mutation &mutation);

/// Changes `entry`; apply(invert(m)) takes it back.
void apply(EntryProgram &entry, const Mutation &mutation);
Mutation invert(const EntryProgram &before, const Mutation &mutation);

/// "queue mem.w3, mem@14#2: r_addr 5 -> 6", with the instruction's text.
std::string describe(const Program &program, const EntryProgram &before,
                     const Mutation &mutation);

} // namespace lpu::mutation

#endif // LPU_TEST_MUTATION_MUTATIONS_H
