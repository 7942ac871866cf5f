//===- Fold.cpp - What is known when a model is imported ------------------===//

#include "Fold.h"

#include "Folder.h"
#include "Graph.h"
#include "Tensors.h"
#include "Weights.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

using namespace mlir;
using llvm::createStringError;
using ::onnx::TensorProto;

namespace lpu::import {

Folder::Folder(::onnx::ModelProto &model, const ImportOptions &options,
               const InputElements &inputElements, mlir::onnx::WeightFiles &files,
               MLIRContext &context)
    : model(model), options(options), inputElements(inputElements), files(files), context(context),
      modelOpsets(getOpsets(model.opset_import())), types(model) {}

//===----------------------------------------------------------------------===//
// Names and what they stand for
//===----------------------------------------------------------------------===//

Known Folder::lookup(const std::string &name, const Scope &scope) const {
  for (const Scope *at = &scope; at; at = at->outer) {
    if (auto it = at->values.find(name); it != at->values.end()) {
      return it->second;
    }
  }
  return {};
}

std::string Folder::makeName(const std::string &wanted) {
  std::string name = wanted;
  while (!usedNames.insert(name).second) {
    name = wanted + "#" + std::to_string(++lastSuffix[wanted]);
  }
  return name;
}

std::string Folder::nameOutput(const std::string &name, Scope &scope) {
  // Names of the main graph stay.
  if (name.empty() || scope.prefix.empty()) {
    return name;
  }
  if (auto it = scope.given.find(name); it != scope.given.end() && !it->second.empty()) {
    return it->second;
  }
  return makeName(scope.prefix + name);
}

std::string Folder::describe(const Node &node, const Scope &scope) const {
  std::string name = node.name();
  for (int i = 0; name.empty() && i < node.output_size(); ++i) {
    name = node.output(i);
  }
  return scope.prefix + name;
}

llvm::Error Folder::fail(const Node &node, const Scope &scope, const Twine &message) const {
  return createStringError("node '" + describe(node, scope) + "' (" + node.op_type() +
                           "): " + message);
}

std::optional<std::vector<int64_t>> Folder::getShape(const std::string &name) const {
  const ::onnx::TypeProto *type = types.getType(name);
  if (!type || !type->has_tensor_type() || !type->tensor_type().has_shape()) {
    return std::nullopt;
  }
  std::vector<int64_t> dims;
  for (const auto &dim : type->tensor_type().shape().dim()) {
    if (!dim.has_dim_value() || dim.dim_value() < 0) {
      return std::nullopt;
    }
    dims.push_back(dim.dim_value());
  }
  return dims;
}

int32_t Folder::getElementType(const std::string &name) const {
  const ::onnx::TypeProto *type = types.getType(name);
  return type && type->has_tensor_type() ? type->tensor_type().elem_type() : 0;
}

//===----------------------------------------------------------------------===//
// Constants
//===----------------------------------------------------------------------===//

static ::onnx::TypeProto makeType(int32_t element, ArrayRef<int64_t> dims) {
  ::onnx::TypeProto type;
  type.mutable_tensor_type()->set_elem_type(element);
  auto *shape = type.mutable_tensor_type()->mutable_shape();
  for (int64_t dim : dims) {
    shape->add_dim()->set_dim_value(dim);
  }
  return type;
}

void Folder::addInitializer(const TensorProto &tensor) {
  const std::string &name = tensor.name();
  ArrayRef<int64_t> dims(tensor.dims().data(), tensor.dims_size());
  types.setType(name, makeType(tensor.data_type(), dims));
  bool isExternal = tensor.data_location() == TensorProto::EXTERNAL;
  int64_t elements = 1;
  for (int64_t dim : dims) {
    elements = dim < 0 || elements > INT32_MAX ? INT64_MAX : elements * dim;
  }
  bool isIndex = tensor.data_type() == TensorProto::INT64 ||
                 tensor.data_type() == TensorProto::INT32 ||
                 tensor.data_type() == TensorProto::BOOL;
  // What is larger is a weight: it stays the tensor of the file that it is.
  bool isFixed =
      llvm::any_of(options.inputValues, [&](const auto &value) { return value.first == name; });
  bool isSmall = elements <= (isIndex || isFixed ? kMaxFoldedElements : kInPlaceBytes / 4);
  if (!isSmall) {
    weights.insert(name);
  }
  if (!isExternal) {
    types.setConstant(name, &tensor);
  } else if (isSmall) {
    notLoaded[name] = &tensor;
  }
}

void Folder::load(const std::string &name) {
  auto it = notLoaded.find(name);
  if (it == notLoaded.end()) {
    return;
  }
  const TensorProto &tensor = *it->second;
  notLoaded.erase(it);
  auto data = getExternalData(tensor);
  auto type = getTensorType(tensor, &context);
  if (!data || !type) {
    llvm::consumeError(llvm::joinErrors(data.takeError(), type.takeError()));
    return;
  }
  Builder builder(&context);
  auto bytes = files.getBytes(
      mlir::onnx::WeightRefAttr::get(&context, builder.getStringAttr(data->file), data->offset,
                                     data->length, builder.getStringAttr(""), *type));
  if (!bytes) {
    llvm::consumeError(bytes.takeError());
    return;
  }
  TensorProto copy;
  copy.set_name(name);
  copy.set_data_type(tensor.data_type());
  *copy.mutable_dims() = tensor.dims();
  copy.set_raw_data(bytes->data(), bytes->size());
  constants.push_back(std::move(copy));
  types.setConstant(name, &constants.back());
}

NumbersPtr Folder::getNumbers(const std::string &name) {
  if (auto it = decoded.find(name); it != decoded.end()) {
    return it->second;
  }
  NumbersPtr &numbers = decoded[name];
  const TensorProto *tensor = weights.contains(name) ? nullptr : types.getConstant(name);
  std::optional<Numbers> values;
  if (auto dims = getShape(name); tensor && dims) {
    int64_t elements = 1;
    for (int64_t dim : *dims) {
      elements = std::min(elements * dim, kMaxFoldedElements + 1);
    }
    values = elements <= kMaxFoldedElements ? decode(*tensor) : std::nullopt;
  }
  if (values) {
    numbers = std::make_shared<const Numbers>(std::move(*values));
  }
  return numbers;
}

void Folder::setConstant(Numbers numbers, const std::string &name) {
  constants.push_back(encode(numbers, name));
  types.setConstant(name, &constants.back());
  types.setType(name, makeType(numbers.type, numbers.dims));
  constantsByName[name] = &constants.back();
  decoded[name] = std::make_shared<const Numbers>(std::move(numbers));
}

Known Folder::makeInts(std::vector<int64_t> values, bool isScalar) {
  std::string &name = madeInts[{values, isScalar}];
  if (!name.empty()) {
    return Known::tensor(name);
  }
  Numbers numbers;
  numbers.type = TensorProto::INT64;
  if (!isScalar) {
    numbers.dims = {static_cast<int64_t>(values.size())};
  }
  numbers.ints = std::move(values);
  name = makeName("const");
  setConstant(std::move(numbers), name);
  return Known::tensor(name);
}

std::optional<int64_t> Folder::getScalar(const Known &value) {
  if (value.kind != Known::Tensor) {
    return std::nullopt;
  }
  load(value.name);
  NumbersPtr numbers = getNumbers(value.name);
  if (!numbers || numbers->isReal() || numbers->size() != 1) {
    return std::nullopt;
  }
  return numbers->ints[0];
}

//===----------------------------------------------------------------------===//
// One node
//===----------------------------------------------------------------------===//

bool Folder::tryShape(const Node &node) {
  bool isShape = node.op_type() == "Shape";
  if (!node.domain().empty() || (!isShape && node.op_type() != "Size")) {
    return false;
  }
  const ::onnx::TypeProto *type = types.getType(node.input(0));
  if (!type || !type->has_tensor_type() || !type->tensor_type().has_shape()) {
    return false;
  }
  const auto &dims = type->tensor_type().shape().dim();
  int64_t begin = 0, end = dims.size();
  for (const auto &attr : node.attribute()) {
    int64_t place = attr.i() + (attr.i() < 0 ? dims.size() : 0);
    (attr.name() == "start" ? begin : end) = std::clamp<int64_t>(place, 0, dims.size());
  }
  Numbers result;
  result.type = TensorProto::INT64;
  int64_t product = 1;
  for (int64_t i = begin; i < end; ++i) {
    const auto &dim = dims[static_cast<int>(i)];
    if (!dim.has_dim_value()) {
      return false;
    }
    product *= dim.dim_value();
    result.ints.push_back(dim.dim_value());
  }
  if (isShape) {
    result.dims = {static_cast<int64_t>(result.ints.size())};
  } else {
    result.ints = {product};
  }
  setConstant(std::move(result), node.output(0));
  return true;
}

/// Its value depends on the shape of its input alone.
bool Folder::tryEyeLike(const Node &node) {
  auto dims =
      node.op_type() == "EyeLike" && node.domain().empty() ? getShape(node.input(0)) : std::nullopt;
  if (!dims) {
    return false;
  }
  Numbers zeros;
  zeros.type = TensorProto::BOOL;
  zeros.dims = *dims;
  auto results = evaluate(node, {std::make_shared<const Numbers>(std::move(zeros))},
                          {getElementType(node.output(0))});
  if (results) {
    setConstant(std::move(results->front()), node.output(0));
  }
  return results.has_value();
}

bool Folder::tryEvaluate(const Node &node) {
  if (!node.domain().empty()) {
    return false;
  }
  std::vector<NumbersPtr> inputs;
  for (const std::string &input : node.input()) {
    inputs.push_back(input.empty() ? nullptr : getNumbers(input));
    if (!input.empty() && !inputs.back()) {
      return false;
    }
  }
  std::vector<int32_t> outputTypes;
  for (const std::string &output : node.output()) {
    // Where inference gave up, operators whose results are of another type are not evaluated.
    int32_t type = output.empty() ? int32_t(TensorProto::BOOL) : getElementType(output);
    outputTypes.push_back(type != 0 || node.op_type() != "Range" ? type
                                                                 : getElementType(node.input(0)));
  }
  auto results = evaluate(node, inputs, outputTypes);
  if (!results || results->size() < static_cast<size_t>(node.output_size())) {
    return false;
  }
  for (int i = 0; i < node.output_size(); ++i) {
    if (!node.output(i).empty()) {
      setConstant(std::move((*results)[i]), node.output(i));
    }
  }
  return true;
}

/// The tensor of a node `Constant` that is not numbers, or large.
static const TensorProto *getConstantTensor(const ::onnx::NodeProto &node) {
  if (!node.domain().empty() || node.op_type() != "Constant") {
    return nullptr;
  }
  for (const auto &attr : node.attribute()) {
    if (attr.name() == "value" && attr.t().data_location() != TensorProto::EXTERNAL) {
      return &attr.t();
    }
  }
  return nullptr;
}

std::string Folder::whyNot(const Node &node, const Opsets &opsets) {
  if (!options.whyNot) {
    return "";
  }
  // A model of this node alone.
  ::onnx::ModelProto probe;
  for (const auto &[domain, version] : opsets) {
    auto &opset = *probe.add_opset_import();
    opset.set_domain(domain);
    opset.set_version(version);
  }
  ::onnx::GraphProto &graph = *probe.mutable_graph();
  *graph.add_node() = node;
  llvm::StringSet<> seen;
  auto addInfo = [&](::onnx::ValueInfoProto &info, const std::string &name) {
    info.set_name(name);
    if (const ::onnx::TypeProto *type = types.getType(name)) {
      *info.mutable_type() = *type;
    }
  };
  for (const std::string &input : node.input()) {
    if (input.empty() || !seen.insert(input).second) {
      continue;
    }
    const TensorProto *constant = weights.contains(input) ? nullptr : types.getConstant(input);
    if (constant) {
      *graph.add_initializer() = *constant;
      graph.mutable_initializer()->rbegin()->set_name(input);
    } else {
      addInfo(*graph.add_input(), input);
    }
  }
  for (const std::string &output : node.output()) {
    addInfo(*graph.add_value_info(), output);
  }
  OwningOpRef<ModuleOp> module = ModuleOp::create(UnknownLoc::get(&context));
  llvm::StringMap<std::string> hashes;
  GraphImporter importer(probe, files, hashes, /*hashWeights=*/false, *module);
  if (llvm::Error error = importer.importEntry(EntrySpec())) {
    llvm::consumeError(std::move(error));
    return "";
  }
  std::string reason;
  for (auto function : module->getOps<func::FuncOp>()) {
    for (auto op : function.getOps<mlir::onnx::NodeOp>()) {
      reason = options.whyNot(op);
    }
  }
  return reason;
}

/// Notes the operator set of a node, and of those in its graphs, where it is not the model's.
static void noteOpset(::onnx::NodeProto &node, const Opsets &opsets, const Opsets &modelOpsets) {
  auto it = opsets.find(node.domain());
  auto model = modelOpsets.find(node.domain());
  if (it != opsets.end() && (model == modelOpsets.end() || model->second != it->second)) {
    auto &property = *node.add_metadata_props();
    property.set_key(kOpsetKey.str());
    property.set_value(std::to_string(it->second));
  }
  for (auto &attr : *node.mutable_attribute()) {
    if (attr.has_g()) {
      for (auto &inner : *attr.mutable_g()->mutable_node()) {
        noteOpset(inner, opsets, modelOpsets);
      }
    }
  }
}

void note(ImportTrace *trace, const ::onnx::NodeProto &node, const Opsets &opsets, bool isExpanded,
          StringRef how) {
  if (!trace) {
    return;
  }
  std::string name = node.name(), first;
  for (int i = 0; first.empty() && i < node.output_size(); ++i) {
    first = node.output(i);
  }
  std::string key =
      node.domain() + "\n" + node.op_type() + "\n" + name + "\n" + first + "\n" + how.str();
  if (!trace->seen.insert(key).second) {
    return;
  }
  auto version = opsets.find(node.domain());
  int opset = version == opsets.end() ? 0 : version->second;
  bool isDefault = node.domain().empty() || node.domain() == kNonstandardDomain;
  trace->nodes.push_back({isDefault ? "ai.onnx" : node.domain(), node.op_type(),
                          getSinceVersion(node.domain(), node.op_type(), opset),
                          name.empty() ? first : name, isExpanded, how.str()});
}

/// The metadata of `node`; an empty text is none.
static void setProperty(::onnx::NodeProto &node, StringRef key, const std::string &text) {
  if (!text.empty()) {
    auto &property = *node.add_metadata_props();
    property.set_key(key.str());
    property.set_value(text);
  }
}

/// Whether only nodes that are gone after import can be converted, or most of them.
static bool isForImport(StringRef opType) {
  return opType.contains("Sequence") || opType.starts_with("Optional") ||
         llvm::is_contained(
             {"Shape", "Size", "ConstantOfShape", "Range", "EyeLike", "If", "Loop", "Scan"},
             opType);
}

void Folder::emit(Node node, const Opsets &opsets) {
  noteOpset(node, opsets, modelOpsets);
  if (options.trace && reason.empty() && node.domain().empty() && isForImport(node.op_type())) {
    reason = "it is for the importer to resolve, and what it needs of its inputs is not known";
  }
  setProperty(node, kReasonKey, reason);
  setProperty(node, kErrorKey, wrong);
  reason.clear();
  wrong.clear();
  outcome = Emitted;
  nodes.push_back(std::move(node));
}

llvm::Expected<std::vector<Known>>
Folder::expand(const Node &node, const ::onnx::FunctionProto &body, const Opsets &opsets) {
  Opsets own = opsets;
  for (const auto &[domain, version] : getOpsets(body.opset_import())) {
    own[domain] = version;
  }
  Scope inner;
  inner.opsets = &own;
  inner.prefix = describe(node, Scope()) + "/";
  for (int i = 0; i < body.input_size(); ++i) {
    bool isGiven = i < node.input_size() && !node.input(i).empty();
    inner.values[body.input(i)] = isGiven ? Known::tensor(node.input(i)) : Known();
  }
  for (int i = 0; i < std::min(node.output_size(), body.output_size()); ++i) {
    inner.given[body.output(i)] = node.output(i);
  }
  ++depth;
  for (const Node &step : body.node()) {
    if (llvm::Error error = visit(step, inner)) {
      --depth;
      return error;
    }
  }
  --depth;
  outcome = Expanded;
  std::vector<Known> outputs;
  for (int i = 0; i < node.output_size(); ++i) {
    outputs.push_back(i < body.output_size() ? lookup(body.output(i), inner) : Known());
  }
  return outputs;
}

/// "float[2,3], int64[]".
static std::string listTypes(const ::onnx::NodeProto &node, const TypeInference &types) {
  std::string text;
  for (const std::string &input : node.input()) {
    const ::onnx::TypeProto *type = types.getType(input);
    text += text.empty() ? "" : ", ";
    if (!type || !type->has_tensor_type()) {
      text += input.empty() ? "none" : "?";
      continue;
    }
    std::string element = TensorProto::DataType_Name(
        static_cast<TensorProto::DataType>(type->tensor_type().elem_type()));
    text += StringRef(element).lower();
    if (!type->tensor_type().has_shape()) {
      continue;
    }
    text += "[";
    for (const auto &dim : type->tensor_type().shape().dim()) {
      text += text.back() == '[' ? "" : ",";
      text += dim.has_dim_value()   ? std::to_string(dim.dim_value())
              : dim.has_dim_param() ? dim.dim_param()
                                    : "?";
    }
    text += "]";
  }
  return text;
}

llvm::Expected<std::vector<Known>> Folder::visitFlat(Node node, const Opsets &opsets) {
  std::vector<Known> results;
  outcome = Folded;
  for (const std::string &output : node.output()) {
    results.push_back(output.empty() ? Known() : Known::tensor(output));
  }
  for (const std::string &input : node.input()) {
    load(input);
  }
  if (llvm::Error error = types.infer(node, opsets)) {
    std::string message = llvm::toString(std::move(error));
    // Inference is stricter than ONNX's own functions are with constants of one element,
    // and gives up where the type of an input is not known. A node with graphs that is still
    // there is not converted anyway. In both cases a later step names the node.
    bool isKnown = llvm::all_of(node.input(), [&](const std::string &input) {
      return input.empty() || types.getType(input);
    });
    bool hasGraphs = llvm::any_of(node.attribute(), [](const auto &attr) { return attr.has_g(); });
    if (isKnown && !hasGraphs && !tryEvaluate(node)) {
      return fail(node, Scope(), StringRef(message).trim() + "; inputs " + listTypes(node, types));
    }
  }
  if (const TensorProto *tensor = getConstantTensor(node)) {
    constants.push_back(*tensor);
    constants.back().set_name(node.output(0));
    types.setConstant(node.output(0), &constants.back());
    constantsByName[node.output(0)] = &constants.back();
    return results;
  }
  bool isDone = llvm::all_of(results, [&](const Known &value) {
    return value.kind == Known::Absent || constantsByName.contains(value.name);
  });
  if (isDone || tryShape(node) || tryEyeLike(node) || tryEvaluate(node)) {
    return results;
  }
  if (auto values = node.output_size() == 1 ? types.propagate(node, opsets) : std::nullopt) {
    auto dims = getShape(node.output(0));
    int32_t element = getElementType(node.output(0));
    auto elements = static_cast<int64_t>(values->size());
    bool fits =
        dims && (dims->empty() ? elements == 1 : dims->size() == 1 && (*dims)[0] == elements);
    if (fits && (element == TensorProto::INT64 || element == TensorProto::INT32)) {
      Numbers numbers;
      numbers.type = element;
      numbers.dims = *dims;
      numbers.ints = std::move(*values);
      setConstant(std::move(numbers), node.output(0));
      return results;
    }
  }
  if (auto results = rewrite(node)) {
    return std::move(*results);
  }
  auto version = opsets.find(node.domain());
  int opset = version == opsets.end() ? 0 : version->second;
  // After a node of unknown results a body would be of unknown types as well.
  bool isRanked = llvm::all_of(node.input(), [&](const std::string &input) {
    const ::onnx::TypeProto *type = types.getType(input);
    return input.empty() || (type && (!type->has_tensor_type() || type->tensor_type().has_shape()));
  });
  if (isRanked && hasFunctionBody(node, opset) && !whyNot(node, opsets).empty()) {
    if (auto body = getFunctionBody(node, opset, types)) {
      return expand(node, *body, opsets);
    }
  }
  emit(std::move(node), opsets);
  return results;
}

/// A large ConstantOfShape is its value, expanded.
std::optional<llvm::Expected<std::vector<Known>>> Folder::rewrite(const Node &node) {
  NumbersPtr shape = node.op_type() == "ConstantOfShape" && node.domain().empty()
                         ? getNumbers(node.input(0))
                         : nullptr;
  if (!shape) {
    return std::nullopt;
  }
  Node one = node;
  one.set_output(0, makeName(node.output(0) + "/value"));
  one.set_input(0, makeInts({}, /*isScalar=*/false).name);
  types.setType(one.output(0), makeType(getElementType(node.output(0)), {}));
  if (!tryEvaluate(one)) {
    return std::nullopt;
  }
  Node wide;
  wide.set_op_type("Expand");
  wide.set_name(node.name());
  wide.add_input(one.output(0));
  wide.add_input(node.input(0));
  wide.add_output(node.output(0));
  auto results = visitFlat(std::move(wide), ownOpsets);
  outcome = Rewritten;
  return results;
}

std::string Folder::materialize(const Known &value, const std::string &wanted) {
  if (value.kind != Known::Sequence) {
    return value.name;
  }
  Node node;
  node.set_op_type(value.items.empty() ? "SequenceEmpty" : "SequenceConstruct");
  node.add_output(makeName(wanted + "/sequence"));
  for (const Known &item : value.items) {
    node.add_input(materialize(item, wanted));
  }
  std::string name = node.output(0);
  // Nothing is wrong with it, or the node that reads it says so.
  llvm::consumeError(types.infer(node, ownOpsets));
  emit(std::move(node), ownOpsets);
  return name;
}

void Folder::renameCaptured(::onnx::GraphProto &graph, const Scope &scope,
                            llvm::StringSet<> hidden) {
  for (const auto &input : graph.input()) {
    hidden.insert(input.name());
  }
  for (const auto &tensor : graph.initializer()) {
    hidden.insert(tensor.name());
  }
  auto rename = [&](std::string &name) {
    Known value = name.empty() || hidden.contains(name) ? Known() : lookup(name, scope);
    if (value.kind != Known::Absent) {
      name = materialize(value, name);
    }
  };
  for (Node &node : *graph.mutable_node()) {
    for (std::string &input : *node.mutable_input()) {
      rename(input);
    }
    for (auto &attr : *node.mutable_attribute()) {
      if (attr.has_g()) {
        renameCaptured(*attr.mutable_g(), scope, hidden);
      }
    }
    for (const std::string &output : node.output()) {
      hidden.insert(output);
    }
  }
  for (auto &output : *graph.mutable_output()) {
    rename(*output.mutable_name());
  }
}

Folder::Node Folder::flatten(const Node &node, Scope &scope) {
  Node flat = node;
  if (!scope.prefix.empty()) {
    flat.set_name(describe(node, scope));
  }
  for (std::string &input : *flat.mutable_input()) {
    input = materialize(lookup(input, scope), flat.name().empty() ? input : flat.name());
  }
  for (std::string &output : *flat.mutable_output()) {
    output = nameOutput(output, scope);
  }
  for (auto &attr : *flat.mutable_attribute()) {
    if (attr.has_g()) {
      renameCaptured(*attr.mutable_g(), scope, {});
    }
  }
  return flat;
}

void Folder::define(const Node &node, ArrayRef<Known> outputs, Scope &scope) {
  for (int i = 0; i < node.output_size(); ++i) {
    if (!node.output(i).empty()) {
      scope.values[node.output(i)] = outputs[i];
    }
  }
}

/// The node stays, and what reads it does not know its type.
llvm::Error Folder::keepWrong(const Node &node, Scope &scope, const std::string &message) {
  Node flat = flatten(node, scope);
  std::string own = "node '" + describe(node, scope) + "' (" + node.op_type() + "): ";
  wrong = StringRef(message).starts_with(own) ? message.substr(own.size()) : message;
  std::vector<Known> outputs;
  for (const std::string &output : flat.output()) {
    outputs.push_back(output.empty() ? Known() : Known::tensor(output));
  }
  emit(std::move(flat), *scope.opsets);
  define(node, outputs, scope);
  return llvm::Error::success();
}

llvm::Error Folder::visit(const Node &node, Scope &scope) {
  Mark start = mark();
  llvm::Error error = visitOne(node, scope);
  // The body of ONNX's function is as wrong as the node that it stands for.
  if (!error || !options.keepWrongNodes || depth > 0) {
    return error;
  }
  rollBack(start);
  reason.clear();
  return keepWrong(node, scope, llvm::toString(std::move(error)));
}

llvm::Error Folder::visitOne(const Node &original, Scope &scope) {
  const Node *node = &original;
  Node renamed;
  if (original.domain() == "ai.onnx") {
    renamed = original;
    renamed.clear_domain();
    node = &renamed;
  }
  reason.clear();
  if (node->domain().empty()) {
    for (auto handler : {&Folder::visitControlFlow, &Folder::visitSequence}) {
      auto handled = (this->*handler)(*node, scope);
      if (!handled) {
        return handled.takeError();
      }
      if (*handled) {
        bool isLoop = node->op_type() == "Loop" || node->op_type() == "Scan";
        if (depth == 0) {
          bool isIdentity = node->op_type() == "Identity";
          note(options.trace, *node, *scope.opsets, /*isExpanded=*/!isIdentity,
               isLoop                    ? "unrolled at import"
               : isIdentity              ? "another name of its input"
               : node->op_type() == "If" ? "resolved at import"
                                         : "sequence or optional, resolved at import");
        }
        return llvm::Error::success();
      }
    }
  }
  auto results = visitFlat(flatten(*node, scope), *scope.opsets);
  if (!results) {
    return results.takeError();
  }
  if (depth == 0 && outcome != Emitted) {
    note(options.trace, *node, *scope.opsets, /*isExpanded=*/outcome != Folded,
         outcome == Folded     ? "constant at import"
         : outcome == Expanded ? "the body of ONNX's own function"
                               : "Expand of its value");
  }
  define(*node, *results, scope);
  return llvm::Error::success();
}

llvm::Error Folder::visitAll(const ::onnx::GraphProto &graph, Scope &scope) {
  for (const Node &node : graph.node()) {
    if (llvm::Error error = visit(node, scope)) {
      return error;
    }
  }
  return llvm::Error::success();
}

llvm::Expected<Known> Folder::make(StringRef opType, ArrayRef<std::string> operands,
                                   const std::string &name,
                                   ArrayRef<std::pair<std::string, int64_t>> attrs) {
  Node node;
  node.set_op_type(opType.str());
  for (const std::string &operand : operands) {
    node.add_input(operand);
  }
  for (const auto &[key, value] : attrs) {
    auto &attr = *node.add_attribute();
    attr.set_name(key);
    attr.set_type(::onnx::AttributeProto::INT);
    attr.set_i(value);
  }
  node.add_output(makeName(name));
  auto results = visitFlat(std::move(node), ownOpsets);
  return results ? llvm::Expected<Known>(results->front()) : results.takeError();
}

//===----------------------------------------------------------------------===//
// The whole graph
//===----------------------------------------------------------------------===//

/// Calls `visit` with every name that the node reads, in its graphs as well.
static void forEachRead(const ::onnx::NodeProto &node,
                        llvm::function_ref<void(const std::string &)> visit) {
  for (const std::string &input : node.input()) {
    visit(input);
  }
  for (const auto &attr : node.attribute()) {
    if (attr.has_g()) {
      for (const auto &inner : attr.g().node()) {
        forEachRead(inner, visit);
      }
      for (const auto &output : attr.g().output()) {
        visit(output.name());
      }
    }
  }
}

void Folder::finish(ArrayRef<Output> outputs) {
  ::onnx::GraphProto &graph = *model.mutable_graph();
  llvm::StringSet<> needed;
  for (const Output &output : outputs) {
    needed.insert(output.tensor);
  }
  std::vector<bool> isNeeded(nodes.size());
  for (size_t i = nodes.size(); i-- > 0;) {
    // What is wrong is to be reported.
    isNeeded[i] =
        llvm::any_of(nodes[i].output(),
                     [&](const std::string &output) { return needed.contains(output); }) ||
        llvm::any_of(nodes[i].metadata_props(),
                     [](const auto &property) { return property.key() == kErrorKey; });
    if (isNeeded[i]) {
      forEachRead(nodes[i], [&](const std::string &name) { needed.insert(name); });
    }
  }
  // An input with an initializer is a constant: it must not stay as an input when the constant
  // goes.
  llvm::StringSet<> initialized;
  for (const TensorProto &tensor : graph.initializer()) {
    initialized.insert(tensor.name());
  }
  auto *inputs = graph.mutable_input();
  inputs->erase(llvm::remove_if(
                    *inputs, [&](const auto &input) { return initialized.contains(input.name()); }),
                inputs->end());
  auto *initializers = graph.mutable_initializer();
  int kept = 0;
  for (int i = 0; i < initializers->size(); ++i) {
    if (needed.contains(initializers->Get(i).name())) {
      initializers->SwapElements(kept++, i);
    }
  }
  initializers->DeleteSubrange(kept, initializers->size() - kept);
  for (const TensorProto &tensor : constants) {
    auto it = constantsByName.find(tensor.name());
    if (it != constantsByName.end() && it->second == &tensor && needed.contains(tensor.name())) {
      *initializers->Add() = tensor;
    }
  }
  auto addInfo = [&](::onnx::ValueInfoProto &info, const std::string &name) {
    info.set_name(name);
    if (const ::onnx::TypeProto *type = types.getType(name)) {
      *info.mutable_type() = *type;
    }
  };
  graph.clear_node();
  graph.clear_value_info();
  for (size_t i = 0; i < nodes.size(); ++i) {
    if (!isNeeded[i]) {
      note(options.trace, nodes[i], modelOpsets, /*isExpanded=*/false, "no output needs it");
      continue;
    }
    for (const std::string &output : nodes[i].output()) {
      if (!output.empty()) {
        addInfo(*graph.add_value_info(), output);
      }
    }
    *graph.add_node() = std::move(nodes[i]);
  }
  graph.clear_output();
  for (const Output &output : outputs) {
    addInfo(*graph.add_output(), output.tensor);
  }
}

llvm::Expected<std::vector<Output>> Folder::run() {
  ::onnx::GraphProto &graph = *model.mutable_graph();
  Scope scope;
  scope.opsets = &modelOpsets;
  for (const auto *list : {&graph.value_info(), &graph.output(), &graph.input()}) {
    for (const auto &info : *list) {
      if (info.has_type()) {
        types.setType(info.name(), info.type());
      }
    }
  }
  for (const auto &input : graph.input()) {
    usedNames.insert(input.name());
    scope.values[input.name()] = Known::tensor(input.name());
  }
  for (const auto &[name, elements] : inputElements) {
    std::vector<Known> items;
    for (const std::string &element : elements.names) {
      items.push_back(Known::tensor(element));
    }
    scope.values[name] = elements.isSequence ? Known::sequence(std::move(items))
                         : items.empty()     ? Known()
                                             : items.front();
  }
  for (const TensorProto &tensor : graph.initializer()) {
    usedNames.insert(tensor.name());
    addInitializer(tensor);
    scope.values[tensor.name()] = Known::tensor(tensor.name());
  }
  for (const Node &node : graph.node()) {
    for (const std::string &output : node.output()) {
      usedNames.insert(output);
    }
  }
  if (llvm::Error error = visitAll(graph, scope)) {
    return error;
  }
  std::vector<std::string> names;
  std::vector<Output> results;
  for (const auto &output : graph.output()) {
    names.push_back(output.name());
  }
  for (const std::string &name : options.outputs) {
    if (!llvm::is_contained(names, name)) {
      if (lookup(name, scope).kind == Known::Absent) {
        return createStringError("output '" + name + "': no node of the model gives this tensor");
      }
      names.push_back(name);
    }
  }
  for (const std::string &name : names) {
    Known value = lookup(name, scope);
    if (value.kind == Known::Absent) {
      return createStringError("output '" + name + "': it is an optional without an element");
    }
    if (value.kind == Known::Tensor) {
      results.push_back({name, value.name});
    }
    for (auto [index, item] : llvm::enumerate(value.items)) {
      std::string itemName = name + "[" + std::to_string(index) + "]";
      results.push_back({itemName, materialize(item, itemName)});
    }
  }
  finish(results);
  return results;
}

llvm::Expected<std::vector<Output>> fold(::onnx::ModelProto &model, const ImportOptions &options,
                                         const InputElements &inputElements,
                                         mlir::onnx::WeightFiles &files, MLIRContext &context) {
  return Folder(model, options, inputElements, files, context).run();
}

} // namespace lpu::import
