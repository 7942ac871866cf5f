//===- Lowering.h - One entry at kernel level to chains ---------*- C++ -*-===//
#ifndef LPU_LIB_CONVERSION_LPUTOSTREAM_LOWERING_H
#define LPU_LIB_CONVERSION_LPUTOSTREAM_LOWERING_H

#include "ChainBuilder.h"
#include "LPU/IR/LPUKernelOps.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace lpu::stream_lowering {

/// Accumulators that hold one N tile of a contraction: those of row r and limb
/// l, high limb first, are first + r * limbs + l.
struct AccumulatorTile {
  unsigned plane;
  int64_t first;
};

/// Which accumulators of each plane are in use.
class AccumulatorAllocator {
public:
  explicit AccumulatorAllocator(const Target &target)
      : used(target.planes(), std::vector<bool>(target.accumulators())),
        next(target.planes(), 0) {}
  /// `count` consecutive ones, going round so that reuse comes late; -1 when
  /// there are none.
  int64_t take(unsigned plane, int64_t count);
  void release(unsigned plane, int64_t first, int64_t count);

private:
  std::vector<std::vector<bool>> used;
  std::vector<int64_t> next;
};

/// The state of lowering one entry.
class Lowering {
public:
  Lowering(mlir::func::FuncOp entry, mlir::stream::ProgramOp program,
           const Target &target)
      : entry(entry), program(program), target(target), accumulators(target) {}

  mlir::LogicalResult run();

  /// Some rows of a kernel.
  struct RowBlock {
    int64_t first, count;
  };

private:
  /// Whether the one user of `op` computes its sums, tile by tile and row block
  /// by row block, as it takes them: so they need few accumulators.
  bool isComputedByUser(mlir::lpu::ContractOp op);
  mlir::LogicalResult checkContract(mlir::lpu::ContractOp op);
  mlir::LogicalResult lowerContract(mlir::lpu::ContractOp op);
  /// Chains for the sums of one N tile and row block.
  mlir::FailureOr<AccumulatorTile> emitTile(mlir::lpu::ContractOp op, int64_t n,
                                            RowBlock rows);
  /// Those of every vector of a row.
  mlir::FailureOr<std::vector<AccumulatorTile>> emitTiles(mlir::lpu::ContractOp op,
                                                          RowBlock rows);
  mlir::LogicalResult lowerMap(mlir::lpu::MapOp op);
  /// Rows of sums that one row of activations makes.
  int64_t getRowsPerActivation(mlir::lpu::ContractOp op);
  /// Rows that a map computes at once.
  int64_t getBlockRows(mlir::lpu::MapOp op);
  /// Regions, images and bindings of the host.
  mlir::LogicalResult emitMemory();
  void releaseDeadAccumulators(mlir::Operation *op);

  /// Row groups of an array, from groups that follow one another in SRAM.
  struct LoadRun {
    int64_t group, word, count;
  };
  /// Loads and installs an array of `op`: words are counted from the stripe's first.
  void emitTileLoad(mlir::lpu::ContractOp op, const mlir::lpu::Stripe &stripe,
                    llvm::ArrayRef<LoadRun> runs, llvm::StringRef name);
  llvm::SmallVector<LoadRun> getLoadRuns(mlir::lpu::ContractOp op, int64_t chunk,
                                         int64_t half, int64_t firstWord);
  /// Rows of activations that go through an installed array one after another.
  struct Pass {
    int64_t half = 0;
    int64_t firstGroup = 0, groups = 0;           ///< active row groups
    int64_t firstSuperlane = 0, superlanes = 0;   ///< active in the accumulators
    bool isFirst = false;                         ///< sets its sums
    int64_t inner = 1, outer = 1;                 ///< how many
    int64_t word = 0, innerWords = 0, outerWords = 0;
    int64_t sum = 0, innerSums = 0, outerSums = 0; ///< accumulator of limb 0, in rows
  };
  llvm::SmallVector<Pass> getPasses(mlir::lpu::ContractOp op, int64_t n, int64_t chunk,
                                    int64_t half, RowBlock block, int64_t firstSum);
  void emitPass(mlir::lpu::ContractOp op, const Pass &pass, unsigned plane,
                llvm::StringRef name);
  mlir::LogicalResult lowerPermute(mlir::lpu::PermuteOp op);
  mlir::LogicalResult lowerGatherRows(mlir::lpu::GatherRowsOp op);
  /// One byte plane of gathered rows, from one window or the sum of several.
  void gatherFromOne(mlir::lpu::GatherRowsOp op, const mlir::lpu::Placement &map,
                     const mlir::lpu::TableWindow &window,
                     const mlir::lpu::BytePlacement &to);
  mlir::LogicalResult gatherFromMany(mlir::lpu::GatherRowsOp op,
                                     llvm::ArrayRef<mlir::lpu::Placement> maps,
                                     llvm::ArrayRef<mlir::lpu::TableWindow> windows,
                                     const mlir::lpu::BytePlacement &to);
  mlir::LogicalResult lowerAppend(mlir::lpu::AppendOp op);

public:
  mlir::func::FuncOp entry;
  mlir::stream::ProgramOp program;
  const Target &target;
  AccumulatorAllocator accumulators;
  llvm::DenseMap<mlir::Value, std::vector<AccumulatorTile>> tilesOf;
  llvm::SmallVector<std::string> counters;
  unsigned number = 0; ///< of the next kernel, for names

  /// Name of an operation for messages and chains: its location's, else `kind`
  /// and a number.
  std::string getName(mlir::Operation *op, llvm::StringRef kind);
};

/// Where the weights of `op` lie, one stripe a plane that works on it.
llvm::SmallVector<mlir::lpu::Stripe> getStripes(mlir::lpu::ContractOp op);

/// Copies of `buffer` in SRAM, from the operation that makes it.
llvm::SmallVector<mlir::lpu::Placement> getPlacements(mlir::Value buffer);

inline int64_t divideCeil(int64_t a, int64_t b) { return (a + b - 1) / b; }

} // namespace lpu::stream_lowering

#endif // LPU_LIB_CONVERSION_LPUTOSTREAM_LOWERING_H
