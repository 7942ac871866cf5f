//===- PrintReport.cpp - A report as text, JSON and a page ----------------===//

#include "lpu/Import/Report.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/JSON.h"

using llvm::ArrayRef;
using llvm::raw_ostream;
using llvm::StringRef;
using llvm::Twine;

namespace lpu {
namespace {

/// Of rows that are not in the way, text names this many nodes.
constexpr size_t kMostNodes = 6;

std::string describe(const OpenDimension &dim) {
  std::string text = dim.name.empty() ? "" : "'" + dim.name + "' ";
  std::string inputs;
  for (const auto &[input, axis] : dim.inputs) {
    inputs += inputs.empty() ? "input '" : ", input '";
    inputs += input + "', " + (axis < 0 ? "the whole shape" : "axis " + std::to_string(axis));
  }
  return text.empty() ? inputs : text + "(" + inputs + ")";
}

std::string describe(const NarrowedValue &value) {
  return value.kind + " '" + value.name + "'" +
         (value.opType.empty() ? "" : " (" + value.opType + ")");
}

/// "12 nodes: 3 unsupported, 9 by rules".
std::string summarize(const ModelReport &report) {
  static constexpr StringRef texts[kOperatorStatuses] = {"wrong",
                                                         "unsupported",
                                                         "open",
                                                         "converted by rules",
                                                         "expanded at import",
                                                         "constant or unused"};
  auto counts = report.getCounts();
  int64_t total = 0;
  std::vector<std::string> parts;
  for (auto [count, text] : llvm::zip(counts, texts)) {
    total += count;
    if (count > 0) {
      parts.push_back((Twine(count) + " " + text).str());
    }
  }
  return std::to_string(total) + (total == 1 ? " node" : " nodes") +
         (parts.empty() ? "" : ": " + llvm::join(parts, ", "));
}

StringRef conclude(const ModelReport &report) {
  auto has = [&](OperatorStatus status) {
    return report.getCounts()[static_cast<size_t>(status)] > 0;
  };
  return has(OperatorStatus::Wrong)         ? "the model is wrong"
         : has(OperatorStatus::Unsupported) ? "the model cannot be compiled as it is"
         : has(OperatorStatus::Open)        ? "what is open cannot be told yet"
         : !report.openDims.empty()         ? "every operator has a rule, dimensions need sizes"
                                            : "every operator is supported";
}

/// HTML's text and attribute values.
std::string escape(StringRef text) {
  std::string safe;
  for (char c : text) {
    switch (c) {
    case '&':
      safe += "&amp;";
      break;
    case '<':
      safe += "&lt;";
      break;
    case '>':
      safe += "&gt;";
      break;
    case '"':
      safe += "&quot;";
      break;
    default:
      safe += c;
    }
  }
  return safe;
}

/// Text of a model in a line of its own: names may have any characters.
std::string toLine(StringRef text) {
  std::string line;
  for (char c : text) {
    line += c == '\n' || c == '\r' || c == '\t' ? ' ' : c;
  }
  return line;
}

/// JSON is UTF-8, names of a model may be anything.
std::string toJson(const std::string &text) {
  return llvm::json::isUTF8(text) ? text : llvm::json::fixUTF8(text);
}

} // namespace

void printReportText(const ModelReport &report, raw_ostream &out) {
  size_t widths[] = {6, 8, 5, 5, 11};
  for (const OperatorReport &row : report.operators) {
    widths[0] = std::max(widths[0], row.domain.size());
    widths[1] = std::max(widths[1], row.opType.size());
  }
  auto line = [&](ArrayRef<std::string> cells) {
    for (auto [index, cell] : llvm::enumerate(cells)) {
      bool isNumber = index == 2 || index == 3;
      if (index == cells.size() - 1) {
        out << toLine(cell) << "\n";
      } else if (isNumber) {
        out << llvm::right_justify(cell, unsigned(widths[index])) << "  ";
      } else {
        out << llvm::left_justify(toLine(cell), unsigned(widths[index])) << "  ";
      }
    }
  };
  line({"domain", "operator", "since", "nodes", "status", "rule, or what is in the way"});
  for (const OperatorReport &row : report.operators) {
    line({row.domain, row.opType, std::to_string(row.sinceVersion), std::to_string(row.count),
          getStatusName(row.status).str(), row.isInTheWay() ? row.reason : row.rule});
    ArrayRef<std::string> nodes = row.nodes;
    size_t most = row.isInTheWay() ? nodes.size() : std::min(nodes.size(), kMostNodes);
    out << "  nodes: " << toLine(llvm::join(nodes.take_front(most), ", "));
    out << (most < nodes.size() ? " and " + std::to_string(nodes.size() - most) + " more" : "")
        << "\n";
    if (!row.hint.empty()) {
      out << "  hint: " << toLine(row.hint) << "\n";
    }
  }
  for (auto [index, dim] : llvm::enumerate(report.openDims)) {
    out << (index == 0 ? "\ndimensions without a size:\n" : "") << "  " << toLine(describe(dim))
        << ": bind with " << toLine(dim.hint) << "\n";
  }
  for (auto [index, value] : llvm::enumerate(report.narrowed)) {
    out << (index == 0 ? "\n64 bits that are carried in 32 (--strict-types refuses them):\n" : "")
        << "  " << toLine(describe(value)) << ": " << value.type << " as " << value.carried << "\n";
  }
  out << "\n"
      << toLine(report.model) << ": " << summarize(report) << "; " << conclude(report) << "\n";
}

void printReportJson(const ModelReport &report, raw_ostream &out) {
  llvm::json::Array operators, dims, narrowed;
  for (const OperatorReport &row : report.operators) {
    llvm::json::Array nodes;
    for (const std::string &node : row.nodes) {
      nodes.push_back(toJson(node));
    }
    operators.push_back(llvm::json::Object{{"domain", toJson(row.domain)},
                                           {"operator", toJson(row.opType)},
                                           {"since_version", row.sinceVersion},
                                           {"opset", row.opset},
                                           {"count", row.count},
                                           {"status", getStatusName(row.status)},
                                           {"rule", toJson(row.rule)},
                                           {"reason", toJson(row.reason)},
                                           {"hint", toJson(row.hint)},
                                           {"nodes", std::move(nodes)}});
  }
  for (const OpenDimension &dim : report.openDims) {
    llvm::json::Array inputs;
    for (const auto &[input, axis] : dim.inputs) {
      llvm::json::Value place = axis < 0 ? llvm::json::Value(nullptr) : llvm::json::Value(axis);
      inputs.push_back(llvm::json::Object{{"input", toJson(input)}, {"axis", std::move(place)}});
    }
    dims.push_back(llvm::json::Object{
        {"name", toJson(dim.name)}, {"inputs", std::move(inputs)}, {"hint", toJson(dim.hint)}});
  }
  for (const NarrowedValue &value : report.narrowed) {
    narrowed.push_back(llvm::json::Object{{"kind", value.kind},
                                          {"name", toJson(value.name)},
                                          {"operator", toJson(value.opType)},
                                          {"type", value.type},
                                          {"carried", value.carried}});
  }
  llvm::json::Object summary;
  auto counts = report.getCounts();
  int64_t total = 0;
  for (size_t i = 0; i < kOperatorStatuses; ++i) {
    summary[getStatusName(static_cast<OperatorStatus>(i))] = counts[i];
    total += counts[i];
  }
  summary["nodes"] = total;
  llvm::json::Object root{{"model", toJson(report.model)},
                          {"summary", std::move(summary)},
                          {"operators", std::move(operators)},
                          {"open_dimensions", std::move(dims)},
                          {"narrowed", std::move(narrowed)}};
  out << llvm::formatv("{0:2}", llvm::json::Value(std::move(root))) << "\n";
}

namespace {

constexpr StringRef kStyle = R"css(
:root {
  color-scheme: light dark;
  --back: #ffffff; --text: #1b1f24; --soft: #59636e; --line: #d1d9e0; --head: #f6f8fa;
  --bad: #b3261e; --open: #8a5a00; --good: #1a6b34; --other: #59636e;
}
@media (prefers-color-scheme: dark) {
  :root {
    --back: #15181c; --text: #e6e9ec; --soft: #9aa4ae; --line: #363d45; --head: #1f242a;
    --bad: #ff8a80; --open: #e5b567; --good: #6fcf8f; --other: #9aa4ae;
  }
}
body { background: var(--back); color: var(--text); font: 15px/1.5 system-ui, sans-serif;
       margin: 2rem auto; max-width: 75rem; padding: 0 1rem; }
h1 { font-size: 1.4rem; overflow-wrap: anywhere; } h2 { font-size: 1.1rem; margin-top: 2rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
th, td { border-bottom: 1px solid var(--line); padding: .4rem .6rem; text-align: left; vertical-align: top; }
th { background: var(--head); }
td.number { text-align: right; font-variant-numeric: tabular-nums; }
.wrong, .unsupported { color: var(--bad); font-weight: 600; }
.open { color: var(--open); font-weight: 600; }
.rule { color: var(--good); } .expanded, .folded { color: var(--other); }
.soft, summary { color: var(--soft); } summary { cursor: pointer; }
code, .nodes { font: .9em/1.5 ui-monospace, monospace; overflow-wrap: anywhere; }
)css";

void printRow(const OperatorReport &row, raw_ostream &out) {
  StringRef status = getStatusName(row.status);
  out << "<tr><td>" << escape(row.domain) << "</td><td>" << escape(row.opType)
      << "</td><td class=\"number\">" << row.sinceVersion << "</td><td class=\"number\">"
      << row.count << "</td><td class=\"" << status << "\">" << status << "</td><td>"
      << escape(row.isInTheWay() ? row.reason : row.rule);
  if (!row.hint.empty()) {
    out << "<div class=\"soft\">" << escape(row.hint) << "</div>";
  }
  out << "<details" << (row.isInTheWay() ? " open" : "") << "><summary>" << row.nodes.size()
      << (row.nodes.size() == 1 ? " node" : " nodes") << "</summary><div class=\"nodes\">";
  for (auto [index, node] : llvm::enumerate(row.nodes)) {
    out << (index == 0 ? "" : ", ") << escape(node);
  }
  out << "</div></details></td></tr>\n";
}

} // namespace

void printReportHtml(const ModelReport &report, raw_ostream &out) {
  out << "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
         "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>"
      << escape(report.model) << "</title>\n<style>" << kStyle << "</style>\n</head>\n<body>\n<h1>"
      << escape(report.model) << "</h1>\n<p>" << escape(summarize(report)) << "; <strong>"
      << conclude(report) << "</strong>.</p>\n";
  if (!report.openDims.empty()) {
    out << "<h2>Dimensions without a size</h2>\n<ul>\n";
    for (const OpenDimension &dim : report.openDims) {
      out << "<li>" << escape(describe(dim)) << ": bind with <code>" << escape(dim.hint)
          << "</code></li>\n";
    }
    out << "</ul>\n";
  }
  out << "<h2>Operators</h2>\n<div "
         "class=\"scroll\"><table>\n<thead><tr><th>domain</th><th>operator</th>"
         "<th>since</th><th>nodes</th><th>status</th><th>rule, or what is in the "
         "way</th></tr></thead>\n"
         "<tbody>\n";
  for (const OperatorReport &row : report.operators) {
    printRow(row, out);
  }
  out << "</tbody>\n</table></div>\n";
  if (!report.narrowed.empty()) {
    out << "<h2>64 bits that are carried in 32</h2>\n<p class=\"soft\"><code>--strict-types</code> "
           "refuses "
           "them.</p>\n<div class=\"scroll\"><table>\n<thead><tr><th>what</th><th>type</th>"
           "<th>carried as</th></tr></thead>\n<tbody>\n";
    for (const NarrowedValue &value : report.narrowed) {
      out << "<tr><td>" << escape(describe(value)) << "</td><td>" << value.type << "</td><td>"
          << value.carried << "</td></tr>\n";
    }
    out << "</tbody>\n</table></div>\n";
  }
  out << "</body>\n</html>\n";
}

} // namespace lpu
