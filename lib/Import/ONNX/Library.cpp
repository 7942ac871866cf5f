//===- Library.cpp - ONNX's own library, without exceptions ---------------===//

#include "Library.h"

#include "onnx/checker.h"
#include "onnx/defs/schema.h"
#include "onnx/inliner/inliner.h"
#include "onnx/shape_inference/implementation.h"

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

bool isNonstandard(const ::onnx::NodeProto &node) {
  return (node.domain().empty() || node.domain() == "ai.onnx") &&
         !::onnx::OpSchemaRegistry::Schema(node.op_type(), "");
}

/// Returns whether a node was moved.
template <typename Nodes> bool setApart(Nodes &nodes) {
  bool moved = false;
  for (::onnx::NodeProto &node : nodes) {
    if (isNonstandard(node)) {
      node.set_domain(kNonstandardDomain.str());
      moved = true;
    }
    for (::onnx::AttributeProto &attr : *node.mutable_attribute()) {
      if (attr.has_g()) {
        moved |= setApart(*attr.mutable_g()->mutable_node());
      }
      for (::onnx::GraphProto &graph : *attr.mutable_graphs()) {
        moved |= setApart(*graph.mutable_node());
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
  bool moved = setApart(*model.mutable_graph()->mutable_node());
  for (::onnx::FunctionProto &function : *model.mutable_functions()) {
    if (setApart(*function.mutable_node())) {
      importNonstandard(function);
      moved = true;
    }
  }
  if (moved) {
    importNonstandard(model);
  }
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

llvm::Error inferShapes(::onnx::ModelProto &model) {
  return guard([&] {
    ::onnx::ShapeInferenceOptions options{/*check_type_val=*/true,
                                          /*strict_mode_val=*/1,
                                          /*data_prop_val=*/true};
    ::onnx::shape_inference::InferShapes(
        model, ::onnx::OpSchemaRegistry::Instance(), options);
  });
}

int64_t getSinceVersion(const std::string &domain, const std::string &opType,
                        int opset) {
  const ::onnx::OpSchema *schema =
      ::onnx::OpSchemaRegistry::Schema(opType, opset, domain);
  return schema ? schema->SinceVersion() : 1;
}

} // namespace lpu::import
