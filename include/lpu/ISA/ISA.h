//===- ISA.h - Instructions as data -----------------------------*- C++ -*-===//
//
// The instruction table (Instructions.def) as constant data, and the decoded
// form of an instruction that every consumer of the table shares.
//
//===----------------------------------------------------------------------===//
#ifndef LPU_ISA_ISA_H
#define LPU_ISA_ISA_H

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace lpu {

enum class UnitKind : uint8_t {
  Any,
  Mem,
  Vxm,
  MxmWeights,
  MxmActivations,
  MxmAccumulators,
  SxmShift,
  SxmPermute,
  SxmTranspose,
  C2cSend,
  C2cReceive,
};

enum class Opcode : uint8_t {
#define LPU_INSTRUCTION(Enum, Mnemonic, Unit, Code, Summary) Enum = Code,
#include "lpu/ISA/Instructions.def"
};

enum class FieldKind : uint8_t {
  Unsigned,
  Signed,
  Float,
#define LPU_ENUM_BEGIN(Kind) Kind,
#include "lpu/ISA/Instructions.def"
};

/// The values of the fields that are enumerations.
namespace fields {
#define LPU_ENUM_BEGIN(Kind) enum class Kind : uint8_t {
#define LPU_ENUM(Kind, Enumerator, Name, Value) Enumerator = Value,
#define LPU_ENUM_END(Kind) };
#include "lpu/ISA/Instructions.def"
} // namespace fields
using fields::Direction;

/// One field of an instruction, as the table has it.
struct FieldInfo {
  std::string_view name;
  FieldKind kind;
  unsigned bits;
  bool strided;
  /// INT64_MIN where the assembler text must give the field.
  int64_t defaultValue;
  std::string_view summary;
};

struct InstructionInfo {
  Opcode opcode;
  std::string_view mnemonic;
  UnitKind unit;
  std::string_view summary;
  std::span<const FieldInfo> fields;
  /// Index of the field called `name`, or -1.
  int fieldIndex(std::string_view name) const;
};

/// All instructions, in the order of Instructions.def.
std::span<const InstructionInfo> getInstructionTable();
/// The entry of `opcode`, or null for a byte that is no opcode.
const InstructionInfo *lookupInstruction(Opcode opcode);
const InstructionInfo *lookupMnemonic(std::string_view mnemonic);

/// Whether `value` can be said in the bits of `field`.
bool fitsField(const FieldInfo &field, int64_t value);

/// Spelling of an enumeration value ("east"), or empty when out of range.
std::string_view getEnumName(FieldKind kind, int64_t value);
std::optional<int64_t> parseEnum(FieldKind kind, std::string_view name);
std::string_view getUnitKindName(UnitKind kind);

/// Repeat {n, d, m, e}: issues at T + i * e + j * d for 0 <= i < m (outer),
/// 0 <= j < n (inner). A plain instruction has n = m = 1.
struct Repeat {
  uint32_t n = 1, d = 1, m = 1, e = 0;
  /// Strides of the strided fields, in the table's order of those fields;
  /// empty or shorter means zero. `i` is the outer stride, `j` the inner one.
  struct Stride {
    int32_t i = 0, j = 0;
    bool operator==(const Stride &) const = default;
  };
  std::vector<Stride> strides;

  bool isPlain() const { return n == 1 && m == 1; }
  /// Cycles from the first to the last issue.
  int64_t span() const {
    return int64_t(m - 1) * e + int64_t(n - 1) * d;
  }
  bool operator==(const Repeat &) const = default;
};

/// One decoded instruction: field values in the table's order.
struct Instruction {
  Opcode opcode = Opcode::Nop;
  std::vector<int64_t> fields;
  Repeat repeat;

  /// An instruction of `opcode` with every field at its default (required
  /// fields at 0).
  static Instruction make(Opcode opcode);
  const InstructionInfo &info() const { return *lookupInstruction(opcode); }
  /// Value of the field called `name`; the field must exist.
  int64_t get(std::string_view name) const;
  void set(std::string_view name, int64_t value);
  /// Value of field `index` in issue (i, j) of the repeat.
  int64_t get(unsigned index, uint32_t i, uint32_t j) const;
  /// Sets the strides of the strided field called `name`.
  void setStride(std::string_view name, int32_t i, int32_t j);
  bool operator==(const Instruction &) const = default;
};

/// An instruction with its issue cycle, as a queue's program lists them.
struct TimedInstruction {
  int64_t cycle = 0;
  Instruction instruction;
  bool operator==(const TimedInstruction &) const = default;
};

} // namespace lpu

#endif // LPU_ISA_ISA_H
