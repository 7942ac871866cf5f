//===- Weights.h - Where the bytes of weights lie ---------------*- C++ -*-===//
#ifndef LPU_LIB_IMPORT_ONNX_WEIGHTS_H
#define LPU_LIB_IMPORT_ONNX_WEIGHTS_H

#include "onnx/onnx_pb.h"

#include "llvm/Support/Error.h"

#include <string>

namespace lpu::import {

/// A weight of at most this many bytes becomes a constant in the module.
inline constexpr int64_t kInPlaceBytes = 64;

/// Bytes of a tensor with external data; length 0 when the model does not say.
struct ExternalData {
  std::string file;
  int64_t offset = 0;
  int64_t length = 0;
};

llvm::Expected<ExternalData> getExternalData(const ::onnx::TensorProto &tensor);

/// Checks, for every initializer with external data, that its file lies inside
/// `folder`, exists and is long enough, and writes the length where it is
/// missing.
llvm::Error checkExternalData(::onnx::ModelProto &model,
                              llvm::StringRef folder);

/// Turns raw data of more than kInPlaceBytes of the main graph's initializers
/// into references to `file`, whose content `bytes` the model was parsed from.
void referToModelFile(::onnx::ModelProto &model, llvm::StringRef bytes,
                      llvm::StringRef file);

} // namespace lpu::import

#endif // LPU_LIB_IMPORT_ONNX_WEIGHTS_H
