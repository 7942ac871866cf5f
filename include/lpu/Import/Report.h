//===- Report.h - Operators that nothing converts ---------------*- C++ -*-===//
#ifndef LPU_IMPORT_REPORT_H
#define LPU_IMPORT_REPORT_H

#include "ONNX/IR/ONNXDialect.h"

#include <string>
#include <vector>

namespace lpu {

/// The nodes of one operator that are not convertible for one reason.
struct UnsupportedOperator {
  /// "ai.onnx" for the default domain.
  std::string domain;
  std::string opType;
  int64_t sinceVersion = 0;
  /// Version of the domain's operator set that the model imports, 0 if unknown.
  int64_t opset = 0;
  /// Nodes in the entry that has most of them, nodes of subgraphs included.
  int64_t count = 0;
  std::string reason;
  /// Names of the first nodes, at most kReportedNodes.
  std::vector<std::string> nodes;
};

inline constexpr size_t kReportedNodes = 3;

/// Says why `op` is not convertible; empty when it is.
using CanConvert = llvm::function_ref<std::string(mlir::onnx::NodeOp op)>;

/// Asks `canConvert` about every node of the whole module and groups what is
/// not convertible by operator and reason, in order of first appearance.
std::vector<UnsupportedOperator> findUnsupported(mlir::ModuleOp module,
                                                 CanConvert canConvert);

/// Prints one aligned line an operator under a heading; says so when there is
/// none.
void printReportText(llvm::ArrayRef<UnsupportedOperator> report,
                     llvm::raw_ostream &out);

/// Prints `{"unsupported": [{"domain", "operator", "since_version", "opset",
/// "count", "reason", "nodes"}, ...]}`.
void printReportJson(llvm::ArrayRef<UnsupportedOperator> report,
                     llvm::raw_ostream &out);

} // namespace lpu

#endif // LPU_IMPORT_REPORT_H
