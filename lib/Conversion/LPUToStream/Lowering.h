//===- Lowering.h - One entry at kernel level to chains ---------*- C++ -*-===//
#ifndef LPU_LIB_CONVERSION_LPUTOSTREAM_LOWERING_H
#define LPU_LIB_CONVERSION_LPUTOSTREAM_LOWERING_H

#include "ChainBuilder.h"
#include "LPU/IR/LPUKernelOps.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include <optional>

namespace lpu::stream_lowering {

/// Rows in two levels of steps: row (o, i) is first + o * outerStep + i * innerStep.
struct Rows {
  int64_t first = 0;
  int64_t outer = 1, outerStep = 0;
  int64_t inner = 1, innerStep = 1;

  int64_t count() const { return outer * inner; }
  /// The same rows; the inner level is the one where one level will do.
  Rows normalize() const {
    return inner == 1 ? Rows{first, 1, 0, outer, outerStep} : *this;
  }
};

/// Vectors of activations that go through an installed array one after another. A
/// vector's word and accumulator (of limb 0, counted in rows of sums) have strides.
struct Pass {
  int64_t half = 0;
  int64_t firstGroup = 0, groups = 0;         ///< active row groups
  int64_t firstSuperlane = 0, superlanes = 0; ///< active in the accumulators
  bool isFirst = false;                       ///< sets its sums
  bool isLast = false;                        ///< completes its sums
  int64_t vector = 0;                         ///< of a row of the result
  Rows rows;                                  ///< of the result
  int64_t word = 0, outerWords = 0, innerWords = 0;
  int64_t sum = 0, outerSums = 0, innerSums = 0;

  /// The same pass with normalized rows.
  Pass normalize() const {
    Pass result = *this;
    if (rows.inner == 1) {
      result.rows = rows.normalize();
      std::swap(result.innerWords, result.outerWords);
      std::swap(result.innerSums, result.outerSums);
    }
    return result;
  }
};

/// Accumulators that hold one vector of a contraction's rows: those of row r and limb
/// l, high limb first, are first + r * limbs + l. With a last pass they are
/// complete only with that.
struct AccumulatorTile {
  unsigned plane;
  int64_t first;
  std::optional<Pass> last;
};

/// The sums of one N tile, and the accumulators they take.
struct TileSums {
  unsigned plane;
  int64_t first, count;
  std::vector<AccumulatorTile> vectors; ///< of a row that this tile makes
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

  /// Some rows of a kernel: block number `index`.
  struct RowBlock {
    int64_t first, count, index = 0;
  };

private:
  /// Whether the one user of `op` computes its sums, row block by row block, as it
  /// takes them: so they need few accumulators.
  bool isComputedByUser(mlir::lpu::ContractOp op);
  mlir::LogicalResult checkContract(mlir::lpu::ContractOp op);
  mlir::LogicalResult lowerContract(mlir::lpu::ContractOp op);

  /// Row groups of an array, from groups that follow one another in SRAM.
  struct LoadRun {
    int64_t group, word, count;
  };
  /// An array of weights, and what goes through it.
  struct ArrayUse {
    int64_t chunk, half;
    llvm::SmallVector<Pass> passes;
  };
  /// How the sums of an N tile and row block come about; accumulators are counted
  /// from 0, in rows of sums.
  struct TilePlan {
    std::vector<ArrayUse> arrays;
    int64_t sums;
  };
  /// With `leavesLast` the passes that complete sums are for the reader of the sums.
  TilePlan planTile(mlir::lpu::ContractOp op, int64_t n, RowBlock block, bool leavesLast);
  llvm::SmallVector<Pass> getPasses(mlir::lpu::ContractOp op, int64_t n, int64_t chunk,
                                    int64_t half, RowBlock block, bool leavesLast);
  /// Where the weights of N tile `n` lie, and the plane that works on it.
  std::pair<mlir::lpu::Stripe, unsigned> getStripe(mlir::lpu::ContractOp op, int64_t n,
                                                   RowBlock block);
  /// Planes that work together where `plane` leads: one but for gangs.
  llvm::SmallVector<unsigned, 2> getGang(mlir::lpu::ContractOp op, unsigned plane);
  /// Loads and installs an array of `op`: words are counted from the stripe's first.
  void emitTileLoad(mlir::lpu::ContractOp op, const mlir::lpu::Stripe &stripe,
                    unsigned plane, llvm::ArrayRef<LoadRun> runs, llvm::StringRef name);
  llvm::SmallVector<LoadRun> getLoadRuns(mlir::lpu::ContractOp op, int64_t chunk,
                                         int64_t half, int64_t firstWord);
  void emitPass(mlir::lpu::ContractOp op, const Pass &pass, unsigned plane,
                llvm::StringRef name);
  using PassHandler =
      llvm::function_ref<mlir::LogicalResult(const Pass &pass, unsigned plane)>;
  /// Chains for the sums of one N tile and row block. The passes that complete sums go
  /// to `onLast`, else, with `leavesLast`, to the tiles.
  mlir::FailureOr<TileSums> emitTile(mlir::lpu::ContractOp op, int64_t n, RowBlock rows,
                                     bool leavesLast = false, PassHandler onLast = {});
  /// Those of every N tile.
  mlir::FailureOr<std::vector<TileSums>> emitTiles(mlir::lpu::ContractOp op, RowBlock rows,
                                                   bool leavesLast = false);

  friend class MapLowering;
  /// Rows to move or compute at once, of `rows`, where nothing else limits them: as many
  /// as a block of sums of limbs has, so that what follows can start early.
  int64_t getBlockRows(int64_t rows) const;
  mlir::LogicalResult lowerMap(mlir::lpu::MapOp op);
  void releaseDeadAccumulators(mlir::Operation *op);
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
  mlir::LogicalResult lowerNest(mlir::lpu::NestOp op);
  mlir::LogicalResult lowerAssemble(mlir::lpu::AssembleOp op);
  mlir::LogicalResult lowerAppend(mlir::lpu::AppendOp op);
  mlir::LogicalResult lowerAppendColumns(mlir::lpu::AppendColumnsOp op);

public:
  mlir::func::FuncOp entry;
  mlir::stream::ProgramOp program;
  const Target &target;
  AccumulatorAllocator accumulators;
  llvm::DenseMap<mlir::Value, std::vector<TileSums>> tilesOf;
  llvm::SmallVector<std::string> counters;
  unsigned number = 0; ///< of the next kernel, for names

  /// Name of an operation for messages and chains: its location's, else `kind`
  /// and a number.
  std::string getName(mlir::Operation *op, llvm::StringRef kind);
};

/// Accumulators of a sum of `op`: one for each limb of the activations, else one.
int64_t getNumLimbs(mlir::lpu::ContractOp op);
/// Limb `limb` of the activations of `pass`, in `plane` from `cycle` on.
mlir::Value readActivations(ChainBuilder &chain, mlir::lpu::ContractOp op, const Pass &pass,
                            unsigned plane, int64_t limb, int64_t cycle, Repeated repeated);
/// Streams `x` through the installed array.
mlir::Value issueActivate(ChainBuilder &chain, mlir::lpu::ContractOp op, const Pass &pass,
                          unsigned plane, int64_t cycle, mlir::Value x, Repeated repeated);

/// The sums of vector `vector` of a row, among the tiles of a contraction.
inline const AccumulatorTile &getVector(const std::vector<TileSums> &tiles, int64_t vector) {
  size_t count = tiles.size();
  return tiles[size_t(vector) % count].vectors[size_t(vector) / count];
}

/// The number of `table` among the module's, added where it is new. Lanes past
/// its end stay.
int64_t getTable(mlir::ModuleOp module, llvm::ArrayRef<int64_t> table, const Target &target);

/// Moves every superlane `distance` superlanes on, round the vector's end.
llvm::SmallVector<int64_t> getSuperlaneRotation(int64_t distance, const Target &target);

/// Copies of `buffer` in SRAM, from the operation that makes it.
llvm::SmallVector<mlir::lpu::Placement> getPlacements(mlir::Value buffer);

/// The one of `copies` that lies on `side`; null when there is none.
const mlir::lpu::Placement *findCopy(llvm::ArrayRef<mlir::lpu::Placement> copies, Side side,
                                     const Target &target);
/// Word `word` of each of `bytes`, at `column` from `cycle` on; it grows by `steps` with the
/// issues.
mlir::Value readWords(ChainBuilder &chain, llvm::ArrayRef<mlir::lpu::BytePlacement> bytes,
                      int64_t word, unsigned column, int64_t cycle, Repeated repeated,
                      std::array<int64_t, 2> steps = {});
/// `x` with its lanes moved by `table` in the SXM of `side`, from cycle 0 on, towards `slice`.
mlir::Value permuteLanes(ChainBuilder &chain, Side side, int64_t table, mlir::Value x,
                         int64_t slice, Repeated repeated);

inline int64_t divideCeil(int64_t a, int64_t b) { return (a + b - 1) / b; }

} // namespace lpu::stream_lowering

#endif // LPU_LIB_CONVERSION_LPUTOSTREAM_LOWERING_H
