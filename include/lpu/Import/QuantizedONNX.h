//===- QuantizedONNX.h - The model with the compiler's weights --*- C++ -*-===//
#ifndef LPU_IMPORT_QUANTIZEDONNX_H
#define LPU_IMPORT_QUANTIZEDONNX_H

#include "mlir/IR/BuiltinOps.h"
#include "llvm/Support/Error.h"
#include <cstdint>
#include <map>
#include <string>

namespace lpu {

/// Float initializers that are kept in int8, by name, with the axis of their scales.
using Int8Weights = std::map<std::string, int64_t>;

/// Those of a module at the tensor level whose weights are quantised. Error: a weight
/// that is quantised along two axes, which one tensor of a model cannot say.
llvm::Expected<Int8Weights> findInt8Weights(mlir::ModuleOp module);

/// Writes the model in the file `model` to the file `path`, with `weights` as int8
/// initializers behind DequantizeLinear: the integers and scales that the compiler
/// uses. All else is as in the model, the names of inputs, outputs and inner tensors
/// too. What is larger than a KiB lies in `path`.data. Both files appear when both are
/// whole. Errors name the file.
llvm::Error writeQuantizedONNX(llvm::StringRef model, const Int8Weights &weights,
                               const std::string &path);

} // namespace lpu

#endif // LPU_IMPORT_QUANTIZEDONNX_H
