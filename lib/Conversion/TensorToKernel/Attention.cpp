//===- Attention.cpp - Attention over caches, head by head ----------------===//
//
// Keys lie transposed, features by positions, so that one vector of scores has
// a head's positions in its lanes; values lie straight. Both are weights of the
// MXM in f16, of int8 caches too (Int8Caches.cpp). docs/Rationale/Attention.md has the reasons.
//
//===----------------------------------------------------------------------===//

#include "Derive.h"
#include "EntryConverter.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace mlir::lpu;
using ::lpu::tensor_lowering::EntryConverter;
using ::lpu::tensor_lowering::Extent;
using ::lpu::tensor_lowering::floatConstant;
using ::lpu::tensor_lowering::getExtent;
using ::lpu::tensor_lowering::HeadLayout;
using ::lpu::tensor_lowering::IndexExpr;
using ::lpu::tensor_lowering::Layout;

/// Rows of a group of MXM weights, lanes of a superlane.
static constexpr int64_t kGroup = 16;

namespace lpu::tensor_lowering {
Value floatConstant(ImplicitLocOpBuilder &b, double value) {
  return arith::ConstantOp::create(b, b.getF32FloatAttr(float(value)));
}
} // namespace lpu::tensor_lowering

static Value getFirst(ImplicitLocOpBuilder &, ValueRange in) { return in[0]; }

//===----------------------------------------------------------------------===//
// Rotary embedding
//===----------------------------------------------------------------------===//

namespace {
/// Where a head's element d turns.
struct Rotation {
  int64_t headSize, size;
  bool interleaved;

  bool isTurned(int64_t d) const { return d < size; }
  int64_t getPair(int64_t d) const { return interleaved ? d / 2 : d % (size / 2); }
  bool isFirst(int64_t d) const { return interleaved ? d % 2 == 0 : d < size / 2; }
  int64_t getPartner(int64_t d) const {
    if (!isTurned(d)) {
      return d;
    }
    int64_t step = interleaved ? 1 : size / 2;
    return isFirst(d) ? d + step : d - step;
  }
};
} // namespace

// x * cos + partner(x) * sin, with the sign of a pair's first element in sin and
// the partner fetched by the SXM. The tables' rows get one column a lane.
LogicalResult EntryConverter::convertRotary(ImplicitLocOpBuilder &b, RotaryOp op) {
  auto cosGather = op.getCos().getDefiningOp<GatherOp>();
  auto sinGather = op.getSin().getDefiningOp<GatherOp>();
  if (!cosGather || !sinGather || cosGather.getIndices() != sinGather.getIndices()) {
    return op.emitOpError("expected rows of constant tables, at the same positions");
  }
  auto cos = ::lpu::tensor_lowering::getConstant(cosGather.getTable(), files);
  auto sin = ::lpu::tensor_lowering::getConstant(sinGather.getTable(), files);
  if (failed(cos) || failed(sin)) {
    return failure();
  }
  if (!*cos || !*sin) {
    return op.emitOpError("expected constant tables of cos and sin");
  }
  Extent extent = getExtent(op.getInput().getType());
  Extent table = getExtent(cosGather.getTable().getType());
  Rotation rotation{extent.columns / int64_t(op.getHeads()), 2 * table.columns,
                    op.getInterleaved()};
  Layout layout = layouts[op.getInput()];
  int64_t lanes = getTarget()->lanes();
  int64_t width = layout.width ? layout.width : std::min(lanes, extent.columns);
  if (width % rotation.headSize != 0) {
    return op.emitOpError("expected vectors of whole heads");
  }
  auto getElement = [&](int64_t c) { return layout.getColumn(c) % rotation.headSize; };
  SmallVector<int64_t> partner;
  for (int64_t lane = 0; lane < width; ++lane) {
    int64_t d = getElement(lane);
    partner.push_back(lane - d + rotation.getPartner(d));
  }
  for (int64_t c = 0; c < extent.columns; ++c) {
    if (getElement(c) != getElement(c % width) || getElement(c) != c % rotation.headSize) {
      return op.emitOpError("expected the elements of a head side by side");
    }
  }
  // As wide as any vector of heads, so that queries and keys share the rows.
  int64_t wide = lanes / rotation.headSize * rotation.headSize;
  std::vector<float> factors[2];
  for (int64_t position = 0; position < table.rows; ++position) {
    for (int64_t lane = 0; lane < wide; ++lane) {
      int64_t d = lane % rotation.headSize;
      bool turned = rotation.isTurned(d);
      size_t at = turned ? size_t(position * table.columns + rotation.getPair(d)) : 0;
      factors[0].push_back(turned ? (**cos)[at] : 1);
      float sign = rotation.isFirst(d) ? -1 : 1;
      factors[1].push_back(turned ? sign * (**sin)[at] : 0);
    }
  }
  Value rows[2];
  for (int k : {0, 1}) {
    // Rows shared by all layers.
    Value &gathered = rotaryRows[{cosGather.getIndices().getAsOpaquePointer(),
                                  DenseElementsAttr::get(
                                      RankedTensorType::get({table.rows, wide}, b.getF32Type()),
                                      ArrayRef<float>(factors[k]))
                                      .getAsOpaquePointer()}];
    if (!gathered) {
      Value constants = this->table<float>(
          b, factors[k], buffer({table.rows, wide}, Format::F32, wide));
      FailureOr<Value> result = gatherRows(b, constants, cosGather.getIndices(), op);
      if (failed(result)) {
        return failure();
      }
      gathered = *result;
    }
    rows[k] = gathered;
  }
  BufferType type = buffer(extent, Format::F32, width);
  // The partner in f16: half as many moves, and what comes out goes into f16 anyway; a model's
  // own rounding to integers would go the other way now and then.
  bool isQuantized = llvm::any_of(op->getUsers(), llvm::IsaPred<QuantizeOp>);
  BufferType partnerType = isQuantized ? type : buffer(extent, Format::F16, width);
  ValueRange both =
      map(b, {values.lookup(op.getInput())}, {type, partnerType}, {1.0f, 1.0f},
          [](ImplicitLocOpBuilder &, ValueRange in) { return SmallVector<Value>{in[0], in[0]}; });
  Value x = both[0];
  Value turned = PermuteOp::create(b, partnerType, both[1], partner, DenseI64ArrayAttr());
  values[op.getResult()] =
      map(b, {x, turned, rows[0], rows[1]}, type, 1.0f,
          [](ImplicitLocOpBuilder &inner, ValueRange in) -> Value {
            Value product = arith::MulFOp::create(inner, in[1], in[3]);
            return math::FmaOp::create(inner, in[0], in[2], product);
          });
  return success();
}

//===----------------------------------------------------------------------===//
// Caches
//===----------------------------------------------------------------------===//

// The state of a cache is made where it is updated; attention finds it by the
// updated cache.
LogicalResult EntryConverter::convertCacheUpdate(ImplicitLocOpBuilder &b, CacheUpdateOp op) {
  auto argument = dyn_cast<BlockArgument>(op.getCache());
  auto type = cast<RankedTensorType>(op.getCache().getType());
  auto rowsType = cast<RankedTensorType>(op.getRows().getType());
  bool isReturned = llvm::any_of(op.getResult().getUsers(), [](Operation *user) {
    return isa<func::ReturnOp>(user);
  });
  if (!argument || !op.getCache().hasOneUse() || !isReturned) {
    return op.emitOpError("expected a cache that is an input of the entry, used here "
                          "alone, and whose update is an output");
  }
  if (type.getRank() != 3 || type.getDimSize(0) != 1 || op.getAxis() != 1 ||
      op.getCircular() || !op.getPositions()) {
    return op.emitOpError("expected a cache of 1 x positions x (heads * head size), "
                          "updated along its positions; others are not supported yet");
  }
  bool isKey = false, isValue = false;
  SmallVector<Value> cached{op.getResult()}; // as it is, and as the reals it stands for
  for (Operation *user : op.getResult().getUsers()) {
    if (isa<DequantizeOp>(user)) {
      cached.push_back(user->getResult(0));
    }
  }
  for (Value value : cached) {
    for (Operation *user : value.getUsers()) {
      auto attention = dyn_cast<AttentionOp>(user);
      isKey |= attention && attention.getKey() == value;
      isValue |= attention && attention.getValue() == value;
    }
  }
  if (isKey == isValue) {
    return op.emitOpError("expected a cache of either keys or values of attention");
  }
  int64_t lanes = getTarget()->lanes(), positions = type.getDimSize(1);
  int64_t features = type.getDimSize(2);
  int64_t width = layouts[op.getRows()].width;
  if (width % kGroup != 0 || features % kGroup != 0) {
    return op.emitOpError("expected head sizes that are multiples of ") << kGroup;
  }
  bool isInt8 = type.getElementType().isInteger(8);
  Format format = isInt8 ? Format::U8 : Format::F16;
  auto tilesType =
      isKey ? TilesType::get(b.getContext(), features, positions, format, 0, true)
            : TilesType::get(b.getContext(), positions, features, format, width, false);
  Value state = StateOp::create(b, tilesType, getInputName(argument.getArgNumber()),
                                DenseI64ArrayAttr());
  for (Value value : cached) {
    values[value] = state;
  }
  int64_t count = rowsType.getDimSize(1);
  int64_t groups = tilesType.getRows() / kGroup + (tilesType.getRows() % kGroup != 0);
  bool isMoved = isKey && count * groups > lanes, isSpread = isKey && !isMoved;
  FailureOr<Value> stored =
      isInt8 ? quantizeRows(b, op.getRows(), isSpread ? Format::F16 : format)
             : map(b, values.lookup(op.getRows()), buffer({count, features}, format, width), 1.0f,
                   getFirst);
  if (failed(stored)) {
    return failure();
  }
  Value rows = *stored;
  FailureOr<IndexExpr> position = getElement(op.getPositions(), 0, op);
  if (failed(position)) {
    return failure();
  }
  IndexExpr p = *position + IndexExpr::row(), lane = IndexExpr::lane();
  int64_t vectors = isKey ? (positions - 1) / lanes + 1 : features / width;
  int64_t words = groups * vectors;
  IndexExpr word = p % kGroup * words + (isKey ? p / lanes * groups : p / kGroup);
  if (isMoved) {
    appendColumns(b, rows, *position, state, groups);
    return success();
  }
  if (isSpread) {
    // Every superlane gets every group of 16 features; the one of the position
    // takes them.
    word = select(p % lanes / kGroup == lane / kGroup, word, -1);
    std::vector<uint16_t> ones(size_t(features * lanes));
    for (int64_t k = 0; k < features; ++k) {
      for (int64_t n = k % kGroup; n < lanes; n += kGroup) {
        ones[size_t(k * lanes + n)] = 0x3c00; // 1.0
      }
    }
    auto type = RankedTensorType::get({features, lanes}, b.getF16Type());
    auto weights = DenseElementsAttr::getFromRawBuffer(
        type, ArrayRef(reinterpret_cast<const char *>(ones.data()), ones.size() * 2));
    Value at = derive(b, "key positions", word, {count, lanes}, Format::I32);
    Value spread = ContractOp::create(b, sums({count * groups, lanes}, Format::F16), rows,
                                      Value(), Value(), weights, width / kGroup, 0,
                                      DenseI64ArrayAttr());
    Value all = map(b, spread, buffer({count * groups, lanes}, format), 1.0f, getFirst);
    all.getDefiningOp<MapOp>().setUncounted(isInt8); // in range already
    AppendOp::create(b, all, at, state);
    return success();
  }
  Value at = derive(b, "value positions", word, {count, lanes}, Format::I32);
  AppendOp::create(b, rows, at, state);
  return success();
}

// As many moves a vector as lanes, whatever the number of rows. Positions a whole turn of the
// lanes apart would meet in a word, and rows before the first of a slice count down to -15.
void EntryConverter::appendColumns(ImplicitLocOpBuilder &b, Value rows, const IndexExpr &start,
                                   Value state, int64_t groups) {
  auto type = cast<BufferType>(rows.getType());
  int64_t lanes = getTarget()->lanes(), superlanes = lanes / kGroup, most = lanes - kGroup;
  int64_t vectors = type.getVectors(lanes);
  int64_t vectorGroups = (type.getWidth() ? type.getWidth() : lanes) / kGroup;
  IndexExpr superlane = IndexExpr::lane() / kGroup;
  for (int64_t first = 0; first < type.getRows(); first += most) {
    int64_t count = std::min(most, type.getRows() - first);
    Value some = takeRows(b, rows, first, count);
    IndexExpr begin = start + first;
    IndexExpr meets = (superlane + IndexExpr::row()) % superlanes;
    IndexExpr row = (meets * kGroup - begin) % lanes;
    IndexExpr counted = select(row < most + 1, row, row - lanes) + kGroup;
    Value from = derive(b, "key rows", counted * vectors, {superlanes, lanes}, Format::I32);
    IndexExpr slice = IndexExpr::row() % kGroup, distance = IndexExpr::row() / kGroup;
    IndexExpr taken = (superlane * kGroup + slice - begin) % lanes;
    IndexExpr group = (superlane - distance) % superlanes;
    for (int64_t vector = 0; vector < vectors; ++vector) {
      int64_t before = vector * vectorGroups, left = std::min(vectorGroups, groups - before);
      IndexExpr word = (begin + taken) / lanes * groups + before + group;
      IndexExpr isTaken = (taken < count) * (group < left);
      Value to = derive(b, "key words", select(isTaken, word, -1),
                        {superlanes * kGroup, lanes}, Format::I32);
      AppendColumnsOp::create(b, some, from, to, state, uint64_t(vector));
    }
  }
}

//===----------------------------------------------------------------------===//
// Attention
//===----------------------------------------------------------------------===//

static HeadLayout getQueryLayout(AttentionOp op, int64_t lanes) {
  int64_t columns = cast<RankedTensorType>(op.getQuery().getType()).getDimSize(2);
  int64_t heads = int64_t(op.getQueryHeads());
  return HeadLayout::get(heads, int64_t(op.getKvHeads()), columns / heads, lanes);
}
static HeadLayout getValueLayout(AttentionOp op, int64_t lanes) {
  int64_t columns = cast<RankedTensorType>(op.getResult().getType()).getDimSize(2);
  int64_t heads = int64_t(op.getQueryHeads());
  return HeadLayout::get(heads, int64_t(op.getKvHeads()), columns / heads, lanes);
}

namespace {
/// How the largest x of a row is bounded: bound = shrink * log2(sum of exp2(x / shrink)),
/// which exceeds the maximum by at most shrink * log2(n).
struct SoftmaxBound {
  /// log2 of the weights of x = bound.
  static constexpr double kTop = 15;
  /// f16 goes from 2^-24 to 2^16; with a margin for its rounding.
  static constexpr double kLeast = -24, kMost = 15.5;
  /// Octaves of x that the windows cover at least.
  static constexpr double kOctaves = 110;

  double shrink;
  int64_t windows;

  /// For rows of `n` positions: the largest weight is at least 2^-14, normal in f16.
  explicit SoftmaxBound(int64_t n)
      : shrink(std::min(4.0, (kTop + 14) / std::log2(double(std::max<int64_t>(n, 2))))) {
    // Windows overlap by 6 octaves of x / shrink, so that what is lost below one is
    // little in the next.
    double step = kMost - kLeast - 6;
    windows = 1 + std::max<int64_t>(
                      0, int64_t(std::ceil((kOctaves / shrink - (kMost - kLeast)) / step)));
  }
  /// What window k adds to x / shrink, so that the windows lie around x = 0.
  double getOffset(int64_t window) const {
    double step = kMost - kLeast - 6, middle = (kMost + kLeast) / 2;
    return middle + step * (double(window) - double(windows - 1) / 2);
  }
};
} // namespace

// With x = log2(e) * score: a bound of the largest x comes from the sum over
// positions of exp2(x / shrink) in f16. Then p = exp2(x - bound + 15) in f16, and the
// sum of p beside p * V.
LogicalResult EntryConverter::convertAttention(ImplicitLocOpBuilder &b, AttentionOp op) {
  Value keys = values.lookup(op.getKey()), cached = values.lookup(op.getValue());
  if (!keys || !cached || !isa<TilesType>(keys.getType()) ||
      !isa<TilesType>(cached.getType())) {
    return op.emitOpError("expected keys and values from caches: no other kernel yet");
  }
  auto queryType = cast<RankedTensorType>(op.getQuery().getType());
  if (queryType.getDimSize(0) != 1) {
    return op.emitOpError("has a batch of ")
           << queryType.getDimSize(0) << "; one is supported yet";
  }
  if (op.getMask()) {
    return op.emitOpError("has a mask: no kernel yet");
  }
  int64_t lanes = getTarget()->lanes();
  int64_t heads = int64_t(op.getQueryHeads());
  int64_t rows = queryType.getDimSize(1), columns = queryType.getDimSize(2);
  int64_t valueColumns = cast<RankedTensorType>(op.getResult().getType()).getDimSize(2);
  HeadLayout layout = getQueryLayout(op, lanes), valueLayout = getValueLayout(op, lanes);
  if (layout.headsPerVector == 0 || layout.headsPerVector != valueLayout.headsPerVector ||
      layout.headSize % kGroup != 0 || valueLayout.headSize % kGroup != 0) {
    return op.emitOpError("expected heads of at most ")
           << lanes << " elements, multiples of " << kGroup
           << ", as many of keys as of values in a vector";
  }
  int64_t all = cast<TilesType>(cached.getType()).getRows();
  FailureOr<int64_t> bound = getMaximum(op.getKvLength(), all, op);
  if (failed(bound)) {
    return failure();
  }
  // Whole groups of rows of values.
  int64_t positions = (*bound + kGroup - 1) / kGroup * kGroup;
  positions = std::min(positions, all);

  int64_t width = layout.getQuery().width;
  FailureOr<std::vector<float>> keyScales = getCacheScales(op.getKey());
  FailureOr<std::vector<float>> valueScales = getCacheScales(op.getValue());
  if (failed(keyScales) || failed(valueScales)) {
    return failure();
  }
  BufferType queryBuffer = buffer({rows, columns}, Format::F16, width);
  float unit = 1;
  Value query = values.lookup(op.getQuery()), offsets, resultScales;
  if (keyScales->empty()) {
    query = map(b, query, queryBuffer, 1.0f, getFirst);
  } else {
    query = scaleQuery(b, query, queryBuffer, *keyScales, layout, unit);
    offsets = sumScoreOffsets(b, query, layout);
  }
  if (!valueScales->empty()) {
    resultScales = makeValueScales(b, *valueScales, valueLayout);
  }
  IndexExpr length = op.getCausal() ? int64_t(op.getPastLength()) + rows : all;
  if (op.getKvLength()) {
    FailureOr<IndexExpr> given = getElement(op.getKvLength(), 0, op);
    if (failed(given)) {
      return failure();
    }
    length = *given;
  }
  // Row i of a causal query sees all but the last rows - 1 - i positions.
  int64_t vectors = (positions - 1) / lanes + 1;
  IndexExpr at = IndexExpr::row() % vectors * lanes + IndexExpr::lane();
  IndexExpr visible =
      op.getCausal() ? length + (1 - rows) + IndexExpr::row() / vectors : length;
  constexpr int64_t kHidden = 0xc700; // bf16 of -32768
  Value mask = derive(b, "positions in use", select(at < visible, 0, kHidden),
                      {op.getCausal() ? rows : 1, positions}, Format::BF16);

  // Scores of some rows at a time, so that they need few words.
  // One step for some rows goes with the next step for the rows before them: while they
  // wait for the MXM it works on others.
  std::vector<AttentionRows> blocks;
  int64_t step = getBlockRows(rows, heads, vectors);
  bool isShared = cast<BufferType>(mask.getType()).getRows() == 1;
  for (int64_t first = 0; first < rows; first += step) {
    int64_t count = std::min(step, rows - first);
    Value visible = isShared ? mask : takeRows(b, mask, first, count);
    Value mine = offsets ? takeRows(b, offsets, first * heads, count * heads) : Value();
    blocks.push_back({takeRows(b, query, first, count), visible, {}, {}, {}, mine, unit,
                      resultScales});
  }
  SmallVector<Value> parts;
  for (size_t k = 0; k < blocks.size() + 2; ++k) {
    if (k < blocks.size()) {
      scoreRows(b, op, blocks[k]);
    }
    if (k >= 1 && k <= blocks.size()) {
      weighRows(b, op, blocks[k - 1]);
    }
    if (k >= 2) {
      llvm::append_range(parts, sumRows(b, op, blocks[k - 2]));
    }
  }
  values[op.getResult()] =
      parts.size() == 1
          ? parts[0]
          : Value(ConcatRowsOp::create(
                b, buffer({rows, valueColumns}, Format::F32, valueLayout.getWidth()), parts,
                DenseI64ArrayAttr()));
  return success();
}

int64_t EntryConverter::getBlockRows(int64_t rows, int64_t heads, int64_t vectors) {
  // Scores of one vector become weights in one chain: only these lie in SRAM, on both sides,
  // two bytes each. Those of several vectors do as well, in f32, until their sum is known.
  constexpr int64_t kWords = 3456;
  int64_t words = heads * vectors * (vectors == 1 ? 4 : 8);
  int64_t blocks = (rows * words + kWords - 1) / kWords;
  return blocks >= rows ? 1 : (rows + blocks - 1) / blocks;
}

Value EntryConverter::takeRows(ImplicitLocOpBuilder &b, Value source, int64_t first,
                               int64_t count) {
  auto type = cast<BufferType>(source.getType());
  if (first == 0 && count == type.getRows()) {
    return source;
  }
  BufferType result =
      buffer({count, type.getColumns()}, type.getFormat(), type.getWidth());
  return RowsOp::create(b, result, source, uint64_t(first), DenseI64ArrayAttr());
}

void EntryConverter::scoreRows(ImplicitLocOpBuilder &b, AttentionOp op, AttentionRows &rows) {
  int64_t count = cast<BufferType>(rows.query.getType()).getRows() * int64_t(op.getQueryHeads());
  int64_t positions = cast<BufferType>(rows.mask.getType()).getColumns();
  Value scores = ContractOp::create(
      b, sums({count, positions}, Format::F16), rows.query, Value(), values.lookup(op.getKey()),
      ElementsAttr(), getQueryLayout(op, getTarget()->lanes()).queriesPerVector, 0,
      DenseI64ArrayAttr());
  float scale = op.getScale().convertToFloat() * rows.unit;
  float softcap = op.getSoftcap() ? op.getSoftcap()->convertToFloat() : 0;
  constexpr double kLog2E = 1.4426950408889634;
  auto getLogits = [&](ImplicitLocOpBuilder &inner, Value score, Value hidden) -> Value {
    if (softcap != 0) {
      score = arith::MulFOp::create(inner, score, floatConstant(inner, scale / softcap));
      score = math::TanhOp::create(inner, score);
      return math::FmaOp::create(inner, score, floatConstant(inner, softcap * kLog2E), hidden);
    }
    return math::FmaOp::create(inner, score, floatConstant(inner, scale * kLog2E), hidden);
  };
  SoftmaxBound bound(positions);
  SmallVector<Type> types(size_t(bound.windows), buffer({count, positions}, Format::F16));
  types.push_back(buffer({count, positions}, Format::F32));
  SmallVector<float> scales(types.size(), 1.0f);
  SmallVector<Value> inputs{scores, rows.mask};
  if (rows.offsets) {
    inputs.push_back(rows.offsets);
  }
  ValueRange results = map(
      b, inputs, types, scales, [&](ImplicitLocOpBuilder &inner, ValueRange in) {
        Value score = in[0];
        if (rows.offsets) {
          score = arith::AddFOp::create(inner, score, in[2]);
        }
        Value x = getLogits(inner, score, in[1]);
        Value shrunk = floatConstant(inner, 1 / bound.shrink);
        SmallVector<Value> results;
        for (int64_t window = 0; window < bound.windows; ++window) {
          Value part = math::FmaOp::create(inner, x, shrunk,
                                           floatConstant(inner, bound.getOffset(window)));
          results.push_back(math::Exp2Op::create(inner, part));
        }
        results.push_back(x);
        return results;
      });
  rows.logits = results.back();
  llvm::append_range(rows.windows, results.drop_back());
  // Beyond the range of a window the next one says more.
  rows.logits.getDefiningOp<MapOp>().setUncounted(bound.windows > 1);
  // Lanes beyond the positions are hidden: windows and weights are zero there.
  rows.logits.getDefiningOp<MapOp>().setUnguarded(true);
}

/// `x`, with `merge` as in contract, times a tile of ones: the sums of its rows, in
/// every lane.
static Value sumPositions(ImplicitLocOpBuilder &b, Value x, AccType sums, int64_t lanes,
                          int64_t merge) {
  int64_t positions = cast<BufferType>(x.getType()).getColumns();
  auto ones = DenseElementsAttr::get(RankedTensorType::get({positions, lanes}, b.getF16Type()),
                                     APFloat(APFloat::IEEEhalf(), 1));
  return ContractOp::create(b, sums, x, Value(), Value(), ones, 0, merge, DenseI64ArrayAttr());
}

void EntryConverter::weighRows(ImplicitLocOpBuilder &b, AttentionOp op, AttentionRows &rows) {
  auto type = cast<BufferType>(rows.logits.getType());
  SoftmaxBound bound(type.getColumns());
  SmallVector<Value> totals;
  for (Value window : rows.windows) {
    totals.push_back(sumPositions(b, window, sums({type.getRows(), 1}, Format::F16),
                                  getTarget()->lanes(), 0));
  }
  auto getLargest = [&](ImplicitLocOpBuilder &inner, ValueRange in) -> Value {
    Value total = in[0];
    for (int64_t window = 1; window < bound.windows; ++window) {
      double unit = std::exp2(bound.getOffset(0) - bound.getOffset(window));
      total = math::FmaOp::create(inner, in[size_t(window)], floatConstant(inner, unit), total);
    }
    // Where all is hidden or below, weights are 0 or as they are.
    double least = std::exp2(SoftmaxBound::kLeast - 1);
    total = arith::MaximumFOp::create(inner, total, floatConstant(inner, least));
    Value log = math::Log2Op::create(inner, total);
    double base = -bound.shrink * bound.getOffset(0) - SoftmaxBound::kTop;
    return math::FmaOp::create(inner, log, floatConstant(inner, bound.shrink),
                               floatConstant(inner, base));
  };
  auto getWeight = [](ImplicitLocOpBuilder &inner, Value x, Value largest) -> Value {
    return math::Exp2Op::create(inner, arith::SubFOp::create(inner, x, largest));
  };
  BufferType weightsType = buffer({type.getRows(), type.getColumns()}, Format::F16);
  SmallVector<Value> inputs{rows.logits};
  if (type.getVectors(getTarget()->lanes()) == 1 && bound.windows == 1) {
    // The sums serve one vector: the bound is computed where it is used.
    inputs.append(totals);
    rows.weights = map(b, inputs, weightsType, 1.0f,
                       [&](ImplicitLocOpBuilder &inner, ValueRange in) -> Value {
                         return getWeight(inner, in[0], getLargest(inner, in.drop_front()));
                       });
  } else {
    inputs.push_back(
        map(b, totals, buffer({type.getRows(), 1}, Format::F32), 1.0f, getLargest));
    rows.weights = map(b, inputs, weightsType, 1.0f,
                       [&](ImplicitLocOpBuilder &inner, ValueRange in) -> Value {
                         return getWeight(inner, in[0], in[1]);
                       });
  }
  rows.weights.getDefiningOp<MapOp>().setUnguarded(true);
}

// In parts, so that what follows can start early: as lpu-split-rows makes them.
SmallVector<Value> EntryConverter::sumRows(ImplicitLocOpBuilder &b, AttentionOp op,
                                           const AttentionRows &rows) {
  int64_t all = cast<BufferType>(rows.query.getType()).getRows();
  int64_t share = cast<BufferType>(rows.weights.getType()).getRows() / all;
  int64_t step = getPartRows(all, kPartRows);
  SmallVector<Value> parts;
  for (int64_t first = 0; first < all; first += step) {
    int64_t count = std::min(step, all - first);
    Value weights = takeRows(b, rows.weights, first * share, count * share);
    parts.push_back(sumWeights(b, op, weights, count, rows.valueScales));
  }
  return parts;
}

Value EntryConverter::sumWeights(ImplicitLocOpBuilder &b, AttentionOp op, Value weights,
                                 int64_t rows, Value valueScales) {
  int64_t lanes = getTarget()->lanes();
  HeadLayout layout = getValueLayout(op, lanes);
  Extent extent{rows, cast<RankedTensorType>(op.getResult().getType()).getDimSize(2)};
  AccType type = sums(extent, Format::F16, layout.getWidth());
  Value products =
      ContractOp::create(b, type, weights, Value(), values.lookup(op.getValue()), ElementsAttr(),
                         0, layout.headsPerVector, DenseI64ArrayAttr());
  Value total = sumPositions(b, weights, type, lanes, layout.headsPerVector);
  SmallVector<Value> inputs{products, total};
  if (valueScales) {
    inputs.push_back(valueScales);
  }
  return map(b, inputs, buffer(extent, Format::F32, layout.getWidth()), 1.0f,
             [&](ImplicitLocOpBuilder &inner, ValueRange in) -> Value {
               // Where all is hidden, and in unused lanes, 0 / tiny = 0.
               Value tiny = floatConstant(inner, 0x1p-100), one = floatConstant(inner, 1);
               Value some = arith::MaximumFOp::create(inner, in[1], tiny);
               Value inverse = arith::DivFOp::create(inner, one, some);
               if (!valueScales) {
                 return arith::MulFOp::create(inner, in[0], inverse);
               }
               Value sum = removeValueOffset(inner, in[0], in[1]);
               Value mean = arith::MulFOp::create(inner, sum, inverse);
               return arith::MulFOp::create(inner, mean, in[2]);
             });
}
