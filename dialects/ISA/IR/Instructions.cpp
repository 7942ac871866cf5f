//===- Instructions.cpp - Instructions as text and attributes -------------===//

#include "ISA/IR/ISADialect.h"
#include "mlir/IR/Builders.h"
#include <bit>

using namespace mlir;
using namespace mlir::lpuisa;
using ::lpu::FieldInfo;
using ::lpu::FieldKind;
using ::lpu::Instruction;
using ::lpu::PackedInstruction;
using EmitError = llvm::function_ref<InFlightDiagnostic()>;

llvm::hash_code lpu::hash_value(const PackedInstruction &instruction) {
  Instruction all = instruction.unpack();
  return llvm::hash_combine(unsigned(all.opcode), llvm::hash_combine_range(all.fields),
                            all.repeat.n, all.repeat.d, all.repeat.m, all.repeat.e);
}

llvm::hash_code lpu::hash_value(const Meaning &meaning) {
  return llvm::hash_combine(meaning.number, meaning.operation, meaning.sources);
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
  if (!integer || !fitsField(field, integer.getInt())) {
    return std::nullopt;
  }
  return integer.getInt();
}

LogicalResult setFields(Instruction &instruction, DictionaryAttr fields, EmitError error) {
  for (NamedAttribute attribute : fields) {
    int index = instruction.info().fieldIndex(attribute.getName().getValue());
    if (index < 0) {
      return error() << "unknown field " << attribute.getName() << " of "
                     << StringRef(instruction.info().mnemonic);
    }
    const FieldInfo &field = instruction.info().fields[unsigned(index)];
    std::optional<int64_t> value = getFieldValue(field, attribute.getValue());
    if (!value) {
      return error() << "field " << attribute.getName() << " cannot be "
                     << attribute.getValue();
    }
    instruction.fields[unsigned(index)] = *value;
  }
  return success();
}

LogicalResult setRepeat(Instruction &instruction, ArrayRef<int64_t> repeat, EmitError error) {
  if (repeat.size() != 4 || repeat[0] < 1 || repeat[2] < 1 ||
      llvm::any_of(repeat, [](int64_t number) { return !llvm::isUInt<32>(number); })) {
    return error() << "expected `repeat` [n, d, m, e]";
  }
  instruction.repeat.n = uint32_t(repeat[0]);
  instruction.repeat.d = uint32_t(repeat[1]);
  instruction.repeat.m = uint32_t(repeat[2]);
  instruction.repeat.e = uint32_t(repeat[3]);
  return success();
}

LogicalResult setStrides(Instruction &instruction, DictionaryAttr strides, EmitError error) {
  for (NamedAttribute attribute : strides) {
    StringRef name = attribute.getName().getValue();
    int index = instruction.info().fieldIndex(name);
    auto pair = dyn_cast<DenseI64ArrayAttr>(attribute.getValue());
    if (index < 0 || !instruction.info().fields[unsigned(index)].strided || !pair ||
        pair.size() != 2 || !llvm::isInt<32>(pair[0]) || !llvm::isInt<32>(pair[1])) {
      return error() << "expected [i, j] for a strided field, got " << attribute.getName()
                     << " = " << attribute.getValue();
    }
    instruction.setStride(name, int32_t(pair[0]), int32_t(pair[1]));
  }
  return success();
}

/// Whether field `index` is the value of an immediate of type fp32.
bool isFloat(const Instruction &instruction, size_t index) {
  std::string name(instruction.info().fields[index].name);
  if (instruction.opcode != ::lpu::Opcode::Alu || !StringRef(name).ends_with("_value")) {
    return false;
  }
  name.resize(name.size() - StringRef("_value").size());
  return ::lpu::getEnumName(FieldKind::Operand, instruction.get(name)) == "immediate" &&
         ::lpu::getEnumName(FieldKind::StreamType, instruction.get(name + "_type")) == "f32";
}

Attribute getFieldAttribute(Builder &builder, const Instruction &instruction, size_t index) {
  const FieldInfo &field = instruction.info().fields[index];
  int64_t value = instruction.fields[index];
  std::string_view name = ::lpu::getEnumName(field.kind, value);
  if (!name.empty()) {
    return builder.getStringAttr(name);
  }
  return isFloat(instruction, index)
             ? Attribute(builder.getF32FloatAttr(std::bit_cast<float>(uint32_t(value))))
             : builder.getI64IntegerAttr(value);
}

DictionaryAttr getFields(Builder &builder, const Instruction &instruction, bool withZeros) {
  Instruction none = Instruction::make(instruction.opcode);
  NamedAttrList list;
  for (auto [index, field] : llvm::enumerate(instruction.info().fields)) {
    bool isRequired = field.defaultValue != none.fields[index];
    bool isNumber = ::lpu::getEnumName(field.kind, 0).empty();
    if (instruction.fields[index] != none.fields[index] ||
        (isRequired && (withZeros || !isNumber))) {
      list.append(StringRef(field.name), getFieldAttribute(builder, instruction, index));
    }
  }
  return list.getDictionary(builder.getContext());
}

DictionaryAttr getStrides(Builder &builder, const Instruction &instruction) {
  NamedAttrList list;
  size_t number = 0;
  for (const FieldInfo &field : instruction.info().fields) {
    if (!field.strided) {
      continue;
    }
    if (number < instruction.repeat.strides.size()) {
      const ::lpu::Repeat::Stride &stride = instruction.repeat.strides[number];
      if (stride.i != 0 || stride.j != 0) {
        list.append(StringRef(field.name), builder.getDenseI64ArrayAttr({stride.i, stride.j}));
      }
    }
    ++number;
  }
  return list.empty() ? DictionaryAttr() : list.getDictionary(builder.getContext());
}

DenseI64ArrayAttr getRepeat(Builder &builder, const ::lpu::Repeat &repeat) {
  return repeat.isPlain() ? DenseI64ArrayAttr()
                          : builder.getDenseI64ArrayAttr({repeat.n, repeat.d, repeat.m, repeat.e});
}

/// Any of `fields`, `repeat` and `strides` may be null.
LogicalResult pack(Instruction &instruction, DictionaryAttr fields, DenseI64ArrayAttr repeat,
                   DictionaryAttr strides, EmitError error, PackedInstruction &packed) {
  if ((fields && failed(setFields(instruction, fields, error))) ||
      (repeat && failed(setRepeat(instruction, repeat, error))) ||
      (strides && failed(setStrides(instruction, strides, error)))) {
    return failure();
  }
  // Every value was seen to fit.
  packed = *PackedInstruction::pack(instruction);
  return success();
}

LogicalResult makeInstruction(StringRef mnemonic, EmitError error, Instruction &instruction) {
  const ::lpu::InstructionInfo *info = ::lpu::lookupMnemonic(mnemonic);
  if (!info) {
    return error() << "unknown instruction " << mnemonic;
  }
  instruction = Instruction::make(info->opcode);
  return success();
}

} // namespace

namespace mlir::lpuisa {

ParseResult parseMnemonic(OpAsmParser &parser, Instruction &instruction) {
  llvm::SMLoc at = parser.getCurrentLocation();
  std::string mnemonic;
  if (parser.parseString(&mnemonic)) {
    return failure();
  }
  return makeInstruction(mnemonic, [&] { return parser.emitError(at); }, instruction);
}

ParseResult parseFields(OpAsmParser &parser, Instruction instruction,
                        PackedInstruction &packed) {
  llvm::SMLoc at = parser.getCurrentLocation();
  DictionaryAttr fields, strides;
  DenseI64ArrayAttr repeat;
  if (parser.parseAttribute(fields)) {
    return failure();
  }
  if (succeeded(parser.parseOptionalKeyword("repeat"))) {
    repeat = dyn_cast_or_null<DenseI64ArrayAttr>(DenseI64ArrayAttr::parse(parser, Type()));
    if (!repeat) {
      return failure();
    }
  }
  if (succeeded(parser.parseOptionalKeyword("strides")) && parser.parseAttribute(strides)) {
    return failure();
  }
  return pack(instruction, fields, repeat, strides, [&] { return parser.emitError(at); }, packed);
}

void printFields(OpAsmPrinter &printer, MLIRContext *context, const PackedInstruction &packed,
                 bool withZeros) {
  Builder builder(context);
  Instruction instruction = packed.unpack();
  printer << getFields(builder, instruction, withZeros);
  if (DenseI64ArrayAttr repeat = getRepeat(builder, instruction.repeat)) {
    printer << " repeat ";
    repeat.print(printer);
  }
  if (DictionaryAttr strides = getStrides(builder, instruction)) {
    printer << " strides " << strides;
  }
}

Attribute convertToAttribute(MLIRContext *context, const PackedInstruction &packed) {
  Builder builder(context);
  if (!packed.isValid()) {
    return builder.getUnitAttr();
  }
  Instruction instruction = packed.unpack();
  NamedAttrList list;
  list.append("fields", getFields(builder, instruction, true));
  list.append("mnemonic", builder.getStringAttr(instruction.info().mnemonic));
  if (DenseI64ArrayAttr repeat = getRepeat(builder, instruction.repeat)) {
    list.append("repeat", repeat);
  }
  if (DictionaryAttr strides = getStrides(builder, instruction)) {
    list.append("strides", strides);
  }
  return list.getDictionary(context);
}

LogicalResult convertFromAttribute(PackedInstruction &packed, Attribute attribute,
                                   EmitError emitError) {
  auto all = dyn_cast<DictionaryAttr>(attribute);
  auto mnemonic = all ? all.getAs<StringAttr>("mnemonic") : StringAttr();
  if (!mnemonic) {
    return emitError() << "expected an instruction, got " << attribute;
  }
  Instruction instruction;
  if (failed(makeInstruction(mnemonic, emitError, instruction))) {
    return failure();
  }
  return pack(instruction, all.getAs<DictionaryAttr>("fields"),
              all.getAs<DenseI64ArrayAttr>("repeat"), all.getAs<DictionaryAttr>("strides"),
              emitError, packed);
}

Attribute convertToAttribute(MLIRContext *context, const Intent &intent) {
  return DenseI64ArrayAttr::get(context, SmallVector<int64_t>(intent.begin(), intent.end()));
}

LogicalResult convertFromAttribute(Intent &intent, Attribute attribute, EmitError emitError) {
  auto numbers = dyn_cast<DenseI64ArrayAttr>(attribute);
  if (!numbers || llvm::any_of(numbers.asArrayRef(),
                               [](int64_t number) { return !llvm::isUInt<32>(number); })) {
    return emitError() << "expected numbers of intent records, got " << attribute;
  }
  intent.assign(numbers.asArrayRef().begin(), numbers.asArrayRef().end());
  return success();
}

Attribute convertToAttribute(MLIRContext *context, const ::lpu::Meaning &meaning) {
  return DenseI64ArrayAttr::get(context, {int64_t(meaning.number), int64_t(meaning.operation),
                                          int64_t(meaning.sources)});
}

LogicalResult convertFromAttribute(::lpu::Meaning &meaning, Attribute attribute,
                                   EmitError emitError) {
  auto numbers = dyn_cast<DenseI64ArrayAttr>(attribute);
  if (!numbers || numbers.size() != 3 || !llvm::isUInt<32>(numbers[0]) ||
      !llvm::isUInt<32>(numbers[1])) {
    return emitError() << "expected [number, operation, sources], got " << attribute;
  }
  meaning = {uint32_t(numbers[0]), uint32_t(numbers[1]), uint64_t(numbers[2])};
  return success();
}

ParseResult parseOptionalMeaning(OpAsmParser &parser, ::lpu::Meaning &meaning) {
  llvm::SMLoc at = parser.getCurrentLocation();
  if (failed(parser.parseOptionalKeyword("meant"))) {
    return success();
  }
  Attribute numbers = DenseI64ArrayAttr::parse(parser, Type());
  return failure(!numbers || failed(convertFromAttribute(meaning, numbers, [&] {
                   return parser.emitError(at);
                 })));
}

void printOptionalMeaning(OpAsmPrinter &printer, const ::lpu::Meaning &meaning) {
  if (meaning.number != 0) {
    printer << " meant [" << meaning.number << ", " << meaning.operation << ", "
            << int64_t(meaning.sources) << "]";
  }
}

ParseResult InstructionOp::parse(OpAsmParser &parser, OperationState &result) {
  auto &properties = result.getOrAddProperties<Properties>();
  Instruction instruction;
  if (parseMnemonic(parser, instruction) || parser.parseKeyword("at") ||
      parser.parseInteger(properties.cycle) ||
      parseFields(parser, std::move(instruction), properties.instruction)) {
    return failure();
  }
  llvm::SMLoc at = parser.getCurrentLocation();
  if (succeeded(parser.parseOptionalKeyword("intent"))) {
    Attribute numbers = DenseI64ArrayAttr::parse(parser, Type());
    if (!numbers || failed(convertFromAttribute(properties.intent, numbers,
                                                [&] { return parser.emitError(at); }))) {
      return failure();
    }
  }
  return failure(parseOptionalMeaning(parser, properties.meaning) ||
                 parser.parseOptionalAttrDict(result.attributes));
}

void InstructionOp::print(OpAsmPrinter &printer) {
  printer << " \"" << StringRef(getInstruction().info().mnemonic) << "\" at " << getCycle()
          << " ";
  printFields(printer, getContext(), getInstruction(), true);
  if (!getIntent().empty()) {
    printer << " intent [";
    llvm::interleaveComma(getIntent(), printer);
    printer << "]";
  }
  printOptionalMeaning(printer, getMeaning());
  printer.printOptionalAttrDict(llvm::to_vector((*this)->getDiscardableAttrs()));
}

LogicalResult InstructionOp::verify() {
  if (!getInstruction().isValid()) {
    return emitOpError("expected an instruction of the table");
  }
  return getIntent().size() % 4 == 0
             ? success()
             : emitOpError("expected four numbers an intent record");
}

} // namespace mlir::lpuisa
