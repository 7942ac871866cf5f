//===- Generation.cpp - Tensors from nothing but their shape --------------===//

#include "Builder.h"
#include "Rules.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace ::lpu::onnx_lowering;
using mlir::onnx::NodeOp;

namespace {

/// Ones on diagonal `k`.
SmallVector<Value> convertEyeLike(NodeOp op, ValueRange inputs, ImplicitLocOpBuilder &b) {
  auto type = getCarriedTensor(op.getResult(0).getType());
  int64_t offset = getInt(op, "k", 0), columns = type.getDimSize(1);
  std::vector<int32_t> elements(size_t(type.getNumElements()));
  for (int64_t row = 0; row < type.getDimSize(0); ++row) {
    if (row + offset >= 0 && row + offset < columns) {
      elements[size_t(row * columns + row + offset)] = 1;
    }
  }
  Value ones = constantInts(b, type.getShape(), elements);
  if (type.getElementType().isInteger(32)) {
    return {ones};
  }
  return {mapElements(b, type.getShape(), type.getElementType(), ones,
                      [&](ImplicitLocOpBuilder &at, ValueRange in) -> Value {
                        Type element = type.getElementType();
                        return element.isInteger(1)
                                   ? Value(arith::TruncIOp::create(at, element, in[0]))
                                   : Value(arith::SIToFPOp::create(at, element, in[0]));
                      })};
}

std::string whyNotRandom(NodeOp op) { return "random numbers: every run of a program is the same"; }

SmallVector<Value> convertNothing(NodeOp, ValueRange, ImplicitLocOpBuilder &) { return {}; }

} // namespace

namespace lpu::onnx_lowering {
ArrayRef<Rule> getGenerationRules() {
  static const Rule rules[] = {
      {"", "EyeLike", 9, whyNotRanked, convertEyeLike},
      {"", "Bernoulli", 15, whyNotRandom, convertNothing},
      {"", "Multinomial", 7, whyNotRandom, convertNothing},
      {"", "RandomNormal", 1, whyNotRandom, convertNothing},
      {"", "RandomNormalLike", 1, whyNotRandom, convertNothing},
      {"", "RandomUniform", 1, whyNotRandom, convertNothing},
      {"", "RandomUniformLike", 1, whyNotRandom, convertNothing},
  };
  return rules;
}
} // namespace lpu::onnx_lowering
