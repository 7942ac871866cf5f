//===- Indexing.cpp - Elements at indices of the run ----------------------===//
//
// Rows by index are `lpu.gather`. Single elements are found by comparing the index with
// every place they may be at: one reduction of selections.
//
//===----------------------------------------------------------------------===//

#include "LPU/IR/LPUTensorOps.h"
#include "Loops.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using mlir::onnx::NodeOp;

namespace lpu::onnx_lowering {
namespace {

//===----------------------------------------------------------------------===//
// Gather
//===----------------------------------------------------------------------===//

/// "input 1 is not int32 or int64" where an index has other elements.
std::string whyNotIndices(NodeOp op, unsigned index) {
  Type element = inputType(op, index).getElementType();
  return element.isSignlessInteger(32) || element.isSignlessInteger(64)
             ? ""
             : ("input " + Twine(index) + " is not int32 or int64").str();
}

std::string whyNotGather(NodeOp op) {
  std::string reason = whyNotRanked(op);
  if (!reason.empty()) {
    return reason;
  }
  return inputType(op, 0).getRank() == 0 ? "input 0 is a scalar" : whyNotIndices(op, 1);
}

/// Tables of f32 stay what the model has: weights by reference.
std::string whyNotNativeGather(NodeOp op) {
  std::string reason = whyNotGather(op);
  bool fits = !reason.empty() || inputType(op, 0).getElementType().isF32();
  return fits ? reason : "elements are not float";
}

SmallVector<Value> convertGather(NodeOp op, ValueRange inputs, ImplicitLocOpBuilder &b) {
  int64_t axis = toAxis(getInt(op, "axis", 0), typeOf(inputs[0]).getRank());
  return {gatherAlong(b, inputs[0], inputs[1], axis)};
}

SmallVector<Value> convertGatherElements(NodeOp op, ValueRange inputs, ImplicitLocOpBuilder &b) {
  ArrayRef<int64_t> shape = shapeOf(inputs[1]);
  size_t rank = shape.size();
  int64_t axis = toAxis(getInt(op, "axis", 0), int64_t(rank));
  int64_t extent = shapeOf(inputs[0])[size_t(axis)];
  // Only the part of the data that the indices cover on the other axes.
  Value data = inputs[0];
  for (size_t d = 0; d < rank; ++d) {
    data = int64_t(d) == axis ? data : sliceAxis(b, data, int64_t(d), 0, shape[d]);
  }
  Type element = elementOf(data);
  return {reduceLoops(b, shape, extent, element, Combine::Pick,
                      {Access(inputs[1]), Access(data, replace(b, rank, axis, unsigned(rank)))},
                      [&](const Point &point) {
                        Scalar here = fromEnd(point[0], extent) == point.loop(unsigned(rank));
                        return select(here, point[1], getNothing(point, element));
                      })};
}

/// The place, in row-major order of `extents`, of every row of `indices`, whose last dimension
/// has an index for each of them. `outer` dimensions in front are batches with as many places.
Value flattenIndices(ImplicitLocOpBuilder &b, Value indices, ArrayRef<int64_t> extents,
                     int64_t batches = 1) {
  int64_t rows = product(shapeOf(indices).drop_back()) / batches;
  int64_t count = int64_t(extents.size());
  Value matrix = reshapeTo(b, indices, {batches, rows, count});
  SmallVector<Access> reads;
  for (int64_t k = 0; k < count; ++k) {
    reads.push_back(Access(matrix, {loopAt(b, 0), loopAt(b, 1), fixedAt(b, k)}));
  }
  Value result = mapLoops(b, {batches, rows}, b.getI32Type(), reads, [&](const Point &point) {
    Scalar place = batches == 1 ? point.integer(0) : point.loop(0);
    for (unsigned k = 0; k < extents.size(); ++k) {
      Scalar index = fromEnd(point[k], extents[k]);
      place = k == 0 && batches == 1 ? index : place * double(extents[k]) + index;
    }
    return place;
  });
  return reshapeTo(b, result, batches * rows);
}

std::string whyNotGatherND(NodeOp op) {
  std::string reason = whyNotRanked(op);
  return !reason.empty() ? reason
         : inputType(op, 0).getRank() == 0 || inputType(op, 1).getRank() == 0
             ? "an input is a scalar"
             : "";
}

SmallVector<Value> convertGatherND(NodeOp op, ValueRange inputs, ImplicitLocOpBuilder &b) {
  size_t batchDims = size_t(getInt(op, "batch_dims", 0));
  ArrayRef<int64_t> shape = shapeOf(inputs[0]);
  size_t count = size_t(shapeOf(inputs[1]).back());
  int64_t batches = product(shape.take_front(batchDims));
  ArrayRef<int64_t> extents = shape.slice(batchDims, count);
  int64_t row = product(shape.drop_front(batchDims + count));
  if (outputType(op, 0).getNumElements() == 0) {
    return {tensor::EmptyOp::create(b, outputType(op, 0).getShape(), elementOf(inputs[0]))};
  }
  Value table = reshapeTo(b, inputs[0], {batches * product(extents), row});
  Value places = flattenIndices(b, inputs[1], extents, batches);
  return {reshapeTo(b, gatherAlong(b, table, places), outputType(op, 0).getShape())};
}

//===----------------------------------------------------------------------===//
// Scatter
//===----------------------------------------------------------------------===//

/// How `reduction` joins; nothing for "none", where the last update stays.
std::optional<Combine> getReduction(NodeOp op) {
  return llvm::StringSwitch<std::optional<Combine>>(getString(op, "reduction", "none"))
      .Case("add", Combine::Sum)
      .Case("mul", Combine::Product)
      .Case("max", Combine::Most)
      .Case("min", Combine::Least)
      .Default(std::nullopt);
}

std::string whyNotScatter(NodeOp op) {
  std::string reason = whyNotRanked(op);
  StringRef reduction = getString(op, "reduction", "none");
  if (!reason.empty()) {
    return reason;
  }
  if (!getReduction(op)) {
    return reduction == "none" ? "" : ("reduction is " + reduction).str();
  }
  return inputType(op, 0).getRank() == 0                  ? "input 0 is a scalar"
         : inputType(op, 0).getElementType().isInteger(1) ? "a reduction of bool"
                                                          : "";
}

/// Sums and products are rounded, everything else is only moved.
std::string whyNotMovingScatter(NodeOp op) {
  std::string reason = whyNotScatter(op);
  auto reduction = getReduction(op);
  return !reason.empty()                                              ? reason
         : reduction == Combine::Sum || reduction == Combine::Product ? "the reduction computes"
                                                                      : "";
}

/// Scatters `updates` into `data`; the shape is the data's and loop `inner` runs over the
/// updates that may be for an element, which read at `updatesAt`. `isHere` says if one is.
Value scatterJoined(ImplicitLocOpBuilder &b, Value data, Combine combine, Type model, int64_t inner,
                    ArrayRef<Access> reads, llvm::function_ref<Scalar(const Point &)> isHere) {
  Type element = elementOf(data);
  bool orders = combine == Combine::Most || combine == Combine::Least;
  auto key = [&](Scalar a) { return orders ? inOrder(a, model) : a; };
  // Input 0 has the updates.
  Value joined =
      reduceLoops(b, shapeOf(data), inner, element, combine, reads, [&](const Point &point) {
        TypedAttr neutral = getNeutral(b, combine, element);
        auto number = dyn_cast<FloatAttr>(neutral);
        Scalar none = number ? point.number(number.getValueAsDouble())
                             : point.integer(cast<IntegerAttr>(neutral).getInt());
        return select(isHere(point), key(point[0]), none);
      });
  return mapLoops(b, shapeOf(data), element, {Access(data), Access(joined)},
                  [&](const Point &point) { return key(join(combine, key(point[0]), point[1])); });
}

SmallVector<Value> convertScatterElements(NodeOp op, ValueRange inputs, ImplicitLocOpBuilder &b) {
  Value data = inputs[0], indices = inputs[1], updates = inputs[2];
  ArrayRef<int64_t> shape = shapeOf(data);
  size_t rank = shape.size();
  int64_t axis = toAxis(getInt(op, "axis", 0), int64_t(rank));
  int64_t extent = shape[size_t(axis)], count = shapeOf(indices)[size_t(axis)];
  Type element = elementOf(data);
  if (typeOf(indices).getNumElements() == 0) {
    return {data};
  }
  // Where there are no indices on the other axes, one that is nowhere.
  SmallVector<int64_t> low(rank, 0), high;
  for (size_t d = 0; d < rank; ++d) {
    high.push_back(int64_t(d) == axis ? 0 : shape[d] - shapeOf(indices)[d]);
  }
  indices = padWith(b, indices, low, high, b.getI32IntegerAttr(INT32_MIN));
  updates = padWith(b, updates, low, high, getNeutral(b, Combine::Sum, element));
  unsigned inner = unsigned(rank);
  SmallVector<AffineExpr> at = replace(b, rank, axis, inner);
  auto isHere = [&](Scalar index, const Point &point) {
    return fromEnd(index, extent) == point.loop(unsigned(axis));
  };
  if (auto combine = getReduction(op)) {
    return {scatterJoined(b, data, *combine, inputType(op, 0).getElementType(), count,
                          {Access(updates, at), Access(indices, at)},
                          [&](const Point &point) { return isHere(point[1], point); })};
  }
  Value last = reduceLoops(
      b, shape, count, b.getI32Type(), Combine::Most, Access(indices, at),
      [&](const Point &point) { return select(isHere(point[0], point), point.loop(inner), -1); });
  Value picked = reduceLoops(b, shape, count, element, Combine::Pick,
                             {Access(last), Access(updates, at)}, [&](const Point &point) {
                               return select(point[0] == point.loop(inner), point[1],
                                             getNothing(point, element));
                             });
  return {mapLoops(b, shape, element, {Access(last), Access(data), Access(picked)},
                   [](const Point &point) { return select(point[0] < 0, point[1], point[2]); })};
}

SmallVector<Value> convertScatterND(NodeOp op, ValueRange inputs, ImplicitLocOpBuilder &b) {
  ArrayRef<int64_t> shape = shapeOf(inputs[0]);
  size_t dims = size_t(shapeOf(inputs[1]).back());
  ArrayRef<int64_t> extents = shape.take_front(dims);
  int64_t places = product(extents), row = product(shape.drop_front(dims));
  Type element = elementOf(inputs[0]);
  if (typeOf(inputs[2]).getNumElements() == 0) {
    return {inputs[0]};
  }
  Value data = reshapeTo(b, inputs[0], {places, row});
  Value at = flattenIndices(b, inputs[1], extents);
  int64_t count = shapeOf(at)[0];
  Value updates = reshapeTo(b, inputs[2], {count, row});
  Value result;
  if (auto combine = getReduction(op)) {
    result =
        scatterJoined(b, data, *combine, inputType(op, 0).getElementType(), count,
                      {Access(updates, {loopAt(b, 2), loopAt(b, 1)}), Access(at, {loopAt(b, 2)})},
                      [&](const Point &point) { return point[1] == point.loop(0); });
  } else {
    Value last = reduceLoops(
        b, places, count, b.getI32Type(), Combine::Most, Access(at, {loopAt(b, 1)}),
        [](const Point &point) { return select(point[0] == point.loop(0), point.loop(1), -1); });
    Value rows = mapLoops(b, places, b.getI32Type(), Access(last),
                          [](const Point &point) { return maximum(point[0], point.integer(0)); });
    result = mapLoops(
        b, {places, row}, element,
        {Access(last, {loopAt(b, 0)}), Access(data), Access(gatherAlong(b, updates, rows))},
        [](const Point &point) { return select(point[0] < 0, point[1], point[2]); });
  }
  return {reshapeTo(b, result, shape)};
}

int64_t getScatterAxis(NodeOp op) {
  return toAxis(getInt(op, "axis", -2), inputType(op, 0).getRank());
}

std::string whyNotTensorScatter(NodeOp op) {
  std::string reason = whyNotRanked(op);
  if (!reason.empty()) {
    return reason;
  }
  if (getScatterAxis(op) == 0) {
    return "axis is the batch";
  }
  StringRef mode = getString(op, "mode", "linear");
  if (mode != "linear" && mode != "circular") {
    return "mode is " + mode.str();
  }
  return op.hasInput(2) ? whyNotIndices(op, 2) : "";
}

/// Caches of f32 and int8 are updated in place.
std::string whyNotNativeTensorScatter(NodeOp op) {
  std::string reason = whyNotTensorScatter(op);
  Type element = inputType(op, 0).getElementType();
  bool fits = element.isF32() || element.isSignlessInteger(8);
  return !reason.empty() || fits ? reason : "elements are neither float nor int8";
}

SmallVector<Value> convertNativeTensorScatter(NodeOp op, ValueRange inputs,
                                              ImplicitLocOpBuilder &b) {
  Value positions = op.hasInput(2) ? inputs[2] : Value();
  bool circular = getString(op, "mode", "linear") == "circular";
  return {mlir::lpu::CacheUpdateOp::create(b, inputs[0].getType(), inputs[0], inputs[1], positions,
                                           getScatterAxis(op), circular)
              .getResult()};
}

SmallVector<Value> convertTensorScatter(NodeOp op, ValueRange inputs, ImplicitLocOpBuilder &b) {
  ArrayRef<int64_t> shape = shapeOf(inputs[0]);
  size_t rank = shape.size();
  int64_t axis = getScatterAxis(op), extent = shape[size_t(axis)];
  int64_t rows = shapeOf(inputs[1])[size_t(axis)];
  bool circular = getString(op, "mode", "linear") == "circular";
  Type element = elementOf(inputs[0]);
  Value positions =
      op.hasInput(2) ? inputs[2] : makeInts(b, shape[0], SmallVector<int64_t>(size_t(shape[0]), 0));
  // Which row an element of the cache gets; one that is no row where it stays.
  auto rowOf = [&](Scalar position, const Point &point) {
    Scalar row = point.loop(unsigned(axis)) - position;
    return circular ? select(row < 0, row + double(extent), row) : row;
  };
  if (circular) {
    positions = mapLoops(b, shape[0], b.getI32Type(), Access(positions), [&](const Point &point) {
      ImplicitLocOpBuilder &at = point[0].getBuilder();
      return Scalar(at, arith::RemSIOp::create(at, point[0].get(), point.integer(extent).get()));
    });
  }
  Access position(positions, {loopAt(b, 0)});
  Value picked = reduceLoops(b, shape, rows, element, Combine::Pick,
                             {position, Access(inputs[1], replace(b, rank, axis, unsigned(rank)))},
                             [&](const Point &point) {
                               return select(rowOf(point[0], point) == point.loop(unsigned(rank)),
                                             point[1], getNothing(point, element));
                             });
  return {mapLoops(b, shape, element, {position, Access(inputs[0]), Access(picked)},
                   [&](const Point &point) {
                     Scalar row = rowOf(point[0], point);
                     return select((row >= 0) & (row < double(rows)), point[2], point[1]);
                   })};
}

SmallVector<Value> convertMaxUnpool(NodeOp op, ValueRange inputs, ImplicitLocOpBuilder &b) {
  ArrayRef<int64_t> shape = shapeOf(inputs[0]);
  size_t spatial = shape.size() - 2;
  SmallVector<int64_t> kernel = *getIntList(op, "kernel_shape");
  auto strides = getIntList(op, "strides"), pads = getIntList(op, "pads");
  SmallVector<int64_t> full(shape.take_front(2)), low(shape.size(), 0), high{0, 0};
  for (size_t d = 0; d < spatial; ++d) {
    full.push_back((shape[d + 2] - 1) * (strides ? (*strides)[d] : 1) + kernel[d] -
                   (pads ? (*pads)[d] + (*pads)[d + spatial] : 0));
    high.push_back(outputType(op, 0).getDimSize(unsigned(d + 2)) - full.back());
  }
  // An index is that of its own plane: MaxPool gave it.
  int64_t planes = shape[0] * shape[1], count = product(shape.drop_front(2));
  int64_t places = product(ArrayRef(full).drop_front(2));
  Value values = reshapeTo(b, inputs[0], {planes, count});
  Value indices = reshapeTo(b, inputs[1], {planes, count});
  Type element = elementOf(values);
  SmallVector<AffineExpr> at{loopAt(b, 0), loopAt(b, 2)};
  // Overlapping windows have one maximum: take one of them.
  Value last = reduceLoops(b, {planes, places}, count, b.getI32Type(), Combine::Most,
                           Access(indices, at), [&](const Point &point) {
                             Scalar place = point.loop(0) * double(places) + point.loop(1);
                             return select(point[0] == place, point.loop(2), -1);
                           });
  Value result = reduceLoops(
      b, {planes, places}, count, element, Combine::Sum, {Access(last), Access(values, at)},
      [&](const Point &point) { return select(point[0] == point.loop(2), point[1], 0); });
  return {padWith(b, reshapeTo(b, result, full), low, high, getNeutral(b, Combine::Sum, element))};
}

std::string whyNotMaxUnpool(NodeOp op) {
  std::string reason = whyNotRanked(op);
  return !reason.empty()                   ? reason
         : !getIntList(op, "kernel_shape") ? "kernel_shape is not given"
                                           : "";
}

//===----------------------------------------------------------------------===//
// Comparison with all indices
//===----------------------------------------------------------------------===//

SmallVector<Value> convertOneHot(NodeOp op, ValueRange inputs, ImplicitLocOpBuilder &b) {
  ArrayRef<int64_t> shape = outputType(op, 0).getShape();
  int64_t axis = toAxis(getInt(op, "axis", -1), int64_t(shape.size()));
  int64_t depth = shape[size_t(axis)];
  SmallVector<AffineExpr> at = loopsAt(b, shape.size());
  at.erase(at.begin() + axis);
  return {mapLoops(b, shape, elementOf(inputs[2]),
                   {Access(inputs[0], at), Access(inputs[2], {fixedAt(b, 0)}),
                    Access(inputs[2], {fixedAt(b, 1)})},
                   [&](const Point &point) {
                     Scalar index = fromEnd(toInt(point[0]), depth);
                     return select(index == point.loop(unsigned(axis)), point[2], point[1]);
                   })};
}

SmallVector<Value> convertReverseSequence(NodeOp op, ValueRange inputs, ImplicitLocOpBuilder &b) {
  ArrayRef<int64_t> shape = shapeOf(inputs[0]);
  unsigned rank = unsigned(shape.size());
  int64_t time = toAxis(getInt(op, "time_axis", 0), rank);
  int64_t batch = toAxis(getInt(op, "batch_axis", 1), rank);
  Type element = elementOf(inputs[0]);
  return {reduceLoops(b, shape, shape[size_t(time)], element, Combine::Pick,
                      {Access(inputs[1], {loopAt(b, unsigned(batch))}),
                       Access(inputs[0], replace(b, rank, time, rank))},
                      [&](const Point &point) {
                        Scalar here = point.loop(unsigned(time));
                        Scalar from = select(here < point[0], point[0] - 1 - here, here);
                        return select(from == point.loop(rank), point[1],
                                      getNothing(point, element));
                      })};
}

//===----------------------------------------------------------------------===//
// As many elements as a condition holds for
//===----------------------------------------------------------------------===//

/// "the number of elements depends on the data" where output `index` has no static shape.
std::string whyNotCounted(NodeOp op) {
  std::string reason = whyNotRanked(op);
  for (unsigned i = 0; reason.empty() && i < op.getNumResults(); ++i) {
    if (op.hasOutput(i) && !outputType(op, i).hasStaticShape()) {
      reason = ("output " + Twine(i) + " has a size that depends on data").str();
    }
  }
  return reason;
}

SmallVector<Value> convertCompress(NodeOp op, ValueRange inputs, ImplicitLocOpBuilder &b) {
  auto given = dyn_cast_or_null<IntegerAttr>(op.getNodeAttr("axis"));
  Value data = given ? inputs[0] : reshapeTo(b, inputs[0], typeOf(inputs[0]).getNumElements());
  int64_t axis = given ? toAxis(given.getInt(), typeOf(data).getRank()) : 0;
  if (auto known = getConstantInts(op, 1)) {
    SmallVector<int64_t> indices;
    for (auto [i, isTaken] : llvm::enumerate(*known)) {
      if (isTaken) {
        indices.push_back(int64_t(i));
      }
    }
    return {take(b, data, axis, indices)};
  }
  int64_t count = outputType(op, 0).getDimSize(unsigned(axis));
  return {gatherAlong(b, data, findTrue(b, inputs[1], count), axis)};
}

SmallVector<Value> convertNonZero(NodeOp op, ValueRange inputs, ImplicitLocOpBuilder &b) {
  ArrayRef<int64_t> shape = shapeOf(inputs[0]);
  int64_t rank = int64_t(shape.size()), extent = product(shape);
  int64_t count = outputType(op, 0).getDimSize(1);
  Value flat = reshapeTo(b, inputs[0], extent);
  Value condition = mapLoops(b, extent, b.getI1Type(), Access(flat), [](const Point &point) {
    return point[0].getType().isInteger(1) ? point[0] : point[0] != 0;
  });
  Value found = findTrue(b, condition, count);
  if (rank <= 1) {
    return {reshapeTo(b, found, {rank, count})};
  }
  // All indices of every place, a row each.
  SmallVector<int64_t> table;
  for (int64_t place = 0; place < extent; ++place) {
    int64_t inner = extent, rest = place;
    for (int64_t size : shape) {
      inner /= size;
      table.push_back(rest / inner);
      rest %= inner;
    }
  }
  Value rows = gatherAlong(b, makeInts(b, {extent, rank}, table), found);
  return {transpose(b, rows, {1, 0})};
}

/// Rows of the input along an axis, or its elements; a group is of equal rows.
SmallVector<Value> convertUnique(NodeOp op, ValueRange inputs, ImplicitLocOpBuilder &b) {
  auto given = dyn_cast_or_null<IntegerAttr>(op.getNodeAttr("axis"));
  bool isSorted = getInt(op, "sorted", 1) != 0;
  Type model = inputType(op, 0).getElementType();
  Value data = given ? inputs[0] : reshapeTo(b, inputs[0], typeOf(inputs[0]).getNumElements());
  int64_t axis = given ? toAxis(given.getInt(), typeOf(data).getRank()) : 0;
  SmallVector<int64_t> order{axis};
  for (int64_t d = 0; d < typeOf(data).getRank(); ++d) {
    if (d != axis) {
      order.push_back(d);
    }
  }
  int64_t rows = shapeOf(data)[size_t(axis)];
  int64_t size = rows == 0 ? 0 : typeOf(data).getNumElements() / rows;
  Value matrix = reshapeTo(b, axis == 0 ? data : transpose(b, data, order), {rows, size});
  int64_t groups = outputType(op, 0).getDimSize(unsigned(axis));
  Type i32 = b.getI32Type();
  // The first element in which rows i and j differ; `size` where none does.
  Value differ = reduceLoops(
      b, {rows, rows}, size, i32, Combine::Least,
      {Access(matrix, {loopAt(b, 0), loopAt(b, 2)}), Access(matrix, {loopAt(b, 1), loopAt(b, 2)})},
      [&](const Point &point) {
        return select(point[0] != point[1], point.loop(2), double(size));
      });
  Value first =
      reduceLoops(b, rows, rows, i32, Combine::Least, Access(differ), [&](const Point &point) {
        return select(point[0] >= double(size), point.loop(1), double(rows));
      });
  // How many groups are before that of row i.
  Value rank;
  Access firstOfOther(first, {loopAt(b, 1)});
  if (isSorted) {
    Value less = reduceLoops(
        b, {rows, rows}, size, b.getI1Type(), Combine::Any,
        {Access(matrix, {loopAt(b, 0), loopAt(b, 2)}), Access(matrix, {loopAt(b, 1), loopAt(b, 2)}),
         Access(differ, {loopAt(b, 0), loopAt(b, 1)})},
        [&](const Point &point) {
          Scalar isLess = model.isInteger(1) ? toInt(point[1]) < toInt(point[0])
                                             : inOrder(point[1], model) < inOrder(point[0], model);
          return (point[2] == point.loop(2)) & isLess;
        });
    rank = reduceLoops(
        b, rows, rows, i32, Combine::Sum, {Access(less), firstOfOther},
        [&](const Point &point) { return toInt(point[0] & (point[1] == point.loop(1))); });
  } else {
    rank = reduceLoops(b, rows, rows, i32, Combine::Sum,
                       {Access(first, {loopAt(b, 0)}), firstOfOther}, [&](const Point &point) {
                         return toInt((point[1] == point.loop(1)) & (point.loop(1) < point[0]));
                       });
  }
  Value indices = reduceLoops(b, groups, rows, i32, Combine::Sum,
                              {Access(rank, {loopAt(b, 1)}), firstOfOther}, [](const Point &point) {
                                Scalar here =
                                    (point[0] == point.loop(0)) & (point[1] == point.loop(1));
                                return select(here, point.loop(1), 0);
                              });
  Value counts = reduceLoops(b, groups, rows, i32, Combine::Sum, Access(rank, {loopAt(b, 1)}),
                             [](const Point &point) { return toInt(point[0] == point.loop(0)); });
  SmallVector<Value> results{gatherAlong(b, data, indices, axis), indices, rank, counts};
  results.resize(op.getNumResults());
  return results;
}

} // namespace

ArrayRef<Rule> getIndexingRules() {
  static const Rule rules[] = {
      {"", "Gather", 1, whyNotNativeGather, convertGather, Elements::Native},
      {"", "Gather", 1, whyNotGather, convertGather, Elements::Moved},
      {"", "GatherElements", 11, whyNotRanked, convertGatherElements, Elements::Moved},
      {"", "GatherND", 11, whyNotGatherND, convertGatherND, Elements::Moved},
      {"", "ScatterElements", 11, whyNotMovingScatter, convertScatterElements, Elements::Moved},
      {"", "ScatterElements", 11, whyNotScatter, convertScatterElements},
      {"", "Scatter", 9, whyNotScatter, convertScatterElements, Elements::Moved},
      {"", "ScatterND", 11, whyNotMovingScatter, convertScatterND, Elements::Moved},
      {"", "ScatterND", 11, whyNotScatter, convertScatterND},
      {"", "TensorScatter", 24, whyNotNativeTensorScatter, convertNativeTensorScatter,
       Elements::Native},
      {"", "TensorScatter", 24, whyNotTensorScatter, convertTensorScatter, Elements::Moved},
      {"", "MaxUnpool", 9, whyNotMaxUnpool, convertMaxUnpool, Elements::Moved},
      {"", "OneHot", 9, whyNotRanked, convertOneHot, Elements::Moved},
      {"", "ReverseSequence", 10, whyNotRanked, convertReverseSequence, Elements::Moved},
      {"", "Compress", 9, whyNotCounted, convertCompress, Elements::Moved},
      {"", "NonZero", 9, whyNotCounted, convertNonZero, Elements::Moved},
      {"", "Unique", 11, whyNotCounted, convertUnique, Elements::Moved},
  };
  return rules;
}
} // namespace lpu::onnx_lowering
