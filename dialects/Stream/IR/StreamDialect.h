//===- StreamDialect.h - Chains of instructions joined by streams -*- C++ -*-===//
#ifndef STREAM_IR_STREAMDIALECT_H
#define STREAM_IR_STREAMDIALECT_H

#include "ISA/IR/ISADialect.h"
#include "lpu/Binary/Operands.h"
#include "lpu/Target/Target.h"
#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#include "Stream/IR/StreamDialect.h.inc"
#include "Stream/IR/StreamEnums.h.inc"

#define GET_TYPEDEF_CLASSES
#include "Stream/IR/StreamTypes.h.inc"

#define GET_OP_CLASSES
#include "Stream/IR/StreamOps.h.inc"

namespace mlir::stream {

/// The machine instruction of `op`. Stream ids and ALUs are those of the
/// schedule where decided, else 0.
::lpu::Instruction getInstruction(IssueOp op, const ::lpu::Target &target);

/// Queue of `op`; ALU 0 for `vxm.*` before scheduling.
FailureOr<::lpu::QueueId> getQueue(IssueOp op, const ::lpu::Target &target);

/// The issues that drive `value`, through merges, bundles and parts: issue, number of
/// its SSA result, and distance of its first id from the first id of `value`.
struct Producer {
  IssueOp issue;
  unsigned result;
  int offset;
};
SmallVector<Producer> getProducers(Value value);

} // namespace mlir::stream

#endif // STREAM_IR_STREAMDIALECT_H
