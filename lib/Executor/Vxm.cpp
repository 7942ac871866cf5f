//===- Vxm.cpp - ALUs (V1 to V10) -----------------------------------------===//
#include "Chip.h"
#include "absl/strings/str_cat.h"
#include "lpu/Support/Strings.h"
#include <algorithm>

using namespace lpu;
using namespace lpu::executor;

bool Chip::operand(unsigned alu, const AluOperand &from, unsigned number,
                   const uint32_t *&value, bool &isFloat) {
  std::vector<uint32_t> &buffer = scratch[number];
  switch (from.kind) {
  case OperandKind::Stream: {
    constexpr unsigned kBytes[] = {1, 2, 4, 2, 2, 4};
    const uint8_t *bytes[4] = {};
    for (unsigned k = 0; k < kBytes[unsigned(from.type)]; ++k) {
      bytes[k] = sample(from.stream, k * from.step);
      if (!bytes[k]) {
        return false;
      }
    }
    widenLanes(from.type, bytes, buffer.data(), lanes);
    value = buffer.data();
    isFloat = from.type >= StreamType::F16;
    return true;
  }
  case OperandKind::Mesh: {
    const LaneValue &slot =
        mesh[from.stream.id * meshRing + size_t(now.cycle & (meshRing - 1))];
    if (slot.cycle != now.cycle) {
      return fail(absl::StrCat("ALU ", from.stream.id,
                               " has no result in this cycle"),
                  "V3");
    }
    value = slot.lanes.data();
    isFloat = slot.isFloat;
    return true;
  }
  case OperandKind::Immediate:
    std::fill(buffer.begin(), buffer.end(), from.value);
    value = buffer.data();
    isFloat = from.type == StreamType::F32;
    return true;
  case OperandKind::Register: {
    const LaneValue &slot = registers[alu];
    if (slot.cycle < 0) {
      return fail("the register was never loaded", "V8");
    }
    value = slot.lanes.data();
    isFloat = slot.isFloat;
    return true;
  }
  case OperandKind::None:
    break;
  }
  return fail("expected an operand", "V2");
}

bool Chip::accumulateRegister(unsigned alu, const VxmOp &op, uint32_t j,
                              const uint32_t *in, bool isFloat, uint32_t *out) {
  LaneValue &held = registers[alu];
  bool load = op.reset == Reset::Always || (op.reset == Reset::Outer && j == 0);
  if (load) {
    std::copy_n(in, lanes, out);
  } else {
    if (held.cycle < 0) {
      return fail("the register was never loaded", "V8");
    }
    if (held.isFloat != isFloat) {
      return fail("expected an operand of the register's type", "V1");
    }
    combineLanes(op.op == AluOp::AccMax, isFloat, held.lanes.data(), in, out,
                 lanes);
  }
  std::copy_n(out, lanes, held.lanes.data());
  held.isFloat = isFloat;
  held.cycle = now.cycle;
  return true;
}

bool Chip::compute(unsigned alu, const VxmOp &op, uint32_t j,
                   const uint32_t *const *in, const bool *isFloat,
                   uint32_t *out, bool &outIsFloat) {
  if (op.op == AluOp::Acc || op.op == AluOp::AccMax) {
    outIsFloat = isFloat[0];
    return accumulateRegister(alu, op, j, in[0], isFloat[0], out);
  }
  VxmLanes v{{in[0], in[1], in[2]}, {isFloat[0], isFloat[1], isFloat[2]},
             out,   false, lanes, 0, vectorInstructions};
  std::string_view problem = computeLanes(op, v);
  if (!problem.empty()) {
    return fail(std::string(problem), "V1");
  }
  outIsFloat = v.outIsFloat;
  if (op.counter) {
    (*saturations)[op.counter - 1] += v.saturated;
  }
  return true;
}

bool Chip::alu(const FlatQueue &queue, const VxmOp &op, uint32_t j) {
  unsigned index = queue.id.index;
  const uint32_t *in[3] = {};
  bool isFloat[3] = {};
  if (op.counter > saturations->size()) {
    return fail(absl::StrCat("expected a counter up to ", saturations->size(),
                             ", got ", op.counter),
                "V7");
  }
  for (unsigned k = 0; k < op.numOperands; ++k) {
    if (!operand(index, op.operands[k], k, in[k], isFloat[k])) {
      return false;
    }
  }
  int64_t due = now.cycle + op.latency;
  LaneValue &result =
      mesh[index * meshRing + size_t(due & (meshRing - 1))];
  if (result.cycle == due) {
    return fail(absl::StrCat("a second result of the ALU in cycle ", due,
                             ", the first is of ", describe(result.by)),
                "V4");
  }
  if (!compute(index, op, j, in, isFloat, result.lanes.data(),
               result.isFloat)) {
    return false;
  }
  result.cycle = due;
  result.by = now;
  return op.out == Drive::None ||
         driveResult(op, result.lanes.data(), result.isFloat);
}

bool Chip::driveResult(const VxmOp &op, const uint32_t *value, bool isFloat) {
  constexpr unsigned kBytes[] = {0, 1, 2, 4, 2, 2, 4};
  bool wantsFloat = op.out >= Drive::F16;
  if (isFloat != wantsFloat) {
    return fail(absl::StrCat("expected an ", wantsFloat ? "fp32" : "int32",
                             " result to drive as ",
                             toAbsl(getEnumName(FieldKind::Drive,
                                                int(op.out)))),
                "V6");
  }
  unsigned count = kBytes[unsigned(op.out)];
  uint32_t vectors[4];
  uint8_t *bytes[4] = {};
  for (unsigned k = 0; k < count; ++k) {
    vectors[k] = pool.allocate();
    bytes[k] = pool.data(vectors[k]);
  }
  uint64_t saturated = narrowLanes(op.out, op.narrow, value, bytes, lanes);
  if (op.counter) {
    (*saturations)[op.counter - 1] += saturated;
  }
  for (unsigned k = 0; k < count; ++k) {
    if (!drive(op.outStream, k, op.latency, vectors[k])) {
      return false;
    }
  }
  return true;
}
