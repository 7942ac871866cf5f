//===- Fold.h - What is known when a model is imported ----------*- C++ -*-===//
#ifndef LPU_LIB_IMPORT_ONNX_FOLD_H
#define LPU_LIB_IMPORT_ONNX_FOLD_H

#include "Library.h"
#include "ONNX/IR/WeightFiles.h"
#include "lpu/Import/ONNX.h"

namespace lpu::import {

/// Rewrites the main graph, whose dimensions are bound: types from ONNX's inference, shape
/// arithmetic on constants evaluated, control flow whose extent is known and sequences resolved,
/// nodes that nothing converts replaced by the bodies of ONNX's functions, nodes that no output needs
/// dropped. docs/Importer.md says what stays. Weights are not copied. Errors name the node.
///
/// Returns the names of the graph's outputs: the tensors may have others then.
llvm::Expected<std::vector<std::string>> fold(::onnx::ModelProto &model,
                                              const ImportOptions &options,
                                              mlir::onnx::WeightFiles &files,
                                              mlir::MLIRContext &context);

} // namespace lpu::import

#endif // LPU_LIB_IMPORT_ONNX_FOLD_H
