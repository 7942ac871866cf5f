//===- Pooling.cpp - Windows, and what pools make of them -----------------===//

#include "Windows.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using mlir::onnx::NodeOp;
using namespace ::lpu::onnx_lowering;

namespace lpu::onnx_lowering {

std::string whyNotWindows(NodeOp op) {
  std::string reason = whyNotRanked(op);
  if (!reason.empty()) {
    return reason;
  }
  int64_t spatial = typeOf(op.getInputs()[0]).getRank() - 2;
  if (spatial < 1) {
    return "the input has no spatial dimensions";
  }
  for (StringRef name : {"kernel_shape", "strides", "dilations", "pads", "output_padding"}) {
    auto values = getInts(op, name);
    if (values && int64_t(values->size()) != (name == "pads" ? 2 * spatial : spatial)) {
      return (name + " has not a value for each spatial dimension").str();
    }
  }
  StringRef pad = getString(op, "auto_pad", "NOTSET");
  return pad == "NOTSET" || pad == "VALID" || pad == "SAME_UPPER" || pad == "SAME_LOWER"
             ? ""
             : "auto_pad is " + pad.str();
}

Windows getWindows(NodeOp op, ArrayRef<int64_t> kernel) {
  size_t rank = kernel.size();
  SmallVector<int64_t> ones(rank, 1), zeros(rank, 0);
  Windows windows;
  windows.input = llvm::to_vector(shapeOf(op.getInputs()[0]).drop_front(2));
  windows.output = llvm::to_vector(shapeOf(op.getResult(0)).drop_front(2));
  windows.kernel = llvm::to_vector(kernel);
  windows.strides = getInts(op, "strides").value_or(ones);
  windows.dilations = getInts(op, "dilations").value_or(ones);
  windows.low = windows.high = zeros;
  StringRef pad = getString(op, "auto_pad", "NOTSET");
  if (auto pads = getInts(op, "pads"); pads && pad == "NOTSET") {
    windows.low = llvm::to_vector(ArrayRef(*pads).take_front(rank));
    windows.high = llvm::to_vector(ArrayRef(*pads).drop_front(rank));
  }
  if (pad == "SAME_UPPER" || pad == "SAME_LOWER") {
    for (size_t d = 0; d < rank; ++d) {
      int64_t spanned =
          (windows.output[d] - 1) * windows.strides[d] + (kernel[d] - 1) * windows.dilations[d] + 1;
      int64_t total = std::max<int64_t>(spanned - windows.input[d], 0);
      windows.low[d] = pad == "SAME_UPPER" ? total / 2 : total - total / 2;
      windows.high[d] = total - windows.low[d];
    }
  }
  return windows;
}

Value padForWindows(ImplicitLocOpBuilder &b, Value input, const Windows &windows, double value) {
  SmallVector<int64_t> low(2, 0), high(2, 0);
  for (size_t d = 0; d < windows.getRank(); ++d) {
    int64_t spanned = (windows.output[d] - 1) * windows.strides[d] +
                      (windows.kernel[d] - 1) * windows.dilations[d] + 1;
    low.push_back(windows.low[d]);
    high.push_back(std::max<int64_t>(spanned - windows.input[d] - windows.low[d], 0));
  }
  return padOrCut(b, input, low, high, value);
}

} // namespace lpu::onnx_lowering

namespace {

std::string whyNotPool(NodeOp op) {
  std::string reason = whyNotWindows(op);
  return reason.empty() && !getInts(op, "kernel_shape") ? "kernel_shape is not given" : reason;
}

/// Loops: batch, channel, windows, elements of a window.
Value pool(ImplicitLocOpBuilder &b, Value input, const Windows &windows, Join join, Type element,
           ArrayRef<Value> perWindow, ScalarBody body) {
  size_t rank = windows.getRank();
  SmallVector<int64_t> extents(shapeOf(input).take_front(2));
  llvm::append_range(extents, windows.output);
  llvm::append_range(extents, windows.kernel);
  Read read{input, {loop(b, 0), loop(b, 1)}};
  for (size_t d = 0; d < rank; ++d) {
    read.at.push_back(windows.at(d, loop(b, 2 + d), loop(b, 2 + rank + d)));
  }
  auto results = llvm::to_vector(llvm::seq<unsigned>(0, unsigned(2 + rank)));
  SmallVector<Read> reads{read};
  for (Value each : perWindow) {
    reads.push_back(readAt(b, each, results));
  }
  return overLoops(b, extents, reads, results, join, element, body);
}

Value itself(ImplicitLocOpBuilder &, ValueRange in) { return in[0]; }

/// The place of the first maximum of each window: its index in the input as one dimension.
Value getIndices(NodeOp op, ImplicitLocOpBuilder &b, Value padded, Value most,
                 const Windows &windows) {
  size_t rank = windows.getRank();
  auto place = [&](ImplicitLocOpBuilder &in, ValueRange x) {
    Value index = scalarInt(in, 0), found = isEqual(in, x[0], x[1]);
    for (size_t d = 0; d < rank; ++d) {
      Value at = mul(in, loopIndex(in, int64_t(2 + d)), scalarInt(in, windows.strides[d]));
      at = add(in, at,
               mul(in, loopIndex(in, int64_t(2 + rank + d)), scalarInt(in, windows.dilations[d])));
      at = sub(in, at, scalarInt(in, windows.low[d]));
      // Padding is no maximum, not even where all is as small as that.
      for (Value outside : {isLess(in, at, scalarInt(in, 0)),
                            isLess(in, scalarInt(in, windows.input[d] - 1), at)}) {
        found = select(in, outside, scalarBool(in, false), found);
      }
      index = add(in, mul(in, index, scalarInt(in, windows.input[d])), at);
    }
    return select(in, found, index, scalarInt(in, INT32_MAX));
  };
  Value first = pool(b, padded, windows, Join::Min, b.getI32Type(), most, place);
  bool isColumnMajor = getInt(op, "storage_order", 0) != 0;
  int64_t channels = shapeOf(padded)[1], size = 1;
  for (int64_t extent : windows.input) {
    size *= extent;
  }
  return each(b, first, [&](ImplicitLocOpBuilder &in, ValueRange x) {
    Value index = x[0];
    if (isColumnMajor) {
      Value rest = index, turned = scalarInt(in, 0);
      int64_t step = size;
      for (size_t d = rank; d-- > 0;) {
        Value extent = scalarInt(in, windows.input[d]);
        Value quotient = arith::DivSIOp::create(in, rest, extent);
        step /= windows.input[d];
        turned =
            add(in, turned, mul(in, sub(in, rest, mul(in, quotient, extent)), scalarInt(in, step)));
        rest = quotient;
      }
      index = turned;
    }
    Value channel = add(in, mul(in, loopIndex(in, 0), scalarInt(in, channels)), loopIndex(in, 1));
    return add(in, mul(in, channel, scalarInt(in, size)), index);
  });
}

SmallVector<Value> convertMaxPool(NodeOp op, ValueRange inputs, ImplicitLocOpBuilder &b) {
  Windows windows = getWindows(op, *getInts(op, "kernel_shape"));
  Type element = elementOf(op.getInputs()[0]);
  double least = isa<FloatType>(element) ? -INFINITY : double(getRange(element).first);
  Value padded = padForWindows(b, inputs[0], windows, least);
  Value most = pool(b, padded, windows, Join::Max, elementOf(padded), {}, itself);
  SmallVector<Value> results{most};
  if (op.getNumResults() > 1) {
    results.push_back(op.hasOutput(1) ? getIndices(op, b, padded, most, windows) : Value());
  }
  return results;
}

/// How many elements of the input, or of the input with its padding, each window has.
SmallVector<float> getCounts(const Windows &windows, bool countsPadding) {
  SmallVector<float> counts{1};
  for (size_t d = 0; d < windows.getRank(); ++d) {
    SmallVector<float> longer;
    int64_t first = countsPadding ? 0 : windows.low[d];
    int64_t end = windows.low[d] + windows.input[d] + (countsPadding ? windows.high[d] : 0);
    for (float count : counts) {
      for (int64_t o = 0; o < windows.output[d]; ++o) {
        int64_t inside = 0;
        for (int64_t k = 0; k < windows.kernel[d]; ++k) {
          int64_t at = o * windows.strides[d] + k * windows.dilations[d];
          inside += at >= first && at < end;
        }
        longer.push_back(count * float(inside));
      }
    }
    counts = longer;
  }
  return counts;
}

SmallVector<Value> convertAveragePool(NodeOp op, ValueRange inputs, ImplicitLocOpBuilder &b) {
  Windows windows = getWindows(op, *getInts(op, "kernel_shape"));
  Value padded = padForWindows(b, inputs[0], windows, 0);
  Value sum = pool(b, padded, windows, Join::Add, b.getF32Type(), {}, itself);
  SmallVector<float> counts = getCounts(windows, getInt(op, "count_include_pad", 0) != 0);
  if (llvm::all_equal(counts)) {
    return {each(b, sum, [&](ImplicitLocOpBuilder &in, ValueRange x) {
      return divide(in, x[0], scalarFloat(in, counts.empty() ? 1 : counts[0]));
    })};
  }
  return {each(b, {sum, constantFloats(b, windows.output, counts)}, binary<divide>)};
}

SmallVector<Value> convertLpPool(NodeOp op, ValueRange inputs, ImplicitLocOpBuilder &b) {
  Windows windows = getWindows(op, *getInts(op, "kernel_shape"));
  // A float in version 1.
  float p = getFloat(op, "p", float(getInt(op, "p", 2)));
  Value padded = padForWindows(b, inputs[0], windows, 0);
  Value sum = pool(b, padded, windows, Join::Add, b.getF32Type(), {},
                   [&](ImplicitLocOpBuilder &in, ValueRange x) {
                     return powerOf(in, math::AbsFOp::create(in, x[0]), p);
                   });
  return {
      each(b, sum, [&](ImplicitLocOpBuilder &in, ValueRange x) { return rootOf(in, x[0], p); })};
}

} // namespace

namespace lpu::onnx_lowering {
ArrayRef<Rule> getPoolingRules() {
  static const Rule rules[] = {
      {"", "MaxPool", 1, whyNotPool, convertMaxPool, Elements::Moved},
      {"", "AveragePool", 1, whyNotPool, convertAveragePool},
      {"", "LpPool", 1, whyNotPool, convertLpPool},
  };
  return rules;
}
} // namespace lpu::onnx_lowering
