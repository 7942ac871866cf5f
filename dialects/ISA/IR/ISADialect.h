//===- ISADialect.h - Instruction queues and the words of SRAM --*- C++ -*-===//
#ifndef ISA_IR_ISADIALECT_H
#define ISA_IR_ISADIALECT_H

#include "lpu/ISA/ISA.h"
#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/SymbolTable.h"

#include "ISA/IR/ISADialect.h.inc"

#define GET_OP_CLASSES
#include "ISA/IR/ISAOps.h.inc"

namespace mlir::lpuisa {

/// The table's form of an instruction that attributes spell: enumerations by
/// name, fp32 immediates as floats, everything else as integers; strides as
/// [i, j]. Errors at `op`: an unknown mnemonic, field or name, a value out of
/// range.
FailureOr<::lpu::Instruction> parseInstruction(Operation *op, StringRef mnemonic,
                                               DictionaryAttr fields,
                                               ArrayRef<int64_t> repeat,
                                               DictionaryAttr strides);

/// Attributes that parseInstruction reads back: fields that differ from their
/// default.
DictionaryAttr getFieldAttributes(MLIRContext *context,
                                  const ::lpu::Instruction &instruction);
DictionaryAttr getStrideAttributes(MLIRContext *context,
                                   const ::lpu::Instruction &instruction);

} // namespace mlir::lpuisa

#endif // ISA_IR_ISADIALECT_H
