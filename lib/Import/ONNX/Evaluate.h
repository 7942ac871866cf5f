//===- Evaluate.h - Values of small constant nodes --------------*- C++ -*-===//
#ifndef LPU_LIB_IMPORT_ONNX_EVALUATE_H
#define LPU_LIB_IMPORT_ONNX_EVALUATE_H

#include "onnx/onnx_pb.h"

#include "llvm/ADT/ArrayRef.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace lpu::import {

/// A result of at most this many elements is worth a constant.
inline constexpr int64_t kMaxFoldedElements = 1 << 16;

/// A small tensor of integers, bools or floats. Integers are exact, uint64 as its bits;
/// floats are doubles that are rounded to the element type.
struct Numbers {
  int32_t type = 0; ///< a TensorProto.DataType
  std::vector<int64_t> dims;
  std::vector<int64_t> ints;
  std::vector<double> reals;

  bool isReal() const;
  int64_t size() const;
};

/// None where the type is not one of these, or the content does not lie in the message; then
/// `external` may give it.
std::optional<Numbers> decode(const ::onnx::TensorProto &tensor,
                              std::optional<llvm::ArrayRef<char>> external = std::nullopt);
::onnx::TensorProto encode(const Numbers &numbers, const std::string &name);

using NumbersPtr = std::shared_ptr<const Numbers>;

/// The outputs of a node of the default domain; an absent input is null. `outputTypes` are
/// the element types of the outputs. None where the operator is not one of those that
/// shape arithmetic and the bodies of ONNX's functions use, where a result is too large, or where
/// the inputs make no sense: then the node stays.
std::optional<std::vector<Numbers>> evaluate(const ::onnx::NodeProto &node,
                                             llvm::ArrayRef<NumbersPtr> inputs,
                                             llvm::ArrayRef<int32_t> outputTypes);

} // namespace lpu::import

#endif // LPU_LIB_IMPORT_ONNX_EVALUATE_H
