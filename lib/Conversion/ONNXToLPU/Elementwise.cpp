//===- Elementwise.cpp - Operators on one element at a time ---------------===//

#include "Builder.h"
#include "Rules.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using ::lpu::onnx_lowering::Rule;
using mlir::onnx::NodeOp;

namespace {

std::string whyNot(NodeOp op) {
  std::string reason = ::lpu::onnx_lowering::whyNotRanked(op);
  auto type = cast<ShapedType>(op.getResult(0).getType());
  if (reason.empty() && !type.getElementType().isF32()) {
    return "elements are not float";
  }
  return reason;
}

using Scalar = Value (*)(ImplicitLocOpBuilder &, ValueRange);

/// `body` at every element of the result.
template <Scalar body>
SmallVector<Value> convert(NodeOp op, ValueRange inputs,
                           ImplicitLocOpBuilder &b) {
  auto type = cast<RankedTensorType>(op.getResult(0).getType());
  return {::lpu::onnx_lowering::mapElements(
      b, type.getShape(), type.getElementType(), inputs, body)};
}

Value constant(ImplicitLocOpBuilder &b, float value) {
  return arith::ConstantOp::create(b, b.getF32FloatAttr(value));
}
template <typename Op> Value apply(ImplicitLocOpBuilder &b, ValueRange in) {
  return Op::create(b, in[0].getType(), in);
}
/// 1 / (1 + exp(-x)) = (tanh(x / 2) + 1) / 2: no overflow, one function.
Value sigmoid(ImplicitLocOpBuilder &b, ValueRange in) {
  Value half = constant(b, 0.5f);
  Value t =
      math::TanhOp::create(b, Value(arith::MulFOp::create(b, in[0], half)));
  return math::FmaOp::create(b, t, half, half);
}
Value swish(ImplicitLocOpBuilder &b, ValueRange in) {
  return arith::MulFOp::create(b, in[0], sigmoid(b, in));
}
Value squareRoot(ImplicitLocOpBuilder &b, ValueRange in) {
  return math::SqrtOp::create(b, in[0]);
}
Value relu(ImplicitLocOpBuilder &b, ValueRange in) {
  return arith::MaximumFOp::create(b, in[0], constant(b, 0));
}
Value reciprocal(ImplicitLocOpBuilder &b, ValueRange in) {
  return arith::DivFOp::create(b, constant(b, 1), in[0]);
}
Value exponential(ImplicitLocOpBuilder &b, ValueRange in) {
  Value x = arith::MulFOp::create(b, in[0], constant(b, 1.44269504088896f));
  return math::Exp2Op::create(b, x);
}
Value logarithm(ImplicitLocOpBuilder &b, ValueRange in) {
  Value x = math::Log2Op::create(b, in[0]);
  return arith::MulFOp::create(b, x, constant(b, 0.693147180559945f));
}

std::string whyNotSwish(NodeOp op) {
  return ::lpu::onnx_lowering::getFloat(op, "alpha", 1) != 1 ? "alpha is not 1"
                                                             : whyNot(op);
}

Value softsign(ImplicitLocOpBuilder &b, ValueRange in) {
  Value size = arith::AddFOp::create(b, Value(math::AbsFOp::create(b, in[0])),
                                     constant(b, 1));
  return arith::DivFOp::create(b, in[0], size);
}

template <Scalar body>
constexpr Rule rule(llvm::StringRef name, int64_t since) {
  return {"", name, since, whyNot, convert<body>};
}

} // namespace

namespace lpu::onnx_lowering {
ArrayRef<Rule> getElementwiseRules() {
  static const Rule rules[] = {
      rule<apply<arith::AddFOp>>("Add", 7),
      rule<apply<arith::SubFOp>>("Sub", 7),
      rule<apply<arith::MulFOp>>("Mul", 7),
      rule<apply<arith::DivFOp>>("Div", 7),
      rule<apply<arith::NegFOp>>("Neg", 6),
      rule<apply<math::AbsFOp>>("Abs", 6),
      rule<apply<math::TanhOp>>("Tanh", 6),
      rule<sigmoid>("Sigmoid", 6),
      rule<relu>("Relu", 6),
      rule<squareRoot>("Sqrt", 6),
      {"", "Swish", 24, whyNotSwish, convert<swish>},
      rule<reciprocal>("Reciprocal", 6),
      rule<exponential>("Exp", 6),
      rule<logarithm>("Log", 6),
      rule<softsign>("Softsign", 1),
  };
  return rules;
}
} // namespace lpu::onnx_lowering
