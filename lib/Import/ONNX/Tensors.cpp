//===- Tensors.cpp - Types and tensors of ONNX ----------------------------===//

#include "Tensors.h"

#include "mlir/IR/Builders.h"

using namespace mlir;
using ::onnx::TensorProto;

namespace lpu::import {

Type getElementType(int32_t dataType, MLIRContext *context) {
  Builder b(context);
  auto uns = [&](unsigned bits) {
    return b.getIntegerType(bits, /*isSigned=*/false);
  };
  switch (dataType) {
  case TensorProto::FLOAT:
    return b.getF32Type();
  case TensorProto::DOUBLE:
    return b.getF64Type();
  case TensorProto::FLOAT16:
    return b.getF16Type();
  case TensorProto::BFLOAT16:
    return b.getBF16Type();
  case TensorProto::BOOL:
    return b.getI1Type();
  case TensorProto::INT8:
    return b.getIntegerType(8);
  case TensorProto::INT16:
    return b.getIntegerType(16);
  case TensorProto::INT32:
    return b.getIntegerType(32);
  case TensorProto::INT64:
    return b.getIntegerType(64);
  case TensorProto::UINT8:
    return uns(8);
  case TensorProto::UINT16:
    return uns(16);
  case TensorProto::UINT32:
    return uns(32);
  case TensorProto::UINT64:
    return uns(64);
  case TensorProto::INT4:
    return b.getIntegerType(4);
  case TensorProto::UINT4:
    return uns(4);
  case TensorProto::INT2:
    return b.getIntegerType(2);
  case TensorProto::UINT2:
    return uns(2);
  case TensorProto::COMPLEX64:
    return ComplexType::get(b.getF32Type());
  case TensorProto::COMPLEX128:
    return ComplexType::get(b.getF64Type());
  case TensorProto::FLOAT8E4M3FN:
    return Float8E4M3FNType::get(context);
  case TensorProto::FLOAT8E4M3FNUZ:
    return Float8E4M3FNUZType::get(context);
  case TensorProto::FLOAT8E5M2:
    return Float8E5M2Type::get(context);
  case TensorProto::FLOAT8E5M2FNUZ:
    return Float8E5M2FNUZType::get(context);
  case TensorProto::FLOAT8E8M0:
    return Float8E8M0FNUType::get(context);
  case TensorProto::FLOAT4E2M1:
    return Float4E2M1FNType::get(context);
  case TensorProto::STRING:
    return mlir::onnx::StringType::get(context);
  default:
    return {};
  }
}

static Type getShapedType(const ::onnx::TypeProto_Tensor &tensor,
                          MLIRContext *context) {
  Type element = getElementType(tensor.elem_type(), context);
  if (!element) {
    return mlir::onnx::UnknownType::get(context);
  }
  if (!tensor.has_shape()) {
    return UnrankedTensorType::get(element);
  }
  SmallVector<int64_t> shape;
  SmallVector<StringAttr> names;
  bool named = false;
  for (const auto &dim : tensor.shape().dim()) {
    shape.push_back(dim.has_dim_value() && dim.dim_value() >= 0
                        ? dim.dim_value()
                        : ShapedType::kDynamic);
    names.push_back(
        StringAttr::get(context, dim.has_dim_param() ? dim.dim_param() : ""));
    named |= !names.back().empty();
  }
  Attribute encoding;
  if (named) {
    encoding = mlir::onnx::DimsAttr::get(context, names);
  }
  return RankedTensorType::get(shape, element, encoding);
}

Type getType(const ::onnx::TypeProto &type, MLIRContext *context) {
  if (type.has_tensor_type()) {
    return getShapedType(type.tensor_type(), context);
  }
  if (type.has_sequence_type()) {
    return mlir::onnx::SequenceType::get(
        context, getType(type.sequence_type().elem_type(), context));
  }
  if (type.has_optional_type()) {
    return mlir::onnx::OptionalType::get(
        context, getType(type.optional_type().elem_type(), context));
  }
  return mlir::onnx::UnknownType::get(context);
}

llvm::Expected<RankedTensorType> getTensorType(const TensorProto &tensor,
                                               MLIRContext *context) {
  Type element = getElementType(tensor.data_type(), context);
  if (!element) {
    return llvm::createStringError("expected a known element type, got " +
                                   Twine(tensor.data_type()));
  }
  for (int64_t dim : tensor.dims()) {
    if (dim < 0) {
      return llvm::createStringError("expected sizes of at least 0, got " +
                                     Twine(dim));
    }
  }
  return RankedTensorType::get(
      ArrayRef(tensor.dims().data(), tensor.dims_size()), element);
}

/// Appends the low `bytes` bytes of each value: ONNX's raw layout is
/// little-endian.
template <typename Values>
static void appendRaw(const Values &values, size_t bytes, std::string &raw) {
  for (const auto &value : values) {
    raw.append(reinterpret_cast<const char *>(&value), bytes);
  }
}

std::string getRaw(const TensorProto &tensor, unsigned elementBits) {
  if (tensor.has_raw_data()) {
    return tensor.raw_data();
  }
  std::string raw;
  // Elements of less than a byte come packed: one 32-bit value for each byte.
  size_t bytes = std::max<size_t>(1, elementBits / 8);
  appendRaw(tensor.float_data(), sizeof(float), raw);
  appendRaw(tensor.double_data(), sizeof(double), raw);
  appendRaw(tensor.int64_data(), sizeof(int64_t), raw);
  appendRaw(tensor.uint64_data(), std::min<size_t>(bytes, 8), raw);
  appendRaw(tensor.int32_data(), std::min<size_t>(bytes, 4), raw);
  return raw;
}

/// Unpacks elements of less than a byte (bool takes a whole one).
static ElementsAttr getNarrow(RankedTensorType type, ArrayRef<char> raw) {
  unsigned rawBits = mlir::onnx::getRawElementBits(type.getElementType());
  unsigned bits = type.getElementTypeBitWidth();
  auto floatType = dyn_cast<FloatType>(type.getElementType());
  SmallVector<Attribute> values;
  for (int64_t i = 0, e = type.getNumElements(); i < e; ++i) {
    uint64_t bit = static_cast<uint64_t>(i) * rawBits;
    uint64_t code = (static_cast<uint8_t>(raw[bit / 8]) >> (bit % 8)) &
                    ((1u << rawBits) - 1);
    APInt number(bits, bits == 1 ? code != 0 : code);
    if (floatType) {
      values.push_back(FloatAttr::get(
          floatType, APFloat(floatType.getFloatSemantics(), number)));
    } else {
      values.push_back(IntegerAttr::get(type.getElementType(), number));
    }
  }
  return DenseElementsAttr::get(type, values);
}

llvm::Expected<ElementsAttr>
getElements(const TensorProto &tensor, MLIRContext *context,
            std::optional<ArrayRef<char>> external) {
  auto type = getTensorType(tensor, context);
  if (!type) {
    return type.takeError();
  }
  if (isa<mlir::onnx::StringType>(type->getElementType())) {
    SmallVector<StringRef> values(tensor.string_data().begin(),
                                  tensor.string_data().end());
    if (static_cast<int64_t>(values.size()) != type->getNumElements()) {
      return llvm::createStringError("expected " +
                                     Twine(type->getNumElements()) +
                                     " strings, got " + Twine(values.size()));
    }
    return DenseStringElementsAttr::get(*type, values);
  }
  std::string own;
  if (!external) {
    own = getRaw(tensor, mlir::onnx::getRawElementBits(type->getElementType()));
    external = ArrayRef<char>(own.data(), own.size());
  }
  std::optional<int64_t> bytes = mlir::onnx::getRawBytes(*type);
  if (!bytes || *bytes != static_cast<int64_t>(external->size())) {
    return llvm::createStringError("expected " + Twine(bytes.value_or(-1)) +
                                   " bytes, got " + Twine(external->size()));
  }
  if (type->getNumElements() == 0) {
    return DenseElementsAttr::get(*type, ArrayRef<Attribute>());
  }
  if (type->getElementType().isIntOrFloat() &&
      type->getElementTypeBitWidth() < 8) {
    return getNarrow(*type, *external);
  }
  return DenseElementsAttr::getFromRawBuffer(*type, *external);
}

} // namespace lpu::import
