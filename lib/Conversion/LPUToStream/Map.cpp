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
    if (sums.size() == 1 && getProducer(sums.front())) {
      return lowerStreamed(sums.front());
    }
    return forEachBlock(getBlockRows(), [&](Lowering::RowBlock block) { return lowerBlock(block); });
  }

private:
  using RowBlock = Lowering::RowBlock;

  /// An input that is sums.
  struct Sum {
    unsigned input;
    ContractOp contract;
    bool isComputed; ///< here, block by block
  };

  using Tiles = std::map<unsigned, AccumulatorTile>;

  LogicalResult forEachBlock(int64_t step, llvm::function_ref<LogicalResult(RowBlock)> lower) {
    int64_t index = 0;
    for (int64_t first = 0; first < type.getRows(); first += step) {
      if (failed(lower({first, std::min(step, type.getRows() - first), index++}))) {
        return failure();
      }
    }
    return success();
  }

  //===--------------------------------------------------------------------===//
  // Rows that go from the VXM into an array
  //===--------------------------------------------------------------------===//

  /// The map that streams the activations of `sum`; null when they lie in SRAM.
  MapOp getProducer(Sum sum) {
    Value rows = sum.contract.getActivations();
    bool isStreamed =
        bool(mlir::lpu::getStreamedContract(rows, int64_t(lowering.target.lanes())));
    return isStreamed ? rows.getDefiningOp<MapOp>() : MapOp();
  }

  // The array is installed once. Where the last rows of activations complete the sums of a single
  // vector, the chain that makes them goes on with this map.
  LogicalResult lowerStreamed(Sum sum) {
    MapOp source = getProducer(sum);
    const Target &target = lowering.target;
    std::string sourceName = lowering.getName(source, "map");
    FailureOr<std::vector<MapNode>> sourceNodes =
        buildMapGraph(source, target, lowering.counters, sourceName);
    if (failed(sourceNodes)) {
      return failure();
    }
    MapLowering producer(lowering, source, *sourceNodes, sourceName);
    auto [stripe, plane] = lowering.getStripe(sum.contract, 0, {0, type.getRows()});
    lowering.emitTileLoad(sum.contract, stripe, plane, lowering.getLoadRuns(sum.contract, 0, 0, 0),
                          (name + ".load").str());
    int64_t limbs = getNumLimbs(sum.contract);
    bool isOnePass = producer.vectors == 1 && getPasses(sum, 0).size() == 1;
    int64_t step = producer.getBlockRows();
    if (!isOnePass) {
      int64_t unit = std::max(producer.getUnit(), getUnit());
      int64_t most = int64_t(target.accumulators()) / 2 / limbs / unit * unit;
      step = std::min(step, std::max(unit, most));
    }
    return forEachBlock(step, [&](RowBlock block) -> LogicalResult {
      int64_t count = limbs * (isOnePass ? 1 : block.count);
      TileSums tile{plane, lowering.accumulators.take(plane, count), count, {}};
      if (tile.first < 0) {
        return op.emitOpError("needs ") << count << " accumulators of plane " << plane
                                        << ", more than are free";
      }
      producer.write = [&](Rows rows, RowBlock, int64_t vector, const Tiles &tiles,
                           StringRef name) {
        StreamedArray array{sum.contract, plane, getPasses(sum, vector), tile.first,
                            isOnePass ? 0 : limbs};
        return writeStreamed(producer, array, rows, block, vector, tiles, sum.input, name);
      };
      LogicalResult result = producer.lowerBlock(block);
      for (int64_t vector = 0; succeeded(result) && vectors > 1 && vector < vectors; ++vector) {
        Rows rows = getRows(block);
        result = write(rows, block, vector, {{sum.input, {plane, tile.first, std::nullopt}}},
                       (name + ".r" + Twine(block.first) + ".v" + Twine(vector)).str());
      }
      release(tile);
      return result;
    });
  }

  /// What goes through the array for vector `vector` of the activations.
  SmallVector<Pass> getPasses(Sum sum, int64_t vector) {
    SmallVector<Pass> passes;
    RowBlock all{0, type.getRows()};
    for (const Lowering::ArrayUse &use : lowering.planTile(sum.contract, 0, all, true).arrays) {
      if (use.chunk == vector) {
        llvm::append_range(passes, use.passes);
      }
    }
    return passes;
  }

  LogicalResult writeStreamed(MapLowering &producer, const StreamedArray &array, Rows rows,
                              RowBlock block, int64_t vector, const Tiles &tiles, unsigned input,
                              StringRef name) {
    ChainBuilder chain(lowering.program, producer.op.getLoc(), name, lowering.target);
    VectorChain first(producer.op, producer.nodes, rows, block.first, vector, tiles,
                      lowering.target, chain);
    first.streamTo(array);
    if (failed(first.build())) {
      return failure();
    }
    bool isLast = vector + 1 == producer.vectors && vectors == 1;
    SumFlow flow = first.sendRows(isLast);
    if (isLast) {
      Tiles none;
      VectorChain second(op, nodes, rows, block.first, 0, none, lowering.target, chain);
      second.continueFrom(first, input, flow);
      if (failed(second.build())) {
        return failure();
      }
    }
    chain.finish();
    return success();
  }

  LogicalResult writePlain(Rows rows, RowBlock block, int64_t vector, const Tiles &tiles,
                           StringRef name) {
    ChainBuilder chain(lowering.program, op.getLoc(), name, lowering.target);
    VectorChain some(op, nodes, rows, block.first, vector, tiles, lowering.target, chain);
    if (failed(some.build())) {
      return failure();
    }
    chain.finish();
    return success();
  }

  //===--------------------------------------------------------------------===//
  // Sums of contractions
  //===--------------------------------------------------------------------===//

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

  /// Rows that stay together: those that share a row of an input or of activations.
  int64_t getUnit() {
    int64_t unit = group;
    for (Sum sum : sums) {
      unit = std::max(unit, sum.isComputed ? getRowsPerActivation(sum.contract) : 1);
    }
    return unit;
  }

  Rows getRows(RowBlock block) const {
    return group == 1 ? Rows{block.first, 1, 0, block.count, 1}
                      : Rows{block.first, block.count / group, group, group, 1};
  }

  // As many rows as the accumulators hold, in blocks of like size; half of them where
  // they have to wait for another block's to be emitted. Blocks are whole rows of
  // activations, and of inputs that serve several rows.
  int64_t getBlockRows() {
    int64_t rows = type.getRows(), unit = getUnit(), each = 0;
    bool overlap = false;
    if (llvm::any_of(sums, [](Sum sum) { return !sum.isComputed; })) {
      return rows;
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
    Tiles tiles;
    std::vector<TileSums> own;
    bool isDone = false;
    std::string chain =
        (name + ".r" + Twine(block.first) + ".v" + Twine(vector)).str();
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
        return write(pass.rows, block, vector, tiles, chain + ".h" + std::to_string(pass.rows.first - block.first));
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
    if (!isDone && failed(write(getRows(block), block, vector, tiles, chain))) {
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
  /// Writes the chain of some rows of a block, for one vector.
  std::function<LogicalResult(Rows, RowBlock, int64_t, const Tiles &, StringRef)> write =
      [this](Rows rows, RowBlock block, int64_t vector, const Tiles &tiles, StringRef name) {
        return writePlain(rows, block, vector, tiles, name);
      };
};

} // namespace lpu::stream_lowering

LogicalResult Lowering::lowerMap(MapOp op) {
  if (llvm::any_of(op.getResults(), [&](Value result) {
        return bool(mlir::lpu::getStreamedContract(result, int64_t(target.lanes())));
      })) {
    return success(); // by the reader of the sums
  }
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
