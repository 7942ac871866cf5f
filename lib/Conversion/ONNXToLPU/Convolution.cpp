//===- Convolution.cpp - Convolutions of any rank -------------------------===//

#include "Elements.h"
#include "Windows.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using mlir::onnx::NodeOp;
using namespace ::lpu::onnx_lowering;

namespace {

SmallVector<int64_t> join(ArrayRef<int64_t> first, ArrayRef<int64_t> second) {
  SmallVector<int64_t> all(first);
  llvm::append_range(all, second);
  return all;
}

std::string whyNotConvolution(NodeOp op, unsigned weights) {
  std::string reason = whyNotWindows(op);
  if (reason.empty() &&
      typeOf(op.getInputs()[weights]).getRank() != typeOf(op.getInputs()[0]).getRank()) {
    return "input and weights have different ranks";
  }
  if (!reason.empty()) {
    return reason;
  }
  RankedTensorType input = typeOf(op.getInputs()[0]), kernel = typeOf(op.getInputs()[weights]);
  int64_t groups = getInt(op, "group", 1);
  bool isTransposed = op.getOpType() == "ConvTranspose";
  int64_t taken = isTransposed ? kernel.getDimSize(0) : kernel.getDimSize(1) * groups;
  if (!input.isDynamicDim(1) && kernel.hasStaticShape() &&
      (taken != input.getDimSize(1) || groups < 1 || kernel.getDimSize(0) % groups != 0)) {
    return "weights " + describeShape(kernel) + " with group " + std::to_string(groups) +
           " do not fit the channels of input 0, " + describeShape(input);
  }
  return reason;
}
std::string whyNotConv(NodeOp op) { return whyNotConvolution(op, 1); }

/// How the weights of a convolution lie: M x C/groups x kernel, or, of a transposed one,
/// C x M/groups x kernel, with the kernel backwards.
enum class Weights { Forward, Transposed };

/// Products summed over channels and the elements of windows of `input`, which is padded.
Value convolve(ImplicitLocOpBuilder &b, Value input, Value weights, const Windows &windows,
               int64_t groups, Weights kind = Weights::Forward) {
  size_t rank = windows.getRank();
  bool isTransposed = kind == Weights::Transposed;
  int64_t batch = shapeOf(input)[0], channels = shapeOf(input)[1] / groups;
  int64_t results = isTransposed ? shapeOf(weights)[1] : shapeOf(weights)[0] / groups;
  SmallVector<int64_t> extents{batch};
  Read x{input, {loop(b, 0)}}, w{weights, {}};
  if (groups > 1) {
    x.tensor = reshapeTo(b, input, join({batch, groups, channels}, shapeOf(input).drop_front(2)));
    w.tensor = reshapeTo(b, weights,
                         isTransposed ? join({groups, channels, results}, windows.kernel)
                                      : join({groups, results, channels}, windows.kernel));
    AffineExpr group = loop(b, extents.size());
    x.at.push_back(group);
    w.at.push_back(group);
    extents.push_back(groups);
  }
  AffineExpr result = loop(b, extents.size());
  extents.push_back(results);
  size_t firstWindow = extents.size();
  llvm::append_range(extents, windows.output);
  unsigned parallel = unsigned(extents.size());
  AffineExpr channel = loop(b, parallel);
  extents.push_back(channels);
  llvm::append_range(extents, windows.kernel);

  x.at.push_back(channel);
  w.at.append({isTransposed ? channel : result, isTransposed ? result : channel});
  for (size_t d = 0; d < rank; ++d) {
    AffineExpr element = loop(b, parallel + 1 + d);
    x.at.push_back(windows.at(d, loop(b, firstWindow + d), element));
    w.at.push_back(isTransposed ? windows.kernel[d] - 1 - element : element);
  }
  Value sums = contract(b, extents, x, w, llvm::to_vector(llvm::seq<unsigned>(0, parallel)));
  return reshapeTo(b, sums, join({batch, groups * results}, windows.output));
}

/// Plus one value a channel, where `bias` is not null.
Value addBias(ImplicitLocOpBuilder &b, Value value, Value bias) {
  return bias ? each(b, {value, alongAxis(b, bias, 1, typeOf(value).getRank())}, binary<add>)
              : value;
}

Value getOptional(ValueRange inputs, unsigned index) {
  return index < inputs.size() ? inputs[index] : Value();
}

SmallVector<Value> convertConv(NodeOp op, ValueRange inputs, ImplicitLocOpBuilder &b) {
  Windows windows = getWindows(op, shapeOf(inputs[1]).drop_front(2));
  Value sums = convolve(b, padForWindows(b, inputs[0], windows, 0), inputs[1], windows,
                        getInt(op, "group", 1));
  return {addBias(b, sums, getOptional(inputs, 2))};
}

//===----------------------------------------------------------------------===//
// Transposed
//===----------------------------------------------------------------------===//

/// Element o of the result is the sum over i, k of x[i] w[k] with o + low = stride * i +
/// dilation * k: a convolution, with the kernel backwards, of x with zeros between its elements.
SmallVector<Value> convertConvTranspose(NodeOp op, ValueRange inputs, ImplicitLocOpBuilder &b) {
  Windows windows = getWindows(op, shapeOf(inputs[1]).drop_front(2));
  size_t rank = windows.getRank();
  SmallVector<int64_t> extra =
      getInts(op, "output_padding").value_or(SmallVector<int64_t>(rank, 0));
  StringRef pad = getString(op, "auto_pad", "NOTSET");
  bool fromOutput = getInts(op, "output_shape").has_value() || pad.starts_with("SAME");
  SmallVector<int64_t> low(2, 0), high(2, 0), spread(shapeOf(inputs[0]).take_front(2)),
      between(2, 0), collapsed(spread);
  for (size_t d = 0; d < rank; ++d) {
    int64_t stride = windows.strides[d], reach = (windows.kernel[d] - 1) * windows.dilations[d];
    int64_t before = windows.low[d];
    if (fromOutput) {
      int64_t total = std::max<int64_t>(
          (windows.input[d] - 1) * stride + extra[d] + reach + 1 - windows.output[d], 0);
      before = pad == "SAME_UPPER" ? total / 2 : total - total / 2;
    }
    spread.append({windows.input[d], 1});
    between.append({0, stride - 1});
    collapsed.push_back(windows.input[d] * stride);
    low.push_back(reach - before);
    high.push_back(windows.output[d] + reach - low.back() - collapsed.back());
    windows.strides[d] = 1;
  }
  Value input = reshapeTo(b, inputs[0], spread);
  input = padOrCut(b, input, SmallVector<int64_t>(between.size(), 0), between, 0);
  input = padOrCut(b, reshapeTo(b, input, collapsed), low, high, 0);
  Value sums = convolve(b, input, inputs[1], windows, getInt(op, "group", 1), Weights::Transposed);
  return {addBias(b, sums, getOptional(inputs, 2))};
}

//===----------------------------------------------------------------------===//
// Quantised
//===----------------------------------------------------------------------===//

/// What is left when a zero point, null where there is none, is taken off: one for all, or one
/// for each index of the first dimension.
Value center(ImplicitLocOpBuilder &b, Value value, Value zero) {
  return zero ? each(b, {value, alongAxis(b, zero, 0, typeOf(value).getRank())}, binary<sub>)
              : value;
}

Value convolveCentered(NodeOp op, ImplicitLocOpBuilder &b, Value input, Value inputZero,
                       Value weights, Value weightZero) {
  Windows windows = getWindows(op, shapeOf(weights).drop_front(2));
  Value padded = padForWindows(b, center(b, input, inputZero), windows, 0);
  return convolve(b, padded, center(b, weights, weightZero), windows, getInt(op, "group", 1));
}

SmallVector<Value> convertConvInteger(NodeOp op, ValueRange inputs, ImplicitLocOpBuilder &b) {
  return {convolveCentered(op, b, inputs[0], getOptional(inputs, 2), inputs[1],
                           getOptional(inputs, 3))};
}

std::string whyNotQLinearConv(NodeOp op) { return whyNotConvolution(op, 3); }

SmallVector<Value> convertQLinearConv(NodeOp op, ValueRange inputs, ImplicitLocOpBuilder &b) {
  Value sums = convolveCentered(op, b, inputs[0], inputs[2], inputs[3], inputs[5]);
  sums = addBias(b, sums, getOptional(inputs, 8));
  int64_t rank = typeOf(sums).getRank();
  Value real = each(
      b,
      {sums, alongAxis(b, inputs[1], 1, rank), alongAxis(b, inputs[4], 1, rank),
       alongAxis(b, inputs[6], 1, rank)},
      [](ImplicitLocOpBuilder &in, ValueRange x) {
        return mul(in, toFloat(in, x[0]), divide(in, mul(in, x[1], x[2]), x[3]));
      },
      b.getF32Type());
  return {quantizeTo(b, real, alongAxis(b, inputs[7], 1, rank), elementOf(op.getResult(0)))};
}

//===----------------------------------------------------------------------===//
// Deformable
//===----------------------------------------------------------------------===//

std::string whyNotDeform(NodeOp op) { return whyNotConvolution(op, 1); }

/// Elements are read between grid points: along each dimension, point h has the weight
/// max(0, 1 - |position - h|), which is linear interpolation with zeros outside.
SmallVector<Value> convertDeformConv(NodeOp op, ValueRange inputs, ImplicitLocOpBuilder &b) {
  Value weights = inputs[1];
  Windows windows = getWindows(op, shapeOf(weights).drop_front(2));
  size_t rank = windows.getRank();
  int64_t batch = shapeOf(inputs[0])[0], channels = shapeOf(inputs[0])[1];
  int64_t groups = getInt(op, "group", 1), offsetGroups = getInt(op, "offset_group", 1);
  SmallVector<int64_t> places = join(windows.kernel, windows.output);
  Value offsets = reshapeTo(
      b, inputs[2],
      join(join({batch, offsetGroups}, windows.kernel), join({int64_t(rank)}, windows.output)));
  // Dimensions: batch, group, channel, elements of a window, windows, what is left of the input's.
  Value samples =
      reshapeTo(b, inputs[0], join({batch, offsetGroups, channels / offsetGroups}, windows.input));
  for (size_t d = 0; d < rank; ++d) {
    Value offset = reshapeTo(b, sliceAxis(b, offsets, int64_t(2 + rank), int64_t(d), 1),
                             join({batch, offsetGroups}, join(places, {1})));
    Value tent = mapElements(
        b, join({batch, offsetGroups}, join(places, {windows.input[d]})), b.getF32Type(), offset,
        [&](ImplicitLocOpBuilder &in, ValueRange x) {
          Value at = sub(
              in, mul(in, loopIndex(in, int64_t(2 + rank + d)), scalarInt(in, windows.strides[d])),
              scalarInt(in, windows.low[d]));
          at = add(in, at,
                   mul(in, loopIndex(in, int64_t(2 + d)), scalarInt(in, windows.dilations[d])));
          at = sub(in, at, loopIndex(in, int64_t(2 + 2 * rank)));
          Value distance = math::AbsFOp::create(in, add(in, toFloat(in, at), x[0]));
          return larger(in, sub(in, scalarFloat(in, 1), distance), scalarFloat(in, 0));
        });
    SmallVector<int64_t> extents = join({batch, offsetGroups, channels / offsetGroups}, places);
    llvm::append_range(extents, ArrayRef(windows.input).drop_front(d + 1));
    unsigned parallel = unsigned(extents.size());
    extents.push_back(windows.input[d]);
    SmallVector<unsigned> placeLoops =
        llvm::to_vector(llvm::seq<unsigned>(3, unsigned(3 + 2 * rank)));
    SmallVector<unsigned> sampleLoops{0, 1, 2}, tentLoops{0, 1};
    if (d > 0) {
      llvm::append_range(sampleLoops, placeLoops);
    }
    sampleLoops.push_back(parallel);
    llvm::append_range(sampleLoops, llvm::seq<unsigned>(unsigned(3 + 2 * rank), parallel));
    llvm::append_range(tentLoops, placeLoops);
    tentLoops.push_back(parallel);
    samples = contract(b, extents, readAt(b, samples, sampleLoops), readAt(b, tent, tentLoops),
                       llvm::to_vector(llvm::seq<unsigned>(0, parallel)));
  }
  if (Value mask = getOptional(inputs, 4)) {
    samples =
        each(b, {samples, reshapeTo(b, mask, join({batch, offsetGroups, 1}, places))}, binary<mul>);
  }
  // Loops: batch, group, result, windows, channel, elements of a window.
  int64_t results = shapeOf(weights)[0] / groups;
  samples = reshapeTo(b, samples, join({batch, groups, channels / groups}, places));
  weights = reshapeTo(b, weights, join({groups, results, channels / groups}, windows.kernel));
  SmallVector<int64_t> extents = join(join({batch, groups, results}, windows.output),
                                      join({channels / groups}, windows.kernel));
  unsigned parallel = unsigned(3 + rank);
  SmallVector<unsigned> sampleLoops{0, 1, parallel}, weightLoops{1, 2, parallel};
  auto elements = llvm::seq<unsigned>(parallel + 1, unsigned(extents.size()));
  llvm::append_range(sampleLoops, elements);
  llvm::append_range(sampleLoops, llvm::seq<unsigned>(3, parallel));
  llvm::append_range(weightLoops, elements);
  Value sums =
      contract(b, extents, readAt(b, samples, sampleLoops), readAt(b, weights, weightLoops),
               llvm::to_vector(llvm::seq<unsigned>(0, parallel)));
  return {addBias(b, reshapeTo(b, sums, shapeOf(op.getResult(0))), getOptional(inputs, 3))};
}

//===----------------------------------------------------------------------===//
// Causal, with the rows of before
//===----------------------------------------------------------------------===//

std::string whyNotCausal(NodeOp op) {
  std::string reason = whyNotRanked(op);
  if (!reason.empty()) {
    return reason;
  }
  if (typeOf(op.getInputs()[0]).getRank() != 3 || typeOf(op.getInputs()[1]).getRank() != 3) {
    return "input 0 or 1 has not rank 3";
  }
  StringRef activation = getString(op, "activation", "none");
  return activation == "none" || activation == "silu" || activation == "swish"
             ? ""
             : "activation is " + activation.str();
}

SmallVector<Value> convertCausal(NodeOp op, ValueRange inputs, ImplicitLocOpBuilder &b) {
  int64_t channels = shapeOf(inputs[0])[1], length = shapeOf(inputs[0])[2];
  int64_t size = shapeOf(inputs[1])[2];
  Value past = getOptional(inputs, 3), padded = inputs[0];
  if (size > 1) {
    padded =
        past ? concatenate(b, {past, padded}, 2) : padOrCut(b, padded, {0, 0, size - 1}, {0, 0, 0}, 0);
  }
  Windows windows{{length + size - 1}, {size}, {1}, {1}, {0}, {0}, {length}};
  Value sums =
      addBias(b, convolve(b, padded, inputs[1], windows, channels), getOptional(inputs, 2));
  if (getString(op, "activation", "none") != "none") {
    sums = each(b, sums, [](ImplicitLocOpBuilder &in, ValueRange x) {
      return mul(in, x[0], sigmoidOf(in, x[0]));
    });
  }
  SmallVector<Value> results{sums};
  if (op.getNumResults() > 1) {
    results.push_back(op.hasOutput(1) ? sliceAxis(b, padded, 2, length, size - 1) : Value());
  }
  return results;
}

} // namespace

namespace lpu::onnx_lowering {
ArrayRef<Rule> getConvolutionRules() {
  static const Rule rules[] = {
      {"", "Conv", 1, whyNotConv, convertConv},
      {"", "ConvTranspose", 1, whyNotConv, convertConvTranspose},
      {"", "ConvInteger", 10, whyNotConv, convertConvInteger},
      {"", "QLinearConv", 10, whyNotQLinearConv, convertQLinearConv},
      {"", "DeformConv", 19, whyNotDeform, convertDeformConv},
      {"", "CausalConvWithState", 27, whyNotCausal, convertCausal},
  };
  return rules;
}
} // namespace lpu::onnx_lowering
