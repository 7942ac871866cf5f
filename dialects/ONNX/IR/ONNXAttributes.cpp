#include "ONNX/IR/ONNXDialect.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/Path.h"

using namespace mlir;
using namespace mlir::onnx;

unsigned mlir::onnx::getRawElementBits(Type elementType) {
  if (elementType.isInteger(1)) {
    return 8;
  }
  if (auto complex = dyn_cast<ComplexType>(elementType)) {
    return 2 * getRawElementBits(complex.getElementType());
  }
  return elementType.isIntOrFloat() ? elementType.getIntOrFloatBitWidth() : 0;
}

std::optional<int64_t> mlir::onnx::getRawBytes(ShapedType type) {
  int64_t bits = getRawElementBits(type.getElementType());
  if (!type.hasStaticShape() || bits == 0) {
    return std::nullopt;
  }
  for (int64_t dim : type.getShape()) {
    if (llvm::MulOverflow(bits, dim, bits)) {
      return std::nullopt;
    }
  }
  return bits / 8 + (bits % 8 != 0);
}

LogicalResult
DimsAttr::verifyEncoding(ArrayRef<int64_t> shape, Type elementType,
                         function_ref<InFlightDiagnostic()> emitError) const {
  if (getNames().size() != shape.size()) {
    return emitError() << "expected a name for each of " << shape.size()
                       << " dimensions, got " << getNames().size();
  }
  for (auto [index, name] : llvm::enumerate(getNames())) {
    if (!name.getValue().empty() && !ShapedType::isDynamic(shape[index])) {
      return emitError() << "expected dimension " << index << ", named " << name
                         << ", to be dynamic, got " << shape[index];
    }
  }
  return success();
}

LogicalResult
WeightRefAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                      StringAttr file, int64_t offset, int64_t length,
                      StringAttr hash, Type type) {
  StringRef path = file.getValue();
  if (path.empty() || llvm::sys::path::is_absolute(path) ||
      llvm::is_contained(llvm::make_range(llvm::sys::path::begin(path),
                                          llvm::sys::path::end(path)),
                         "..")) {
    return emitError() << "expected a path inside the model's folder, got "
                       << file;
  }
  if (offset < 0) {
    return emitError() << "expected an offset of at least 0, got " << offset;
  }
  auto tensor = dyn_cast<RankedTensorType>(type);
  std::optional<int64_t> bytes = tensor ? getRawBytes(tensor) : std::nullopt;
  if (!bytes) {
    return emitError()
           << "expected a tensor of numbers with a static shape, got " << type;
  }
  if (length != *bytes) {
    return emitError() << "expected " << *bytes << " bytes for " << type
                       << ", got " << length;
  }
  if (!hash.empty() &&
      (hash.size() != 32 || !llvm::all_of(hash.getValue(), llvm::isHexDigit))) {
    return emitError() << "expected a hash of 32 hexadecimal digits, got "
                       << hash;
  }
  return success();
}
