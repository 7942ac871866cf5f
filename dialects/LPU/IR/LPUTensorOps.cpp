//===- LPUTensorOps.cpp - The tensor level of the lpu dialect -------------===//

#include "LPU/IR/LPUTensorOps.h"
#include "mlir/IR/Builders.h"

using namespace mlir;
using namespace mlir::lpu;

#define GET_OP_CLASSES
#include "LPU/IR/LPUTensorOps.cpp.inc"

void LPUDialect::registerTensorLevel() {
  addOperations<
#define GET_OP_LIST
#include "LPU/IR/LPUTensorOps.cpp.inc"
      >();
}

static RankedTensorType typeOf(Value value) { return cast<RankedTensorType>(value.getType()); }

/// Whether two dimensions may be equal: they are, or one is dynamic.
static bool mayEqual(int64_t a, int64_t b) {
  return a == b || ShapedType::isDynamic(a) || ShapedType::isDynamic(b);
}

static bool mayEqual(ArrayRef<int64_t> a, ArrayRef<int64_t> b) {
  return a.size() == b.size() &&
         llvm::all_of(llvm::zip(a, b), [](auto pair) {
           return mayEqual(std::get<0>(pair), std::get<1>(pair));
         });
}

static LogicalResult verifyAxis(Operation *op, int64_t axis, RankedTensorType type) {
  if (axis < 0 || axis >= type.getRank()) {
    return op->emitOpError("expected an axis below ") << type.getRank() << ", got " << axis;
  }
  return success();
}

/// `type` broadcasts, from the right, to the dimensions of `target` from `axis` on.
static LogicalResult verifyParameter(Operation *op, StringRef name, RankedTensorType type,
                                     RankedTensorType target, int64_t axis) {
  ArrayRef<int64_t> to = target.getShape().drop_front(axis);
  ArrayRef<int64_t> shape = type.getShape();
  bool fits = shape.size() <= to.size();
  for (size_t i = 0; fits && i < shape.size(); ++i) {
    int64_t d = shape[shape.size() - 1 - i];
    fits = d == 1 || mayEqual(d, to[to.size() - 1 - i]);
  }
  if (!fits) {
    return op->emitOpError("expected ")
           << name << " to broadcast to the dimensions of " << target << " from " << axis
           << " on, got " << type;
  }
  return success();
}

LogicalResult WeightOp::verify() {
  if (getValue().getType() != getResult().getType()) {
    return emitOpError("expected a value of type ")
           << getResult().getType() << ", got " << getValue().getType();
  }
  if (std::optional<uint64_t> axis = getInt8Axis()) {
    if (!typeOf(getResult()).getElementType().isF32()) {
      return emitOpError("expected elements of f32 with int8_axis, got ") << getResult().getType();
    }
    return verifyAxis(*this, *axis, typeOf(getResult()));
  }
  return success();
}

static LogicalResult verifyScales(Operation *op, RankedTensorType scale,
                                  ArrayRef<int64_t> expected) {
  if (!mayEqual(scale.getShape(), expected)) {
    return op->emitOpError("expected scales of ")
           << RankedTensorType::get(expected, scale.getElementType()) << ", got " << scale;
  }
  return success();
}

/// C1 and C2 of lpu.narrow and lpu.widen.
static LogicalResult verifyCarried(Operation *op, Type model, Type carried) {
  RankedTensorType from = typeOf(op->getOperand(0)), to = typeOf(op->getResult(0));
  bool fits = isa<FloatType>(model) ? carried.isF32()
              : model.isInteger(1)  ? carried.isInteger(1)
                                    : isa<IntegerType>(model) && carried.isInteger(32);
  if (!mayEqual(from.getShape(), to.getShape()) || !fits) {
    return op->emitOpError("expected one shape, and f32 for floats, i32 for integers, got ")
           << from << " and " << to;
  }
  return success();
}
LogicalResult NarrowOp::verify() {
  return verifyCarried(*this, typeOf(getSource()).getElementType(),
                       typeOf(getResult()).getElementType());
}
LogicalResult WidenOp::verify() {
  return verifyCarried(*this, typeOf(getResult()).getElementType(),
                       typeOf(getSource()).getElementType());
}

LogicalResult QuantizeOp::verify() {
  RankedTensorType source = typeOf(getSource()), scale = typeOf(getScale());
  if (!mayEqual(source.getShape(), typeOf(getResult()).getShape()) ||
      source.getElementType() != scale.getElementType()) {
    return emitOpError("expected a result of the source's shape and scales of its element type, "
                       "got ")
           << source << ", " << scale << " and " << getResult().getType();
  }
  SmallVector<int64_t> expected;
  if (getAxis()) {
    if (failed(verifyAxis(*this, *getAxis(), source))) {
      return failure();
    }
    expected.push_back(source.getDimSize(*getAxis()));
  } else if (scale.getRank() == 1) {
    expected.push_back(1);
  }
  return verifyScales(*this, scale, expected);
}

LogicalResult DequantizeOp::verify() {
  RankedTensorType source = typeOf(getSource()), scale = typeOf(getScale());
  RankedTensorType result = typeOf(getResult());
  if (!mayEqual(source.getShape(), result.getShape())) {
    return emitOpError("expected a result of the source's shape, got ")
           << source << " and " << result;
  }
  if (scale.getElementType() != result.getElementType()) {
    return emitOpError("expected scales of the result's element type, got ")
           << scale << " and " << result;
  }
  if (Value zero = getZeroPoint()) {
    RankedTensorType type = typeOf(zero);
    if (!mayEqual(type.getShape(), scale.getShape()) ||
        type.getElementType() != source.getElementType()) {
      return emitOpError("expected zero points of the scales' shape and the source's element "
                         "type, got ")
             << type;
    }
  }
  SmallVector<int64_t> expected;
  if (getAxis()) {
    if (failed(verifyAxis(*this, *getAxis(), source))) {
      return failure();
    }
    expected.assign(1, source.getDimSize(*getAxis()));
    if (std::optional<uint64_t> block = getBlockSize()) {
      if (*block == 0) {
        return emitOpError("expected a block size of at least 1, got 0");
      }
      llvm::append_range(expected, source.getShape().drop_front());
      llvm::copy(source.getShape(), expected.begin());
      int64_t &d = expected[*getAxis()];
      d = ShapedType::isDynamic(d) ? d : int64_t((d + *block - 1) / *block);
    }
  } else if (getBlockSize()) {
    return emitOpError("expected an axis with block_size");
  } else if (scale.getRank() == 1) {
    expected.push_back(1);
  }
  return verifyScales(*this, scale, expected);
}

LogicalResult GatherOp::verify() {
  RankedTensorType table = typeOf(getTable()), result = typeOf(getResult());
  if (failed(verifyAxis(*this, getAxis(), table))) {
    return failure();
  }
  SmallVector<int64_t> expected(table.getShape().take_front(getAxis()));
  llvm::append_range(expected, typeOf(getIndices()).getShape());
  llvm::append_range(expected, table.getShape().drop_front(getAxis() + 1));
  if (!mayEqual(expected, result.getShape()) ||
      table.getElementType() != result.getElementType()) {
    return emitOpError("expected a result of ")
           << RankedTensorType::get(expected, table.getElementType()) << ", got " << result;
  }
  return success();
}

LogicalResult CacheUpdateOp::verify() {
  RankedTensorType cache = typeOf(getCache()), rows = typeOf(getRows());
  if (failed(verifyAxis(*this, getAxis(), cache))) {
    return failure();
  }
  if (getAxis() == 0) {
    return emitOpError("expected an axis after the batch's, got 0");
  }
  if (cache != getResult().getType()) {
    return emitOpError("expected a result of ") << cache << ", got " << getResult().getType();
  }
  SmallVector<int64_t> shape(rows.getShape());
  bool fits = rows.getRank() == cache.getRank() && rows.getElementType() == cache.getElementType();
  if (fits) {
    int64_t length = shape[getAxis()], capacity = cache.getDimSize(getAxis());
    fits = ShapedType::isDynamic(length) || ShapedType::isDynamic(capacity) || length <= capacity;
    shape[getAxis()] = capacity;
  }
  if (!fits || !mayEqual(shape, cache.getShape())) {
    return emitOpError("expected rows of the cache's type but for a shorter axis ")
           << getAxis() << ", got " << rows << " into " << cache;
  }
  if (Value positions = getPositions()) {
    if (typeOf(positions).getRank() != 1 ||
        !mayEqual(typeOf(positions).getDimSize(0), cache.getDimSize(0))) {
      return emitOpError("expected ")
             << cache.getDimSize(0) << " positions, got " << positions.getType();
    }
  }
  return success();
}

LogicalResult RmsNormOp::verify() {
  if (failed(verifyAxis(*this, getAxis(), typeOf(getInput())))) {
    return failure();
  }
  return verifyParameter(*this, "scale", typeOf(getScale()), typeOf(getInput()), getAxis());
}

LogicalResult LayerNormOp::verify() {
  if (failed(verifyAxis(*this, getAxis(), typeOf(getInput()))) ||
      failed(
          verifyParameter(*this, "scale", typeOf(getScale()), typeOf(getInput()), getAxis()))) {
    return failure();
  }
  if (getBias()) {
    return verifyParameter(*this, "bias", typeOf(getBias()), typeOf(getInput()), getAxis());
  }
  return success();
}

LogicalResult SoftmaxOp::verify() { return verifyAxis(*this, getAxis(), typeOf(getInput())); }

LogicalResult RotaryOp::verify() {
  RankedTensorType input = typeOf(getInput()), cos = typeOf(getCos());
  int64_t heads = getHeads();
  if (input.getRank() != 3 || heads < 1 || input.isDynamicDim(2) ||
      input.getDimSize(2) % heads != 0) {
    return emitOpError("expected an input of rank 3 whose last dimension is a multiple of ")
           << heads << " heads, got " << input;
  }
  int64_t size = input.getDimSize(2) / heads;
  if (cos != getSin().getType() || cos.getRank() != 3 ||
      !mayEqual(cos.getDimSize(0), input.getDimSize(0)) ||
      !mayEqual(cos.getDimSize(1), input.getDimSize(1)) || cos.isDynamicDim(2) ||
      2 * cos.getDimSize(2) > size) {
    return emitOpError("expected cos and sin of ")
           << input.getDimSize(0) << " x " << input.getDimSize(1) << " x at most " << size / 2
           << ", got " << cos << " and " << getSin().getType();
  }
  return success();
}

/// (C1), (C2): the shapes of query, key, value and result.
static LogicalResult verifyAttentionShapes(AttentionOp op) {
  RankedTensorType query = typeOf(op.getQuery()), key = typeOf(op.getKey());
  RankedTensorType value = typeOf(op.getValue()), result = typeOf(op.getResult());
  for (RankedTensorType type : {query, key, value, result}) {
    if (type.getRank() != 3 || type.isDynamicDim(2)) {
      return op.emitOpError("expected tensors of rank 3 with a static last dimension, got ")
             << type;
    }
  }
  int64_t queryHeads = op.getQueryHeads(), kvHeads = op.getKvHeads();
  if (kvHeads < 1 || queryHeads < 1 || queryHeads % kvHeads != 0) {
    return op.emitOpError("expected query heads to be a multiple of the kv heads, got ")
           << queryHeads << " and " << kvHeads;
  }
  if (query.getDimSize(2) % queryHeads != 0 || key.getDimSize(2) % kvHeads != 0 ||
      query.getDimSize(2) / queryHeads != key.getDimSize(2) / kvHeads) {
    return op.emitOpError("expected ")
           << queryHeads << " query heads and " << kvHeads << " key heads of one size, got "
           << query << " and " << key;
  }
  if (value.getDimSize(2) % kvHeads != 0 || !mayEqual(key.getDimSize(0), query.getDimSize(0)) ||
      !mayEqual(key.getShape().take_front(2), value.getShape().take_front(2))) {
    return op.emitOpError("expected ") << kvHeads << " value heads at the key's positions, got "
                                       << key << " and " << value;
  }
  int64_t width = queryHeads * (value.getDimSize(2) / kvHeads);
  if (!mayEqual(result.getShape(), {query.getDimSize(0), query.getDimSize(1), width})) {
    return op.emitOpError("expected a result of ")
           << query.getDimSize(0) << " x " << query.getDimSize(1) << " x " << width << ", got "
           << result;
  }
  return success();
}

LogicalResult AttentionOp::verify() {
  if (failed(verifyAttentionShapes(*this))) {
    return failure();
  }
  RankedTensorType query = typeOf(getQuery());
  if (Value mask = getMask()) {
    RankedTensorType type = typeOf(mask);
    int64_t full[] = {query.getDimSize(0), int64_t(getQueryHeads()), query.getDimSize(1)};
    bool fits = type.getRank() == 4;
    for (unsigned i = 0; fits && i < 3; ++i) {
      fits = type.getDimSize(i) == 1 || mayEqual(type.getDimSize(i), full[i]);
    }
    int64_t last = fits ? type.getDimSize(3) : 0, positions = typeOf(getKey()).getDimSize(1);
    if (!fits || (!ShapedType::isDynamic(last) && !ShapedType::isDynamic(positions) &&
                  last > positions)) {
      return emitOpError("expected a mask that broadcasts to ")
             << full[0] << " x " << full[1] << " x " << full[2] << " x at most " << positions
             << ", got " << type;
    }
  }
  if (Value length = getKvLength()) {
    if (typeOf(length).getRank() != 1 ||
        !mayEqual(typeOf(length).getDimSize(0), query.getDimSize(0))) {
      return emitOpError("expected ")
             << query.getDimSize(0) << " kv lengths, got " << length.getType();
    }
  }
  return success();
}
