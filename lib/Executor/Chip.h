//===- Chip.h - The state of one chip and what instructions do --*- C++ -*-===//
//
// A run issues instructions in cycle order. Every driver has a latency of at
// least one cycle, so a result is recorded in the issue cycle of its producer
// for a later cycle, and a sample sees exactly the drives of earlier cycles on
// its diagonal (T2). Units: Mem.cpp, Vxm.cpp, Mxm.cpp, Sxm.cpp.
//
//===----------------------------------------------------------------------===//
#ifndef LPU_LIB_EXECUTOR_CHIP_H
#define LPU_LIB_EXECUTOR_CHIP_H

#include "Decode.h"
#include "Sram.h"
#include "Streams.h"
#include "VxmKernels.h"
#include "lpu/Executor/Executor.h"
#include <array>
#include <deque>

namespace lpu::executor {

/// A weight buffer or an installed array (X2, X3).
struct WeightArray {
  MxmFormat format = MxmFormat::I8;
  uint64_t loaded = 0; ///< row groups
  /// i8: rows in pairs, [row / 2][lane][row % 2]. f16: fp16 bits, [row][lane].
  std::vector<uint8_t> bytes;
  /// f16: the values in units of 2^-24 where they fit, [row][lane].
  std::vector<int32_t> fixed;
  /// f16: per row group, the union of the bits of all |fixed|, and whether all
  /// values of the group fit.
  std::vector<uint32_t> fixedBits;
  uint64_t fits = 0;
};

/// One plane, or a gang (at its lead plane).
struct Plane {
  struct Install {
    int64_t cycle;
    std::shared_ptr<WeightArray> array; ///< null: taken over by a gang
  };
  struct Result {
    int64_t due;
    MxmFormat format;
    IssueRef by;
    std::vector<uint32_t> lanes;
  };
  struct Accumulator {
    uint64_t set = 0;      ///< superlanes
    uint64_t isFloat = 0;  ///< superlanes that hold fp32
  };
  std::shared_ptr<WeightArray> buffer; ///< null where nothing was loaded
  std::shared_ptr<WeightArray> array;  ///< what an ABC sees now
  std::deque<Install> installs;        ///< not yet seen
  std::deque<Result> results;
  std::vector<Accumulator> accumulators;
  std::vector<uint32_t> accumulatorLanes; ///< [accumulator][lane]
};

/// A value of the mesh or of an ALU's register, one 32-bit value a lane.
struct LaneValue {
  int64_t cycle = -1; ///< when it is on the mesh; register: when loaded
  bool isFloat = false;
  IssueRef by;
  std::vector<uint32_t> lanes;
};

class Chip {
public:
  Chip(const Program &program, const ExecutorOptions &options);

  Sram &sram() { return memory; }
  /// Runs `entry` from cycle 0. Counts per counter go to `saturations`.
  absl::Status run(const FlatEntry &entry, RunStatistics &statistics,
                   std::vector<uint64_t> &saturations);

private:
  // Each returns false after a hazard, which `fail` recorded.
  bool issue(const FlatQueue &queue, const FlatOp &op, uint32_t i, uint32_t j);
  bool mem(const FlatQueue &queue, const MemOp &op, uint32_t i, uint32_t j);
  bool readPart(unsigned slice, const MemPart &part, uint32_t i, uint32_t j);
  bool writePart(unsigned slice, const MemPart &part, uint32_t i, uint32_t j);
  bool mapWords(const MemPart &part, uint32_t i, uint32_t j,
                std::array<int32_t, 64> &words);
  bool alu(const FlatQueue &queue, const VxmOp &op, uint32_t j);
  bool operand(unsigned alu, const AluOperand &from, unsigned number,
               const uint32_t *&lanes, bool &isFloat);
  bool compute(unsigned alu, const VxmOp &op, uint32_t j,
               const uint32_t *const *in, const bool *isFloat, uint32_t *out,
               bool &outIsFloat);
  bool accumulateRegister(unsigned alu, const VxmOp &op, uint32_t j,
                          const uint32_t *in, bool isFloat, uint32_t *out);
  bool driveResult(const VxmOp &op, const uint32_t *lanes, bool isFloat);
  bool weights(const FlatQueue &queue, const FlatOp &op, uint32_t i,
               uint32_t j);
  bool install(unsigned plane, MxmFormat format);
  bool loadRows(unsigned plane, const WeightsOp &op, unsigned group);
  bool activate(const FlatQueue &queue, const ActivateOp &op, uint32_t i,
                uint32_t j);
  bool accumulate(const FlatQueue &queue, const AccumulateOp &op, uint32_t i,
                  uint32_t j);
  bool takeResult(Plane &plane, unsigned index, bool add, uint64_t active);
  bool emit(Plane &plane, unsigned index, uint64_t active, StreamRef out);
  bool sxm(const FlatQueue &queue, const FlatOp &op);
  bool transpose(const SxmOp &op);

  bool fail(std::string text, std::string_view rule);
  bool failLost(const FlatQueue *queue, const Plane::Result &result);
  bool checkLost(int64_t before);
  /// "alu@10#3 of queue vxm.2"
  std::string describe(const IssueRef &ref) const;
  const FlatOp *findOp(const IssueRef &ref) const;
  const uint8_t *sample(StreamRef stream, unsigned offset = 0);
  bool drive(StreamRef stream, unsigned offset, unsigned latency,
             uint32_t vector);
  bool activeMask(int64_t first, unsigned count, uint64_t mask, unsigned limit,
                  std::string_view what, std::string_view rule,
                  uint64_t &active);
  void note(int64_t cycle) { lastCycle = std::max(lastCycle, cycle); }
  const MxmFormatDescription &formatOf(MxmFormat format) const;
  bool isGang(MxmFormat format) const { return formatOf(format).gang() > 1; }
  void reset();

  const Program &program;
  const Target &target;
  bool vectorInstructions;
  unsigned lanes, superlanes;
  VectorPool pool;
  Streams streams;
  Sram memory;
  std::vector<Plane> planes;
  std::vector<std::shared_ptr<WeightArray>> spareArrays[2];
  std::vector<std::vector<uint32_t>> spareResults;
  std::vector<LaneValue> mesh;      ///< [alu][cycle mod ring]
  unsigned meshRing;
  std::vector<LaneValue> registers; ///< [alu]
  std::vector<uint32_t> scratch[3]; ///< operands from streams and immediates

  // The present run.
  const FlatEntry *entry = nullptr;
  std::vector<const FlatQueue *> queueByNumber;
  RunStatistics *statistics = nullptr;
  std::vector<uint64_t> *saturations = nullptr;
  IssueRef now;
  unsigned column = 0; ///< of the issuing queue
  int64_t lastCycle = -1;
  std::string failure;
};

} // namespace lpu::executor

#endif // LPU_LIB_EXECUTOR_CHIP_H
