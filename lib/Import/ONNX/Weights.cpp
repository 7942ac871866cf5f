//===- Weights.cpp - Where the bytes of weights lie -----------------------===//

#include "Weights.h"

#include "ONNX/IR/ONNXDialect.h"
#include "Tensors.h"

#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

using llvm::createStringError;
using llvm::StringRef;
using llvm::Twine;

namespace lpu::import {
namespace {

/// A length-delimited field of a message: its number and the range of its
/// content.
struct Field {
  uint32_t number;
  size_t begin;
  size_t end;
};

/// Walks the length-delimited fields of a message in protobuf's wire format.
class FieldReader {
public:
  FieldReader(StringRef bytes, size_t begin, size_t end)
      : bytes(bytes), position(begin), end(end) {}

  std::optional<Field> next() {
    while (position < end) {
      uint64_t tag = readVarint();
      switch (tag & 7) {
      case 0:
        readVarint();
        break;
      case 1:
        position += 8;
        break;
      case 2: {
        uint64_t length = readVarint();
        if (position > end || length > end - position) {
          return std::nullopt;
        }
        Field field{static_cast<uint32_t>(tag >> 3), position,
                    position + length};
        position += length;
        return field;
      }
      case 5:
        position += 4;
        break;
      default:
        return std::nullopt;
      }
    }
    return std::nullopt;
  }

private:
  uint64_t readVarint() {
    uint64_t value = 0;
    for (unsigned shift = 0; position < end && shift < 64; shift += 7) {
      uint8_t byte = bytes[position++];
      value |= static_cast<uint64_t>(byte & 127) << shift;
      if (byte < 128) {
        break;
      }
    }
    return value;
  }

  StringRef bytes;
  size_t position;
  size_t end;
};

void setEntry(::onnx::TensorProto &tensor, const std::string &key,
              const std::string &value) {
  ::onnx::StringStringEntryProto &entry = *tensor.add_external_data();
  entry.set_key(key);
  entry.set_value(value);
}

bool isOutside(StringRef file) {
  namespace path = llvm::sys::path;
  return path::is_absolute(file) ||
         llvm::is_contained(
             llvm::make_range(path::begin(file), path::end(file)), "..");
}

llvm::Error checkTensor(::onnx::TensorProto &tensor, StringRef folder,
                        mlir::MLIRContext *context) {
  auto data = getExternalData(tensor);
  if (!data) {
    return data.takeError();
  }
  if (data->file.empty() || isOutside(data->file)) {
    return createStringError("external data '" + data->file +
                             "': expected a file inside the model's folder");
  }
  auto type = getTensorType(tensor, context);
  if (!type) {
    return type.takeError();
  }
  std::optional<int64_t> bytes = mlir::onnx::getRawBytes(*type);
  if (!bytes) {
    return createStringError("external data '" + data->file +
                             "': expected numbers");
  }
  if (data->length == 0) {
    setEntry(tensor, "length", std::to_string(*bytes));
  } else if (data->length != *bytes) {
    return createStringError("external data '" + data->file + "': expected " +
                             Twine(*bytes) + " bytes, got length " +
                             Twine(data->length));
  }
  llvm::SmallString<128> path(folder);
  llvm::sys::path::append(path, data->file);
  uint64_t size = 0;
  if (std::error_code code = llvm::sys::fs::file_size(path, size)) {
    return createStringError("external data '" + data->file +
                             "': " + code.message());
  }
  uint64_t end =
      static_cast<uint64_t>(data->offset) + static_cast<uint64_t>(*bytes);
  if (end > size) {
    return createStringError("external data '" + data->file +
                             "': expected at least " + Twine(end) +
                             " bytes, got " + Twine(size));
  }
  return llvm::Error::success();
}

} // namespace

llvm::Expected<ExternalData>
getExternalData(const ::onnx::TensorProto &tensor) {
  ExternalData data;
  for (const auto &entry : tensor.external_data()) {
    if (entry.key() == "location") {
      data.file = entry.value();
    }
    bool isOffset = entry.key() == "offset";
    if (isOffset || entry.key() == "length") {
      int64_t &number = isOffset ? data.offset : data.length;
      if (StringRef(entry.value()).getAsInteger(10, number) || number < 0) {
        return createStringError("external data: expected a number as " +
                                 entry.key() + ", got '" + entry.value() + "'");
      }
    }
  }
  return data;
}

llvm::Error checkExternalData(::onnx::ModelProto &model, StringRef folder) {
  mlir::MLIRContext context;
  context.loadDialect<mlir::onnx::ONNXDialect>();
  for (::onnx::TensorProto &tensor :
       *model.mutable_graph()->mutable_initializer()) {
    if (tensor.data_location() != ::onnx::TensorProto::EXTERNAL) {
      continue;
    }
    if (llvm::Error error = checkTensor(tensor, folder, &context)) {
      return createStringError("initializer '" + tensor.name() +
                               "': " + llvm::toString(std::move(error)));
    }
  }
  return llvm::Error::success();
}

void referToModelFile(::onnx::ModelProto &model, StringRef bytes,
                      StringRef file) {
  constexpr uint32_t kGraph = 7, kInitializer = 5, kRawData = 9;
  auto *tensors = model.mutable_graph()->mutable_initializer();
  int index = 0;
  FieldReader top(bytes, 0, bytes.size());
  while (auto graph = top.next()) {
    if (graph->number != kGraph) {
      continue;
    }
    FieldReader inGraph(bytes, graph->begin, graph->end);
    while (auto initializer = inGraph.next()) {
      if (initializer->number != kInitializer || index >= tensors->size()) {
        continue;
      }
      ::onnx::TensorProto &tensor = *tensors->Mutable(index++);
      FieldReader inTensor(bytes, initializer->begin, initializer->end);
      while (auto raw = inTensor.next()) {
        auto length = static_cast<int64_t>(raw->end - raw->begin);
        if (raw->number != kRawData || length <= kInPlaceBytes) {
          continue;
        }
        tensor.clear_raw_data();
        tensor.set_data_location(::onnx::TensorProto::EXTERNAL);
        tensor.clear_external_data();
        setEntry(tensor, "location", file.str());
        setEntry(tensor, "offset", std::to_string(raw->begin));
        setEntry(tensor, "length", std::to_string(length));
      }
    }
  }
}

} // namespace lpu::import
