//===- Contractions.cpp - Sums of products for the MXM --------------------===//
//
// An array multiplies f16. An f32 number is the sum of two, up to 2^-22 of it: of the product
// of two sums three terms count, and they are one sum of three times as many products.
//
//===----------------------------------------------------------------------===//

#include "Contractions.h"
#include "NestConverter.h"
#include "lpu/Support/Numerics.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include <cmath>

using namespace mlir;
using mlir::lpu::BufferType;
using mlir::lpu::Format;

namespace lpu::nest_lowering {

constexpr int64_t kLeastWork = 4096;
/// Least rows and columns of an array's work.
constexpr int64_t kLeastExtent = 8;
/// Terms of a product of two numbers in two parts each: high by high, high by low, low by high.
constexpr int64_t kTerms = 3;
/// Activations times 2^kScale: f16 ends at 65504 above and 2^-24 below.
constexpr int kScale = 4;
/// Rows that a weight instruction loads.
constexpr int64_t kGroupRows = 16;

std::optional<Contraction> findContraction(linalg::GenericOp op, int64_t lanes) {
  if (op.getNumDpsInputs() != 2 || op.getNumResults() != 1 || !op.hasPureTensorSemantics() ||
      op.getNumReductionLoops() == 0) {
    return std::nullopt;
  }
  Block *body = op.getBody();
  auto sum = body->getTerminator()->getOperand(0).getDefiningOp<arith::AddFOp>();
  BlockArgument sofar = body->getArgument(2);
  if (!sum || !sofar.hasOneUse() || (sum.getLhs() != sofar && sum.getRhs() != sofar)) {
    return std::nullopt;
  }
  auto product =
      (sum.getLhs() == sofar ? sum.getRhs() : sum.getLhs()).getDefiningOp<arith::MulFOp>();
  bool isProduct =
      product &&
      ((product.getLhs() == body->getArgument(0) && product.getRhs() == body->getArgument(1)) ||
       (product.getLhs() == body->getArgument(1) && product.getRhs() == body->getArgument(0)));
  auto isConstant = [&](unsigned input) {
    return isa_and_nonnull<arith::ConstantOp, mlir::lpu::WeightOp>(
        op.getDpsInputOperand(input)->get().getDefiningOp());
  };
  auto fill = op.getDpsInits()[0].getDefiningOp<linalg::FillOp>();
  auto zero = fill ? fill.getInputs()[0].getDefiningOp<arith::ConstantOp>() : arith::ConstantOp();
  auto number = zero ? dyn_cast<FloatAttr>(zero.getValue()) : FloatAttr();
  if (!isProduct || isConstant(0) == isConstant(1) || !number || !number.getValue().isZero()) {
    return std::nullopt;
  }
  Contraction found{isConstant(1) ? 0u : 1u, isConstant(1) ? 1u : 0u, -1, -1};
  AffineMap x = op.getMatchingIndexingMap(op.getDpsInputOperand(found.activations));
  AffineMap w = op.getMatchingIndexingMap(op.getDpsInputOperand(found.weights));
  AffineMap y = op.getMatchingIndexingMap(op.getDpsInitOperand(0));
  SmallVector<int64_t> sizes = op.getStaticLoopRanges();
  SmallVector<utils::IteratorType> iterators = op.getIteratorTypesArray();
  auto isIn = [](AffineMap map, unsigned loop) {
    return llvm::any_of(map.getResults(),
                        [&](AffineExpr expr) { return expr.isFunctionOfDim(loop); });
  };
  auto isPlainIn = [&](AffineMap map, unsigned loop) {
    return llvm::count_if(map.getResults(),
                          [&](AffineExpr expr) { return expr.isFunctionOfDim(loop); }) == 1 &&
           llvm::is_contained(map.getResults(), getAffineDimExpr(loop, op.getContext()));
  };
  int64_t work = 1;
  for (unsigned loop = 0; loop < sizes.size(); ++loop) {
    bool isParallel = iterators[loop] == utils::IteratorType::parallel;
    int64_t &best = isParallel ? found.n : found.k;
    bool fits = isParallel ? isIn(w, loop) && isPlainIn(y, loop) && !isIn(x, loop)
                           : isIn(w, loop) && isPlainIn(x, loop);
    if (fits && (best < 0 || sizes[loop] > sizes[size_t(best)])) {
      best = loop;
    }
    // Rows of activations meet one matrix.
    if (isParallel && !fits && isIn(w, loop)) {
      return std::nullopt;
    }
    work *= sizes[loop];
  }
  for (unsigned loop = 0; loop < sizes.size(); ++loop) {
    bool isOther = iterators[loop] == utils::IteratorType::parallel && int64_t(loop) != found.n;
    if (isOther && isIn(w, loop) && sizes[loop] != 1) {
      return std::nullopt;
    }
  }
  if (found.k < 0 || found.n < 0) {
    return std::nullopt;
  }
  int64_t columns = sizes[size_t(found.n)];
  bool pays = sizes[size_t(found.k)] >= kLeastExtent && columns >= kLeastExtent &&
              work / columns * llvm::divideCeil(columns, lanes) >= kLeastWork;
  return pays ? std::optional(found) : std::nullopt;
}

static Value constant(ImplicitLocOpBuilder &b, float value) {
  return arith::ConstantOp::create(b, b.getF32FloatAttr(value));
}

/// `value` as f16 has it.
static Value toHalf(ImplicitLocOpBuilder &b, Value value) {
  Value half = arith::TruncFOp::create(b, b.getF16Type(), value);
  return arith::ExtFOp::create(b, b.getF32Type(), half);
}

LogicalResult NestConverter::convertContraction(ImplicitLocOpBuilder &b, linalg::GenericOp op,
                                                const Contraction &contraction) {
  SmallVector<int64_t> sizes = op.getStaticLoopRanges();
  OpOperand *x = op.getDpsInputOperand(contraction.activations);
  OpOperand *w = op.getDpsInputOperand(contraction.weights);
  FailureOr<Placed> placed = get(b, x->get());
  std::optional<std::vector<uint32_t>> words = getConstant(w->get());
  if (failed(placed) || !words) {
    return failure();
  }
  // Rows in the order of the result's words, then what a row is a sum over.
  auto type = cast<RankedTensorType>(op.getResult(0).getType());
  AffineMap map = op.getMatchingIndexingMap(op.getDpsInitOperand(0));
  Loops loops;
  loops.lane = contraction.k;
  int64_t laneDim = -1;
  for (auto [d, expr] : llvm::enumerate(map.getResults())) {
    int64_t loop = int64_t(cast<AffineDimExpr>(expr).getPosition());
    if (loop == contraction.n) {
      laneDim = int64_t(d);
    } else {
      loops.dims.push_back(loop);
      loops.sizes.push_back(sizes[size_t(loop)]);
    }
  }
  loops.parallel = loops.dims.size();
  int64_t chunks = 1, depth = sizes[size_t(contraction.k)], columns = sizes[size_t(contraction.n)];
  SmallVector<int64_t> chunkLoops;
  for (auto [loop, kind] : llvm::enumerate(op.getIteratorTypesArray())) {
    if (kind == utils::IteratorType::reduction && int64_t(loop) != contraction.k &&
        sizes[loop] != 1) {
      chunkLoops.push_back(int64_t(loop));
      loops.dims.push_back(int64_t(loop));
      loops.sizes.push_back(sizes[loop]);
      chunks *= sizes[loop];
    }
  }
  int64_t vectors = getVectors(depth);
  loops.dims.push_back(-1);
  loops.sizes.push_back(vectors);
  chunks *= vectors;
  int64_t width = vectors > 1 ? lanes() : llvm::alignTo(depth, kGroupRows);
  int64_t words3 = kTerms * chunks;
  if (words3 > int64_t(target.wordsPerBank())) {
    return op.emitOpError("has ") << chunks << " vectors of activations a row, more than a bank "
                                  << "has room for";
  }
  std::vector<float> weights(words->size());
  float largest = 0;
  for (auto [weight, bits] : llvm::zip(weights, *words)) {
    weight = llvm::bit_cast<float>(bits);
    if (!std::isfinite(weight)) {
      return op.emitOpError("has a weight that is not finite");
    }
    largest = std::max(largest, std::fabs(weight));
  }
  // The largest weight just below 2^14.
  int exponent = largest > 0 ? 14 - std::ilogb(largest) - 1 : 0;
  auto typeW = cast<RankedTensorType>(w->get().getType());
  Layout rowMajor;
  rowMajor.strides.assign(size_t(typeW.getRank()), 1);
  for (int64_t d = typeW.getRank() - 1; d-- > 0;) {
    rowMajor.strides[size_t(d)] = rowMajor.strides[size_t(d) + 1] * typeW.getDimSize(d + 1);
  }
  Loops all;
  for (int64_t loop : chunkLoops) {
    all.dims.push_back(loop);
  }
  all.dims.append({contraction.k, contraction.n});
  SmallVector<int64_t> at = getAccess(rowMajor, op.getMatchingIndexingMap(w), all);
  auto getWeight = [&](int64_t chunk, int64_t row, int64_t column) -> float {
    int64_t k = chunk % vectors * lanes() + row, rest = chunk / vectors, index = at[0];
    if (k >= depth) {
      return 0;
    }
    for (size_t c = chunkLoops.size(); c-- > 0;) {
      index += rest % sizes[size_t(chunkLoops[c])] * at[c + 1];
      rest /= sizes[size_t(chunkLoops[c])];
    }
    index += k * at[chunkLoops.size() + 1] + column * at[chunkLoops.size() + 2];
    return weights[weights.size() == 1 ? 0 : size_t(index)];
  };
  Layout layout = getCanonical(type, laneDim);
  SmallVector<Attribute> pieces;
  SmallVector<Value> parts;
  // As many rows at a time as a bank has room for.
  int64_t most = int64_t(target.wordsPerBank()) / words3;
  SmallVector<int64_t> rowSizes(ArrayRef(loops.sizes).take_front(loops.parallel));
  SmallVector<Attribute> matrices;
  for (int64_t first = 0; first < columns; first += lanes()) {
    int64_t count = std::min(lanes(), columns - first);
    auto matrix = RankedTensorType::get({words3 * width, count}, b.getF16Type());
    AsmResourceBlob blob = HeapAsmResourceBlob::allocate(size_t(matrix.getNumElements()) * 2, 2);
    auto *halves = reinterpret_cast<uint16_t *>(blob.getMutableData().data());
    for (int64_t row = 0; row < words3 * width; ++row) {
      int64_t term = row / (chunks * width), chunk = row / width % chunks;
      for (int64_t n = 0; n < count; ++n) {
        float weight = std::ldexp(getWeight(chunk, row % width, first + n), exponent);
        uint16_t high = ::lpu::floatToHalf(weight).bits;
        float rest = weight - ::lpu::halfToFloat(high);
        halves[row * count + n] = term == 1 ? ::lpu::floatToHalf(rest).bits : high;
      }
    }
    matrices.push_back(DenseResourceElementsAttr::get(matrix, "weights", std::move(blob)));
  }
  std::function<void(size_t, SmallVector<int64_t> &, SmallVector<int64_t> &)> emit =
      [&](size_t loop, SmallVector<int64_t> &start, SmallVector<int64_t> &count) {
        int64_t inner = 1;
        for (size_t k = loop + 1; k < rowSizes.size(); ++k) {
          inner *= rowSizes[k];
        }
        if (loop < rowSizes.size() && rowSizes[loop] * inner > most) {
          int64_t step = inner >= most ? 1 : most / inner;
          for (int64_t from = 0; from < rowSizes[loop]; from += step) {
            start[loop] = from;
            count[loop] = std::min(step, rowSizes[loop] - from);
            if (step == 1 && inner > most) {
              emit(loop + 1, start, count);
            } else {
              emit(rowSizes.size(), start, count);
            }
          }
          start[loop] = 0;
          count[loop] = rowSizes[loop];
          return;
        }
        // These rows: their halves, in words of f32 first, then the products.
        SmallVector<int64_t> box(loops.sizes);
        llvm::copy(count, box.begin());
        Operand from{placed->buffer,
                     getAccess(placed->layout, op.getMatchingIndexingMap(x), loops)};
        int64_t rows = 1;
        for (size_t k = 0; k < count.size(); ++k) {
          from.access[0] += start[k] * from.access[k + 1];
          rows *= count[k];
        }
        SmallVector<int64_t> to{0};
        int64_t stride = rows * words3;
        for (size_t k = 0; k < box.size(); ++k) {
          stride = k == loops.parallel ? chunks : stride;
          stride /= box[k];
          to.push_back(stride);
        }
        Loops nested = loops;
        nested.sizes = box;
        SmallVector<Operand> operands{from};
        auto term = DenseElementsAttr::get(RankedTensorType::get({kTerms, 1}, b.getI32Type()),
                                           ArrayRef<int32_t>{0, 0, 1});
        operands.push_back({mlir::lpu::ConstantRowsOp::create(
                                b, getBuffer(kTerms, 1, b.getI32Type()), term, DenseI64ArrayAttr()),
                            SmallVector<int64_t>(box.size() + 1, 0)});
        bool isPadded = vectors * width != depth;
        if (isPadded) {
          operands.push_back(getIndex(b, nested, contraction.k, depth));
        }
        // The loop over the terms comes first.
        box.insert(box.begin(), kTerms);
        to.insert(to.begin() + 1, chunks);
        for (auto [index, operand] : llvm::enumerate(operands)) {
          operand.access.insert(operand.access.begin() + 1, index == 1);
        }
        auto wide = BufferType::get(b.getContext(), rows * words3, width, Format::F32, 0);
        Value halves =
            nest(
                b, box, operands, wide, to, {},
                [&](ImplicitLocOpBuilder &inner, ValueRange in) -> SmallVector<Value> {
                  Value value = arith::MulFOp::create(inner, in[0],
                                                      constant(inner, std::ldexp(1.0f, kScale)));
                  if (isPadded) {
                    Value end =
                        arith::ConstantOp::create(inner, inner.getI32IntegerAttr(int32_t(depth)));
                    Value isInside =
                        arith::CmpIOp::create(inner, arith::CmpIPredicate::slt, in[2], end);
                    value = arith::SelectOp::create(inner, isInside, value, constant(inner, 0));
                  }
                  Value high = toHalf(inner, value);
                  Value rest = arith::SubFOp::create(inner, value, high);
                  return {arith::SelectOp::create(
                      inner, arith::TruncIOp::create(inner, inner.getI1Type(), in[1]), rest, high)};
                })
                .getResult(0);
        auto makeMap = [&](Value input, BufferType result, float factor) -> Value {
          auto made =
              mlir::lpu::MapOp::create(b, result, input, ArrayRef<float>{1.0f}, ArrayAttr());
          Block &block = made.getBody().emplaceBlock();
          Value value = block.addArgument(b.getF32Type(), b.getLoc());
          ImplicitLocOpBuilder inner(b.getLoc(), OpBuilder::atBlockEnd(&block));
          if (factor != 1) {
            value = arith::MulFOp::create(inner, value, constant(inner, factor));
          }
          mlir::lpu::YieldOp::create(inner, value);
          return made.getResult(0);
        };
        Value narrow = makeMap(
            halves, BufferType::get(b.getContext(), rows * words3, width, Format::F16, 0), 1);
        auto viewType = BufferType::get(b.getContext(), rows, words3 * width, Format::F16, width);
        Value view = mlir::lpu::RowsOp::create(b, viewType, narrow, 0, DenseI64ArrayAttr());
        for (auto [tile, matrix] : llvm::enumerate(matrices)) {
          int64_t width =
              cast<RankedTensorType>(cast<ElementsAttr>(matrix).getType()).getDimSize(1);
          auto sums = mlir::lpu::AccType::get(b.getContext(), rows, width, Format::F16, 0);
          Value products =
              mlir::lpu::ContractOp::create(b, sums, view, Value(), Value(),
                                            cast<ElementsAttr>(matrix), 0, 0, DenseI64ArrayAttr());
          parts.push_back(makeMap(products,
                                  BufferType::get(b.getContext(), rows, width, Format::F32, 0),
                                  std::ldexp(1.0f, -kScale - exponent)));
          // Where these rows lie in the result.
          int64_t first = 0, each = 1;
          for (size_t k = rowSizes.size(); k-- > 0;) {
            first += start[k] * each;
            each *= rowSizes[k];
          }
          int64_t stride = int64_t(matrices.size());
          pieces.push_back(b.getDenseI64ArrayAttr(
              {int64_t(parts.size()) - 1, 0, rows, 0, 1, first * stride + int64_t(tile), stride}));
        }
      };
  SmallVector<int64_t> start(rowSizes.size(), 0), count(rowSizes);
  emit(0, start, count);
  BufferType buffer = getBuffer(type, laneDim);
  Value result = parts.front();
  if (parts.size() > 1 || result.getType() != buffer) {
    result = mlir::lpu::AssembleOp::create(b, buffer, parts, b.getArrayAttr(pieces),
                                           DenseI64ArrayAttr());
  }
  values[op.getResult(0)] = {result, layout};
  return success();
}

} // namespace lpu::nest_lowering
