//===- Quantized.cpp - The model with the compiler's weights --------------===//
//
// Beside the importer, because both know the file format.
//
//===----------------------------------------------------------------------===//

#include "LPU/IR/LPUTensorOps.h"
#include "ONNX/IR/WeightFiles.h"
#include "Tensors.h"
#include "Weights.h"
#include "lpu/Import/QuantizedONNX.h"
#include "lpu/Support/AtomicFile.h"
#include "lpu/Support/Quantization.h"
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
  QuantizedWriter(StringRef modelPath, const Int8Weights &weights, const std::string &path)
      : modelPath(modelPath.str()), path(path), weights(weights),
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
      graph.add_node()->Swap(&node);
    }
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
    ::onnx::AttributeProto &attr = *node.add_attribute();
    attr.set_name("axis");
    attr.set_type(::onnx::AttributeProto::INT);
    attr.set_i(axis);
    return llvm::Error::success();
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
  const Int8Weights &weights;
  MLIRContext context;
  mlir::onnx::WeightFiles files;
  ::onnx::ModelProto model;
  std::set<std::string> names; ///< of tensors and nodes
  std::optional<AtomicFile> data;
};

} // namespace

llvm::Expected<Int8Weights> findInt8Weights(ModuleOp module) {
  Int8Weights weights;
  std::string twice;
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
  return weights;
}

llvm::Error writeQuantizedONNX(StringRef model, const Int8Weights &weights,
                               const std::string &path) {
  return QuantizedWriter(model, weights, path).run();
}

} // namespace lpu
