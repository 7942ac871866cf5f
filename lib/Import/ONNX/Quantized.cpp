//===- Quantized.cpp - The model with the compiler's weights --------------===//
//
// Beside the importer, because both know the file format.
//
//===----------------------------------------------------------------------===//

#include "LPU/IR/LPUDialect.h"
#include "LPU/IR/LPUTensorOps.h"
#include "ONNX/IR/WeightFiles.h"
#include "Tensors.h"
#include "Weights.h"
#include "lpu/Import/QuantizedONNX.h"
#include "lpu/Support/AtomicFile.h"
#include "lpu/Support/Quantization.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Matchers.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include <cstring>
#include <set>

using namespace mlir;
using llvm::createStringError;
using ::onnx::TensorProto;

namespace lpu {
namespace {

/// Tensors of at most this many bytes stay in the model itself.
constexpr size_t kInlineBytes = 1024;
/// Of a tensor's first byte in the data file, so that it can be mapped.
constexpr size_t kAlignment = 4096;

llvm::Error toError(const absl::Status &status) {
  return status.ok() ? llvm::Error::success()
                     : createStringError(std::string(status.message()));
}

class QuantizedWriter {
public:
  QuantizedWriter(StringRef modelPath, const Int8Tensors &tensors, const std::string &path)
      : modelPath(modelPath.str()), path(path), weights(tensors.weights), caches(tensors.caches),
        files(getFolder(modelPath).str()) {
    context.loadDialect<mlir::onnx::ONNXDialect>();
  }

  llvm::Error run() {
    if (llvm::Error error = read()) {
      return createStringError(modelPath + ": " + llvm::toString(std::move(error)));
    }
    ::onnx::GraphProto &graph = *model.mutable_graph();
    collectNames(graph);
    google::protobuf::RepeatedPtrField<TensorProto> tensors;
    tensors.Swap(graph.mutable_initializer());
    google::protobuf::RepeatedPtrField<::onnx::NodeProto> nodes;
    nodes.Swap(graph.mutable_node());
    for (TensorProto &tensor : tensors) {
      if (llvm::Error error = convert(tensor)) {
        return createStringError(modelPath + ": initializer '" + tensor.name() +
                                 "': " + llvm::toString(std::move(error)));
      }
    }
    for (::onnx::NodeProto &node : nodes) {
      if (llvm::Error error = addNode(node)) {
        return createStringError(modelPath + ": " + llvm::toString(std::move(error)));
      }
    }
    setCacheTypes(graph);
    // Up to version 3 of the format an initializer is an input as well.
    auto *inputs = graph.mutable_input();
    inputs->erase(std::remove_if(inputs->begin(), inputs->end(),
                                 [&](auto &input) { return weights.count(input.name()); }),
                  inputs->end());
    return write();
  }

private:
  static StringRef getFolder(StringRef path) {
    StringRef folder = llvm::sys::path::parent_path(path);
    return folder.empty() ? "." : folder;
  }

  llvm::Error read() {
    auto buffer = llvm::MemoryBuffer::getFile(modelPath, /*IsText=*/false,
                                              /*RequiresNullTerminator=*/false);
    if (!buffer) {
      return createStringError(buffer.getError().message());
    }
    StringRef bytes = (*buffer)->getBuffer();
    if (!model.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
      return createStringError("not an ONNX model");
    }
    for (const auto &opset : model.opset_import()) {
      bool isDefault = opset.domain().empty() || opset.domain() == "ai.onnx";
      if (isDefault && opset.version() < 13 && !weights.empty()) {
        return createStringError("expected opset 13 or later, which has scales along an axis, got " +
                                 Twine(opset.version()));
      }
      if (isDefault && opset.version() < 21 && !caches.empty()) {
        return createStringError("expected opset 21 or later, which quantises to int8, got " +
                                 Twine(opset.version()));
      }
    }
    return checkOverwrites();
  }

  /// What is read may not be written.
  llvm::Error checkOverwrites() {
    std::set<std::string> read{modelPath};
    for (const TensorProto &tensor : model.graph().initializer()) {
      if (tensor.data_location() == TensorProto::EXTERNAL) {
        auto data = import::getExternalData(tensor);
        if (!data) {
          return data.takeError();
        }
        SmallString<128> file(getFolder(modelPath));
        llvm::sys::path::append(file, data->file);
        read.insert(file.str().str());
      }
    }
    for (const std::string &file : read) {
      for (const std::string &written : {path, path + ".data"}) {
        bool same = false;
        if (!llvm::sys::fs::equivalent(file, written, same) && same) {
          return createStringError("expected another file to write than " + file);
        }
      }
    }
    return llvm::Error::success();
  }

  void collectNames(const ::onnx::GraphProto &graph) {
    for (const TensorProto &tensor : graph.initializer()) {
      names.insert(tensor.name());
    }
    for (const auto &input : graph.input()) {
      names.insert(input.name());
    }
    for (const ::onnx::NodeProto &node : graph.node()) {
      names.insert(node.name());
      names.insert(node.output().begin(), node.output().end());
      for (const ::onnx::AttributeProto &attr : node.attribute()) {
        if (attr.has_g()) {
          collectNames(attr.g());
        }
        for (const ::onnx::GraphProto &subgraph : attr.graphs()) {
          collectNames(subgraph);
        }
      }
    }
  }

  std::string getNewName(std::string name) {
    while (!names.insert(name).second) {
      name += "_";
    }
    return name;
  }

  /// The bytes of external or raw data; nothing where the values lie in typed fields.
  llvm::Expected<std::optional<ArrayRef<char>>> getBytes(const TensorProto &tensor) {
    if (tensor.data_location() != TensorProto::EXTERNAL) {
      return tensor.has_raw_data() ? std::optional(ArrayRef<char>(tensor.raw_data().data(),
                                                                  tensor.raw_data().size()))
                                   : std::nullopt;
    }
    auto data = import::getExternalData(tensor);
    auto type = import::getTensorType(tensor, &context);
    if (!data || !type) {
      return llvm::joinErrors(data.takeError(), type.takeError());
    }
    Builder b(&context);
    int64_t length = data->length ? data->length : mlir::onnx::getRawBytes(*type).value_or(0);
    auto bytes = files.getBytes(mlir::onnx::WeightRefAttr::get(
        &context, b.getStringAttr(data->file), data->offset, length, b.getStringAttr(""), *type));
    if (!bytes) {
      return bytes.takeError();
    }
    return std::optional(*bytes);
  }

  llvm::Error convert(TensorProto &tensor) {
    auto bytes = getBytes(tensor);
    if (!bytes) {
      return bytes.takeError();
    }
    if (auto weight = weights.find(tensor.name()); weight != weights.end()) {
      return quantize(tensor, *bytes, weight->second);
    }
    TensorProto &copy = *model.mutable_graph()->add_initializer();
    if (!*bytes) {
      copy.Swap(&tensor);
      return llvm::Error::success();
    }
    copy.set_name(tensor.name());
    copy.set_doc_string(tensor.doc_string());
    copy.set_data_type(tensor.data_type());
    *copy.mutable_dims() = tensor.dims();
    store(copy, **bytes);
    return llvm::Error::success();
  }

  llvm::Error quantize(const TensorProto &tensor, std::optional<ArrayRef<char>> bytes,
                       int64_t axis) {
    std::vector<float> values(tensor.float_data().begin(), tensor.float_data().end());
    if (bytes) {
      values.resize(bytes->size() / sizeof(float));
      std::memcpy(values.data(), bytes->data(), values.size() * sizeof(float));
    }
    std::vector<int64_t> shape(tensor.dims().begin(), tensor.dims().end());
    absl::StatusOr<Int8Tensor> quantized = quantizeInt8(values, shape, axis);
    if (!quantized.ok()) {
      return toError(quantized.status());
    }
    ::onnx::NodeProto &node = *model.mutable_graph()->add_node();
    node.set_op_type("DequantizeLinear");
    node.set_name(getNewName(tensor.name() + "_dequantize"));
    *node.add_input() = add(tensor.name() + "_int8", TensorProto::INT8, shape,
                            toBytes(quantized->values));
    *node.add_input() = add(tensor.name() + "_scale", TensorProto::FLOAT,
                            {shape[size_t(axis)]}, toBytes(quantized->scales));
    *node.add_output() = tensor.name();
    setInt(node, "axis", axis);
    return llvm::Error::success();
  }

  /// A node as it is, one that updates a cache between those that quantise its rows and
  /// dequantise what it holds for other nodes.
  llvm::Error addNode(::onnx::NodeProto &node) {
    for (std::string &input : *node.mutable_input()) {
      if (auto reals = realsOf.find(input); reals != realsOf.end()) {
        input = reals->second;
      }
    }
    auto cache = node.input_size() > 1 && node.op_type() == "TensorScatter"
                     ? caches.find(node.input(0))
                     : caches.end();
    if (cache == caches.end() || !isFloatInput(cache->first)) {
      model.mutable_graph()->add_node()->Swap(&node);
      return llvm::Error::success();
    }
    const std::string rows = node.input(1), updated = node.output(0);
    int64_t columns = int64_t(cache->second.size());
    std::string scale =
        add(cache->first + "_scale", TensorProto::FLOAT, {columns}, toBytes(cache->second));
    std::string integers = getNewName(rows + "_int8");
    ::onnx::NodeProto &quantize = addScaled("QuantizeLinear", rows, scale, integers);
    setInt(quantize, "output_dtype", TensorProto::INT8);
    node.set_input(1, integers);
    model.mutable_graph()->add_node()->Swap(&node);
    realsOf[updated] = getNewName(updated + "_dequantized");
    addScaled("DequantizeLinear", updated, scale, realsOf[updated]);
    integerCaches.insert({cache->first, updated});
    return llvm::Error::success();
  }

  /// Not one that the model has in int8 already.
  bool isFloatInput(const std::string &name) const {
    return llvm::any_of(model.graph().input(), [&](const ::onnx::ValueInfoProto &input) {
      return input.name() == name &&
             input.type().tensor_type().elem_type() == TensorProto::FLOAT;
    });
  }

  /// A node with a scale for each index of its input's last axis.
  ::onnx::NodeProto &addScaled(const char *type, const std::string &input,
                               const std::string &scale, const std::string &output) {
    ::onnx::NodeProto &node = *model.mutable_graph()->add_node();
    node.set_op_type(type);
    node.set_name(getNewName(input + "_" + StringRef(type).drop_back(6).lower()));
    *node.add_input() = input;
    *node.add_input() = scale;
    *node.add_output() = output;
    setInt(node, "axis", -1);
    return node;
  }

  static void setInt(::onnx::NodeProto &node, const char *name, int64_t value) {
    ::onnx::AttributeProto &attr = *node.add_attribute();
    attr.set_name(name);
    attr.set_type(::onnx::AttributeProto::INT);
    attr.set_i(value);
  }

  void setCacheTypes(::onnx::GraphProto &graph) {
    std::set<std::string> names;
    for (const auto &[cache, updated] : integerCaches) {
      names.insert({cache, updated});
    }
    for (auto *values : {graph.mutable_input(), graph.mutable_output(), graph.mutable_value_info()}) {
      for (::onnx::ValueInfoProto &value : *values) {
        if (names.count(value.name())) {
          value.mutable_type()->mutable_tensor_type()->set_elem_type(TensorProto::INT8);
        }
      }
    }
  }

  template <typename T> static ArrayRef<char> toBytes(const std::vector<T> &values) {
    return {reinterpret_cast<const char *>(values.data()), values.size() * sizeof(T)};
  }

  /// Returns the name of the new initializer.
  std::string add(const std::string &name, TensorProto::DataType type,
                  ArrayRef<int64_t> shape, ArrayRef<char> bytes) {
    TensorProto &tensor = *model.mutable_graph()->add_initializer();
    tensor.set_name(getNewName(name));
    tensor.set_data_type(type);
    tensor.mutable_dims()->Add(shape.begin(), shape.end());
    store(tensor, bytes);
    return tensor.name();
  }

  void store(TensorProto &tensor, ArrayRef<char> bytes) {
    if (bytes.size() <= kInlineBytes) {
      tensor.set_raw_data(bytes.data(), bytes.size());
      return;
    }
    if (!data) {
      data.emplace(path + ".data");
    }
    data->padTo(llvm::alignTo(data->getPosition(), kAlignment));
    std::string offset = std::to_string(data->getPosition());
    data->write(bytes.data(), bytes.size());
    tensor.set_data_location(TensorProto::EXTERNAL);
    std::string file = llvm::sys::path::filename(path).str() + ".data";
    for (auto &[key, value] : {std::pair("location", file), std::pair("offset", offset),
                               std::pair("length", std::to_string(bytes.size()))}) {
      ::onnx::StringStringEntryProto &entry = *tensor.add_external_data();
      entry.set_key(key);
      entry.set_value(value);
    }
  }

  llvm::Error write() {
    AtomicFile file(path);
    std::string text = model.SerializeAsString();
    file.write(text.data(), text.size());
    if (!data) {
      return toError(file.commit());
    }
    if (absl::Status status = data->prepare(); !status.ok()) {
      return toError(status);
    }
    if (absl::Status status = file.prepare(); !status.ok()) {
      return toError(status);
    }
    // An older model never meets the new data.
    if (std::error_code error = llvm::sys::fs::remove(path)) {
      return createStringError(path + ": cannot write: " + error.message());
    }
    if (absl::Status status = data->commit(); !status.ok()) {
      return toError(status);
    }
    return toError(file.commit());
  }

  std::string modelPath, path;
  const std::map<std::string, int64_t> &weights;
  const std::map<std::string, std::vector<float>> &caches;
  MLIRContext context;
  mlir::onnx::WeightFiles files;
  ::onnx::ModelProto model;
  std::set<std::string> names; ///< of tensors and nodes
  std::map<std::string, std::string> realsOf;       ///< of updated caches in int8
  std::map<std::string, std::string> integerCaches; ///< updated ones, by name of the input
  std::optional<AtomicFile> data;
};

} // namespace

/// Adds the caches of `entry` that int8 rows with constant scales go into.
static void findInt8Caches(func::FuncOp entry, Int8Tensors &tensors) {
  for (auto update : entry.getOps<mlir::lpu::CacheUpdateOp>()) {
    auto argument = dyn_cast<BlockArgument>(update.getCache());
    auto rows = update.getRows().getDefiningOp<mlir::lpu::QuantizeOp>();
    DenseElementsAttr scales;
    if (!argument || !rows || !matchPattern(rows.getScale(), m_Constant(&scales))) {
      continue;
    }
    auto name = entry.getArgAttrOfType<StringAttr>(argument.getArgNumber(),
                                                   mlir::lpu::LPUDialect::kNameAttr);
    if (name) {
      auto values = scales.getValues<float>();
      tensors.caches[name.str()] = {values.begin(), values.end()};
    }
  }
}

llvm::Expected<Int8Tensors> findInt8Tensors(ModuleOp module) {
  Int8Tensors tensors;
  std::map<std::string, int64_t> &weights = tensors.weights;
  std::string twice;
  for (auto entry : module.getOps<func::FuncOp>()) {
    findInt8Caches(entry, tensors);
  }
  module.walk([&](mlir::lpu::WeightOp weight) {
    if (std::optional<uint64_t> axis = weight.getInt8Axis()) {
      auto [known, isNew] = weights.try_emplace(weight.getName().str(), int64_t(*axis));
      twice = isNew || known->second == int64_t(*axis) ? twice : known->first;
    }
  });
  if (!twice.empty()) {
    return createStringError("initializer '" + twice + "': products take it as it is and "
                             "transposed: expected scales along one axis");
  }
  return tensors;
}

llvm::Error writeQuantizedONNX(StringRef model, const Int8Tensors &tensors,
                               const std::string &path) {
  return QuantizedWriter(model, tensors, path).run();
}

} // namespace lpu
