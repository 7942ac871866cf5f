//===- Report.cpp - What becomes of each operator of a model --------------===//

#include "lpu/Import/Report.h"

#include "ONNX/IR/WeightFiles.h"

#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"

#include <cmath>
#include <cstring>

using namespace mlir;

namespace lpu {

StringRef getStatusName(OperatorStatus status) {
  static constexpr StringRef names[kOperatorStatuses] = {"wrong", "unsupported", "open",
                                                         "rule",  "expanded",    "folded"};
  return names[static_cast<size_t>(status)];
}

std::array<int64_t, kOperatorStatuses> ModelReport::getCounts() const {
  std::array<int64_t, kOperatorStatuses> counts{};
  for (const OperatorReport &row : operators) {
    counts[static_cast<size_t>(row.status)] += row.count;
  }
  return counts;
}

int ModelReport::getExitCode() const {
  bool isWrong =
      llvm::any_of(operators, [](const auto &row) { return row.status == OperatorStatus::Wrong; });
  bool isInTheWay = llvm::any_of(operators, [](const auto &row) { return row.isInTheWay(); });
  return isWrong ? 1 : isInTheWay ? 2 : 0;
}

namespace {

bool isStatic(Type type) {
  auto shaped = dyn_cast<RankedTensorType>(type);
  return isa<NoneType>(type) || (shaped && shaped.hasStaticShape());
}

bool isStatic(TypeRange types) {
  return llvm::all_of(types, [](Type type) { return isStatic(type); });
}

bool isStatic(mlir::onnx::NodeOp op) {
  return isStatic(op.getInputs().getTypes()) && isStatic(op.getResultTypes());
}

bool hasText(mlir::onnx::NodeOp op) {
  auto isText = [](Type type) {
    auto shaped = dyn_cast<RankedTensorType>(type);
    return shaped && !isa<IntegerType, FloatType>(shaped.getElementType());
  };
  return llvm::any_of(op.getInputs().getTypes(), isText) ||
         llvm::any_of(op.getResultTypes(), isText);
}

/// Whether the values of input 0 say how large the result is.
bool hasSizeByData(mlir::onnx::NodeOp op) {
  return llvm::is_contained({"NonZero", "Unique", "Compress", "NonMaxSuppression"}, op.getOpType());
}

/// The inputs of the entry that `value` is computed from.
std::vector<std::string> findSources(Value value) {
  std::vector<std::string> names;
  llvm::SmallVector<Value> rest{value};
  llvm::DenseSet<Value> seen;
  while (!rest.empty()) {
    Value next = rest.pop_back_val();
    if (!seen.insert(next).second) {
      continue;
    }
    if (Operation *op = next.getDefiningOp()) {
      rest.append(op->operand_begin(), op->operand_end());
      continue;
    }
    auto argument = cast<BlockArgument>(next);
    auto function = dyn_cast<func::FuncOp>(argument.getOwner()->getParentOp());
    auto name = function ? function.getArgAttrOfType<StringAttr>(argument.getArgNumber(),
                                                                 mlir::onnx::kNameAttr)
                         : StringAttr();
    if (name) {
      names.push_back(name.str());
    }
  }
  return names;
}

/// What to do about inputs of a node that have to be known.
std::string suggestValues(OperandRange values) {
  std::vector<std::string> sources;
  for (Value value : values) {
    llvm::append_range(sources, findSources(value));
  }
  llvm::sort(sources);
  sources.erase(std::unique(sources.begin(), sources.end()), sources.end());
  constexpr size_t kMostSources = 4;
  if (sources.empty() || sources.size() > kMostSources) {
    return "make it a constant of the model";
  }
  bool isOne = sources.size() == 1;
  return (isOne ? "fix input '" : "fix inputs '") + llvm::join(sources, "', '") +
         "': --input-value " + (isOne ? sources[0] : "NAME") + "=FILE.npy";
}

/// N of "input N ..." in a reason.
std::optional<unsigned> findInput(StringRef reason) {
  size_t at = reason.find("input ");
  unsigned index = 0;
  if (at == StringRef::npos || reason.substr(at + 6).consumeInteger(10, index)) {
    return std::nullopt;
  }
  return index;
}

std::string suggest(mlir::onnx::NodeOp op, const RuleAnswer &answer, bool isKnown) {
  StringRef reason = answer.reason;
  if (isKnown && reason.contains("operator set")) {
    return "convert the model to another operator set (onnx.version_converter), or export it with "
           "one";
  }
  std::optional<unsigned> needed;
  if (reason.contains("constant") && !reason.contains("is a constant")) {
    needed = findInput(reason);
  } else if (isKnown && reason.contains("the trip count depends")) {
    needed = 0;
  } else if (isKnown && reason.contains("the condition depends")) {
    needed = op.getOpType() == "If" ? 0 : 1;
  }
  if (needed && op.hasInput(*needed)) {
    return suggestValues(op.getInputs().slice(*needed, 1));
  }
  if (hasText(op)) {
    return "the machine has numbers alone: compute this outside, and cut it off the model "
           "(onnx.utils.extract_model)";
  }
  if (reason.starts_with("output ") && isStatic(op.getInputs().getTypes())) {
    // Of these every input says how large the result is; of most others, all but the first.
    bool isAll = op.getOpType() == "Range" || op.getOpType() == "ConstantOfShape";
    unsigned first = isAll ? 0 : 1;
    if (!hasSizeByData(op) && op.getInputs().size() > first) {
      return suggestValues(op.getInputs().drop_front(first));
    }
  }
  if (reason.contains("random")) {
    return "give the random numbers as an input of the model";
  }
  if (reason.contains("static shape") || reason.contains("depends on data") ||
      reason.contains("depends on the data")) {
    return "sizes that depend on values have no program: compute this outside of the model, or "
           "give "
           "the result a fixed size";
  }
  if (answer.rule.empty() && answer.laterSince > static_cast<int64_t>(op.getSinceVersion())) {
    return "convert the model to operator set " + std::to_string(answer.laterSince) +
           " or later (onnx.version_converter)";
  }
  if (answer.rule.empty()) {
    return "write it with operators of ONNX or as a function of the model, or add a rule "
           "(docs/AddingAnOperator.md)";
  }
  return "write the node in another way, or extend the rule (docs/AddingAnOperator.md)";
}

std::vector<OpenDimension> groupDims(const ImportTrace &trace) {
  llvm::MapVector<StringRef, OpenDimension> named;
  std::vector<OpenDimension> unnamed;
  for (const ImportTrace::OpenDim &dim : trace.openDims) {
    if (dim.name.empty()) {
      bool isKnown = !unnamed.empty() && unnamed.back().inputs.front().first == dim.input;
      OpenDimension &entry = isKnown ? unnamed.back() : unnamed.emplace_back();
      entry.inputs.emplace_back(dim.input, dim.axis);
      entry.hint = "--input-shape " + dim.input + "=[SIZE,...]";
      continue;
    }
    OpenDimension &entry = named[dim.name];
    entry.name = dim.name;
    entry.inputs.emplace_back(dim.input, dim.axis);
    entry.hint = "--dim " + dim.name + "=SIZE";
  }
  std::vector<OpenDimension> dims;
  for (auto &[name, entry] : named) {
    dims.push_back(std::move(entry));
  }
  llvm::append_range(dims, std::move(unnamed));
  return dims;
}

/// Rows by what they have in common, in order of first appearance.
class Rows {
public:
  explicit Rows(ModuleOp module)
      : opsets(module->getAttrOfType<DictionaryAttr>(mlir::onnx::kOpsetAttr)) {}

  /// Counts are those of the entry that has most.
  void startEntry() { counts.clear(); }

  void add(OperatorReport row, const std::string &node) {
    std::string key = llvm::join(
        ArrayRef<std::string>{row.domain, row.opType, std::to_string(row.sinceVersion),
                              getStatusName(row.status).str(), row.rule, row.reason, row.hint},
        "\n");
    auto [it, isNew] = indices.try_emplace(key, rows.size());
    if (isNew) {
      auto opset = opsets ? opsets.getAs<IntegerAttr>(row.domain) : IntegerAttr();
      row.opset = opset ? opset.getInt() : 0;
      rows.push_back(std::move(row));
      names.emplace_back();
    }
    OperatorReport &found = rows[it->second];
    found.count = std::max(found.count, ++counts[it->second]);
    if (names[it->second].insert(node).second) {
      found.nodes.push_back(node);
    }
  }

  std::vector<OperatorReport> take() {
    std::vector<OperatorReport> sorted;
    for (size_t status = 0; status < kOperatorStatuses; ++status) {
      for (OperatorReport &row : rows) {
        if (row.status == static_cast<OperatorStatus>(status)) {
          sorted.push_back(std::move(row));
        }
      }
    }
    return sorted;
  }

private:
  DictionaryAttr opsets;
  std::vector<OperatorReport> rows;
  std::vector<llvm::StringSet<>> names;
  llvm::StringMap<size_t> indices;
  llvm::DenseMap<size_t, int64_t> counts;
};

/// Of the type of 64 bits that `type` has, or empty.
std::pair<StringRef, StringRef> getNarrowing(Type type) {
  auto shaped = dyn_cast<RankedTensorType>(type);
  Type element = shaped ? shaped.getElementType() : Type();
  return !element                        ? std::pair<StringRef, StringRef>()
         : element.isF64()               ? std::pair<StringRef, StringRef>("double", "float")
         : element.isUnsignedInteger(64) ? std::pair<StringRef, StringRef>("uint64", "uint32")
         : element.isInteger(64)         ? std::pair<StringRef, StringRef>("int64", "int32")
                                         : std::pair<StringRef, StringRef>();
}

/// Whether a number of 64 bits, as the bits that a file has, is exact in 32 of its kind.
bool isExact(uint64_t bits, StringRef type) {
  if (type == "double") {
    double number = 0;
    std::memcpy(&number, &bits, sizeof number);
    return std::isnan(number) || static_cast<double>(static_cast<float>(number)) == number;
  }
  auto number = static_cast<int64_t>(bits);
  return type == "uint64" ? bits <= UINT32_MAX : number == static_cast<int32_t>(number);
}

/// Starts and ends of Slice have values beyond any size; rules read them in 64 bits.
bool isOnlyBounds(Operation *constant) {
  return llvm::all_of(constant->getUses(), [](OpOperand &use) {
    auto node = dyn_cast<mlir::onnx::NodeOp>(use.getOwner());
    return node && node.getDomain().empty() && node.getOpType() == "Slice" &&
           use.getOperandNumber() > 0;
  });
}

/// Whether all elements of a constant are exact in 32 bits.
bool isExact(Operation *op, StringRef type, mlir::onnx::WeightFiles &files) {
  if (auto weight = dyn_cast<mlir::onnx::WeightOp>(op)) {
    auto bytes = files.getBytes(weight.getValue());
    if (!bytes) {
      llvm::consumeError(bytes.takeError());
      return false;
    }
    for (size_t at = 0; at + 8 <= bytes->size(); at += 8) {
      uint64_t bits = 0;
      std::memcpy(&bits, bytes->data() + at, 8);
      if (!isExact(bits, type)) {
        return false;
      }
    }
    return true;
  }
  auto elements = dyn_cast<DenseElementsAttr>(cast<mlir::onnx::ConstantOp>(op).getValue());
  if (!elements) {
    return false;
  }
  if (type == "double") {
    return llvm::all_of(elements.getValues<APFloat>(), [&](const APFloat &number) {
      return isExact(number.bitcastToAPInt().getZExtValue(), type);
    });
  }
  return llvm::all_of(elements.getValues<APInt>(),
                      [&](const APInt &number) { return isExact(number.getZExtValue(), type); });
}

} // namespace

std::vector<NarrowedValue> findNarrowed(ModuleOp module) {
  std::vector<NarrowedValue> inputs, outputs, constants, nodes;
  llvm::StringSet<> seen;
  auto add = [&](std::vector<NarrowedValue> &list, StringRef kind, StringRef name, StringRef opType,
                 Type type) {
    auto [from, to] = getNarrowing(type);
    if (!from.empty() && seen.insert((kind + "\n" + name + "\n" + opType).str()).second) {
      list.push_back({kind.str(), name.str(), opType.str(), from.str(), to.str()});
    }
  };
  mlir::onnx::WeightFiles files(module);
  for (auto function : module.getOps<func::FuncOp>()) {
    auto name = [](StringAttr attr) { return attr ? attr.getValue() : StringRef(); };
    for (auto [index, type] : llvm::enumerate(function.getArgumentTypes())) {
      add(inputs, "input",
          name(function.getArgAttrOfType<StringAttr>(index, mlir::onnx::kNameAttr)), "", type);
    }
    for (auto [index, type] : llvm::enumerate(function.getResultTypes())) {
      add(outputs, "output",
          name(function.getResultAttrOfType<StringAttr>(index, mlir::onnx::kNameAttr)), "", type);
    }
    function.walk<WalkOrder::PreOrder>([&](Operation *op) {
      if (auto node = dyn_cast<mlir::onnx::NodeOp>(op)) {
        // Sizes fit.
        if (node.getDomain().empty() &&
            (node.getOpType() == "Shape" || node.getOpType() == "Size")) {
          return;
        }
        for (Type type : node.getResultTypes()) {
          add(nodes, "node", node.getNodeName(), node.getOpType(), type);
        }
      } else if (isa<mlir::onnx::ConstantOp, mlir::onnx::WeightOp>(op)) {
        Type type = op->getResult(0).getType();
        StringRef from = getNarrowing(type).first;
        if (!from.empty() && !isOnlyBounds(op) && !isExact(op, from, files)) {
          add(constants, "constant", op->getAttrOfType<StringAttr>("name").getValue(), "", type);
        }
      }
    });
  }
  for (auto *list : {&outputs, &constants, &nodes}) {
    llvm::append_range(inputs, std::move(*list));
  }
  return inputs;
}

ModelReport makeReport(ModuleOp module, const ImportTrace &trace, AskRule askRule) {
  ModelReport report;
  report.openDims = groupDims(trace);
  report.narrowed = findNarrowed(module);
  Rows rows(module);
  // What is in the way, and what has no types or sizes after it.
  llvm::DenseSet<Operation *> inTheWay;
  auto isAfter = [&](mlir::onnx::NodeOp op) {
    return inTheWay.contains(op->getParentOp()) || llvm::any_of(op.getInputs(), [&](Value input) {
             return inTheWay.contains(input.getDefiningOp());
           });
  };
  for (auto function : module.getOps<func::FuncOp>()) {
    rows.startEntry();
    function.walk<WalkOrder::PreOrder>([&](mlir::onnx::NodeOp op) {
      OperatorReport row;
      row.domain = op.getDomain().empty() ? "ai.onnx" : op.getDomain().str();
      row.opType = op.getOpType().str();
      row.sinceVersion = static_cast<int64_t>(op.getSinceVersion());
      if (auto wrong = op->getAttrOfType<StringAttr>(kErrorAttr)) {
        row.status = OperatorStatus::Wrong;
        row.reason = wrong.str();
        inTheWay.insert(op);
        row.hint = "correct the model: onnx.checker.check_model(..., full_check=True)";
        rows.add(std::move(row), op.getNodeName().str());
        return;
      }
      RuleAnswer answer = askRule(op);
      auto known = op->getAttrOfType<StringAttr>(mlir::onnx::kReasonAttr);
      bool isKnown = known && answer.reason == known.getValue();
      row.rule = answer.rule;
      bool canWait = !report.openDims.empty() || isAfter(op);
      if (answer.reason.empty() && !canWait) {
        answer.reason = answer.shapeReason;
      }
      if (isAfter(op) && !isStatic(op)) {
        inTheWay.insert(op);
      }
      if (!answer.reason.empty()) {
        // Without a rule, nothing that is still open changes the answer, but for nodes that the
        // importer resolves.
        bool isVersion = isKnown && StringRef(answer.reason).contains("operator set");
        bool waits = canWait && !isStatic(op) && !isVersion && (isKnown || !answer.rule.empty());
        inTheWay.insert(op);
        row.status = waits ? OperatorStatus::Open : OperatorStatus::Unsupported;
        row.reason = answer.reason;
        row.hint = !waits                    ? suggest(op, answer, isKnown)
                   : report.openDims.empty() ? "solve what is in the way before it first"
                                             : "bind the dimensions below, and check again";
      }
      rows.add(std::move(row), op.getNodeName().str());
    });
  }
  rows.startEntry();
  for (const ImportTrace::Node &node : trace.nodes) {
    OperatorReport row;
    row.domain = node.domain;
    row.opType = node.opType;
    row.sinceVersion = node.since;
    row.status = node.isExpanded ? OperatorStatus::Expanded : OperatorStatus::Folded;
    row.rule = node.how;
    rows.add(std::move(row), node.name);
  }
  report.operators = rows.take();
  return report;
}

} // namespace lpu
