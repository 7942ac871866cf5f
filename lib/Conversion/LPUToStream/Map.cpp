//===- Map.cpp - lpu.map to VXM chains ------------------------------------===//

#include "VectorChain.h"
#include <set>

using namespace lpu;
using namespace lpu::stream_lowering;
using namespace mlir;
using mlir::lpu::AccType;
using mlir::lpu::BufferType;
using mlir::lpu::ContractOp;
using mlir::lpu::MapOp;

namespace lpu::stream_lowering {

/// Lowers one map: its row blocks one after another, each with the contractions that
/// it reads.
class MapLowering {
public:
  MapLowering(Lowering &lowering, MapOp op, ArrayRef<MapNode> nodes, StringRef name)
      : lowering(lowering), op(op), nodes(nodes), name(name),
        type(cast<BufferType>(op.getResult(0).getType())),
        vectors(type.getVectors(lowering.target.lanes())) {
    for (auto [index, input] : llvm::enumerate(op.getInputs())) {
      if (isa<AccType>(input.getType())) {
        bool isComputed = !lowering.tilesOf.contains(input);
        sums.push_back({unsigned(index), input.getDefiningOp<ContractOp>(), isComputed});
      } else if (int64_t given = cast<BufferType>(input.getType()).getRows(); given != 1) {
        group = std::max(group, type.getRows() / given);
      }
    }
    for (Value result : op.getResults()) {
      if (auto append = mlir::lpu::getStreamedAppend(result)) {
        group = std::max(group, type.getRows() / append.getMap().getType().getRows());
      }
    }
  }

  LogicalResult run() {
    int64_t step = getBlockRows(), index = 0;
    for (int64_t first = 0; first < type.getRows(); first += step) {
      if (failed(lowerBlock({first, std::min(step, type.getRows() - first), index++}))) {
        return failure();
      }
    }
    return success();
  }

private:
  using RowBlock = Lowering::RowBlock;

  /// An input that is sums.
  struct Sum {
    unsigned input;
    ContractOp contract;
    bool isComputed; ///< here, block by block
  };

  /// Rows of the result that one row of activations makes.
  static int64_t getRowsPerActivation(ContractOp op) {
    return op.getSplit() ? op.getResult().getType().getRows() /
                               op.getActivations().getType().getRows()
                         : 1;
  }
  /// `block` in rows of activations.
  static RowBlock getActivationRows(ContractOp op, RowBlock block) {
    int64_t unit = getRowsPerActivation(op);
    return {block.first / unit, block.count / unit, block.index};
  }

  /// Whether a single column of sums serves several vectors.
  bool isBroadcast(Sum sum) {
    return sum.contract.getResult().getType().getVectors(lowering.target.lanes()) != vectors;
  }

  /// Whether the sums serve all vectors of a block at once: a single column, or heads
  /// that are merged into several vectors.
  bool isShared(Sum sum) { return sum.contract.getMerge() || isBroadcast(sum); }

  /// Whether the chain of `vector` can stream the last activations of `sum`: it has
  /// the planes to itself, every row has sums of its own, and no other sum is behind
  /// runs of lanes that are complete one after another.
  bool leavesLast(Sum sum, int64_t vector, RowBlock block) {
    ContractOp contract = sum.contract;
    bool isReread = isBroadcast(sum) && !contract.getMerge();
    if (!sum.isComputed || isReread || block.count == 1 ||
        (contract.getSplit() && sums.size() != 1)) {
      return false;
    }
    SmallVector<unsigned, 2> mine = getGang(sum, vector, block);
    return llvm::all_of(sums, [&](Sum other) {
      return other.input == sum.input ||
             llvm::none_of(getGang(other, vector, block),
                           [&](unsigned plane) { return llvm::is_contained(mine, plane); });
    });
  }

  SmallVector<unsigned, 2> getGang(Sum sum, int64_t vector, RowBlock block) {
    if (!sum.isComputed) {
      unsigned plane = getVector(lowering.tilesOf[op.getInputs()[sum.input]], vector).plane;
      return lowering.getGang(sum.contract, plane);
    }
    int64_t tiles =
        mlir::lpu::getContractShape(sum.contract, lowering.target.lanes()).tiles;
    return lowering.getGang(sum.contract,
                            lowering.getStripe(sum.contract, vector % tiles, block).second);
  }

  /// leavesLast of every vector. Sums that serve all vectors at once come from arrays
  /// that stay installed until then: one a plane.
  bool leaveLast(Sum sum, RowBlock block) {
    std::set<unsigned> planes;
    int64_t tiles = mlir::lpu::getContractShape(sum.contract, lowering.target.lanes()).tiles;
    for (int64_t n = 0; n < (isShared(sum) ? tiles : 0); ++n) {
      if (!planes.insert(lowering.getStripe(sum.contract, n, block).second).second) {
        return false;
      }
    }
    for (int64_t vector = 0; vector < vectors; ++vector) {
      if (!leavesLast(sum, vector, block)) {
        return false;
      }
    }
    return true;
  }

  // As many rows as the accumulators hold, in blocks of like size; half of them where
  // they have to wait for another block's to be emitted. Blocks are whole rows of
  // activations, and of inputs that serve several rows.
  int64_t getBlockRows() {
    int64_t rows = type.getRows(), unit = group, each = 0;
    bool overlap = false;
    for (Sum sum : sums) {
      if (!sum.isComputed) {
        return rows;
      }
      unit = std::max(unit, getRowsPerActivation(sum.contract));
    }
    for (Sum sum : sums) {
      RowBlock block{0, std::min(rows, 2 * unit)};
      bool leaves = leaveLast(sum, block);
      Lowering::TilePlan plan = lowering.planTile(
          sum.contract, 0, getActivationRows(sum.contract, block), leaves);
      overlap |= !leaves;
      int64_t mine = divideCeil(plan.sums * getNumLimbs(sum.contract) * unit, block.count);
      each = leaves ? std::max(each, mine) : each + mine;
    }
    if (each == 0) {
      return divideCeil(lowering.getBlockRows(rows), unit) * unit;
    }
    int64_t room = int64_t(lowering.target.accumulators()) / (overlap ? 2 : 1);
    int64_t most = std::max<int64_t>(1, room / each) * unit;
    bool hasLimbs = llvm::any_of(sums, [](Sum sum) {
      return mlir::lpu::getNumLimbs(sum.contract.getResult().getType().getFormat()) > 0;
    });
    if (hasLimbs) {
      most = std::min(most, VectorChain::getMostRows(lowering.target));
    }
    int64_t blocks = divideCeil(rows, most);
    return divideCeil(divideCeil(rows, blocks), unit) * unit;
  }

  LogicalResult lowerBlock(RowBlock block) {
    std::map<unsigned, std::vector<TileSums>> shared;
    for (Sum sum : sums) {
      if (!sum.isComputed || !isShared(sum)) {
        continue;
      }
      FailureOr<std::vector<TileSums>> tiles = lowering.emitTiles(
          sum.contract, getActivationRows(sum.contract, block), leaveLast(sum, block));
      if (failed(tiles)) {
        return failure();
      }
      shared[sum.input] = std::move(*tiles);
    }
    for (int64_t vector = 0; vector < vectors; ++vector) {
      if (failed(lowerVector(block, vector, shared))) {
        return failure();
      }
    }
    for (const auto &[input, tiles] : shared) {
      llvm::for_each(tiles, [&](const TileSums &tile) { release(tile); });
    }
    return success();
  }

  LogicalResult lowerVector(RowBlock block, int64_t vector,
                            const std::map<unsigned, std::vector<TileSums>> &shared) {
    std::map<unsigned, AccumulatorTile> tiles;
    std::vector<TileSums> own;
    bool isDone = false;
    std::string chain =
        (name + ".r" + Twine(block.first) + ".v" + Twine(vector)).str();
    Rows rows = group == 1 ? Rows{block.first, 1, 0, block.count, 1}
                           : Rows{block.first, block.count / group, group, group, 1};
    auto write = [&](Rows rows, StringRef name) {
      return VectorChain(op, nodes, rows, block.first, vector, tiles, lowering, name).run();
    };
    for (Sum sum : sums) {
      if (!sum.isComputed || shared.count(sum.input)) {
        const std::vector<TileSums> &all = sum.isComputed
                                               ? shared.at(sum.input)
                                               : lowering.tilesOf[op.getInputs()[sum.input]];
        bool isColumn = sum.contract.getResult().getType().getVectors(
                            lowering.target.lanes()) == 1;
        tiles.insert({sum.input, getVector(all, isColumn ? 0 : vector)});
        continue;
      }
      // Runs of lanes are complete one after another: a chain each.
      auto writeRun = [&](const Pass &pass, unsigned plane) {
        isDone = true;
        tiles.insert_or_assign(sum.input, AccumulatorTile{plane, 0, pass});
        return write(pass.rows, chain + ".h" + std::to_string(pass.rows.first - block.first));
      };
      bool leaves = leavesLast(sum, vector, block);
      FailureOr<TileSums> tile = lowering.emitTile(
          sum.contract, vector, getActivationRows(sum.contract, block), leaves,
          leaves && sum.contract.getSplit() ? Lowering::PassHandler(writeRun) : nullptr);
      if (failed(tile)) {
        return failure();
      }
      tiles.insert({sum.input, tile->vectors.front()});
      own.push_back(std::move(*tile));
    }
    if (!isDone && failed(write(rows, chain))) {
      return failure();
    }
    llvm::for_each(own, [&](const TileSums &tile) { release(tile); });
    return success();
  }

  void release(const TileSums &tile) {
    lowering.accumulators.release(tile.plane, tile.first, tile.count);
  }

  Lowering &lowering;
  MapOp op;
  ArrayRef<MapNode> nodes;
  StringRef name;
  BufferType type;
  int64_t vectors, group = 1; ///< rows that share a row of an input
  SmallVector<Sum> sums;
};

} // namespace lpu::stream_lowering

LogicalResult Lowering::lowerMap(MapOp op) {
  if (!op.getPlacements()) {
    return op.emitOpError("expected placed results");
  }
  std::string name = getName(op, "map");
  FailureOr<std::vector<MapNode>> nodes = buildMapGraph(op, target, counters, name);
  if (failed(nodes)) {
    return failure();
  }
  return MapLowering(*this, op, *nodes, name).run();
}
