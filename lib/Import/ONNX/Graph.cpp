//===- Graph.cpp - From a graph to operations -----------------------------===//

#include "Graph.h"

#include "Library.h"
#include "Tensors.h"
#include "Weights.h"
#include "lpu/Import/Report.h"

using namespace mlir;
using llvm::createStringError;
using ::onnx::AttributeProto;

namespace lpu::import {

GraphImporter::GraphImporter(const ::onnx::ModelProto &model,
                             mlir::onnx::WeightFiles &files,
                             llvm::StringMap<std::string> &hashes,
                             bool hashWeights, ModuleOp module)
    : model(model), files(files), hashes(hashes), hashWeights(hashWeights),
      module(module), builder(module.getContext()) {
  opsets = getOpsets(model.opset_import());
}

void GraphImporter::addTypes(const ::onnx::GraphProto &graph) {
  for (const auto *list :
       {&graph.value_info(), &graph.input(), &graph.output()}) {
    for (const auto &info : *list) {
      if (info.has_type()) {
        types[info.name()] = getType(info.type(), builder.getContext());
      }
    }
  }
}

Type GraphImporter::typeOf(const std::string &name) {
  if (name.empty()) {
    return builder.getNoneType();
  }
  auto it = types.find(name);
  return it == types.end() ? mlir::onnx::UnknownType::get(builder.getContext())
                           : it->second;
}

llvm::Expected<Value> GraphImporter::lookup(const std::string &name) {
  for (Scope &scope : llvm::reverse(scopes)) {
    if (auto it = scope.find(name); it != scope.end()) {
      return it->second;
    }
  }
  return createStringError("value '" + name + "' is not defined");
}

Location GraphImporter::locate(const std::string &name) {
  return NameLoc::get(builder.getStringAttr(name));
}

llvm::Expected<std::string>
GraphImporter::getHash(mlir::onnx::WeightRefAttr ref) {
  std::string key = (ref.getFile().getValue() + ":" + Twine(ref.getOffset()) +
                     ":" + Twine(ref.getLength()))
                        .str();
  std::string &hash = hashes[key];
  if (hash.empty()) {
    auto bytes = files.getBytes(ref);
    if (!bytes) {
      return bytes.takeError();
    }
    mlir::onnx::ContentHasher hasher;
    ArrayRef<uint8_t> rest(reinterpret_cast<const uint8_t *>(bytes->data()),
                           bytes->size());
    while (!rest.empty()) {
      ArrayRef<uint8_t> piece =
          rest.take_front(mlir::onnx::ContentHasher::kPieceBytes);
      hasher.addPiece(piece);
      rest = rest.drop_front(piece.size());
    }
    hash = hasher.finish();
  }
  return hash;
}

llvm::Error
GraphImporter::importInitializer(const ::onnx::TensorProto &tensor) {
  MLIRContext *context = builder.getContext();
  Location loc = locate(tensor.name());
  std::optional<ArrayRef<char>> external;
  if (tensor.data_location() == ::onnx::TensorProto::EXTERNAL) {
    // Only the main graph's were checked to lie inside the folder.
    if (scopes.size() > 1) {
      return createStringError("initializer '" + tensor.name() +
                               "': external data is only for the main graph");
    }
    auto data = getExternalData(tensor);
    auto type = getTensorType(tensor, context);
    if (!data || !type) {
      return llvm::joinErrors(data.takeError(), type.takeError());
    }
    auto makeRef = [&](const std::string &hash) {
      return mlir::onnx::WeightRefAttr::get(
          context, builder.getStringAttr(data->file), data->offset,
          data->length, builder.getStringAttr(hash), *type);
    };
    mlir::onnx::WeightRefAttr ref = makeRef("");
    if (data->length > kInPlaceBytes) {
      if (hashWeights) {
        auto hash = getHash(ref);
        if (!hash) {
          return hash.takeError();
        }
        ref = makeRef(*hash);
      }
      scopes.back()[tensor.name()] =
          mlir::onnx::WeightOp::create(builder, loc, *type, tensor.name(), ref);
      return llvm::Error::success();
    }
    auto bytes = files.getBytes(ref);
    if (!bytes) {
      return bytes.takeError();
    }
    external = *bytes;
  }
  auto elements = getElements(tensor, context, external);
  if (!elements) {
    return createStringError("initializer '" + tensor.name() +
                             "': " + llvm::toString(elements.takeError()));
  }
  scopes.back()[tensor.name()] = mlir::onnx::ConstantOp::create(
      builder, loc, elements->getType(), tensor.name(), *elements);
  return llvm::Error::success();
}

llvm::Expected<Attribute>
GraphImporter::importAttr(const AttributeProto &attr,
                          SmallVectorImpl<const ::onnx::GraphProto *> &graphs) {
  MLIRContext *context = builder.getContext();
  auto addGraph = [&](const ::onnx::GraphProto &graph) {
    graphs.push_back(&graph);
    return static_cast<int64_t>(graphs.size()) - 1;
  };
  switch (attr.type()) {
  case AttributeProto::FLOAT:
    return builder.getF32FloatAttr(attr.f());
  case AttributeProto::INT:
    return builder.getI64IntegerAttr(attr.i());
  case AttributeProto::STRING:
    return builder.getStringAttr(attr.s());
  case AttributeProto::FLOATS:
    return builder.getDenseF32ArrayAttr(
        ArrayRef(attr.floats().data(), attr.floats_size()));
  case AttributeProto::INTS:
    return builder.getDenseI64ArrayAttr(
        ArrayRef(attr.ints().data(), attr.ints_size()));
  case AttributeProto::STRINGS: {
    SmallVector<Attribute> strings;
    for (const std::string &string : attr.strings()) {
      strings.push_back(builder.getStringAttr(string));
    }
    return builder.getArrayAttr(strings);
  }
  case AttributeProto::TENSOR: {
    if (attr.t().data_location() == ::onnx::TensorProto::EXTERNAL) {
      return createStringError("external data is only for initializers");
    }
    auto elements = getElements(attr.t(), context);
    if (!elements) {
      return elements.takeError();
    }
    return Attribute(*elements);
  }
  case AttributeProto::GRAPH:
    return mlir::onnx::GraphRefAttr::get(context, addGraph(attr.g()));
  case AttributeProto::GRAPHS: {
    SmallVector<int64_t> indices;
    for (const ::onnx::GraphProto &graph : attr.graphs()) {
      indices.push_back(addGraph(graph));
    }
    return mlir::onnx::GraphRefsAttr::get(context, indices);
  }
  case AttributeProto::TYPE_PROTO:
    return TypeAttr::get(getType(attr.tp(), context));
  case AttributeProto::SPARSE_TENSOR:
  case AttributeProto::SPARSE_TENSORS:
    return createStringError(
        "sparse tensors are not supported; store it dense");
  default:
    return createStringError("attributes of kind " +
                             AttributeProto::AttributeType_Name(attr.type()) +
                             " are not supported");
  }
}

llvm::Error GraphImporter::importNode(const ::onnx::NodeProto &node) {
  SmallVector<const ::onnx::GraphProto *> graphs;
  NamedAttrList attrs;
  std::string name = node.name();
  for (int i = 0; name.empty() && i < node.output_size(); ++i) {
    name = node.output(i);
  }
  auto fail = [&](const Twine &where, llvm::Error error) {
    return createStringError("node '" + name + "' (" + node.op_type() + ")" +
                             where + ": " + llvm::toString(std::move(error)));
  };
  for (const AttributeProto &attr : node.attribute()) {
    auto value = importAttr(attr, graphs);
    if (!value) {
      return fail(", attribute '" + attr.name() + "'", value.takeError());
    }
    attrs.set(attr.name(), *value);
  }
  Location loc = locate(name);
  SmallVector<Value> inputs;
  for (const std::string &input : node.input()) {
    if (input.empty()) {
      inputs.push_back(
          mlir::onnx::NoneOp::create(builder, loc, builder.getNoneType()));
      continue;
    }
    auto value = lookup(input);
    if (!value) {
      return fail("", value.takeError());
    }
    inputs.push_back(*value);
  }
  SmallVector<Type> results;
  SmallVector<StringRef> outputs(node.output().begin(), node.output().end());
  for (const std::string &output : node.output()) {
    results.push_back(typeOf(output));
  }
  std::string domain = node.domain() == "ai.onnx" ? "" : node.domain();
  int opset = opsets.count(domain) ? opsets.at(domain) : 0;
  Attribute reason, wrong;
  for (const auto &property : node.metadata_props()) {
    if (property.key() == kOpsetKey) {
      opset = std::stoi(property.value());
    } else if (property.key() == kReasonKey) {
      reason = builder.getStringAttr(property.value());
    } else if (property.key() == kErrorKey) {
      wrong = builder.getStringAttr(property.value());
    }
  }
  int64_t since = getSinceVersion(domain, node.op_type(), opset);
  if (domain == kNonstandardDomain) {
    domain.clear();
    auto version = opsets.find(domain);
    std::string versions =
        version == opsets.end() ? "" : describeVersions(node.op_type(), version->second);
    reason = versions.empty() ? reason : builder.getStringAttr(versions);
  }
  auto op = mlir::onnx::NodeOp::create(
      builder, loc, results, builder.getStringAttr(node.op_type()),
      builder.getStringAttr(domain), builder.getI64IntegerAttr(since),
      attrs.getDictionary(builder.getContext()),
      builder.getStrArrayAttr(outputs), inputs, graphs.size());
  if (reason) {
    op->setAttr(mlir::onnx::kReasonAttr, reason);
  }
  if (wrong) {
    op->setAttr(kErrorAttr, wrong);
  }
  for (auto [graph, region] : llvm::zip(graphs, op.getGraphs())) {
    if (llvm::Error error = importSubgraph(*graph, region)) {
      return fail("", std::move(error));
    }
  }
  for (auto [output, result] : llvm::zip(node.output(), op.getResults())) {
    if (!output.empty()) {
      scopes.back()[output] = result;
    }
  }
  return llvm::Error::success();
}

llvm::Error GraphImporter::importBody(const ::onnx::GraphProto &graph,
                                      SmallVectorImpl<Value> &outputs) {
  if (graph.sparse_initializer_size() > 0) {
    return createStringError(
        "sparse initializer '" + graph.sparse_initializer(0).values().name() +
        "': sparse tensors are not supported; store it dense");
  }
  for (const ::onnx::TensorProto &tensor : graph.initializer()) {
    if (llvm::Error error = importInitializer(tensor)) {
      return error;
    }
  }
  for (const ::onnx::NodeProto &node : graph.node()) {
    if (llvm::Error error = importNode(node)) {
      return error;
    }
  }
  for (const auto &output : graph.output()) {
    auto value = lookup(output.name());
    if (!value) {
      return value.takeError();
    }
    outputs.push_back(*value);
  }
  return llvm::Error::success();
}

llvm::Error GraphImporter::importSubgraph(const ::onnx::GraphProto &graph,
                                          Region &region) {
  OpBuilder::InsertionGuard guard(builder);
  Block *block = builder.createBlock(&region);
  addTypes(graph);
  scopes.emplace_back();
  for (const auto &input : graph.input()) {
    scopes.back()[input.name()] =
        block->addArgument(typeOf(input.name()), locate(input.name()));
  }
  SmallVector<Value> outputs;
  if (llvm::Error error = importBody(graph, outputs)) {
    return error;
  }
  mlir::onnx::YieldOp::create(builder, locate(graph.name()), outputs);
  scopes.pop_back();
  return llvm::Error::success();
}

llvm::Error GraphImporter::importEntry(const EntrySpec &entry,
                                       ArrayRef<Output> names) {
  const ::onnx::GraphProto &graph = model.graph();
  addTypes(graph);
  scopes.assign(1, {});
  llvm::StringMap<bool> initializers;
  for (const ::onnx::TensorProto &tensor : graph.initializer()) {
    initializers[tensor.name()] = true;
  }
  builder.setInsertionPointToEnd(module.getBody());
  Location loc = locate(entry.name);
  auto func = func::FuncOp::create(builder, loc, entry.name,
                                   builder.getFunctionType({}, {}));
  Block *block = func.addEntryBlock();
  SmallVector<DictionaryAttr> argAttrs;
  for (const auto &input : graph.input()) {
    // Up to version 3 of the format an initializer is an input as well.
    if (initializers.contains(input.name())) {
      continue;
    }
    scopes.back()[input.name()] =
        block->addArgument(typeOf(input.name()), locate(input.name()));
    NamedAttrList attrs;
    attrs.set(mlir::onnx::kNameAttr, builder.getStringAttr(input.name()));
    for (auto &[name, value] : entry.inputMax) {
      if (name == input.name()) {
        attrs.set(mlir::onnx::kMaxAttr, builder.getI64IntegerAttr(value));
      }
    }
    argAttrs.push_back(attrs.getDictionary(builder.getContext()));
  }
  builder.setInsertionPointToEnd(block);
  SmallVector<Value> outputs;
  if (llvm::Error error = importBody(graph, outputs)) {
    return error;
  }
  func::ReturnOp::create(builder, loc, outputs);
  func.setFunctionType(
      builder.getFunctionType(block->getArgumentTypes(), TypeRange(outputs)));
  func.setAllArgAttrs(argAttrs);
  for (auto [index, output] : llvm::enumerate(graph.output())) {
    func.setResultAttr(
        index, mlir::onnx::kNameAttr,
        builder.getStringAttr(names.empty() ? output.name() : names[index].name));
  }
  return llvm::Error::success();
}

} // namespace lpu::import
