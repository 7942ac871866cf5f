//===- LPUElements.cpp - Element types of MLIR and of the host ------------===//

#include "LPU/IR/LPUElements.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using ::lpu::ElementType;

std::optional<ElementType> mlir::lpu::toElementType(Type type) {
  using Result = std::optional<ElementType>;
  if (auto integer = dyn_cast<IntegerType>(type)) {
    bool isUnsigned = integer.isUnsigned();
    switch (integer.getWidth()) {
    case 1:
      return isUnsigned ? Result() : ::lpu::BOOL;
    case 2:
      return isUnsigned ? ::lpu::U2 : ::lpu::I2;
    case 4:
      return isUnsigned ? ::lpu::U4 : ::lpu::I4;
    case 8:
      return isUnsigned ? ::lpu::U8 : ::lpu::I8;
    case 16:
      return isUnsigned ? ::lpu::U16 : ::lpu::I16;
    case 32:
      return isUnsigned ? ::lpu::U32 : ::lpu::I32;
    case 64:
      return isUnsigned ? ::lpu::U64 : ::lpu::I64;
    default:
      return std::nullopt;
    }
  }
  return llvm::TypeSwitch<Type, Result>(type)
      .Case([](Float64Type) { return ::lpu::F64; })
      .Case([](Float32Type) { return ::lpu::F32; })
      .Case([](Float16Type) { return ::lpu::F16; })
      .Case([](BFloat16Type) { return ::lpu::BF16; })
      .Case([](Float8E4M3FNType) { return ::lpu::F8E4M3FN; })
      .Case([](Float8E4M3FNUZType) { return ::lpu::F8E4M3FNUZ; })
      .Case([](Float8E5M2Type) { return ::lpu::F8E5M2; })
      .Case([](Float8E5M2FNUZType) { return ::lpu::F8E5M2FNUZ; })
      .Case([](Float8E8M0FNUType) { return ::lpu::F8E8M0; })
      .Case([](Float4E2M1FNType) { return ::lpu::F4E2M1; })
      .Default([](Type) { return Result(); });
}

std::optional<ElementType> mlir::lpu::toElementType(Format format) {
  switch (format) {
  case Format::F32:
    return ::lpu::F32;
  case Format::F16:
    return ::lpu::F16;
  case Format::BF16:
    return ::lpu::BF16;
  case Format::I32:
    return ::lpu::I32;
  case Format::I8x1:
    return ::lpu::I8;
  case Format::U8:
    return ::lpu::U8;
  default:
    return std::nullopt;
  }
}
