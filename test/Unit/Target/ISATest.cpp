#include "lpu/ISA/PackedInstruction.h"
#include <gtest/gtest.h>
#include <set>

using namespace lpu;

TEST(ISATest, opcodesAndMnemonicsAreUnique) {
  std::set<Opcode> opcodes;
  std::set<std::string_view> mnemonics;
  for (const InstructionInfo &info : getInstructionTable()) {
    EXPECT_TRUE(opcodes.insert(info.opcode).second) << info.mnemonic;
    EXPECT_TRUE(mnemonics.insert(info.mnemonic).second) << info.mnemonic;
    EXPECT_EQ(lookupInstruction(info.opcode), &info);
    EXPECT_EQ(lookupMnemonic(info.mnemonic), &info);
  }
  EXPECT_EQ(opcodes.size(), 18u);
  EXPECT_EQ(lookupInstruction(Opcode(0xff)), nullptr);
  EXPECT_EQ(lookupMnemonic("add"), nullptr);
}

TEST(ISATest, fieldNamesAreUniqueAndDefaultsFit) {
  for (const InstructionInfo &info : getInstructionTable()) {
    std::set<std::string_view> names;
    for (const FieldInfo &field : info.fields) {
      EXPECT_TRUE(names.insert(field.name).second) << info.mnemonic;
      if (field.defaultValue == INT64_MIN || field.bits == 64) {
        continue;
      }
      int64_t low = field.kind == FieldKind::Signed ? -(int64_t(1) << (field.bits - 1)) : 0;
      int64_t high = field.kind == FieldKind::Signed
                         ? (int64_t(1) << (field.bits - 1)) - 1
                         : (int64_t(1) << field.bits) - 1;
      EXPECT_GE(field.defaultValue, low) << field.name;
      EXPECT_LE(field.defaultValue, high) << field.name;
    }
  }
}

TEST(ISATest, enumerationsFitTheirFields) {
  for (const InstructionInfo &info : getInstructionTable()) {
    for (const FieldInfo &field : info.fields) {
      if (field.kind == FieldKind::Unsigned || field.kind == FieldKind::Signed) {
        continue;
      }
      int64_t value = 0;
      for (; !getEnumName(field.kind, value).empty(); ++value) {
        EXPECT_EQ(parseEnum(field.kind, getEnumName(field.kind, value)), value);
      }
      EXPECT_GT(value, 1) << field.name;
      EXPECT_LE(value, int64_t(1) << field.bits) << field.name;
    }
  }
}

TEST(ISATest, stridesStepTheirFieldsOnly) {
  Instruction read = Instruction::make(Opcode::Mem);
  read.set("r_addr", 5);
  read.repeat = {2, 1, 2, 10, {}};
  read.setStride("r_addr", 1, 2);
  unsigned addr = unsigned(read.info().fieldIndex("r_addr"));
  EXPECT_EQ(read.get(addr, 0, 1), 7);
  EXPECT_EQ(read.get(addr, 1, 0), 6);
  EXPECT_EQ(read.get(addr, 1, 1), 8);
  unsigned id = unsigned(read.info().fieldIndex("r_id"));
  EXPECT_EQ(read.get(id, 1, 1), 0);
  EXPECT_EQ(read.repeat.span(), 11);
}

TEST(ISATest, packedInstructionsKeepAll) {
  for (const InstructionInfo &info : getInstructionTable()) {
    for (bool largest : {false, true}) {
      Instruction instruction = Instruction::make(info.opcode);
      for (size_t k = 0; k < info.fields.size(); ++k) {
        const FieldInfo &field = info.fields[k];
        bool isSigned = field.kind == FieldKind::Signed;
        int64_t low = isSigned ? -(int64_t(1) << (field.bits - 1)) : 0;
        int64_t high = field.bits == 64 ? -1 : low + (int64_t(1) << field.bits) - 1;
        instruction.fields[k] = (k % 2 == 0) == largest ? high : low;
        if (field.strided && largest) {
          instruction.setStride(field.name, -int32_t(k) - 1, INT32_MAX);
        }
      }
      instruction.repeat.n = UINT32_MAX;
      instruction.repeat.e = largest ? UINT32_MAX : 0;
      std::optional<PackedInstruction> packed = PackedInstruction::pack(instruction);
      ASSERT_TRUE(packed) << info.mnemonic;
      EXPECT_EQ(packed->unpack(), instruction) << info.mnemonic;
      EXPECT_NE(*packed, *PackedInstruction::pack(Instruction::make(info.opcode)));
    }
  }
}

TEST(ISATest, packedInstructionsRejectWhatDoesNotFit) {
  Instruction read = Instruction::make(Opcode::Mem);
  for (auto [field, value] : {std::pair("r_addr", int64_t(65536)), std::pair("r_bank", int64_t(-1)),
                              std::pair("r_lo", int64_t(1) << 31)}) {
    Instruction wrong = read;
    wrong.set(field, value);
    EXPECT_FALSE(PackedInstruction::pack(wrong)) << field;
  }
  EXPECT_TRUE(PackedInstruction::pack(read)->isValid());
  EXPECT_FALSE(PackedInstruction().isValid());
}
