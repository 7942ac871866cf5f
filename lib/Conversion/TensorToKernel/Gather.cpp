//===- Gather.cpp - Rows by run-time index --------------------------------===//

#include "EntryConverter.h"

using namespace mlir;
using namespace mlir::lpu;
using ::lpu::tensor_lowering::EntryConverter;
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
