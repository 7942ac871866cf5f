//===- Signal.cpp - Fourier transforms and determinants -------------------===//

#include "Loops.h"

using namespace mlir;
using mlir::onnx::NodeOp;

namespace lpu::onnx_lowering {
namespace {

/// Lengths of one direct sum an output: within a fast transform, and instead of one.
constexpr int64_t kMaxRadix = 8;
constexpr int64_t kMaxDirect = 64;

constexpr double kTurn = 6.283185307179586;

//===----------------------------------------------------------------------===//
// DFT and STFT
//===----------------------------------------------------------------------===//

/// What a transform of `length` multiplies its inputs with, by input, its parts, output and its
/// parts; parts are real and imaginary.
struct Transform {
  int64_t length, inputs, inputParts, outputs, outputParts;
  bool isInverse = false;
  /// The inputs are the first half of a spectrum, whose rest are their conjugates.
  bool isHalf = false;
  /// An inverse transform divides by its length.
  bool isScaled = true;

  SmallVector<int64_t> shape() const { return {inputs, inputParts, outputs, outputParts}; }
  SmallVector<double> factors() const {
    SmallVector<double> result;
    for (int64_t n = 0; n < inputs; ++n) {
      bool isTwice = isHalf && n != 0 && 2 * n != length;
      double scale = (isInverse && isScaled ? 1.0 / double(length) : 1.0) * (isTwice ? 2 : 1);
      for (int64_t from = 0; from < inputParts; ++from) {
        for (int64_t k = 0; k < outputs; ++k) {
          double angle = kTurn * double(n * k % length) / double(length);
          double real = std::cos(angle), imaginary = isInverse ? std::sin(angle) : -std::sin(angle);
          for (int64_t to = 0; to < outputParts; ++to) {
            double factor = from == to ? real : to == 1 ? imaginary : -imaginary;
            result.push_back(scale * factor);
          }
        }
      }
    }
    return result;
  }
};

/// outer x inputs x inner x parts to outer x outputs x inner x parts.
Value transformDirectly(ImplicitLocOpBuilder &b, Value data, const Transform &transform) {
  int64_t outer = shapeOf(data)[0], inner = shapeOf(data)[2];
  Value factors = makeFloats(b, transform.shape(), transform.factors());
  auto loop = [&](unsigned index) { return loopAt(b, index); };
  // Loops: outer, output, inner, its part; input, its part.
  return reduceLoops(b, {outer, transform.outputs, inner, transform.outputParts},
                     {transform.inputs, transform.inputParts}, b.getF32Type(), Combine::Sum,
                     {Access(data, {loop(0), loop(4), loop(2), loop(5)}),
                      Access(factors, {loop(4), loop(5), loop(1), loop(3)})},
                     [](const Point &point) { return point[0] * point[1]; });
}

/// The factor that is split off first; `length` itself where it is short or a prime.
int64_t getRadix(int64_t length) {
  if (length <= kMaxRadix) {
    return length;
  }
  if (length % 4 == 0) {
    return 4;
  }
  int64_t radix = 2;
  while (radix * radix <= length && length % radix != 0) {
    ++radix;
  }
  return length % radix == 0 ? radix : length;
}

/// All outputs of a transform of as many inputs, not scaled: with n = q a + i and k = p m + r, sums
/// over a, turns by i r, and transforms of length q over i.
Value transformFast(ImplicitLocOpBuilder &b, Value data, int64_t length, bool isInverse) {
  int64_t p = getRadix(length), q = length / p;
  int64_t outer = shapeOf(data)[0], inner = shapeOf(data)[2], parts = shapeOf(data)[3];
  Transform butterfly{p, p, parts, p, 2, isInverse};
  butterfly.isScaled = false;
  if (q == 1) {
    return transformDirectly(b, data, butterfly);
  }
  Value sums = transformDirectly(b, reshapeTo(b, data, {outer, p, q * inner, parts}), butterfly);
  sums = reshapeTo(b, sums, {outer, p, q, inner, 2});
  SmallVector<double> turns;
  for (int64_t r = 0; r < p; ++r) {
    for (int64_t i = 0; i < q; ++i) {
      double angle = kTurn * double(i * r) / double(length);
      turns.append({std::cos(angle), isInverse ? std::sin(angle) : -std::sin(angle)});
    }
  }
  Value table = makeFloats(b, {p, q, 2}, turns);
  auto part = [&](Value value, std::initializer_list<unsigned> loops, int64_t index) {
    SmallVector<AffineExpr> at;
    for (unsigned loop : loops) {
      at.push_back(loopAt(b, loop));
    }
    at.push_back(fixedAt(b, index));
    return Access(value, at);
  };
  // Loops: outer, r, i, inner, part.
  Value turned =
      mapLoops(b, {outer, p, q, inner, 2}, b.getF32Type(),
               {part(sums, {0, 1, 2, 3}, 0), part(sums, {0, 1, 2, 3}, 1), part(table, {1, 2}, 0),
                part(table, {1, 2}, 1)},
               [](const Point &point) {
                 return select(point.loop(4) == 0, point[0] * point[2] - point[1] * point[3],
                               point[0] * point[3] + point[1] * point[2]);
               });
  Value result = transformFast(b, reshapeTo(b, turned, {outer * p, q, inner, 2}), q, isInverse);
  result = transpose(b, reshapeTo(b, result, {outer, p, q, inner, 2}), {0, 2, 1, 3, 4});
  return reshapeTo(b, result, {outer, length, inner, 2});
}

Value transformData(ImplicitLocOpBuilder &b, Value data, const Transform &transform) {
  // Direct sums are more exact; an inverse divides the errors by its length.
  int64_t most = transform.isInverse ? kMaxRadix : kMaxDirect;
  if (transform.isHalf || transform.length <= most ||
      getRadix(transform.length) == transform.length) {
    return transformDirectly(b, data, transform);
  }
  data = padWith(b, data, {0, 0, 0, 0}, {0, transform.length - transform.inputs, 0, 0},
                 b.getF32FloatAttr(0));
  Value result = transformFast(b, data, transform.length, transform.isInverse);
  result = sliceAxis(b, result, 1, 0, transform.outputs);
  if (!transform.isInverse) {
    return result;
  }
  return mapLoops(b, shapeOf(result), b.getF32Type(), Access(result),
                  [&](const Point &point) { return point[0] * (1 / double(transform.length)); });
}

int64_t getAxis(NodeOp op) {
  int64_t rank = inputType(op, 0).getRank();
  if (op.getSinceVersion() < 20) {
    return toAxis(getInt(op, "axis", 1), rank);
  }
  auto given = getConstantInts(op, 2);
  return toAxis(given && !given->empty() ? given->front() : -2, rank);
}

std::string whyNotDFT(NodeOp op) { return whyNotConstant(op, {{1, "dft_length"}, {2, "axis"}}); }

SmallVector<Value> convertDFT(NodeOp op, ValueRange inputs, ImplicitLocOpBuilder &b) {
  ArrayRef<int64_t> from = shapeOf(inputs[0]), to = outputType(op, 0).getShape();
  size_t axis = size_t(getAxis(op));
  bool isInverse = getInt(op, "inverse", 0) != 0;
  bool isHalf = isInverse && getInt(op, "onesided", 0) != 0;
  auto given = getConstantInts(op, 1);
  int64_t length = given && !given->empty() ? given->front()
                   : isHalf                 ? 2 * (from[axis] - 1)
                                            : from[axis];
  // What the length does not cover is cut; beyond the input are zeros.
  int64_t used = std::min(from[axis], isHalf ? length / 2 + 1 : length);
  Transform transform{length, used, from.back(), to[axis], to.back(), isInverse, isHalf};
  int64_t outer = product(from.take_front(axis));
  int64_t inner = product(from.slice(axis + 1, from.size() - axis - 2));
  Value data = reshapeTo(b, inputs[0], {outer, from[axis], inner, from.back()});
  data = sliceAxis(b, data, 1, 0, used);
  return {reshapeTo(b, transformData(b, data, transform), to)};
}

std::string whyNotSTFT(NodeOp op) {
  return whyNotConstant(op, {{1, "frame_step"}, {3, "frame_length"}});
}

SmallVector<Value> convertSTFT(NodeOp op, ValueRange inputs, ImplicitLocOpBuilder &b) {
  ArrayRef<int64_t> to = outputType(op, 0).getShape();
  int64_t step = getConstantInts(op, 1)->front();
  bool hasWindow = op.hasInput(2);
  auto given = getConstantInts(op, 3);
  int64_t size = hasWindow ? shapeOf(inputs[2])[0] : given ? given->front() : shapeOf(inputs[0])[1];
  int64_t length = given ? given->front() : size;
  // Rank 2 is a signal of real numbers.
  int64_t parts = typeOf(inputs[0]).getRank() == 3 ? shapeOf(inputs[0])[2] : 1;
  Value data = reshapeTo(b, inputs[0], {shapeOf(inputs[0])[0], shapeOf(inputs[0])[1], parts});
  int64_t used = std::min(size, length);
  int64_t missing = std::max<int64_t>((to[1] - 1) * step + used - shapeOf(data)[1], 0);
  data = padWith(b, data, {0, 0, 0}, {0, missing, 0}, b.getF32FloatAttr(0));
  Transform transform{length, used, parts, to[2], to[3]};
  // Loops: batch, frame, place in it, part.
  SmallVector<Access> reads{
      Access(data, {loopAt(b, 0), loopAt(b, 1) * step + loopAt(b, 2), loopAt(b, 3)})};
  if (hasWindow) {
    reads.push_back(Access(sliceAxis(b, inputs[2], 0, 0, used), {loopAt(b, 2)}));
  }
  Value frames =
      mapLoops(b, {to[0], to[1], used, parts}, b.getF32Type(), reads,
               [&](const Point &point) { return hasWindow ? point[0] * point[1] : point[0]; });
  frames = reshapeTo(b, frames, {to[0] * to[1], used, 1, parts});
  return {reshapeTo(b, transformData(b, frames, transform), to)};
}

//===----------------------------------------------------------------------===//
// MelWeightMatrix
//===----------------------------------------------------------------------===//

std::string whyNotMel(NodeOp op) {
  return whyNotConstant(op, {{0, "num_mel_bins"},
                             {1, "dft_length"},
                             {2, "sample_rate"},
                             {3, "lower_edge_hertz"},
                             {4, "upper_edge_hertz"}});
}

/// One triangle a band, between frequencies that are even on the mel scale.
SmallVector<Value> convertMel(NodeOp op, ValueRange inputs, ImplicitLocOpBuilder &b) {
  ArrayRef<int64_t> shape = outputType(op, 0).getShape();
  int64_t rows = shape[0], bands = shape[1];
  int64_t length = getConstantInts(op, 1)->front(), rate = getConstantInts(op, 2)->front();
  auto toMel = [&](Value edge) {
    return 2595 * std::log10(1 + getConstantFloats(edge)->front() / 700);
  };
  double low = toMel(op.getInputs()[3]), high = toMel(op.getInputs()[4]);
  SmallVector<int64_t> points;
  for (int64_t k = 0; k < bands + 2; ++k) {
    double mel = low + double(k) * (high - low) / double(bands + 2);
    double hertz = 700 * (std::pow(10, mel / 2595) - 1);
    points.push_back(int64_t(std::floor(double(length + 1) * hertz / double(rate))));
  }
  SmallVector<double> matrix(size_t(rows * bands), 0);
  for (int64_t band = 0; band < bands; ++band) {
    int64_t left = points[size_t(band)], centre = points[size_t(band) + 1];
    int64_t right = points[size_t(band) + 2];
    for (int64_t row = std::max<int64_t>(left, 0); row < rows && row < std::max(right, centre + 1);
         ++row) {
      matrix[size_t(row * bands + band)] = row == centre ? 1
                                           : row < centre
                                               ? double(row - left) / double(centre - left)
                                               : double(right - row) / double(right - centre);
    }
  }
  return {makeFloats(b, shape, matrix)};
}

//===----------------------------------------------------------------------===//
// Det
//===----------------------------------------------------------------------===//

/// Larger matrices are eliminated, a column at a time.
constexpr int64_t kMaxExpanded = 4;
constexpr int64_t kMaxEliminated = 64;

std::string whyNotDet(NodeOp op) {
  std::string reason = whyNotRanked(op);
  if (!reason.empty()) {
    return reason;
  }
  auto type = inputType(op, 0);
  return type.getRank() < 2 || type.getShape().back() != type.getShape()[size_t(type.getRank()) - 2]
             ? "input 0 is no square matrix"
         : type.getShape().back() > kMaxEliminated
             ? ("the matrix has more than " + Twine(kMaxEliminated) + " rows").str()
             : "";
}

/// By minors of the last rows, one for each set of columns.
Value expandDet(ImplicitLocOpBuilder &b, Value matrices, int64_t size) {
  SmallVector<Access> reads;
  for (int64_t row = 0; row < size; ++row) {
    for (int64_t column = 0; column < size; ++column) {
      reads.push_back(Access(matrices, {loopAt(b, 0), fixedAt(b, row), fixedAt(b, column)}));
    }
  }
  return mapLoops(b, shapeOf(matrices)[0], b.getF32Type(), reads, [&](const Point &point) {
    SmallVector<std::optional<Scalar>> minors(size_t(1) << size);
    minors[0] = point.number(1);
    for (unsigned columns = 1; columns < minors.size(); ++columns) {
      int64_t row = size - llvm::popcount(columns);
      bool isMinus = false;
      std::optional<Scalar> sum;
      for (int64_t column = 0; column < size; ++column) {
        if (!(columns >> column & 1)) {
          continue;
        }
        Scalar minor = *minors[columns & ~(1u << column)];
        Scalar term = point[unsigned(row * size + column)] * minor;
        sum = !sum ? term : isMinus ? *sum - term : *sum + term;
        isMinus = !isMinus;
      }
      minors[columns] = *sum;
    }
    return *minors.back();
  });
}

/// With the largest element of the column as the pivot.
Value eliminate(ImplicitLocOpBuilder &b, Value matrices, int64_t size) {
  int64_t count = shapeOf(matrices)[0];
  Type f32 = b.getF32Type();
  Value det = makeFloats(b, count, SmallVector<double>(size_t(count), 1));
  for (int64_t left = size; left > 0; --left) {
    // The first column, and which of its rows is the pivot's.
    Access column(matrices, {loopAt(b, 0), loopAt(b, 1), fixedAt(b, 0)});
    Access inner(matrices, {loopAt(b, 0), loopAt(b, 1), fixedAt(b, 0)});
    Value most = reduceLoops(b, count, left, f32, Combine::Most, inner,
                             [](const Point &point) { return absolute(point[0]); });
    Value row =
        reduceLoops(b, count, left, b.getI32Type(), Combine::Least,
                    {inner, Access(most, {loopAt(b, 0)})}, [&](const Point &point) {
                      return select(absolute(point[0]) == point[1], point.loop(1), double(left));
                    });
    Value pivot = reduceLoops(
        b, {count, left}, left, f32, Combine::Sum,
        {Access(row, {loopAt(b, 0)}), Access(matrices, {loopAt(b, 0), loopAt(b, 2), loopAt(b, 1)})},
        [](const Point &point) { return select(point[0] == point.loop(2), point[1], 0); });
    det = mapLoops(b, count, f32,
                   {Access(det), Access(pivot, {loopAt(b, 0), fixedAt(b, 0)}), Access(row)},
                   [](const Point &point) {
                     Scalar next = point[0] * point[1];
                     // Another row than the first one: they change places.
                     return select(point[2] == 0, next, next * -1);
                   });
    if (left == 1) {
      break;
    }
    // The first row is where the pivot's was.
    Value rest = sliceAxis(b, matrices, 1, 1, left - 1);
    matrices = mapLoops(b, {count, left - 1, left - 1}, f32,
                        {Access(row, {loopAt(b, 0)}), Access(pivot, {loopAt(b, 0), fixedAt(b, 0)}),
                         Access(pivot, {loopAt(b, 0), loopAt(b, 2) + 1}),
                         Access(rest, {loopAt(b, 0), loopAt(b, 1), fixedAt(b, 0)}),
                         Access(rest, {loopAt(b, 0), loopAt(b, 1), loopAt(b, 2) + 1}),
                         Access(matrices, {loopAt(b, 0), fixedAt(b, 0), fixedAt(b, 0)}),
                         Access(matrices, {loopAt(b, 0), fixedAt(b, 0), loopAt(b, 2) + 1})},
                        [](const Point &point) {
                          Scalar isFirst = point[0] == point.loop(1) + 1;
                          Scalar first = select(isFirst, point[5], point[3]);
                          Scalar element = select(isFirst, point[6], point[4]);
                          // A pivot of 0: the column is 0, and so is the determinant.
                          Scalar factor = select(point[1] == 0, point[1].like(0), first / point[1]);
                          return element - factor * point[2];
                        });
  }
  return det;
}

SmallVector<Value> convertDet(NodeOp op, ValueRange inputs, ImplicitLocOpBuilder &b) {
  ArrayRef<int64_t> shape = shapeOf(inputs[0]);
  int64_t size = shape.back();
  Value matrices = reshapeTo(b, inputs[0], {product(shape.drop_back(2)), size, size});
  Value result = size <= kMaxExpanded ? expandDet(b, matrices, size) : eliminate(b, matrices, size);
  return {reshapeTo(b, result, outputType(op, 0).getShape())};
}

} // namespace

ArrayRef<Rule> getSignalRules() {
  static const Rule rules[] = {
      {"", "DFT", 17, whyNotDFT, convertDFT},
      {"", "STFT", 17, whyNotSTFT, convertSTFT},
      {"", "MelWeightMatrix", 17, whyNotMel, convertMel},
      {"", "Det", 11, whyNotDet, convertDet},
  };
  return rules;
}
} // namespace lpu::onnx_lowering
