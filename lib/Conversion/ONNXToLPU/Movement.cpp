//===- Movement.cpp - Operators that only move or rename elements ---------===//

#include "Elements.h"
#include "Loops.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Utils/IndexingUtils.h"
#include "mlir/Dialect/Utils/ReshapeOpsUtils.h"

using namespace mlir;
using mlir::onnx::NodeOp;

namespace lpu::onnx_lowering {
namespace {

SmallVector<Value> convertIdentity(NodeOp op, ValueRange inputs, ImplicitLocOpBuilder &b) {
  return {inputs[0]};
}

std::string whyNotReshape(NodeOp op) {
  std::string reason = whyNotRanked(op);
  if (!reason.empty()) {
    return reason;
  }
  auto from = cast<RankedTensorType>(op.getInputs()[0].getType());
  auto to = cast<RankedTensorType>(op.getResult(0).getType());
  if (from.hasStaticShape() && to.hasStaticShape() &&
      from.getNumElements() != to.getNumElements()) {
    return "input 0, " + describeShape(from) + ", and output 0, " + describeShape(to) +
           ", have different numbers of elements";
  }
  return "";
}

/// Any operator whose output has the input's elements in the input's order: the
/// shape is the type's, however the node spells it.
SmallVector<Value> convertReshape(NodeOp op, ValueRange inputs, ImplicitLocOpBuilder &b) {
  return {reshape(b, inputs[0], cast<RankedTensorType>(op.getResult(0).getType()))};
}

std::string whyNotTranspose(NodeOp op) {
  std::string reason = whyNotRanked(op);
  if (!reason.empty()) {
    return reason;
  }
  auto order = dyn_cast_or_null<DenseI64ArrayAttr>(op.getNodeAttr("perm"));
  int64_t rank = cast<RankedTensorType>(op.getInputs()[0].getType()).getRank();
  return order && !isPermutationVector(order.asArrayRef()) ? "perm is no permutation"
         : order && order.size() != rank                   ? "perm has not the input's rank"
                                                           : "";
}

SmallVector<Value> convertTranspose(NodeOp op, ValueRange inputs, ImplicitLocOpBuilder &b) {
  int64_t rank = cast<RankedTensorType>(inputs[0].getType()).getRank();
  auto order = dyn_cast_or_null<DenseI64ArrayAttr>(op.getNodeAttr("perm"));
  SmallVector<int64_t> permutation =
      order ? llvm::to_vector(order.asArrayRef())
            : llvm::to_vector(llvm::reverse(llvm::seq<int64_t>(0, rank)));
  return {transpose(b, inputs[0], permutation)};
}

//===----------------------------------------------------------------------===//
// Parts and joins
//===----------------------------------------------------------------------===//

std::string whyNotRankedInput(NodeOp op) {
  std::string reason = whyNotRanked(op);
  return !reason.empty() ? reason : inputType(op, 0).getRank() == 0 ? "input 0 is a scalar" : "";
}

SmallVector<Value> convertConcat(NodeOp op, ValueRange inputs, ImplicitLocOpBuilder &b) {
  int64_t axis = toAxis(getInt(op, "axis", 1), typeOf(inputs[0]).getRank());
  return {concatenate(b, llvm::to_vector(inputs), axis)};
}

SmallVector<Value> convertSplit(NodeOp op, ValueRange inputs, ImplicitLocOpBuilder &b) {
  int64_t axis = toAxis(getInt(op, "axis", 0), typeOf(inputs[0]).getRank());
  // The sizes are the results', however the node spells them.
  SmallVector<Value> parts;
  int64_t first = 0;
  for (Value result : op.getResults()) {
    int64_t size = shapeOf(result)[size_t(axis)];
    parts.push_back(sliceAxis(b, inputs[0], axis, first, size));
    first += size;
  }
  return parts;
}

std::string whyNotSplit(NodeOp op) {
  std::string reason = whyNotRankedInput(op);
  for (unsigned i = 0; reason.empty() && i < op.getNumResults(); ++i) {
    if (!op.hasOutput(i)) {
      reason = ("output " + Twine(i) + " is not wanted").str();
    }
  }
  return reason;
}

/// A list of a node, which early versions have as attribute `name`, later ones as input `index`.
std::optional<SmallVector<int64_t>> getList(NodeOp op, unsigned index, StringRef name) {
  auto list = getIntList(op, name);
  return list ? list : getConstantInts(op, index);
}

std::string whyNotSlice(NodeOp op) {
  return op.getSinceVersion() < 10
             ? whyNotRanked(op)
             : whyNotConstant(op, {{1, "starts"}, {2, "ends"}, {3, "axes"}, {4, "steps"}});
}

SmallVector<Value> convertSlice(NodeOp op, ValueRange inputs, ImplicitLocOpBuilder &b) {
  int64_t rank = typeOf(inputs[0]).getRank();
  SmallVector<int64_t> starts = *getList(op, 1, "starts");
  auto axes = getList(op, 3, "axes"), steps = getConstantInts(op, 4);
  Value result = inputs[0];
  for (auto [i, start] : llvm::enumerate(starts)) {
    int64_t axis = axes ? toAxis((*axes)[i], rank) : int64_t(i);
    int64_t step = steps ? (*steps)[i] : 1;
    int64_t extent = shapeOf(inputs[0])[size_t(axis)];
    int64_t size = outputType(op, 0).getDimSize(axis);
    int64_t first = std::clamp<int64_t>(start < 0 ? start + extent : start, 0,
                                        step < 0 ? std::max<int64_t>(extent - 1, 0) : extent);
    SmallVector<int64_t> indices;
    for (int64_t k = 0; k < size; ++k) {
      indices.push_back(first + k * step);
    }
    result = take(b, result, axis, indices);
  }
  return {result};
}

//===----------------------------------------------------------------------===//
// Pad
//===----------------------------------------------------------------------===//

std::string whyNotPad(NodeOp op) {
  std::string reason = whyNotRanked(op);
  StringRef mode = getString(op, "mode", "constant");
  if (reason.empty() && !llvm::is_contained({"constant", "reflect", "edge", "wrap"}, mode)) {
    return ("mode is " + mode).str();
  }
  if (reason.empty() && mode != "constant" && llvm::is_contained(inputType(op, 0).getShape(), 0) &&
      !llvm::is_contained(outputType(op, 0).getShape(), 0)) {
    return "nothing to take what is outside from";
  }
  if (!reason.empty() || op.getSinceVersion() < 11) {
    return reason;
  }
  return whyNotConstant(op, {{1, "pads"}, {3, "axes"}});
}

/// Which index of the input is at `index`, which may be outside; the extent is not 0.
int64_t findSource(int64_t index, int64_t extent, StringRef mode) {
  if (mode == "edge" || extent == 1) {
    return std::clamp<int64_t>(index, 0, extent - 1);
  }
  int64_t period = mode == "wrap" ? extent : 2 * (extent - 1);
  int64_t at = (index % period + period) % period;
  return at < extent ? at : period - at;
}

SmallVector<Value> convertPad(NodeOp op, ValueRange inputs, ImplicitLocOpBuilder &b) {
  if (llvm::is_contained(outputType(op, 0).getShape(), 0)) {
    return {tensor::EmptyOp::create(b, outputType(op, 0).getShape(), elementOf(inputs[0]))};
  }
  auto type = typeOf(inputs[0]);
  SmallVector<int64_t> shape(outputType(op, 0).getShape());
  size_t rank = size_t(type.getRank());
  auto list = getIntList(op, "paddings"); // version 1
  SmallVector<int64_t> pads = list ? *list : *getList(op, 1, "pads");
  SmallVector<int64_t> axes = llvm::to_vector(llvm::seq<int64_t>(0, type.getRank()));
  if (auto given = getConstantInts(op, 3)) {
    axes = *given;
  }
  SmallVector<int64_t> low(rank, 0), high(rank, 0);
  for (auto [i, axis] : llvm::enumerate(axes)) {
    low[size_t(toAxis(axis, type.getRank()))] = pads[i];
    high[size_t(toAxis(axis, type.getRank()))] = pads[i + axes.size()];
  }
  StringRef mode = getString(op, "mode", "constant");
  Value result = inputs[0];
  if (mode != "constant") {
    for (size_t d = 0; d < rank; ++d) {
      SmallVector<int64_t> indices;
      for (int64_t i = 0; i < shape[d]; ++i) {
        indices.push_back(findSource(i - low[d], type.getDimSize(unsigned(d)), mode));
      }
      result = take(b, result, int64_t(d), indices);
    }
    return {result};
  }
  // Negative pads crop.
  for (size_t d = 0; d < rank; ++d) {
    int64_t first = std::max<int64_t>(-low[d], 0), last = std::max<int64_t>(-high[d], 0);
    result = sliceAxis(b, result, int64_t(d), first, type.getDimSize(unsigned(d)) - first - last);
    low[d] = std::max<int64_t>(low[d], 0);
    high[d] = std::max<int64_t>(high[d], 0);
  }
  Type element = type.getElementType();
  Value number = op.hasInput(2) ? inputs[2] : Value();
  auto known = op.hasInput(2) ? getConstantFloats(inputs[2])
                              : std::optional(SmallVector<double>{getFloat(op, "value", 0)});
  if (known) {
    double value = known->empty() ? 0 : known->front();
    TypedAttr attribute = isa<FloatType>(element) ? TypedAttr(b.getFloatAttr(element, value))
                          : element.isInteger(1)
                              ? TypedAttr(b.getBoolAttr(value != 0))
                              : TypedAttr(b.getI32IntegerAttr(int32_t(int64_t(value))));
    return {padWith(b, result, low, high, attribute)};
  }
  // A number of the run: written over the zeros outside.
  Value zeros = padWith(b, result, low, high, getNeutral(b, Combine::Sum, element));
  SmallVector<AffineExpr> first(size_t(typeOf(number).getRank()), fixedAt(b, 0));
  return {
      mapLoops(b, shape, element, {Access(zeros), Access(number, first)}, [&](const Point &point) {
        Scalar value = point[0];
        for (size_t d = 0; d < rank; ++d) {
          if (low[d] != 0) {
            value = select(point.loop(unsigned(d)) < double(low[d]), point[1], value);
          }
          if (high[d] != 0) {
            value = select(point.loop(unsigned(d)) >= double(shape[d] - high[d]), point[1], value);
          }
        }
        return value;
      })};
}

/// The middle of what is longer, zeros around what is shorter.
SmallVector<Value> convertCenterCropPad(NodeOp op, ValueRange inputs, ImplicitLocOpBuilder &b) {
  SmallVector<int64_t> low, high;
  Value result = inputs[0];
  for (auto [d, size] : llvm::enumerate(outputType(op, 0).getShape())) {
    int64_t extent = shapeOf(result)[d], more = std::max<int64_t>(size - extent, 0);
    result = sliceAxis(b, result, int64_t(d), std::max<int64_t>(extent - size, 0) / 2,
                       std::min(extent, size));
    low.push_back(more / 2);
    high.push_back(more - more / 2);
  }
  return {padWith(b, result, low, high, getNeutral(b, Combine::Sum, elementOf(result)))};
}

//===----------------------------------------------------------------------===//
// Copies
//===----------------------------------------------------------------------===//

SmallVector<Value> convertExpand(NodeOp op, ValueRange inputs, ImplicitLocOpBuilder &b) {
  ArrayRef<int64_t> shape = outputType(op, 0).getShape(), from = shapeOf(inputs[0]);
  if (shape == from) {
    return {inputs[0]};
  }
  SmallVector<AffineExpr> at = loopsAt(b, from.size(), unsigned(shape.size() - from.size()));
  for (auto [d, extent] : llvm::enumerate(from)) {
    if (extent == 1) {
      at[d] = fixedAt(b, 0);
    }
  }
  return {mapLoops(b, shape, elementOf(inputs[0]), Access(inputs[0], at),
                   [](const Point &point) { return point[0]; })};
}

SmallVector<Value> convertTile(NodeOp op, ValueRange inputs, ImplicitLocOpBuilder &b) {
  ArrayRef<int64_t> shape = outputType(op, 0).getShape(), from = shapeOf(inputs[0]);
  // As many loops around a dimension as it has copies.
  SmallVector<int64_t> loops;
  SmallVector<AffineExpr> at;
  for (auto [size, extent] : llvm::zip(shape, from)) {
    if (size != extent) {
      loops.push_back(extent == 0 ? 1 : size / extent);
    }
    at.push_back(loopAt(b, unsigned(loops.size())));
    loops.push_back(extent);
  }
  if (loops.size() == from.size()) {
    return {inputs[0]};
  }
  Value result = mapLoops(b, loops, elementOf(inputs[0]), Access(inputs[0], at),
                          [](const Point &point) { return point[0]; });
  return {reshapeTo(b, result, shape)};
}

std::string whyNotImage(NodeOp op) {
  std::string reason = whyNotRanked(op);
  return !reason.empty()                   ? reason
         : inputType(op, 0).getRank() != 4 ? "input 0 has not 4 dimensions"
                                           : "";
}

SmallVector<Value> convertDepthToSpace(NodeOp op, ValueRange inputs, ImplicitLocOpBuilder &b) {
  ArrayRef<int64_t> from = shapeOf(inputs[0]);
  int64_t block = getInt(op, "blocksize", 1), depth = from[1] / (block * block);
  bool isDCR = getString(op, "mode", "DCR") == "DCR";
  SmallVector<int64_t> split =
      isDCR ? SmallVector<int64_t>{from[0], block, block, depth, from[2], from[3]}
            : SmallVector<int64_t>{from[0], depth, block, block, from[2], from[3]};
  Value result = reshapeTo(b, inputs[0], split);
  result =
      isDCR ? transpose(b, result, {0, 3, 4, 1, 5, 2}) : transpose(b, result, {0, 1, 4, 2, 5, 3});
  return {reshapeTo(b, result, outputType(op, 0).getShape())};
}

SmallVector<Value> convertSpaceToDepth(NodeOp op, ValueRange inputs, ImplicitLocOpBuilder &b) {
  ArrayRef<int64_t> from = shapeOf(inputs[0]);
  int64_t block = getInt(op, "blocksize", 1);
  bool isDCR = getString(op, "mode", "DCR") == "DCR";
  Value result =
      reshapeTo(b, inputs[0], {from[0], from[1], from[2] / block, block, from[3] / block, block});
  result =
      isDCR ? transpose(b, result, {0, 3, 5, 1, 2, 4}) : transpose(b, result, {0, 1, 3, 5, 2, 4});
  return {reshapeTo(b, result, outputType(op, 0).getShape())};
}

std::string whyNotTrilu(NodeOp op) {
  std::string reason = whyNotConstant(op, {{1, "k"}});
  return !reason.empty() ? reason : inputType(op, 0).getRank() < 2 ? "input 0 is no matrix" : "";
}

SmallVector<Value> convertTrilu(NodeOp op, ValueRange inputs, ImplicitLocOpBuilder &b) {
  auto k = getConstantInts(op, 1);
  bool isUpper = getInt(op, "upper", 1) != 0;
  Type element = elementOf(inputs[0]);
  unsigned rank = unsigned(typeOf(inputs[0]).getRank());
  return {mapLoops(b, shapeOf(inputs[0]), element, Access(inputs[0]), [&](const Point &point) {
    Scalar above = point.loop(rank - 1) - point.loop(rank - 2);
    double diagonal = double(k ? k->front() : 0);
    Scalar stays = isUpper ? above >= diagonal : above <= diagonal;
    return select(stays, point[0], 0);
  })};
}

//===----------------------------------------------------------------------===//
// Constants, where folding left them
//===----------------------------------------------------------------------===//

Value makeSplat(ImplicitLocOpBuilder &b, RankedTensorType type, double value) {
  Type element = type.getElementType();
  Attribute attribute = isa<FloatType>(element) ? Attribute(b.getFloatAttr(element, value))
                        : element.isInteger(1)
                            ? Attribute(b.getBoolAttr(value != 0))
                            : Attribute(b.getI32IntegerAttr(int32_t(uint32_t(int64_t(value)))));
  return arith::ConstantOp::create(b, DenseElementsAttr::get(type, attribute));
}

SmallVector<Value> convertConstantOfShape(NodeOp op, ValueRange, ImplicitLocOpBuilder &b) {
  auto value = dyn_cast_or_null<DenseElementsAttr>(op.getNodeAttr("value"));
  double number = 0;
  if (value && isa<FloatType>(value.getElementType())) {
    APFloat first = *value.value_begin<APFloat>();
    bool loses = false;
    first.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &loses);
    number = first.convertToDouble();
  } else if (value) {
    APInt first = *value.value_begin<APInt>();
    bool isUnsigned = value.getElementType().isUnsignedInteger() || first.getBitWidth() == 1;
    number = isUnsigned ? double(first.getZExtValue()) : double(first.getSExtValue());
  }
  return {makeSplat(b, getCarriedTensor(op.getResult(0).getType()), number)};
}

SmallVector<Value> convertEyeLike(NodeOp op, ValueRange, ImplicitLocOpBuilder &b) {
  auto type = getCarriedTensor(op.getResult(0).getType());
  Value zeros = makeSplat(b, type, 0);
  int64_t k = getInt(op, "k", 0);
  return {
      mapLoops(b, type.getShape(), type.getElementType(), Access(zeros), [&](const Point &point) {
        return select(point.loop(1) == point.loop(0) + double(k), point[0].like(1), point[0]);
      })};
}

SmallVector<Value> convertShape(NodeOp op, ValueRange, ImplicitLocOpBuilder &b) {
  ArrayRef<int64_t> shape = inputType(op, 0).getShape();
  int64_t rank = int64_t(shape.size()), start = getInt(op, "start", 0);
  start = std::clamp<int64_t>(toAxis(start, rank), 0, rank);
  return {makeInts(b, outputType(op, 0).getShape(),
                   shape.slice(size_t(start), size_t(outputType(op, 0).getDimSize(0))))};
}

SmallVector<Value> convertSize(NodeOp op, ValueRange, ImplicitLocOpBuilder &b) {
  return {makeInts(b, {}, inputType(op, 0).getNumElements())};
}

SmallVector<Value> convertRange(NodeOp op, ValueRange inputs, ImplicitLocOpBuilder &b) {
  auto type = getCarriedTensor(op.getResult(0).getType());
  return {mapLoops(
      b, type.getShape(), type.getElementType(),
      {Access(inputs[0], ArrayRef<AffineExpr>()), Access(inputs[2], ArrayRef<AffineExpr>())},
      [](const Point &point) {
        Scalar i = point.loop(0);
        return point[0] + point[1] * (point[0].isFloat() ? toFloat(i) : i);
      })};
}

} // namespace

Value reshape(ImplicitLocOpBuilder &b, Value value, RankedTensorType type) {
  auto from = cast<RankedTensorType>(value.getType());
  if (from.getShape() == type.getShape()) {
    return value;
  }
  // Elements are as the value has them, whatever the model calls them.
  type = RankedTensorType::get(type.getShape(), from.getElementType());
  if (type.getNumElements() == 0) {
    return tensor::EmptyOp::create(b, type.getShape(), type.getElementType());
  }
  auto groups = getReassociationIndicesForReshape(from, type);
  if (groups && from.getRank() > type.getRank()) {
    return tensor::CollapseShapeOp::create(b, type, value, *groups);
  }
  if (groups && from.getRank() < type.getRank()) {
    return tensor::ExpandShapeOp::create(b, type, value, *groups);
  }
  auto flat = RankedTensorType::get({from.getNumElements()}, from.getElementType());
  return reshape(b, reshape(b, value, flat), type);
}

Value transpose(ImplicitLocOpBuilder &b, Value value, ArrayRef<int64_t> permutation) {
  if (llvm::is_sorted(permutation)) {
    return value; // linalg.transpose takes no scalars
  }
  auto type = cast<RankedTensorType>(value.getType());
  SmallVector<int64_t> shape;
  for (int64_t d : permutation) {
    shape.push_back(type.getDimSize(d));
  }
  Value init = tensor::EmptyOp::create(b, shape, type.getElementType());
  return linalg::TransposeOp::create(b, value, init, permutation)->getResult(0);
}

ArrayRef<Rule> getMovementRules() {
  static const Rule rules[] = {
      {"", "Identity", 1, whyNotRanked, convertIdentity, Elements::Moved},
      {"", "Reshape", 1, whyNotReshape, convertReshape, Elements::Moved},
      {"", "Flatten", 1, whyNotReshape, convertReshape, Elements::Moved},
      {"", "Squeeze", 1, whyNotReshape, convertReshape, Elements::Moved},
      {"", "Unsqueeze", 1, whyNotReshape, convertReshape, Elements::Moved},
      {"", "Transpose", 1, whyNotTranspose, convertTranspose, Elements::Moved},
      {"", "Concat", 1, whyNotRankedInput, convertConcat, Elements::Moved},
      {"", "Split", 1, whyNotSplit, convertSplit, Elements::Moved},
      {"", "Slice", 1, whyNotSlice, convertSlice, Elements::Moved},
      {"", "Pad", 1, whyNotPad, convertPad, Elements::Moved},
      {"", "CenterCropPad", 18, whyNotRanked, convertCenterCropPad, Elements::Moved},
      {"", "Expand", 8, whyNotRanked, convertExpand, Elements::Moved},
      {"", "Tile", 1, whyNotRanked, convertTile, Elements::Moved},
      {"", "DepthToSpace", 1, whyNotImage, convertDepthToSpace, Elements::Moved},
      {"", "SpaceToDepth", 1, whyNotImage, convertSpaceToDepth, Elements::Moved},
      {"", "Trilu", 14, whyNotTrilu, convertTrilu, Elements::Moved},
      {"", "ConstantOfShape", 9, whyNotRanked, convertConstantOfShape, Elements::Moved},
      {"", "EyeLike", 9, whyNotRanked, convertEyeLike, Elements::Moved},
      {"", "Shape", 1, whyNotRanked, convertShape, Elements::Moved},
      {"", "Size", 1, whyNotRanked, convertSize, Elements::Moved},
      {"", "Range", 11, whyNotRanked, convertRange},
  };
  return rules;
}
} // namespace lpu::onnx_lowering
