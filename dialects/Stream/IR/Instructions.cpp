//===- Instructions.cpp - stream.issue <-> the instruction table ----------===//

#include "ISA/IR/ISADialect.h"
#include "Stream/IR/StreamDialect.h"

using namespace mlir;
using namespace mlir::stream;
using ::lpu::Instruction;

namespace {

/// First ids of the flow that `value` is; -1 before scheduling.
int64_t getFirstId(Value value) {
  for (Producer producer : getProducers(value)) {
    auto ids = producer.issue.getIds();
    if (ids && producer.result < ids->size()) {
      return (*ids)[producer.result] - producer.offset;
    }
  }
  return -1;
}

/// Fields that take the first id of stream operand `number`.
std::string_view getIdField(const Instruction &instruction, unsigned number) {
  switch (instruction.opcode) {
  case ::lpu::Opcode::Mem:
    return number == 0 ? "r_map_id" : number == 1 ? "w_id" : "w_map_id";
  case ::lpu::Opcode::Alu:
    return number == 0 ? "a_base" : number == 1 ? "b_base" : "c_base";
  case ::lpu::Opcode::LoadWeights:
  case ::lpu::Opcode::Activate:
    return "base";
  case ::lpu::Opcode::Transpose:
    return number == 0 ? "base" : "base2";
  default:
    return number == 0 ? "id" : "second_id";
  }
}
std::string_view getResultIdField(const Instruction &instruction,
                                  unsigned number) {
  switch (instruction.opcode) {
  case ::lpu::Opcode::Mem:
    return "r_id";
  case ::lpu::Opcode::Alu:
    return "out_base";
  case ::lpu::Opcode::Accumulate:
    return "base";
  case ::lpu::Opcode::Transpose:
    return number == 0 ? "out_base" : "out_base2";
  case ::lpu::Opcode::Receive:
    return "id";
  default:
    return "out_id";
  }
}

/// Puts the schedule's stream ids and ALUs into the fields.
void setScheduled(IssueOp op, const ::lpu::Target &target,
                  Instruction &instruction) {
  ::lpu::QueueId queue{instruction.info().unit, 0};
  auto operands = ::lpu::getOperands(target, queue, instruction);
  for (auto [info, value] : llvm::zip(operands, op.getInputs())) {
    if (info.kind == ::lpu::OperandInfo::Kind::Stream) {
      int64_t id = getFirstId(value);
      if (id >= 0) {
        instruction.set(getIdField(instruction, info.number), id);
      }
    } else if (info.kind == ::lpu::OperandInfo::Kind::Mesh) {
      IssueOp producer = getProducers(value).front().issue;
      if (auto alu = producer.getAlu()) {
        instruction.set(getIdField(instruction, info.number), int64_t(*alu));
      }
    }
  }
  auto results = ::lpu::getResults(target, queue, instruction);
  auto ids = op.getIds();
  for (unsigned k = 0; ids && k < ids->size(); ++k) {
    if (results[k].kind == ::lpu::OperandInfo::Kind::Stream) {
      instruction.set(getResultIdField(instruction, results[k].number), (*ids)[k]);
    }
  }
}

} // namespace

FailureOr<Instruction> mlir::stream::getInstruction(IssueOp op) {
  FailureOr<Instruction> instruction = lpuisa::parseInstruction(
      op, op.getMnemonic(), op.getFields(),
      op.getRepeat().value_or(ArrayRef<int64_t>()), op.getStridesAttr());
  if (failed(instruction)) {
    return failure();
  }
  if (auto chain = op->getParentOfType<ChainOp>(); chain && chain.getStart()) {
    const ::lpu::Target *target = getTarget(op);
    if (!target) {
      return failure();
    }
    setScheduled(op, *target, *instruction);
  }
  return instruction;
}

FailureOr<::lpu::QueueId> mlir::stream::getQueue(IssueOp op,
                                                 const ::lpu::Target &target) {
  if (op.getQueue() == "vxm.*") {
    return ::lpu::QueueId{::lpu::UnitKind::Vxm, uint16_t(op.getAlu().value_or(0))};
  }
  absl::StatusOr<::lpu::QueueId> queue =
      target.parseQueue(std::string_view(op.getQueue()));
  if (!queue.ok()) {
    return op.emitOpError(std::string(queue.status().message()));
  }
  return *queue;
}
