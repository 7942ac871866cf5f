//===- Costs.h - Cycles and capacities that no choice avoids ----*- C++ -*-===//
//
// The terms (B1) to (B9) of docs/LowerBound.md, from a target's numbers alone.
//
//===----------------------------------------------------------------------===//
#ifndef LPU_ANALYSIS_COSTS_H
#define LPU_ANALYSIS_COSTS_H

#include "lpu/Target/Target.h"
#include "llvm/ADT/StringRef.h"
#include <cstdint>

namespace mlir::lpu {

/// Latencies in cycles, capacities in units of work a cycle. A value is *at the
/// VXM* in the first cycle in which an ALU can take it.
struct Costs {
  explicit Costs(const ::lpu::Target &target);

  /// (B1) From a value at the VXM to the cycle in which the nearest plane takes it.
  int64_t toPlane;
  /// (B1) From there to its sum at the VXM.
  int64_t pass;
  /// (B1) From there to the end of a program that only keeps the sum.
  int64_t accumulated;
  /// (B2) First cycle in which a plane can take a word of SRAM.
  int64_t memoryToPlane;
  int64_t alu, function; ///< (B3) an operation; exp2, log2, tanh, rsqrt, rcp
  /// (B4) First cycle in which an element of `bytes` can be at the VXM.
  int64_t load(int64_t bytes) const;
  /// (B4) From an element of `bytes` at the VXM to the end of the program that
  /// stores it.
  int64_t store(int64_t bytes) const;
  /// (B4) First cycle in which an element of a row of a table can be at the VXM.
  int64_t gather() const;
  /// (B5) From `count` elements of a row at the VXM to their sum, on any unit.
  int64_t reduce(int64_t count) const;

  /// (B6) Passes over whole planes: work of `amount` where one pass of `format`
  /// does `perPass`; 0 for a format that the target lacks.
  int64_t getMacWork(llvm::StringRef format, int64_t macs) const;
  int64_t getSumWork(llvm::StringRef format, int64_t sums) const;
  int64_t macCapacity, sumCapacity;
  int64_t entryCapacity; ///< (B7) bytes that can enter the planes
  int64_t held;          ///< (B7) bytes of weights that all planes can hold
  int64_t aluCapacity;   ///< (B8) elements

private:
  const ::lpu::Target &target;
  int64_t toExchange; ///< from the VXM to the nearest SXM
  int64_t macUnit = 1, sumUnit = 1;
};

} // namespace mlir::lpu

#endif // LPU_ANALYSIS_COSTS_H
