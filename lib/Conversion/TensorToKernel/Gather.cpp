//===- Gather.cpp - Rows by run-time index --------------------------------===//

#include "EntryConverter.h"

using namespace mlir;
using namespace mlir::lpu;
using ::lpu::tensor_lowering::EntryConverter;
using ::lpu::tensor_lowering::Extent;
using ::lpu::tensor_lowering::IndexExpr;

FailureOr<Value> EntryConverter::gatherRows(Builder &b, Value table, Value indices,
                                            Operation *user) {
  auto type = cast<BufferType>(table.getType());
  int64_t lanes = getTarget()->lanes(), vectors = type.getVectors(lanes);
  int64_t rows = cast<RankedTensorType>(indices.getType()).getNumElements();
  FailureOr<IndexExpr> index = getElement(indices, IndexExpr::row(), user);
  if (failed(index)) {
    return failure();
  }
  // ONNX counts negative indices from the end.
  IndexExpr row = select(*index < 0, *index + type.getRows(), *index);
  Value map = derive(b, "rows", row * vectors, {rows, lanes}, Format::I32);
  BufferType result = buffer({rows, type.getColumns()}, type.getFormat(), type.getWidth());
  return Value(GatherRowsOp::create(b, result, table, map, DenseI64ArrayAttr()));
}

LogicalResult EntryConverter::convertGather(Builder &b, GatherOp op) {
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
  auto table = ::lpu::tensor_lowering::getConstant(op.getTable(), files);
  if (failed(table)) {
    return failure();
  }
  if (!*table || type.getRank() != 2 || op.getAxis() != 0) {
    return op.emitOpError("expected rows of a constant matrix: no other kernel yet");
  }
  FailureOr<Value> rows =
      gatherRows(b, constant(b, **table, getExtent(type)), op.getIndices(), op);
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
