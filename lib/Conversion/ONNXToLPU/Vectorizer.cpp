//===- Vectorizer.cpp - TfIdfVectorizer -----------------------------------===//

#include "Terms.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using mlir::onnx::NodeOp;
using namespace ::lpu::onnx_lowering;

namespace {

std::string whyNotVectorizer(NodeOp op) {
  std::string reason = whyNotRanked(op);
  if (!reason.empty()) {
    return reason;
  }
  if (!getInts(op, "pool_int64s")) {
    return "pool_int64s is not given";
  }
  if (!getInts(op, "ngram_counts") || !getInts(op, "ngram_indexes")) {
    return "ngram_counts or ngram_indexes is not given";
  }
  StringRef mode = getString(op, "mode", "TF");
  if (mode != "TF" && mode != "IDF" && mode != "TFIDF") {
    return "mode is " + mode.str();
  }
  int64_t rank = typeOf(op.getInputs()[0]).getRank();
  return rank != 1 && rank != 2 ? "the input has not rank 1 or 2" : "";
}

/// How often each gram of the pool occurs in each row: grams of one length are compared with
/// every place of a row at once.
SmallVector<Value> convertVectorizer(NodeOp op, ValueRange inputs, ImplicitLocOpBuilder &b) {
  SmallVector<int64_t> pool = *getInts(op, "pool_int64s"), starts = *getInts(op, "ngram_counts");
  SmallVector<int64_t> columns = *getInts(op, "ngram_indexes");
  int64_t least = getInt(op, "min_gram_length", 1), most = getInt(op, "max_gram_length", 1);
  int64_t skips = getInt(op, "max_skip_count", 0), width = shapeOf(op.getResult(0)).back();
  Value x = inputs[0];
  if (typeOf(x).getRank() == 1) {
    x = reshapeTo(b, x, {1, shapeOf(x)[0]});
  }
  int64_t rows = shapeOf(x)[0], items = shapeOf(x)[1];
  Value counts = fill(b, {rows, width}, scalarFloat(b, 0));
  size_t gram = 0; // of all lengths
  for (size_t index = 0; index < starts.size(); ++index) {
    int64_t length = int64_t(index) + 1, first = starts[index];
    int64_t end = index + 1 < starts.size() ? starts[index + 1] : int64_t(pool.size());
    int64_t grams = (end - first) / length;
    size_t firstGram = gram;
    gram += size_t(grams);
    if (length < least || length > most || grams == 0) {
      continue;
    }
    SmallVector<int32_t> parts;
    for (int64_t item : ArrayRef(pool).slice(size_t(first), size_t(grams * length))) {
      parts.push_back(int32_t(item));
    }
    Value table = constantInts(b, {grams, length}, parts);
    // Where a gram counts in the result.
    SmallVector<float> places(size_t(grams * width), 0);
    for (int64_t g = 0; g < grams; ++g) {
      places[size_t(g * width + columns[firstGram + size_t(g)])] = 1;
    }
    Value place = constantFloats(b, {grams, width}, places);
    // Single items know no distance: they count once.
    for (int64_t step = 1; step <= (length == 1 ? 1 : skips + 1); ++step) {
      int64_t places = items - (length - 1) * step;
      if (places <= 0) {
        continue;
      }
      // Loops: row, gram, place.
      SmallVector<Read> reads;
      for (int64_t k = 0; k < length; ++k) {
        reads.push_back({x, {loop(b, 0), loop(b, 2) + k * step}});
        reads.push_back({table, {loop(b, 1), b.getAffineConstantExpr(k)}});
      }
      Value found = overLoops(
          b, {rows, grams, places}, reads, {0, 1}, Join::Add, b.getF32Type(),
          [](ImplicitLocOpBuilder &in, ValueRange v) {
            Value same = isEqual(in, v[0], v[1]);
            for (size_t k = 2; k < v.size(); k += 2) {
              same = arith::AndIOp::create(in, same, isEqual(in, v[k], v[k + 1]));
            }
            return toFloat(in, same);
          });
      counts = each(b, {counts, matmul(b, found, place)}, binary<add>);
    }
  }
  StringRef mode = getString(op, "mode", "TF");
  if (mode != "TF") {
    SmallVector<float> weights(size_t(width), 1);
    if (auto given = getFloats(op, "weights")) {
      for (auto [column, weight] : llvm::zip(columns, *given)) {
        weights[size_t(column)] = weight;
      }
    }
    bool once = mode == "IDF";
    counts = each(b, {counts, constantFloats(b, {width}, weights)},
                  [&](ImplicitLocOpBuilder &in, ValueRange v) {
                    Value count = once ? smaller(in, v[0], scalarFloat(in, 1)) : v[0];
                    return mul(in, count, v[1]);
                  });
  }
  return {reshapeTo(b, counts, shapeOf(op.getResult(0)))};
}

} // namespace

namespace lpu::onnx_lowering {
ArrayRef<Rule> getVectorizerRules() {
  static const Rule rules[] = {
      {"", "TfIdfVectorizer", 9, whyNotVectorizer, convertVectorizer},
  };
  return rules;
}
} // namespace lpu::onnx_lowering
