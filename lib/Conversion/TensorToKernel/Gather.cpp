//===- Gather.cpp - Rows by run-time index --------------------------------===//

#include "EntryConverter.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/DialectResourceBlobManager.h"

using namespace mlir;
using namespace mlir::lpu;
using ::lpu::tensor_lowering::EntryConverter;
using ::lpu::tensor_lowering::Extent;
using ::lpu::tensor_lowering::IndexExpr;
using ::lpu::tensor_lowering::QuantizedTensor;

// An index outside the table would read zeros: the host checks instead.
void EntryConverter::boundIndices(Value indices, int64_t size) {
  while (isa_and_nonnull<tensor::CollapseShapeOp, tensor::ExpandShapeOp>(
      indices.getDefiningOp())) {
    indices = indices.getDefiningOp()->getOperand(0);
  }
  auto argument = dyn_cast<BlockArgument>(indices);
  if (!argument) {
    return;
  }
  StringRef name = getInputName(argument.getArgNumber());
  mlir::Builder b(entry.getContext());
  for (auto input : entry.getBody().back().getOps<IntegerInputOp>()) {
    if (input.getName() != name) {
      continue;
    }
    bool isBounded = input.getMost().has_value();
    int64_t most = std::min<int64_t>(size - 1, input.getMost().value_or(size - 1));
    int64_t least = std::max<int64_t>(-size, isBounded ? input.getLeast().value_or(0) : -size);
    input.setMostAttr(b.getI64IntegerAttr(most));
    input.setLeastAttr(least == 0 ? IntegerAttr()
                                  : b.getIntegerAttr(b.getIntegerType(64, true), least));
  }
}

FailureOr<IndexExpr> EntryConverter::getRow(Value indices, int64_t size, Operation *user) {
  FailureOr<IndexExpr> index = getElement(indices, IndexExpr::row(), user);
  if (failed(index)) {
    return failure();
  }
  boundIndices(indices, size);
  // ONNX counts negative indices from the end.
  return select(*index < 0, *index + size, *index);
}

FailureOr<Value> EntryConverter::gatherRows(ImplicitLocOpBuilder &b, Value table,
                                            Value indices, Operation *user) {
  auto type = cast<BufferType>(table.getType());
  FailureOr<IndexExpr> row = getRow(indices, type.getRows(), user);
  if (failed(row)) {
    return failure();
  }
  int64_t lanes = getTarget()->lanes();
  int64_t rows = cast<RankedTensorType>(indices.getType()).getNumElements();
  Value map = derive(b, "rows", *row * type.getVectors(lanes), {rows, lanes}, Format::I32);
  BufferType result = buffer({rows, type.getColumns()}, type.getFormat(), type.getWidth());
  return Value(GatherRowsOp::create(b, result, table, map, DenseI64ArrayAttr()));
}

template <typename T>
Value EntryConverter::table(ImplicitLocOpBuilder &b, ArrayRef<T> data, BufferType type) {
  Type element = std::is_same_v<T, float> ? Type(b.getF32Type())
                                          : Type(b.getIntegerType(8 * sizeof(T)));
  ArrayRef<char> raw(reinterpret_cast<const char *>(data.data()), data.size() * sizeof(T));
  ElementsAttr value = constants.get(
      RankedTensorType::get({type.getRows(), type.getColumns()}, element), raw, alignof(T),
      "table");
  return TableOp::create(b, type, value, DenseI64ArrayAttr());
}
template Value EntryConverter::table<float>(ImplicitLocOpBuilder &, ArrayRef<float>, BufferType);

// The scales lie as four limbs of a share of the largest, one scale a superlane: the
// map takes it from there and nothing from the others. A tile of ones brings it to all
// lanes.
Value EntryConverter::scaleRows(ImplicitLocOpBuilder &b, Value gathered,
                                ArrayRef<float> scales, const IndexExpr &row) {
  int64_t lanes = getTarget()->lanes(), superlanes = getTarget()->superlanes();
  int64_t width = getTarget()->lanesPerSuperlane();
  constexpr unsigned kLimbs = 4;
  double largest = 0;
  for (float scale : scales) {
    largest = std::max(largest, std::fabs(double(scale)));
  }
  double levels = largest == 0 ? 1 : double(getLevels(kLimbs)) / largest;
  int64_t words = (int64_t(scales.size()) - 1) / superlanes + 1;
  std::vector<int32_t> limbs(size_t(words * lanes));
  for (auto [index, scale] : llvm::enumerate(scales)) {
    int64_t k = int64_t(index);
    limbs[size_t(k / superlanes * lanes + k % superlanes * width)] =
        int32_t(std::llrint(double(scale) * levels));
  }
  Value constants = table<int32_t>(b, limbs, buffer({words, lanes}, getFormat(kLimbs)));
  BufferType type = cast<BufferType>(gathered.getType());
  int64_t rows = type.getRows();
  IndexExpr word = select(IndexExpr::lane() / width == row % superlanes, row / superlanes, -1);
  Value map = derive(b, "scales", word, {rows, lanes}, Format::I32);
  Value chosen = GatherRowsOp::create(b, buffer({rows, lanes}, getFormat(kLimbs)), constants,
                                      map, DenseI64ArrayAttr());
  auto ones = DenseElementsAttr::get(RankedTensorType::get({lanes, lanes}, b.getI8Type()),
                                     int8_t(1));
  Value scale = contract(b, chosen, ones, {1.0f}, sums({rows, 1}, getFormat(kLimbs)),
                         float(levels));
  return this->map(b, {gathered, scale},
                   buffer({rows, type.getColumns()}, Format::F32, type.getWidth()), 1.0f,
                   [](ImplicitLocOpBuilder &inner, ValueRange in) -> Value {
                     return arith::MulFOp::create(inner, in[0], in[1]);
                   });
}

LogicalResult EntryConverter::convertQuantizedGather(ImplicitLocOpBuilder &b, GatherOp op,
                                                     const QuantizedTensor &tensor) {
  Extent extent = getExtent(op.getTable().getType());
  Value constants = table<int8_t>(b, tensor.values, buffer(extent, Format::I8x1));
  FailureOr<Value> rows = gatherRows(b, constants, op.getIndices(), op);
  FailureOr<IndexExpr> row = getRow(op.getIndices(), extent.rows, op);
  if (failed(rows) || failed(row)) {
    return failure();
  }
  if (tensor.axis == 0) {
    values[op.getResult()] = scaleRows(b, *rows, tensor.scales, *row);
    return success();
  }
  SmallVector<Value> inputs{*rows};
  if (tensor.axis) {
    inputs.push_back(constant(b, tensor.scales, {1, extent.columns}));
  }
  BufferType type = cast<BufferType>(rows->getType());
  values[op.getResult()] =
      map(b, inputs, buffer({type.getRows(), extent.columns}, Format::F32), 1.0f,
          [&](ImplicitLocOpBuilder &inner, ValueRange in) -> Value {
            Value scale = in.size() == 2 ? in[1]
                                         : Value(arith::ConstantOp::create(
                                               inner, inner.getF32FloatAttr(tensor.scales[0])));
            return arith::MulFOp::create(inner, in[0], scale);
          });
  return success();
}

LogicalResult EntryConverter::convertGather(ImplicitLocOpBuilder &b, GatherOp op) {
  // The rows of a rotary table are laid out for their user.
  if (llvm::all_of(op.getResult().getUsers(), [&](Operation *user) {
        auto rotary = dyn_cast<RotaryOp>(user);
        return rotary && rotary.getInput() != op.getResult();
      })) {
    return success();
  }
  auto type = cast<RankedTensorType>(op.getTable().getType());
  if (Value computed = values.lookup(op.getTable())) {
    return convertComputedGather(b, op, computed);
  }
  bool isRows = type.getRank() == 2 && op.getAxis() == 0;
  auto quantized = ::lpu::tensor_lowering::getQuantizedTensor(op.getTable(), files);
  if (failed(quantized)) {
    return failure();
  }
  if (isRows && *quantized) {
    return convertQuantizedGather(b, op, **quantized);
  }
  auto data = ::lpu::tensor_lowering::getConstant(op.getTable(), files);
  if (failed(data)) {
    return failure();
  }
  if (!isRows || !*data) {
    return op.emitOpError("expected rows of a constant matrix: no other kernel yet");
  }
  Value constants = table<float>(b, **data, buffer(getExtent(type), Format::F32));
  FailureOr<Value> rows = gatherRows(b, constants, op.getIndices(), op);
  if (failed(rows)) {
    return failure();
  }
  values[op.getResult()] = *rows;
  return success();
}

LogicalResult EntryConverter::convertComputedGather(Builder &b, GatherOp op, Value table) {
  auto type = cast<RankedTensorType>(op.getTable().getType());
  int64_t axis = int64_t(op.getAxis());
  Extent extent = getExtent(type);
  if (axis == type.getRank() - 1 || extent.rows != type.getDimSize(axis) ||
      !layouts[op.getTable()].isPlain()) {
    return op.emitOpError("expected rows, all along one axis: no other kernel yet");
  }
  if (extent.rows == 1 && getExtent(op.getResult().getType()) == extent) {
    values[op.getResult()] = table; // the only row there is
    return success();
  }
  if (!isa<BufferType>(table.getType())) {
    table = map(b, table, buffer(extent, Format::F32), 1.0f,
                [](Builder &, ValueRange in) { return in[0]; });
  }
  FailureOr<Value> rows = gatherRows(b, table, op.getIndices(), op);
  if (failed(rows)) {
    return failure();
  }
  values[op.getResult()] = *rows;
  return success();
}
