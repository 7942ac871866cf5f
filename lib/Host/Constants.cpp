//===- Constants.cpp - Bytes of constants ---------------------------------===//

#include "Constants.h"
#include "lpu/Host/Host.h"
#include "lpu/Support/Quantization.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include <cstring>

using namespace mlir;

namespace lpu::host {

std::string getDescr(Type element) {
  std::optional<ElementType> type = mlir::lpu::toElementType(element);
  return type ? std::string(numpyTypeString(*type)) : "";
}

std::optional<size_t> getBytes(RankedTensorType type) {
  std::optional<ElementType> element = mlir::lpu::toElementType(type.getElementType());
  if (!type.hasStaticShape() || !element) {
    return std::nullopt;
  }
  return size_t(type.getNumElements()) * elementBytes(*element);
}

std::optional<Conversion> getConversion(Operation *op) {
  if (!isa<mlir::lpu::NarrowOp, mlir::lpu::WidenOp>(op)) {
    return std::nullopt;
  }
  // `is_unsigned` is of the model's integers.
  bool isUnsigned = op->hasAttr("is_unsigned");
  auto typeOf = [&](Type tensor, bool isModel) {
    Type element = cast<RankedTensorType>(tensor).getElementType();
    bool changes = isModel && isUnsigned && element.isSignlessInteger() && !element.isInteger(1);
    return mlir::lpu::toElementType(
        changes ? IntegerType::get(element.getContext(), element.getIntOrFloatBitWidth(),
                                   IntegerType::Unsigned)
                : element);
  };
  bool isNarrow = isa<mlir::lpu::NarrowOp>(op);
  auto from = typeOf(op->getOperand(0).getType(), isNarrow);
  auto to = typeOf(op->getResult(0).getType(), !isNarrow);
  return from && to ? std::optional(Conversion{*from, *to}) : std::nullopt;
}

NpyArray makeZeros(RankedTensorType type) {
  return {getDescr(type.getElementType()),
          {type.getShape().begin(), type.getShape().end()},
          std::vector<uint8_t>(getBytes(type).value_or(0))};
}

/// The value that lpu.weight has with `int8_axis`.
static absl::StatusOr<std::vector<uint8_t>> quantize(RankedTensorType type, int64_t axis,
                                                     const uint8_t *data) {
  std::vector<float> values(size_t(type.getNumElements()));
  std::memcpy(values.data(), data, values.size() * sizeof(float));
  absl::StatusOr<Int8Tensor> tensor = quantizeInt8(values, type.getShape(), axis);
  if (!tensor.ok()) {
    return tensor.status();
  }
  values = dequantizeInt8(*tensor, type.getShape(), axis);
  std::vector<uint8_t> bytes(values.size() * sizeof(float));
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

static FailureOr<Constant> fromElements(Operation *op, RankedTensorType type,
                                        DenseElementsAttr elements) {
  Constant constant;
  size_t bytes = (type.getElementTypeBitWidth() + 7) / 8;
  auto append = [&](const APInt &bits) {
    const char *raw = reinterpret_cast<const char *>(bits.getRawData());
    constant.owned.insert(constant.owned.end(), raw, raw + bytes);
  };
  if (isa<FloatType>(type.getElementType())) {
    for (const APFloat &value : elements.getValues<APFloat>()) {
      append(value.bitcastToAPInt());
    }
  } else {
    for (const APInt &value : elements.getValues<APInt>()) {
      append(value);
    }
  }
  return constant;
}

FailureOr<Constant> getConstant(Operation *op, mlir::onnx::WeightFiles &files) {
  auto weight = dyn_cast<mlir::lpu::WeightOp>(op);
  Attribute value = weight ? Attribute(weight.getValue())
                           : Attribute(cast<arith::ConstantOp>(op).getValue());
  auto type = cast<RankedTensorType>(op->getResult(0).getType());
  std::optional<size_t> size = getBytes(type);
  if (!size) {
    return op->emitOpError("expected a static shape and elements that are numbers, got ")
           << type;
  }
  Constant constant;
  if (auto reference = dyn_cast<mlir::onnx::WeightRefAttr>(value)) {
    auto bytes = files.getBytes(reference);
    if (!bytes) {
      return op->emitError(llvm::toString(bytes.takeError()));
    }
    constant.data = reinterpret_cast<const uint8_t *>(bytes->data());
    // Less than a byte: the file packs them, from the low bits.
    unsigned bits = type.getElementTypeBitWidth();
    if (bits > 1 && bits < 8) {
      for (size_t k = 0; k < *size; ++k) {
        constant.owned.push_back(constant.data[k * bits / 8] >> (k * bits % 8) &
                                 ((1u << bits) - 1));
      }
      constant.data = nullptr;
    }
  } else if (auto elements = dyn_cast<DenseElementsAttr>(value)) {
    FailureOr<Constant> dense = fromElements(op, type, elements);
    if (failed(dense)) {
      return failure();
    }
    constant = std::move(*dense);
  } else if (auto resource = dyn_cast<DenseResourceElementsAttr>(value)) {
    ArrayRef<char> raw = resource.getData();
    constant.owned.assign(raw.begin(), raw.end());
  } else {
    return op->emitOpError("expected elements or a reference to them, got ") << value;
  }
  if (!constant.data && constant.owned.size() != *size) {
    return op->emitOpError("expected ") << *size << " bytes, got " << constant.owned.size();
  }
  const uint8_t *data = constant.data ? constant.data : constant.owned.data();
  if (weight && weight.getInt8Axis()) {
    auto quantized = quantize(type, int64_t(*weight.getInt8Axis()), data);
    if (!quantized.ok()) {
      return op->emitError(std::string(quantized.status().message()));
    }
    constant = {nullptr, std::move(*quantized)};
  } else if (reinterpret_cast<uintptr_t>(data) % ((type.getElementTypeBitWidth() + 7) / 8)) {
    // A model's own file may hold them anywhere; kernels want them aligned.
    constant = {nullptr, std::vector<uint8_t>(data, data + *size)};
  }
  if (!constant.owned.empty()) {
    constant.data = constant.owned.data();
  }
  return constant;
}

} // namespace lpu::host
