//===- Fold.h - What is known when a model is imported ----------*- C++ -*-===//
#ifndef LPU_LIB_IMPORT_ONNX_FOLD_H
#define LPU_LIB_IMPORT_ONNX_FOLD_H

#include "InputValues.h"
#include "Library.h"
#include "ONNX/IR/WeightFiles.h"
#include "lpu/Import/ONNX.h"

namespace lpu::import {

/// An output of an entry: the name that users know, and the tensor of the folded graph. An output
/// that is a sequence is one output for each element, NAME[0] and so on.
struct Output {
  std::string name;
  std::string tensor;
};

/// Rewrites the main graph, whose dimensions are bound: types from ONNX's inference, shape
/// arithmetic on constants evaluated, control flow whose extent is known and sequences resolved,
/// nodes that nothing converts replaced by the bodies of ONNX's functions, nodes that no output
/// needs dropped. docs/Importer.md says what stays. Weights are not copied. Errors name the node.
llvm::Expected<std::vector<Output>> fold(::onnx::ModelProto &model, const ImportOptions &options,
                                         const InputElements &inputElements,
                                         mlir::onnx::WeightFiles &files,
                                         mlir::MLIRContext &context);

/// Notes in the trace of an import, where one is wanted, that `node` is expanded or folded.
void note(ImportTrace *trace, const ::onnx::NodeProto &node, const Opsets &opsets, bool isExpanded,
          llvm::StringRef how);

/// Writes a folded model as a file for other tools. Data of weights stays where it is.
llvm::Error writeFolded(const ::onnx::ModelProto &model, llvm::ArrayRef<Output> outputs,
                        const std::string &path);

} // namespace lpu::import

#endif // LPU_LIB_IMPORT_ONNX_FOLD_H
