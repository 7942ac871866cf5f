//===- Elements.cpp - Elements as the machine carries them ----------------===//

#include "Decompose.h"

using namespace mlir;

namespace lpu::linalg_lowering {

static Value convertFloat(ImplicitLocOpBuilder &b, Value value, Type to) {
  unsigned from = value.getType().getIntOrFloatBitWidth(), bits = to.getIntOrFloatBitWidth();
  return from == bits  ? value
         : from < bits ? Value(arith::ExtFOp::create(b, to, value))
                       : Value(arith::TruncFOp::create(b, to, value));
}

static Value convertInt(ImplicitLocOpBuilder &b, Value value, Type to, bool isUnsigned) {
  unsigned from = value.getType().getIntOrFloatBitWidth(), bits = to.getIntOrFloatBitWidth();
  return from == bits   ? value
         : from > bits  ? Value(arith::TruncIOp::create(b, to, value))
         : isUnsigned   ? Value(arith::ExtUIOp::create(b, to, value))
                        : Value(arith::ExtSIOp::create(b, to, value));
}

template <typename Op> static Value convert(ImplicitLocOpBuilder &b, Op op) {
  RankedTensorType type = typeOf(op.getResult());
  Type to = type.getElementType();
  return elementwise(b, op.getSource(), type, [&](ImplicitLocOpBuilder &inner, ValueRange in) {
    return isa<FloatType>(to) ? convertFloat(inner, in[0], to)
                              : convertInt(inner, in[0], to, op.getIsUnsigned());
  });
}

Value decompose(ImplicitLocOpBuilder &b, mlir::lpu::NarrowOp op) { return convert(b, op); }
Value decompose(ImplicitLocOpBuilder &b, mlir::lpu::WidenOp op) { return convert(b, op); }

} // namespace lpu::linalg_lowering
