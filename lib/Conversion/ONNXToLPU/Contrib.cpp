//===- Contrib.cpp - onnxruntime's own attention, products, embeddings ----===//

#include "Attention.h"
#include "LPU/IR/LPUTensorOps.h"
#include "Terms.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include <cmath>

using namespace mlir;
using mlir::onnx::NodeOp;
using namespace ::lpu::onnx_lowering;

namespace {

Value getOptional(NodeOp op, ValueRange inputs, unsigned index) {
  return op.hasInput(index) ? inputs[index] : Value();
}

int64_t getRank(NodeOp op, unsigned input) { return typeOf(op.getInputs()[input]).getRank(); }

//===----------------------------------------------------------------------===//
// Masks
//===----------------------------------------------------------------------===//

/// `hidden` where a mask of 0 and 1 is 0, else 0.
Value toPenalty(ImplicitLocOpBuilder &b, Value mask, float hidden) {
  return each(
      b, mask,
      [&](ImplicitLocOpBuilder &in, ValueRange x) {
        return select(in, isEqual(in, x[0], scalarInt(in, 0)), scalarFloat(in, hidden),
                      scalarFloat(in, 0));
      },
      b.getF32Type());
}

/// `hidden` for each of `keys` keys from a sequence's length on, else 0: B x 1 x 1 x keys.
Value penalizePadding(ImplicitLocOpBuilder &b, Value lengths, int64_t keys, float hidden) {
  int64_t batch = shapeOf(lengths)[0];
  return mapElements(b, {batch, 1, 1, keys}, b.getF32Type(),
                     reshapeTo(b, lengths, {batch, 1, 1, 1}),
                     [&](ImplicitLocOpBuilder &in, ValueRange x) {
                       return select(in, isLess(in, loopIndex(in, 3), x[0]), scalarFloat(in, 0),
                                     scalarFloat(in, hidden));
                     });
}

std::string whyNotPaddingMask(NodeOp op, unsigned input, unsigned batchInput) {
  if (!op.hasInput(input)) {
    return "";
  }
  RankedTensorType mask = typeOf(op.getInputs()[input]);
  int64_t batch = typeOf(op.getInputs()[batchInput]).getDimSize(0);
  bool fits = (mask.getRank() == 1 && mask.getDimSize(0) == batch) || mask.getRank() == 2 ||
              mask.getRank() == 3;
  return fits ? "" : ("input " + Twine(input) + " is a mask of a form that is not supported").str();
}

/// Lengths (B), a mask of keys (B x T) or of queries and keys (B x S x T), to add to scores.
Value getPadding(NodeOp op, ImplicitLocOpBuilder &b, Value mask, int64_t keys) {
  float hidden = getFloat(op, "mask_filter_value", -10000);
  ArrayRef<int64_t> shape = shapeOf(mask);
  if (shape.size() == 1) {
    return penalizePadding(b, mask, keys, hidden);
  }
  SmallVector<int64_t> wide{shape[0], 1, shape.size() == 3 ? shape[1] : 1, shape.back()};
  return toPenalty(b, reshapeTo(b, mask, wide), hidden);
}

//===----------------------------------------------------------------------===//
// MultiHeadAttention and Attention
//===----------------------------------------------------------------------===//

enum MultiHeadInput { kQuery, kKey, kValue, kBias, kPadding, kScoreBias, kPastKey, kPastValue };

std::string whyNotMultiHead(NodeOp op) {
  std::string reason = whyNotRanked(op);
  if (!reason.empty()) {
    return reason;
  }
  if (!op.hasInput(kKey) && getRank(op, kQuery) != 5) {
    return "input 1 is absent and input 0 does not have queries, keys and values";
  }
  if (op.hasInput(kKey) && getRank(op, kQuery) != 3) {
    return "input 0 has not rank 3";
  }
  if (op.hasInput(kKey) && !op.hasInput(kValue) && getRank(op, kKey) != 5) {
    return "input 2 is absent and input 1 does not have keys and values";
  }
  if (op.hasInput(kPastKey) != op.hasInput(kPastValue)) {
    return "only one of past_key and past_value is given";
  }
  if (op.getInputs().size() > 8 && (op.hasInput(8) || op.hasInput(9))) {
    return "past_sequence_length and cache_indirection are not supported";
  }
  return whyNotPaddingMask(op, kPadding, kQuery);
}

/// Part `index` of B x tokens x heads x parts x size.
Heads getPart(ImplicitLocOpBuilder &b, Value packed, int64_t index) {
  ArrayRef<int64_t> shape = shapeOf(packed);
  return {reshapeTo(b, sliceAxis(b, packed, 3, index, 1), {shape[0], shape[1], shape[2], shape[4]}),
          true};
}

SmallVector<Value> convertMultiHead(NodeOp op, ValueRange inputs, ImplicitLocOpBuilder &b) {
  int64_t count = getInt(op, "num_heads", 1);
  Heads query, key, value;
  if (!op.hasInput(kKey)) {
    query = getPart(b, inputs[kQuery], 0);
    key = getPart(b, inputs[kQuery], 1);
    value = getPart(b, inputs[kQuery], 2);
  } else {
    query = getHeadsOf(b, inputs[kQuery], count);
    bool isPacked = !op.hasInput(kValue);
    key = isPacked ? getPart(b, inputs[kKey], 0) : getHeadsOf(b, inputs[kKey], count);
    value = isPacked ? getPart(b, inputs[kKey], 1) : getHeadsOf(b, inputs[kValue], count);
  }
  if (Value bias = getOptional(op, inputs, kBias)) {
    int64_t first = 0;
    for (Heads *of : {&query, &key, &value}) {
      // Keys and values with heads first come from another node and have theirs already.
      int64_t size = count * of->size();
      if (of->tokensFirst) {
        Value part = reshapeTo(b, sliceAxis(b, bias, 0, first, size), {count, of->size()});
        of->tensor = each(b, {of->tensor, part}, binary<add>);
      }
      first += size;
    }
  }
  Scoring scoring;
  if (Value past = getOptional(op, inputs, kPastKey)) {
    scoring.past = shapeOf(past)[2];
    key = append(b, past, key);
    value = append(b, inputs[kPastValue], value);
  }
  float scale = getFloat(op, "scale", 0);
  scoring.scale = scale != 0 ? scale : float(1 / std::sqrt(double(query.size())));
  scoring.isCausal = getInt(op, "unidirectional", 0) != 0;
  scoring.bias = getOptional(op, inputs, kScoreBias);
  if (Value padding = getOptional(op, inputs, kPadding)) {
    scoring.mask = getPadding(op, b, padding, key.tokens());
  }
  Attended attended = attend(b, query, key, value, scoring);
  SmallVector<Value> results(op.getNumResults());
  results[0] = reshapeTo(b, attended.getResult(b, true), shapeOf(op.getResult(0)));
  if (op.hasOutput(1)) {
    results[1] = toHeadsFirst(b, key);
  }
  if (op.hasOutput(2)) {
    results[2] = toHeadsFirst(b, value);
  }
  if (op.hasOutput(3)) {
    results[3] = attended.products;
  }
  return results;
}

enum FusedInput { kTokens, kWeights, kWeightBias, kMaskIndex, kPast, kFusedScoreBias };

std::string whyNotFused(NodeOp op) {
  std::string reason = whyNotRanked(op);
  if (!reason.empty()) {
    return reason;
  }
  if (getInt(op, "do_rotary", 0) != 0) {
    return "do_rotary is not supported";
  }
  if (getInt(op, "past_present_share_buffer", 0) != 0) {
    return "past_present_share_buffer is not supported";
  }
  if (getInt(op, "num_heads", 0) < 1) {
    return "num_heads is not given";
  }
  return whyNotPaddingMask(op, kMaskIndex, kTokens);
}

/// Queries, keys and values by one product with the weights side by side.
SmallVector<Value> convertFused(NodeOp op, ValueRange inputs, ImplicitLocOpBuilder &b) {
  int64_t count = getInt(op, "num_heads", 1);
  Value all = matmul(b, inputs[kTokens], inputs[kWeights]);
  if (Value bias = getOptional(op, inputs, kWeightBias)) {
    all = each(b, {all, bias}, binary<add>);
  }
  int64_t third = shapeOf(all)[2] / 3;
  SmallVector<int64_t> sizes =
      getInts(op, "qkv_hidden_sizes").value_or(SmallVector<int64_t>(3, third));
  Heads parts[3];
  for (int64_t first = 0; auto [part, size] : llvm::zip_equal(parts, sizes)) {
    part = getHeadsOf(b, sliceAxis(b, all, 2, first, size), count);
    first += size;
  }
  Scoring scoring;
  if (Value past = getOptional(op, inputs, kPast)) {
    SmallVector<int64_t> shape(shapeOf(past).drop_front());
    scoring.past = shape[2];
    for (int64_t k = 0; k < 2; ++k) {
      parts[1 + k] = append(b, reshapeTo(b, sliceAxis(b, past, 0, k, 1), shape), parts[1 + k]);
    }
  }
  float scale = getFloat(op, "scale", 0);
  scoring.scale = scale != 0 ? scale : float(1 / std::sqrt(double(parts[0].size())));
  scoring.isCausal = getInt(op, "unidirectional", 0) != 0;
  scoring.bias = getOptional(op, inputs, kFusedScoreBias);
  if (Value mask = getOptional(op, inputs, kMaskIndex)) {
    scoring.mask = getPadding(op, b, mask, parts[1].tokens());
  }
  Attended attended = attend(b, parts[0], parts[1], parts[2], scoring);
  SmallVector<Value> results(op.getNumResults());
  results[0] = reshapeTo(b, attended.getResult(b, true), shapeOf(op.getResult(0)));
  if (op.hasOutput(1)) {
    SmallVector<Value> both;
    for (const Heads &of : {parts[1], parts[2]}) {
      Value tensor = toHeadsFirst(b, of);
      SmallVector<int64_t> shape{1};
      llvm::append_range(shape, shapeOf(tensor));
      both.push_back(reshapeTo(b, tensor, shape));
    }
    results[1] = concatenate(b, both, 0);
  }
  return results;
}

//===----------------------------------------------------------------------===//
// GroupQueryAttention and RotaryEmbedding
//===----------------------------------------------------------------------===//

enum GroupInput {
  kGroupQuery,
  kGroupKey,
  kGroupValue,
  kGroupPastKey,
  kGroupPastValue,
  kLastTokens,
  kTotal,
  kCos,
  kSin,
  kPositions,
  kGroupBias,
};

std::string whyNotGroup(NodeOp op) {
  std::string reason = whyNotRanked(op);
  if (!reason.empty()) {
    return reason;
  }
  int64_t heads = getInt(op, "num_heads", 0), kvHeads = getInt(op, "kv_num_heads", 0);
  if (heads < 1 || kvHeads < 1 || heads % kvHeads != 0) {
    return "num_heads is no multiple of kv_num_heads";
  }
  if (op.hasInput(kGroupPastKey) != op.hasInput(kGroupPastValue)) {
    return "only one of past_key and past_value is given";
  }
  if (getInt(op, "smooth_softmax", 0) > 0) {
    return "smooth_softmax is not supported";
  }
  for (unsigned input = kGroupBias + 1; input < op.getInputs().size(); ++input) {
    if (op.hasInput(input)) {
      return ("input " + Twine(input) + " is not supported").str();
    }
  }
  for (StringRef name : {"k_quant_type", "v_quant_type"}) {
    if (getString(op, name, "NONE") != "NONE") {
      return (name + " is not NONE").str();
    }
  }
  return "";
}

SmallVector<Value> convertGroup(NodeOp op, ValueRange inputs, ImplicitLocOpBuilder &b) {
  int64_t count = getInt(op, "num_heads", 1), kvCount = getInt(op, "kv_num_heads", 1);
  Value packed = inputs[kGroupQuery];
  Heads query, key, value;
  if (op.hasInput(kGroupKey)) {
    query = getHeadsOf(b, packed, count);
    key = getHeadsOf(b, inputs[kGroupKey], kvCount);
    value = getHeadsOf(b, inputs[kGroupValue], kvCount);
  } else {
    int64_t size = shapeOf(packed)[2] / (count + 2 * kvCount);
    query = getHeadsOf(b, sliceAxis(b, packed, 2, 0, count * size), count);
    key = getHeadsOf(b, sliceAxis(b, packed, 2, count * size, kvCount * size), kvCount);
    value = getHeadsOf(b, sliceAxis(b, packed, 2, (count + kvCount) * size, kvCount * size), kvCount);
  }
  int64_t batch = query.batch(), tokens = query.tokens();
  // Where the new tokens go: after those that are there. A first prompt may be shorter than its
  // row of tokens.
  Value first = each(
      b, reshapeTo(b, inputs[kLastTokens], {batch}), [&](ImplicitLocOpBuilder &in, ValueRange x) {
        return larger(in, add(in, x[0], scalarInt(in, 1 - tokens)), scalarInt(in, 0));
      });
  if (getInt(op, "do_rotary", 0) != 0) {
    Value positions = getOptional(op, inputs, kPositions);
    if (!positions) {
      positions = mapElements(
          b, {batch, tokens}, b.getI32Type(), reshapeTo(b, first, {batch, 1}),
          [](ImplicitLocOpBuilder &in, ValueRange x) { return add(in, x[0], loopIndex(in, 1)); });
    }
    Value cos = gatherRows(b, inputs[kCos], positions);
    Value sin = gatherRows(b, inputs[kSin], positions);
    bool isInterleaved = getInt(op, "rotary_interleaved", 0) != 0;
    query = rotate(b, query, cos, sin, isInterleaved);
    key = rotate(b, key, cos, sin, isInterleaved);
  }
  // Caches have room for all keys of the result.
  int64_t keys = op.hasOutput(1)              ? shapeOf(op.getResult(1))[2]
                 : op.hasInput(kGroupPastKey) ? shapeOf(inputs[kGroupPastKey])[2] + tokens
                                              : tokens;
  auto update = [&](Heads &of, unsigned input) {
    Value now = toHeadsFirst(b, of), past = getOptional(op, inputs, input);
    if (!past || shapeOf(past)[2] == 0) {
      of = {padOrCut(b, now, {0, 0, 0, 0}, {0, 0, keys - tokens, 0}, 0), false};
      return;
    }
    Value room = padOrCut(b, past, {0, 0, 0, 0}, {0, 0, keys - shapeOf(past)[2], 0}, 0);
    of = {
        mlir::lpu::CacheUpdateOp::create(b, room.getType(), room, now, first, 2, false).getResult(),
        false};
  };
  update(key, kGroupPastKey);
  update(value, kGroupPastValue);
  Scoring scoring;
  scoring.lengths = each(b, first, [&](ImplicitLocOpBuilder &in, ValueRange x) {
    return add(in, x[0], scalarInt(in, tokens));
  });
  float scale = getFloat(op, "scale", 0);
  scoring.scale = scale != 0 ? scale : float(1 / std::sqrt(double(query.size())));
  scoring.softcap = getFloat(op, "softcap", 0);
  scoring.isCausal = true;
  scoring.window = std::max<int64_t>(getInt(op, "local_window_size", -1), 0);
  scoring.mask = getOptional(op, inputs, kGroupBias);
  Attended attended = attend(b, query, key, value, scoring);
  SmallVector<Value> results(op.getNumResults());
  results[0] = reshapeTo(b, attended.getResult(b, true), shapeOf(op.getResult(0)));
  if (op.hasOutput(1)) {
    results[1] = key.tensor;
  }
  if (op.hasOutput(2)) {
    results[2] = value.tensor;
  }
  return results;
}

std::string whyNotRotary(NodeOp op) {
  std::string reason = whyNotRanked(op);
  if (!reason.empty()) {
    return reason;
  }
  RankedTensorType x = typeOf(op.getInputs()[0]), cos = typeOf(op.getInputs()[2]);
  if (getFloat(op, "scale", 1) != 1 || getInt(op, "is_packed_batching", 0) != 0) {
    return "scale or is_packed_batching is not supported";
  }
  if ((x.getRank() != 3 && x.getRank() != 4) || cos.getRank() != 2) {
    return "input 0 has not rank 3 or 4, or input 2 not rank 2";
  }
  return x.getRank() == 3 && getInt(op, "num_heads", 0) < 1 &&
                 getInt(op, "rotary_embedding_dim", 0) > 0
             ? "num_heads is not given"
             : "";
}

/// x, positions, cos, sin. One position alone is the first token's.
SmallVector<Value> convertRotary(NodeOp op, ValueRange inputs, ImplicitLocOpBuilder &b) {
  ArrayRef<int64_t> shape = shapeOf(inputs[0]);
  int64_t count = getInt(op, "num_heads", 0);
  if (shape.size() == 3 && count < 1) {
    count = shape[2] / (2 * shapeOf(inputs[2])[1]);
  }
  Heads x = getHeadsOf(b, inputs[0], count);
  Value positions = inputs[1];
  if (typeOf(positions).getRank() == 1) {
    positions = mapElements(
        b, {x.batch(), x.tokens()}, b.getI32Type(), reshapeTo(b, positions, {1, 1}),
        [](ImplicitLocOpBuilder &in, ValueRange v) { return add(in, v[0], loopIndex(in, 1)); });
  }
  Heads turned = rotate(b, x, gatherRows(b, inputs[2], positions),
                        gatherRows(b, inputs[3], positions), getInt(op, "interleaved", 0) != 0);
  return {reshapeTo(b, turned.tensor, shape)};
}

//===----------------------------------------------------------------------===//
// EmbedLayerNormalization
//===----------------------------------------------------------------------===//

enum EmbedInput {
  kIds,
  kSegments,
  kWordTable,
  kPositionTable,
  kSegmentTable,
  kGamma,
  kBeta,
  kMask,
  kPositionIds
};

SmallVector<Value> convertEmbed(NodeOp op, ValueRange inputs, ImplicitLocOpBuilder &b) {
  int64_t tokens = shapeOf(inputs[kIds])[1];
  Value positions = getOptional(op, inputs, kPositionIds);
  Value ofPositions = positions ? gatherRows(b, inputs[kPositionTable], positions)
                                : sliceAxis(b, inputs[kPositionTable], 0, 0, tokens);
  Value sum = each(b, {gatherRows(b, inputs[kWordTable], inputs[kIds]), ofPositions}, binary<add>);
  if (op.hasInput(kSegments) && op.hasInput(kSegmentTable)) {
    sum = each(b, {sum, gatherRows(b, inputs[kSegmentTable], inputs[kSegments])}, binary<add>);
  }
  float epsilon = getFloat(op, "epsilon", 1e-12f);
  Value centered = each(b, {sum, meanTo1(b, sum, 2)}, binary<sub>);
  Value squares =
      each(b, centered, [](ImplicitLocOpBuilder &in, ValueRange x) { return mul(in, x[0], x[0]); });
  Value y = each(b, {centered, meanTo1(b, squares, 2), inputs[kGamma], inputs[kBeta]},
                 [&](ImplicitLocOpBuilder &in, ValueRange x) {
                   Value deviation =
                       math::SqrtOp::create(in, add(in, x[1], scalarFloat(in, epsilon)));
                   return add(in, mul(in, divide(in, x[0], deviation), x[2]), x[3]);
                 });
  SmallVector<Value> results{y};
  results.resize(op.getNumResults());
  if (op.hasOutput(1)) {
    Value mask = getOptional(op, inputs, kMask);
    results[1] = mask ? reshapeTo(b, reduceTo1(b, mask, 1, Join::Add), {shapeOf(mask)[0]})
                      : fill(b, {shapeOf(inputs[kIds])[0]}, scalarInt(b, 0));
  }
  if (op.hasOutput(2)) {
    results[2] = sum;
  }
  return results;
}

//===----------------------------------------------------------------------===//
// MatMulNBits
//===----------------------------------------------------------------------===//

enum BitsInput { kA, kB, kScales, kZeros, kGroups, kBitsBias };

struct Blocks {
  int64_t rows, columns, bits, size, count;
  explicit Blocks(NodeOp op)
      : rows(getInt(op, "K", 1)), columns(getInt(op, "N", 1)), bits(getInt(op, "bits", 4)),
        size(getInt(op, "block_size", 32)), count((rows + size - 1) / size) {}
};

std::string whyNotBits(NodeOp op) {
  std::string reason = whyNotRanked(op);
  if (!reason.empty()) {
    return reason;
  }
  int64_t bits = getInt(op, "bits", 4), size = getInt(op, "block_size", 0);
  if (bits != 2 && bits != 4 && bits != 8) {
    return "bits is " + std::to_string(bits);
  }
  if (size < 8 || getInt(op, "K", 0) < 1 || getInt(op, "N", 0) < 1) {
    return "K, N or block_size is not given";
  }
  for (unsigned input : {unsigned(kB), unsigned(kScales), unsigned(kZeros), unsigned(kGroups)}) {
    if (op.hasInput(input) && !isa_and_nonnull<mlir::onnx::ConstantOp, mlir::onnx::WeightOp>(
                                  op.getInputs()[input].getDefiningOp())) {
      return ("input " + Twine(input) + " is no constant").str();
    }
  }
  return "";
}

/// The weights as what their bits stand for, K x N.
Value unpackWeights(NodeOp op, ImplicitLocOpBuilder &b) {
  Blocks blocks(op);
  SmallVector<int64_t> bytes = *getConstantInts(op.getInputs()[kB]);
  SmallVector<double> scales = *getConstantFloats(op.getInputs()[kScales]);
  bool packsZeros = op.hasInput(kZeros) && isa<IntegerType>(elementOf(op.getInputs()[kZeros]));
  SmallVector<double> zeros;
  if (op.hasInput(kZeros)) {
    zeros = *getConstantFloats(op.getInputs()[kZeros]);
  }
  SmallVector<int64_t> groups;
  if (op.hasInput(kGroups)) {
    groups = *getConstantInts(op.getInputs()[kGroups]);
  }
  int64_t perByte = 8 / blocks.bits, mask = (1 << blocks.bits) - 1;
  int64_t blockBytes = blocks.size / perByte;
  int64_t zeroBytes = (blocks.count + perByte - 1) / perByte;
  auto part = [&](int64_t byte, int64_t index) {
    return byte >> (index % perByte * blocks.bits) & mask;
  };
  std::vector<float> weights(size_t(blocks.rows * blocks.columns));
  for (int64_t n = 0; n < blocks.columns; ++n) {
    for (int64_t k = 0; k < blocks.rows; ++k) {
      int64_t block = k / blocks.size, inside = k % blocks.size;
      int64_t byte = bytes[size_t((n * blocks.count + block) * blockBytes + inside / perByte)];
      int64_t group = groups.empty() ? block : groups[size_t(k)];
      double zero = double(1 << (blocks.bits - 1));
      if (packsZeros) {
        zero = double(part(int64_t(zeros[size_t(n * zeroBytes + group / perByte)]), group));
      } else if (!zeros.empty()) {
        zero = zeros[size_t(n * blocks.count + group)];
      }
      double scale = scales[size_t(n * blocks.count + group)];
      weights[size_t(k * blocks.columns + n)] = float((double(part(byte, inside)) - zero) * scale);
    }
  }
  auto type = RankedTensorType::get({blocks.rows, blocks.columns}, b.getF32Type());
  return mlir::lpu::WeightOp::create(b, type, b.getStringAttr(op.getNodeName() + ".weight"),
                                     DenseElementsAttr::get(type, ArrayRef<float>(weights)),
                                     IntegerAttr());
}

/// The form of a product with a constant matrix.
SmallVector<Value> convertBits(NodeOp op, ValueRange inputs, ImplicitLocOpBuilder &b) {
  Blocks blocks(op);
  int64_t rows = typeOf(inputs[kA]).getNumElements() / blocks.rows;
  Value x = reshapeTo(b, inputs[kA], {rows, blocks.rows});
  Value init = fill(b, {rows, blocks.columns}, scalarFloat(b, 0));
  Value product = linalg::MatmulOp::create(b, TypeRange(init.getType()),
                                           ValueRange{x, unpackWeights(op, b)}, ValueRange(init))
                      .getResult(0);
  if (Value bias = getOptional(op, inputs, kBitsBias)) {
    product = each(b, {product, bias}, binary<add>);
  }
  return {reshapeTo(b, product, shapeOf(op.getResult(0)))};
}

//===----------------------------------------------------------------------===//
// Quantised operators: real numbers between two quantisations
//===----------------------------------------------------------------------===//

/// (value - zero) * scale; a zero point may be absent.
Value dequantize(NodeOp op, ValueRange inputs, ImplicitLocOpBuilder &b, unsigned first) {
  Value zero = getOptional(op, inputs, first + 2);
  SmallVector<Value> of{inputs[first], reshapeTo(b, inputs[first + 1], {})};
  if (zero) {
    of.push_back(reshapeTo(b, zero, {}));
  }
  return each(
      b, of,
      [&](ImplicitLocOpBuilder &in, ValueRange x) {
        return mul(in, toFloat(in, zero ? sub(in, x[0], x[2]) : x[0]), x[1]);
      },
      b.getF32Type());
}

/// Scale and zero point of the result are inputs `first` and the one after it.
SmallVector<Value> requantize(NodeOp op, ValueRange inputs, ImplicitLocOpBuilder &b, Value real,
                              unsigned first) {
  Value scaled = each(b, {real, reshapeTo(b, inputs[first], {})}, binary<divide>);
  Value zero = getOptional(op, inputs, first + 1);
  return {
      quantizeTo(b, scaled, zero ? reshapeTo(b, zero, {}) : Value(), elementOf(op.getResult(0)))};
}

std::string whyNotScalars(NodeOp op) {
  std::string reason = whyNotRanked(op);
  if (!reason.empty()) {
    return reason;
  }
  for (auto [index, input] : llvm::enumerate(op.getInputs())) {
    // Scales are the floats.
    auto type = dyn_cast<RankedTensorType>(input.getType());
    if (type && isa<FloatType>(type.getElementType()) && type.hasStaticShape() &&
        type.getNumElements() != 1) {
      return ("input " + Twine(index) + " is a scale for each channel").str();
    }
  }
  return "";
}

template <Value (*function)(ImplicitLocOpBuilder &, Value, Value)>
SmallVector<Value> convertQuantizedBinary(NodeOp op, ValueRange inputs, ImplicitLocOpBuilder &b) {
  Value real =
      each(b, {dequantize(op, inputs, b, 0), dequantize(op, inputs, b, 3)}, binary<function>);
  return requantize(op, inputs, b, real, 6);
}

SmallVector<Value> convertQuantizedSigmoid(NodeOp op, ValueRange inputs, ImplicitLocOpBuilder &b) {
  Value real = each(b, dequantize(op, inputs, b, 0),
                    [](ImplicitLocOpBuilder &in, ValueRange x) { return sigmoidOf(in, x[0]); });
  return requantize(op, inputs, b, real, 3);
}

SmallVector<Value> convertQuantizedLeaky(NodeOp op, ValueRange inputs, ImplicitLocOpBuilder &b) {
  float alpha = getFloat(op, "alpha", 0.01f);
  Value real = each(b, dequantize(op, inputs, b, 0), [&](ImplicitLocOpBuilder &in, ValueRange x) {
    Value below = mul(in, x[0], scalarFloat(in, alpha));
    return select(in, isLess(in, x[0], scalarFloat(in, 0)), below, x[0]);
  });
  return requantize(op, inputs, b, real, 3);
}

SmallVector<Value> convertQuantizedAverage(NodeOp op, ValueRange inputs, ImplicitLocOpBuilder &b) {
  int64_t rank = typeOf(inputs[0]).getRank();
  bool isLast = getInt(op, "channels_last", 0) != 0;
  auto axes = llvm::to_vector(llvm::seq<int64_t>(isLast ? 1 : 2, isLast ? rank - 1 : rank));
  return requantize(op, inputs, b, meanTo1(b, dequantize(op, inputs, b, 0), axes), 3);
}

/// Scale and zero point of the result, then each input with its own.
SmallVector<Value> convertQuantizedConcat(NodeOp op, ValueRange inputs, ImplicitLocOpBuilder &b) {
  SmallVector<Value> parts;
  for (unsigned first = 2; first < inputs.size(); first += 3) {
    parts.push_back(dequantize(op, inputs, b, first));
  }
  int64_t rank = typeOf(parts[0]).getRank();
  return requantize(op, inputs, b, concatenate(b, parts, toAxis(getInt(op, "axis", 0), rank)), 0);
}

} // namespace

namespace lpu::onnx_lowering {
ArrayRef<Rule> getContribRules() {
  static constexpr llvm::StringLiteral domain = "com.microsoft";
  static const Rule rules[] = {
      {domain, "MultiHeadAttention", 1, whyNotMultiHead, convertMultiHead},
      {domain, "Attention", 1, whyNotFused, convertFused},
      {domain, "GroupQueryAttention", 1, whyNotGroup, convertGroup},
      {domain, "RotaryEmbedding", 1, whyNotRotary, convertRotary},
      {domain, "EmbedLayerNormalization", 1, whyNotRanked, convertEmbed},
      {domain, "MatMulNBits", 1, whyNotBits, convertBits},
      {domain, "QLinearAdd", 1, whyNotScalars, convertQuantizedBinary<add>},
      {domain, "QLinearMul", 1, whyNotScalars, convertQuantizedBinary<mul>},
      {domain, "QLinearSigmoid", 1, whyNotScalars, convertQuantizedSigmoid},
      {domain, "QLinearLeakyRelu", 1, whyNotScalars, convertQuantizedLeaky},
      {domain, "QLinearGlobalAveragePool", 1, whyNotScalars, convertQuantizedAverage},
      {domain, "QLinearConcat", 1, whyNotScalars, convertQuantizedConcat},
  };
  return rules;
}
} // namespace lpu::onnx_lowering
