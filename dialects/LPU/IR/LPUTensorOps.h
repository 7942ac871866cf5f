//===- LPUTensorOps.h - The tensor level of the lpu dialect -----*- C++ -*-===//
#ifndef LPU_IR_LPUTENSOROPS_H
#define LPU_IR_LPUTENSOROPS_H

#include "LPU/IR/LPUDialect.h"
#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/BuiltinAttributeInterfaces.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#define GET_OP_CLASSES
#include "LPU/IR/LPUTensorOps.h.inc"

#endif // LPU_IR_LPUTENSOROPS_H
