//===- Library.h - ONNX's own library, without exceptions -------*- C++ -*-===//
#ifndef LPU_LIB_IMPORT_ONNX_LIBRARY_H
#define LPU_LIB_IMPORT_ONNX_LIBRARY_H

#include "onnx/onnx_pb.h"

#include "llvm/Support/Error.h"

#include <string>

namespace lpu::import {

/// Domain that stands for the default one during check and inference, for nodes
/// whose operator the standard does not know.
inline constexpr llvm::StringLiteral kNonstandardDomain = "lpu.nonstandard";

/// Moves nodes of the default domain whose operator has no schema to
/// kNonstandardDomain. Exporters write operators of onnxruntime
/// there; they are for the report to name, all at once, not for the checker.
void setNonstandardApart(::onnx::ModelProto &model);

/// ONNX's checker over the whole model; `folder` is that of external data.
llvm::Error check(const ::onnx::ModelProto &model, const std::string &folder);
/// Replaces calls of the model's own functions by their bodies.
llvm::Error inlineFunctions(::onnx::ModelProto &model);
/// Strict shape inference with propagation of shape values.
llvm::Error inferShapes(::onnx::ModelProto &model);
/// Version of the operator set that introduced the definition that version
/// `opset` of `domain` uses; 1 where no schema is known.
int64_t getSinceVersion(const std::string &domain, const std::string &opType,
                        int opset);

} // namespace lpu::import

#endif // LPU_LIB_IMPORT_ONNX_LIBRARY_H
