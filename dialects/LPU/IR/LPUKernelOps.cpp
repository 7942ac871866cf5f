//===- LPUKernelOps.cpp - The kernel level of the lpu dialect -------------===//

#include "LPU/IR/LPUKernelOps.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace mlir::lpu;

#include "LPU/IR/LPUKernelEnums.cpp.inc"

#define GET_TYPEDEF_CLASSES
#include "LPU/IR/LPUKernelTypes.cpp.inc"

#define GET_OP_CLASSES
#include "LPU/IR/LPUKernelOps.cpp.inc"

void LPUDialect::registerKernelLevel() {
  addTypes<
#define GET_TYPEDEF_LIST
#include "LPU/IR/LPUKernelTypes.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "LPU/IR/LPUKernelOps.cpp.inc"
      >();
}

unsigned mlir::lpu::getNumBytes(Format format) {
  switch (format) {
  case Format::F32:
    return 4;
  case Format::F16:
    return 2;
  default:
    return getNumLimbs(format);
  }
}

unsigned mlir::lpu::getNumLimbs(Format format) {
  switch (format) {
  case Format::I8x1:
    return 1;
  case Format::I8x2:
    return 2;
  case Format::I8x3:
    return 3;
  case Format::I8x4:
    return 4;
  default:
    return 0;
  }
}

SmallVector<Placement> mlir::lpu::decodePlacement(DenseI64ArrayAttr attribute,
                                                  unsigned numBytes) {
  SmallVector<Placement> copies;
  ArrayRef<int64_t> values = attribute.asArrayRef();
  while (values.size() >= 3 * numBytes) {
    Placement copy;
    for (unsigned b = 0; b < numBytes; ++b) {
      copy.push_back({values[3 * b], values[3 * b + 1], values[3 * b + 2]});
    }
    copies.push_back(copy);
    values = values.drop_front(3 * numBytes);
  }
  return copies;
}

DenseI64ArrayAttr mlir::lpu::encodePlacement(MLIRContext *context,
                                             ArrayRef<Placement> copies) {
  SmallVector<int64_t> values;
  for (const Placement &copy : copies) {
    for (const BytePlacement &byte : copy) {
      values.append({byte.slice, byte.bank, byte.first});
    }
  }
  return DenseI64ArrayAttr::get(context, values);
}

// A stripe is written as plane, bank, first word, number of slices, slices.
SmallVector<Stripe> mlir::lpu::decodeStripes(DenseI64ArrayAttr attribute) {
  SmallVector<Stripe> stripes;
  ArrayRef<int64_t> values = attribute.asArrayRef();
  while (values.size() >= 4 && values.size() >= size_t(4 + values[3])) {
    Stripe stripe{values[0], values[1], values[2], {}};
    stripe.slices.assign(values.begin() + 4, values.begin() + 4 + values[3]);
    values = values.drop_front(4 + values[3]);
    stripes.push_back(std::move(stripe));
  }
  return stripes;
}

DenseI64ArrayAttr mlir::lpu::encodeStripes(MLIRContext *context,
                                           ArrayRef<Stripe> stripes) {
  SmallVector<int64_t> values;
  for (const Stripe &stripe : stripes) {
    values.append({stripe.plane, stripe.bank, stripe.first,
                   int64_t(stripe.slices.size())});
    llvm::append_range(values, stripe.slices);
  }
  return DenseI64ArrayAttr::get(context, values);
}

LogicalResult ConstantRowsOp::verify() {
  auto type = dyn_cast<RankedTensorType>(getValue().getType());
  BufferType buffer = getResult().getType();
  if (!type || type.getRank() != 2 || !type.getElementType().isF32() ||
      buffer.getFormat() != Format::F32) {
    return emitOpError("expected a two-dimensional f32 value and an f32 buffer");
  }
  if (type.getDimSize(0) != buffer.getRows() ||
      type.getDimSize(1) != buffer.getColumns()) {
    return emitOpError("expected a value of ")
           << buffer.getRows() << " x " << buffer.getColumns() << ", got "
           << type;
  }
  return success();
}

LogicalResult ContractOp::verify() {
  auto weights = dyn_cast<RankedTensorType>(getWeights().getType());
  BufferType x = getActivations().getType();
  BufferType scales = getScales().getType();
  AccType result = getResult().getType();
  if (!weights || weights.getRank() != 2 ||
      !weights.getElementType().isInteger(8)) {
    return emitOpError("expected K x N int8 weights");
  }
  int64_t limbs = getNumLimbs(x.getFormat());
  if (limbs == 0) {
    return emitOpError("expected activations in int8 limbs, got ") << x;
  }
  if (weights.getDimSize(0) != x.getColumns()) {
    return emitOpError("expected activations of ")
           << weights.getDimSize(0) << " columns, got " << x.getColumns();
  }
  if (result.getRows() != x.getRows() ||
      result.getFormat() != x.getFormat() ||
      (result.getColumns() != weights.getDimSize(1) &&
       result.getColumns() != 1)) {
    return emitOpError("expected a result of ")
           << x.getRows() << " x " << weights.getDimSize(1) << ", "
           << stringifyFormat(x.getFormat()) << ", got " << result;
  }
  if (scales.getRows() != limbs || scales.getFormat() != Format::F32 ||
      (scales.getColumns() != result.getColumns() &&
       scales.getColumns() != 1)) {
    return emitOpError("expected f32 scales of ")
           << limbs << " x " << result.getColumns() << ", got " << scales;
  }
  return success();
}

namespace {
struct Extent {
  int64_t rows, columns;
};
Extent getExtent(Type type) {
  if (auto buffer = dyn_cast<BufferType>(type)) {
    return {buffer.getRows(), buffer.getColumns()};
  }
  auto acc = cast<AccType>(type);
  return {acc.getRows(), acc.getColumns()};
}
} // namespace

LogicalResult MapOp::verify() {
  if (getNumResults() == 0) {
    return emitOpError("expected at least one result");
  }
  Extent extent = getExtent(getResult(0).getType());
  for (Value result : getResults()) {
    Extent other = getExtent(result.getType());
    if (other.rows != extent.rows || other.columns != extent.columns) {
      return emitOpError("expected results of one shape, got ")
             << getResult(0).getType() << " and " << result.getType();
    }
  }
  for (Value input : getInputs()) {
    Extent other = getExtent(input.getType());
    if ((other.rows != extent.rows && other.rows != 1) ||
        (other.columns != extent.columns && other.columns != 1)) {
      return emitOpError("expected inputs of ")
             << extent.rows << " or 1 rows and " << extent.columns
             << " or 1 columns, got " << input.getType();
    }
  }
  if (getScales().size() != getNumResults()) {
    return emitOpError("expected one scale a result, got ")
           << getScales().size() << " for " << getNumResults();
  }
  Block &block = getBody().front();
  if (block.getNumArguments() != getInputs().size() ||
      !llvm::all_of(block.getArgumentTypes(),
                    [](Type type) { return type.isF32(); })) {
    return emitOpError("expected one f32 block argument an input");
  }
  auto yield = dyn_cast<YieldOp>(block.getTerminator());
  if (!yield || yield.getValues().size() != getNumResults()) {
    return emitOpError("expected lpu.yield with one value a result");
  }
  return success();
}
