//===- HostTensor.cpp - Tensors of the host and their types ---------------===//
#include "lpu/Executor/Executor.h"

using namespace lpu;

int64_t HostTensor::numElements() const {
  int64_t count = 1;
  for (int64_t extent : shape) {
    count *= extent;
  }
  return count;
}

unsigned lpu::elementBytes(ElementType type) {
  switch (type) {
  case F32:
  case I32:
    return 4;
  case F16:
  case BF16:
  case I16:
    return 2;
  case I64:
    return 8;
  default:
    return 1;
  }
}

std::string_view lpu::elementTypeName(ElementType type) {
  constexpr std::string_view kNames[] = {"f32", "f16", "bf16", "i8",  "u8",
                                         "i16", "i32", "i64",  "bool"};
  return unsigned(type) < std::size(kNames) ? kNames[type] : "?";
}

std::string_view lpu::numpyTypeString(ElementType type) {
  switch (type) {
  case F32:
    return "<f4";
  case F16:
    return "<f2";
  case I8:
    return "|i1";
  case U8:
    return "|u1";
  case I16:
    return "<i2";
  case I32:
    return "<i4";
  case I64:
    return "<i8";
  case BOOL:
    return "|b1";
  default:
    return "";
  }
}

std::optional<ElementType> lpu::parseNumpyType(std::string_view text) {
  for (ElementType type : {F32, F16, I8, U8, I16, I32, I64, BOOL}) {
    if (numpyTypeString(type) == text) {
      return type;
    }
  }
  return std::nullopt;
}
