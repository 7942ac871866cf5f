//===- Attention.cpp - Rotary embedding and attention ---------------------===//
//
// The composites have one layout, B x S x (heads * D): tensors of rank 4,
// B x heads x S x D, are brought into it and back. What they do not cover is
// written out as products, maps and a softmax.
//
//===----------------------------------------------------------------------===//

#include "Attention.h"
#include "LPU/IR/LPUTensorOps.h"
#include "Terms.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include <cmath>

using namespace mlir;
using mlir::onnx::NodeOp;
using namespace ::lpu::onnx_lowering;

namespace {

/// "input 0 has rank 2, not 3 or 4", and heads that an attribute has to give.
std::string whyNotAnyHeads(NodeOp op, unsigned input, StringRef headsName) {
  RankedTensorType type = typeOf(op.getInputs()[input]);
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

/// The same of floats, as composites have them.
std::string whyNotHeads(NodeOp op, unsigned input, StringRef headsName) {
  return typeOf(op.getInputs()[input]).getElementType().isF32()
             ? whyNotAnyHeads(op, input, headsName)
             : ("input " + Twine(input) + " is not float").str();
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
  return ::lpu::onnx_lowering::reshape(b, ::lpu::onnx_lowering::transpose(b, value, {0, 2, 1, 3}),
                                       joined);
}

/// The way back, to `type` of rank 3 or 4.
Value splitHeads(ImplicitLocOpBuilder &b, Value value, RankedTensorType type) {
  if (type.getRank() == 3) {
    return value;
  }
  auto split = RankedTensorType::get(
      {type.getDimSize(0), type.getDimSize(2), type.getDimSize(1), type.getDimSize(3)},
      type.getElementType());
  return ::lpu::onnx_lowering::transpose(b, ::lpu::onnx_lowering::reshape(b, value, split),
                                         {0, 2, 1, 3});
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
  Value result = mlir::lpu::RotaryOp::create(b, x.getType(), x, tables[0], tables[1],
                                             getHeads(op, inputs[0], "num_heads"),
                                             getInt(op, "interleaved", 0) != 0);
  return {splitHeads(b, result, typeOf(op.getResult(0)))};
}

enum AttentionInput { kMask = 3, kPastKey = 4, kPastValue = 5, kLength = 6 };

std::string whyNotAttention(NodeOp op) {
  std::string reason = ::lpu::onnx_lowering::whyNotRanked(op);
  for (unsigned input : {0u, 1u, 2u}) {
    reason = reason.empty() ? whyNotHeads(op, input, input == 0 ? "q_num_heads" : "kv_num_heads")
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
  auto type = RankedTensorType::get({typeOf(query).getDimSize(0), typeOf(query).getDimSize(1),
                                     typeOf(value).getDimSize(2) / kvHeads * queryHeads},
                                    typeOf(query).getElementType());
  Value result = mlir::lpu::AttentionOp::create(
      b, type, query, key, value, mask, op.hasInput(kLength) ? inputs[kLength] : Value(),
      b.getI64IntegerAttr(queryHeads), b.getI64IntegerAttr(kvHeads),
      b.getF32FloatAttr(::lpu::onnx_lowering::getFloat(op, "scale", 1 / std::sqrt(size))),
      softcap == 0 ? FloatAttr() : b.getF32FloatAttr(softcap),
      getInt(op, "is_causal", 0) != 0 ? b.getUnitAttr() : UnitAttr(), b.getI64IntegerAttr(0));
  SmallVector<Value> results{splitHeads(b, result, typeOf(op.getResult(0)))};
  results.resize(op.getNumResults());
  return results;
}

//===----------------------------------------------------------------------===//
// Written out
//===----------------------------------------------------------------------===//

std::string whyNotAnyRotary(NodeOp op) {
  std::string reason = whyNotRanked(op);
  reason = reason.empty() ? whyNotAnyHeads(op, 0, "num_heads") : reason;
  int64_t rank = op.hasInput(3) ? 2 : 3;
  for (unsigned input : {1u, 2u}) {
    if (reason.empty() && typeOf(op.getInputs()[input]).getRank() != rank) {
      return ("input " + Twine(input) + " has not rank " + Twine(rank)).str();
    }
  }
  return reason;
}

/// A rank-3 tensor B x S x (heads * D) or one of rank 4, B x heads x S x D.
SmallVector<Value> convertAnyRotary(NodeOp op, ValueRange inputs, ImplicitLocOpBuilder &b) {
  Value cos = inputs[1], sin = inputs[2];
  if (op.hasInput(3)) {
    cos = gatherRows(b, cos, inputs[3]);
    sin = gatherRows(b, sin, inputs[3]);
  }
  Heads x = getHeadsOf(b, inputs[0], getHeads(op, inputs[0], "num_heads"));
  return {reshapeTo(b, rotate(b, x, cos, sin, getInt(op, "interleaved", 0) != 0).tensor,
                    shapeOf(inputs[0]))};
}

std::string whyNotAnyAttention(NodeOp op) {
  std::string reason = whyNotRanked(op);
  for (unsigned input : {0u, 1u, 2u}) {
    reason = reason.empty() ? whyNotAnyHeads(op, input, input == 0 ? "q_num_heads" : "kv_num_heads")
                            : reason;
  }
  if (!reason.empty()) {
    return reason;
  }
  if (op.hasInput(kPastKey) != op.hasInput(kPastValue)) {
    return "only one of past_key and past_value is given";
  }
  if (op.hasInput(kMask)) {
    int64_t rank = typeOf(op.getInputs()[kMask]).getRank();
    if (rank < 1 || rank > 4) {
      return "the mask does not have 1 to 4 dimensions";
    }
  }
  int64_t mode = getInt(op, "qk_matmul_output_mode", 0);
  return mode < 0 || mode > 3 ? "qk_matmul_output_mode is not 0 to 3" : "";
}

/// The float type of an element type of ONNX's; null for others.
Type getSoftmaxType(Builder &b, int64_t type) {
  return type == 10 ? Type(b.getF16Type()) : type == 16 ? Type(b.getBF16Type()) : Type();
}

SmallVector<Value> convertAnyAttention(NodeOp op, ValueRange inputs, ImplicitLocOpBuilder &b) {
  auto get = [&](unsigned index) { return op.hasInput(index) ? inputs[index] : Value(); };
  Heads query = getHeadsOf(b, inputs[0], getHeads(op, inputs[0], "q_num_heads"));
  Heads key = getHeadsOf(b, inputs[1], getHeads(op, inputs[1], "kv_num_heads"));
  Heads value = getHeadsOf(b, inputs[2], getHeads(op, inputs[2], "kv_num_heads"));
  Scoring scoring;
  if (get(kPastKey)) {
    scoring.past = shapeOf(inputs[kPastKey])[2];
    key = append(b, inputs[kPastKey], key);
    value = append(b, inputs[kPastValue], value);
  }
  scoring.scale = getFloat(op, "scale", float(1 / std::sqrt(double(query.size()))));
  scoring.softcap = getFloat(op, "softcap", 0);
  scoring.isCausal = getInt(op, "is_causal", 0) != 0;
  scoring.mask = get(kMask);
  scoring.lengths = get(kLength);
  scoring.precision = getSoftmaxType(b, getInt(op, "softmax_precision", 1));
  Attended attended = attend(b, query, key, value, scoring);
  SmallVector<Value> results(op.getNumResults());
  bool tokensFirst = typeOf(inputs[0]).getRank() == 3;
  results[0] = reshapeTo(b, attended.getResult(b, tokensFirst), shapeOf(op.getResult(0)));
  if (op.hasOutput(1)) {
    results[1] = toHeadsFirst(b, key);
  }
  if (op.hasOutput(2)) {
    results[2] = toHeadsFirst(b, value);
  }
  if (op.hasOutput(3)) {
    Value stages[] = {attended.products, attended.capped, attended.masked, attended.probabilities};
    results[3] = stages[getInt(op, "qk_matmul_output_mode", 0)];
  }
  return results;
}

//===----------------------------------------------------------------------===//
// Linear attention
//===----------------------------------------------------------------------===//

enum LinearInput { kQuery, kKey, kValue, kState, kDecay, kBeta };

std::string whyNotLinear(NodeOp op) {
  std::string reason = whyNotRanked(op);
  if (!reason.empty()) {
    return reason;
  }
  int64_t queryHeads = getInt(op, "q_num_heads", 0), heads = getInt(op, "kv_num_heads", 0);
  if (queryHeads < 1 || heads < 1 || queryHeads % heads != 0) {
    return "q_num_heads is no multiple of kv_num_heads";
  }
  StringRef rule = getString(op, "update_rule", "gated_delta");
  bool isGated = rule == "gated" || rule == "gated_delta";
  bool isDelta = rule == "delta" || rule == "gated_delta";
  if (!isGated && !isDelta && rule != "linear") {
    return "update_rule is " + rule.str();
  }
  if (isGated != op.hasInput(kDecay) || isDelta != op.hasInput(kBeta)) {
    return "decay and beta do not go with update_rule " + rule.str();
  }
  return "";
}

/// One step a token: the state S (B x heads x keys x values) decays, takes up the outer product
/// of key and value (less, with `beta`, what it has for the key), and answers the query.
SmallVector<Value> convertLinear(NodeOp op, ValueRange inputs, ImplicitLocOpBuilder &b) {
  auto get = [&](unsigned index) { return op.hasInput(index) ? inputs[index] : Value(); };
  int64_t queryHeads = getInt(op, "q_num_heads", 1), heads = getInt(op, "kv_num_heads", 1);
  int64_t group = queryHeads / heads;
  int64_t batch = shapeOf(inputs[kQuery])[0], tokens = shapeOf(inputs[kQuery])[1];
  int64_t keySize = shapeOf(inputs[kQuery])[2] / queryHeads;
  int64_t valueSize = shapeOf(inputs[kValue])[2] / heads;
  float scale = getFloat(op, "scale", 0);
  scale = scale == 0 ? float(1 / std::sqrt(double(keySize))) : scale;
  auto split = [&](Value value, int64_t count) {
    int64_t last = shapeOf(value)[2];
    return reshapeTo(b, value, {batch, tokens, count, last / count});
  };
  Value query = reshapeTo(b, inputs[kQuery], {batch, tokens, heads, group, keySize});
  Value key = split(inputs[kKey], heads), value = split(inputs[kValue], heads);
  Value decay, beta;
  if (get(kDecay)) {
    decay = each(b, split(inputs[kDecay], heads), unary<math::ExpOp>);
  }
  if (get(kBeta)) {
    beta = split(inputs[kBeta], shapeOf(inputs[kBeta])[2]);
  }
  Value state =
      get(kState) ? get(kState) : fill(b, {batch, heads, keySize, valueSize}, scalarFloat(b, 0));
  // Loops: batch, head, then what comes; a dimension of size 1 is read at 0.
  auto readToken = [&](Value of, int64_t token, ArrayRef<unsigned> rest) {
    Read read{of, {loop(b, 0), b.getAffineConstantExpr(token), loop(b, 1)}};
    for (unsigned each : rest) {
      read.at.push_back(loop(b, each));
    }
    for (size_t d = 2; d < read.at.size(); ++d) {
      read.at[d] = shapeOf(of)[d] == 1 ? b.getAffineConstantExpr(0) : read.at[d];
    }
    return read;
  };
  SmallVector<Value> rows;
  for (int64_t token = 0; token < tokens; ++token) {
    if (decay) {
      state =
          overLoops(b, shapeOf(state), {readAt(b, state, {0, 1, 2, 3}), readToken(decay, token, 2)},
                    {0, 1, 2, 3}, Join::Add, b.getF32Type(), binary<mul>);
    }
    Read taken = readToken(value, token, 3);
    if (beta) {
      Value known = contract(b, {batch, heads, valueSize, keySize}, readAt(b, state, {0, 1, 3, 2}),
                             readToken(key, token, 3), {0, 1, 2});
      Value fresh = overLoops(
          b, {batch, heads, valueSize},
          {readToken(value, token, 2), readAt(b, known, {0, 1, 2}), readToken(beta, token, 0)},
          {0, 1, 2}, Join::Add, b.getF32Type(), [](ImplicitLocOpBuilder &in, ValueRange x) {
            return mul(in, x[2], sub(in, x[0], x[1]));
          });
      taken = readAt(b, fresh, {0, 1, 3});
    }
    state = overLoops(
        b, shapeOf(state), {readAt(b, state, {0, 1, 2, 3}), readToken(key, token, 2), taken},
        {0, 1, 2, 3}, Join::Add, b.getF32Type(),
        [](ImplicitLocOpBuilder &in, ValueRange x) { return add(in, x[0], mul(in, x[1], x[2])); });
    Value row =
        contract(b, {batch, heads, group, valueSize, keySize}, readToken(query, token, {2, 4}),
                 readAt(b, state, {0, 1, 4, 3}), {0, 1, 2, 3});
    rows.push_back(reshapeTo(b, row, {batch, 1, queryHeads * valueSize}));
  }
  SmallVector<Value> results(op.getNumResults());
  if (op.hasOutput(0)) {
    Value all =
        rows.empty() ? fill(b, shapeOf(op.getResult(0)), scalarFloat(b, 0)) : concatenate(b, rows, 1);
    results[0] = each(b, all, [&](ImplicitLocOpBuilder &in, ValueRange x) {
      return mul(in, x[0], scalarFloat(in, scale));
    });
  }
  if (op.hasOutput(1)) {
    results[1] = state;
  }
  return results;
}

} // namespace

//===----------------------------------------------------------------------===//
// What operators of several domains have in common
//===----------------------------------------------------------------------===//

namespace lpu::onnx_lowering {

Read Heads::read(ImplicitLocOpBuilder &b, int64_t group, AffineExpr batch,
                 ArrayRef<AffineExpr> head, AffineExpr token, AffineExpr element) const {
  Read read{tensor, {batch}};
  if (group > 1) {
    SmallVector<int64_t> split(shapeOf(tensor));
    size_t axis = tokensFirst ? 2 : 1;
    split[axis] /= group;
    split.insert(split.begin() + axis + 1, group);
    read.tensor = reshapeTo(b, tensor, split);
  }
  if (tokensFirst) {
    read.at.push_back(token);
    llvm::append_range(read.at, head);
  } else {
    llvm::append_range(read.at, head);
    read.at.push_back(token);
  }
  read.at.push_back(element);
  return read;
}

Heads getHeadsOf(ImplicitLocOpBuilder &b, Value value, int64_t heads) {
  ArrayRef<int64_t> shape = shapeOf(value);
  return shape.size() == 4
             ? Heads{value, false}
             : Heads{reshapeTo(b, value, {shape[0], shape[1], heads, shape[2] / heads}), true};
}

Value toHeadsFirst(ImplicitLocOpBuilder &b, const Heads &of) {
  return of.tokensFirst ? transpose(b, of.tensor, {0, 2, 1, 3}) : of.tensor;
}

Heads append(ImplicitLocOpBuilder &b, Value past, const Heads &now) {
  return {concatenate(b, {past, toHeadsFirst(b, now)}, 2), false};
}

Value gatherRows(ImplicitLocOpBuilder &b, Value table, Value rows) {
  SmallVector<int64_t> shape(shapeOf(rows));
  shape.push_back(shapeOf(table)[1]);
  return mlir::lpu::GatherOp::create(b, RankedTensorType::get(shape, elementOf(table)), table,
                                     rows, 0);
}

Heads rotate(ImplicitLocOpBuilder &b, const Heads &x, Value cos, Value sin, bool isInterleaved) {
  int64_t half = shapeOf(cos).back();
  SmallVector<int64_t> extents(shapeOf(x.tensor).drop_back());
  extents.push_back(half);
  unsigned token = x.tokensFirst ? 1 : 2;
  Read tables[] = {readAt(b, cos, {0, token, 3}), readAt(b, sin, {0, token, 3})};
  for (Read &table : tables) {
    // One table may be for the whole batch.
    table.at[0] = shapeOf(table.tensor)[0] == 1 ? b.getAffineConstantExpr(0) : table.at[0];
  }
  Read first = readAt(b, x.tensor, {0, 1, 2, 3}), second = first;
  AffineExpr at = loop(b, 3);
  first.at[3] = isInterleaved ? at * 2 : at;
  second.at[3] = isInterleaved ? at * 2 + 1 : at + half;
  auto turn = [&](bool isFirst) {
    return overLoops(b, extents, {first, second, tables[0], tables[1]}, {0, 1, 2, 3}, Join::Add,
                     b.getF32Type(), [&](ImplicitLocOpBuilder &in, ValueRange v) {
                       return isFirst ? sub(in, mul(in, v[2], v[0]), mul(in, v[3], v[1]))
                                      : add(in, mul(in, v[3], v[0]), mul(in, v[2], v[1]));
                     });
  };
  Value real = turn(true), imaginary = turn(false), rotated;
  if (isInterleaved) {
    SmallVector<int64_t> pairs(extents), joined(extents);
    pairs.push_back(1);
    joined.back() = 2 * half;
    rotated = reshapeTo(
        b, concatenate(b, {reshapeTo(b, real, pairs), reshapeTo(b, imaginary, pairs)}, 4), joined);
  } else {
    rotated = concatenate(b, {real, imaginary}, 3);
  }
  int64_t rest = x.size() - 2 * half;
  return {rest == 0 ? rotated : concatenate(b, {rotated, sliceAxis(b, x.tensor, 3, 2 * half, rest)}, 3),
          x.tokensFirst};
}

Value Attended::getResult(ImplicitLocOpBuilder &b, bool tokensFirst) const {
  ArrayRef<int64_t> shape = shapeOf(probabilities); // batch, query heads, tokens, keys
  int64_t heads = value.heads(), group = shape[1] / heads, size = value.size();
  // Loops: batch, head, query head of it where there are several, token, element, key.
  SmallVector<int64_t> extents{shape[0], heads};
  SmallVector<AffineExpr> queryHead{loop(b, 1)};
  if (group > 1) {
    queryHead.push_back(loop(b, extents.size()));
    extents.push_back(group);
  }
  unsigned token = unsigned(extents.size());
  extents.append({shape[2], size, shape[3]});
  AffineExpr key = loop(b, token + 2);
  Read rows =
      Heads{probabilities, false}.read(b, group, loop(b, 0), queryHead, loop(b, token), key);
  Read columns = value.read(b, 1, loop(b, 0), loop(b, 1), key, loop(b, token + 1));
  SmallVector<unsigned> results{0};
  if (tokensFirst) {
    results.push_back(token);
  }
  llvm::append_range(results, llvm::seq<unsigned>(1, token));
  if (!tokensFirst) {
    results.push_back(token);
  }
  results.push_back(token + 1);
  Value sums = contract(b, extents, rows, columns, results);
  return tokensFirst ? reshapeTo(b, sums, {shape[0], shape[2], shape[1], size})
                     : reshapeTo(b, sums, {shape[0], shape[1], shape[2], size});
}

/// Softmax over the last dimension; a row of nothing but -inf becomes zeros.
static Value softmaxOfScores(ImplicitLocOpBuilder &b, Value scores, bool mayHideAll) {
  if (!mayHideAll) {
    return softmax(b, scores, 3);
  }
  Value most = reduceTo1(b, scores, 3, Join::Max);
  Value powers = each(b, {scores, most}, [](ImplicitLocOpBuilder &in, ValueRange x) -> Value {
    Value hidden = isEqual(in, x[1], scalarFloat(in, -INFINITY));
    return math::ExpOp::create(in, sub(in, x[0], select(in, hidden, scalarFloat(in, 0), x[1])));
  });
  Value sum = reduceTo1(b, powers, 3, Join::Add);
  return each(b, {powers, sum}, [](ImplicitLocOpBuilder &in, ValueRange x) {
    Value none = isEqual(in, x[1], scalarFloat(in, 0));
    return divide(in, x[0], select(in, none, scalarFloat(in, 1), x[1]));
  });
}

Attended attend(ImplicitLocOpBuilder &b, const Heads &query, const Heads &key, const Heads &value,
                const Scoring &scoring) {
  int64_t batch = query.batch(), heads = key.heads(), group = query.heads() / heads;
  int64_t queries = query.tokens(), keys = key.tokens();
  // Both get the root of the scale: their products stay in range where the scaled ones do.
  auto scaled = [&](const Heads &of, double factor) {
    return factor == 1 ? of
                       : Heads{each(b, of.tensor,
                                    [&](ImplicitLocOpBuilder &in, ValueRange x) {
                                      return mul(in, x[0], scalarFloat(in, factor));
                                    }),
                               of.tokensFirst};
  };
  double root = scoring.scale > 0 ? std::sqrt(double(scoring.scale)) : 1;
  Heads q = scaled(query, scoring.scale > 0 ? root : double(scoring.scale)), k = scaled(key, root);
  Attended attended;
  attended.value = value;
  // Loops: batch, head, query head of it where there are several, query, key, element.
  SmallVector<int64_t> extents{batch, heads};
  SmallVector<AffineExpr> queryHead{loop(b, 1)};
  if (group > 1) {
    queryHead.push_back(loop(b, extents.size()));
    extents.push_back(group);
  }
  unsigned row = unsigned(extents.size());
  extents.append({queries, keys, query.size()});
  AffineExpr element = loop(b, row + 2);
  Value products =
      contract(b, extents, q.read(b, group, loop(b, 0), queryHead, loop(b, row), element),
               k.read(b, 1, loop(b, 0), loop(b, 1), loop(b, row + 1), element),
               llvm::to_vector(llvm::seq<unsigned>(0, row + 2)));
  products = reshapeTo(b, products, {batch, heads * group, queries, keys});
  attended.products = attended.capped = products;
  if (float softcap = scoring.softcap; softcap != 0) {
    attended.capped = each(b, products, [&](ImplicitLocOpBuilder &in, ValueRange x) {
      Value cap = scalarFloat(in, softcap);
      return mul(in, cap, math::TanhOp::create(in, divide(in, x[0], cap)));
    });
  }
  attended.masked = attended.capped;
  SmallVector<Value> inputs{attended.capped};
  if (Value mask = scoring.mask) {
    SmallVector<int64_t> low(shapeOf(mask).size(), 0), high(low);
    high.back() = keys - shapeOf(mask).back();
    bool isBool = elementOf(mask).isInteger(1);
    inputs.push_back(toRank(b, padOrCut(b, mask, low, high, isBool ? 0 : -INFINITY), 4));
  }
  if (scoring.lengths) {
    inputs.push_back(reshapeTo(b, scoring.lengths, {batch, 1, 1, 1}));
  }
  if (scoring.bias) {
    inputs.push_back(scoring.bias);
  }
  bool hides = inputs.size() > 1 || scoring.isCausal || scoring.window > 0;
  if (hides) {
    attended.masked = each(b, inputs, [&](ImplicitLocOpBuilder &in, ValueRange x) {
      Value score = x[0], hidden = scalarFloat(in, -INFINITY);
      size_t next = 1;
      if (scoring.mask) {
        Value mask = x[next++];
        score =
            mask.getType().isInteger(1) ? select(in, mask, score, hidden) : add(in, score, mask);
      }
      Value column = loopIndex(in, 3), offset = scalarInt(in, scoring.past);
      if (scoring.lengths) {
        Value length = x[next++];
        score = select(in, isLess(in, column, length), score, hidden);
        offset = sub(in, length, scalarInt(in, queries));
      }
      score = scoring.bias ? add(in, score, x[next]) : score;
      if (scoring.isCausal) {
        Value last = add(in, loopIndex(in, 2), offset);
        score = select(in, isLess(in, last, column), hidden, score);
        if (scoring.window > 0) {
          Value first = sub(in, last, scalarInt(in, scoring.window - 1));
          score = select(in, isLess(in, column, first), hidden, score);
        }
      }
      return score;
    });
  }
  Value scores = attended.masked;
  scores = scoring.precision ? roundElements(b, scores, scoring.precision) : scores;
  attended.probabilities = softmaxOfScores(b, scores, hides);
  if (scoring.precision) {
    attended.probabilities = roundElements(b, attended.probabilities, scoring.precision);
  }
  return attended;
}

ArrayRef<Rule> getAttentionRules() {
  static const Rule rules[] = {
      {"", "RotaryEmbedding", 23, whyNotRotary, convertRotary, Elements::Native},
      {"", "RotaryEmbedding", 23, whyNotAnyRotary, convertAnyRotary},
      {"", "Attention", 23, whyNotAttention, convertAttention, Elements::Native},
      {"", "Attention", 23, whyNotAnyAttention, convertAnyAttention},
      {"", "LinearAttention", 27, whyNotLinear, convertLinear},
  };
  return rules;
}
} // namespace lpu::onnx_lowering
