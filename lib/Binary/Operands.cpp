//===- Operands.cpp - Streams that an instruction samples and drives ------===//

#include "lpu/Binary/Operands.h"

namespace lpu {
namespace {

uint8_t getTypeBytes(std::string_view type) {
  if (type == "i8") {
    return 1;
  }
  return type == "i32" || type == "f32" ? 4 : 2;
}

/// Collects stream groups whose fields share a prefix.
class Collector {
public:
  explicit Collector(const Instruction &instruction) : in(instruction) {}

  bool flag(std::string_view name) const { return in.get(name) != 0; }
  void stream(uint16_t number, std::string_view dir, std::string_view base,
              unsigned count, int32_t offset, unsigned step = 1) {
    OperandInfo info;
    info.kind = OperandInfo::Kind::Stream;
    info.number = number;
    info.group = {Direction(in.get(dir)), uint8_t(in.get(base)), uint8_t(count),
                  uint8_t(step), offset};
    info.offset = offset;
    out.push_back(info);
  }
  void other(OperandInfo::Kind kind, uint16_t number, uint16_t alu,
             int32_t offset) {
    OperandInfo info;
    info.kind = kind;
    info.number = number;
    info.group = {};
    info.alu = alu;
    info.offset = offset;
    out.push_back(info);
  }

  const Instruction &in;
  std::vector<OperandInfo> out;
};

void addAluOperands(Collector &c) {
  uint16_t number = 0;
  for (const char *letter : {"a", "b", "c"}) {
    std::string name = letter;
    std::string_view kind = getEnumName(FieldKind::Operand, c.in.get(name));
    if (kind == "stream") {
      std::string_view type =
          getEnumName(FieldKind::StreamType, c.in.get(name + "_type"));
      c.stream(number, name + "_dir", name + "_base", getTypeBytes(type), 0,
               unsigned(c.in.get(name + "_step")));
    } else if (kind == "mesh") {
      c.other(OperandInfo::Kind::Mesh, number, uint16_t(c.in.get(name + "_base")), 0);
    }
    ++number;
  }
}

} // namespace

std::vector<OperandInfo> getOperands(const Target &target, QueueId queue,
                                     const Instruction &instruction) {
  Collector c(instruction);
  switch (instruction.opcode) {
  case Opcode::Mem:
    if (c.in.get("r") == 2) {
      c.stream(0, "r_map_dir", "r_map_id", 4, 0);
    }
    if (c.flag("w")) {
      c.stream(1, "w_dir", "w_id", 1, 0);
    }
    if (c.in.get("w") == 2) {
      c.stream(2, "w_map_dir", "w_map_id", 4, 0);
    }
    break;
  case Opcode::Alu:
    addAluOperands(c);
    break;
  case Opcode::LoadWeights:
    c.stream(0, "dir", "base", c.flag("format") ? 32 : 16, 0);
    break;
  case Opcode::Activate:
    c.stream(0, "dir", "base", c.flag("format") ? 2 : 1, 0);
    break;
  case Opcode::Accumulate:
    if (c.flag("mode")) {
      c.other(OperandInfo::Kind::MxmResult, 0, 0, 0);
    }
    break;
  case Opcode::Shift:
    c.stream(0, "dir", "id", 1, 0);
    if (c.flag("second")) {
      c.stream(1, "second_dir", "second_id", 1, 0);
    }
    break;
  case Opcode::Select:
    c.stream(0, "dir", "id", 1, 0);
    c.stream(1, "second_dir", "second_id", 1, 0);
    break;
  case Opcode::Distribute:
  case Opcode::Rotate:
  case Opcode::Permute:
  case Opcode::Send:
    c.stream(0, "dir", "id", 1, 0);
    break;
  case Opcode::Transpose:
    c.stream(0, "dir", "base", 16, 0);
    if (c.flag("two")) {
      c.stream(1, "dir2", "base2", 16, 0);
    }
    break;
  default:
    break;
  }
  return std::move(c.out);
}

std::vector<OperandInfo> getResults(const Target &target, QueueId queue,
                                    const Instruction &instruction) {
  Collector c(instruction);
  int32_t latency = int32_t(target.latency(instruction));
  switch (instruction.opcode) {
  case Opcode::Mem:
    if (c.flag("r")) {
      c.stream(0, "r_dir", "r_id", 1, latency);
    }
    break;
  case Opcode::Alu: {
    std::string_view drive = getEnumName(FieldKind::Drive, c.in.get("out"));
    if (drive != "none") {
      c.stream(0, "out_dir", "out_base", getTypeBytes(drive), latency);
    }
    c.other(OperandInfo::Kind::Mesh, 1, queue.index, latency);
    break;
  }
  case Opcode::Activate:
    c.other(OperandInfo::Kind::MxmResult, 0, 0,
            int32_t(target.latencies().mxm_result()));
    break;
  case Opcode::Accumulate:
    if (c.flag("emit")) {
      c.stream(0, "dir", "base", 4, latency);
    }
    break;
  case Opcode::Shift:
  case Opcode::Select:
  case Opcode::Distribute:
  case Opcode::Rotate:
  case Opcode::Permute:
    c.stream(0, "out_dir", "out_id", 1, latency);
    break;
  case Opcode::Transpose:
    c.stream(0, "out_dir", "out_base", 16, latency);
    if (c.flag("two")) {
      c.stream(1, "out_dir2", "out_base2", 16, latency);
    }
    break;
  case Opcode::Receive:
    c.stream(0, "dir", "id", 1, latency);
    break;
  default:
    break;
  }
  return std::move(c.out);
}

} // namespace lpu
