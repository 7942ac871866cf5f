//===- QuantizedONNX.h - The model with the compiler's weights --*- C++ -*-===//
#ifndef LPU_IMPORT_QUANTIZEDONNX_H
#define LPU_IMPORT_QUANTIZEDONNX_H

#include "mlir/IR/BuiltinOps.h"
#include "llvm/Support/Error.h"
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace lpu {

/// What of a model is kept in int8.
struct Int8Tensors {
  /// Float initializers, by name, with the axis of their scales.
  std::map<std::string, int64_t> weights;
  /// Caches that are float inputs, by name, with the scales of their columns.
  std::map<std::string, std::vector<float>> caches;
};

/// That of a module at the tensor level whose weights and caches are quantised. Error: a
/// weight that is quantised along two axes, which one tensor of a model cannot say.
llvm::Expected<Int8Tensors> findInt8Tensors(mlir::ModuleOp module);

/// Writes the model in the file `model` to the file `path`, with weights as int8
/// initializers behind DequantizeLinear, and int8 caches between QuantizeLinear and
/// DequantizeLinear: the integers and scales that the compiler uses. All else is as in
/// the model, the names of inputs, outputs and inner tensors too. What is larger than a
/// KiB lies in `path`.data. Both files appear when both are whole. Errors name the file.
llvm::Error writeQuantizedONNX(llvm::StringRef model, const Int8Tensors &tensors,
                               const std::string &path);

} // namespace lpu

#endif // LPU_IMPORT_QUANTIZEDONNX_H
