//===- InputValues.h - What users say of inputs ----------------*- C++ -*-===//
#ifndef LPU_LIB_IMPORT_ONNX_INPUTVALUES_H
#define LPU_LIB_IMPORT_ONNX_INPUTVALUES_H

#include "lpu/Import/ONNX.h"
#include "onnx/onnx_pb.h"

#include "llvm/ADT/StringMap.h"

namespace lpu::import {

using BoundDims = llvm::StringMap<int64_t>;

/// Makes inputs initializers of these values. Named dimensions of them that `dims` does not
/// bind are bound by the values' shapes. Error: an unknown input, or another type or shape.
llvm::Error setInputValues(::onnx::GraphProto &graph, const InputValues &values, BoundDims &dims);

/// What an input that is no tensor became: inputs that are tensors.
struct ElementNames {
  bool isSequence = false;
  std::vector<std::string> names;
};
using InputElements = llvm::StringMap<ElementNames>;

/// Gives inputs these shapes. A sequence becomes one input for each shape, NAME[0] and so on; an
/// optional of a tensor is a tensor where there is a shape, and absent where there is none.
llvm::Error setInputShapes(::onnx::GraphProto &graph, const InputShapes &shapes,
                           InputElements &elements);

} // namespace lpu::import

#endif // LPU_LIB_IMPORT_ONNX_INPUTVALUES_H
