//===- ISADialect.cpp - Instruction queues and the words of SRAM ----------===//

#include "ISA/IR/ISADialect.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include <bit>

using namespace mlir;
using namespace mlir::lpuisa;
using ::lpu::FieldInfo;
using ::lpu::FieldKind;
using ::lpu::Instruction;

#include "ISA/IR/ISADialect.cpp.inc"

#define GET_OP_CLASSES
#include "ISA/IR/ISAOps.cpp.inc"

void ISADialect::initialize() {
  addOperations<
#define GET_OP_LIST
#include "ISA/IR/ISAOps.cpp.inc"
      >();
}

namespace {

/// Value of a field as its attribute spells it; nothing when it does not fit.
std::optional<int64_t> getFieldValue(const FieldInfo &field, Attribute value) {
  if (auto name = dyn_cast<StringAttr>(value)) {
    return ::lpu::parseEnum(field.kind, std::string_view(name.getValue()));
  }
  if (auto number = dyn_cast<FloatAttr>(value)) {
    return number.getType().isF32()
               ? std::optional<int64_t>(std::bit_cast<uint32_t>(
                     number.getValue().convertToFloat()))
               : std::nullopt;
  }
  if (auto flag = dyn_cast<BoolAttr>(value)) {
    return flag.getValue();
  }
  auto integer = dyn_cast<IntegerAttr>(value);
  if (!integer) {
    return std::nullopt;
  }
  int64_t number = integer.getInt();
  bool isSigned = field.kind == FieldKind::Signed;
  unsigned bits = field.bits;
  if (bits >= 64) {
    return number;
  }
  int64_t low = isSigned ? -(int64_t(1) << (bits - 1)) : 0;
  int64_t high = (int64_t(1) << (isSigned ? bits - 1 : bits)) - 1;
  return number >= low && number <= high ? std::optional(number) : std::nullopt;
}

LogicalResult setFields(Operation *op, DictionaryAttr fields,
                        Instruction &instruction) {
  for (NamedAttribute attribute : fields) {
    std::string_view name(attribute.getName().getValue());
    int index = instruction.info().fieldIndex(name);
    if (index < 0) {
      return op->emitOpError("unknown field ")
             << attribute.getName() << " of "
             << StringRef(instruction.info().mnemonic);
    }
    std::optional<int64_t> value = getFieldValue(
        instruction.info().fields[unsigned(index)], attribute.getValue());
    if (!value) {
      return op->emitOpError("field ") << attribute.getName()
                                      << " cannot be " << attribute.getValue();
    }
    instruction.fields[unsigned(index)] = *value;
  }
  return success();
}

LogicalResult setStrides(Operation *op, DictionaryAttr strides,
                         Instruction &instruction) {
  for (NamedAttribute attribute : strides) {
    int index = instruction.info().fieldIndex(
        std::string_view(attribute.getName().getValue()));
    auto pair = dyn_cast<DenseI64ArrayAttr>(attribute.getValue());
    if (index < 0 || !instruction.info().fields[unsigned(index)].strided ||
        !pair || pair.size() != 2) {
      return op->emitOpError("expected [i, j] for a strided field, got ")
             << attribute.getName() << " = " << attribute.getValue();
    }
    instruction.setStride(std::string_view(attribute.getName().getValue()),
                          int32_t(pair[0]), int32_t(pair[1]));
  }
  return success();
}

} // namespace

FailureOr<Instruction> mlir::lpuisa::parseInstruction(Operation *op,
                                                   StringRef mnemonic,
                                                   DictionaryAttr fields,
                                                   ArrayRef<int64_t> repeat,
                                                   DictionaryAttr strides) {
  const ::lpu::InstructionInfo *info =
      ::lpu::lookupMnemonic(std::string_view(mnemonic));
  if (!info) {
    return op->emitOpError("unknown instruction ") << mnemonic;
  }
  Instruction instruction = Instruction::make(info->opcode);
  if (!repeat.empty()) {
    if (repeat.size() != 4 || repeat[0] < 1 || repeat[2] < 1) {
      return op->emitOpError("expected `repeat` [n, d, m, e]");
    }
    instruction.repeat.n = uint32_t(repeat[0]);
    instruction.repeat.d = uint32_t(repeat[1]);
    instruction.repeat.m = uint32_t(repeat[2]);
    instruction.repeat.e = uint32_t(repeat[3]);
  }
  if (failed(setFields(op, fields, instruction)) ||
      (strides && failed(setStrides(op, strides, instruction)))) {
    return failure();
  }
  return instruction;
}

DictionaryAttr
mlir::lpuisa::getFieldAttributes(MLIRContext *context,
                              const Instruction &instruction) {
  Builder builder(context);
  NamedAttrList list;
  for (auto [index, field] : llvm::enumerate(instruction.info().fields)) {
    int64_t value = instruction.fields[index];
    if (value == field.defaultValue) {
      continue;
    }
    std::string_view name = ::lpu::getEnumName(field.kind, value);
    Attribute attribute = name.empty()
                              ? Attribute(builder.getI64IntegerAttr(value))
                              : Attribute(builder.getStringAttr(StringRef(name)));
    list.append(StringRef(field.name), attribute);
  }
  return list.getDictionary(context);
}

DictionaryAttr
mlir::lpuisa::getStrideAttributes(MLIRContext *context,
                               const Instruction &instruction) {
  NamedAttrList list;
  size_t number = 0;
  for (const FieldInfo &field : instruction.info().fields) {
    if (!field.strided) {
      continue;
    }
    if (number < instruction.repeat.strides.size()) {
      const ::lpu::Repeat::Stride &stride = instruction.repeat.strides[number];
      if (stride.i != 0 || stride.j != 0) {
        list.append(StringRef(field.name),
                    DenseI64ArrayAttr::get(context, {stride.i, stride.j}));
      }
    }
    ++number;
  }
  return list.empty() ? DictionaryAttr() : list.getDictionary(context);
}

LogicalResult InstructionOp::verify() {
  if (getIntent() && getIntent()->size() % 4 != 0) {
    return emitOpError("expected four numbers an intent record");
  }
  return parseInstruction(*this, getMnemonic(), getFields(),
                          getRepeat().value_or(ArrayRef<int64_t>()),
                          getStridesAttr());
}

LogicalResult QueueOp::verify() {
  int64_t last = -1;
  for (Operation &op : getBody().front()) {
    auto instruction = dyn_cast<InstructionOp>(op);
    if (!instruction) {
      return emitOpError("expected isa.inst, got ") << op.getName();
    }
    if (int64_t(instruction.getCycle()) <= last) {
      return instruction.emitOpError("expected cycles in rising order");
    }
    last = int64_t(instruction.getCycle());
  }
  return success();
}
