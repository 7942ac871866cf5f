//===- Contract.cpp - lpu.contract to weight loads and passes -------------===//

#include "Lowering.h"

using namespace lpu;
using namespace lpu::stream_lowering;
using namespace mlir;
using mlir::lpu::ContractOp;
using mlir::lpu::Placement;
using mlir::lpu::Stripe;
using mlir::stream::stringifyDirection;

/// Rows that one lw loads: the rows of a group (X2).
static constexpr int64_t kGroupRows = 16;

// One plane's tile: 16 words a cycle, one of each slice of the stripe, meet at
// the plane; the install follows the last group.
void Lowering::emitTileLoad(ContractOp op, const Stripe &stripe,
                            int64_t firstWord, int64_t groups, StringRef name) {
  ChainBuilder chain(program, op.getLoc(), name, target);
  unsigned column = target.planeColumn(unsigned(stripe.plane));
  Repeated repeated{groups, 1, 1, 0};
  SmallVector<Value> rows;
  for (int64_t slice : stripe.slices) {
    rows.push_back(chain.readFor(column, 0, unsigned(slice), stripe.bank, firstWord,
                                 repeated, {{"r_addr", {0, 1}}}));
  }
  Value bundle = chain.bundle(rows);
  std::string queue =
      target.queueName({UnitKind::MxmWeights, uint16_t(stripe.plane)});
  auto dir = cast<mlir::stream::FlowType>(bundle.getType()).getDirection();
  Fields fields = chain.fields();
  fields.set("group", 0).set("dir", stringifyDirection(dir));
  chain.issue("lw", queue, 0, fields, bundle, {}, repeated, {{"group", {0, 1}}});
  chain.issue("iw", queue, groups, chain.fields(), {}, {});
  chain.finish();
}

// Every limb of every row through the installed tile, into its accumulator.
void Lowering::emitTilePass(ContractOp op, const AccumulatorTile &tile,
                            RowBlock block, int64_t chunk, int64_t groups,
                            StringRef name) {
  auto type = op.getActivations().getType();
  int64_t limbs = mlir::lpu::getNumLimbs(type.getFormat());
  int64_t vectors = divideCeil(type.getColumns(), target.lanes());
  unsigned column = target.planeColumn(tile.plane);
  Side side = target.planeSide(tile.plane);
  SmallVector<Placement> copies = getPlacements(op.getActivations());
  const Placement *copy = llvm::find_if(copies, [&](const Placement &candidate) {
    return target.sliceSide(unsigned(candidate.front().slice)) == side;
  });
  Repeated rows{block.count, 1, 1, 0};
  for (int64_t limb = limbs - 1; limb >= 0; --limb) {
    ChainBuilder chain(program, op.getLoc(), name, target);
    const auto &byte = (*copy)[size_t(limb)];
    Value x = chain.readFor(column, 0, unsigned(byte.slice), byte.bank,
                            byte.first + block.first * vectors + chunk, rows,
                            {{"r_addr", {0, vectors}}});
    auto dir = cast<mlir::stream::FlowType>(x.getType()).getDirection();
    Fields activate = chain.fields();
    activate.set("dir", stringifyDirection(dir)).set("count", groups);
    Value sum = chain
                    .issue("abc",
                           target.queueName({UnitKind::MxmActivations,
                                             uint16_t(tile.plane)}),
                           0, activate, x, chain.partial(), rows)
                    .getResult(0);
    Fields accumulate = chain.fields();
    accumulate.set("mode", chunk == 0 ? "set" : "add")
        .set("a", tile.first + limbs - 1 - limb)
        .set("count", target.superlanes());
    chain.issue(
        "acc",
        target.queueName({UnitKind::MxmAccumulators, uint16_t(tile.plane)}),
        int64_t(target.latencies().mxm_result()), accumulate, sum, {}, rows,
        {{"a", {0, limbs}}});
    chain.finish();
  }
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
  const MxmFormatDescription *format = target.format("i8");
  if (!format || format->rows() != target.lanes()) {
    return op.emitOpError("target ")
           << std::string(target.name())
           << " has no i8 format with as many rows as lanes";
  }
  if (!op.getPlacement() || getPlacements(op.getActivations()).empty()) {
    return op.emitOpError("expected placed weights and activations");
  }
  return success();
}

FailureOr<AccumulatorTile> Lowering::emitTile(ContractOp op, int64_t n, RowBlock block) {
  auto weights = cast<RankedTensorType>(op.getWeights().getType());
  int64_t limbs = mlir::lpu::getNumLimbs(op.getActivations().getType().getFormat());
  int64_t k = weights.getDimSize(0), lanes = target.lanes();
  SmallVector<Stripe> stripes = mlir::lpu::decodeStripes(op.getPlacementAttr());
  const Stripe &stripe = stripes[size_t(n) % stripes.size()];
  AccumulatorTile tile{unsigned(stripe.plane), 0};
  tile.first = accumulators.take(tile.plane, block.count * limbs);
  if (tile.first < 0) {
    return op.emitOpError("needs ")
           << block.count * limbs << " accumulators of plane " << tile.plane << " for "
           << block.count << " rows of " << limbs << " limbs, more than are free";
  }
  int64_t word = stripe.first +
                 n / int64_t(stripes.size()) * divideCeil(k, kGroupRows);
  std::string name = getName(op, "contract") + ".n" + std::to_string(n) + ".r" +
                     std::to_string(block.first);
  for (int64_t chunk = 0; chunk < divideCeil(k, lanes); ++chunk) {
    int64_t groups = divideCeil(std::min(lanes, k - chunk * lanes), kGroupRows);
    std::string part = name + ".k" + std::to_string(chunk);
    emitTileLoad(op, stripe, word, groups, part + ".load");
    emitTilePass(op, tile, block, chunk, groups, part + ".pass");
    word += groups;
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
  auto weights = cast<RankedTensorType>(op.getWeights().getType());
  int64_t tiles = divideCeil(weights.getDimSize(1), target.lanes());
  std::vector<AccumulatorTile> result;
  for (int64_t n = 0; n < tiles; ++n) {
    FailureOr<AccumulatorTile> tile =
        emitTile(op, n, {0, op.getActivations().getType().getRows()});
    if (failed(tile)) {
      return failure();
    }
    result.push_back(*tile);
  }
  tilesOf[op.getResult()] = std::move(result);
  return success();
}
