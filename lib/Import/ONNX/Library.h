//===- Library.h - ONNX's own library, without exceptions -------*- C++ -*-===//
#ifndef LPU_LIB_IMPORT_ONNX_LIBRARY_H
#define LPU_LIB_IMPORT_ONNX_LIBRARY_H

#include "onnx/onnx_pb.h"

#include "llvm/ADT/StringMap.h"
#include "llvm/Support/Error.h"

#include <memory>
#include <optional>
#include <string>
#include <unordered_map>

namespace lpu::import {

/// Domain that stands for the default one during check and inference, for nodes
/// whose operator the standard does not know.
inline constexpr llvm::StringLiteral kNonstandardDomain = "lpu.nonstandard";

/// Metadata of a node: the version of its domain's operator set where it is not the model's,
/// why it stays although it is for folding to resolve, and what is wrong about it.
inline constexpr llvm::StringLiteral kOpsetKey = "lpu.opset";
inline constexpr llvm::StringLiteral kReasonKey = "lpu.reason";
inline constexpr llvm::StringLiteral kErrorKey = "lpu.error";

/// Moves nodes of the default domain whose operator the model's operator set does not have to
/// kNonstandardDomain. Exporters write operators of onnxruntime
/// there; they are for the report to name, all at once, not for the checker.
void setNonstandardApart(::onnx::ModelProto &model);
/// Which operator sets of the default domain have the operator; empty where none has.
std::string describeVersions(const std::string &opType, int opset);

/// ONNX's checker over the whole model; `folder` is that of external data.
llvm::Error check(const ::onnx::ModelProto &model, const std::string &folder);
/// Replaces calls of the model's own functions by their bodies.
llvm::Error inlineFunctions(::onnx::ModelProto &model);
/// Version of the operator set that introduced the definition that version
/// `opset` of `domain` uses; 1 where no schema is known.
int64_t getSinceVersion(const std::string &domain, const std::string &opType,
                        int opset);

/// Version by domain; the default domain is "".
using Opsets = std::unordered_map<std::string, int>;
/// Those that a model or function imports.
template <typename Imports> Opsets getOpsets(const Imports &imports) {
  Opsets opsets;
  for (const auto &opset : imports) {
    opsets[opset.domain() == "ai.onnx" ? "" : opset.domain()] =
        static_cast<int>(opset.version());
  }
  return opsets;
}

/// Types of values by name, found by ONNX's inference one node at a time, in the
/// order of the graph.
class TypeInference {
public:
  explicit TypeInference(const ::onnx::ModelProto &model);
  ~TypeInference();

  void setType(const std::string &name, ::onnx::TypeProto type);
  /// Null where nothing is known.
  const ::onnx::TypeProto *getType(const std::string &name) const;
  /// `tensor` stays the caller's.
  void setConstant(const std::string &name, const ::onnx::TensorProto *tensor);
  const ::onnx::TensorProto *getConstant(const std::string &name) const;

  /// Sets the types of the node's outputs, merged with those that were set before. Error: what
  /// ONNX finds inconsistent.
  llvm::Error infer(::onnx::NodeProto &node, const Opsets &opsets);
  /// The value of a tensor of shape arithmetic where all its elements are known although
  /// not all that leads to it is; call it for every node that is not a constant.
  std::optional<std::vector<int64_t>> propagate(::onnx::NodeProto &node, const Opsets &opsets);

private:
  struct State;
  std::unique_ptr<State> state;
};

/// The body that ONNX defines for the node, whose inputs have these types; none where it
/// defines none. Attributes of the node are bound in it.
std::optional<::onnx::FunctionProto> getFunctionBody(const ::onnx::NodeProto &node, int opset,
                                                     const TypeInference &types);
/// Whether there is a body that getFunctionBody may give.
bool hasFunctionBody(const ::onnx::NodeProto &node, int opset);
/// Whether evaluating the node twice may give different results.
bool isRandom(const ::onnx::NodeProto &node, int opset);

} // namespace lpu::import

#endif // LPU_LIB_IMPORT_ONNX_LIBRARY_H
