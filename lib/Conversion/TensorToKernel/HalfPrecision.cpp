//===- HalfPrecision.cpp - Products in fp16 -------------------------------===//
//
// With fp16 activations the weights are fp16, too: the MXM multiplies like by
// like. Sums are f32, so that nothing but the operands is rounded, and no range
// has to be known beforehand.
//
//===----------------------------------------------------------------------===//

#include "EntryConverter.h"
#include "lpu/Support/Numerics.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace mlir::lpu;
using ::lpu::tensor_lowering::EntryConverter;
using ::lpu::tensor_lowering::Extent;
using ::lpu::tensor_lowering::getExtent;
using ::lpu::tensor_lowering::Layout;

/// `matrix`, `columns` wide, in fp16. Errors: a weight that is no fp16 number.
static FailureOr<std::vector<uint16_t>>
toHalf(linalg::MatmulOp op, ArrayRef<float> matrix, int64_t columns) {
  std::vector<uint16_t> halves;
  halves.reserve(matrix.size());
  for (auto [at, weight] : llvm::enumerate(matrix)) {
    ::lpu::Rounded16 half = ::lpu::floatToHalf(weight);
    if (half.saturated || !std::isfinite(weight)) {
      return op.emitError("weight [")
             << int64_t(at) / columns << ", " << int64_t(at) % columns
             << "] is " << weight
             << ", beyond fp16, which ends at 65504: take --weights=int8";
    }
    halves.push_back(half.bits);
  }
  return halves;
}

LogicalResult EntryConverter::convertHalfMatmul(ImplicitLocOpBuilder &b,
                                                linalg::MatmulOp op) {
  FailureOr<std::optional<std::vector<float>>> matrix =
      ::lpu::tensor_lowering::getMatrix(op.getInputs()[1], files);
  if (failed(matrix)) {
    return failure();
  }
  Value x = values.lookup(op.getInputs()[0]);
  if (!*matrix || !x) {
    return op.emitOpError(
        "expected a computed left and a constant right matrix: "
        "no other kernel yet");
  }
  Extent shape = getExtent(op.getInputs()[1].getType());
  Layout from = layouts[op.getInputs()[0]], to = layouts[op.getResult(0)];
  FailureOr<std::vector<uint16_t>> halves = toHalf(op, **matrix, shape.columns);
  if (failed(halves)) {
    return failure();
  }
  std::vector<uint16_t> ordered = to.permuteColumns<uint16_t>(
      from.permuteRows<uint16_t>(*halves, shape.columns));
  Value &half = limbsOf[{x.getAsOpaquePointer(), 1.0f}];
  if (!half) {
    half = map(
        b, x,
        buffer(getExtent(op.getInputs()[0].getType()), Format::F16, from.width),
        1.0f, [](ImplicitLocOpBuilder &, ValueRange in) { return in[0]; });
  }
  auto type =
      RankedTensorType::get({shape.rows, shape.columns}, b.getF16Type());
  ArrayRef<char> raw(reinterpret_cast<const char *>(ordered.data()),
                     ordered.size() * sizeof(uint16_t));
  values[op.getResult(0)] = ContractOp::create(
      b, sums(getExtent(op.getResult(0).getType()), Format::F16, to.width),
      half, Value(), Value(),
      constants.get(type, raw, sizeof(uint16_t), "weights"), 0, 0,
      DenseI64ArrayAttr());
  return success();
}

// Squares as shares of the largest: far from fp16's ends. Their rounding errors
// average out, and a common factor is all that is left of them in a row.
std::pair<Value, float> EntryConverter::sumHalfSquares(ImplicitLocOpBuilder &b,
                                                       Value x, Extent extent,
                                                       float largest) {
  constexpr double kTop = 32768;
  float scale = float(std::sqrt(kTop) / double(largest));
  Value squares =
      map(b, x, buffer(extent, Format::F16), 1.0f,
          [&](ImplicitLocOpBuilder &inner, ValueRange in) -> Value {
            Value factor =
                arith::ConstantOp::create(inner, inner.getF32FloatAttr(scale));
            Value share = arith::MulFOp::create(inner, in[0], factor);
            return arith::MulFOp::create(inner, share, share);
          });
  auto ones = DenseElementsAttr::get(
      RankedTensorType::get({extent.columns, int64_t(getTarget()->lanes())},
                            b.getF16Type()),
      APFloat(APFloat::IEEEhalf(), 1));
  Value sum =
      ContractOp::create(b, sums({extent.rows, 1}, Format::F16), squares,
                         Value(), Value(), ones, 0, 0, DenseI64ArrayAttr());
  return {sum,
          float(1 / (double(scale) * double(scale) * double(extent.columns)))};
}
