//===- WriteFolded.cpp - A folded model for other tools -------------------===//

#include "Fold.h"

#include "lpu/Support/AtomicFile.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringSet.h"

namespace lpu::import {

/// Makes a node whose operator set is not the model's a call of a function of its own, which may
/// import another one.
static void wrap(::onnx::NodeProto &node, int version, ::onnx::ModelProto &model) {
  std::string name = node.op_type() + "_" + std::to_string(model.functions_size());
  ::onnx::FunctionProto &function = *model.add_functions();
  function.set_domain("lpu.folded");
  function.set_name(name);
  auto &opset = *function.add_opset_import();
  opset.set_domain(node.domain());
  opset.set_version(version);
  ::onnx::NodeProto inner = node;
  inner.clear_metadata_props();
  llvm::StringSet<> seen;
  ::onnx::NodeProto call;
  call.set_op_type(name);
  call.set_domain("lpu.folded");
  call.set_name(node.name());
  for (const std::string &input : node.input()) {
    if (!input.empty() && seen.insert(input).second) {
      call.add_input(input);
      function.add_input(input);
    }
  }
  for (const std::string &output : node.output()) {
    if (!output.empty()) {
      call.add_output(output);
      function.add_output(output);
    }
  }
  *function.add_node() = std::move(inner);
  node = std::move(call);
}

llvm::Error writeFolded(const ::onnx::ModelProto &model, llvm::ArrayRef<Output> outputs,
                        const std::string &path) {
  ::onnx::ModelProto copy = model;
  ::onnx::GraphProto &graph = *copy.mutable_graph();
  for (::onnx::NodeProto &node : *graph.mutable_node()) {
    for (const auto &property : node.metadata_props()) {
      if (property.key() == kOpsetKey) {
        wrap(node, std::stoi(property.value()), copy);
        break;
      }
    }
  }
  if (copy.functions_size() > 0) {
    auto &opset = *copy.add_opset_import();
    opset.set_domain("lpu.folded");
    opset.set_version(1);
    copy.set_ir_version(std::max<int64_t>(copy.ir_version(), 10));
  }
  for (auto [index, output] : llvm::enumerate(outputs)) {
    if (output.name == output.tensor) {
      continue;
    }
    ::onnx::NodeProto &node = *graph.add_node();
    node.set_op_type("Identity");
    node.add_input(output.tensor);
    node.add_output(output.name);
    graph.mutable_output(static_cast<int>(index))->set_name(output.name);
  }
  std::string bytes = copy.SerializeAsString();
  AtomicFile file(path);
  file.write(bytes.data(), bytes.size());
  absl::Status status = file.commit();
  return status.ok() ? llvm::Error::success()
                     : llvm::createStringError(std::string(status.message()));
}

} // namespace lpu::import
