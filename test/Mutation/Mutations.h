//===- Mutations.h - Binaries changed in one place --------------*- C++ -*-===//
#ifndef LPU_TEST_MUTATION_MUTATIONS_H
#define LPU_TEST_MUTATION_MUTATIONS_H

#include "lpu/Binary/Program.h"
#include <string>
#include <vector>

namespace lpu::mutation {

/// One change by one of one number of an entry, or of the image.
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
    Image,   ///< number `number` of the words of image region `index`
    Region,  ///< the same of a region of the entry
    Plane,   ///< number `number` of byte plane `index` of inputs, outputs and derived inputs
  } of;
  uint32_t entry = 0, queue = 0, index = 0, number = 0;
  int64_t value = 0; ///< of a field; else what is added
};

/// All of them of entry number `entry`, in its order.
std::vector<Mutation> enumerate(const Program &program, uint32_t entry);

/// "bank", "address", "stream", ...: the rows of the table of results.
std::string getKind(const Program &program, const Mutation &mutation);

/// Whether the instruction has no use for the number, as docs/Spec/ISA.md has it: a field of a
/// part that is absent, an interval or stride of a Repeat that does not repeat that way. Scratch
/// regions are for the memory map alone.
bool isUnused(const Program &program, const Mutation &mutation);

/// Changes `program`; apply(invert(m)) takes it back.
void apply(Program &program, const Mutation &mutation);
Mutation invert(const Program &before, const Mutation &mutation);

/// "queue mem.w3, mem@14#2: r_addr 5 -> 6", with the instruction's text.
std::string describe(const Program &before, const Mutation &mutation);

} // namespace lpu::mutation

#endif // LPU_TEST_MUTATION_MUTATIONS_H
