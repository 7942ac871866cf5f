//===- LPUDialect.h - The lpu dialect ---------------------------*- C++ -*-===//
#ifndef LPU_IR_LPUDIALECT_H
#define LPU_IR_LPUDIALECT_H

#include "mlir/IR/Dialect.h"

#include "LPU/IR/LPUDialect.h.inc"

#endif // LPU_IR_LPUDIALECT_H
