//===- ISADialect.cpp - Instruction queues and the words of SRAM ----------===//

#include "ISA/IR/ISADialect.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"

using namespace mlir;
using namespace mlir::lpuisa;

#include "ISA/IR/ISADialect.cpp.inc"

#define GET_OP_CLASSES
#include "ISA/IR/ISAOps.cpp.inc"

void ISADialect::initialize() {
  addOperations<
#define GET_OP_LIST
#include "ISA/IR/ISAOps.cpp.inc"
      >();
}

LogicalResult QueueOp::verify() {
  int64_t last = -1;
  for (Operation &op : getBody().front()) {
    auto instruction = dyn_cast<InstructionOp>(op);
    if (!instruction) {
      return emitOpError("expected isa.inst, got ") << op.getName();
    }
    if (instruction.getCycle() <= last) {
      return instruction.emitOpError("expected cycles in rising order");
    }
    last = instruction.getCycle();
  }
  return success();
}
