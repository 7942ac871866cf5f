//===- Costs.cpp - Cycles and capacities that no choice avoids ------------===//

#include "LPU/Analysis/Costs.h"
#include "llvm/Support/MathExtras.h"
#include <algorithm>
#include <numeric>

using namespace mlir::lpu;
using ::lpu::Side;

static int64_t getDistance(unsigned a, unsigned b) {
  return std::abs(int64_t(a) - int64_t(b));
}

Costs::Costs(const ::lpu::Target &target) : target(target) {
  const ::lpu::Latencies &latencies = target.latencies();
  alu = latencies.alu();
  function = latencies.alu_transcendental();
  toPlane = toExchange = target.columns();
  int64_t fromMemory = target.columns();
  for (Side side : {Side::West, Side::East}) {
    unsigned plane = target.planeColumn(target.innerPlane(side));
    toPlane = std::min(toPlane, getDistance(target.vxmColumn(), plane));
    toExchange = std::min(toExchange, getDistance(target.vxmColumn(), target.sxmColumn(side)));
    for (unsigned slice = 0; slice < target.slicesPerSide(); ++slice) {
      unsigned column = target.sliceColumn(target.slice(side, slice));
      fromMemory = std::min(fromMemory, getDistance(column, plane));
    }
  }
  accumulated = latencies.mxm_result() + 1;
  pass = latencies.mxm_result() + latencies.mxm_emit() + toPlane;
  memoryToPlane = latencies.read() + fromMemory;
  int64_t planes = target.planes();
  held = 0;
  for (const auto &format : target.description().formats()) {
    macUnit = std::lcm(macUnit, int64_t(format.rows()) * format.columns());
    sumUnit = std::lcm(sumUnit, int64_t(format.columns()));
    // The array and the buffer behind it; 16 streams a byte of an element.
    int64_t bytes = std::max<int64_t>(1, format.streams() / 16);
    held = std::max(held, 2 * planes / int64_t(format.gang()) * format.rows() *
                              format.columns() * bytes);
  }
  macCapacity = planes * macUnit;
  sumCapacity = planes * sumUnit;
  entryCapacity = 2 * int64_t(target.streams()) * target.lanes();
  aluCapacity = int64_t(target.alus()) * target.lanes();
}

// The bytes of an operand come in one direction in one cycle: from as many slices of
// one side.
int64_t Costs::load(int64_t bytes) const { return target.latencies().read() + bytes; }

// Two ALUs can drive a result to both sides, and each writes half of its bytes.
int64_t Costs::store(int64_t bytes) const { return (bytes + 1) / 2 + 1; }

int64_t Costs::gather() const {
  // A mapped read behind that of its map of four bytes, or all rows through an ALU that
  // picks one.
  int64_t mapped = target.latencies().read() + 4 + target.latencies().gather() + 1;
  return std::min(mapped, load(1) + alu);
}

int64_t Costs::reduce(int64_t count) const {
  if (count <= 1) {
    return 0;
  }
  int64_t alus = target.alus();
  int64_t onVxm = std::max((count - 1 + alus - 1) / alus + alu - 1,
                           int64_t(llvm::Log2_64_Ceil(uint64_t(count))) * alu);
  int64_t overExchange = 2 * toExchange + int64_t(target.latencies().shift()) + alu;
  return std::min({onVxm, overExchange, toPlane + pass});
}

int64_t Costs::getMacWork(llvm::StringRef format, int64_t macs) const {
  const auto *entry = target.format(format.str());
  return entry ? macs * entry->gang() * (macUnit / (int64_t(entry->rows()) * entry->columns()))
               : 0;
}

int64_t Costs::getSumWork(llvm::StringRef format, int64_t sums) const {
  const auto *entry = target.format(format.str());
  return entry ? sums * entry->gang() * (sumUnit / entry->columns()) : 0;
}
