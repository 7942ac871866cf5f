//===- Quantization.cpp - Integers that stand for real numbers ------------===//

#include "Elementwise.h"
#include "LPU/IR/LPUTensorOps.h"
#include "Rules.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace ::lpu::onnx_lowering;
using mlir::onnx::NodeOp;

namespace {

std::string whyNotDequantize(NodeOp op) {
  std::string reason = ::lpu::onnx_lowering::whyNotRanked(op);
  if (!reason.empty()) {
    return reason;
  }
  if (!cast<ShapedType>(op.getInputs()[0].getType()).getElementType().isSignlessInteger(8)) {
    return "input 0 is not int8";
  }
  if (op.hasInput(2)) {
    return "a zero point is not supported yet";
  }
  return ::lpu::onnx_lowering::getInt(op, "block_size", 0) != 0 ? "blocks are not supported yet"
                                                                : "";
}

/// The axis of scales, where there are several.
IntegerAttr getAxis(NodeOp op, RankedTensorType type, RankedTensorType scale, OpBuilder &b) {
  if (scale.getRank() != 1) {
    return {};
  }
  int64_t value = ::lpu::onnx_lowering::getInt(op, "axis", 1);
  return b.getI64IntegerAttr(value < 0 ? value + type.getRank() : value);
}

SmallVector<Value> convertDequantize(NodeOp op, ValueRange inputs, ImplicitLocOpBuilder &b) {
  auto type = cast<RankedTensorType>(op.getResult(0).getType());
  auto scale = cast<RankedTensorType>(inputs[1].getType());
  return {mlir::lpu::DequantizeOp::create(b, type, inputs[0], inputs[1], Value(),
                                          getAxis(op, type, scale, b), IntegerAttr(), UnitAttr())
              .getResult()};
}

std::string whyNotQuantize(NodeOp op) {
  std::string reason = ::lpu::onnx_lowering::whyNotRanked(op);
  if (!reason.empty()) {
    return reason;
  }
  if (!cast<ShapedType>(op.getResult(0).getType()).getElementType().isSignlessInteger(8)) {
    return "output 0 is not int8";
  }
  for (unsigned input : {0u, 1u}) {
    if (!cast<ShapedType>(op.getInputs()[input].getType()).getElementType().isF32()) {
      return ("input " + Twine(input) + " is not float").str();
    }
  }
  if (op.hasInput(2)) {
    return "a zero point is not supported yet";
  }
  if (::lpu::onnx_lowering::getInt(op, "precision", 1) > 1) {
    return "precision is not float"; // 1 is ONNX's FLOAT, 0 the scale's type
  }
  return ::lpu::onnx_lowering::getInt(op, "block_size", 0) != 0 ? "blocks are not supported yet"
                                                                : "";
}

SmallVector<Value> convertQuantize(NodeOp op, ValueRange inputs, ImplicitLocOpBuilder &b) {
  auto type = cast<RankedTensorType>(op.getResult(0).getType());
  auto scale = cast<RankedTensorType>(inputs[1].getType());
  return {mlir::lpu::QuantizeOp::create(b, type, inputs[0], inputs[1], getAxis(op, type, scale, b))
              .getResult()};
}

//===----------------------------------------------------------------------===//
// Any type, zero points, blocks
//===----------------------------------------------------------------------===//

/// Scales and zero points have one element, one an index of an axis, or one a
/// block of it.
std::string whyNotGranular(NodeOp op) {
  std::string reason = whyNotNumbers(op);
  if (!reason.empty()) {
    return reason;
  }
  auto type = cast<RankedTensorType>(op.getInputs()[0].getType());
  auto scale = cast<RankedTensorType>(op.getInputs()[1].getType());
  int64_t axis = getInt(op, "axis", 1), rank = type.getRank();
  int64_t block = getInt(op, "block_size", 0);
  axis = axis < 0 ? axis + rank : axis;
  if (!type.hasStaticShape() || !scale.hasStaticShape()) {
    return "";
  }
  if (block == 0) {
    bool fits = scale.getNumElements() == 1 || (scale.getRank() == 1 && axis >= 0 && axis < rank &&
                                                scale.getDimSize(0) == type.getDimSize(axis));
    return fits ? ""
                : "input 1 has neither one scale nor one for each index of the "
                  "axis";
  }
  bool fits = scale.getRank() == rank && axis >= 0 && axis < rank;
  for (int64_t d = 0; fits && d < rank; ++d) {
    int64_t extent = type.getDimSize(d);
    fits = scale.getDimSize(d) == (d == axis ? (extent + block - 1) / block : extent);
  }
  return fits ? "" : "input 1 does not have a scale for each block";
}

/// A scale or zero point in a shape that broadcasts to `type`.
Value spread(NodeOp op, ImplicitLocOpBuilder &b, Value value, RankedTensorType type) {
  auto from = cast<RankedTensorType>(value.getType());
  int64_t rank = type.getRank(), axis = getInt(op, "axis", 1), block = getInt(op, "block_size", 0);
  axis = axis < 0 ? axis + rank : axis;
  if (block == 0) {
    SmallVector<int64_t> shape(size_t(rank), 1);
    if (from.getNumElements() != 1) {
      shape[size_t(axis)] = from.getDimSize(0);
    } else if (from.getRank() <= 1) {
      shape.clear();
    }
    return reshape(b, value, RankedTensorType::get(shape, from.getElementType()));
  }
  // Each once for every index of its block; the last block may be cut.
  SmallVector<int64_t> shape(from.getShape());
  shape.insert(shape.begin() + axis + 1, block);
  SmallVector<AffineExpr> indices;
  for (int64_t d = 0; d < rank; ++d) {
    indices.push_back(b.getAffineDimExpr(unsigned(d <= axis ? d : d + 1)));
  }
  AffineMap map = AffineMap::get(unsigned(rank + 1), 0, indices, b.getContext());
  Value repeated = mapIndexed(b, shape, from.getElementType(), value, map,
                              [](ImplicitLocOpBuilder &, ValueRange in) { return in[0]; });
  SmallVector<int64_t> joined(from.getShape());
  joined[size_t(axis)] *= block;
  repeated = reshape(b, repeated, RankedTensorType::get(joined, from.getElementType()));
  if (joined[size_t(axis)] == type.getDimSize(axis)) {
    return repeated;
  }
  SmallVector<OpFoldResult> offsets(size_t(rank), b.getIndexAttr(0)), sizes,
      strides(size_t(rank), b.getIndexAttr(1));
  for (int64_t extent : type.getShape()) {
    sizes.push_back(b.getIndexAttr(extent));
  }
  return tensor::ExtractSliceOp::create(b, repeated, offsets, sizes, strides);
}

/// Of integers that are signed or narrow.
Value toFloat(ImplicitLocOpBuilder &b, Value value) {
  return isa<FloatType>(value.getType()) ? value
                                         : Value(arith::SIToFPOp::create(b, b.getF32Type(), value));
}

SmallVector<Value> convertAnyDequantize(NodeOp op, ValueRange inputs, ImplicitLocOpBuilder &b) {
  auto type = getCarriedTensor(op.getResult(0).getType());
  bool hasZero = op.hasInput(2) && !isa<FloatType>(elementOf(inputs[2]));
  SmallVector<Value> given{inputs[0], spread(op, b, inputs[1], type)};
  if (hasZero) {
    given.push_back(spread(op, b, inputs[2], type));
  }
  return {mapElements(b, type.getShape(), type.getElementType(), given,
                      [&](ImplicitLocOpBuilder &at, ValueRange in) {
                        Value x = in[0];
                        if (hasZero) {
                          x = arith::SubIOp::create(at, x, in[2]);
                        }
                        return arith::MulFOp::create(at, toFloat(at, x), in[1]).getResult();
                      })};
}

std::string whyNotAnyQuantize(NodeOp op) {
  std::string reason = whyNotGranular(op);
  if (!reason.empty()) {
    return reason;
  }
  Type element = elementOf(op.getResult(0));
  if (isa<IntegerType>(element) && element.getIntOrFloatBitWidth() > 16) {
    return "output 0 has more than 16 bits";
  }
  if (element.isInteger(1)) {
    return "output 0 is bool";
  }
  int64_t precision = getInt(op, "precision", 0);
  // FLOAT, FLOAT16, DOUBLE and BFLOAT16 of ONNX, or the scale's type.
  return llvm::is_contained({0, 1, 10, 11, 16}, precision) ? "" : "precision is no float type";
}

/// The type that the quotient is rounded to: the precision's, else the scale's.
Type getQuotientType(NodeOp op, OpBuilder &b) {
  switch (getInt(op, "precision", 0)) {
  case 10:
    return b.getF16Type();
  case 16:
    return b.getBF16Type();
  case 1:
  case 11:
    return b.getF32Type();
  default: {
    // Where types differ, the wider one computes.
    Type x = elementOf(op.getInputs()[0]), scale = elementOf(op.getInputs()[1]);
    return x == scale && x.getIntOrFloatBitWidth() < 32 ? x : b.getF32Type();
  }
  }
}

/// The nearest integer of `element`'s range, around a zero point.
Value quantize(ImplicitLocOpBuilder &b, Value quotient, Value zero, Type element) {
  unsigned bits = element.getIntOrFloatBitWidth();
  bool isUnsigned = element.isUnsignedInteger();
  int64_t least = isUnsigned ? 0 : -(int64_t(1) << (bits - 1));
  int64_t most = isUnsigned ? (int64_t(1) << bits) - 1 : -least - 1;
  // Far beyond every range with every zero point: what is converted fits.
  constexpr double kFar = 1 << 24;
  Value x = math::RoundEvenOp::create(b, quotient);
  x = arith::MaximumFOp::create(b, x, scalarFloat(b, -kFar));
  x = arith::MinimumFOp::create(b, x, scalarFloat(b, kFar));
  Value y = arith::FPToSIOp::create(b, b.getI32Type(), x);
  if (zero) {
    y = arith::AddIOp::create(b, y, zero);
  }
  y = arith::MaxSIOp::create(b, y, scalarInt(b, least));
  return arith::MinSIOp::create(b, y, scalarInt(b, most));
}

SmallVector<Value> convertAnyQuantize(NodeOp op, ValueRange inputs, ImplicitLocOpBuilder &b) {
  auto type = getCarriedTensor(op.getResult(0).getType());
  Type element = elementOf(op.getResult(0));
  bool hasZero = op.hasInput(2) && !isa<FloatType>(elementOf(inputs[2]));
  SmallVector<Value> given{inputs[0], spread(op, b, inputs[1], type)};
  if (hasZero) {
    given.push_back(spread(op, b, inputs[2], type));
  }
  Type narrow = getQuotientType(op, b);
  bool saturates = getInt(op, "saturate", 1) != 0 || isa<Float4E2M1FNType>(element);
  return {mapElements(b, type.getShape(), type.getElementType(), given,
                      [&](ImplicitLocOpBuilder &at, ValueRange in) {
                        Value x = arith::DivFOp::create(at, toFloat(at, in[0]), in[1]);
                        if (narrow.getIntOrFloatBitWidth() < 32) {
                          x = arith::ExtFOp::create(
                              at, at.getF32Type(),
                              arith::TruncFOp::create(at, narrow, x).getResult());
                        }
                        if (isa<FloatType>(element)) {
                          return saturates ? saturateFloat(at, x, element) : x;
                        }
                        return quantize(at, x, hasZero ? in[2] : Value(), element);
                      })};
}

/// uint8 with the range of the input, which 0 is always in.
SmallVector<Value> convertDynamicQuantize(NodeOp op, ValueRange inputs, ImplicitLocOpBuilder &b) {
  auto type = cast<RankedTensorType>(inputs[0].getType());
  Type f32 = b.getF32Type(), i32 = b.getI32Type();
  Type ui8 = elementOf(op.getResult(0));
  auto axes = llvm::to_vector(llvm::seq<int64_t>(0, type.getRank()));
  Value zero = scalarFloat(b, 0);
  auto join = [&](auto create) { return reduceElements(b, inputs[0], axes, false, zero, create); };
  Value least = join([](ImplicitLocOpBuilder &at, ValueRange in) {
    return arith::MinimumFOp::create(at, in[0], in[1]).getResult();
  });
  Value most = join([](ImplicitLocOpBuilder &at, ValueRange in) {
    return arith::MaximumFOp::create(at, in[0], in[1]).getResult();
  });
  Value scale = mapElements(b, {}, f32, {least, most}, [](ImplicitLocOpBuilder &at, ValueRange in) {
    Value range = arith::SubFOp::create(at, in[1], in[0]);
    Value isEmpty = arith::CmpFOp::create(at, arith::CmpFPredicate::OEQ, range, scalarFloat(at, 0));
    range = arith::SelectOp::create(at, isEmpty, scalarFloat(at, 1), range);
    return arith::DivFOp::create(at, range, scalarFloat(at, 255)).getResult();
  });
  Value point =
      mapElements(b, {}, i32, {least, scale}, [&](ImplicitLocOpBuilder &at, ValueRange in) {
        Value negated = arith::NegFOp::create(at, in[0]);
        return quantize(at, arith::DivFOp::create(at, negated, in[1]), Value(), ui8);
      });
  Value y = mapElements(b, type.getShape(), i32, {inputs[0], scale, point},
                        [&](ImplicitLocOpBuilder &at, ValueRange in) {
                          return quantize(at, arith::DivFOp::create(at, in[0], in[1]), in[2], ui8);
                        });
  return {y, scale, point};
}

} // namespace

namespace lpu::onnx_lowering {
ArrayRef<Rule> getQuantizationRules() {
  static const Rule rules[] = {
      {"", "DequantizeLinear", 10, whyNotDequantize, convertDequantize, Elements::Native},
      {"", "DequantizeLinear", 10, whyNotGranular, convertAnyDequantize},
      {"", "QuantizeLinear", 10, whyNotQuantize, convertQuantize, Elements::Native},
      {"", "QuantizeLinear", 10, whyNotAnyQuantize, convertAnyQuantize},
      {"", "DynamicQuantizeLinear", 11, whyNotNumbers, convertDynamicQuantize},
  };
  return rules;
}
} // namespace lpu::onnx_lowering
