//===- Import.cpp - From a file to a module -------------------------------===//

#include "Fold.h"
#include "Graph.h"
#include "InputValues.h"
#include "Library.h"
#include "Weights.h"

#include "mlir/IR/Verifier.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"

#include <set>

using namespace mlir;
using llvm::createStringError;
using ::onnx::ModelProto;

namespace lpu {
namespace {

llvm::Expected<std::unique_ptr<ModelProto>> parse(StringRef bytes) {
  auto model = std::make_unique<ModelProto>();
  if (bytes.size() > static_cast<size_t>(INT32_MAX)) {
    return createStringError("expected less than 2 GiB, got " +
                             Twine(bytes.size()) +
                             " bytes; save the weights as external data");
  }
  if (!model->ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return createStringError("not an ONNX model: its " + Twine(bytes.size()) +
                             " bytes do not parse, or it is truncated");
  }
  if (!model->has_graph()) {
    return createStringError("not an ONNX model: it has no graph");
  }
  return model;
}

/// The dimensions of inputs that have no size.
void noteOpenDims(const ::onnx::GraphProto &graph, ImportTrace &trace) {
  std::set<std::string> constants;
  for (const auto &tensor : graph.initializer()) {
    constants.insert(tensor.name());
  }
  auto add = [&](const std::string &name, const std::string &input, int64_t axis) {
    if (trace.seen.insert("dim\n" + input + "\n" + std::to_string(axis)).second) {
      trace.openDims.push_back({name, input, axis});
    }
  };
  for (const auto &input : graph.input()) {
    if (constants.count(input.name())) {
      continue;
    }
    if (!input.type().tensor_type().has_shape()) {
      add("", input.name(), -1);
    }
    for (auto [axis, dim] : llvm::enumerate(input.type().tensor_type().shape().dim())) {
      if (!dim.has_dim_value() || dim.dim_value() < 0) {
        add(dim.dim_param(), input.name(), static_cast<int64_t>(axis));
      }
    }
  }
}

/// Calls of the model's own functions, in subgraphs as well.
void noteFunctions(const ::onnx::GraphProto &graph, const ModelProto &model, ImportTrace &trace) {
  for (const ::onnx::NodeProto &node : graph.node()) {
    bool isCall = llvm::any_of(model.functions(), [&](const auto &function) {
      return function.name() == node.op_type() && function.domain() == node.domain();
    });
    if (isCall) {
      import::note(&trace, node, import::getOpsets(model.opset_import()), /*isExpanded=*/true,
                   "function of the model");
    }
    for (const auto &attr : node.attribute()) {
      if (attr.has_g()) {
        noteFunctions(attr.g(), model, trace);
      }
    }
  }
}

template <typename Infos> void forgetNegativeDims(Infos &infos) {
  for (::onnx::ValueInfoProto &info : infos) {
    if (!info.type().tensor_type().has_shape()) {
      continue;
    }
    for (auto &dim : *info.mutable_type()->mutable_tensor_type()->mutable_shape()->mutable_dim()) {
      if (dim.has_dim_value() && dim.dim_value() < 0) {
        dim.clear_value();
      }
    }
  }
}

/// Some exporters write -1 for sizes that they do not know.
void forgetNegativeDims(::onnx::GraphProto &graph) {
  forgetNegativeDims(*graph.mutable_input());
  forgetNegativeDims(*graph.mutable_output());
  forgetNegativeDims(*graph.mutable_value_info());
}

/// Reads the model and does all that is the same for every entry.
llvm::Expected<std::unique_ptr<ModelProto>> load(StringRef path,
                                                 StringRef folder, ImportTrace *trace) {
  auto buffer = llvm::MemoryBuffer::getFile(path, /*IsText=*/false,
                                            /*RequiresNullTerminator=*/false);
  if (!buffer) {
    return createStringError(buffer.getError().message());
  }
  auto model = parse((*buffer)->getBuffer());
  if (!model) {
    return model;
  }
  // Before shape inference, which says something less clear.
  const ::onnx::GraphProto &graph = (*model)->graph();
  if (graph.sparse_initializer_size() > 0) {
    return createStringError(
        "sparse initializer '" + graph.sparse_initializer(0).values().name() +
        "': sparse tensors are not supported; store it dense");
  }
  if (llvm::Error error = import::checkExternalData(**model, folder)) {
    return error;
  }
  forgetNegativeDims(*(*model)->mutable_graph());
  import::setNonstandardApart(**model);
  if (llvm::Error error = import::check(**model, folder.str())) {
    return error;
  }
  import::referToModelFile(**model, (*buffer)->getBuffer(),
                           llvm::sys::path::filename(path));
  if (trace) {
    noteFunctions((*model)->graph(), **model, *trace);
  }
  if (llvm::Error error = import::inlineFunctions(**model)) {
    return error;
  }
  return model;
}

using import::BoundDims;

template <typename Infos> void bindDims(Infos &infos, const BoundDims &dims) {
  for (::onnx::ValueInfoProto &info : infos) {
    if (!info.type().has_tensor_type() ||
        !info.type().tensor_type().has_shape()) {
      continue;
    }
    auto *shape = info.mutable_type()->mutable_tensor_type()->mutable_shape();
    for (auto &dim : *shape->mutable_dim()) {
      if (auto it = dims.find(dim.dim_param());
          dim.has_dim_param() && it != dims.end()) {
        dim.set_dim_value(it->second);
      }
    }
  }
}

/// Binds in subgraphs as well.
void bindDims(::onnx::GraphProto &graph, const BoundDims &dims) {
  bindDims(*graph.mutable_input(), dims);
  bindDims(*graph.mutable_output(), dims);
  bindDims(*graph.mutable_value_info(), dims);
  for (::onnx::NodeProto &node : *graph.mutable_node()) {
    for (::onnx::AttributeProto &attr : *node.mutable_attribute()) {
      if (attr.has_g()) {
        bindDims(*attr.mutable_g(), dims);
      }
      for (::onnx::GraphProto &subgraph : *attr.mutable_graphs()) {
        bindDims(subgraph, dims);
      }
    }
  }
}

template <typename Names> std::string list(const Names &names) {
  return names.empty() ? "none" : llvm::join(names, ", ");
}

/// Checks that what the entry binds exists.
llvm::Error checkNames(const ::onnx::GraphProto &graph,
                       const EntrySpec &entry) {
  std::set<std::string> dims, inputs;
  for (const auto &input : graph.input()) {
    inputs.insert(input.name());
    for (const auto &dim : input.type().tensor_type().shape().dim()) {
      if (dim.has_dim_param()) {
        dims.insert(dim.dim_param());
      }
    }
  }
  for (auto &[name, size] : entry.dims) {
    if (!dims.count(name)) {
      return createStringError("entry '" + entry.name +
                               "': unknown dimension '" + name +
                               "', expected one of: " + list(dims));
    }
  }
  for (auto &[name, value] : entry.inputMax) {
    if (!inputs.count(name)) {
      return createStringError("entry '" + entry.name + "': unknown input '" +
                               name + "', expected one of: " + list(inputs));
    }
  }
  return llvm::Error::success();
}

/// Names every dimension of an input that has no size.
llvm::Error checkBound(const ::onnx::GraphProto &graph,
                       const EntrySpec &entry) {
  std::string unbound;
  for (const auto &input : graph.input()) {
    for (auto [axis, dim] :
         llvm::enumerate(input.type().tensor_type().shape().dim())) {
      if (!dim.has_dim_value() || dim.dim_value() < 0) {
        std::string name = dim.dim_param().empty()
                               ? "without a name"
                               : "'" + dim.dim_param() + "'";
        unbound += (unbound.empty() ? "" : ", ") + name + " (input '" +
                   input.name() + "', axis " + std::to_string(axis) + ")";
      }
    }
  }
  if (unbound.empty()) {
    return llvm::Error::success();
  }
  return createStringError("entry '" + entry.name + "': unbound dimensions " +
                           unbound + "; bind them with --entry " + entry.name +
                           ":DIMENSION=SIZE,...");
}

NamedAttrList getModuleAttrs(const ModelProto &model, StringRef folder,
                             Builder &builder) {
  NamedAttrList opsets;
  for (const auto &opset : model.opset_import()) {
    if (opset.domain() != import::kNonstandardDomain) {
      opsets.set(opset.domain().empty() ? "ai.onnx" : StringRef(opset.domain()),
                 builder.getI64IntegerAttr(opset.version()));
    }
  }
  NamedAttrList attrs;
  attrs.set(mlir::onnx::kFolderAttr, builder.getStringAttr(folder));
  attrs.set(mlir::onnx::kOpsetAttr, opsets.getDictionary(builder.getContext()));
  attrs.set(mlir::onnx::kIrVersionAttr,
            builder.getI64IntegerAttr(model.ir_version()));
  return attrs;
}

/// What all entries share while the module is built.
struct Shared {
  const ImportOptions &options;
  mlir::onnx::WeightFiles files;
  llvm::StringMap<std::string> hashes;
};

llvm::Error importOne(const ModelProto &model, const EntrySpec &entry,
                      Shared &shared, ModuleOp module) {
  if (module.lookupSymbol(entry.name)) {
    return createStringError("entry '" + entry.name + "': is given twice");
  }
  if (llvm::Error error = checkNames(model.graph(), entry)) {
    return error;
  }
  ModelProto bound = model;
  BoundDims dims;
  for (auto &[name, size] : entry.dims) {
    dims[name] = size;
  }
  import::InputElements elements;
  llvm::Error fixed = import::setInputValues(*bound.mutable_graph(), shared.options.inputValues,
                                             dims);
  fixed = fixed ? std::move(fixed)
                : import::setInputShapes(*bound.mutable_graph(), shared.options.inputShapes,
                                         elements);
  if (fixed) {
    return createStringError("entry '" + entry.name +
                             "': " + llvm::toString(std::move(fixed)));
  }
  bindDims(*bound.mutable_graph(), dims);
  if (shared.options.trace) {
    noteOpenDims(bound.graph(), *shared.options.trace);
  }
  if (!shared.options.allowDynamic) {
    if (llvm::Error error = checkBound(bound.graph(), entry)) {
      return error;
    }
  }
  auto outputs = import::fold(bound, shared.options, elements, shared.files,
                              *module.getContext());
  if (!outputs) {
    return createStringError("entry '" + entry.name +
                             "': " + llvm::toString(outputs.takeError()));
  }
  if (!shared.options.foldedModel.empty()) {
    if (llvm::Error error = import::writeFolded(bound, *outputs, shared.options.foldedModel)) {
      return error;
    }
  }
  import::GraphImporter importer(bound, shared.files, shared.hashes,
                                 shared.options.hashWeights, module);
  return importer.importEntry(entry, *outputs);
}

llvm::Error importAll(StringRef path, const ImportOptions &options,
                      ModuleOp module) {
  StringRef folder = llvm::sys::path::parent_path(path);
  if (folder.empty()) {
    folder = ".";
  }
  auto model = load(path, folder, options.trace);
  if (!model) {
    return model.takeError();
  }
  Builder builder(module.getContext());
  module->setAttrs(getModuleAttrs(**model, folder, builder)
                       .getDictionary(module.getContext()));
  Shared shared{options, mlir::onnx::WeightFiles(folder.str()), {}};
  std::vector<EntrySpec> entries = options.entries;
  if (entries.empty()) {
    entries.emplace_back();
  }
  for (const EntrySpec &entry : entries) {
    if (llvm::Error error = importOne(**model, entry, shared, module)) {
      return error;
    }
  }
  return llvm::Error::success();
}

} // namespace

OwningOpRef<ModuleOp> importONNX(StringRef path, const ImportOptions &options,
                                 MLIRContext &context) {
  context.loadDialect<mlir::onnx::ONNXDialect, func::FuncDialect>();
  Location loc = UnknownLoc::get(&context);
  OwningOpRef<ModuleOp> module = ModuleOp::create(loc);
  if (llvm::Error error = importAll(path, options, *module)) {
    emitError(loc) << path << ": " << llvm::toString(std::move(error));
    return {};
  }
  return failed(verify(*module)) ? nullptr : std::move(module);
}

} // namespace lpu
