//===- Decode.h - Instructions as flat structs ------------------*- C++ -*-===//
//
// Every instruction is taken apart once, when the program is loaded. Checks
// that need no cycle are done here; a run does the rest.
//
//===----------------------------------------------------------------------===//
#ifndef LPU_LIB_EXECUTOR_DECODE_H
#define LPU_LIB_EXECUTOR_DECODE_H

#include "lpu/Binary/Program.h"
#include <string>
#include <vector>

namespace lpu::executor {

/// A field that Repeat may step: value + i * si + j * sj.
struct Stepped {
  int64_t value = 0;
  int32_t si = 0, sj = 0;
  int64_t at(uint32_t i, uint32_t j) const {
    return value + int64_t(i) * si + int64_t(j) * sj;
  }
};

using fields::Access;
using fields::AluOp;
using fields::Drive;
using fields::MxmFormat;
using fields::Reset;
using fields::StreamType;
using AccumulateMode = fields::Accumulate;
using OperandKind = fields::Operand;

struct StreamRef {
  Direction direction = Direction::East;
  uint8_t id = 0;
};

struct MemPart {
  Access access = Access::None;
  uint8_t bank = 0;
  StreamRef data, map;
  uint16_t length = 0;
  Stepped address, low;
};
struct MemOp {
  MemPart read, write;
};

struct AluOperand {
  OperandKind kind = OperandKind::None;
  StreamType type = StreamType::F32;
  StreamRef stream; ///< id is the ALU of a mesh operand
  uint8_t step = 1;
  uint32_t value = 0;
};
struct VxmOp {
  AluOp op = AluOp::Copy;
  AluOperand operands[3];
  uint8_t numOperands = 0;
  Reset reset = Reset::Never;
  Drive out = Drive::None;
  StreamRef outStream;
  bool narrow = false;
  uint16_t counter = 0;
  uint16_t latency = 0;
  int32_t low = 0, high = 0;
};

struct WeightsOp {
  MxmFormat format = MxmFormat::I8;
  StreamRef rows;
  bool install = false;
  Stepped group;
};
struct ActivateOp {
  MxmFormat format = MxmFormat::I8;
  StreamRef vector;
  Stepped half, first;
  uint8_t count = 0;
  uint64_t mask = 0;
};
struct AccumulateOp {
  AccumulateMode mode = AccumulateMode::None;
  bool emit = false;
  uint8_t count = 0, emitCount = 0;
  StreamRef out;
  Stepped a, b, first, emitFirst;
  uint64_t mask = 0, emitMask = 0;
};
struct SxmOp {
  StreamRef in[2], out[2];
  uint8_t groups = 1; ///< operands of shift and select, groups of transpose
  int16_t lanes = 0;
  uint16_t table = 0;
};

/// One instruction, ready to issue.
struct FlatOp {
  int64_t cycle = 0;
  Opcode opcode = Opcode::Nop;
  uint32_t n = 1, d = 1, m = 1, e = 0;
  union {
    MemOp mem;
    VxmOp vxm;
    WeightsOp weights;
    ActivateOp activate;
    AccumulateOp accumulate;
    SxmOp sxm;
  };
  FlatOp() : mem() {}
  int64_t lastIssue() const {
    return cycle + int64_t(m - 1) * e + int64_t(n - 1) * d;
  }
};

struct FlatQueue {
  QueueId id;
  uint32_t number = 0;
  std::vector<FlatOp> ops;
};
struct FlatEntry {
  std::vector<FlatQueue> queues;
  uint64_t instructions = 0;
};

/// "hazard: chip 0, queue mem.w3, cycle 10, mem@10#2: `text`; violates (`rule`)".
std::string hazardMessage(const Target &target, uint32_t queue, int64_t cycle,
                          std::string_view mnemonic, uint32_t index,
                          std::string_view text, std::string_view rule);
/// "mem@10#2": one issue of one instruction.
std::string issueName(std::string_view mnemonic, int64_t cycle, uint32_t index);

absl::StatusOr<FlatEntry> decodeEntry(const Program &program,
                                      const EntryProgram &entry);

} // namespace lpu::executor

#endif // LPU_LIB_EXECUTOR_DECODE_H
