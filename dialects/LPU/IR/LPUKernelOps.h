//===- LPUKernelOps.h - The kernel level of the lpu dialect -----*- C++ -*-===//
#ifndef LPU_IR_LPUKERNELOPS_H
#define LPU_IR_LPUKERNELOPS_H

#include "LPU/IR/LPUDialect.h"
#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#include "LPU/IR/LPUKernelEnums.h.inc"

#define GET_TYPEDEF_CLASSES
#include "LPU/IR/LPUKernelTypes.h.inc"

#define GET_OP_CLASSES
#include "LPU/IR/LPUKernelOps.h.inc"

namespace mlir::lpu {

/// Bytes of an element of `format` in SRAM, one byte plane each.
unsigned getNumBytes(Format format);
/// int8 limbs of `format`: 1 to 3; 0 for a floating-point format.
unsigned getNumLimbs(Format format);

/// One copy of a buffer in SRAM: for each byte plane, low byte first, its
/// slice, bank and first word. Row r, vector v lies in word
/// first + r * vectors + v.
struct BytePlacement {
  int64_t slice, bank, first;
};
using Placement = SmallVector<BytePlacement, 4>;

/// The copies that a `placement` attribute lists: `numBytes` byte planes each.
SmallVector<Placement> decodePlacement(DenseI64ArrayAttr attribute,
                                       unsigned numBytes);
DenseI64ArrayAttr encodePlacement(MLIRContext *context,
                                  ArrayRef<Placement> copies);

/// Where the tiles of one plane lie: 16 slices, one bank, consecutive words.
struct Stripe {
  int64_t plane, bank, first;
  std::vector<int64_t> slices;
};
SmallVector<Stripe> decodeStripes(DenseI64ArrayAttr attribute);
DenseI64ArrayAttr encodeStripes(MLIRContext *context, ArrayRef<Stripe> stripes);

} // namespace mlir::lpu

#endif // LPU_IR_LPUKERNELOPS_H
