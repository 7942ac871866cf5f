//===- Signal.cpp - Fourier transforms and determinants -------------------===//

#include "Loops.h"

using namespace mlir;
using mlir::onnx::NodeOp;

namespace lpu::onnx_lowering {
namespace {

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

  SmallVector<int64_t> shape() const { return {inputs, inputParts, outputs, outputParts}; }
  SmallVector<double> factors() const {
    SmallVector<double> result;
    for (int64_t n = 0; n < inputs; ++n) {
      bool isTwice = isHalf && n != 0 && 2 * n != length;
      double scale = (isInverse ? 1.0 / double(length) : 1.0) * (isTwice ? 2 : 1);
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

int64_t getAxis(NodeOp op) {
  int64_t rank = inputType(op, 0).getRank();
  if (op.getSinceVersion() < 20) {
    return toAxis(getInt(op, "axis", 1), rank);
  }
  auto given = getConstantInts(op, 2);
  return toAxis(given && !given->empty() ? given->front() : -2, rank);
}

std::string whyNotDFT(NodeOp op) {
  return whyNotConstant(op, {{1, "dft_length"}, {2, "axis"}});
}

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
  Value factors = makeFloats(b, transform.shape(), transform.factors());
  auto loop = [&](unsigned index) { return loopAt(b, index); };
  // Loops: outer, output, inner, its part; input, its part.
  Value result = reduceLoops(b, {outer, to[axis], inner, to.back()}, {used, from.back()},
                             b.getF32Type(), Combine::Sum,
                             {Read(data, {loop(0), loop(4), loop(2), loop(5)}),
                              Read(factors, {loop(4), loop(5), loop(1), loop(3)})},
                             [](const Point &point) { return point[0] * point[1]; });
  return {reshapeTo(b, result, to)};
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
  Value factors = makeFloats(b, transform.shape(), transform.factors());
  if (hasWindow) {
    Value window = sliceAxis(b, inputs[2], 0, 0, used);
    factors = mapLoops(b, transform.shape(), b.getF32Type(),
                       {Read(factors), Read(window, {loopAt(b, 0)})},
                       [](const Point &point) { return point[0] * point[1]; });
  }
  auto loop = [&](unsigned index) { return loopAt(b, index); };
  // Loops: batch, frame, output, its part; input, its part.
  return {reduceLoops(b, to, {used, parts}, b.getF32Type(), Combine::Sum,
                      {Read(data, {loop(0), loop(1) * step + loop(4), loop(5)}),
                       Read(factors, {loop(4), loop(5), loop(2), loop(3)})},
                      [](const Point &point) { return point[0] * point[1]; })};
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
  SmallVector<Read> reads;
  for (int64_t row = 0; row < size; ++row) {
    for (int64_t column = 0; column < size; ++column) {
      reads.push_back(Read(matrices, {loopAt(b, 0), fixedAt(b, row), fixedAt(b, column)}));
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
    Read column(matrices, {loopAt(b, 0), loopAt(b, 1), fixedAt(b, 0)});
    Read inner(matrices, {loopAt(b, 0), loopAt(b, 1), fixedAt(b, 0)});
    Value most = reduceLoops(b, count, left, f32, Combine::Most, inner,
                             [](const Point &point) { return absolute(point[0]); });
    Value row = reduceLoops(b, count, left, b.getI32Type(), Combine::Least,
                            {inner, Read(most, {loopAt(b, 0)})}, [&](const Point &point) {
                              return select(absolute(point[0]) == point[1], point.loop(1),
                                            double(left));
                            });
    Value pivot = reduceLoops(b, {count, left}, left, f32, Combine::Sum,
                              {Read(row, {loopAt(b, 0)}),
                               Read(matrices, {loopAt(b, 0), loopAt(b, 2), loopAt(b, 1)})},
                              [](const Point &point) {
                                return select(point[0] == point.loop(2), point[1], 0);
                              });
    det = mapLoops(b, count, f32,
                   {Read(det), Read(pivot, {loopAt(b, 0), fixedAt(b, 0)}), Read(row)},
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
    matrices = mapLoops(
        b, {count, left - 1, left - 1}, f32,
        {Read(row, {loopAt(b, 0)}), Read(pivot, {loopAt(b, 0), fixedAt(b, 0)}),
         Read(pivot, {loopAt(b, 0), loopAt(b, 2) + 1}),
         Read(rest, {loopAt(b, 0), loopAt(b, 1), fixedAt(b, 0)}),
         Read(rest, {loopAt(b, 0), loopAt(b, 1), loopAt(b, 2) + 1}),
         Read(matrices, {loopAt(b, 0), fixedAt(b, 0), fixedAt(b, 0)}),
         Read(matrices, {loopAt(b, 0), fixedAt(b, 0), loopAt(b, 2) + 1})},
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
      {"", "Det", 11, whyNotDet, convertDet},
  };
  return rules;
}
} // namespace lpu::onnx_lowering
