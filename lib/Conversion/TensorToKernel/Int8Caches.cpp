//===- Int8Caches.cpp - Attention over caches in int8 ---------------------===//
//
// An int8 v lies as the byte v + 128, which becomes the f16 1152 + v on its way to the
// MXM, exactly. So everything else is as with caches in f16; what 1152 adds to a
// sum is 1152 times the sum of its activations. docs/Rationale/Attention.md has the
// reasons.
//
//===----------------------------------------------------------------------===//

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
using ::lpu::tensor_lowering::Layout;

/// The byte of 0, and what stands for it in the MXM.
static constexpr int64_t kZero = 128;
static constexpr float kOffset = float(kWideningOffset + kZero);

template <typename Op>
static FailureOr<std::vector<float>> getScales(Op op, mlir::onnx::WeightFiles &files) {
  auto type = cast<RankedTensorType>(op.getSource().getType());
  FailureOr<std::optional<std::vector<float>>> scales =
      ::lpu::tensor_lowering::getConstant(op.getScale(), files);
  if (failed(scales)) {
    return failure();
  }
  bool isByColumn = !op.getAxis() || int64_t(*op.getAxis()) == type.getRank() - 1;
  if (!*scales || !isByColumn || llvm::any_of(**scales, [](float s) { return !(s > 0); })) {
    return op.emitOpError("expected positive constant scales, one or one for each column");
  }
  (*scales)->resize(size_t(type.getShape().back()), (*scales)->front());
  return std::move(**scales);
}

FailureOr<std::vector<float>> EntryConverter::getCacheScales(Value cache) {
  auto op = cache.getDefiningOp<DequantizeOp>();
  if (!op) {
    return std::vector<float>();
  }
  if (op.getZeroPoint() || op.getBlockSize()) {
    return op.emitOpError("expected a cache without zero points and blocks");
  }
  return getScales(op, files);
}

/// For each column of `heads` query heads, the scale of the key or value that it meets.
static std::vector<float> repeatForQueries(ArrayRef<float> scales, const HeadLayout &heads) {
  std::vector<float> result;
  for (int64_t head = 0; head < heads.queryHeads; ++head) {
    int64_t kvHead = head / (heads.queryHeads / heads.kvHeads);
    llvm::append_range(result, scales.slice(size_t(kvHead * heads.headSize),
                                            size_t(heads.headSize)));
  }
  return result;
}

// Saturations are counted here: behind it a key is in every superlane.
FailureOr<Value> EntryConverter::quantizeRows(ImplicitLocOpBuilder &b, Value rows,
                                              Format format) {
  auto op = rows.getDefiningOp<QuantizeOp>();
  if (!op) {
    return emitError(b.getLoc(), "expected rows that are quantised for their cache");
  }
  FailureOr<std::vector<float>> scales = getScales(op, files);
  if (failed(scales)) {
    return failure();
  }
  Layout layout = layouts[rows];
  Extent extent = getExtent(rows.getType());
  std::vector<float> inverse;
  for (float scale : layout.permuteColumns<float>(*scales)) {
    inverse.push_back(1 / scale);
  }
  Value factors = constant(b, inverse, {1, extent.columns}, layout.width);
  return map(b, {values.lookup(op.getSource()), factors}, buffer(extent, format, layout.width),
             1.0f, [&](ImplicitLocOpBuilder &inner, ValueRange in) -> Value {
               Value zero = floatConstant(inner, float(kZero));
               Value shifted = math::FmaOp::create(inner, in[0], in[1], zero);
               return format == Format::U8
                          ? shifted
                          : Value(RoundOp::create(inner, inner.getF32Type(), shifted, 0, 2 * kZero - 1));
             });
}

// The largest factor goes into the scale of the scores, so that f16 has the range that it
// has without factors.
Value EntryConverter::scaleQuery(ImplicitLocOpBuilder &b, Value query, BufferType type,
                                 ArrayRef<float> keyScales, const HeadLayout &heads,
                                 float &unit) {
  unit = *llvm::max_element(keyScales);
  std::vector<float> factors = repeatForQueries(keyScales, heads);
  for (float &factor : factors) {
    factor /= unit;
  }
  Layout layout = heads.getQuery();
  Value row = constant(b, layout.permuteColumns<float>(factors), {1, type.getColumns()},
                       layout.width);
  return map(b, {query, row}, type, 1.0f,
             [](ImplicitLocOpBuilder &inner, ValueRange in) -> Value {
               return arith::MulFOp::create(inner, in[0], in[1]);
             });
}

// One head's rows of ones serve all: every run of lanes meets the same.
Value EntryConverter::sumScoreOffsets(ImplicitLocOpBuilder &b, Value query,
                                      const HeadLayout &heads) {
  auto type = cast<BufferType>(query.getType());
  Extent extent{type.getRows() * heads.queryHeads, 1};
  auto ones = DenseElementsAttr::get(
      RankedTensorType::get({heads.headSize, int64_t(getTarget()->lanes())}, b.getF16Type()),
      APFloat(APFloat::IEEEhalf(), 1));
  Value sum = ContractOp::create(b, sums(extent, Format::F16), query, Value(), Value(), ones,
                                 heads.queriesPerVector, 0, DenseI64ArrayAttr());
  return map(b, sum, buffer(extent, Format::F32), 1.0f,
             [](ImplicitLocOpBuilder &inner, ValueRange in) -> Value {
               return arith::MulFOp::create(inner, in[0], floatConstant(inner, -kOffset));
             });
}

Value EntryConverter::makeValueScales(ImplicitLocOpBuilder &b, ArrayRef<float> scales,
                                      const HeadLayout &heads) {
  Layout layout = heads.getResult();
  std::vector<float> row = repeatForQueries(scales, heads);
  return constant(b, layout.permuteColumns<float>(row), {1, int64_t(row.size())}, layout.width);
}

Value EntryConverter::removeValueOffset(ImplicitLocOpBuilder &b, Value products, Value total) {
  return math::FmaOp::create(b, total, floatConstant(b, -kOffset), products);
}
