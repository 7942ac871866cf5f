//===- Resize.cpp - Images at other places than their pixels --------------===//
//
// With places that are known now, an axis at a time: copies of indices, or a product with a
// constant matrix of weights. With places of the run, rows of all channels are gathered for the
// neighbours of every place, and weighted.
//
//===----------------------------------------------------------------------===//

#include "Loops.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using mlir::onnx::NodeOp;

namespace lpu::onnx_lowering {
namespace {

//===----------------------------------------------------------------------===//
// Resize and Upsample
//===----------------------------------------------------------------------===//

/// What Resize says of one axis.
struct Axis {
  int64_t from, to;
  double scale;
  double start = 0, end = 1; // the region of tf_crop_and_resize
};

/// Attributes, with the defaults of the versions without them.
struct Resampling {
  explicit Resampling(NodeOp op)
      : mode(getString(op, "mode", "nearest")),
        coordinates(getString(op, "coordinate_transformation_mode",
                              op.getSinceVersion() < 11 ? "asymmetric" : "half_pixel")),
        nearest(getString(op, "nearest_mode",
                          op.getSinceVersion() < 11 ? "floor" : "round_prefer_floor")),
        cubic(getFloat(op, "cubic_coeff_a", -0.75f)),
        outside(getFloat(op, "extrapolation_value", 0)),
        excludes(getInt(op, "exclude_outside", 0) != 0),
        antialiases(getInt(op, "antialias", 0) != 0) {}

  bool isCrop() const { return coordinates == "tf_crop_and_resize"; }
  bool isLinear() const { return mode == "linear" || mode == "bilinear"; }

  /// Where pixel `x` of the result is in the source.
  double getSource(const Axis &axis, double x) const {
    double width = axis.scale * double(axis.from), last = double(axis.from - 1);
    if (coordinates == "align_corners") {
      return width == 1 ? 0 : x * last / (width - 1);
    }
    if (coordinates == "asymmetric") {
      return x / axis.scale;
    }
    if (isCrop()) {
      return width == 1 ? (axis.start + axis.end) * last / 2
                        : axis.start * last + x * (axis.end - axis.start) * last / (width - 1);
    }
    double source = (x + 0.5) / axis.scale - 0.5;
    if (coordinates == "pytorch_half_pixel") {
      return width == 1 ? 0 : source;
    }
    // half_pixel_symmetric differs where the width was rounded.
    return coordinates == "half_pixel_symmetric"
               ? source + double(axis.from) / 2 * (1 - double(axis.to) / width)
               : source;
  }

  int64_t getNearest(double x) const {
    double low = std::floor(x), rest = x - low;
    bool isUp =
        rest != 0 && (nearest == "ceil" || (nearest == "round_prefer_ceil" && rest >= 0.5) ||
                      (nearest == "round_prefer_floor" && rest > 0.5));
    return int64_t(low) + isUp;
  }

  /// The filter at a distance from its centre.
  double getWeight(double distance) const {
    double x = std::abs(distance);
    if (isLinear()) {
      return std::max(0.0, 1 - x);
    }
    return x <= 1  ? ((cubic + 2) * x - (cubic + 3)) * x * x + 1
           : x < 2 ? ((cubic * x - 5 * cubic) * x + 8 * cubic) * x - 4 * cubic
                   : 0;
  }

  /// Weights of the source's pixels for every pixel of the result, row by row.
  SmallVector<double> getMatrix(const Axis &axis) const {
    SmallVector<double> matrix(size_t(axis.from * axis.to), 0);
    double stretch = antialiases ? std::min(axis.scale, 1.0) : 1;
    double reach = (isLinear() ? 1 : 2) / stretch;
    for (int64_t row = 0; row < axis.to; ++row) {
      double centre = getSource(axis, double(row)), sum = 0;
      SmallVector<std::pair<int64_t, double>> weights;
      for (auto at = int64_t(std::floor(centre - reach)); double(at) <= centre + reach; ++at) {
        bool isIn = at >= 0 && at < axis.from;
        double weight = excludes && !isIn ? 0 : getWeight((double(at) - centre) * stretch);
        weights.push_back({std::clamp<int64_t>(at, 0, axis.from - 1), weight});
        sum += weight;
      }
      bool isScaled = (excludes || antialiases) && sum != 0;
      for (auto [at, weight] : weights) {
        matrix[size_t(row * axis.from + at)] += isScaled ? weight / sum : weight;
      }
    }
    return matrix;
  }

  StringRef mode, coordinates, nearest;
  double cubic, outside;
  bool excludes, antialiases;
};

/// Inputs by what they are; Resize and Upsample of all versions.
struct Slots {
  explicit Slots(NodeOp op) {
    if (op.getOpType() == "Upsample" || op.getSinceVersion() < 11) {
      scales = 1;
    } else {
      roi = 1, scales = 2, sizes = 3;
    }
  }
  unsigned roi = 99, scales = 99, sizes = 99; // an input that no node has
};

std::string whyNotResize(NodeOp op) {
  Slots slots(op);
  Resampling how(op);
  std::string reason = whyNotConstant(op, {{slots.scales, "scales"}, {slots.sizes, "sizes"}});
  if (reason.empty() && how.isCrop()) {
    reason = whyNotConstant(op, {{slots.roi, "roi"}});
  }
  if (!reason.empty()) {
    return reason;
  }
  if (!llvm::is_contained({"nearest", "linear", "bilinear", "cubic"}, how.mode)) {
    return ("mode is " + how.mode).str();
  }
  if (!llvm::is_contained({"half_pixel", "half_pixel_symmetric", "pytorch_half_pixel",
                           "align_corners", "asymmetric", "tf_crop_and_resize"},
                          how.coordinates)) {
    return ("coordinate_transformation_mode is " + how.coordinates).str();
  }
  if (how.isCrop() && !op.hasInput(slots.roi)) {
    return "input 1 (roi) is not given";
  }
  return how.mode != "nearest" && inputType(op, 0).getElementType().isInteger(1)
             ? "bool between pixels"
             : "";
}

/// Nearest pixels are only moved.
std::string whyNotMovingResize(NodeOp op) {
  std::string reason = whyNotResize(op);
  return !reason.empty() ? reason : Resampling(op).mode != "nearest" ? "mode is not nearest" : "";
}

SmallVector<Axis> getAxes(NodeOp op) {
  Slots slots(op);
  ArrayRef<int64_t> from = inputType(op, 0).getShape(), to = outputType(op, 0).getShape();
  int64_t rank = int64_t(from.size());
  SmallVector<Axis> axes;
  for (auto [before, after] : llvm::zip(from, to)) {
    axes.push_back({before, after, 1});
  }
  SmallVector<int64_t> order = llvm::to_vector(llvm::seq<int64_t>(0, rank));
  if (auto given = getIntList(op, "axes")) {
    order = *given;
  }
  for (int64_t &axis : order) {
    axis = toAxis(axis, rank);
  }
  auto getFloats = [&](unsigned index) {
    auto values = op.hasInput(index) ? getConstantFloats(op.getInputs()[index]) : std::nullopt;
    return values && !values->empty() ? values : std::nullopt;
  };
  auto list = dyn_cast_or_null<DenseF32ArrayAttr>(op.getNodeAttr("scales"));
  auto scales =
      list ? std::optional(SmallVector<double>(list.asArrayRef())) : getFloats(slots.scales);
  if (op.getNodeAttr("height_scale")) { // Upsample, version 1
    scales =
        SmallVector<double>{1, 1, getFloat(op, "height_scale", 1), getFloat(op, "width_scale", 1)};
  }
  auto sizes = getFloats(slots.sizes), roi = getFloats(slots.roi);
  StringRef policy = getString(op, "keep_aspect_ratio_policy", "stretch");
  for (auto [i, axis] : llvm::enumerate(order)) {
    Axis &one = axes[size_t(axis)];
    one.scale = sizes ? (*sizes)[i] / double(one.from) : scales ? (*scales)[i] : 1;
    if (roi && roi->size() == 2 * order.size()) {
      one.start = (*roi)[i];
      one.end = (*roi)[i + order.size()];
    }
  }
  if (sizes && policy != "stretch" && !order.empty()) {
    double common = axes[size_t(order[0])].scale;
    for (int64_t axis : order) {
      double scale = axes[size_t(axis)].scale;
      common = policy == "not_larger" ? std::min(common, scale) : std::max(common, scale);
    }
    for (int64_t axis : order) {
      axes[size_t(axis)].scale = common;
    }
  }
  return axes;
}

SmallVector<Value> convertResize(NodeOp op, ValueRange inputs, ImplicitLocOpBuilder &b) {
  Resampling how(op);
  bool isNearest = how.mode == "nearest";
  Value result = inputs[0];
  Type carried = elementOf(result), element = isNearest ? carried : Type(b.getF32Type());
  if (carried != element) {
    result = mapLoops(b, shapeOf(result), element, Access(result),
                      [](const Point &point) { return toFloat(point[0]); });
  }
  for (auto [d, axis] : llvm::enumerate(getAxes(op))) {
    bool isWhole = !how.isCrop() || (axis.start == 0 && axis.end == 1);
    if (axis.from == axis.to && std::abs(axis.scale - 1) < 1e-9 && isWhole) {
      continue;
    }
    SmallVector<int64_t> shape(shapeOf(result)), indices, isOut;
    shape[d] = axis.to;
    for (int64_t i = 0; i < axis.to; ++i) {
      double x = how.getSource(axis, double(i));
      indices.push_back(std::clamp<int64_t>(how.getNearest(x), 0, axis.from - 1));
      isOut.push_back(how.isCrop() && (x < 0 || x > double(axis.from - 1)));
    }
    unsigned inner = unsigned(shape.size());
    if (isNearest) {
      result = take(b, result, int64_t(d), indices);
    } else {
      Value matrix = makeFloats(b, {axis.to, axis.from}, how.getMatrix(axis));
      result = reduceLoops(b, shape, axis.from, element, Combine::Sum,
                           {Access(result, replace(b, shape.size(), int64_t(d), inner)),
                            Access(matrix, {loopAt(b, unsigned(d)), loopAt(b, inner)})},
                           [](const Point &point) { return point[0] * point[1]; });
    }
    if (llvm::is_contained(isOut, 1)) {
      result =
          mapLoops(b, shape, element,
                   {Access(result), Access(makeInts(b, axis.to, isOut), {loopAt(b, unsigned(d))})},
                   [&](const Point &point) {
                     return select(point[1] != 0, point[0].like(how.outside), point[0]);
                   });
    }
  }
  if (carried != element) {
    // Cubic filters leave the range of the type.
    Type model = inputType(op, 0).getElementType();
    unsigned bits = std::min(model.getIntOrFloatBitWidth(), 32u);
    double low = model.isUnsignedInteger() ? 0 : -std::ldexp(1.0, int(bits) - 1);
    double high = std::ldexp(1.0, int(bits) - (model.isUnsignedInteger() ? 0 : 1)) - 1;
    high = std::min(high, 2147483520.0); // the largest float that is an i32
    result = mapLoops(b, shapeOf(result), carried, Access(result), [&](const Point &point) {
      return toInt(roundEven(clamp(point[0], low, high)));
    });
  }
  return {result};
}

//===----------------------------------------------------------------------===//
// Places of the run
//===----------------------------------------------------------------------===//

/// Weights and indices of the neighbours of places, along one axis each.
struct Neighbours {
  Value index, weight;
};

/// N x C x d.. as rows of channels.
Value toRows(ImplicitLocOpBuilder &b, Value image) {
  ArrayRef<int64_t> shape = shapeOf(image);
  int64_t pixels = product(shape.drop_front(2));
  Value flat = reshapeTo(b, image, {shape[0], shape[1], pixels});
  return reshapeTo(b, transpose(b, flat, {0, 2, 1}), {shape[0] * pixels, shape[1]});
}

/// How GridSample finds pixels.
struct Grid {
  explicit Grid(NodeOp op)
      : mode(getString(op, "mode", "linear")), padding(getString(op, "padding_mode", "zeros")),
        aligns(getInt(op, "align_corners", 0) != 0) {}

  bool isNearest() const { return mode == "nearest"; }
  bool isCubic() const { return mode == "cubic" || mode == "bicubic"; }
  int64_t taps() const { return isNearest() ? 1 : isCubic() ? 4 : 2; }
  double low() const { return aligns ? 0 : -0.5; }
  double high(int64_t extent) const { return double(extent) - (aligns ? 1 : 0.5); }

  Scalar reflect(Scalar x, int64_t extent) const {
    double least = low(), most = high(extent), range = most - least;
    if (range == 0) {
      return x.like(least);
    }
    Scalar isLow = x < least, isOut = isLow | (x > most);
    Scalar over = select(isLow, least - x, x - most);
    Scalar times = floor(over * (1 / range)), rest = over - times * range;
    Scalar isEven = times == floor(times * 0.5) * 2;
    // An even number of reflections ends at the border that was crossed.
    Scalar fromLow = select(isEven, toInt(isLow), 1 - toInt(isLow)) != 0;
    return select(isOut, select(fromLow, rest + least, most - rest), x);
  }

  /// The place in pixels of a coordinate in [-1, 1].
  Scalar getPlace(Scalar coordinate, int64_t extent) const {
    double n = double(extent);
    Scalar x = aligns ? (coordinate + 1) * ((n - 1) / 2) : ((coordinate + 1) * n - 1) * 0.5;
    if (isNearest()) {
      x = roundEven(x);
    }
    if (padding == "border") {
      Scalar isOut = (x < low()) | (x > high(extent));
      x = select(isOut, clamp(x, 0, n - 1), x);
    } else if (padding == "reflection") {
      x = reflect(x, extent);
    }
    // Farther away no neighbour is a pixel; integers stay small.
    return clamp(x, -8, n + 8);
  }

  /// The neighbour `tap` of a place, as a number that may be no pixel's.
  Scalar getPixel(Scalar place, Scalar tap) const {
    return floor(place) + toFloat(tap) - (isCubic() ? 1.0 : 0.0);
  }

  Neighbours find(ImplicitLocOpBuilder &b, Value grid, int64_t column, int64_t extent) const {
    // Loops: tap, batch, place.
    SmallVector<int64_t> shape{taps(), shapeOf(grid)[0], shapeOf(grid)[1]};
    Access read(grid, {loopAt(b, 1), loopAt(b, 2), fixedAt(b, column)});
    Neighbours found;
    found.index = mapLoops(b, shape, b.getI32Type(), read, [&](const Point &point) {
      Scalar pixel = getPixel(getPlace(point[0], extent), point.loop(0));
      pixel = padding == "reflection" ? reflect(pixel, extent) : pixel;
      return clamp(toInt(pixel), 0, double(extent - 1));
    });
    found.weight = mapLoops(b, shape, b.getF32Type(), read, [&](const Point &point) {
      Scalar place = getPlace(point[0], extent), pixel = getPixel(place, point.loop(0));
      Scalar weight = isNearest() ? place.like(1) : getWeight(absolute(place - pixel));
      return padding == "zeros" ? select((pixel >= 0) & (pixel < double(extent)), weight, 0)
                                : weight;
    });
    return found;
  }

  Scalar getWeight(Scalar x) const {
    if (!isCubic()) {
      return 1 - x;
    }
    constexpr double a = -0.75;
    Scalar near = ((x * (a + 2) - (a + 3)) * x) * x + 1;
    Scalar far = ((x * a - 5 * a) * x + 8 * a) * x - 4 * a;
    return select(x <= 1, near, far);
  }

  StringRef mode, padding;
  bool aligns;
};

std::string whyNotGridSample(NodeOp op) {
  std::string reason = whyNotRanked(op);
  if (!reason.empty()) {
    return reason;
  }
  Grid how(op);
  if (!llvm::is_contained({"nearest", "linear", "bilinear", "cubic", "bicubic"}, how.mode)) {
    return ("mode is " + how.mode).str();
  }
  if (!llvm::is_contained({"zeros", "border", "reflection"}, how.padding)) {
    return ("padding_mode is " + how.padding).str();
  }
  return inputType(op, 0).getRank() < 3                       ? "input 0 is no image"
         : !isa<FloatType>(inputType(op, 0).getElementType()) ? "elements are not float"
                                                              : "";
}

SmallVector<Value> convertGridSample(NodeOp op, ValueRange inputs, ImplicitLocOpBuilder &b) {
  Grid how(op);
  ArrayRef<int64_t> shape = shapeOf(inputs[0]), extents = shape.drop_front(2);
  size_t rank = extents.size();
  int64_t batches = shape[0], channels = shape[1];
  int64_t places = product(shapeOf(inputs[1]).drop_front().drop_back());
  Value grid = reshapeTo(b, inputs[1], {batches, places, int64_t(rank)});
  // Loops: a tap of every axis, batch, place. The grid's last column is the first axis.
  SmallVector<int64_t> loops(rank, how.taps());
  loops.append({batches, places});
  SmallVector<Access> indices, weights;
  for (size_t d = 0; d < rank; ++d) {
    Neighbours found = how.find(b, grid, int64_t(rank - 1 - d), extents[d]);
    indices.push_back(Access(found.index, {loopAt(b, unsigned(d)), loopAt(b, unsigned(rank)),
                                           loopAt(b, unsigned(rank + 1))}));
    weights.push_back(Access(found.weight));
  }
  Value rows = mapLoops(b, loops, b.getI32Type(), indices, [&](const Point &point) {
    Scalar row = point.loop(unsigned(rank));
    for (size_t d = 0; d < rank; ++d) {
      row = row * double(extents[d]) + point[unsigned(d)];
    }
    return row;
  });
  Value pixels = gatherAlong(b, toRows(b, inputs[0]), reshapeTo(b, rows, product(loops)));
  SmallVector<int64_t> taps(rank, how.taps()), split(loops);
  split.push_back(channels);
  // Loops: batch, channel, place; taps.
  SmallVector<AffineExpr> at = loopsAt(b, rank, 3);
  at.append({loopAt(b, 0), loopAt(b, 2), loopAt(b, 1)});
  SmallVector<Access> reads{Access(reshapeTo(b, pixels, split), at)};
  for (size_t d = 0; d < rank; ++d) {
    reads.push_back(
        Access(weights[d].value, {loopAt(b, unsigned(3 + d)), loopAt(b, 0), loopAt(b, 2)}));
  }
  Value result = reduceLoops(b, {batches, channels, places}, taps, b.getF32Type(), Combine::Sum,
                             reads, [&](const Point &point) {
                               Scalar weight = point[1];
                               for (size_t d = 1; d < rank; ++d) {
                                 weight = weight * point[unsigned(d + 1)];
                               }
                               return select(weight != 0, weight * point[0], 0);
                             });
  return {reshapeTo(b, result, outputType(op, 0).getShape())};
}

SmallVector<Value> convertAffineGrid(NodeOp op, ValueRange inputs, ImplicitLocOpBuilder &b) {
  ArrayRef<int64_t> shape = outputType(op, 0).getShape();
  size_t rank = shape.size() - 2;
  bool aligns = getInt(op, "align_corners", 0) != 0;
  unsigned column = unsigned(rank + 1);
  // Coordinates of x first, which is the last axis; 1 at the end.
  SmallVector<Access> reads;
  for (size_t k = 0; k <= rank; ++k) {
    reads.push_back(Access(inputs[0], {loopAt(b, 0), loopAt(b, column), fixedAt(b, int64_t(k))}));
  }
  for (size_t k = 0; k < rank; ++k) {
    unsigned loop = unsigned(rank - k);
    SmallVector<double> places;
    double extent = double(shape[loop]);
    for (int64_t i = 0; i < shape[loop]; ++i) {
      places.push_back(!aligns       ? (2 * double(i) + 1) / extent - 1
                       : extent == 1 ? 0
                                     : 2 * double(i) / (extent - 1) - 1);
    }
    reads.push_back(Access(makeFloats(b, shape[loop], places), {loopAt(b, loop)}));
  }
  return {mapLoops(b, shape, b.getF32Type(), reads, [&](const Point &point) {
    Scalar sum = point[unsigned(rank)];
    for (unsigned k = 0; k < rank; ++k) {
      sum = sum + point[k] * point[unsigned(rank + 1) + k];
    }
    return sum;
  })};
}

//===----------------------------------------------------------------------===//
// RoiAlign
//===----------------------------------------------------------------------===//

std::string whyNotRoiAlign(NodeOp op) {
  std::string reason = whyNotRanked(op);
  if (!reason.empty()) {
    return reason;
  }
  StringRef mode = getString(op, "mode", "avg");
  return mode != "avg" && mode != "max" ? ("mode is " + mode).str()
         : getInt(op, "sampling_ratio", 0) <= 0
             ? "sampling_ratio is 0: the number of samples depends on the regions"
             : "";
}

/// Along one axis of every region: its bins, their samples, and two pixels each.
Neighbours findSamples(ImplicitLocOpBuilder &b, NodeOp op, Value regions, int64_t column,
                       int64_t bins, int64_t extent) {
  int64_t samples = getInt(op, "sampling_ratio", 0);
  double scale = getFloat(op, "spatial_scale", 1), n = double(extent);
  bool isHalf = op.getSinceVersion() >= 16 &&
                getString(op, "coordinate_transformation_mode", "half_pixel") == "half_pixel";
  SmallVector<Access> reads{Access(regions, {loopAt(b, 0), fixedAt(b, column)}),
                            Access(regions, {loopAt(b, 0), fixedAt(b, column + 2)})};
  auto getPlace = [&](const Point &point) {
    Scalar start = point[0] * scale - (isHalf ? 0.5 : 0.0);
    Scalar size = (point[1] - point[0]) * scale;
    size = isHalf ? size : maximum(size, size.like(1));
    Scalar bin = toFloat(point.loop(1)), sample = toFloat(point.loop(2));
    return start + (bin + (sample + 0.5) * (1 / double(samples))) * (size * (1 / double(bins)));
  };
  // The first of the two pixels, of a place that is not negative.
  auto getFirst = [&](Scalar place) { return minimum(floor(place), place.like(n - 1)); };
  SmallVector<int64_t> shape{shapeOf(regions)[0], bins, samples, 2};
  Neighbours found;
  found.index = mapLoops(b, shape, b.getI32Type(), reads, [&](const Point &point) {
    Scalar place = clamp(getPlace(point), 0, n);
    return minimum(toInt(getFirst(place)) + point.loop(3), point.integer(extent - 1));
  });
  found.weight = mapLoops(b, shape, b.getF32Type(), reads, [&](const Point &point) {
    Scalar place = getPlace(point), isOut = (place < -1) | (place > n);
    Scalar inside = clamp(place, 0, n - 1);
    Scalar second = inside - getFirst(inside);
    Scalar weight = select(point.loop(3) == 0, 1 - second, second);
    return select(isOut, weight.like(0), weight);
  });
  return found;
}

SmallVector<Value> convertRoiAlign(NodeOp op, ValueRange inputs, ImplicitLocOpBuilder &b) {
  ArrayRef<int64_t> shape = shapeOf(inputs[0]), to = outputType(op, 0).getShape();
  int64_t samples = getInt(op, "sampling_ratio", 0);
  bool isMax = getString(op, "mode", "avg") == "max";
  Neighbours y = findSamples(b, op, inputs[1], 1, to[2], shape[2]);
  Neighbours x = findSamples(b, op, inputs[1], 0, to[3], shape[3]);
  // Loops: region, and bin, sample, pixel of both axes.
  SmallVector<int64_t> loops{to[0], to[2], samples, 2, to[3], samples, 2};
  SmallVector<AffineExpr> ofY = loopsAt(b, 4), ofX = loopsAt(b, 4, 3);
  ofX[0] = loopAt(b, 0);
  Value rows =
      mapLoops(b, loops, b.getI32Type(),
               {Access(inputs[2], {loopAt(b, 0)}), Access(y.index, ofY), Access(x.index, ofX)},
               [&](const Point &point) {
                 return (point[0] * double(shape[2]) + point[1]) * double(shape[3]) + point[2];
               });
  Value pixels = gatherAlong(b, toRows(b, inputs[0]), reshapeTo(b, rows, product(loops)));
  SmallVector<int64_t> split(loops);
  split.push_back(shape[1]);
  // Loops: region, channel, bins; sample and pixel of y, of x.
  auto loop = [&](unsigned index) { return loopAt(b, index); };
  Value result = reduceLoops(
      b, to, {samples, 2, samples, 2}, b.getF32Type(), isMax ? Combine::Most : Combine::Sum,
      {Access(reshapeTo(b, pixels, split),
              {loop(0), loop(2), loop(4), loop(5), loop(3), loop(6), loop(7), loop(1)}),
       Access(y.weight, {loop(0), loop(2), loop(4), loop(5)}),
       Access(x.weight, {loop(0), loop(3), loop(6), loop(7)})},
      [&](const Point &point) {
        Scalar weight = point[1] * point[2];
        weight = isMax ? weight : weight * (1 / double(samples * samples));
        return select(weight != 0, weight * point[0], 0);
      });
  return {result};
}

//===----------------------------------------------------------------------===//
// Col2Im
//===----------------------------------------------------------------------===//

std::string whyNotCol2Im(NodeOp op) { return whyNotConstant(op, {{2, "block_shape"}}); }

/// An axis at a time: of every block's row and position, the sum of those at a place.
SmallVector<Value> convertCol2Im(NodeOp op, ValueRange inputs, ImplicitLocOpBuilder &b) {
  ArrayRef<int64_t> image = outputType(op, 0).getShape();
  SmallVector<int64_t> block = *getConstantInts(op, 2);
  size_t rank = block.size();
  SmallVector<int64_t> ones(rank, 1), zeros(2 * rank, 0);
  SmallVector<int64_t> strides = getIntList(op, "strides").value_or(ones);
  SmallVector<int64_t> dilations = getIntList(op, "dilations").value_or(ones);
  SmallVector<int64_t> pads = getIntList(op, "pads").value_or(zeros);
  SmallVector<int64_t> shape{image[0] * image[1]};
  llvm::append_range(shape, block);
  for (size_t d = 0; d < rank; ++d) {
    int64_t size = image[d + 2] + pads[d] + pads[d + rank] - dilations[d] * (block[d] - 1) - 1;
    shape.push_back(size / strides[d] + 1);
  }
  Value result = reshapeTo(b, inputs[0], shape);
  for (size_t d = 0; d < rank; ++d) {
    // Dimension d + 1 becomes the image's; its blocks are behind the other kernels.
    size_t blocks = rank + 1;
    SmallVector<int64_t> next(shapeOf(result));
    SmallVector<int64_t> inner{next[d + 1], next[blocks]};
    next[d + 1] = image[d + 2];
    next.erase(next.begin() + int64_t(blocks));
    unsigned loops = unsigned(next.size());
    SmallVector<AffineExpr> at = loopsAt(b, next.size());
    at[d + 1] = loopAt(b, loops);
    at.insert(at.begin() + int64_t(blocks), loopAt(b, loops + 1));
    result = reduceLoops(b, next, inner, elementOf(result), Combine::Sum, Access(result, at),
                         [&](const Point &point) {
                           Scalar place = point.loop(loops + 1) * double(strides[d]) +
                                          point.loop(loops) * double(dilations[d]);
                           Scalar here = point.loop(unsigned(d + 1)) + double(pads[d]);
                           return select(place == here, point[0], 0);
                         });
  }
  return {reshapeTo(b, result, image)};
}

} // namespace

ArrayRef<Rule> getResizeRules() {
  static const Rule rules[] = {
      {"", "Resize", 10, whyNotMovingResize, convertResize, Elements::Moved},
      {"", "Resize", 10, whyNotResize, convertResize},
      {"", "Upsample", 1, whyNotMovingResize, convertResize, Elements::Moved},
      {"", "Upsample", 1, whyNotResize, convertResize},
      {"", "GridSample", 16, whyNotGridSample, convertGridSample},
      {"", "AffineGrid", 20, whyNotRanked, convertAffineGrid},
      {"", "RoiAlign", 10, whyNotRoiAlign, convertRoiAlign},
      {"", "Col2Im", 18, whyNotCol2Im, convertCol2Im},
  };
  return rules;
}
} // namespace lpu::onnx_lowering
