//===- Sorting.cpp - Orders, extremes and running sums --------------------===//

#include "LPU/IR/LPUTensorOps.h"
#include "Loops.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using mlir::onnx::NodeOp;

namespace lpu::onnx_lowering {
namespace {

std::string whyNotRankedInput(NodeOp op) {
  std::string reason = whyNotRanked(op);
  return !reason.empty() ? reason : inputType(op, 0).getRank() == 0 ? "input 0 is a scalar" : "";
}

//===----------------------------------------------------------------------===//
// The largest and the smallest
//===----------------------------------------------------------------------===//

/// The index of the extreme along `axis`, without that axis: the first one, or the last. A NaN is
/// more than everything.
Value findExtreme(ImplicitLocOpBuilder &b, Value data, int64_t axis, Type model, bool isLargest,
                  bool isLast) {
  SmallVector<int64_t> shape(shapeOf(data));
  int64_t extent = shape[size_t(axis)];
  shape.erase(shape.begin() + axis);
  unsigned inner = unsigned(shape.size());
  SmallVector<AffineExpr> at = loopsAt(b, shape.size());
  at.insert(at.begin() + axis, loopAt(b, inner));
  Type element = elementOf(data);
  auto key = [&](Scalar a) { return inOrder(element.isInteger(1) ? toInt(a) : a, model); };
  Type ordered = element.isInteger(1) ? Type(b.getI32Type()) : element;
  Value extreme = reduceLoops(b, shape, extent, ordered, isLargest ? Combine::Most : Combine::Least,
                              Access(data, at), [&](const Point &point) { return key(point[0]); });
  return reduceLoops(b, shape, extent, b.getI32Type(), isLast ? Combine::Most : Combine::Least,
                     {Access(data, at), Access(extreme)}, [&](const Point &point) {
                       Scalar value = key(point[0]), isHere = value == point[1];
                       isHere = value.isFloat() ? isHere | (value != value) : isHere;
                       return select(isHere, point.loop(inner), isLast ? -1 : double(extent));
                     });
}

template <bool isLargest>
SmallVector<Value> convertArg(NodeOp op, ValueRange inputs, ImplicitLocOpBuilder &b) {
  int64_t axis = toAxis(getInt(op, "axis", 0), typeOf(inputs[0]).getRank());
  Value index = findExtreme(b, inputs[0], axis, inputType(op, 0).getElementType(), isLargest,
                            getInt(op, "select_last_index", 0) != 0);
  return {reshapeTo(b, index, outputType(op, 0).getShape())};
}

SmallVector<Value> convertHardmax(NodeOp op, ValueRange inputs, ImplicitLocOpBuilder &b) {
  ArrayRef<int64_t> shape = shapeOf(inputs[0]);
  int64_t rank = int64_t(shape.size());
  bool isMatrix = op.getSinceVersion() < 13;
  int64_t axis = toAxis(getInt(op, "axis", isMatrix ? 1 : -1), rank);
  Value data = inputs[0];
  if (isMatrix) {
    data = reshapeTo(
        b, data,
        {product(shape.take_front(size_t(axis))), product(shape.drop_front(size_t(axis)))});
    axis = 1;
  }
  Value index = findExtreme(b, data, axis, b.getF32Type(), /*isLargest=*/true, /*isLast=*/false);
  SmallVector<AffineExpr> at = loopsAt(b, size_t(typeOf(data).getRank()));
  at.erase(at.begin() + axis);
  Value result =
      mapLoops(b, shapeOf(data), b.getF32Type(), Access(index, at), [&](const Point &point) {
        return select(point[0] == point.loop(unsigned(axis)), point.number(1), 0);
      });
  return {reshapeTo(b, result, shape)};
}

//===----------------------------------------------------------------------===//
// TopK
//===----------------------------------------------------------------------===//

/// An axis that is longer is searched once for every result, a shorter one is sorted.
constexpr int64_t kMaxSorted = 256;

struct Order {
  Type model;
  bool isLargest;

  Scalar key(Scalar a) const { return inOrder(a, model); }
  /// Whether element `a` at i comes before `b` at j; the first of equal ones does.
  Scalar isBefore(Scalar a, Scalar i, Scalar b, Scalar j) const {
    Scalar x = key(a), y = key(b);
    return (isLargest ? y < x : x < y) | ((x == y) & (i < j));
  }
};

/// Elements go to their rank: the number of elements that come before.
SmallVector<Value> selectByRank(ImplicitLocOpBuilder &b, Value data, int64_t axis, int64_t count,
                                Order order) {
  SmallVector<int64_t> shape(shapeOf(data));
  int64_t extent = shape[size_t(axis)];
  unsigned inner = unsigned(shape.size()), here = unsigned(axis);
  SmallVector<AffineExpr> at = replace(b, shape.size(), axis, inner);
  Value rank = reduceLoops(
      b, shape, extent, b.getI32Type(), Combine::Sum, {Access(data), Access(data, at)},
      [&](const Point &point) {
        return toInt(order.isBefore(point[1], point.loop(inner), point[0], point.loop(here)));
      });
  shape[size_t(axis)] = count;
  Type element = elementOf(data);
  Value values = reduceLoops(b, shape, extent, element, Combine::Pick,
                             {Access(rank, at), Access(data, at)}, [&](const Point &point) {
                               return select(point[0] == point.loop(here), point[1],
                                             getNothing(point, element));
                             });
  Value indices = reduceLoops(b, shape, extent, b.getI32Type(), Combine::Sum, Access(rank, at),
                              [&](const Point &point) {
                                return select(point[0] == point.loop(here), point.loop(inner), 0);
                              });
  return {values, indices};
}

/// The first of the elements that come after the one before, `count` times.
SmallVector<Value> selectBySearch(ImplicitLocOpBuilder &b, Value data, int64_t axis, int64_t count,
                                  Order order) {
  SmallVector<int64_t> shape(shapeOf(data)), with(shape);
  int64_t extent = shape[size_t(axis)];
  shape.erase(shape.begin() + axis);
  with[size_t(axis)] = 1;
  unsigned inner = unsigned(shape.size());
  SmallVector<AffineExpr> at = loopsAt(b, shape.size());
  at.insert(at.begin() + axis, loopAt(b, inner));
  Combine combine = order.isLargest ? Combine::Most : Combine::Least;
  TypedAttr neutral = getNeutral(b, combine, elementOf(data));
  double none = isa<FloatAttr>(neutral) ? cast<FloatAttr>(neutral).getValueAsDouble()
                                        : double(cast<IntegerAttr>(neutral).getInt());
  SmallVector<Value> values, indices;
  Value value, index;
  for (int64_t k = 0; k < count; ++k) {
    auto isLeft = [&](const Point &point) {
      // Inputs 1 and 2 are what was found before, as keys.
      Scalar x = order.key(point[0]);
      Scalar comes = order.isLargest ? x < point[1] : point[1] < x;
      return comes | ((x == point[1]) & (point[2] < point.loop(inner)));
    };
    SmallVector<Access> reads{Access(data, at)};
    if (k > 0) {
      reads.append({Access(value), Access(index)});
    }
    Value next =
        reduceLoops(b, shape, extent, elementOf(data), combine, reads, [&](const Point &point) {
          Scalar x = order.key(point[0]);
          return k == 0 ? x : select(isLeft(point), x, none);
        });
    reads.push_back(Access(next));
    index = reduceLoops(b, shape, extent, b.getI32Type(), Combine::Least, reads,
                        [&](const Point &point) {
                          Scalar isHere = order.key(point[0]) == point[k == 0 ? 1 : 3];
                          isHere = k == 0 ? isHere : isHere & isLeft(point);
                          return select(isHere, point.loop(inner), double(extent));
                        });
    value = next;
    values.push_back(reshapeTo(b, value, with));
    indices.push_back(reshapeTo(b, index, with));
  }
  Value keys = concatenate(b, values, axis);
  Value result = order.model.isUnsignedInteger()
                     ? mapLoops(b, shapeOf(keys), elementOf(keys), Access(keys),
                                [&](const Point &point) { return order.key(point[0]); })
                     : keys;
  return {result, concatenate(b, indices, axis)};
}

SmallVector<Value> convertTopK(NodeOp op, ValueRange inputs, ImplicitLocOpBuilder &b) {
  int64_t axis = toAxis(getInt(op, "axis", -1), typeOf(inputs[0]).getRank());
  int64_t extent = shapeOf(inputs[0])[size_t(axis)];
  unsigned output = op.hasOutput(0) ? 0 : 1;
  int64_t count = outputType(op, output).getDimSize(unsigned(axis));
  Order order{inputType(op, 0).getElementType(), getInt(op, "largest", 1) != 0};
  return extent > kMaxSorted && count > 0 && count < extent / 4
             ? selectBySearch(b, inputs[0], axis, count, order)
             : selectByRank(b, inputs[0], axis, count, order);
}

//===----------------------------------------------------------------------===//
// Running sums and products
//===----------------------------------------------------------------------===//

std::string whyNotScan(NodeOp op) {
  std::string reason = whyNotConstant(op, {{1, "axis"}});
  return reason.empty() ? whyNotRankedInput(op) : reason;
}

template <Combine combine>
SmallVector<Value> convertScan(NodeOp op, ValueRange inputs, ImplicitLocOpBuilder &b) {
  int64_t axis = toAxis(getConstantInts(op, 1)->front(), typeOf(inputs[0]).getRank());
  return {scan(b, inputs[0], axis, combine, getInt(op, "exclusive", 0) != 0,
               getInt(op, "reverse", 0) != 0)};
}

//===----------------------------------------------------------------------===//
// NonMaxSuppression
//===----------------------------------------------------------------------===//

/// As many boxes of a class are chosen one after the other.
constexpr int64_t kMaxChosen = 256;

int64_t countChosen(NodeOp op) {
  auto most = getConstantInts(op, 2);
  int64_t count = most && !most->empty() ? most->front() : 0;
  return std::min({count, inputType(op, 0).getDimSize(1), outputType(op, 0).getDimSize(0)});
}

std::string whyNotSuppression(NodeOp op) {
  std::string reason = whyNotConstant(op, {{2, "max_output_boxes_per_class"}});
  if (!reason.empty()) {
    return reason;
  }
  if (!outputType(op, 0).hasStaticShape()) {
    return "output 0 has a size that depends on data";
  }
  return countChosen(op) > kMaxChosen
             ? ("more than " + Twine(kMaxChosen) + " boxes of a class").str()
             : "";
}

/// A box as its lowest and highest corner.
struct Box {
  Scalar y1, x1, y2, x2;
  static Box get(Scalar a, Scalar b, Scalar c, Scalar d, bool isCenter) {
    if (isCenter) { // x, y, width, height
      Scalar width = c * 0.5, height = d * 0.5;
      return {b - height, a - width, b + height, a + width};
    }
    return {minimum(a, c), minimum(b, d), maximum(a, c), maximum(b, d)};
  }
  Scalar area() const { return (y2 - y1) * (x2 - x1); }
};

SmallVector<Value> convertSuppression(NodeOp op, ValueRange inputs, ImplicitLocOpBuilder &b) {
  Value boxes = inputs[0], scores = inputs[1];
  int64_t batches = shapeOf(scores)[0], classes = shapeOf(scores)[1], count = shapeOf(scores)[2];
  int64_t steps = countChosen(op), rows = outputType(op, 0).getDimSize(0);
  bool isCenter = getInt(op, "center_point_box", 0) != 0;
  Type i1 = b.getI1Type(), i32 = b.getI32Type(), f32 = b.getF32Type();
  if (steps <= 0) {
    return {makeInts(b, {rows, 3}, SmallVector<int64_t>(size_t(rows * 3), 0))};
  }
  auto readNumber = [&](unsigned index) {
    SmallVector<AffineExpr> at(size_t(typeOf(inputs[index]).getRank()), fixedAt(b, 0));
    return Access(inputs[index], at);
  };
  SmallVector<int64_t> all{batches, classes, count}, one{batches, classes};
  SmallVector<Access> reads{Access(scores)};
  bool hasLeast = op.hasInput(4), hasLimit = op.hasInput(3);
  if (hasLeast) {
    reads.push_back(readNumber(4));
  }
  Value isLeft = mapLoops(b, all, i1, reads, [&](const Point &point) {
    return hasLeast ? point[0] > point[1] : point.boolean(true);
  });
  SmallVector<Value> chosen;
  for (int64_t step = 0; step < steps; ++step) {
    Value best =
        reduceLoops(b, one, count, f32, Combine::Most, {Access(scores), Access(isLeft)},
                    [](const Point &point) {
                      return select(point[1], point[0], -std::numeric_limits<double>::infinity());
                    });
    Value index = reduceLoops(
        b, one, count, i32, Combine::Least, {Access(scores), Access(isLeft), Access(best)},
        [&](const Point &point) {
          return select(point[1] & (point[0] == point[2]), point.loop(2), double(count));
        });
    chosen.push_back(reshapeTo(b, index, {batches, classes, 1}));
    if (step + 1 == steps) {
      break;
    }
    // The box that was chosen, then who overlaps it.
    Value box = reduceLoops(
        b, {batches, classes, 4}, count, f32, Combine::Sum,
        {Access(index), Access(boxes, {loopAt(b, 0), loopAt(b, 3), loopAt(b, 2)})},
        [](const Point &point) { return select(point[0] == point.loop(3), point[1], 0); });
    SmallVector<Access> parts{Access(isLeft), Access(index)};
    for (int64_t k = 0; k < 4; ++k) {
      parts.push_back(Access(box, {loopAt(b, 0), loopAt(b, 1), fixedAt(b, k)}));
      parts.push_back(Access(boxes, {loopAt(b, 0), loopAt(b, 2), fixedAt(b, k)}));
    }
    if (hasLimit) {
      parts.push_back(readNumber(3));
    }
    isLeft = mapLoops(b, all, i1, parts, [&](const Point &point) {
      Box x = Box::get(point[2], point[4], point[6], point[8], isCenter);
      Box y = Box::get(point[3], point[5], point[7], point[9], isCenter);
      Scalar zero = point.number(0);
      Scalar height = maximum(minimum(x.y2, y.y2) - maximum(x.y1, y.y1), zero);
      Scalar width = maximum(minimum(x.x2, y.x2) - maximum(x.x1, y.x1), zero);
      Scalar both = height * width;
      // both / either > limit
      Scalar either = x.area() + y.area() - both;
      Scalar overlaps = (both > 0) & (both > (hasLimit ? point[10] : zero) * either);
      return select(overlaps | (point[1] == point.loop(2)), point.boolean(false), point[0]);
    });
  }
  Value found = concatenate(b, chosen, 2);
  Value table = mapLoops(
      b, {batches, classes, steps, 3}, i32, Access(found, loopsAt(b, 3)), [](const Point &point) {
        Scalar column = point.loop(3);
        return select(column == 0, point.loop(0), select(column == 1, point.loop(1), point[0]));
      });
  Value isBox = mapLoops(b, shapeOf(found), i1, Access(found),
                         [&](const Point &point) { return point[0] < double(count); });
  int64_t places = batches * classes * steps;
  Value order = findTrue(b, reshapeTo(b, isBox, places), rows);
  return {gatherAlong(b, reshapeTo(b, table, {places, 3}), order)};
}

} // namespace

ArrayRef<Rule> getSortingRules() {
  static const Rule rules[] = {
      {"", "ArgMax", 1, whyNotRankedInput, convertArg<true>, Elements::Moved},
      {"", "ArgMin", 1, whyNotRankedInput, convertArg<false>, Elements::Moved},
      {"", "Hardmax", 1, whyNotRankedInput, convertHardmax, Elements::Moved},
      {"", "TopK", 1, whyNotRankedInput, convertTopK, Elements::Moved},
      {"", "CumSum", 11, whyNotScan, convertScan<Combine::Sum>},
      {"", "CumProd", 26, whyNotScan, convertScan<Combine::Product>},
      {"", "NonMaxSuppression", 10, whyNotSuppression, convertSuppression, Elements::Moved},
  };
  return rules;
}
} // namespace lpu::onnx_lowering
