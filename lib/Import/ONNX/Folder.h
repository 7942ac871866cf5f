//===- Folder.h - One pass over a graph in its order ------------*- C++ -*-===//
#ifndef LPU_LIB_IMPORT_ONNX_FOLDER_H
#define LPU_LIB_IMPORT_ONNX_FOLDER_H

#include "Evaluate.h"
#include "Fold.h"

#include "llvm/ADT/StringSet.h"
#include "llvm/ADT/Twine.h"

#include <deque>
#include <map>

namespace lpu::import {

/// What a name of the model stands for. A tensor, and whatever is not resolved, has a name of the
/// flat graph. An optional with an element is that element.
struct Known {
  enum Kind { Absent, Tensor, Sequence } kind = Absent;
  std::string name;
  std::vector<Known> items;

  static Known tensor(std::string name) {
    Known value;
    value.kind = Tensor;
    value.name = std::move(name);
    return value;
  }
  static Known sequence(std::vector<Known> items) {
    Known value;
    value.kind = Sequence;
    value.items = std::move(items);
    return value;
  }
};

/// The names of a graph, or of a function's body, while its nodes are visited.
struct Scope {
  /// Where captured names are; null for the main graph and functions.
  const Scope *outer = nullptr;
  /// In front of names of nodes and values.
  std::string prefix;
  const Opsets *opsets = nullptr;
  llvm::StringMap<Known> values;
  /// The names that outputs of the graph get where a node of it makes them.
  llvm::StringMap<std::string> given;
};

/// Visits the nodes in the order of the graph, in which all that is known about their
/// inputs is known, and writes those that stay into a flat graph.
class Folder {
public:
  Folder(::onnx::ModelProto &model, const ImportOptions &options,
         const InputElements &inputElements, mlir::onnx::WeightFiles &files,
         mlir::MLIRContext &context);

  llvm::Expected<std::vector<Output>> run();

private:
  using Node = ::onnx::NodeProto;
  /// Whether a handler has done all there is to do for the node.
  using Handled = llvm::Expected<bool>;
  /// What rolls a trial back.
  struct Mark {
    size_t nodes;
  };

  // Fold.cpp
  void addInitializer(const ::onnx::TensorProto &tensor);
  llvm::Error visitAll(const ::onnx::GraphProto &graph, Scope &scope);
  llvm::Error visit(const Node &node, Scope &scope);
  llvm::Error visitOne(const Node &node, Scope &scope);
  llvm::Error keepWrong(const Node &node, Scope &scope, const std::string &message);
  /// Of a node whose names are the flat graph's; returns what its outputs are.
  llvm::Expected<std::vector<Known>> visitFlat(Node node, const Opsets &opsets);
  std::optional<llvm::Expected<std::vector<Known>>> rewrite(const Node &node);
  Node flatten(const Node &node, Scope &scope);
  void define(const Node &node, llvm::ArrayRef<Known> outputs, Scope &scope);
  Known lookup(const std::string &name, const Scope &scope) const;
  std::string makeName(const std::string &wanted);
  std::string nameOutput(const std::string &name, Scope &scope);
  std::string materialize(const Known &value, const std::string &wanted);
  void renameCaptured(::onnx::GraphProto &graph, const Scope &scope, llvm::StringSet<> hidden);
  bool tryEvaluate(const Node &node);
  bool tryShape(const Node &node);
  bool tryEyeLike(const Node &node);
  void setConstant(Numbers numbers, const std::string &name);
  NumbersPtr getNumbers(const std::string &name);
  void load(const std::string &name);
  void emit(Node node, const Opsets &opsets);
  llvm::Expected<std::vector<Known>> expand(const Node &node, const ::onnx::FunctionProto &body,
                                            const Opsets &opsets);
  std::string whyNot(const Node &node, const Opsets &opsets);
  std::optional<std::vector<int64_t>> getShape(const std::string &name) const;
  int32_t getElementType(const std::string &name) const;
  llvm::Error fail(const Node &node, const Scope &scope, const llvm::Twine &message) const;
  std::string describe(const Node &node, const Scope &scope) const;
  void finish(llvm::ArrayRef<Output> outputs);

  /// Makes a node of the default domain and visits it; `operands` are names of the flat graph.
  llvm::Expected<Known> make(llvm::StringRef opType, llvm::ArrayRef<std::string> operands,
                             const std::string &name,
                             llvm::ArrayRef<std::pair<std::string, int64_t>> attrs = {});
  Known makeInts(std::vector<int64_t> values, bool isScalar);
  Known makeBool(bool value);
  std::optional<int64_t> getScalar(const Known &value);

  // ControlFlow.cpp
  Handled visitControlFlow(const Node &node, Scope &scope);
  Handled visitIf(const Node &node, Scope &scope);
  Handled visitLoop(const Node &node, Scope &scope);
  Handled visitScan(const Node &node, Scope &scope);
  Handled visitBatchedScan(const Node &node, Scope &scope);
  Handled scan(const Node &node, const ::onnx::GraphProto &body, Scope &scope,
               const std::string &name, size_t numScans, bool hasAxes, llvm::ArrayRef<Known> inputs,
               std::vector<Known> &outputs);
  llvm::Expected<Known> pick(const Known &value, int64_t axis, int64_t index,
                             const std::string &name);
  Scope openBody(const ::onnx::GraphProto &graph, const Scope &outer, const std::string &prefix);
  llvm::Error checkBody(const Node &node, const Scope &scope, const ::onnx::GraphProto &body,
                        size_t inputs, size_t outputs) const;
  llvm::Expected<std::vector<Known>> visitBody(const ::onnx::GraphProto &graph, Scope &scope,
                                               const std::string &prefix,
                                               llvm::ArrayRef<Known> inputs,
                                               llvm::ArrayRef<std::string> outputs = {});
  llvm::Expected<std::optional<Known>> select(const std::string &condition, const Known &yes,
                                              const Known &no, const std::string &name);
  llvm::Expected<Known> makeCondition(const Known &condition);
  llvm::Expected<Known> stack(llvm::ArrayRef<Known> items, int64_t axis, const std::string &name);
  std::optional<Known> makeEmptyStack(const Known &item, int64_t axis, const std::string &name);

  // Sequences.cpp
  Handled visitSequence(const Node &node, Scope &scope);
  Handled visitSplit(const Node &node, llvm::ArrayRef<Known> inputs, Scope &scope);
  Handled visitMap(const Node &node, llvm::ArrayRef<Known> inputs, Scope &scope);
  Handled visitConcat(const Node &node, const Known &sequence, Scope &scope);

  /// The node stays, for this reason.
  Handled keep(const llvm::Twine &why, Mark mark);
  Mark mark() const { return {nodes.size()}; }
  void rollBack(Mark mark) { nodes.resize(mark.nodes); }

  ::onnx::ModelProto &model;
  const ImportOptions &options;
  const InputElements &inputElements;
  mlir::onnx::WeightFiles &files;
  mlir::MLIRContext &context;
  Opsets modelOpsets;
  /// That of nodes that folding makes itself.
  Opsets ownOpsets{{"", 18}};
  TypeInference types;
  std::vector<Node> nodes;
  llvm::StringSet<> usedNames;
  llvm::StringMap<unsigned> lastSuffix;
  /// Initializers of the main graph that are read from a file only where they are asked for.
  llvm::StringMap<const ::onnx::TensorProto *> notLoaded;
  /// Those that are large or in another file and have to stay what they are.
  llvm::StringSet<> weights;
  /// Values that became known, in the order in which they did.
  std::deque<::onnx::TensorProto> constants;
  llvm::StringMap<const ::onnx::TensorProto *> constantsByName;
  llvm::StringMap<NumbersPtr> decoded;
  std::map<std::pair<std::vector<int64_t>, bool>, std::string> madeInts;
  /// Why the node that is visited stays.
  std::string reason;
  /// What is wrong about it.
  std::string wrong;
  /// What has become of it instead; the last node that was visited says.
  enum Outcome { Emitted, Folded, Expanded, Rewritten } outcome = Emitted;
  /// Bodies of ONNX's functions around it: their nodes are not the model's.
  unsigned depth = 0;
};

} // namespace lpu::import

#endif // LPU_LIB_IMPORT_ONNX_FOLDER_H
