//===- Elementwise.h - Rules of one scalar function -------------*- C++ -*-===//
#ifndef LPU_LIB_CONVERSION_ONNXTOLPU_ELEMENTWISE_H
#define LPU_LIB_CONVERSION_ONNXTOLPU_ELEMENTWISE_H

#include "Builder.h"
#include "Rules.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include <type_traits>

namespace lpu::onnx_lowering {

/// Rank is known and elements are numbers.
std::string whyNotNumbers(mlir::onnx::NodeOp op);
/// The same, and every input and output is of a float type.
std::string whyNotFloats(mlir::onnx::NodeOp op);

/// Whether carried elements of input `index` need unsigned operations: narrower
/// unsigned types are in the range of i32.
bool isWideUnsigned(mlir::onnx::NodeOp op, unsigned index);

/// Before version 7 the second input of arithmetic broadcasts from `axis` on:
/// with trailing ones it does as numpy has it.
llvm::SmallVector<mlir::Value> alignInputs(mlir::onnx::NodeOp op, mlir::ValueRange inputs,
                                           mlir::ImplicitLocOpBuilder &builder);

/// Inputs broadcast to the result; `body` takes (builder, elements), or the
/// node in front.
template <auto body>
llvm::SmallVector<mlir::Value> convertElements(mlir::onnx::NodeOp op, mlir::ValueRange inputs,
                                               mlir::ImplicitLocOpBuilder &b) {
  auto type = getCarriedTensor(op.getResult(0).getType());
  return {mapElements(
      b, type.getShape(), type.getElementType(), alignInputs(op, inputs, b),
      [&](mlir::ImplicitLocOpBuilder &at, mlir::ValueRange in) {
        if constexpr (std::is_invocable_v<decltype(body), mlir::onnx::NodeOp,
                                          mlir::ImplicitLocOpBuilder &, mlir::ValueRange>) {
          return mlir::Value(body(op, at, in));
        } else {
          return mlir::Value(body(at, in));
        }
      })};
}

/// A rule for elements of every number type that the operator has.
template <auto body>
constexpr Rule elementRule(llvm::StringRef name, int64_t since = 1,
                           Elements elements = Elements::Carried, llvm::StringRef domain = "") {
  return {domain, name, since, whyNotNumbers, convertElements<body>, elements};
}
/// A rule for floats.
template <auto body>
constexpr Rule floatRule(llvm::StringRef name, int64_t since = 1, llvm::StringRef domain = "") {
  return {domain, name, since, whyNotFloats, convertElements<body>, Elements::Carried};
}

/// `x` within the range of `to`, a float type of 8 bits or less; of others as
/// it is.
mlir::Value saturateFloat(mlir::ImplicitLocOpBuilder &builder, mlir::Value x, mlir::Type to);
/// 1 / (1 + exp(-x)).
mlir::Value sigmoid(mlir::ImplicitLocOpBuilder &builder, mlir::ValueRange in);

} // namespace lpu::onnx_lowering

#endif // LPU_LIB_CONVERSION_ONNXTOLPU_ELEMENTWISE_H
