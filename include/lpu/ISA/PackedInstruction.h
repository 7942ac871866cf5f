//===- PackedInstruction.h - Instructions in few bytes ----------*- C++ -*-===//
#ifndef LPU_ISA_PACKEDINSTRUCTION_H
#define LPU_ISA_PACKEDINSTRUCTION_H

#include "lpu/ISA/ISA.h"
#include <array>

namespace lpu {

/// An Instruction as the bits of its fields, without memory of its own: for
/// programs of millions. Strides of zero behind the last other one are dropped.
class PackedInstruction {
public:
  /// No instruction: `isValid` is false, nothing else may be asked.
  PackedInstruction() = default;
  /// Nothing when a field does not fit its bits.
  static std::optional<PackedInstruction> pack(const Instruction &instruction);
  Instruction unpack() const;

  bool isValid() const { return lookupInstruction(opcode) != nullptr; }
  const InstructionInfo &info() const { return *lookupInstruction(opcode); }
  bool operator==(const PackedInstruction &) const = default;

  static constexpr unsigned kMaxStrides = 4; ///< strided fields of an instruction

private:
  std::array<uint64_t, 4> bits = {}; ///< fields in the table's order, low end first
  uint32_t n = 1, d = 1, m = 1, e = 0;
  std::array<Repeat::Stride, kMaxStrides> strides = {};
  uint8_t numStrides = 0;
  Opcode opcode = Opcode(0xff);
};

} // namespace lpu

#endif // LPU_ISA_PACKEDINSTRUCTION_H
