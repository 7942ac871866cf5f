//===- InputValues.h - Inputs that are fixed at import ----------*- C++ -*-===//
#ifndef LPU_LIB_IMPORT_ONNX_INPUTVALUES_H
#define LPU_LIB_IMPORT_ONNX_INPUTVALUES_H

#include "lpu/Import/ONNX.h"
#include "onnx/onnx_pb.h"

#include "llvm/ADT/StringMap.h"

namespace lpu::import {

using BoundDims = llvm::StringMap<int64_t>;

/// Makes inputs initializers of these values. Named dimensions of them that `dims` does not
/// bind are bound by the values' shapes. Error: an unknown input, or another type or shape.
llvm::Error setInputValues(::onnx::GraphProto &graph, const InputValues &values,
                           BoundDims &dims);

} // namespace lpu::import

#endif // LPU_LIB_IMPORT_ONNX_INPUTVALUES_H
