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

Instruction mlir::stream::getInstruction(IssueOp op, const ::lpu::Target &target) {
  Instruction instruction = op.getInstruction().unpack();
  setScheduled(op, target, instruction);
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

ParseResult IssueOp::parse(OpAsmParser &parser, OperationState &result) {
  auto &properties = result.getOrAddProperties<Properties>();
  Instruction instruction;
  if (lpuisa::parseMnemonic(parser, instruction) || parser.parseKeyword("on") ||
      parser.parseAttribute(properties.queue) || parser.parseKeyword("at") ||
      parser.parseInteger(properties.offset) ||
      lpuisa::parseFields(parser, std::move(instruction), properties.instruction)) {
    return failure();
  }
  if (succeeded(parser.parseOptionalKeyword("ids"))) {
    properties.ids = dyn_cast_or_null<DenseI64ArrayAttr>(DenseI64ArrayAttr::parse(parser, Type()));
    if (!properties.ids) {
      return failure();
    }
  }
  Type i64 = parser.getBuilder().getI64Type();
  if (succeeded(parser.parseOptionalKeyword("alu")) &&
      parser.parseAttribute(properties.alu, i64)) {
    return failure();
  }
  if (lpuisa::parseOptionalMeaning(parser, properties.meaning)) {
    return failure();
  }
  SmallVector<OpAsmParser::UnresolvedOperand> inputs;
  FunctionType type;
  llvm::SMLoc at = parser.getCurrentLocation();
  if (parser.parseOperandList(inputs, OpAsmParser::Delimiter::OptionalParen) ||
      parser.parseOptionalAttrDict(result.attributes) || parser.parseColonType(type)) {
    return failure();
  }
  result.addTypes(type.getResults());
  return parser.resolveOperands(inputs, type.getInputs(), at, result.operands);
}

void IssueOp::print(OpAsmPrinter &printer) {
  printer << " \"" << StringRef(getInstruction().info().mnemonic) << "\" on " << getQueueAttr()
          << " at " << getOffset() << " ";
  lpuisa::printFields(printer, getContext(), getInstruction(), false);
  if (auto ids = getIdsAttr()) {
    printer << " ids ";
    ids.print(printer);
  }
  if (auto alu = getAlu()) {
    printer << " alu " << *alu;
  }
  lpuisa::printOptionalMeaning(printer, getMeaning());
  if (!getInputs().empty()) {
    printer << " (" << getInputs() << ")";
  }
  printer.printOptionalAttrDict(llvm::to_vector((*this)->getDiscardableAttrs()));
  printer << " : ";
  printer.printFunctionalType(getInputs().getTypes(), getResultTypes());
}
