//===- Report.cpp - Operators that nothing converts -----------------------===//

#include "lpu/Import/Report.h"

#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/JSON.h"

using namespace mlir;

namespace lpu {

std::vector<UnsupportedOperator> findUnsupported(ModuleOp module,
                                                 CanConvert canConvert) {
  llvm::MapVector<std::pair<StringAttr, StringAttr>, UnsupportedOperator> found;
  auto opsets = module->getAttrOfType<DictionaryAttr>(mlir::onnx::kOpsetAttr);
  for (auto func : module.getOps<func::FuncOp>()) {
    llvm::MapVector<std::pair<StringAttr, StringAttr>, int64_t> counts;
    func.walk<WalkOrder::PreOrder>([&](mlir::onnx::NodeOp op) {
      std::string reason = canConvert(op);
      if (reason.empty()) {
        return;
      }
      Builder builder(op.getContext());
      std::string domain =
          op.getDomain().empty() ? "ai.onnx" : op.getDomain().str();
      auto since = static_cast<int64_t>(op.getSinceVersion());
      std::string operation =
          domain + "\n" + op.getOpType().str() + "\n" + std::to_string(since);
      auto key = std::make_pair(builder.getStringAttr(operation),
                                builder.getStringAttr(reason));
      UnsupportedOperator &entry = found[key];
      if (entry.opType.empty()) {
        entry.domain = domain;
        entry.opType = op.getOpType().str();
        entry.sinceVersion = since;
        entry.reason = reason;
        auto opset = opsets ? opsets.getAs<IntegerAttr>(domain) : IntegerAttr();
        entry.opset = opset ? opset.getInt() : 0;
      }
      entry.count = std::max(entry.count, ++counts[key]);
      std::string name = op.getNodeName().str();
      if (entry.nodes.size() < kReportedNodes &&
          !llvm::is_contained(entry.nodes, name)) {
        entry.nodes.push_back(name);
      }
    });
  }
  std::vector<UnsupportedOperator> report;
  for (auto &[key, entry] : found) {
    report.push_back(std::move(entry));
  }
  return report;
}

void printReportText(ArrayRef<UnsupportedOperator> report, raw_ostream &out) {
  if (report.empty()) {
    out << "every operator is supported\n";
    return;
  }
  size_t widths[] = {6, 8};
  for (const UnsupportedOperator &entry : report) {
    widths[0] = std::max(widths[0], entry.domain.size());
    widths[1] = std::max(widths[1], entry.opType.size());
  }
  auto pad = [&](StringRef text, size_t width) {
    out << llvm::left_justify(text, width) << "  ";
  };
  auto line = [&](StringRef domain, StringRef op, StringRef since,
                  StringRef opset, StringRef count, StringRef rest) {
    pad(domain, widths[0]);
    pad(op, widths[1]);
    pad(since, 5);
    pad(opset, 5);
    pad(count, 5);
    out << rest << "\n";
  };
  line("domain", "operator", "since", "opset", "count", "reason; first nodes");
  for (const UnsupportedOperator &entry : report) {
    line(entry.domain, entry.opType, std::to_string(entry.sinceVersion),
         std::to_string(entry.opset), std::to_string(entry.count),
         entry.reason + "; " + llvm::join(entry.nodes, ", "));
  }
}

void printReportJson(ArrayRef<UnsupportedOperator> report, raw_ostream &out) {
  llvm::json::Array list;
  for (const UnsupportedOperator &entry : report) {
    list.push_back(
        llvm::json::Object{{"domain", entry.domain},
                           {"operator", entry.opType},
                           {"since_version", entry.sinceVersion},
                           {"opset", entry.opset},
                           {"count", entry.count},
                           {"reason", entry.reason},
                           {"nodes", llvm::json::Array(entry.nodes)}});
  }
  llvm::json::Object root{{"unsupported", std::move(list)}};
  out << llvm::formatv("{0:2}", llvm::json::Value(std::move(root))) << "\n";
}

} // namespace lpu
