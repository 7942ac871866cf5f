//===- PackedInstruction.cpp - Instructions in few bytes ------------------===//

#include "lpu/ISA/PackedInstruction.h"

using namespace lpu;

namespace {

constexpr unsigned kBits = 256;

/// Every instruction of the table fits.
consteval bool fitsAll() {
  struct Field {
    Opcode opcode;
    unsigned bits, strided;
  };
  constexpr Field fields[] = {
#define LPU_FIELD(Instruction, Name, Kind, Bits, Stride, Default, Summary)     \
  {Opcode::Instruction, Bits, Stride},
#include "lpu/ISA/Instructions.def"
  };
  for (const Field &first : fields) {
    unsigned bits = 0, strides = 0;
    for (const Field &field : fields) {
      bits += field.opcode == first.opcode ? field.bits : 0;
      strides += field.opcode == first.opcode ? field.strided : 0;
    }
    if (bits > kBits || strides > PackedInstruction::kMaxStrides) {
      return false;
    }
  }
  return true;
}
static_assert(fitsAll());

uint64_t getMask(unsigned bits) {
  return bits == 64 ? ~uint64_t(0) : (uint64_t(1) << bits) - 1;
}

} // namespace

std::optional<PackedInstruction> PackedInstruction::pack(const Instruction &instruction) {
  PackedInstruction packed;
  packed.opcode = instruction.opcode;
  unsigned at = 0;
  for (size_t k = 0; k < instruction.fields.size(); ++k) {
    const FieldInfo &field = instruction.info().fields[k];
    if (!fitsField(field, instruction.fields[k])) {
      return std::nullopt;
    }
    uint64_t value = uint64_t(instruction.fields[k]) & getMask(field.bits);
    packed.bits[at / 64] |= value << (at % 64);
    if (at % 64 + field.bits > 64) {
      packed.bits[at / 64 + 1] |= value >> (64 - at % 64);
    }
    at += field.bits;
  }
  const Repeat &repeat = instruction.repeat;
  packed.n = repeat.n, packed.d = repeat.d, packed.m = repeat.m, packed.e = repeat.e;
  for (size_t k = 0; k < repeat.strides.size(); ++k) {
    if (repeat.strides[k] != Repeat::Stride()) {
      packed.strides[k] = repeat.strides[k];
      packed.numStrides = uint8_t(k + 1);
    }
  }
  return packed;
}

Instruction PackedInstruction::unpack() const {
  Instruction instruction;
  instruction.opcode = opcode;
  unsigned at = 0;
  instruction.fields.reserve(info().fields.size());
  for (const FieldInfo &field : info().fields) {
    uint64_t value = bits[at / 64] >> (at % 64);
    if (at % 64 + field.bits > 64) {
      value |= bits[at / 64 + 1] << (64 - at % 64);
    }
    value &= getMask(field.bits);
    bool isNegative = field.kind == FieldKind::Signed && value >> (field.bits - 1) & 1;
    instruction.fields.push_back(int64_t(isNegative ? value | ~getMask(field.bits) : value));
    at += field.bits;
  }
  instruction.repeat.n = n, instruction.repeat.d = d;
  instruction.repeat.m = m, instruction.repeat.e = e;
  instruction.repeat.strides.assign(strides.begin(), strides.begin() + numStrides);
  return instruction;
}
