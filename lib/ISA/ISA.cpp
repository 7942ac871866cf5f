//===- ISA.cpp - The instruction table as constant data -------------------===//

#include "lpu/ISA/ISA.h"
#include <algorithm>
#include <array>

namespace lpu {
namespace {

constexpr int64_t kRequired = INT64_MIN;

struct FieldRow {
  Opcode opcode;
  FieldInfo info;
};

constexpr FieldRow kFields[] = {
#define LPU_FIELD(Instruction, Name, Kind, Bits, Stride, Default, Summary)     \
  {Opcode::Instruction,                                                        \
   {Name, FieldKind::Kind, Bits, Stride != 0, Default, Summary}},
#include "lpu/ISA/Instructions.def"
};

struct EnumRow {
  FieldKind kind;
  std::string_view name;
  int64_t value;
};

constexpr EnumRow kEnums[] = {
#define LPU_ENUM(Kind, Enumerator, Name, Value) {FieldKind::Kind, Name, Value},
#include "lpu/ISA/Instructions.def"
};

/// The fields of each instruction as one contiguous array, built once.
struct Tables {
  std::vector<FieldInfo> fields;
  std::vector<InstructionInfo> instructions;
  std::array<int, 256> byOpcode;

  Tables() {
    byOpcode.fill(-1);
    for (const FieldRow &row : kFields) {
      fields.push_back(row.info);
    }
#define LPU_INSTRUCTION(Enum, Mnemonic, Unit, Code, Summary)                   \
  add(Opcode::Enum, Mnemonic, UnitKind::Unit, Summary);
#include "lpu/ISA/Instructions.def"
  }

  void add(Opcode opcode, std::string_view mnemonic, UnitKind unit,
           std::string_view summary) {
    auto matches = [&](const FieldRow &row) { return row.opcode == opcode; };
    auto *first = std::find_if(std::begin(kFields), std::end(kFields), matches);
    auto count = std::count_if(std::begin(kFields), std::end(kFields), matches);
    std::span<const FieldInfo> span;
    if (count) {
      span = std::span<const FieldInfo>(fields).subspan(
          size_t(first - std::begin(kFields)), size_t(count));
    }
    byOpcode[size_t(opcode)] = int(instructions.size());
    instructions.push_back({opcode, mnemonic, unit, summary, span});
  }
};

const Tables &tables() {
  static const Tables instance;
  return instance;
}

/// Position of field `index` among the strided fields, or -1.
int getStrideSlot(const InstructionInfo &info, unsigned index) {
  if (!info.fields[index].strided) {
    return -1;
  }
  int slot = 0;
  for (unsigned i = 0; i < index; ++i) {
    slot += info.fields[i].strided;
  }
  return slot;
}

} // namespace

int InstructionInfo::fieldIndex(std::string_view name) const {
  for (size_t i = 0; i < fields.size(); ++i) {
    if (fields[i].name == name) {
      return int(i);
    }
  }
  return -1;
}

std::span<const InstructionInfo> getInstructionTable() {
  return tables().instructions;
}

const InstructionInfo *lookupInstruction(Opcode opcode) {
  int index = tables().byOpcode[size_t(opcode)];
  return index < 0 ? nullptr : &tables().instructions[size_t(index)];
}

const InstructionInfo *lookupMnemonic(std::string_view mnemonic) {
  for (const InstructionInfo &info : getInstructionTable()) {
    if (info.mnemonic == mnemonic) {
      return &info;
    }
  }
  return nullptr;
}

bool fitsField(const FieldInfo &field, int64_t value) {
  if (field.bits == 64) {
    return true;
  }
  int64_t half = int64_t(1) << (field.bits - 1);
  if (field.kind == FieldKind::Signed) {
    return value >= -half && value < half;
  }
  return value >= 0 && value < 2 * half;
}

std::string_view getEnumName(FieldKind kind, int64_t value) {
  for (const EnumRow &row : kEnums) {
    if (row.kind == kind && row.value == value) {
      return row.name;
    }
  }
  return {};
}

std::optional<int64_t> parseEnum(FieldKind kind, std::string_view name) {
  for (const EnumRow &row : kEnums) {
    if (row.kind == kind && row.name == name) {
      return row.value;
    }
  }
  return std::nullopt;
}

std::string_view getUnitKindName(UnitKind kind) {
  constexpr std::string_view names[] = {
      "any",       "mem",         "vxm",           "mxm weights",
      "mxm activations", "mxm accumulators", "sxm shift", "sxm permute",
      "sxm transpose",   "c2c send",         "c2c receive"};
  return names[size_t(kind)];
}

Instruction Instruction::make(Opcode opcode) {
  Instruction result;
  result.opcode = opcode;
  for (const FieldInfo &field : result.info().fields) {
    result.fields.push_back(field.defaultValue == kRequired ? 0
                                                            : field.defaultValue);
  }
  return result;
}

int64_t Instruction::get(std::string_view name) const {
  return fields[size_t(info().fieldIndex(name))];
}

void Instruction::set(std::string_view name, int64_t value) {
  fields[size_t(info().fieldIndex(name))] = value;
}

int64_t Instruction::get(unsigned index, uint32_t i, uint32_t j) const {
  if (repeat.strides.empty()) {
    return fields[index];
  }
  int slot = getStrideSlot(info(), index);
  if (slot < 0 || size_t(slot) >= repeat.strides.size()) {
    return fields[index];
  }
  const Repeat::Stride &stride = repeat.strides[size_t(slot)];
  return fields[index] + int64_t(i) * stride.i + int64_t(j) * stride.j;
}

void Instruction::setStride(std::string_view name, int32_t i, int32_t j) {
  int slot = getStrideSlot(info(), unsigned(info().fieldIndex(name)));
  if (slot < 0) {
    return;
  }
  if (repeat.strides.size() <= size_t(slot)) {
    repeat.strides.resize(size_t(slot) + 1);
  }
  repeat.strides[size_t(slot)] = {i, j};
}

} // namespace lpu
