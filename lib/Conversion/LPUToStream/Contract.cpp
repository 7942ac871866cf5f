//===- Contract.cpp - lpu.contract to weight loads and passes -------------===//

#include "Lowering.h"

using namespace lpu;
using namespace lpu::stream_lowering;
using namespace mlir;
using mlir::lpu::ContractOp;
using mlir::lpu::Format;
using mlir::lpu::isOneWord;
using mlir::lpu::Placement;
using mlir::lpu::Stripe;
using mlir::stream::stringifyDirection;

/// Rows that one lw loads: the rows of a group (X2).
static constexpr int64_t kGroupRows = 16;

/// The format as the instruction table calls it.
static StringRef getMxmFormat(ContractOp op) {
  return op.getActivations().getType().getFormat() == Format::F16 ? "f16" : "i8";
}

// 16 words a byte meet at the plane in every cycle; the install follows the last
// group. Transposed tiles turn round in the SXM on their way.
void Lowering::emitTileLoad(ContractOp op, const Stripe &stripe, ArrayRef<LoadRun> runs,
                            StringRef name) {
  ChainBuilder chain(program, op.getLoc(), name, target);
  unsigned plane = unsigned(stripe.plane);
  bool transposed = op.getTiles() && op.getTiles().getType().getTransposed();
  Side side = target.planeSide(plane);
  unsigned column = target.planeColumn(plane), turn = target.sxmColumn(side);
  int64_t latency = target.latencies().transpose();
  int64_t arrival = transposed ? -latency - std::abs(int64_t(turn) - int64_t(column)) : 0;
  int64_t step = isOneWord(op, target.lanes()) ? 0 : 1, cycle = 0;
  std::string queue = target.queueName({UnitKind::MxmWeights, uint16_t(plane)});
  for (const LoadRun &run : runs) {
  Repeated repeated{run.count, 1, 1, 0};
  SmallVector<Value> rows;
  for (const auto &at : stripe.slices) {
    rows.push_back(chain.readFor(transposed ? turn : column, cycle + arrival, unsigned(at.slice),
                                 at.bank, at.first + run.word, repeated,
                                 {{"r_addr", {0, step}}}));
  }
  auto dir = cast<mlir::stream::FlowType>(rows.front().getType()).getDirection();
  Value bundle;
  if (transposed) {
    SmallVector<Value> inputs;
    SmallVector<Type> types;
    for (size_t first = 0; first < rows.size(); first += kGroupRows) {
      inputs.push_back(chain.bundle(ValueRange(rows).slice(first, kGroupRows)));
      types.push_back(chain.flow(dir, kGroupRows));
    }
    Fields turned = chain.fields();
    turned.set("dir", stringifyDirection(dir)).set("out_dir", stringifyDirection(dir));
    if (inputs.size() == 2) {
      turned.set("two", "true").set("dir2", stringifyDirection(dir));
      turned.set("out_dir2", stringifyDirection(dir));
    }
    auto issue = chain.issue(
        "transpose", target.queueName({UnitKind::SxmTranspose, uint16_t(side)}), cycle + arrival,
        turned, inputs, types, repeated);
    bundle = chain.bundle(issue.getResults());
  } else {
    bundle = chain.bundle(rows);
  }
  Fields fields = chain.fields();
  fields.set("format", getMxmFormat(op)).set("group", run.group).set("dir", stringifyDirection(dir));
  chain.issue("lw", queue, cycle, fields, bundle, {}, repeated, {{"group", {0, 1}}});
  cycle += run.count;
  }
  Fields install = chain.fields();
  install.set("format", getMxmFormat(op));
  chain.issue("iw", queue, cycle, install, {}, {});
  chain.finish();
}

// Every limb of the pass's rows through the installed array, into their
// accumulators.
void Lowering::emitPass(ContractOp op, const Pass &pass, unsigned plane, StringRef name) {
  auto type = op.getActivations().getType();
  int64_t limbs = std::max(1u, mlir::lpu::getNumLimbs(type.getFormat()));
  int64_t bytes = mlir::lpu::getNumBytes(type.getFormat()) / limbs;
  unsigned column = target.planeColumn(plane);
  Side side = target.planeSide(plane);
  SmallVector<Placement> copies = getPlacements(op.getActivations());
  const Placement *copy = llvm::find_if(copies, [&](const Placement &candidate) {
    return target.sliceSide(unsigned(candidate.front().slice)) == side;
  });
  std::array<int64_t, 2> words{pass.outerWords, pass.innerWords};
  std::array<int64_t, 2> sums{pass.outerSums * limbs, pass.innerSums * limbs};
  Repeated repeated{pass.inner, 1, pass.outer, pass.inner};
  for (int64_t limb = limbs - 1; limb >= 0; --limb) {
    ChainBuilder chain(program, op.getLoc(), name, target);
    SmallVector<Value> parts;
    for (int64_t b = 0; b < bytes; ++b) {
      const auto &byte = (*copy)[size_t(limb * bytes + b)];
      parts.push_back(chain.readFor(column, 0, unsigned(byte.slice), byte.bank,
                                    byte.first + pass.word, repeated,
                                    {{"r_addr", words}}));
    }
    Value x = chain.bundle(parts);
    auto dir = cast<mlir::stream::FlowType>(x.getType()).getDirection();
    Fields activate = chain.fields();
    activate.set("format", getMxmFormat(op)).set("dir", stringifyDirection(dir))
        .set("half", pass.half).set("first", pass.firstGroup).set("count", pass.groups);
    Value sum =
        chain
            .issue("abc", target.queueName({UnitKind::MxmActivations, uint16_t(plane)}),
                   0, activate, x, chain.partial(), repeated)
            .getResult(0);
    Fields accumulate = chain.fields();
    accumulate.set("mode", pass.isFirst ? "set" : "add")
        .set("a", pass.sum + limbs - 1 - limb)
        .set("first", pass.firstSuperlane).set("count", pass.superlanes);
    chain.issue("acc", target.queueName({UnitKind::MxmAccumulators, uint16_t(plane)}),
                int64_t(target.latencies().mxm_result()), accumulate, sum, {}, repeated,
                {{"a", sums}});
    chain.finish();
  }
}

/// The lanes from `first` on, `count` of them, that lie in `half` of `rows` lanes:
/// first row group and their number.
static std::pair<int64_t, int64_t> intersect(int64_t first, int64_t count, int64_t half,
                                             int64_t rows) {
  int64_t begin = std::max(first, half * rows), end = std::min(first + count, (half + 1) * rows);
  if (begin >= end) {
    return {0, 0};
  }
  return {(begin - half * rows) / kGroupRows, divideCeil(end - begin, kGroupRows)};
}

SmallVector<Lowering::LoadRun> Lowering::getLoadRuns(ContractOp op, int64_t chunk,
                                                     int64_t half, int64_t firstWord) {
  mlir::lpu::ContractShape shape = mlir::lpu::getContractShape(op, target.lanes());
  int64_t halfRows = target.format(getMxmFormat(op).str())->rows();
  int64_t rows = std::min(halfRows, shape.getChunkRows(chunk) - half * halfRows);
  int64_t groups = divideCeil(rows, kGroupRows), first = half * halfRows / kGroupRows;
  if (isOneWord(op, target.lanes())) {
    return {{0, firstWord, groups}};
  }
  if (!op.getSplit()) {
    return {{0, firstWord + chunk * shape.chunkRows / kGroupRows + first, groups}};
  }
  // Runs of lanes meet the heads of K in turn.
  int64_t all = shape.k / kGroupRows;
  SmallVector<LoadRun> runs;
  for (int64_t group = 0; group < groups;) {
    int64_t from = (chunk * shape.chunkRows / kGroupRows + first + group) % all;
    int64_t count = std::min(groups - group, all - from);
    runs.push_back({group, firstWord + from, count});
    group += count;
  }
  return runs;
}

SmallVector<Lowering::Pass> Lowering::getPasses(ContractOp op, int64_t n, int64_t chunk,
                                                int64_t half, RowBlock block,
                                                int64_t firstSum) {
  auto type = op.getActivations().getType();
  auto result = op.getResult().getType();
  mlir::lpu::ContractShape shape = mlir::lpu::getContractShape(op, target.lanes());
  int64_t vectors = type.getVectors(target.lanes());
  int64_t halfRows = target.format(getMxmFormat(op).str())->rows();
  Pass pass;
  pass.half = half;
  pass.superlanes = target.superlanes();
  SmallVector<Pass> passes;
  if (int64_t runs = op.getSplit()) {
    int64_t lanes = shape.chunkRows / runs, all = type.getColumns() / lanes;
    for (int64_t run = 0; run < runs; ++run) {
      std::tie(pass.firstGroup, pass.groups) = intersect(run * lanes, lanes, half, halfRows);
      int64_t first = chunk * runs + run, step = shape.chunks * runs;
      if (pass.groups == 0 || first >= all) {
        continue;
      }
      pass.isFirst = run * lanes / halfRows == half;
      pass.inner = divideCeil(all - first, step);
      pass.outer = block.count;
      pass.word = block.first * vectors + chunk;
      pass.innerWords = shape.chunks;
      pass.outerWords = vectors;
      pass.sum = firstSum + first;
      pass.innerSums = step;
      pass.outerSums = all;
      passes.push_back(pass);
    }
    return passes;
  }
  std::tie(pass.firstGroup, pass.groups) =
      intersect(0, shape.getChunkRows(chunk), half, halfRows);
  pass.isFirst = chunk == 0 && half == 0;
  if (int64_t runs = op.getMerge()) {
    int64_t resultVectors = result.getVectors(target.lanes());
    for (int64_t run = 0; run < runs; ++run) {
      pass.superlanes = shape.tileColumns / runs / kGroupRows;
      pass.firstSuperlane = run * pass.superlanes;
      pass.inner = resultVectors / shape.tiles;
      pass.outer = block.count;
      pass.word = ((block.first * resultVectors + n) * runs + run) * vectors + chunk;
      pass.innerWords = shape.tiles * runs * vectors;
      pass.outerWords = resultVectors * runs * vectors;
      pass.sum = firstSum;
      pass.innerSums = block.count;
      pass.outerSums = 1;
      passes.push_back(pass);
    }
    return passes;
  }
  pass.inner = block.count;
  pass.word = block.first * vectors + chunk;
  pass.innerWords = vectors;
  pass.sum = firstSum;
  pass.innerSums = 1;
  passes.push_back(pass);
  return passes;
}

bool Lowering::isComputedByUser(ContractOp op) {
  if (!op.getResult().hasOneUse()) {
    return false;
  }
  auto map = dyn_cast<mlir::lpu::MapOp>(*op.getResult().getUsers().begin());
  auto sums = op.getResult().getType();
  // A single column that serves many vectors is computed once, before.
  return map && llvm::all_of(map.getResultTypes(), [&](Type type) {
           return cast<mlir::lpu::BufferType>(type).getColumns() == sums.getColumns();
         });
}

LogicalResult Lowering::checkContract(ContractOp op) {
  const MxmFormatDescription *format = target.format(getMxmFormat(op).str());
  if (!format) {
    return op.emitOpError("target ") << std::string(target.name()) << " has no format "
                                     << getMxmFormat(op);
  }
  if ((!op.getTiles() && !op.getPlacement()) ||
      getPlacements(op.getActivations()).empty()) {
    return op.emitOpError("expected placed weights and activations");
  }
  mlir::lpu::ContractShape shape = mlir::lpu::getContractShape(op, target.lanes());
  int64_t runs = std::max(op.getSplit(), op.getMerge());
  int64_t width = op.getSplit() ? shape.chunkRows : shape.tileColumns;
  if (op.getSplit() && shape.k % (width / op.getSplit()) != 0) {
    return op.emitOpError("expected whole heads in K, got ") << shape.k << " rows";
  }
  if ((shape.chunks > 1 && shape.chunkRows % kGroupRows != 0) ||
      (runs && width % (runs * kGroupRows) != 0)) {
    return op.emitOpError("expected runs of lanes that are multiples of ") << kGroupRows;
  }
  return success();
}

namespace lpu::stream_lowering {
SmallVector<Stripe> getStripes(ContractOp op) {
  if (op.getTiles()) {
    auto state = op.getTiles().getDefiningOp<mlir::lpu::StateOp>();
    return mlir::lpu::decodeStripes(state.getPlacementAttr());
  }
  return mlir::lpu::decodeStripes(op.getPlacementAttr());
}
} // namespace lpu::stream_lowering

FailureOr<AccumulatorTile> Lowering::emitTile(ContractOp op, int64_t n, RowBlock block) {
  mlir::lpu::ContractShape shape = mlir::lpu::getContractShape(op, target.lanes());
  auto result = op.getResult().getType();
  int64_t limbs = std::max(1u, mlir::lpu::getNumLimbs(result.getFormat()));
  int64_t lanes = target.lanes();
  int64_t halfRows = target.format(getMxmFormat(op).str())->rows();
  int64_t sums = block.count;
  if (op.getSplit()) {
    sums *= result.getRows() / op.getActivations().getType().getRows();
  } else if (op.getMerge()) {
    sums *= result.getVectors(lanes) / shape.tiles;
  }
  SmallVector<Stripe> stripes = getStripes(op);
  const Stripe &stripe = stripes[size_t(n) % stripes.size()];
  AccumulatorTile tile{unsigned(stripe.plane), 0};
  tile.first = accumulators.take(tile.plane, sums * limbs);
  if (tile.first < 0) {
    return op.emitOpError("needs ")
           << sums * limbs << " accumulators of plane " << tile.plane << " for "
           << sums << " rows of " << limbs << " limbs, more than are free";
  }
  bool oneWord = isOneWord(op, lanes);
  int64_t first = (oneWord ? 0 : n / int64_t(stripes.size()) * shape.groups);
  std::string name = getName(op, "contract") + ".n" + std::to_string(n) + ".r" +
                     std::to_string(block.first);
  for (int64_t chunk = 0; chunk < shape.chunks; ++chunk) {
    for (int64_t half = 0; half * halfRows < shape.getChunkRows(chunk); ++half) {
      std::string part = name + ".k" + std::to_string(chunk) +
                         (lanes > halfRows ? ".h" + std::to_string(half) : "");
      emitTileLoad(op, stripe, getLoadRuns(op, chunk, half, first), part + ".load");
      for (const Pass &pass : getPasses(op, n, chunk, half, block, tile.first)) {
        emitPass(op, pass, tile.plane, part + ".pass");
      }
    }
  }
  return tile;
}

LogicalResult Lowering::lowerContract(ContractOp op) {
  if (failed(checkContract(op))) {
    return failure();
  }
  if (isComputedByUser(op)) {
    return success();
  }
  int64_t rows = op.getMerge() ? op.getResult().getType().getRows()
                               : op.getActivations().getType().getRows();
  FailureOr<std::vector<AccumulatorTile>> tiles = emitTiles(op, {0, rows});
  if (failed(tiles)) {
    return failure();
  }
  tilesOf[op.getResult()] = std::move(*tiles);
  return success();
}

FailureOr<std::vector<AccumulatorTile>> Lowering::emitTiles(ContractOp op, RowBlock block) {
  mlir::lpu::ContractShape shape = mlir::lpu::getContractShape(op, target.lanes());
  std::vector<AccumulatorTile> result;
  for (int64_t n = 0; n < shape.tiles; ++n) {
    FailureOr<AccumulatorTile> tile = emitTile(op, n, block);
    if (failed(tile)) {
      return failure();
    }
    result.push_back(*tile);
  }
  if (op.getMerge()) {
    // Vector v of the result was summed with N tile v modulo their number.
    std::vector<AccumulatorTile> tiles;
    for (int64_t v = 0; v < op.getResult().getType().getVectors(target.lanes()); ++v) {
      AccumulatorTile tile = result[size_t(v % shape.tiles)];
      tile.first += v / shape.tiles * block.count;
      tiles.push_back(tile);
    }
    result = std::move(tiles);
  }
  return result;
}
