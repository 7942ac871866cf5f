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

/// What a rule sees of elements, and what becomes of its results.
enum class Elements {
  /// f32, i32 or i1 (getCarried). Results are rounded to the model's type.
  Carried,
  /// Carried; results are elements of the inputs, so there is nothing to round.
  Moved,
  /// The model's own types.
  Native
};

/// How nodes of one operator are converted, for the versions from `since` on. Rules of one
/// operator are tried in the order of their table; the last one says what is in the way.
struct Rule {
  llvm::StringRef domain, opType;
  int64_t since;
  /// What is in the way of `op`; empty when nothing is. Called before `convert`.
  std::string (*whyNot)(mlir::onnx::NodeOp op);
  /// Values for the results of `op` from those of its inputs; `none` inputs are
  /// null values.
  llvm::SmallVector<mlir::Value> (*convert)(mlir::onnx::NodeOp op, mlir::ValueRange inputs,
                                            mlir::ImplicitLocOpBuilder &builder);
  Elements elements = Elements::Carried;
};

/// What the machine carries elements of a model's type as: f32 for floats, i32 for integers,
/// i1 for bool; null for others, such as strings.
mlir::Type getCarried(mlir::Type element);
mlir::RankedTensorType getCarriedTensor(mlir::Type tensor);
/// `value`, carried, rounded to or wrapped into `element` of the model.
mlir::Value roundElements(mlir::ImplicitLocOpBuilder &builder, mlir::Value value,
                          mlir::Type element);
/// The elements of a constant, carried or not; nothing where `value` is none.
std::optional<llvm::SmallVector<int64_t>> getConstantInts(mlir::Value value);
std::optional<llvm::SmallVector<double>> getConstantFloats(mlir::Value value);
/// The same of input `index` of a node, before it is converted: what `whyNot` may ask.
std::optional<llvm::SmallVector<int64_t>> getConstantInts(mlir::onnx::NodeOp op, unsigned index);

llvm::ArrayRef<Rule> getArithmeticRules();
llvm::ArrayRef<Rule> getAttentionRules();
llvm::ArrayRef<Rule> getCastRules();
llvm::ArrayRef<Rule> getComparisonRules();
llvm::ArrayRef<Rule> getContractionRules();
llvm::ArrayRef<Rule> getContribRules();
llvm::ArrayRef<Rule> getConvolutionRules();
llvm::ArrayRef<Rule> getEinsumRules();
llvm::ArrayRef<Rule> getElementwiseRules();
llvm::ArrayRef<Rule> getFeatureRules();
llvm::ArrayRef<Rule> getGenerationRules();
llvm::ArrayRef<Rule> getIndexingRules();
llvm::ArrayRef<Rule> getLossRules();
llvm::ArrayRef<Rule> getMovementRules();
llvm::ArrayRef<Rule> getNormalizationRules();
llvm::ArrayRef<Rule> getPoolingRules();
llvm::ArrayRef<Rule> getQuantizationRules();
llvm::ArrayRef<Rule> getRecurrentRules();
llvm::ArrayRef<Rule> getReductionRules();
llvm::ArrayRef<Rule> getResizeRules();
llvm::ArrayRef<Rule> getSignalRules();
llvm::ArrayRef<Rule> getSortingRules();
llvm::ArrayRef<Rule> getTrainingRules();

/// "input 1 has no known rank" where any input or output has none.
std::string whyNotRanked(mlir::onnx::NodeOp op);

/// Attributes of a node, or the operator's default.
int64_t getInt(mlir::onnx::NodeOp op, llvm::StringRef name, int64_t otherwise);
float getFloat(mlir::onnx::NodeOp op, llvm::StringRef name, float otherwise);
llvm::StringRef getString(mlir::onnx::NodeOp op, llvm::StringRef name, llvm::StringRef otherwise);

/// The elements of `value` in their order, as `type`.
mlir::Value reshape(mlir::ImplicitLocOpBuilder &builder, mlir::Value value,
                    mlir::RankedTensorType type);
/// Dimension d of the result is dimension permutation[d] of `value`.
mlir::Value transpose(mlir::ImplicitLocOpBuilder &builder, mlir::Value value,
                      llvm::ArrayRef<int64_t> permutation);

} // namespace lpu::onnx_lowering

#endif // LPU_LIB_CONVERSION_ONNXTOLPU_RULES_H
