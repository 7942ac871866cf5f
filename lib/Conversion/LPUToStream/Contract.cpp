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
void Lowering::emitTileLoad(ContractOp op, const Stripe &stripe, unsigned plane,
                            ArrayRef<LoadRun> runs, StringRef name) {
  ChainBuilder chain(program, op.getLoc(), name, target);
  bool transposed = op.getTiles() && op.getTiles().getType().getTransposed();
  Side side = target.planeSide(plane);
  unsigned column = target.planeColumn(plane), turn = target.sxmColumn(side);
  int64_t latency = target.latencies().transpose();
  int64_t arrival = transposed ? -latency - std::abs(int64_t(turn) - int64_t(column)) : 0;
  int64_t step = isOneWord(op, target.lanes()) ? 0 : 1, cycle = 0;
  bool isWidened = op.getTiles() && op.getTiles().getType().getFormat() == Format::U8;
  std::string queue = target.queueName({UnitKind::MxmWeights, uint16_t(plane)});
  for (const LoadRun &run : runs) {
    Repeated repeated{run.count, 1, 1, 0};
    SmallVector<Value> rows;
    for (auto [j, at] : llvm::enumerate(stripe.slices)) {
      bool isOne = isWidened && int64_t(j) >= kGroupRows; // the word of high bytes
      rows.push_back(chain.readFor(transposed ? turn : column, cycle + arrival,
                                   unsigned(at.slice), at.bank,
                                   at.first + (isOne ? 0 : run.word), repeated,
                                   {{"r_addr", {0, isOne ? 0 : step}}}));
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
          "transpose", target.queueName({UnitKind::SxmTranspose, uint16_t(side)}),
          cycle + arrival, turned, inputs, types, repeated);
      bundle = chain.bundle(issue.getResults());
    } else {
      bundle = chain.bundle(rows);
    }
    Fields fields = chain.fields();
    fields.set("format", getMxmFormat(op)).set("group", run.group).set(
        "dir", stringifyDirection(dir));
    chain.issue("lw", queue, cycle, fields, bundle, {}, repeated, {{"group", {0, 1}}});
    cycle += run.count;
  }
  Fields install = chain.fields();
  install.set("format", getMxmFormat(op));
  chain.issue("iw", queue, cycle, install, {}, {});
  chain.finish();
}

namespace lpu::stream_lowering {
int64_t getNumLimbs(ContractOp op) {
  return std::max(1u, mlir::lpu::getNumLimbs(op.getActivations().getType().getFormat()));
}

Value readActivations(ChainBuilder &chain, ContractOp op, const Pass &pass, unsigned plane,
                      int64_t limb, int64_t cycle, Repeated repeated) {
  const Target &target = chain.getTarget();
  int64_t bytes =
      mlir::lpu::getNumBytes(op.getActivations().getType().getFormat()) / getNumLimbs(op);
  SmallVector<Placement> copies = getPlacements(op.getActivations());
  const Placement *copy = findCopy(copies, target.planeSide(plane), target);
  return readWords(chain, ArrayRef(*copy).slice(size_t(limb * bytes), size_t(bytes)), pass.word,
                   target.planeColumn(plane), cycle, repeated,
                   {pass.outerWords, pass.innerWords});
}

Value issueActivate(ChainBuilder &chain, ContractOp op, const Pass &pass, unsigned plane,
                    int64_t cycle, Value x, Repeated repeated) {
  const Target &target = chain.getTarget();
  auto dir = cast<mlir::stream::FlowType>(x.getType()).getDirection();
  Fields fields = chain.fields();
  fields.set("format", getMxmFormat(op)).set("dir", stringifyDirection(dir));
  fields.set("half", pass.half).set("first", pass.firstGroup).set("count", pass.groups);
  return chain
      .issue("abc", target.queueName({UnitKind::MxmActivations, uint16_t(plane)}), cycle,
             fields, x, chain.partial(), repeated)
      .getResult(0);
}
} // namespace lpu::stream_lowering

// Every limb of the pass's rows through the installed array, into their
// accumulators.
void Lowering::emitPass(ContractOp op, const Pass &pass, unsigned plane, StringRef name) {
  int64_t limbs = getNumLimbs(op);
  Repeated repeated{pass.rows.inner, 1, pass.rows.outer, pass.rows.inner};
  for (int64_t limb = limbs - 1; limb >= 0; --limb) {
    ChainBuilder chain(program, op.getLoc(), name, target);
    Value x = readActivations(chain, op, pass, plane, limb, 0, repeated);
    Value sum = issueActivate(chain, op, pass, plane, 0, x, repeated);
    Fields accumulate = chain.fields();
    accumulate.set("mode", pass.isFirst ? "set" : "add").set("a", pass.sum + limbs - 1 - limb);
    accumulate.set("first", pass.firstSuperlane).set("count", pass.superlanes);
    chain.issue("acc", target.queueName({UnitKind::MxmAccumulators, uint16_t(plane)}),
                int64_t(target.latencies().mxm_result()), accumulate, sum, {}, repeated,
                {{"a", {pass.outerSums * limbs, pass.innerSums * limbs}}});
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

SmallVector<Pass> Lowering::getPasses(ContractOp op, int64_t n, int64_t chunk, int64_t half,
                                      RowBlock block, bool leavesLast) {
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
      pass.isLast = ((run + 1) * lanes - 1) / halfRows == half;
      pass.rows = {block.first * all + first, block.count, all, divideCeil(all - first, step),
                   step};
      pass.word = block.first * vectors + chunk;
      pass.innerWords = shape.chunks;
      pass.outerWords = vectors;
      pass.sum = first;
      pass.innerSums = step;
      pass.outerSums = all;
      passes.push_back(pass.normalize());
    }
    return passes;
  }
  std::tie(pass.firstGroup, pass.groups) =
      intersect(0, shape.getChunkRows(chunk), half, halfRows);
  pass.isFirst = chunk == 0 && half == 0;
  pass.isLast = chunk + 1 == shape.chunks && (half + 1) * halfRows >= shape.getChunkRows(chunk);
  if (int64_t runs = op.getMerge()) {
    int64_t resultVectors = result.getVectors(target.lanes());
    for (int64_t run = 0; run < runs; ++run) {
      pass.superlanes = shape.tileColumns / runs / kGroupRows;
      pass.firstSuperlane = run * pass.superlanes;
      pass.word = (block.first * resultVectors + n) * runs * vectors + run * vectors + chunk;
      pass.rows = {block.first, 1, 0, block.count, 1};
      pass.innerWords = resultVectors * runs * vectors;
      pass.innerSums = 1;
      int64_t count = divideCeil(resultVectors - n, shape.tiles);
      int64_t step = shape.tiles * runs * vectors;
      Pass some = pass;
      some.isLast = pass.isLast && run + 1 == runs;
      if (!leavesLast || !some.isLast) {
        // The vectors one after another.
        some.rows.outer = count;
        some.outerWords = step;
        some.outerSums = block.count;
        passes.push_back(some);
        continue;
      }
      // Vector by vector: what completes one can go on.
      for (int64_t k = 0; k < count; ++k) {
        some.vector = n + k * shape.tiles;
        some.word = pass.word + k * step;
        some.sum = k * block.count;
        passes.push_back(some);
      }
    }
    return passes;
  }
  pass.vector = n;
  pass.rows = {block.first, 1, 0, block.count, 1};
  pass.word = block.first * vectors + chunk;
  pass.innerWords = vectors;
  pass.innerSums = 1;
  passes.push_back(pass);
  return passes;
}

// Sums that one pass makes need an accumulator for no longer than a cycle, and of
// runs of lanes only those that meet two arrays keep theirs.
Lowering::TilePlan Lowering::planTile(ContractOp op, int64_t n, RowBlock block,
                                      bool leavesLast) {
  mlir::lpu::ContractShape shape = mlir::lpu::getContractShape(op, target.lanes());
  auto result = op.getResult().getType();
  int64_t halfRows = target.format(getMxmFormat(op).str())->rows();
  TilePlan plan{{}, block.count};
  if (op.getSplit()) {
    plan.sums *= result.getRows() / op.getActivations().getType().getRows();
  } else if (op.getMerge()) {
    plan.sums *= divideCeil(result.getVectors(target.lanes()) - n, shape.tiles);
  }
  for (int64_t chunk = 0; chunk < shape.chunks; ++chunk) {
    for (int64_t half = 0; half * halfRows < shape.getChunkRows(chunk); ++half) {
      plan.arrays.push_back({chunk, half, getPasses(op, n, chunk, half, block, leavesLast)});
    }
  }
  bool allAtOnce = llvm::all_of(plan.arrays, [](const ArrayUse &use) {
    return llvm::all_of(use.passes, [](const Pass &p) { return p.isFirst && p.isLast; });
  });
  if (!leavesLast || (!op.getSplit() && !allAtOnce)) {
    return plan;
  }
  plan.sums = 0;
  int64_t shared = -1;
  std::map<int64_t, int64_t> sumsOf; ///< by first row
  for (ArrayUse &use : plan.arrays) {
    for (Pass &pass : use.passes) {
      if (pass.isFirst && pass.isLast) {
        shared = shared < 0 ? plan.sums++ : shared;
        pass.sum = shared;
        pass.outerSums = pass.innerSums = 0;
        continue;
      }
      auto [it, isNew] = sumsOf.insert({pass.rows.first, plan.sums});
      plan.sums += isNew ? pass.rows.count() : 0;
      pass.sum = it->second;
      pass.outerSums = pass.rows.inner;
      pass.innerSums = 1;
    }
  }
  return plan;
}

bool Lowering::isComputedByUser(ContractOp op) {
  return op.getResult().hasOneUse() &&
         isa<mlir::lpu::MapOp>(*op.getResult().getUsers().begin());
}

LogicalResult Lowering::checkContract(ContractOp op) {
  const MxmFormatDescription *format = target.format(getMxmFormat(op).str());
  if (!format) {
    return op.emitOpError("target ") << std::string(target.name()) << " has no format "
                                     << getMxmFormat(op);
  }
  if ((!op.getTiles() && !op.getPlacement()) ||
      (getPlacements(op.getActivations()).empty() &&
       !mlir::lpu::getStreamedContract(op.getActivations(), int64_t(target.lanes())))) {
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

SmallVector<unsigned, 2> Lowering::getGang(ContractOp op, unsigned plane) {
  SmallVector<unsigned, 2> planes;
  int step = target.planeSide(plane) == Side::West ? -1 : 1; // outwards
  for (unsigned k = 0; k < target.format(getMxmFormat(op).str())->gang(); ++k) {
    planes.push_back(unsigned(int(plane) + int(k) * step));
  }
  return planes;
}

// Where one plane of a side would do all the work of an operation there, or some planes more
// than others, they take the row blocks in turn.
std::pair<Stripe, unsigned> Lowering::getStripe(ContractOp op, int64_t n, RowBlock block) {
  SmallVector<Stripe> stripes = getStripes(op);
  // One array on both sides, or the planes of one: by turns.
  size_t turn = size_t(op.getTurn() + block.index);
  bool isStreamed = bool(
      mlir::lpu::getStreamedContract(op.getActivations(), int64_t(target.lanes())));
  const Stripe &stripe = stripes[(isStreamed ? turn : size_t(n)) % stripes.size()];
  unsigned plane = unsigned(stripe.plane);
  Side side = target.planeSide(plane);
  unsigned perSide = target.planes() / 2, first = unsigned(side) * perSide;
  auto used = llvm::count_if(stripes, [&](const Stripe &other) {
    return target.planeSide(unsigned(other.plane)) == side;
  });
  if ((used == 1 || used == perSide) && getGang(op, plane).size() == 1) {
    plane = first + (plane - first + unsigned(isStreamed ? turn / stripes.size() : turn)) % perSide;
  }
  return {stripe, plane};
}

FailureOr<TileSums> Lowering::emitTile(ContractOp op, int64_t n, RowBlock block,
                                       bool leavesLast, PassHandler onLast) {
  mlir::lpu::ContractShape shape = mlir::lpu::getContractShape(op, target.lanes());
  int64_t limbs = getNumLimbs(op), tiles = int64_t(getStripes(op).size());
  auto [stripe, plane] = getStripe(op, n, block);
  TilePlan plan = planTile(op, n, block, leavesLast);
  TileSums result{plane, accumulators.take(plane, plan.sums * limbs), plan.sums * limbs, {}};
  if (result.first < 0) {
    return op.emitOpError("needs ")
           << result.count << " accumulators of plane " << plane << " for " << plan.sums
           << " rows of " << limbs << " limbs, more than are free";
  }
  int64_t all = op.getMerge() ? op.getResult().getType().getVectors(target.lanes()) : n + 1;
  for (int64_t k = 0; n + k * shape.tiles < all; ++k) {
    int64_t first = result.first + k * block.count * limbs;
    result.vectors.push_back({plane, first, std::nullopt});
  }
  int64_t firstWord = isOneWord(op, target.lanes()) ? 0 : n / tiles * shape.groups;
  std::string name = getName(op, "contract") + ".n" + std::to_string(n) + ".r" +
                     std::to_string(block.first);
  bool hasHalves = int64_t(target.lanes()) > target.format(getMxmFormat(op).str())->rows();
  for (const ArrayUse &use : plan.arrays) {
    std::string part = name + ".k" + std::to_string(use.chunk) +
                       (hasHalves ? ".h" + std::to_string(use.half) : "");
    emitTileLoad(op, stripe, plane, getLoadRuns(op, use.chunk, use.half, firstWord),
                 part + ".load");
    for (Pass pass : use.passes) {
      pass.sum = result.first + pass.sum * limbs;
      if (!leavesLast || !pass.isLast) {
        emitPass(op, pass, plane, part + ".pass");
      } else if (!onLast) {
        result.vectors[size_t(pass.vector / shape.tiles)].last = pass;
      } else if (failed(onLast(pass, plane))) {
        return failure();
      }
    }
  }
  return result;
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
  FailureOr<std::vector<TileSums>> tiles = emitTiles(op, {0, rows});
  if (failed(tiles)) {
    return failure();
  }
  tilesOf[op.getResult()] = std::move(*tiles);
  return success();
}

FailureOr<std::vector<TileSums>> Lowering::emitTiles(ContractOp op, RowBlock block,
                                                     bool leavesLast) {
  std::vector<TileSums> result;
  int64_t tiles = mlir::lpu::getContractShape(op, target.lanes()).tiles;
  for (int64_t n = 0; n < tiles; ++n) {
    FailureOr<TileSums> tile = emitTile(op, n, block, leavesLast);
    if (failed(tile)) {
      return failure();
    }
    result.push_back(std::move(*tile));
  }
  return result;
}
