//===- Rules.h - What each ONNX operator becomes ----------------*- C++ -*-===//
//
// One rule an operator, in the file of its family. docs/AddingAnOperator.md
// adds one.
//
//===----------------------------------------------------------------------===//
#ifndef LPU_LIB_CONVERSION_ONNXTOLPU_RULES_H
#define LPU_LIB_CONVERSION_ONNXTOLPU_RULES_H

#include "ONNX/IR/ONNXDialect.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace lpu::onnx_lowering {

/// How nodes of one operator are converted, for the versions from `since` on.
struct Rule {
  llvm::StringRef domain, opType;
  int64_t since;
  /// What is in the way of `op`; empty when nothing is. Called before `convert`.
  std::string (*whyNot)(mlir::onnx::NodeOp op);
  /// Values for the results of `op` from those of its inputs; `none` inputs are
  /// null values.
  llvm::SmallVector<mlir::Value> (*convert)(mlir::onnx::NodeOp op,
                                            mlir::ValueRange inputs,
                                            mlir::ImplicitLocOpBuilder &builder);
};

llvm::ArrayRef<Rule> getAttentionRules();
llvm::ArrayRef<Rule> getElementwiseRules();
llvm::ArrayRef<Rule> getContractionRules();
llvm::ArrayRef<Rule> getMovementRules();
llvm::ArrayRef<Rule> getNormalizationRules();
llvm::ArrayRef<Rule> getQuantizationRules();

/// "input 1 has no known rank" where any input or output has none.
std::string whyNotRanked(mlir::onnx::NodeOp op);

/// Attributes of a node, or the operator's default.
int64_t getInt(mlir::onnx::NodeOp op, llvm::StringRef name, int64_t otherwise);
float getFloat(mlir::onnx::NodeOp op, llvm::StringRef name, float otherwise);
llvm::StringRef getString(mlir::onnx::NodeOp op, llvm::StringRef name,
                          llvm::StringRef otherwise);

/// The elements of `value` in their order, as `type`.
mlir::Value reshape(mlir::ImplicitLocOpBuilder &builder, mlir::Value value,
                    mlir::RankedTensorType type);
/// Dimension d of the result is dimension permutation[d] of `value`.
mlir::Value transpose(mlir::ImplicitLocOpBuilder &builder, mlir::Value value,
                      llvm::ArrayRef<int64_t> permutation);

} // namespace lpu::onnx_lowering

#endif // LPU_LIB_CONVERSION_ONNXTOLPU_RULES_H
