//===- ChainBuilder.cpp - Chains, written from their cycles ---------------===//

#include "ChainBuilder.h"

using namespace lpu;
using namespace lpu::stream_lowering;
using namespace mlir;
using mlir::stream::BundleOp;
using mlir::stream::ChainOp;
using mlir::stream::stringifyDirection;
using mlir::stream::FlowType;
using mlir::stream::IssueOp;

ChainBuilder::ChainBuilder(mlir::stream::ProgramOp program, Location location,
                           StringRef name, const Target &target)
    : target(target), builder(program.getContext()) {
  builder.setInsertionPointToEnd(&program.getBody().front());
  chain = ChainOp::create(builder, location, name, IntegerAttr());
  chain.getBody().emplaceBlock();
  builder.setInsertionPointToEnd(&chain.getBody().front());
}

std::optional<Instruction> Fields::get(StringRef mnemonic, std::string &wrong) const {
  const InstructionInfo *info = lookupMnemonic(mnemonic);
  if (!info) {
    wrong = mnemonic.str();
    return std::nullopt;
  }
  Instruction instruction = Instruction::make(info->opcode);
  for (const Field &field : list) {
    int index = info->fieldIndex(field.name);
    std::optional<int64_t> value = field.number;
    if (index >= 0 && !field.text.empty()) {
      value = parseEnum(info->fields[size_t(index)].kind, field.text);
    }
    if (index < 0 || !value || !fitsField(info->fields[size_t(index)], *value)) {
      wrong = field.name;
      return std::nullopt;
    }
    instruction.fields[size_t(index)] = *value;
  }
  return instruction;
}

IssueOp ChainBuilder::issue(StringRef mnemonic, StringRef queue, int64_t cycle,
                            const Fields &fields, ValueRange operands,
                            TypeRange results, Repeated repeated,
                            Strides strides) {
  std::string wrong;
  std::optional<Instruction> instruction = fields.get(mnemonic, wrong);
  PackedInstruction packed;
  if (instruction && (repeated.n > 1 || repeated.m > 1)) {
    instruction->repeat.n = uint32_t(repeated.n), instruction->repeat.d = uint32_t(repeated.d);
    instruction->repeat.m = uint32_t(repeated.m), instruction->repeat.e = uint32_t(repeated.e);
    for (const auto &[name, stride] : strides) {
      if (stride[0] != 0 || stride[1] != 0) {
        instruction->setStride(name, int32_t(stride[0]), int32_t(stride[1]));
      }
    }
  }
  if (instruction) {
    packed = *PackedInstruction::pack(*instruction);
  } else {
    // The operation without an instruction fails its verifier.
    chain.emitOpError("field ") << wrong << " of " << mnemonic << " is out of range";
  }
  return IssueOp::create(builder, chain.getLoc(), results, packed, builder.getStringAttr(queue),
                         origin + cycle, DenseI64ArrayAttr(), IntegerAttr(), ::lpu::Meaning(),
                         operands);
}

Value ChainBuilder::readFor(unsigned column, int64_t cycle, unsigned slice,
                            int64_t bank, int64_t word, Repeated repeated,
                            Strides strides) {
  unsigned from = target.sliceColumn(slice);
  auto dir = direction(from, column);
  int64_t distance = std::abs(int64_t(from) - int64_t(column));
  Fields f = fields();
  f.set("r", "linear").set("r_bank", bank).set("r_addr", word).set(
      "r_dir", stringifyDirection(dir));
  return issue("mem", target.queueName({UnitKind::Mem, uint16_t(slice)}),
               cycle - distance - int64_t(target.latencies().read()), f, {},
               flow(dir, 1), repeated, strides)
      .getResult(0);
}

void ChainBuilder::writeFrom(unsigned column, int64_t cycle, Value value,
                             int64_t index, unsigned slice, int64_t bank,
                             int64_t word, Repeated repeated, Strides strides) {
  unsigned to = target.sliceColumn(slice);
  auto dir = direction(column, to);
  int64_t distance = std::abs(int64_t(to) - int64_t(column));
  Fields f = fields();
  f.set("w", "linear").set("w_bank", bank).set("w_addr", word).set(
      "w_dir", stringifyDirection(dir));
  issue("mem", target.queueName({UnitKind::Mem, uint16_t(slice)}), cycle + distance, f,
        part(value, index), {}, repeated, strides);
}

Value ChainBuilder::part(Value value, int64_t index) {
  auto type = cast<FlowType>(value.getType());
  return type.getWidth() == 1
             ? value
             : mlir::stream::PartOp::create(builder, chain.getLoc(),
                                            flow(type.getDirection(), 1), value,
                                            builder.getI64IntegerAttr(index));
}

Value ChainBuilder::bundle(ValueRange values) {
  if (values.size() == 1) {
    return values.front();
  }
  unsigned width = 0;
  for (Value value : values) {
    width += cast<FlowType>(value.getType()).getWidth();
  }
  auto dir = cast<FlowType>(values.front().getType()).getDirection();
  return BundleOp::create(builder, chain.getLoc(), flow(dir, width), values);
}

Value ChainBuilder::merge(ValueRange values) {
  return mlir::stream::MergeOp::create(builder, chain.getLoc(), values.front().getType(),
                                       values);
}

void ChainBuilder::finish() {
  int64_t first = INT64_MAX;
  for (IssueOp op : chain.getBody().getOps<IssueOp>()) {
    first = std::min(first, op.getOffset());
  }
  for (IssueOp op : chain.getBody().getOps<IssueOp>()) {
    op.setOffset(op.getOffset() - first);
  }
}
