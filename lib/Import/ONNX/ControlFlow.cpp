//===- ControlFlow.cpp - If, Loop and Scan at import ----------------------===//

#include "Folder.h"

using namespace llvm;
using ::onnx::TensorProto;

namespace lpu::import {
namespace {

/// What a loop may unroll into.
constexpr size_t kMaxUnrolledNodes = 1 << 16;
constexpr int64_t kMaxIterations = 1 << 16;

const ::onnx::GraphProto *getGraph(const ::onnx::NodeProto &node, StringRef name) {
  for (const auto &attr : node.attribute()) {
    if (attr.name() == name && attr.has_g()) {
      return &attr.g();
    }
  }
  return nullptr;
}

int64_t getInt(const ::onnx::NodeProto &node, StringRef name, int64_t otherwise) {
  for (const auto &attr : node.attribute()) {
    if (attr.name() == name) {
      return attr.i();
    }
  }
  return otherwise;
}

std::vector<int64_t> getInts(const ::onnx::NodeProto &node, StringRef name, size_t size) {
  for (const auto &attr : node.attribute()) {
    if (attr.name() == name) {
      return {attr.ints().begin(), attr.ints().end()};
    }
  }
  return std::vector<int64_t>(size, 0);
}

} // namespace

/// The scope that the iterations of a body share: its initializers.
Scope Folder::openBody(const ::onnx::GraphProto &graph, const Scope &outer,
                       const std::string &prefix) {
  Scope scope;
  scope.outer = &outer;
  scope.opsets = outer.opsets;
  for (const TensorProto &tensor : graph.initializer()) {
    std::string name = makeName(prefix + "/" + tensor.name());
    constants.push_back(tensor);
    constants.back().set_name(name);
    constantsByName[name] = &constants.back();
    addInitializer(constants.back());
    scope.values[tensor.name()] = Known::tensor(name);
  }
  return scope;
}

Error Folder::checkBody(const Node &node, const Scope &scope, const ::onnx::GraphProto &body,
                        size_t inputs, size_t outputs) const {
  if (static_cast<size_t>(body.input_size()) == inputs &&
      static_cast<size_t>(body.output_size()) >= outputs) {
    return Error::success();
  }
  return fail(node, scope,
              "expected a graph with " + Twine(inputs) + " inputs and " + Twine(outputs) +
                  " outputs, got " + Twine(body.input_size()) + " and " +
                  Twine(body.output_size()));
}

Expected<std::vector<Known>> Folder::visitBody(const ::onnx::GraphProto &graph, Scope &scope,
                                               const std::string &prefix, ArrayRef<Known> inputs,
                                               ArrayRef<std::string> outputs) {
  Scope inner;
  inner.outer = &scope;
  inner.opsets = scope.opsets;
  inner.prefix = prefix;
  for (auto [input, value] : zip(graph.input(), inputs)) {
    inner.values[input.name()] = value;
  }
  for (int i = 0; i < graph.output_size() && i < static_cast<int>(outputs.size()); ++i) {
    inner.given.try_emplace(graph.output(i).name(), outputs[i]);
  }
  if (Error error = visitAll(graph, inner)) {
    return error;
  }
  std::vector<Known> results;
  for (const auto &output : graph.output()) {
    results.push_back(lookup(output.name(), inner));
  }
  return results;
}

Expected<std::optional<Known>> Folder::select(const std::string &condition, const Known &yes,
                                              const Known &no, const std::string &name) {
  if (yes.kind != no.kind) {
    return std::nullopt;
  }
  if (yes.kind == Known::Absent) {
    return Known();
  }
  if (yes.kind == Known::Sequence) {
    std::vector<Known> items;
    for (size_t i = 0; i < yes.items.size() && i < no.items.size(); ++i) {
      auto item = select(condition, yes.items[i], no.items[i], name);
      if (!item || !*item) {
        return item;
      }
      items.push_back(std::move(**item));
    }
    return yes.items.size() == no.items.size() ? std::optional(Known::sequence(std::move(items)))
                                               : std::nullopt;
  }
  if (yes.name == no.name) {
    return yes;
  }
  auto shape = getShape(yes.name);
  if (!shape || shape != getShape(no.name) || getElementType(yes.name) != getElementType(no.name)) {
    return std::nullopt;
  }
  auto chosen = make("Where", {condition, yes.name, no.name}, name);
  if (!chosen) {
    return chosen.takeError();
  }
  return std::optional(*chosen);
}

/// A condition of one element as one of rank 0, so that it changes no shape.
Expected<Known> Folder::makeCondition(const Known &condition) {
  auto shape = getShape(condition.name);
  if (shape && shape->empty()) {
    return condition;
  }
  return make("Squeeze", {condition.name}, condition.name + "/scalar");
}

Expected<Known> Folder::stack(ArrayRef<Known> items, int64_t axis, const std::string &name) {
  std::string axes = makeInts({axis}, /*isScalar=*/false).name;
  std::vector<std::string> pieces;
  for (const Known &item : items) {
    auto piece = make("Unsqueeze", {item.name, axes}, name);
    if (!piece) {
      return piece;
    }
    pieces.push_back(piece->name);
  }
  return pieces.size() == 1 ? Known::tensor(pieces.front())
                            : make("Concat", pieces, name, {{"axis", axis}});
}

/// A tensor without elements of the type of `item`, stacked along `axis`.
std::optional<Known> Folder::makeEmptyStack(const Known &item, int64_t axis,
                                            const std::string &name) {
  auto shape = item.kind == Known::Tensor ? getShape(item.name) : std::nullopt;
  if (!shape) {
    return std::nullopt;
  }
  axis += axis < 0 ? static_cast<int64_t>(shape->size()) + 1 : 0;
  shape->insert(shape->begin() + axis, 0);
  TensorProto tensor;
  tensor.set_data_type(getElementType(item.name));
  for (int64_t dim : *shape) {
    tensor.add_dims(dim);
  }
  auto numbers = decode(tensor);
  if (!numbers) {
    return std::nullopt;
  }
  std::string fresh = makeName(name);
  setConstant(std::move(*numbers), fresh);
  return Known::tensor(fresh);
}

Folder::Handled Folder::keep(const Twine &why, Mark mark) {
  rollBack(mark);
  reason = why.str();
  return false;
}

Folder::Handled Folder::visitIf(const Node &node, Scope &scope) {
  const ::onnx::GraphProto *branches[] = {getGraph(node, "else_branch"),
                                          getGraph(node, "then_branch")};
  Known condition = node.input_size() == 1 ? lookup(node.input(0), scope) : Known();
  if (!branches[0] || !branches[1] || condition.kind != Known::Tensor) {
    return false;
  }
  std::string name = describe(node, scope);
  for (const ::onnx::GraphProto *branch : branches) {
    if (Error error = checkBody(node, scope, *branch, 0, node.output_size())) {
      return error;
    }
  }
  auto visitBranch = [&](bool isThen, ArrayRef<std::string> outputs) {
    std::string prefix = name + (isThen ? "/then" : "/else");
    Scope inner = openBody(*branches[isThen], scope, prefix);
    return visitBody(*branches[isThen], inner, prefix + "/", {}, outputs);
  };
  if (auto value = getScalar(condition)) {
    std::vector<std::string> names;
    for (const std::string &output : node.output()) {
      names.push_back(nameOutput(output, scope));
    }
    auto results = visitBranch(*value != 0, names);
    if (!results) {
      return results.takeError();
    }
    define(node, *results, scope);
    return true;
  }
  if (!options.whyNot) {
    return false;
  }
  Mark start = mark();
  auto scalar = makeCondition(condition);
  auto yes = visitBranch(true, {});
  auto no = visitBranch(false, {});
  if (!scalar || !yes || !no) {
    return joinErrors(scalar.takeError(), joinErrors(yes.takeError(), no.takeError()));
  }
  std::vector<Known> results;
  for (int i = 0; i < node.output_size(); ++i) {
    auto result = select(scalar->name, (*yes)[i], (*no)[i], name);
    if (!result) {
      return result.takeError();
    }
    if (!*result) {
      return keep("the condition depends on the data, and output " + Twine(i) +
                      " has another type or shape in each branch",
                  start);
    }
    results.push_back(std::move(**result));
  }
  define(node, results, scope);
  return true;
}

Folder::Handled Folder::visitLoop(const Node &node, Scope &scope) {
  const ::onnx::GraphProto *body = getGraph(node, "body");
  if (!body || node.input_size() < 2) {
    return false;
  }
  Mark start = mark();
  Known trips = lookup(node.input(0), scope), condition = lookup(node.input(1), scope);
  int64_t limit = INT64_MAX;
  if (trips.kind != Known::Absent) {
    auto constant = getScalar(trips);
    if (!constant) {
      return keep("the trip count depends on the data", start);
    }
    limit = *constant;
  }
  std::string name = describe(node, scope);
  std::vector<Known> states;
  for (int i = 2; i < node.input_size(); ++i) {
    states.push_back(lookup(node.input(i), scope));
  }
  size_t numScans = node.output_size() - std::min<size_t>(node.output_size(), states.size());
  std::vector<std::vector<Known>> scans(numScans);
  if (Error error =
          checkBody(node, scope, *body, 2 + states.size(), 1 + states.size() + numScans)) {
    return error;
  }
  Scope bodyScope = openBody(*body, scope, name);
  if (condition.kind == Known::Absent) {
    condition = makeBool(true);
  }
  // Whether the iterations still go on, where that is not known.
  std::optional<Known> active;
  auto iterate = [&](int64_t i) {
    std::vector<Known> inputs{makeInts({i}, /*isScalar=*/true), condition};
    append_range(inputs, states);
    return visitBody(*body, bodyScope, name + "/" + std::to_string(i) + "/", inputs);
  };
  int64_t done = 0;
  for (; done < limit; ++done) {
    if (auto goesOn = getScalar(condition)) {
      if (*goesOn == 0) {
        break;
      }
    } else if (!options.whyNot) {
      return keep("the condition depends on the data", start);
    } else {
      // The last condition counts in the iterations after it alone.
      auto scalar = makeCondition(condition);
      if (scalar && active) {
        scalar = make("And", {active->name, scalar->name}, name + "/active");
      }
      if (!scalar) {
        return scalar.takeError();
      }
      active = *scalar;
    }
    if (active && limit > kMaxIterations) {
      return keep("the condition depends on the data, and the trip count is not limited", start);
    }
    if (active && numScans > 0) {
      return keep("the length of output " + Twine(states.size()) + " depends on the data", start);
    }
    auto results = iterate(done);
    if (!results) {
      return results.takeError();
    }
    if (done >= kMaxIterations || nodes.size() - start.nodes > kMaxUnrolledNodes) {
      return fail(node, scope,
                  "more than " + Twine(kMaxUnrolledNodes) + " nodes or iterations to unroll");
    }
    for (size_t i = 0; i < states.size(); ++i) {
      if (!active) {
        states[i] = (*results)[i + 1];
        continue;
      }
      auto state = select(active->name, (*results)[i + 1], states[i], name);
      if (!state) {
        return state.takeError();
      }
      if (!*state) {
        return keep("the condition depends on the data, and state " + Twine(i) +
                        " changes its type or shape",
                    start);
      }
      states[i] = std::move(**state);
    }
    for (size_t i = 0; i < numScans; ++i) {
      scans[i].push_back((*results)[states.size() + 1 + i]);
    }
    condition = results->front();
  }
  std::vector<Known> outputs = states;
  Mark end = mark();
  std::optional<std::vector<Known>> sample;
  for (size_t i = 0; i < numScans; ++i) {
    if (done == 0) {
      // No iteration: a body for the types alone.
      if (!sample) {
        auto results = iterate(0);
        if (!results) {
          return results.takeError();
        }
        rollBack(end);
        sample = std::move(*results);
      }
      auto empty = makeEmptyStack((*sample)[states.size() + 1 + i], 0, name);
      if (!empty) {
        return keep("the shape of output " + Twine(states.size() + i) + " is not known", start);
      }
      outputs.push_back(*empty);
      continue;
    }
    if (any_of(scans[i], [](const Known &item) { return item.kind != Known::Tensor; })) {
      return keep("output " + Twine(states.size() + i) + " is no tensor", start);
    }
    auto whole = stack(scans[i], 0, name);
    if (!whole) {
      return whole.takeError();
    }
    outputs.push_back(*whole);
  }
  define(node, outputs, scope);
  return true;
}

/// The slice of `value` at `index` of `axis`, without that axis.
Expected<Known> Folder::pick(const Known &value, int64_t axis, int64_t index,
                             const std::string &name) {
  std::string axes = makeInts({axis}, /*isScalar=*/false).name;
  auto piece = make("Slice",
                    {value.name, makeInts({index}, /*isScalar=*/false).name,
                     makeInts({index + 1}, /*isScalar=*/false).name, axes},
                    name);
  return piece ? make("Squeeze", {piece->name, axes}, name) : std::move(piece);
}

/// Appends the outputs of one Scan of `inputs`, of which the last `numScans` are scanned.
Folder::Handled Folder::scan(const Node &node, const ::onnx::GraphProto &body, Scope &scope,
                             const std::string &name, size_t numScans, bool hasAxes,
                             ArrayRef<Known> inputs, std::vector<Known> &outputs) {
  Mark start = mark();
  size_t numStates = inputs.size() - numScans;
  size_t numOutputs = body.output_size() - std::min<size_t>(body.output_size(), numStates);
  std::vector<int64_t> inAxes = getInts(node, "scan_input_axes", numScans);
  std::vector<int64_t> inBackward =
      getInts(node, hasAxes ? "scan_input_directions" : "directions", numScans);
  std::vector<int64_t> outAxes = getInts(node, "scan_output_axes", numOutputs);
  std::vector<int64_t> outBackward = getInts(node, "scan_output_directions", numOutputs);
  std::vector<Known> states(inputs.begin(), inputs.begin() + numStates);
  ArrayRef<Known> sources = inputs.drop_front(numStates);
  if (inAxes.size() != numScans || inBackward.size() != numScans || outAxes.size() != numOutputs ||
      outBackward.size() != numOutputs) {
    return fail(node, scope, "axes or directions that are not one for each scan input and output");
  }
  if (Error error = checkBody(node, scope, body, inputs.size(),
                              std::max<size_t>(numStates, node.output_size()))) {
    return error;
  }
  Scope bodyScope = openBody(body, scope, name);
  std::optional<int64_t> length;
  for (size_t i = 0; i < numScans; ++i) {
    auto shape = sources[i].kind == Known::Tensor ? getShape(sources[i].name) : std::nullopt;
    int64_t &axis = inAxes[i];
    axis += shape && axis < 0 ? static_cast<int64_t>(shape->size()) : 0;
    if (!shape || axis < 0 || axis >= static_cast<int64_t>(shape->size())) {
      return keep("scan input " + Twine(i) + " has no static shape", start);
    }
    if (length.value_or((*shape)[axis]) != (*shape)[axis]) {
      return fail(node, scope,
                  "scan inputs of length " + Twine(*length) + " and " + Twine((*shape)[axis]));
    }
    length = (*shape)[axis];
  }
  if (*length == 0 && numOutputs > 0) {
    return keep("no iteration, and so no shape of its outputs", start);
  }
  std::vector<std::vector<Known>> scans(numOutputs);
  for (int64_t step = 0; step < *length; ++step) {
    std::vector<Known> arguments = states;
    for (auto [source, axis, backward] : zip(sources, inAxes, inBackward)) {
      auto piece = pick(source, axis, backward != 0 ? *length - 1 - step : step, name);
      if (!piece) {
        return piece.takeError();
      }
      arguments.push_back(*piece);
    }
    auto results = visitBody(body, bodyScope, name + "/" + std::to_string(step) + "/", arguments);
    if (!results) {
      return results.takeError();
    }
    if (step >= kMaxIterations || nodes.size() - start.nodes > kMaxUnrolledNodes) {
      return fail(node, scope,
                  "more than " + Twine(kMaxUnrolledNodes) + " nodes or iterations to unroll");
    }
    std::copy_n(results->begin(), numStates, states.begin());
    for (size_t i = 0; i < numOutputs; ++i) {
      scans[i].push_back((*results)[numStates + i]);
    }
  }
  append_range(outputs, states);
  for (auto [items, axis, backward] : zip(scans, outAxes, outBackward)) {
    auto shape = getShape(items.front().name);
    if (!shape) {
      return keep("an output has no static shape", start);
    }
    if (backward != 0) {
      std::reverse(items.begin(), items.end());
    }
    axis += axis < 0 ? static_cast<int64_t>(shape->size()) + 1 : 0;
    auto whole = stack(items, axis, name);
    if (!whole) {
      return whole.takeError();
    }
    outputs.push_back(*whole);
  }
  return true;
}

/// Version 8: the first axis of everything is a batch, in front of the axis that is scanned, and
/// input 0 gives lengths.
Folder::Handled Folder::visitBatchedScan(const Node &node, Scope &scope) {
  Mark start = mark();
  const ::onnx::GraphProto &body = *getGraph(node, "body");
  auto numScans = static_cast<size_t>(getInt(node, "num_scan_inputs", 0));
  if (lookup(node.input(0), scope).kind != Known::Absent) {
    return keep("input 0 gives lengths, which version 8 alone has", start);
  }
  std::vector<Known> inputs;
  std::optional<int64_t> batch;
  for (int i = 1; i < node.input_size(); ++i) {
    inputs.push_back(lookup(node.input(i), scope));
    auto shape = inputs.back().kind == Known::Tensor ? getShape(inputs.back().name) : std::nullopt;
    if (!shape || shape->empty() || batch.value_or((*shape)[0]) != (*shape)[0]) {
      return keep("input " + Twine(i) + " has no static batch, or another one", start);
    }
    batch = (*shape)[0];
  }
  std::string name = describe(node, scope);
  std::vector<std::vector<Known>> perBatch(*batch);
  for (int64_t b = 0; b < *batch; ++b) {
    std::vector<Known> own;
    for (const Known &input : inputs) {
      auto piece = pick(input, 0, b, name);
      if (!piece) {
        return piece.takeError();
      }
      own.push_back(*piece);
    }
    auto handled = scan(node, body, scope, name + "/batch" + std::to_string(b), numScans,
                        /*hasAxes=*/false, own, perBatch[b]);
    if (!handled || !*handled) {
      rollBack(start);
      return handled;
    }
  }
  std::vector<Known> outputs;
  for (int i = 0; i < node.output_size(); ++i) {
    std::vector<Known> items;
    for (const auto &results : perBatch) {
      items.push_back(results[i]);
    }
    auto whole = items.empty() ? Expected<Known>(Known()) : stack(items, 0, name);
    if (!whole) {
      return whole.takeError();
    }
    outputs.push_back(*whole);
  }
  define(node, outputs, scope);
  return true;
}

Folder::Handled Folder::visitScan(const Node &node, Scope &scope) {
  const ::onnx::GraphProto *body = getGraph(node, "body");
  auto numScans = static_cast<size_t>(getInt(node, "num_scan_inputs", 0));
  auto opset = scope.opsets->find("");
  if (!body || numScans == 0 || numScans > static_cast<size_t>(node.input_size()) ||
      opset == scope.opsets->end()) {
    return false;
  }
  if (opset->second < 9) {
    return visitBatchedScan(node, scope);
  }
  std::vector<Known> inputs, outputs;
  for (const std::string &input : node.input()) {
    inputs.push_back(lookup(input, scope));
  }
  auto handled =
      scan(node, *body, scope, describe(node, scope), numScans, /*hasAxes=*/true, inputs, outputs);
  if (handled && *handled) {
    define(node, outputs, scope);
  }
  return handled;
}

Folder::Handled Folder::visitControlFlow(const Node &node, Scope &scope) {
  return node.op_type() == "If"     ? visitIf(node, scope)
         : node.op_type() == "Loop" ? visitLoop(node, scope)
         : node.op_type() == "Scan" ? visitScan(node, scope)
                                    : Handled(false);
}

} // namespace lpu::import
