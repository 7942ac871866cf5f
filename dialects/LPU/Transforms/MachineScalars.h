//===- MachineScalars.h - What one ALU does in one operation ----*- C++ -*-===//
#ifndef LPU_TRANSFORMS_MACHINESCALARS_H
#define LPU_TRANSFORMS_MACHINESCALARS_H

#include "mlir/IR/Operation.h"

namespace mlir::lpu {

/// Whether `op`, of a scalar body, is one operation of the VXM, or none:
///
/// - f32: addf, subf, mulf, negf, maximumf, minimumf, fma, absf, floor, exp2,
/// log2, tanh, rsqrt,
///   1 / x (a divf), lpu.round
/// - i32: addi, subi, muli, andi, ori, xori, shli, shrsi, maxsi, minsi
/// - cmpf oeq, olt, ole, ogt, oge; cmpi eq, slt, sle, sgt, sge on i32; select.
/// i1 is an i32 of 0 or
///   1: andi, ori, xori on it; extui to i32 is free
/// - sitofp from i32; fptosi to i32 of a roundeven is f2i
/// - a truncf to f16 of what is within +-65504, and the extf back, is f2h
/// - bitcasts between f32 and i32 are bits
/// - constants, yields: free
bool isMachineScalar(Operation *op);

/// Rewrites every operation of `block`, a scalar body, that is none of these
/// and that the pass lpu-expand-scalars knows. With `keepsQuotients`, divisions and roots
/// stay for who takes them as a reciprocal and a product, or the reciprocal of rsqrt.
void expandScalars(Block &block, bool keepsQuotients = false);

/// Rewrites conversions from and to floats of 8 bits and less, and bfloat16,
/// which LLVM lacks or calls a library for; in any block.
void expandSmallFloats(Operation *root);

} // namespace mlir::lpu

#endif // LPU_TRANSFORMS_MACHINESCALARS_H
