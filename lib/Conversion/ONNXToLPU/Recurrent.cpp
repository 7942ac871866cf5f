//===- Recurrent.cpp - RNN, GRU and LSTM ----------------------------------===//
//
// Every step of the sequence is written out. What the input contributes to all
// steps is one product before the first.
//
//===----------------------------------------------------------------------===//

#include "Terms.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include <cmath>

using namespace mlir;
using mlir::onnx::NodeOp;
using namespace ::lpu::onnx_lowering;

namespace {

//===----------------------------------------------------------------------===//
// Activations
//===----------------------------------------------------------------------===//

struct Activation {
  std::string name;
  float alpha = 0, beta = 0;
};

/// Names in lower case; the defaults of alpha and beta, where the function has them. Where they
/// are NaN, no operator of ONNX gives a default.
struct Known {
  StringRef name;
  std::optional<float> alpha, beta;
};
const Known kKnown[] = {
    {"relu", {}, {}},
    {"tanh", {}, {}},
    {"sigmoid", {}, {}},
    {"softsign", {}, {}},
    {"softplus", {}, {}},
    {"affine", NAN, NAN},
    {"leakyrelu", 0.01f, {}},
    {"elu", 1.f, {}},
    {"thresholdedrelu", 1.f, {}},
    {"scaledtanh", NAN, NAN},
    {"hardsigmoid", 0.2f, 0.5f},
};

/// The functions of all directions, one after the other. Values of activation_alpha and
/// activation_beta go to the functions that have them, in order.
std::string getActivations(NodeOp op, ArrayRef<StringRef> defaults, size_t directions,
                           SmallVector<Activation> &activations) {
  SmallVector<StringRef> names = getStrings(op, "activations");
  if (names.empty()) {
    for (size_t d = 0; d < directions; ++d) {
      llvm::append_range(names, defaults);
    }
  }
  if (names.size() != directions * defaults.size()) {
    return ("activations are not " + Twine(directions * defaults.size())).str();
  }
  SmallVector<float> alphas = getFloats(op, "activation_alpha").value_or(SmallVector<float>());
  SmallVector<float> betas = getFloats(op, "activation_beta").value_or(SmallVector<float>());
  size_t nextAlpha = 0, nextBeta = 0;
  for (StringRef name : names) {
    const Known *known = llvm::find_if(
        kKnown, [&](const Known &each) { return name.equals_insensitive(each.name); });
    if (known == std::end(kKnown)) {
      return ("activation " + name + " is not known").str();
    }
    Activation &activation = activations.emplace_back(Activation{known->name.str()});
    if (known->alpha) {
      activation.alpha = nextAlpha < alphas.size() ? alphas[nextAlpha++] : *known->alpha;
    }
    if (known->beta) {
      activation.beta = nextBeta < betas.size() ? betas[nextBeta++] : *known->beta;
    }
    if (std::isnan(activation.alpha) || std::isnan(activation.beta)) {
      return ("activation " + name + " has no default of alpha and beta").str();
    }
  }
  return "";
}

Value apply(ImplicitLocOpBuilder &b, const Activation &of, Value x) {
  Value zero = scalarFloat(b, 0), one = scalarFloat(b, 1);
  auto alpha = [&] { return scalarFloat(b, of.alpha); };
  auto beta = [&] { return scalarFloat(b, of.beta); };
  StringRef name = of.name;
  if (name == "tanh") {
    return math::TanhOp::create(b, x);
  }
  if (name == "sigmoid") {
    return sigmoidOf(b, x);
  }
  if (name == "relu") {
    return larger(b, x, zero);
  }
  if (name == "softsign") {
    return divide(b, x, add(b, math::AbsFOp::create(b, x), one));
  }
  if (name == "softplus") {
    // log(1 + exp(x)) without overflow.
    Value small = math::ExpOp::create(b, sub(b, zero, math::AbsFOp::create(b, x)));
    return add(b, larger(b, x, zero), math::LogOp::create(b, add(b, small, one)));
  }
  if (name == "affine") {
    return add(b, mul(b, alpha(), x), beta());
  }
  if (name == "leakyrelu") {
    return select(b, isLess(b, x, zero), mul(b, alpha(), x), x);
  }
  if (name == "elu") {
    Value below = mul(b, alpha(), sub(b, math::ExpOp::create(b, smaller(b, x, zero)), one));
    return select(b, isLess(b, x, zero), below, x);
  }
  if (name == "thresholdedrelu") {
    return select(b, isLess(b, alpha(), x), x, zero);
  }
  if (name == "scaledtanh") {
    return mul(b, alpha(), math::TanhOp::create(b, mul(b, beta(), x)));
  }
  assert(name == "hardsigmoid");
  return larger(b, smaller(b, add(b, mul(b, alpha(), x), beta()), one), zero);
}

//===----------------------------------------------------------------------===//
// What the three have in common
//===----------------------------------------------------------------------===//

enum Input { kX, kW, kR, kBias, kLengths, kHidden, kCell, kPeepholes };

ArrayRef<StringRef> getDefaults(NodeOp op) {
  static const StringRef rnn[] = {"Tanh"}, gru[] = {"Sigmoid", "Tanh"},
                         lstm[] = {"Sigmoid", "Tanh", "Tanh"};
  return op.getOpType() == "RNN"   ? ArrayRef(rnn)
         : op.getOpType() == "GRU" ? ArrayRef(gru)
                                   : ArrayRef(lstm);
}

bool isBoth(NodeOp op) { return getString(op, "direction", "forward") == "bidirectional"; }

std::string whyNotRecurrent(NodeOp op) {
  std::string reason = whyNotRanked(op);
  if (!reason.empty()) {
    return reason;
  }
  StringRef direction = getString(op, "direction", "forward");
  if (direction != "forward" && direction != "reverse" && direction != "bidirectional") {
    return "direction is " + direction.str();
  }
  for (unsigned input : {kX, kW, kR}) {
    if (typeOf(op.getInputs()[input]).getRank() != 3) {
      return ("input " + Twine(input) + " has not rank 3").str();
    }
  }
  SmallVector<Activation> activations;
  return getActivations(op, getDefaults(op), isBoth(op) ? 2 : 1, activations);
}

/// One direction, while its steps are written. Matrices are batch x hidden; gates lie side by
/// side in the columns of what belongs to all of them.
struct Direction {
  ImplicitLocOpBuilder &b;
  NodeOp op;
  ArrayRef<Activation> activations;
  int64_t batch, size;
  /// steps x batch x gates of the input and the biases; the recurrent weights, gates x hidden;
  /// the bias of the recurrent part, null where it is in `fromInput` already; one length a
  /// sequence, and peepholes, or null.
  Value fromInput, weights, bias, lengths, peepholes;
  Value hidden, cell;

  /// Reads of gate `gate` at (batch, hidden) of a matrix, of a vector, of a step of the input's.
  Read gate(Value matrix, int64_t gate) { return {matrix, {loop(b, 0), loop(b, 1) + gate * size}}; }
  Read gateOfVector(Value vector, int64_t gate) { return {vector, {loop(b, 1) + gate * size}}; }
  Read gateOfInput(int64_t step, int64_t gate) {
    return {fromInput, {b.getAffineConstantExpr(step), loop(b, 0), loop(b, 1) + gate * size}};
  }
  Read plain(Value matrix) { return readAt(b, matrix, {0, 1}); }
  Value map(ArrayRef<Read> reads, ScalarBody body) {
    return overLoops(b, {batch, size}, reads, {0, 1}, Join::Add, b.getF32Type(), body);
  }
  /// Rows times the recurrent weights of `count` gates from the `first` on.
  Value recur(Value rows, int64_t first, int64_t count) {
    return matmul(b, rows, sliceAxis(b, weights, 0, first * size, count * size), false, true);
  }
  Value activate(ImplicitLocOpBuilder &in, size_t function, Value x) {
    if (float clip = getFloat(op, "clip", 0); clip > 0) {
      x = larger(in, smaller(in, x, scalarFloat(in, clip)), scalarFloat(in, -clip));
    }
    return apply(in, activations[function], x);
  }
  /// `now` in the sequences that have this step, `otherwise` in the others.
  Value whereInside(int64_t step, Value now, Value otherwise) {
    if (!lengths) {
      return now;
    }
    SmallVector<Read> reads{readAt(b, lengths, 0), plain(now)};
    if (otherwise) {
      reads.push_back(plain(otherwise));
    }
    return map(reads, [&](ImplicitLocOpBuilder &in, ValueRange x) {
      Value inside = isLess(in, scalarInt(in, step), x[0]);
      return select(in, inside, x[1], otherwise ? x[2] : scalarFloat(in, 0));
    });
  }
};

void stepRnn(Direction &d, int64_t step) {
  Value recurrent = d.recur(d.hidden, 0, 1);
  d.hidden = d.map({d.gateOfInput(step, 0), d.plain(recurrent)},
                   [&](ImplicitLocOpBuilder &in, ValueRange x) {
                     return d.activate(in, 0, add(in, x[0], x[1]));
                   });
}

/// Gates: update, reset, hidden.
void stepGru(Direction &d, int64_t step) {
  bool isLinear = getInt(d.op, "linear_before_reset", 0) != 0;
  Value recurrent = d.recur(d.hidden, 0, isLinear ? 3 : 2), inner;
  auto reset = [&](ImplicitLocOpBuilder &in, Value x, Value h) {
    return d.activate(in, 0, add(in, x, h));
  };
  if (isLinear) {
    SmallVector<Read> reads{d.gateOfInput(step, 1), d.gate(recurrent, 1), d.gate(recurrent, 2)};
    if (d.bias) {
      reads.push_back(d.gateOfVector(d.bias, 2));
    }
    inner = d.map(reads, [&](ImplicitLocOpBuilder &in, ValueRange x) {
      return mul(in, reset(in, x[0], x[1]), d.bias ? add(in, x[2], x[3]) : x[2]);
    });
  } else {
    Value kept = d.map({d.gateOfInput(step, 1), d.gate(recurrent, 1), d.plain(d.hidden)},
                       [&](ImplicitLocOpBuilder &in, ValueRange x) {
                         return mul(in, reset(in, x[0], x[1]), x[2]);
                       });
    inner = d.recur(kept, 2, 1);
  }
  d.hidden = d.map({d.gateOfInput(step, 0), d.gate(recurrent, 0), d.gateOfInput(step, 2),
                    d.plain(inner), d.plain(d.hidden)},
                   [&](ImplicitLocOpBuilder &in, ValueRange x) {
                     Value update = d.activate(in, 0, add(in, x[0], x[1]));
                     Value candidate = d.activate(in, 1, add(in, x[2], x[3]));
                     Value fresh = mul(in, sub(in, scalarFloat(in, 1), update), candidate);
                     return add(in, fresh, mul(in, update, x[4]));
                   });
}

/// Gates: input, output, forget, cell.
void stepLstm(Direction &d, int64_t step) {
  Value recurrent = d.recur(d.hidden, 0, 4);
  bool couples = getInt(d.op, "input_forget", 0) != 0;
  SmallVector<Read> reads{d.plain(d.cell)};
  for (int64_t gate : {0, 2, 3}) {
    llvm::append_range(reads, ArrayRef{d.gateOfInput(step, gate), d.gate(recurrent, gate)});
  }
  if (d.peepholes) {
    llvm::append_range(reads,
                       ArrayRef{d.gateOfVector(d.peepholes, 0), d.gateOfVector(d.peepholes, 2)});
  }
  Value cell = d.map(reads, [&](ImplicitLocOpBuilder &in, ValueRange x) {
    Value input = add(in, x[1], x[2]), forget = add(in, x[3], x[4]);
    if (d.peepholes) {
      input = add(in, input, mul(in, x[7], x[0]));
      forget = add(in, forget, mul(in, x[8], x[0]));
    }
    input = d.activate(in, 0, input);
    forget = couples ? sub(in, scalarFloat(in, 1), input) : d.activate(in, 0, forget);
    Value fresh = d.activate(in, 1, add(in, x[5], x[6]));
    return add(in, mul(in, forget, x[0]), mul(in, input, fresh));
  });
  reads = {d.plain(cell), d.gateOfInput(step, 1), d.gate(recurrent, 1)};
  if (d.peepholes) {
    reads.push_back(d.gateOfVector(d.peepholes, 1));
  }
  d.hidden = d.map(reads, [&](ImplicitLocOpBuilder &in, ValueRange x) {
    Value output = add(in, x[1], x[2]);
    if (d.peepholes) {
      output = add(in, output, mul(in, x[3], x[0]));
    }
    return mul(in, d.activate(in, 0, output), d.activate(in, 2, x[0]));
  });
  d.cell = cell;
}

/// Row `index` of dimension `axis` of a tensor, without that dimension.
Value pickRow(ImplicitLocOpBuilder &b, Value value, int64_t axis, int64_t index) {
  SmallVector<int64_t> shape(shapeOf(value));
  shape.erase(shape.begin() + axis);
  return reshapeTo(b, sliceAxis(b, value, axis, index, 1), shape);
}

SmallVector<Value> convertRecurrent(NodeOp op, ValueRange inputs, ImplicitLocOpBuilder &b) {
  auto get = [&](unsigned index) { return op.hasInput(index) ? inputs[index] : Value(); };
  bool batchFirst = getInt(op, "layout", 0) != 0;
  int64_t stateAxis = batchFirst ? 1 : 0; // of directions, in states
  ArrayRef<int64_t> shape = shapeOf(inputs[kX]);
  int64_t steps = shape[batchFirst ? 1 : 0], batch = shape[batchFirst ? 0 : 1];
  int64_t size = shapeOf(inputs[kR])[2], gates = shapeOf(inputs[kR])[1] / size;
  size_t directions = isBoth(op) ? 2 : 1, functions = getDefaults(op).size();
  bool isGru = op.getOpType() == "GRU", isLstm = op.getOpType() == "LSTM";
  // The recurrent bias of a GRU's hidden gate may be inside the reset.
  bool keepsBias = isGru && getInt(op, "linear_before_reset", 0) != 0;
  SmallVector<Activation> activations;
  getActivations(op, getDefaults(op), directions, activations);

  SmallVector<Value> sequences, hiddens, cells;
  for (size_t k = 0; k < directions; ++k) {
    bool isReverse = k == 1 || getString(op, "direction", "forward") == "reverse";
    Direction d{b,     op,   ArrayRef(activations).slice(k * functions, functions),
                batch, size, {},
                {},    {},   {},
                {},    {},   {}};
    Value weights = pickRow(b, inputs[kW], 0, int64_t(k));
    d.weights = pickRow(b, inputs[kR], 0, int64_t(k));
    Read x = readAt(b, inputs[kX],
                    batchFirst ? ArrayRef<unsigned>{1, 0, 3} : ArrayRef<unsigned>{0, 1, 3});
    d.fromInput = contract(b, {steps, batch, gates * size, shape[2]}, x, readAt(b, weights, {2, 3}),
                           {0, 1, 2});
    if (Value bias = get(kBias)) {
      Value both = pickRow(b, bias, 0, int64_t(k));
      Value ofInput = sliceAxis(b, both, 0, 0, gates * size);
      d.bias = sliceAxis(b, both, 0, gates * size, gates * size);
      Value added = d.bias;
      if (keepsBias) {
        added = padOrCut(b, added, 0, -size, 0);
        added = padOrCut(b, added, 0, size, 0);
      }
      d.fromInput =
          each(b, {d.fromInput, ofInput, added}, [](ImplicitLocOpBuilder &in, ValueRange x) {
            return add(in, x[0], add(in, x[1], x[2]));
          });
    }
    auto getState = [&](unsigned index) {
      return get(index) ? pickRow(b, inputs[index], stateAxis, int64_t(k))
                        : fill(b, {batch, size}, scalarFloat(b, 0));
    };
    d.lengths = get(kLengths);
    d.hidden = getState(kHidden);
    if (isLstm) {
      d.cell = getState(kCell);
      d.peepholes = get(kPeepholes) ? pickRow(b, inputs[kPeepholes], 0, int64_t(k)) : Value();
    }
    SmallVector<Value> rows(static_cast<size_t>(steps));
    for (int64_t at = 0; at < steps; ++at) {
      int64_t step = isReverse ? steps - 1 - at : at;
      Value hidden = d.hidden, cell = d.cell;
      isLstm ? stepLstm(d, step) : isGru ? stepGru(d, step) : stepRnn(d, step);
      Value row = d.whereInside(step, d.hidden, Value());
      d.hidden = d.whereInside(step, d.hidden, hidden);
      d.cell = isLstm ? d.whereInside(step, d.cell, cell) : Value();
      rows[size_t(step)] = reshapeTo(b, row,
                                     batchFirst ? ArrayRef<int64_t>{batch, 1, 1, size}
                                                : ArrayRef<int64_t>{1, 1, batch, size});
    }
    if (op.hasOutput(0) && steps > 0) {
      sequences.push_back(concatenate(b, rows, batchFirst ? 1 : 0));
    }
    SmallVector<int64_t> state{batch, size};
    state.insert(state.begin() + stateAxis, 1);
    hiddens.push_back(reshapeTo(b, d.hidden, state));
    if (isLstm) {
      cells.push_back(reshapeTo(b, d.cell, state));
    }
  }
  SmallVector<Value> results(op.getNumResults());
  if (op.hasOutput(0)) {
    results[0] = sequences.empty() ? fill(b, shapeOf(op.getResult(0)), scalarFloat(b, 0))
                                   : concatenate(b, sequences, batchFirst ? 2 : 1);
  }
  if (op.hasOutput(1)) {
    results[1] = concatenate(b, hiddens, stateAxis);
  }
  if (op.hasOutput(2)) {
    results[2] = concatenate(b, cells, stateAxis);
  }
  return results;
}

} // namespace

namespace lpu::onnx_lowering {
ArrayRef<Rule> getRecurrentRules() {
  static const Rule rules[] = {
      {"", "RNN", 1, whyNotRecurrent, convertRecurrent},
      {"", "GRU", 1, whyNotRecurrent, convertRecurrent},
      {"", "LSTM", 1, whyNotRecurrent, convertRecurrent},
  };
  return rules;
}
} // namespace lpu::onnx_lowering
