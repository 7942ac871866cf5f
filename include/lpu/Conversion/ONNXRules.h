//===- ONNXRules.h - Which rule converts a node -----------------*- C++ -*-===//
#ifndef LPU_CONVERSION_ONNXRULES_H
#define LPU_CONVERSION_ONNXRULES_H

#include "ONNX/IR/ONNXDialect.h"
#include <string>

namespace lpu {

/// What becomes of a node on the way to the tensor level.
struct ConversionRule {
  /// The rule's family, which is the name of its file, and whether it makes a composite; empty
  /// without a rule.
  std::string name;
  /// What is in the way, element types included; empty when nothing is.
  std::string reason;
  /// The first input or output without a static shape, where nothing else is in the way.
  std::string shapeReason;
  /// The least version from which a rule is known for this operator, where that is later than
  /// the node's; else 0.
  int64_t laterSince = 0;
};

ConversionRule findConversionRule(mlir::onnx::NodeOp op);

} // namespace lpu

#endif // LPU_CONVERSION_ONNXRULES_H
