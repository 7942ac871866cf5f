//===- InputValues.cpp - What users say of inputs -------------------------===//

#include "InputValues.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringSet.h"

using llvm::createStringError;
using llvm::StringRef;
using llvm::Twine;
using ::onnx::TensorProto;

namespace lpu {

llvm::Expected<std::pair<std::string, NpyArray>> parseInputValue(StringRef text) {
  auto fail = [&](const Twine &message) {
    return createStringError("--input-value " + Twine(text) + ": " + message);
  };
  auto [name, path] = text.split('=');
  if (name.empty() || path.empty()) {
    return fail("expected NAME=FILE.npy");
  }
  auto array = readNpy(path.str());
  if (!array.ok()) {
    return fail(std::string(array.status().message()));
  }
  return std::make_pair(name.str(), std::move(*array));
}

llvm::Expected<std::pair<std::string, std::vector<std::vector<int64_t>>>>
parseInputShape(StringRef text) {
  // "x=[2,3][4]".
  auto [name, rest] = text.split('=');
  std::vector<std::vector<int64_t>> shapes;
  bool valid = !name.empty() && text.contains('=');
  while (valid && !rest.empty()) {
    valid = rest.consume_front("[");
    auto [list, after] = rest.split(']');
    valid &= rest.contains(']');
    rest = after;
    llvm::SmallVector<StringRef> sizes;
    list.split(sizes, ',', -1, /*KeepEmpty=*/false);
    shapes.emplace_back();
    for (StringRef size : sizes) {
      shapes.back().push_back(0);
      valid &= !size.getAsInteger(10, shapes.back().back()) && shapes.back().back() >= 0;
    }
  }
  if (!valid) {
    return createStringError("--input-shape " + Twine(text) +
                             ": expected NAME=[SIZE,...], or for a sequence one list of sizes "
                             "for each element");
  }
  return std::make_pair(name.str(), std::move(shapes));
}

namespace import {
namespace {

/// NumPy's type string of an element type; empty where it has none.
StringRef getDescr(int32_t type) {
  switch (type) {
  case TensorProto::FLOAT:
    return "<f4";
  case TensorProto::DOUBLE:
    return "<f8";
  case TensorProto::FLOAT16:
    return "<f2";
  case TensorProto::BOOL:
    return "|b1";
  case TensorProto::INT8:
    return "|i1";
  case TensorProto::INT16:
    return "<i2";
  case TensorProto::INT32:
    return "<i4";
  case TensorProto::INT64:
    return "<i8";
  case TensorProto::UINT8:
    return "|u1";
  case TensorProto::UINT16:
  case TensorProto::BFLOAT16: // as its bits
    return "<u2";
  case TensorProto::UINT32:
    return "<u4";
  case TensorProto::UINT64:
    return "<u8";
  default:
    return "";
  }
}

std::string print(llvm::ArrayRef<int64_t> dims) {
  std::string text = "[";
  for (int64_t dim : dims) {
    text += (text.size() > 1 ? "," : "") + std::to_string(dim);
  }
  return text + "]";
}

llvm::Error setInputValue(::onnx::GraphProto &graph, const std::string &name, const NpyArray &array,
                          BoundDims &dims) {
  auto *inputs = graph.mutable_input();
  auto input = llvm::find_if(*inputs, [&](const auto &info) { return info.name() == name; });
  if (input == inputs->end()) {
    std::string names;
    for (const auto &info : *inputs) {
      names += (names.empty() ? "" : ", ") + info.name();
    }
    return createStringError("unknown input, expected one of: " + names);
  }
  if (!input->type().has_tensor_type()) {
    return createStringError("only tensors have values");
  }
  const auto &type = input->type().tensor_type();
  StringRef descr = getDescr(type.elem_type());
  if (descr.empty() || descr != array.descr) {
    return createStringError(
        "expected " +
        StringRef(TensorProto::DataType_Name(static_cast<TensorProto::DataType>(type.elem_type())))
            .lower() +
        (descr.empty() ? "" : " (" + descr.str() + ")") + ", got " + array.descr);
  }
  if (type.has_shape()) {
    bool fits = type.shape().dim_size() == static_cast<int>(array.shape.size());
    for (int i = 0; fits && i < type.shape().dim_size(); ++i) {
      const auto &dim = type.shape().dim(i);
      int64_t size = array.shape[i];
      if (dim.has_dim_value()) {
        fits = dim.dim_value() == size;
      } else if (!dim.dim_param().empty()) {
        fits = dims.try_emplace(dim.dim_param(), size).first->second == size;
      }
    }
    if (!fits) {
      std::string expected;
      for (const auto &dim : type.shape().dim()) {
        auto bound = dims.find(dim.dim_param());
        expected += expected.empty() ? "" : ",";
        expected += dim.has_dim_value()   ? std::to_string(dim.dim_value())
                    : bound != dims.end() ? std::to_string(bound->second)
                                          : "?";
      }
      return createStringError("expected shape [" + expected + "], got " + print(array.shape));
    }
  }
  TensorProto tensor;
  tensor.set_name(name);
  tensor.set_data_type(type.elem_type());
  for (int64_t dim : array.shape) {
    tensor.add_dims(dim);
  }
  tensor.set_raw_data(array.bytes.data(), array.bytes.size());
  inputs->erase(input);
  auto *initializers = graph.mutable_initializer();
  auto old = llvm::find_if(*initializers, [&](const auto &other) { return other.name() == name; });
  (old == initializers->end() ? *initializers->Add() : *old) = std::move(tensor);
  return llvm::Error::success();
}

} // namespace

static ::onnx::TypeProto withShape(::onnx::TypeProto type, llvm::ArrayRef<int64_t> dims) {
  auto *shape = type.mutable_tensor_type()->mutable_shape();
  shape->Clear();
  for (int64_t dim : dims) {
    shape->add_dim()->set_dim_value(dim);
  }
  return type;
}

llvm::Error setInputShapes(::onnx::GraphProto &graph, const InputShapes &shapes,
                           InputElements &elements) {
  google::protobuf::RepeatedPtrField<::onnx::ValueInfoProto> inputs;
  llvm::StringSet<> found;
  for (::onnx::ValueInfoProto &input : *graph.mutable_input()) {
    auto given =
        llvm::find_if(shapes, [&](const auto &item) { return item.first == input.name(); });
    if (given == shapes.end()) {
      *inputs.Add() = std::move(input);
      continue;
    }
    found.insert(input.name());
    auto fail = [&](const Twine &message) {
      return createStringError("shape of input '" + input.name() + "': " + message);
    };
    ::onnx::TypeProto type = input.type();
    bool isOptional = type.has_optional_type();
    if (isOptional) {
      type = ::onnx::TypeProto(type.optional_type().elem_type());
    }
    bool isSequence = type.has_sequence_type();
    if (isSequence) {
      type = ::onnx::TypeProto(type.sequence_type().elem_type());
    }
    size_t count = given->second.size();
    if (!type.has_tensor_type()) {
      return fail("only tensors, and optionals and sequences of them, have one");
    }
    if (!isSequence && count != 1 && !(isOptional && count == 0)) {
      return fail("expected one shape, got " + Twine(count));
    }
    // A shape that is declared has to be this one.
    const auto &declared = type.tensor_type().shape();
    for (const auto &dims : given->second) {
      bool fits =
          !type.tensor_type().has_shape() || declared.dim_size() == static_cast<int>(dims.size());
      for (int i = 0; fits && i < declared.dim_size(); ++i) {
        fits = !declared.dim(i).has_dim_value() || declared.dim(i).dim_value() == dims[i];
      }
      if (!fits) {
        return fail("the model declares another one than " + print(dims));
      }
    }
    ElementNames names{isSequence, {}};
    for (size_t i = 0; i < count; ++i) {
      ::onnx::ValueInfoProto &element = *inputs.Add();
      element.set_name(isSequence ? input.name() + "[" + std::to_string(i) + "]" : input.name());
      *element.mutable_type() = withShape(type, given->second[i]);
      names.names.push_back(element.name());
    }
    if (isSequence || isOptional) {
      elements[input.name()] = std::move(names);
    }
  }
  for (const auto &[name, dims] : shapes) {
    if (!found.contains(name)) {
      return createStringError("shape of input '" + name + "': unknown input");
    }
  }
  graph.mutable_input()->Swap(&inputs);
  return llvm::Error::success();
}

llvm::Error setInputValues(::onnx::GraphProto &graph, const InputValues &values, BoundDims &dims) {
  for (const auto &[name, array] : values) {
    if (llvm::Error error = setInputValue(graph, name, array, dims)) {
      return createStringError("value of input '" + name +
                               "': " + llvm::toString(std::move(error)));
    }
  }
  return llvm::Error::success();
}

} // namespace import
} // namespace lpu
