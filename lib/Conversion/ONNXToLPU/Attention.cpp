//===- Attention.cpp - Rotary embedding and attention ---------------------===//
//
// The tensor level has one layout, B x S x (heads * D): tensors of rank 4,
// B x heads x S x D, are brought into it and back.
//
//===----------------------------------------------------------------------===//

#include "LPU/IR/LPUTensorOps.h"
#include "Rules.h"
#include <cmath>

using namespace mlir;
using ::lpu::onnx_lowering::getInt;
using ::lpu::onnx_lowering::Rule;
using mlir::onnx::NodeOp;

namespace {

RankedTensorType typeOf(Value value) { return cast<RankedTensorType>(value.getType()); }

/// "input 0 has rank 2, not 3 or 4", and what `heads` gets wrong.
std::string whyNotHeads(NodeOp op, unsigned input, StringRef headsName) {
  RankedTensorType type = typeOf(op.getInputs()[input]);
  if (!type.getElementType().isF32()) {
    return ("input " + Twine(input) + " is not float").str();
  }
  if (type.getRank() != 3 && type.getRank() != 4) {
    return ("input " + Twine(input) + " has rank " + Twine(type.getRank()) + ", not 3 or 4").str();
  }
  int64_t heads = getInt(op, headsName, 0);
  if (type.getRank() == 3 &&
      (heads < 1 || (!type.isDynamicDim(2) && type.getDimSize(2) % heads != 0))) {
    return (headsName + " does not divide the last dimension of input " + Twine(input)).str();
  }
  return "";
}

/// Heads of a tensor of rank 3 (by attribute) or 4.
int64_t getHeads(NodeOp op, Value value, StringRef headsName) {
  return typeOf(value).getRank() == 4 ? typeOf(value).getDimSize(1) : getInt(op, headsName, 0);
}

/// B x heads x S x D as B x S x (heads * D).
Value joinHeads(ImplicitLocOpBuilder &b, Value value) {
  RankedTensorType type = typeOf(value);
  if (type.getRank() == 3) {
    return value;
  }
  auto joined = RankedTensorType::get(
      {type.getDimSize(0), type.getDimSize(2), type.getDimSize(1) * type.getDimSize(3)},
      type.getElementType());
  return ::lpu::onnx_lowering::reshape(
      b, ::lpu::onnx_lowering::transpose(b, value, {0, 2, 1, 3}), joined);
}

/// The way back, to `type` of rank 3 or 4.
Value splitHeads(ImplicitLocOpBuilder &b, Value value, RankedTensorType type) {
  if (type.getRank() == 3) {
    return value;
  }
  auto split = RankedTensorType::get({type.getDimSize(0), type.getDimSize(2),
                                      type.getDimSize(1), type.getDimSize(3)},
                                     type.getElementType());
  return ::lpu::onnx_lowering::transpose(
      b, ::lpu::onnx_lowering::reshape(b, value, split), {0, 2, 1, 3});
}

std::string whyNotRotary(NodeOp op) {
  std::string reason = ::lpu::onnx_lowering::whyNotRanked(op);
  reason = reason.empty() ? whyNotHeads(op, 0, "num_heads") : reason;
  if (!reason.empty()) {
    return reason;
  }
  int64_t rank = op.hasInput(3) ? 2 : 3;
  for (unsigned input : {1u, 2u}) {
    RankedTensorType type = typeOf(op.getInputs()[input]);
    if (!type.getElementType().isF32() || type.getRank() != rank) {
      return ("input " + Twine(input) + " is not float of rank " + Twine(rank)).str();
    }
  }
  return "";
}

SmallVector<Value> convertRotary(NodeOp op, ValueRange inputs, ImplicitLocOpBuilder &b) {
  Value tables[] = {inputs[1], inputs[2]};
  if (op.hasInput(3)) {
    // A row of the tables for each token.
    for (Value &table : tables) {
      SmallVector<int64_t> shape(typeOf(inputs[3]).getShape());
      shape.push_back(typeOf(table).getDimSize(1));
      auto type = RankedTensorType::get(shape, typeOf(table).getElementType());
      table = mlir::lpu::GatherOp::create(b, type, table, inputs[3], 0);
    }
  }
  Value x = joinHeads(b, inputs[0]);
  Value result = mlir::lpu::RotaryOp::create(
      b, x.getType(), x, tables[0], tables[1], getHeads(op, inputs[0], "num_heads"),
      getInt(op, "interleaved", 0) != 0);
  return {splitHeads(b, result, typeOf(op.getResult(0)))};
}

enum AttentionInput { kMask = 3, kPastKey = 4, kPastValue = 5, kLength = 6 };

std::string whyNotAttention(NodeOp op) {
  std::string reason = ::lpu::onnx_lowering::whyNotRanked(op);
  for (unsigned input : {0u, 1u, 2u}) {
    reason = reason.empty()
                 ? whyNotHeads(op, input, input == 0 ? "q_num_heads" : "kv_num_heads")
                 : reason;
  }
  if (!reason.empty()) {
    return reason;
  }
  if (op.hasInput(kPastKey) || op.hasInput(kPastValue)) {
    return "a past key and value that grow are not supported yet: use TensorScatter and "
           "nonpad_kv_seqlen";
  }
  for (unsigned output : {1u, 2u, 3u}) {
    if (op.hasOutput(output)) {
      return ("output " + Twine(output) + " is not supported yet").str();
    }
  }
  if (op.hasInput(kMask)) {
    RankedTensorType mask = typeOf(op.getInputs()[kMask]);
    if (!mask.getElementType().isF32() && !mask.getElementType().isSignlessInteger(1)) {
      return "the mask is not float or bool";
    }
    if (mask.getRank() < 1 || mask.getRank() > 4) {
      return "the mask does not have 1 to 4 dimensions";
    }
  }
  // 1 is ONNX's FLOAT: the precision that the tensor level computes in.
  return getInt(op, "softmax_precision", 1) != 1 ? "softmax_precision is not float" : "";
}

SmallVector<Value> convertAttention(NodeOp op, ValueRange inputs, ImplicitLocOpBuilder &b) {
  int64_t queryHeads = getHeads(op, inputs[0], "q_num_heads");
  int64_t kvHeads = getHeads(op, inputs[1], "kv_num_heads");
  Value query = joinHeads(b, inputs[0]), key = joinHeads(b, inputs[1]);
  Value value = joinHeads(b, inputs[2]);
  Value mask = op.hasInput(kMask) ? inputs[kMask] : Value();
  if (mask) {
    SmallVector<int64_t> shape(size_t(4 - typeOf(mask).getRank()), 1);
    llvm::append_range(shape, typeOf(mask).getShape());
    mask = ::lpu::onnx_lowering::reshape(
        b, mask, RankedTensorType::get(shape, typeOf(mask).getElementType()));
  }
  float size = float(typeOf(query).getDimSize(2) / queryHeads);
  float softcap = ::lpu::onnx_lowering::getFloat(op, "softcap", 0);
  auto type = RankedTensorType::get(
      {typeOf(query).getDimSize(0), typeOf(query).getDimSize(1),
       typeOf(value).getDimSize(2) / kvHeads * queryHeads},
      typeOf(query).getElementType());
  Value result = mlir::lpu::AttentionOp::create(
      b, type, query, key, value, mask, op.hasInput(kLength) ? inputs[kLength] : Value(),
      b.getI64IntegerAttr(queryHeads), b.getI64IntegerAttr(kvHeads),
      b.getF32FloatAttr(::lpu::onnx_lowering::getFloat(op, "scale", 1 / std::sqrt(size))),
      softcap == 0 ? FloatAttr() : b.getF32FloatAttr(softcap),
      getInt(op, "is_causal", 0) != 0 ? b.getUnitAttr() : UnitAttr(),
      b.getI64IntegerAttr(0));
  SmallVector<Value> results{splitHeads(b, result, typeOf(op.getResult(0)))};
  results.resize(op.getNumResults());
  return results;
}

} // namespace

namespace lpu::onnx_lowering {
ArrayRef<Rule> getAttentionRules() {
  static const Rule rules[] = {
      {"", "RotaryEmbedding", 23, whyNotRotary, convertRotary, Elements::Native},
      {"", "Attention", 23, whyNotAttention, convertAttention, Elements::Native},
  };
  return rules;
}
} // namespace lpu::onnx_lowering
