//===- Elements.cpp - The model's element types and the machine's ---------===//

#include "Elements.h"
#include "LPU/IR/LPUTensorOps.h"
#include "ONNX/IR/WeightFiles.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;

namespace lpu::onnx_lowering {
namespace {

/// The value behind a constant's operation, and its type; null where `value` is none.
std::pair<Attribute, RankedTensorType> findConstant(Value value) {
  Operation *op = value ? value.getDefiningOp() : nullptr;
  if (!op || !op->getNumResults()) {
    return {};
  }
  auto type = dyn_cast<RankedTensorType>(op->getResult(0).getType());
  if (isa_and_nonnull<mlir::onnx::ConstantOp, mlir::onnx::WeightOp, mlir::lpu::WeightOp,
                      arith::ConstantOp>(op)) {
    return {op->getAttr("value"), type};
  }
  return {};
}

/// Elements of ONNX's raw layout: a byte for bool, less than a byte from the low bits.
SmallVector<APInt> unpack(ArrayRef<char> bytes, Type element, int64_t count) {
  unsigned bits = element.getIntOrFloatBitWidth();
  SmallVector<APInt> values;
  for (int64_t k = 0; k < count; ++k) {
    if (bits == 1) {
      values.emplace_back(1, bytes[size_t(k)] != 0);
    } else if (bits < 8) {
      uint64_t byte = uint8_t(bytes[size_t(k * bits / 8)]);
      values.emplace_back(bits, byte >> (k * bits % 8) & ((1u << bits) - 1));
    } else {
      uint64_t word = 0;
      std::memcpy(&word, &bytes[size_t(k) * bits / 8], bits / 8);
      values.emplace_back(bits, word);
    }
  }
  return values;
}

/// The bits of every element of a constant; nothing where its file cannot be read.
std::optional<SmallVector<APInt>> getBits(Attribute value, RankedTensorType type, Operation *op) {
  Type element = type.getElementType();
  if (auto reference = dyn_cast<mlir::onnx::WeightRefAttr>(value)) {
    mlir::onnx::WeightFiles files(op->getParentOfType<ModuleOp>());
    auto bytes = files.getBytes(reference);
    if (!bytes) {
      op->emitError(llvm::toString(bytes.takeError()));
      return std::nullopt;
    }
    return unpack(*bytes, element, type.getNumElements());
  }
  auto elements = dyn_cast<DenseElementsAttr>(value);
  if (!elements) {
    return std::nullopt;
  }
  if (isa<FloatType>(element)) {
    SmallVector<APInt> bits;
    for (const APFloat &number : elements.getValues<APFloat>()) {
      bits.push_back(number.bitcastToAPInt());
    }
    return bits;
  }
  return llvm::to_vector(elements.getValues<APInt>());
}

int64_t toInt(const APInt &bits, Type element) {
  bool isUnsigned = element.isUnsignedInteger() || element.isInteger(1);
  return isUnsigned ? int64_t(bits.getZExtValue()) : bits.getSExtValue();
}

/// As f32 and back is exact for every float but f64.
double toDouble(const APInt &bits, Type element) {
  if (auto type = dyn_cast<FloatType>(element)) {
    APFloat number(type.getFloatSemantics(), bits);
    bool loses = false;
    number.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &loses);
    return number.convertToDouble();
  }
  return double(toInt(bits, element));
}

template <typename T, typename Convert>
std::optional<SmallVector<T>> getConstant(Value value, Convert convert) {
  auto [attribute, type] = findConstant(value);
  std::optional<SmallVector<APInt>> bits =
      attribute && type ? getBits(attribute, type, value.getDefiningOp()) : std::nullopt;
  if (!bits) {
    return std::nullopt;
  }
  SmallVector<T> values;
  for (const APInt &each : *bits) {
    values.push_back(convert(each, type.getElementType()));
  }
  return values;
}

} // namespace

Type getCarried(Type element) {
  MLIRContext *context = element.getContext();
  return isa<FloatType>(element) ? Type(Float32Type::get(context))
         : element.isInteger(1)  ? element
         : isa<IntegerType>(element) && element.getIntOrFloatBitWidth() <= 64
             ? Type(IntegerType::get(context, 32))
             : Type();
}

RankedTensorType getCarriedTensor(Type tensor) {
  auto type = dyn_cast<RankedTensorType>(tensor);
  Type carried = type ? getCarried(type.getElementType()) : Type();
  return carried ? RankedTensorType::get(type.getShape(), carried) : RankedTensorType();
}

std::optional<SmallVector<int64_t>> getConstantInts(Value value) {
  return getConstant<int64_t>(value, toInt);
}

std::optional<SmallVector<double>> getConstantFloats(Value value) {
  return getConstant<double>(value, toDouble);
}

std::optional<SmallVector<int64_t>> getConstantInts(mlir::onnx::NodeOp op, unsigned index) {
  return op.hasInput(index) ? getConstantInts(op.getInputs()[index]) : std::nullopt;
}

FailureOr<Value> carryConstant(ImplicitLocOpBuilder &b, Value value, bool saturates) {
  auto [attribute, type] = findConstant(value);
  if (!attribute || isa<DenseResourceElementsAttr>(attribute)) {
    return Value();
  }
  std::optional<SmallVector<APInt>> bits = getBits(attribute, type, value.getDefiningOp());
  if (!bits) {
    return failure();
  }
  Type element = type.getElementType(), carried = getCarried(element);
  SmallVector<Attribute> elements;
  for (const APInt &each : *bits) {
    if (carried.isF32()) {
      elements.push_back(b.getFloatAttr(carried, toDouble(each, element)));
      continue;
    }
    int64_t number = toInt(each, element);
    // uint32 and uint64 are carried by their low bits.
    int64_t most = element.isUnsignedInteger() ? UINT32_MAX : INT32_MAX;
    bool fits = number >= (element.isUnsignedInteger() ? 0 : INT32_MIN) && number <= most;
    if (!fits && !saturates) {
      return emitError(value.getLoc())
             << "constant " << number << " does not fit the 32 bits that integers are carried in";
    }
    number = fits ? number : number < 0 && !element.isUnsignedInteger() ? INT32_MIN : INT32_MAX;
    elements.push_back(carried.isInteger(1) ? Attribute(b.getBoolAttr(number != 0))
                                            : b.getI32IntegerAttr(int32_t(number)));
  }
  auto result = RankedTensorType::get(type.getShape(), carried);
  return Value(arith::ConstantOp::create(b, DenseElementsAttr::get(result, elements)));
}

std::string describeShape(RankedTensorType type) {
  auto print = [](int64_t dim) {
    return ShapedType::isDynamic(dim) ? std::string("?") : std::to_string(dim);
  };
  return "[" + llvm::join(llvm::map_range(type.getShape(), print), ",") + "]";
}

Value roundElements(ImplicitLocOpBuilder &b, Value value, Type element) {
  unsigned bits = element.getIntOrFloatBitWidth();
  if (bits == 1 || bits >= 32) {
    return value;
  }
  auto type = cast<RankedTensorType>(value.getType());
  auto identity = b.getMultiDimIdentityMap(unsigned(type.getRank()));
  SmallVector<utils::IteratorType> loops(size_t(type.getRank()), utils::IteratorType::parallel);
  Value init = tensor::EmptyOp::create(b, type.getShape(), type.getElementType());
  auto body = [&](OpBuilder &inner, Location location, ValueRange arguments) {
    ImplicitLocOpBuilder at(location, inner);
    Type from = type.getElementType();
    Value rounded;
    if (isa<FloatType>(element)) {
      Value narrow = arith::TruncFOp::create(at, element, arguments[0]);
      rounded = arith::ExtFOp::create(at, from, narrow);
    } else {
      Value low = arith::TruncIOp::create(at, at.getIntegerType(bits), arguments[0]);
      rounded = element.isUnsignedInteger() ? Value(arith::ExtUIOp::create(at, from, low))
                                            : Value(arith::ExtSIOp::create(at, from, low));
    }
    linalg::YieldOp::create(at, rounded);
  };
  return linalg::GenericOp::create(b, TypeRange(type), value, init,
                                   ArrayRef<AffineMap>{identity, identity}, loops, body)
      .getResult(0);
}

} // namespace lpu::onnx_lowering
