//===- ISADialect.h - Instruction queues and the words of SRAM --*- C++ -*-===//
#ifndef ISA_IR_ISADIALECT_H
#define ISA_IR_ISADIALECT_H

#include "lpu/Binary/Program.h"
#include "lpu/ISA/PackedInstruction.h"
#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/SymbolTable.h"

#include "ISA/IR/ISADialect.h.inc"

namespace lpu {
llvm::hash_code hash_value(const PackedInstruction &instruction);
llvm::hash_code hash_value(const Meaning &meaning);
} // namespace lpu

namespace mlir::lpuisa {

/// [operand, producer's queue number, producer's index in its queue, its result], flat.
using Intent = std::vector<uint32_t>;

/// Parses `"mnemonic"`, and `{fields} (repeat [...])? (strides {...})?`: enumerations by
/// name, fp32 immediates as floats, everything else as integers. Errors: an unknown
/// mnemonic, field or name, a value out of range.
ParseResult parseMnemonic(OpAsmParser &parser, ::lpu::Instruction &instruction);
ParseResult parseFields(OpAsmParser &parser, ::lpu::Instruction instruction,
                        ::lpu::PackedInstruction &packed);
/// Prints what parseFields reads: fields that differ from their default. With
/// `withZeros`, numbers without a default are printed when they are 0, too.
void printFields(OpAsmPrinter &printer, MLIRContext *context,
                 const ::lpu::PackedInstruction &instruction, bool withZeros);

/// `meant [number, operation, sources]`, where it is stated.
ParseResult parseOptionalMeaning(OpAsmParser &parser, ::lpu::Meaning &meaning);
void printOptionalMeaning(OpAsmPrinter &printer, const ::lpu::Meaning &meaning);

// What the generic form has for properties.
Attribute convertToAttribute(MLIRContext *context, const ::lpu::PackedInstruction &instruction);
LogicalResult convertFromAttribute(::lpu::PackedInstruction &instruction, Attribute attribute,
                                   llvm::function_ref<InFlightDiagnostic()> emitError);
Attribute convertToAttribute(MLIRContext *context, const Intent &intent);
LogicalResult convertFromAttribute(Intent &intent, Attribute attribute,
                                   llvm::function_ref<InFlightDiagnostic()> emitError);
Attribute convertToAttribute(MLIRContext *context, const ::lpu::Meaning &meaning);
LogicalResult convertFromAttribute(::lpu::Meaning &meaning, Attribute attribute,
                                   llvm::function_ref<InFlightDiagnostic()> emitError);

} // namespace mlir::lpuisa

#define GET_OP_CLASSES
#include "ISA/IR/ISAOps.h.inc"

#endif // ISA_IR_ISADIALECT_H
