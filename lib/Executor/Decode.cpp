//===- Decode.cpp - Instructions as flat structs --------------------------===//
#include "Decode.h"
#include "absl/strings/str_cat.h"
#include "lpu/Support/Strings.h"
#include <algorithm>

using namespace lpu;
using namespace lpu::executor;

namespace {
/// Where a field lies in an instruction and in its list of strides; looked up
/// by name once.
struct Field {
  unsigned index = 0;
  int stride = -1;
  Field(Opcode opcode, std::string_view name) {
    const InstructionInfo &info = *lookupInstruction(opcode);
    index = unsigned(info.fieldIndex(name));
    if (info.fields[index].strided) {
      stride = 0;
      for (unsigned i = 0; i < index; ++i) {
        stride += info.fields[i].strided;
      }
    }
  }
};

int64_t get(const Instruction &in, const Field &field) {
  return in.fields[field.index];
}
Stepped getStepped(const Instruction &in, const Field &field) {
  Stepped result;
  result.value = in.fields[field.index];
  if (field.stride >= 0 && size_t(field.stride) < in.repeat.strides.size()) {
    result.si = in.repeat.strides[field.stride].i;
    result.sj = in.repeat.strides[field.stride].j;
  }
  return result;
}

/// The first violated rule of an instruction.
struct Violation {
  std::string text;
  std::string_view rule;
};

class Decoder {
public:
  Decoder(const Program &program) : program(program), target(program.target) {}

  FlatOp decode(QueueId queue, const TimedInstruction &timed);
  /// Empty text where nothing is wrong with the last instruction.
  const Violation &violation() const { return found; }

private:
  void violate(std::string text, std::string_view rule) {
    if (found.text.empty()) {
      found = {std::move(text), rule};
    }
  }
  StreamRef stream(const Instruction &in, const Field &direction,
                   const Field &id, unsigned count = 1, unsigned step = 1) {
    StreamRef ref{Direction(get(in, direction)), uint8_t(get(in, id))};
    if (ref.id + (count - 1) * step >= target.streams()) {
      violate(absl::StrCat("expected stream ids below ", target.streams(),
                           ", got ", ref.id + (count - 1) * step),
              "T8");
    }
    return ref;
  }
  MemOp decodeMem(const Instruction &in);
  void checkMemPart(const MemPart &part, std::string_view what);
  VxmOp decodeAlu(const Instruction &in);
  void checkOperands(const VxmOp &op);
  WeightsOp decodeWeights(QueueId queue, const Instruction &in);
  ActivateOp decodeActivate(QueueId queue, const Instruction &in);
  AccumulateOp decodeAccumulate(const Instruction &in);
  SxmOp decodeShift(const Instruction &in);
  SxmOp decodeTabled(const Instruction &in);
  SxmOp decodeRotate(const Instruction &in);
  SxmOp decodeTranspose(const Instruction &in);
  void checkGang(QueueId queue, MxmFormat format);
  void checkTable(Opcode opcode, unsigned table);

  const Program &program;
  const Target &target;
  Violation found;
};

unsigned bytesOf(StreamType type) {
  constexpr unsigned kBytes[] = {1, 2, 4, 2, 2, 4};
  return kBytes[unsigned(type)];
}
unsigned bytesOf(Drive drive) {
  constexpr unsigned kBytes[] = {1, 1, 2, 4, 2, 2, 4};
  return kBytes[unsigned(drive)];
}

/// Operands that an operation takes.
unsigned operandsOf(AluOp op) {
  switch (op) {
  case AluOp::Fma:
  case AluOp::Select:
    return 3;
  case AluOp::Abs:
  case AluOp::Neg:
  case AluOp::F2I:
  case AluOp::I2F:
  case AluOp::F2H:
  case AluOp::Exp2:
  case AluOp::Log2:
  case AluOp::Tanh:
  case AluOp::Rsqrt:
  case AluOp::Rcp:
  case AluOp::Copy:
  case AluOp::Bits:
  case AluOp::Delay:
  case AluOp::Acc:
  case AluOp::AccMax:
    return 1;
  default:
    return 2;
  }
}

void Decoder::checkMemPart(const MemPart &part, std::string_view what) {
  if (part.access == Access::None) {
    return;
  }
  if (part.bank >= target.banks()) {
    violate(absl::StrCat(toAbsl(what), ": expected a bank below ",
                         target.banks(), ", got ", part.bank),
            "M7");
  }
}

MemOp Decoder::decodeMem(const Instruction &in) {
  struct PartFields {
    Field access, bank, address, direction, id, mapDirection, mapId, low, length;
    PartFields(const std::string &p)
        : access(Opcode::Mem, p), bank(Opcode::Mem, p + "_bank"),
          address(Opcode::Mem, p + "_addr"), direction(Opcode::Mem, p + "_dir"),
          id(Opcode::Mem, p + "_id"), mapDirection(Opcode::Mem, p + "_map_dir"),
          mapId(Opcode::Mem, p + "_map_id"), low(Opcode::Mem, p + "_lo"),
          length(Opcode::Mem, p + "_len") {}
  };
  static const PartFields parts[2] = {PartFields("r"), PartFields("w")};
  MemOp op;
  for (int k = 0; k < 2; ++k) {
    const PartFields &f = parts[k];
    MemPart &part = k == 0 ? op.read : op.write;
    part.access = Access(get(in, f.access));
    part.bank = uint8_t(get(in, f.bank));
    part.address = getStepped(in, f.address);
    part.low = getStepped(in, f.low);
    part.length = uint16_t(get(in, f.length));
    if (part.access != Access::None) {
      part.data = stream(in, f.direction, f.id);
    }
    if (part.access == Access::Mapped) {
      part.map = stream(in, f.mapDirection, f.mapId, 4);
    }
    checkMemPart(part, k == 0 ? "read" : "write");
  }
  if (op.read.access == Access::None && op.write.access == Access::None) {
    violate("expected a read or a write part, got neither", "M1");
  }
  if (op.read.access != Access::None && op.write.access != Access::None &&
      op.read.bank == op.write.bank) {
    violate(absl::StrCat("bank conflict: read and write part both in bank ",
                         op.read.bank),
            "M3");
  }
  return op;
}

void Decoder::checkOperands(const VxmOp &op) {
  for (unsigned k = 0; k < op.numOperands; ++k) {
    const AluOperand &operand = op.operands[k];
    if (operand.kind == OperandKind::None) {
      violate(absl::StrCat("expected ", op.numOperands, " operands, operand ",
                           k, " is missing"),
              "V1");
    }
    if (operand.kind == OperandKind::Mesh && operand.stream.id >= target.alus()) {
      violate(absl::StrCat("expected an ALU below ", target.alus(), ", got ",
                           operand.stream.id),
              "V2");
    }
    if (operand.kind == OperandKind::Immediate &&
        operand.type != StreamType::I32 && operand.type != StreamType::F32) {
      violate("expected an i32 or f32 immediate", "V2");
    }
  }
}

VxmOp Decoder::decodeAlu(const Instruction &in) {
  struct OperandFields {
    Field kind, type, direction, base, step, value;
    OperandFields(const std::string &p)
        : kind(Opcode::Alu, p), type(Opcode::Alu, p + "_type"),
          direction(Opcode::Alu, p + "_dir"), base(Opcode::Alu, p + "_base"),
          step(Opcode::Alu, p + "_step"), value(Opcode::Alu, p + "_value") {}
  };
  static const OperandFields operands[3] = {
      OperandFields("a"), OperandFields("b"), OperandFields("c")};
  static const Field operation(Opcode::Alu, "op"), low(Opcode::Alu, "lo"),
      high(Opcode::Alu, "hi"), reset(Opcode::Alu, "reset"),
      out(Opcode::Alu, "out"), outDirection(Opcode::Alu, "out_dir"),
      outBase(Opcode::Alu, "out_base"), narrow(Opcode::Alu, "narrow"),
      counter(Opcode::Alu, "counter");
  VxmOp op;
  op.op = AluOp(get(in, operation));
  op.numOperands = uint8_t(operandsOf(op.op));
  for (int k = 0; k < op.numOperands; ++k) {
    const OperandFields &f = operands[k];
    AluOperand &operand = op.operands[k];
    operand.kind = OperandKind(get(in, f.kind));
    operand.type = StreamType(get(in, f.type));
    operand.step = uint8_t(get(in, f.step));
    operand.value = uint32_t(get(in, f.value));
    operand.stream.id = uint8_t(get(in, f.base));
    if (operand.kind == OperandKind::Stream) {
      operand.stream =
          stream(in, f.direction, f.base, bytesOf(operand.type), operand.step);
    }
  }
  checkOperands(op);
  op.low = int32_t(get(in, low));
  op.high = int32_t(get(in, high));
  op.reset = Reset(get(in, reset));
  op.out = Drive(get(in, out));
  op.narrow = get(in, narrow) != 0;
  op.counter = uint16_t(get(in, counter));
  if (op.out != Drive::None) {
    op.outStream = stream(in, outDirection, outBase, bytesOf(op.out));
  }
  const Latencies &latencies = target.latencies();
  op.latency = uint16_t(latencies.alu());
  if (op.op >= AluOp::Exp2 && op.op <= AluOp::Rcp) {
    op.latency = uint16_t(latencies.alu_transcendental());
  } else if (op.op == AluOp::Delay) {
    if (op.low < 1 || op.low > int64_t(latencies.alu_delay_max())) {
      violate(absl::StrCat("expected a delay of 1 to ",
                           latencies.alu_delay_max(), " cycles, got ", op.low),
              "V1");
    }
    op.latency = uint16_t(op.low);
  }
  return op;
}

void Decoder::checkGang(QueueId queue, MxmFormat format) {
  std::string_view name = getEnumName(FieldKind::MxmFormat, int64_t(format));
  const MxmFormatDescription *description = target.format(name);
  if (!description) {
    violate(absl::StrCat("expected a format of the target, got ", toAbsl(name)),
            "X1");
    return;
  }
  unsigned plane = queue.index;
  if (description->gang() > 1 &&
      plane != target.innerPlane(target.planeSide(plane))) {
    violate(absl::StrCat("expected the lead plane ",
                         target.innerPlane(target.planeSide(plane)),
                         " of the gang, got plane ", plane),
            "X1");
  }
}

WeightsOp Decoder::decodeWeights(QueueId queue, const Instruction &in) {
  static const Field format(Opcode::LoadWeights, "format"),
      group(Opcode::LoadWeights, "group"), direction(Opcode::LoadWeights, "dir"),
      base(Opcode::LoadWeights, "base"), install(Opcode::LoadWeights, "install"),
      alone(Opcode::InstallWeights, "format");
  WeightsOp op;
  if (in.opcode == Opcode::InstallWeights) {
    op.format = MxmFormat(get(in, alone));
    op.install = true;
  } else {
    op.format = MxmFormat(get(in, format));
    op.group = getStepped(in, group);
    op.install = get(in, install) != 0;
    op.rows = stream(in, direction, base, op.format == MxmFormat::I8 ? 16 : 32);
  }
  checkGang(queue, op.format);
  return op;
}

ActivateOp Decoder::decodeActivate(QueueId queue, const Instruction &in) {
  static const Field format(Opcode::Activate, "format"),
      direction(Opcode::Activate, "dir"), base(Opcode::Activate, "base"),
      half(Opcode::Activate, "half"), first(Opcode::Activate, "first"),
      count(Opcode::Activate, "count"), mask(Opcode::Activate, "mask");
  ActivateOp op;
  op.format = MxmFormat(get(in, format));
  op.vector = stream(in, direction, base, op.format == MxmFormat::I8 ? 1 : 2);
  op.half = getStepped(in, half);
  op.first = getStepped(in, first);
  op.count = uint8_t(get(in, count));
  op.mask = uint64_t(get(in, mask));
  checkGang(queue, op.format);
  return op;
}

AccumulateOp Decoder::decodeAccumulate(const Instruction &in) {
  static const Field mode(Opcode::Accumulate, "mode"), a(Opcode::Accumulate, "a"),
      first(Opcode::Accumulate, "first"), count(Opcode::Accumulate, "count"),
      mask(Opcode::Accumulate, "mask"), emit(Opcode::Accumulate, "emit"),
      b(Opcode::Accumulate, "b"), emitFirst(Opcode::Accumulate, "emit_first"),
      emitCount(Opcode::Accumulate, "emit_count"),
      emitMask(Opcode::Accumulate, "emit_mask"),
      direction(Opcode::Accumulate, "dir"), base(Opcode::Accumulate, "base");
  AccumulateOp op;
  op.mode = AccumulateMode(get(in, mode));
  op.a = getStepped(in, a);
  op.first = getStepped(in, first);
  op.count = uint8_t(get(in, count));
  op.mask = uint64_t(get(in, mask));
  op.emit = get(in, emit) != 0;
  op.b = getStepped(in, b);
  op.emitFirst = getStepped(in, emitFirst);
  op.emitCount = uint8_t(get(in, emitCount));
  op.emitMask = uint64_t(get(in, emitMask));
  if (op.emit) {
    op.out = stream(in, direction, base, 4);
  }
  return op;
}

void Decoder::checkTable(Opcode opcode, unsigned index) {
  if (index >= program.tables.size() ||
      program.tables[index].size() != target.lanes()) {
    violate(absl::StrCat("expected a table of ", target.lanes(),
                         " entries, table ", index, " is none"),
            "P4");
    return;
  }
  const std::vector<uint16_t> &table = program.tables[index];
  unsigned limit = opcode == Opcode::Select ? 2
                   : opcode == Opcode::Distribute
                       ? target.lanesPerSuperlane()
                       : target.lanes();
  std::vector<bool> seen(limit, false);
  for (uint16_t value : table) {
    if (value >= limit) {
      violate(absl::StrCat("table ", index, ": expected entries below ", limit,
                           ", got ", value),
              "P4");
      return;
    }
    if (opcode == Opcode::Permute && seen[value]) {
      violate(absl::StrCat("table ", index, ": expected a bijection, lane ",
                           value, " is taken twice"),
              "P2");
      return;
    }
    seen[value] = true;
  }
}

SxmOp Decoder::decodeShift(const Instruction &in) {
  const Opcode o = Opcode::Shift;
  static const Field direction(o, "dir"), id(o, "id"), lanes(o, "lanes"),
      second(o, "second"), direction2(o, "second_dir"), id2(o, "second_id"),
      outDirection(o, "out_dir"), outId(o, "out_id");
  SxmOp op;
  op.in[0] = stream(in, direction, id);
  op.lanes = int16_t(get(in, lanes));
  if (get(in, second)) {
    op.groups = 2;
    op.in[1] = stream(in, direction2, id2);
  }
  op.out[0] = stream(in, outDirection, outId);
  return op;
}

/// Select, distribute and permute: one or two operands and a table.
SxmOp Decoder::decodeTabled(const Instruction &in) {
  struct Fields {
    Field direction, id, table, outDirection, outId;
    explicit Fields(Opcode o)
        : direction(o, "dir"), id(o, "id"), table(o, "table"),
          outDirection(o, "out_dir"), outId(o, "out_id") {}
  };
  static const Fields select(Opcode::Select), distribute(Opcode::Distribute),
      permute(Opcode::Permute);
  static const Field direction2(Opcode::Select, "second_dir"),
      id2(Opcode::Select, "second_id");
  const Fields &f = in.opcode == Opcode::Select       ? select
                    : in.opcode == Opcode::Distribute ? distribute
                                                      : permute;
  SxmOp op;
  op.in[0] = stream(in, f.direction, f.id);
  if (in.opcode == Opcode::Select) {
    op.groups = 2;
    op.in[1] = stream(in, direction2, id2);
  }
  op.table = uint16_t(get(in, f.table));
  op.out[0] = stream(in, f.outDirection, f.outId);
  checkTable(in.opcode, op.table);
  return op;
}

SxmOp Decoder::decodeRotate(const Instruction &in) {
  const Opcode o = Opcode::Rotate;
  static const Field direction(o, "dir"), id(o, "id"), lanes(o, "lanes"),
      outDirection(o, "out_dir"), outId(o, "out_id");
  SxmOp op;
  op.in[0] = stream(in, direction, id);
  op.lanes = int16_t(get(in, lanes));
  op.out[0] = stream(in, outDirection, outId);
  return op;
}

SxmOp Decoder::decodeTranspose(const Instruction &in) {
  const Opcode o = Opcode::Transpose;
  static const Field direction(o, "dir"), base(o, "base"),
      outDirection(o, "out_dir"), outBase(o, "out_base"), two(o, "two"),
      direction2(o, "dir2"), base2(o, "base2"), outDirection2(o, "out_dir2"),
      outBase2(o, "out_base2");
  SxmOp op;
  op.in[0] = stream(in, direction, base, 16);
  op.out[0] = stream(in, outDirection, outBase, 16);
  if (get(in, two)) {
    op.groups = 2;
    op.in[1] = stream(in, direction2, base2, 16);
    op.out[1] = stream(in, outDirection2, outBase2, 16);
  }
  return op;
}

FlatOp Decoder::decode(QueueId queue, const TimedInstruction &timed) {
  found = {};
  const Instruction &in = timed.instruction;
  FlatOp op;
  op.cycle = timed.cycle;
  op.opcode = in.opcode;
  op.n = in.repeat.n;
  op.d = in.repeat.d;
  op.m = in.repeat.m;
  op.e = in.repeat.e;
  const InstructionInfo *info = lookupInstruction(in.opcode);
  if (!info || in.fields.size() != info->fields.size() ||
      info->unit != queue.kind) {
    violate(absl::StrCat("expected an instruction of unit ",
                         toAbsl(getUnitKindName(queue.kind))),
            "Q1");
    return op;
  }
  if (op.n < 1 || op.m < 1 || (op.n > 1 && op.d < 1) ||
      (op.m > 1 && op.e <= int64_t(op.n - 1) * op.d)) {
    violate("the issues of the Repeat do not follow each other", "Q4");
    return op;
  }
  switch (in.opcode) {
  case Opcode::Mem:
    op.mem = decodeMem(in);
    break;
  case Opcode::Alu:
    op.vxm = decodeAlu(in);
    break;
  case Opcode::LoadWeights:
  case Opcode::InstallWeights:
    op.weights = decodeWeights(queue, in);
    break;
  case Opcode::Activate:
    op.activate = decodeActivate(queue, in);
    break;
  case Opcode::Accumulate:
    op.accumulate = decodeAccumulate(in);
    break;
  case Opcode::Shift:
    op.sxm = decodeShift(in);
    break;
  case Opcode::Select:
  case Opcode::Distribute:
  case Opcode::Permute:
    op.sxm = decodeTabled(in);
    break;
  case Opcode::Rotate:
    op.sxm = decodeRotate(in);
    break;
  case Opcode::Transpose:
    op.sxm = decodeTranspose(in);
    break;
  default:
    violate("systems of more than one chip are not executed yet", "C4");
    break;
  }
  return op;
}
} // namespace

std::string executor::issueName(std::string_view mnemonic, int64_t cycle,
                                uint32_t index) {
  return absl::StrCat(toAbsl(mnemonic), "@", cycle, "#", index);
}

std::string executor::hazardMessage(const Target &target, uint32_t queue,
                                    int64_t cycle, std::string_view mnemonic,
                                    uint32_t index, std::string_view text,
                                    std::string_view rule) {
  return absl::StrCat("hazard: chip 0, queue ",
                      target.queueName(target.queue(queue)), ", cycle ", cycle,
                      ", ", issueName(mnemonic, cycle, index), ": ",
                      toAbsl(text), "; violates (", toAbsl(rule), ")");
}

absl::StatusOr<FlatEntry> executor::decodeEntry(const Program &program,
                                                const EntryProgram &entry) {
  const Target &target = program.target;
  Decoder decoder(program);
  FlatEntry result;
  std::vector<bool> seen(target.numQueues(), false);
  for (const QueueStream &stream : entry.queues) {
    if (!target.isValid(stream.queue) ||
        seen[target.queueNumber(stream.queue)]) {
      return absl::InvalidArgumentError(absl::StrCat(
          "entry '", entry.header.name(), "': a queue that target ",
          toAbsl(target.name()), " does not have, or a queue twice"));
    }
    FlatQueue queue{stream.queue, target.queueNumber(stream.queue), {}};
    seen[queue.number] = true;
    queue.ops.reserve(stream.instructions.size());
    int64_t free = 0;
    for (const TimedInstruction &timed : stream.instructions) {
      if (timed.instruction.opcode == Opcode::Nop) {
        continue;
      }
      uint32_t index = uint32_t(queue.ops.size());
      FlatOp op = decoder.decode(stream.queue, timed);
      Violation violation = decoder.violation();
      const InstructionInfo *info = lookupInstruction(op.opcode);
      std::string_view mnemonic = info ? info->mnemonic : "?";
      if (violation.text.empty() && op.cycle < free) {
        violation = {index == 0
                         ? std::string("issued before cycle 0")
                         : absl::StrCat(
                               "the queue is busy with ",
                               issueName(queue.ops.back().opcode == Opcode::Nop
                                             ? "nop"
                                             : lookupInstruction(
                                                   queue.ops.back().opcode)
                                                   ->mnemonic,
                                         queue.ops.back().cycle, index - 1),
                               " until cycle ", free - 1),
                     "Q4"};
      }
      if (!violation.text.empty()) {
        std::string message =
            hazardMessage(target, queue.number, op.cycle, mnemonic, index,
                          violation.text, violation.rule);
        return violation.rule == "C4" ? absl::UnimplementedError(message)
                                      : absl::FailedPreconditionError(message);
      }
      free = op.lastIssue() + 1;
      queue.ops.push_back(op);
    }
    result.instructions += queue.ops.size();
    result.queues.push_back(std::move(queue));
  }
  return result;
}
