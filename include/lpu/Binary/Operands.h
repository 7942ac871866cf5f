//===- Operands.h - Streams that an instruction samples and drives -*- C++ -*-===//
//
// The one place that says which stream ids an instruction samples and drives,
// in which cycle relative to its issue, for consumers that reason about timing
// (intent section, scheduler). The executor and the verifier derive their own.
//
//===----------------------------------------------------------------------===//
#ifndef LPU_BINARY_OPERANDS_H
#define LPU_BINARY_OPERANDS_H

#include "lpu/ISA/ISA.h"
#include "lpu/Target/Target.h"
#include <vector>

namespace lpu {

/// A group of stream ids base, base + step, ... (count of them).
struct StreamGroup {
  Direction direction;
  uint8_t base, count, step;
  int32_t offset; ///< cycles from issue to sampling or driving
};

/// What an instruction takes and gives besides SRAM. Operands are numbered in
/// this order: MEM 0 read map, 1 write data, 2 write map; ALU 0 to 2 operands
/// a, b, c; LW 0 the rows; ABC 0 the activations; ACC 0 the result (of an ABC);
/// SXM 0 first, 1 second; Send 0. Results: MEM 0 read data; ALU 0 stream
/// group, 1 mesh; ACC 0 emitted; SXM 0 (Transpose 0 and 1); Receive 0.
struct OperandInfo {
  enum class Kind : uint8_t { Stream, Mesh, MxmResult } kind;
  uint16_t number;
  StreamGroup group;      ///< Stream
  uint16_t alu = 0;       ///< Mesh: the ALU read (operand) or written (result)
  int32_t offset = 0;     ///< Mesh, MxmResult: cycles from issue
};

/// `lane masks` are not considered: a masked group still counts as sampled.
std::vector<OperandInfo> getOperands(const Target &target, QueueId queue,
                                     const Instruction &instruction);
std::vector<OperandInfo> getResults(const Target &target, QueueId queue,
                                    const Instruction &instruction);

} // namespace lpu

#endif // LPU_BINARY_OPERANDS_H
