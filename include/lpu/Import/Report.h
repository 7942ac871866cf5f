//===- Report.h - What becomes of each operator of a model ------*- C++ -*-===//
//
// The report of `lpu-compile --check` (docs/Compiler.md): made of the imported module and of what
// the importer noted, before any pass.
//
//===----------------------------------------------------------------------===//
#ifndef LPU_IMPORT_REPORT_H
#define LPU_IMPORT_REPORT_H

#include "ONNX/IR/ONNXDialect.h"
#include "lpu/Import/ONNX.h"

#include <array>
#include <string>
#include <vector>

namespace lpu {

/// Of a node that is wrong: what is wrong about it (ImportOptions::keepWrongNodes).
inline constexpr llvm::StringLiteral kErrorAttr = "onnx.error";

enum class OperatorStatus {
  Wrong,       ///< the model contradicts itself here
  Unsupported, ///< nothing converts it
  Open,        ///< sizes, or types after a node that is in the way, have to be known first
  Rule,        ///< a rule converts it
  Expanded,    ///< other nodes stand for it since import
  Folded,      ///< it is constant, or no output needs it
};
inline constexpr size_t kOperatorStatuses = 6;
llvm::StringRef getStatusName(OperatorStatus status);

/// The nodes of one operator with one status, for one reason.
struct OperatorReport {
  /// "ai.onnx" for the default domain.
  std::string domain;
  std::string opType;
  int64_t sinceVersion = 0;
  /// Version of the domain's operator set that the model imports, 0 if unknown.
  int64_t opset = 0;
  /// Nodes in the entry that has most of them, nodes of subgraphs included.
  int64_t count = 0;
  OperatorStatus status = OperatorStatus::Rule;
  /// The rule, or what the importer made of it.
  std::string rule;
  /// What is in the way, and what could be done; empty where nothing is.
  std::string reason;
  std::string hint;
  /// Names of all nodes, each once.
  std::vector<std::string> nodes;

  bool isInTheWay() const { return status <= OperatorStatus::Open; }
};

/// A dimension of inputs without a size.
struct OpenDimension {
  /// Empty where it has none, or where an input has no shape at all.
  std::string name;
  std::vector<std::pair<std::string, int64_t>> inputs; ///< and their axes, -1 for all
  std::string hint;
};

/// Numbers of 64 bits that the machine carries in 32.
struct NarrowedValue {
  /// "input", "output", "constant" or "node".
  std::string kind;
  std::string name;
  /// Of a node; else empty.
  std::string opType;
  /// "int64", "uint64" or "double", and what it is carried as.
  std::string type;
  std::string carried;
};

struct ModelReport {
  std::string model;
  /// What is in the way first; then in order of first appearance.
  std::vector<OperatorReport> operators;
  std::vector<OpenDimension> openDims;
  std::vector<NarrowedValue> narrowed;

  /// Nodes by status.
  std::array<int64_t, kOperatorStatuses> getCounts() const;
  /// 1: the model is wrong; 2: something is not supported, or cannot be told; else 0.
  int getExitCode() const;
};

/// What a converter says about a node.
struct RuleAnswer {
  std::string rule;
  /// What is in the way; empty when nothing is.
  std::string reason;
  /// What has no static shape, where nothing else is in the way.
  std::string shapeReason;
  /// The version from which there is a rule, where the node's is older; else 0.
  int64_t laterSince = 0;
};
using AskRule = llvm::function_ref<RuleAnswer(mlir::onnx::NodeOp op)>;

/// Asks about every node of the whole module, those of subgraphs included, and groups them and
/// the nodes of `trace` by operator, status and reason.
ModelReport makeReport(mlir::ModuleOp module, const ImportTrace &trace, AskRule askRule);

/// Inputs, outputs, results of nodes, and constants that lose digits or do not fit, in this order.
std::vector<NarrowedValue> findNarrowed(mlir::ModuleOp module);

/// One aligned line an operator under a heading, what is in the way with all nodes and a hint; then
/// dimensions without a size, what is narrowed, and a line of totals.
void printReportText(const ModelReport &report, llvm::raw_ostream &out);
/// An object with "model", "summary", "operators", "open_dimensions" and "narrowed".
void printReportJson(const ModelReport &report, llvm::raw_ostream &out);
/// One page that needs no other file.
void printReportHtml(const ModelReport &report, llvm::raw_ostream &out);

} // namespace lpu

#endif // LPU_IMPORT_REPORT_H
