//===- Encoding.cpp - Queue programs as bytes -----------------------------===//
//
// An instruction is its opcode byte (top bit: a Repeat follows), the bits of
// its fields in table order, and then n, d, m, e (32 bits each), a stride count
// (8 bits) and that many (i, j) pairs of 32 bits; bits fill bytes from the low
// end and every instruction starts at a byte. A gap between issues is a Nop.
//
//===----------------------------------------------------------------------===//

#include "absl/strings/str_cat.h"
#include "lpu/Binary/Program.h"
#include "lpu/Support/Strings.h"
#include <algorithm>

namespace lpu {
namespace {

constexpr uint8_t kRepeatFlag = 0x80;

class BitWriter {
public:
  explicit BitWriter(std::vector<uint8_t> &bytes) : bytes(bytes) {}
  void write(uint64_t value, unsigned bits) {
    while (bits > 0) {
      if (fill == 0) {
        bytes.push_back(0);
      }
      unsigned taken = std::min(bits, 8 - fill);
      bytes.back() |= uint8_t((value & ((1u << taken) - 1)) << fill);
      value >>= taken;
      bits -= taken;
      fill = (fill + taken) % 8;
    }
  }

private:
  std::vector<uint8_t> &bytes;
  unsigned fill = 0;
};

class BitReader {
public:
  BitReader(std::span<const uint8_t> bytes, size_t position)
      : bytes(bytes), bit(position * 8) {}
  uint64_t read(unsigned bits) {
    uint64_t value = 0;
    for (unsigned i = 0; i < bits; ++i, ++bit) {
      if (bit / 8 >= bytes.size()) {
        overrun = true;
        return 0;
      }
      value |= uint64_t(bytes[bit / 8] >> (bit % 8) & 1) << i;
    }
    return value;
  }
  size_t nextByte() const { return (bit + 7) / 8; }
  bool overrun = false;

private:
  std::span<const uint8_t> bytes;
  size_t bit;
};

bool isFlagged(const Repeat &repeat) {
  return !repeat.isPlain() || !repeat.strides.empty();
}

absl::Status encodeOne(const Instruction &instruction,
                       std::vector<uint8_t> &bytes) {
  const InstructionInfo &info = instruction.info();
  bool repeated = isFlagged(instruction.repeat);
  bytes.push_back(uint8_t(info.opcode) | (repeated ? kRepeatFlag : 0));
  BitWriter writer(bytes);
  for (size_t i = 0; i < info.fields.size(); ++i) {
    const FieldInfo &field = info.fields[i];
    if (!fitsField(field, instruction.fields[i])) {
      return absl::InvalidArgumentError(absl::StrCat(
          toAbsl(info.mnemonic), ": field ", toAbsl(field.name), " = ",
          instruction.fields[i], " does not fit its ", field.bits, " bits"));
    }
    writer.write(uint64_t(instruction.fields[i]), field.bits);
  }
  if (repeated) {
    const Repeat &r = instruction.repeat;
    for (uint32_t value : {r.n, r.d, r.m, r.e}) {
      writer.write(value, 32);
    }
    writer.write(r.strides.size(), 8);
    for (const Repeat::Stride &stride : r.strides) {
      writer.write(uint32_t(stride.i), 32);
      writer.write(uint32_t(stride.j), 32);
    }
  }
  return absl::OkStatus();
}

/// Decodes the instruction at `position` and moves past it.
absl::StatusOr<Instruction> decodeOne(std::span<const uint8_t> bytes,
                                      size_t &position) {
  uint8_t first = bytes[position];
  const InstructionInfo *info = lookupInstruction(Opcode(first & ~kRepeatFlag));
  if (!info) {
    return absl::DataLossError(absl::StrCat(
        "no instruction has opcode ", int(first & ~kRepeatFlag), " (byte ",
        position, ")"));
  }
  Instruction result;
  result.opcode = info->opcode;
  BitReader reader(bytes, position + 1);
  for (const FieldInfo &field : info->fields) {
    uint64_t raw = reader.read(field.bits);
    bool negative = field.kind == FieldKind::Signed && raw >> (field.bits - 1) & 1;
    result.fields.push_back(
        negative ? int64_t(raw) - (int64_t(1) << field.bits) : int64_t(raw));
  }
  if (first & kRepeatFlag) {
    Repeat &r = result.repeat;
    for (uint32_t *value : {&r.n, &r.d, &r.m, &r.e}) {
      *value = uint32_t(reader.read(32));
    }
    size_t strides = reader.read(8);
    for (size_t i = 0; i < strides && !reader.overrun; ++i) {
      int32_t outer = int32_t(reader.read(32));
      r.strides.push_back({outer, int32_t(reader.read(32))});
    }
  }
  if (reader.overrun) {
    return absl::DataLossError(absl::StrCat(
        toAbsl(info->mnemonic), " at byte ", position, " is cut off"));
  }
  position = reader.nextByte();
  return result;
}

} // namespace

absl::StatusOr<std::vector<uint8_t>> encodeQueue(const Target &target,
                                                 const QueueStream &queue) {
  std::vector<uint8_t> bytes;
  int64_t free = 0;
  for (const TimedInstruction &timed : queue.instructions) {
    if (timed.cycle < free) {
      return absl::InvalidArgumentError(absl::StrCat(
          "queue ", target.queueName(queue.queue), ": ",
          toAbsl(timed.instruction.info().mnemonic), " at cycle ", timed.cycle,
          " while the queue is busy up to cycle ", free - 1));
    }
    if (timed.cycle > free) {
      Instruction nop = Instruction::make(Opcode::Nop);
      nop.set("count", timed.cycle - free);
      if (absl::Status status = encodeOne(nop, bytes); !status.ok()) {
        return status;
      }
    }
    if (absl::Status status = encodeOne(timed.instruction, bytes); !status.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat("queue ", target.queueName(queue.queue), ", cycle ",
                       timed.cycle, ": ", status.message()));
    }
    free = timed.cycle + timed.instruction.repeat.span() + 1;
  }
  return bytes;
}

absl::StatusOr<QueueStream> decodeQueue(const Target &target, QueueId queue,
                                        std::span<const uint8_t> bytes) {
  QueueStream result{queue, {}};
  int64_t cycle = 0;
  for (size_t position = 0; position < bytes.size();) {
    absl::StatusOr<Instruction> instruction = decodeOne(bytes, position);
    if (!instruction.ok()) {
      return absl::DataLossError(absl::StrCat("queue ", target.queueName(queue),
                                              ": ", instruction.status().message()));
    }
    if (instruction->opcode == Opcode::Nop) {
      cycle += instruction->fields[0];
      continue;
    }
    int64_t span = instruction->repeat.span();
    result.instructions.push_back({cycle, *std::move(instruction)});
    cycle += span + 1;
  }
  return result;
}

} // namespace lpu
