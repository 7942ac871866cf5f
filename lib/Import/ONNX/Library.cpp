//===- Library.cpp - ONNX's own library, without exceptions ---------------===//

#include "Library.h"

#include "onnx/checker.h"
#include "onnx/defs/schema.h"
#include "onnx/inliner/inliner.h"
#include "onnx/shape_inference/implementation.h"

#include "llvm/ADT/STLExtras.h"

#include <deque>
#include <exception>

namespace lpu::import {
namespace {

/// Runs `action` and turns an exception of ONNX's library into an error.
template <typename Action> llvm::Error guard(Action action) {
  try {
    action();
  } catch (const std::exception &exception) {
    return llvm::createStringError(exception.what());
  }
  return llvm::Error::success();
}

bool isNonstandard(const ::onnx::NodeProto &node, const Opsets &opsets) {
  if (!node.domain().empty() && node.domain() != "ai.onnx") {
    return false;
  }
  auto version = opsets.find("");
  const ::onnx::OpSchema *schema =
      version == opsets.end()
          ? ::onnx::OpSchemaRegistry::Schema(node.op_type(), "")
          : ::onnx::OpSchemaRegistry::Schema(node.op_type(), version->second, "");
  return !schema || schema->Deprecated();
}

/// Returns whether a node was moved.
template <typename Nodes> bool setApart(Nodes &nodes, const Opsets &opsets) {
  bool moved = false;
  for (::onnx::NodeProto &node : nodes) {
    if (isNonstandard(node, opsets)) {
      node.set_domain(kNonstandardDomain.str());
      moved = true;
    }
    for (::onnx::AttributeProto &attr : *node.mutable_attribute()) {
      if (attr.has_g()) {
        moved |= setApart(*attr.mutable_g()->mutable_node(), opsets);
      }
      for (::onnx::GraphProto &graph : *attr.mutable_graphs()) {
        moved |= setApart(*graph.mutable_node(), opsets);
      }
    }
  }
  return moved;
}

template <typename Message> void importNonstandard(Message &message) {
  ::onnx::OperatorSetIdProto &opset = *message.add_opset_import();
  opset.set_domain(kNonstandardDomain.str());
  opset.set_version(1);
}

} // namespace

void setNonstandardApart(::onnx::ModelProto &model) {
  bool moved = setApart(*model.mutable_graph()->mutable_node(), getOpsets(model.opset_import()));
  for (::onnx::FunctionProto &function : *model.mutable_functions()) {
    if (setApart(*function.mutable_node(), getOpsets(function.opset_import()))) {
      importNonstandard(function);
      moved = true;
    }
  }
  if (moved) {
    importNonstandard(model);
  }
}

std::string describeVersions(const std::string &opType, int opset) {
  using Registry = ::onnx::OpSchemaRegistry;
  const int newest = Registry::DomainToVersionRange::Instance().Map().at("").second;
  std::string wanted = "operator set " + std::to_string(opset) + " does not have this operator";
  if (const ::onnx::OpSchema *schema = Registry::Schema(opType, opset, "")) {
    return schema->Deprecated() ? wanted + ": it is deprecated since version " +
                                      std::to_string(schema->SinceVersion())
                                : "";
  }
  int first = 0;
  for (int version = opset + 1; first == 0 && version <= newest; ++version) {
    first = Registry::Schema(opType, version, "") ? version : 0;
  }
  return first == 0 ? "" : wanted + ": ONNX has it since version " + std::to_string(first);
}

llvm::Error check(const ::onnx::ModelProto &model, const std::string &folder) {
  return guard([&] {
    // check_model() over a message knows no folder; these are its parts.
    ::onnx::checker::CheckerContext context;
    context.set_ir_version(static_cast<int>(model.ir_version()));
    std::unordered_map<std::string, int> opsets;
    for (const auto &opset : model.opset_import()) {
      opsets[opset.domain()] = static_cast<int>(opset.version());
    }
    context.set_opset_imports(opsets);
    context.set_model_dir(folder);
    ::onnx::checker::LexicalScopeContext scope;
    ::onnx::checker::check_graph(model.graph(), context, scope);
    if (model.functions_size() > 0) {
      ::onnx::checker::check_model_local_functions(model, context, scope);
    }
  });
}

llvm::Error inlineFunctions(::onnx::ModelProto &model) {
  if (model.functions_size() == 0) {
    return llvm::Error::success();
  }
  return guard([&] { ::onnx::inliner::InlineLocalFunctions(model); });
}

int64_t getSinceVersion(const std::string &domain, const std::string &opType,
                        int opset) {
  const ::onnx::OpSchema *schema =
      ::onnx::OpSchemaRegistry::Schema(opType, opset, domain);
  return schema ? schema->SinceVersion() : 1;
}

namespace {
const ::onnx::OpSchema *findSchema(const ::onnx::NodeProto &node, int opset) {
  return ::onnx::OpSchemaRegistry::Schema(node.op_type(), opset, node.domain());
}

int getOpset(const ::onnx::NodeProto &node, const Opsets &opsets) {
  auto it = opsets.find(node.domain());
  return it == opsets.end() ? 0 : it->second;
}
} // namespace

struct TypeInference::State {
  explicit State(const ::onnx::ModelProto &model)
      : irVersion(static_cast<int>(model.ir_version())) {
    symbols.addFromGraph(model.graph());
  }

  int irVersion;
  ::onnx::ShapeInferenceOptions options{/*check_type_val=*/true,
                                        /*strict_mode_val=*/1,
                                        /*data_prop_val=*/true};
  ::onnx::shape_inference::SymbolTableImpl symbols;
  std::deque<::onnx::TypeProto> storage;
  std::unordered_map<std::string, ::onnx::TypeProto *> types;
  std::unordered_map<std::string, const ::onnx::TensorProto *> constants;
  std::unordered_map<std::string, const ::onnx::SparseTensorProto *> noSparse;
  ::onnx::shape_inference::DataValueMap shapes;
};

TypeInference::TypeInference(const ::onnx::ModelProto &model)
    : state(std::make_unique<State>(model)) {}
TypeInference::~TypeInference() = default;

void TypeInference::setType(const std::string &name, ::onnx::TypeProto type) {
  state->storage.push_back(std::move(type));
  state->types[name] = &state->storage.back();
}

const ::onnx::TypeProto *TypeInference::getType(const std::string &name) const {
  auto it = state->types.find(name);
  return it == state->types.end() ? nullptr : it->second;
}

void TypeInference::setConstant(const std::string &name, const ::onnx::TensorProto *tensor) {
  state->constants[name] = tensor;
}

const ::onnx::TensorProto *TypeInference::getConstant(const std::string &name) const {
  auto it = state->constants.find(name);
  return it == state->constants.end() ? nullptr : it->second;
}

namespace {
/// Gives a node its operator's default attributes for a while: inference does not know all
/// of them.
class WithDefaults {
public:
  WithDefaults(::onnx::NodeProto &node, const ::onnx::OpSchema &schema)
      : node(node), own(node.attribute_size()) {
    for (const auto &[name, attr] : schema.attributes()) {
      bool isGiven = llvm::any_of(node.attribute(), [&](const auto &given) {
        return given.name() == name;
      });
      if (!isGiven && attr.default_value.type() != ::onnx::AttributeProto::UNDEFINED) {
        *node.add_attribute() = attr.default_value;
      }
    }
  }
  ~WithDefaults() {
    node.mutable_attribute()->DeleteSubrange(own, node.attribute_size() - own);
  }

private:
  ::onnx::NodeProto &node;
  int own;
};
} // namespace

llvm::Error TypeInference::infer(::onnx::NodeProto &node, const Opsets &opsets) {
  namespace inference = ::onnx::shape_inference;
  const ::onnx::OpSchema *schema = findSchema(node, getOpset(node, opsets));
  if (!schema) {
    return llvm::Error::success();
  }
  return guard([&] {
    WithDefaults defaults(node, *schema);
    inference::ModelLocalFunctionsMap noFunctions;
    inference::DataValueMap noShapes;
    inference::GraphInferenceContext graph(state->types, opsets, &state->symbols, noFunctions,
                                           ::onnx::OpSchemaRegistry::Instance(), &state->shapes,
                                           state->irVersion);
    inference::InferenceContextImpl context(node, state->types, state->constants, state->noSparse,
                                            state->options, &state->shapes, &graph);
    if (schema->has_type_and_shape_inference_function()) {
      schema->GetTypeAndShapeInferenceFunction()(context);
    } else if (auto body = getFunctionBody(node, getOpset(node, opsets), *this)) {
      inference::InferShapeForFunctionNode(
          *body, ::onnx::OpSchemaRegistry::Instance(), context, state->options,
          noFunctions, &state->symbols, &noShapes);
    }
    schema->CheckInputOutputType(context);
    for (int i = 0; i < node.output_size(); ++i) {
      ::onnx::TypeProto *inferred = context.getOutputType(i);
      if (node.output(i).empty() ||
          inferred->value_case() == ::onnx::TypeProto::VALUE_NOT_SET) {
        continue;
      }
      inference::MaterializeSymbolicShape(inferred, state->symbols);
      auto it = state->types.find(node.output(i));
      if (it == state->types.end()) {
        setType(node.output(i), *inferred);
      } else {
        inference::mergeShapesAndTypes(*inferred, it->second);
      }
    }
  });
}

std::optional<std::vector<int64_t>> TypeInference::propagate(::onnx::NodeProto &node,
                                                             const Opsets &opsets) {
  const ::onnx::OpSchema *schema = findSchema(node, getOpset(node, opsets));
  if (!schema || !schema->has_data_propagation_function()) {
    return std::nullopt;
  }
  llvm::consumeError(guard([&] {
    ::onnx::shape_inference::DataPropagationContextImpl context(node, state->types,
                                                                state->constants, state->shapes);
    schema->GetDataPropagationFunction()(context);
  }));
  auto it = state->shapes.find(node.output(0));
  if (it == state->shapes.end()) {
    return std::nullopt;
  }
  std::vector<int64_t> values;
  for (const auto &dim : it->second.dim()) {
    if (!dim.has_dim_value()) {
      return std::nullopt;
    }
    values.push_back(dim.dim_value());
  }
  return values;
}

bool hasFunctionBody(const ::onnx::NodeProto &node, int opset) {
  const ::onnx::OpSchema *schema = findSchema(node, opset);
  return schema && (schema->HasFunction() || schema->HasContextDependentFunction());
}

bool isRandom(const ::onnx::NodeProto &node, int opset) {
  const ::onnx::OpSchema *schema = findSchema(node, opset);
  return schema && schema->GetNodeDeterminism() == ::onnx::OpSchema::NodeDeterminism::NonDeterministic;
}

namespace {
/// Replaces references to attributes of the function by their values; what has none goes.
void bindAttributes(::onnx::NodeProto &node,
                    const llvm::StringMap<const ::onnx::AttributeProto *> &values) {
  google::protobuf::RepeatedPtrField<::onnx::AttributeProto> bound;
  for (::onnx::AttributeProto &attr : *node.mutable_attribute()) {
    if (attr.ref_attr_name().empty()) {
      if (attr.has_g()) {
        for (::onnx::NodeProto &inner : *attr.mutable_g()->mutable_node()) {
          bindAttributes(inner, values);
        }
      }
      *bound.Add() = std::move(attr);
    } else if (const ::onnx::AttributeProto *value = values.lookup(attr.ref_attr_name())) {
      ::onnx::AttributeProto &copy = *bound.Add();
      copy = *value;
      copy.set_name(attr.name());
    }
  }
  node.mutable_attribute()->Swap(&bound);
}
} // namespace

std::optional<::onnx::FunctionProto> getFunctionBody(const ::onnx::NodeProto &node, int opset,
                                                     const TypeInference &types) {
  const ::onnx::OpSchema *schema = findSchema(node, opset);
  if (!hasFunctionBody(node, opset)) {
    return std::nullopt;
  }
  std::optional<::onnx::FunctionProto> body;
  llvm::consumeError(guard([&] {
    if (schema->HasContextDependentFunction()) {
      std::vector<::onnx::TypeProto> inputs;
      for (const std::string &name : node.input()) {
        const ::onnx::TypeProto *type = types.getType(name);
        inputs.push_back(type ? *type : ::onnx::TypeProto());
      }
      ::onnx::FunctionBodyBuildContextImpl context(node, inputs);
      // Bodies by the version that they are written in: the last one of at most ours, or,
      // where the definition is older than all of them, the first.
      int version = 0;
      for (int candidate : schema->context_dependent_function_opset_versions()) {
        version = version == 0 || candidate <= opset ? candidate : version;
      }
      ::onnx::FunctionProto built;
      if (schema->BuildContextDependentFunction(context, built, version)) {
        body = std::move(built);
      }
    } else {
      const ::onnx::FunctionProto *found = schema->GetFunction(opset);
      found = found ? found : schema->GetFunction();
      if (found) {
        body = *found;
      }
    }
  }));
  if (!body) {
    return body;
  }
  llvm::StringMap<const ::onnx::AttributeProto *> values;
  for (const auto &[name, attr] : schema->attributes()) {
    if (attr.default_value.type() != ::onnx::AttributeProto::UNDEFINED) {
      values[name] = &attr.default_value;
    }
  }
  for (const ::onnx::AttributeProto &attr : node.attribute()) {
    values[attr.name()] = &attr;
  }
  for (::onnx::NodeProto &inner : *body->mutable_node()) {
    bindAttributes(inner, values);
  }
  return body;
}

} // namespace lpu::import
