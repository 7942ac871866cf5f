//===- Features.cpp - Operators on features, of classical models ----------===//

#include "Loops.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using mlir::onnx::NodeOp;

namespace lpu::onnx_lowering {
namespace {

/// One row a vector, whatever the rank of the indices.
SmallVector<Value> convertFeatures(NodeOp op, ValueRange inputs, ImplicitLocOpBuilder &b) {
  Value indices = reshapeTo(b, inputs[1], typeOf(inputs[1]).getNumElements());
  Value result = gatherAlong(b, inputs[0], indices, typeOf(inputs[0]).getRank() - 1);
  return {reshapeTo(b, result, outputType(op, 0).getShape())};
}

/// Numbers of the first of `names` that a node has.
std::optional<SmallVector<double>> getNumbers(NodeOp op, std::initializer_list<StringRef> names) {
  for (StringRef name : names) {
    Attribute attribute = op.getNodeAttr(name);
    SmallVector<double> numbers;
    if (auto ints = dyn_cast_or_null<DenseI64ArrayAttr>(attribute)) {
      llvm::append_range(numbers, ints.asArrayRef());
      return numbers;
    }
    if (auto floats = dyn_cast_or_null<DenseF32ArrayAttr>(attribute)) {
      llvm::append_range(numbers, floats.asArrayRef());
      return numbers;
    }
    if (auto elements = dyn_cast_or_null<DenseElementsAttr>(attribute)) {
      if (isa<FloatType>(elements.getElementType())) {
        for (APFloat number : elements.getValues<APFloat>()) {
          bool loses = false;
          number.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &loses);
          numbers.push_back(number.convertToDouble());
        }
        return numbers;
      }
      if (isa<IntegerType>(elements.getElementType())) {
        for (const APInt &number : elements.getValues<APInt>()) {
          numbers.push_back(double(number.getSExtValue()));
        }
        return numbers;
      }
    }
  }
  return std::nullopt;
}

//===----------------------------------------------------------------------===//
// LabelEncoder
//===----------------------------------------------------------------------===//

std::string whyNotLabels(NodeOp op) {
  std::string reason = whyNotRanked(op);
  if (!reason.empty()) {
    return reason;
  }
  auto keys = getNumbers(op, {"keys_int64s", "keys_floats", "keys_tensor"});
  auto values = getNumbers(op, {"values_int64s", "values_floats", "values_tensor"});
  return !keys                            ? "the keys are not numbers"
         : !values                        ? "the values are not numbers"
         : keys->size() != values->size() ? "there are not as many values as keys"
                                          : "";
}

SmallVector<Value> convertLabels(NodeOp op, ValueRange inputs, ImplicitLocOpBuilder &b) {
  SmallVector<double> keys = *getNumbers(op, {"keys_int64s", "keys_floats", "keys_tensor"});
  SmallVector<double> values = *getNumbers(op, {"values_int64s", "values_floats", "values_tensor"});
  auto type = getCarriedTensor(op.getResult(0).getType());
  bool isFloat = type.getElementType().isF32();
  auto tensor = getNumbers(op, {"default_tensor"});
  values.push_back(tensor && !tensor->empty() ? tensor->front()
                   : isFloat                  ? getFloat(op, "default_float", -0.0f)
                                              : double(getInt(op, "default_int64", -1)));
  auto make = [&](ArrayRef<double> numbers, bool floats) {
    return floats ? makeFloats(b, int64_t(numbers.size()), numbers)
                  : makeInts(b, int64_t(numbers.size()),
                             SmallVector<int64_t>(numbers.begin(), numbers.end()));
  };
  // A key is one of a few, else the place after them.
  int64_t count = int64_t(keys.size());
  unsigned rank = unsigned(type.getRank());
  Value place = reduceLoops(
      b, type.getShape(), count, b.getI32Type(), Combine::Least,
      {Access(inputs[0]), Access(make(keys, elementOf(inputs[0]).isF32()), {loopAt(b, rank)})},
      [&](const Point &point) {
        return select(point[0] == point[1], point.loop(rank), double(count));
      });
  return {gatherAlong(b, make(values, isFloat), place)};
}

//===----------------------------------------------------------------------===//
// TfIdfVectorizer
//===----------------------------------------------------------------------===//

std::string whyNotGrams(NodeOp op) {
  std::string reason = whyNotRanked(op);
  StringRef mode = getString(op, "mode", "TF");
  return !reason.empty()                                    ? reason
         : !getIntList(op, "pool_int64s")                   ? "the pool is not of integers"
         : !getIntList(op, "ngram_counts")                  ? "ngram_counts is not given"
         : !getIntList(op, "ngram_indexes")                 ? "ngram_indexes is not given"
         : mode != "TF" && mode != "IDF" && mode != "TFIDF" ? ("mode is " + mode).str()
                                                            : "";
}

/// How often every n-gram of `grams` (one a row) is in a row of `data`, with `skips` items left out
/// between two.
Value countGrams(ImplicitLocOpBuilder &b, Value data, Value grams, int64_t skips) {
  int64_t size = shapeOf(grams)[1];
  int64_t starts = shapeOf(data)[1] - (size - 1) * (skips + 1);
  SmallVector<Access> reads;
  for (int64_t j = 0; j < size; ++j) {
    Value items = sliceAxis(b, data, 1, j * (skips + 1), starts);
    reads.push_back(Access(items, {loopAt(b, 0), loopAt(b, 2)}));
    reads.push_back(Access(grams, {loopAt(b, 1), fixedAt(b, j)}));
  }
  return reduceLoops(b, {shapeOf(data)[0], shapeOf(grams)[0]}, starts, b.getF32Type(), Combine::Sum,
                     reads, [&](const Point &point) {
                       Scalar isHere = point[0] == point[1];
                       for (unsigned j = 1; j < size; ++j) {
                         isHere = isHere & (point[2 * j] == point[2 * j + 1]);
                       }
                       return select(isHere, point.number(1), 0);
                     });
}

SmallVector<Value> convertGrams(NodeOp op, ValueRange inputs, ImplicitLocOpBuilder &b) {
  SmallVector<int64_t> pool = *getIntList(op, "pool_int64s");
  SmallVector<int64_t> sections = *getIntList(op, "ngram_counts");
  SmallVector<int64_t> columns = *getIntList(op, "ngram_indexes");
  int64_t least = getInt(op, "min_gram_length", 1), most = getInt(op, "max_gram_length", 1);
  int64_t mostSkips = getInt(op, "max_skip_count", 0);
  ArrayRef<int64_t> shape = shapeOf(inputs[0]);
  int64_t rows = shape.size() == 2 ? shape[0] : 1;
  int64_t items = shape.empty() ? 1 : shape.back();
  Value data = reshapeTo(b, inputs[0], {rows, items});
  SmallVector<Value> counts;
  sections.push_back(int64_t(pool.size()));
  for (int64_t size = 1; size < int64_t(sections.size()); ++size) {
    int64_t first = sections[size_t(size - 1)], end = sections[size_t(size)];
    int64_t count = (end - first) / size;
    if (count == 0) {
      continue;
    }
    Value sum = makeFloats(b, {rows, count}, SmallVector<double>(size_t(rows * count), 0));
    Value grams =
        makeInts(b, {count, size}, ArrayRef(pool).slice(size_t(first), size_t(count * size)));
    // Nothing is left out of one item.
    int64_t skips = size < least || size > most ? -1 : size == 1 ? 0 : mostSkips;
    for (int64_t skip = 0; skip <= skips && items > (size - 1) * (skip + 1); ++skip) {
      Value found = countGrams(b, data, grams, skip);
      sum = skip == 0 ? found
                      : mapLoops(b, {rows, count}, b.getF32Type(), {Access(sum), Access(found)},
                                 [](const Point &point) { return point[0] + point[1]; });
    }
    counts.push_back(sum);
  }
  // A column of zeros for what no n-gram is counted in.
  int64_t width = outputType(op, 0).getShape().back();
  int64_t grams = int64_t(columns.size());
  SmallVector<int64_t> gramOf(size_t(width), grams);
  for (auto [gram, column] : llvm::enumerate(columns)) {
    if (column < width) {
      gramOf[size_t(column)] = int64_t(gram);
    }
  }
  counts.push_back(makeFloats(b, {rows, 1}, SmallVector<double>(size_t(rows), 0)));
  Value result = take(b, concatenate(b, counts, 1), 1, gramOf);
  StringRef mode = getString(op, "mode", "TF");
  if (mode != "TF") {
    SmallVector<double> weights(size_t(width), 1);
    if (auto given = dyn_cast_or_null<DenseF32ArrayAttr>(op.getNodeAttr("weights"))) {
      llvm::copy(given.asArrayRef().take_front(size_t(width)), weights.begin());
    }
    result =
        mapLoops(b, {rows, width}, b.getF32Type(),
                 {Access(result), Access(makeFloats(b, width, weights), {loopAt(b, 1)})},
                 [&](const Point &point) {
                   return mode == "IDF" ? select(point[0] > 0, point[1], 0) : point[0] * point[1];
                 });
  }
  return {reshapeTo(b, result, outputType(op, 0).getShape())};
}

//===----------------------------------------------------------------------===//
// TreeEnsemble
//===----------------------------------------------------------------------===//

/// Decisions of all nodes are made at once; a leaf is reached if all decisions above it are its
/// way.
struct Ensemble {
  struct Path {
    int64_t leaf;
    SmallVector<std::pair<int64_t, bool>> decisions;
  };

  explicit Ensemble(NodeOp op) : op(op) {
    auto list = [&](StringRef name) {
      return getIntList(op, name).value_or(SmallVector<int64_t>());
    };
    for (int64_t root : list("tree_roots")) {
      trueIds = list("nodes_truenodeids"), falseIds = list("nodes_falsenodeids");
      trueLeafs = list("nodes_trueleafs"), falseLeafs = list("nodes_falseleafs");
      Path path;
      bool isLeaf = size_t(root) < trueLeafs.size() && trueLeafs[size_t(root)] &&
                    falseLeafs[size_t(root)] && trueIds[size_t(root)] == falseIds[size_t(root)];
      isTree &= isLeaf || size_t(root) < trueLeafs.size();
      if (isLeaf) {
        paths.push_back({trueIds[size_t(root)], {}});
      } else if (isTree) {
        walk(root, path);
      }
    }
  }

  void walk(int64_t node, Path &path) {
    // Deeper than there are nodes: a circle.
    if (path.decisions.size() > trueIds.size() || size_t(node) >= trueIds.size() || !isTree) {
      isTree = false;
      return;
    }
    for (bool way : {true, false}) {
      path.decisions.push_back({node, way});
      int64_t next = (way ? trueIds : falseIds)[size_t(node)];
      if ((way ? trueLeafs : falseLeafs)[size_t(node)]) {
        paths.push_back({next, path.decisions});
      } else {
        walk(next, path);
      }
      path.decisions.pop_back();
    }
  }

  NodeOp op;
  SmallVector<int64_t> trueIds, falseIds, trueLeafs, falseLeafs;
  SmallVector<Path> paths;
  bool isTree = true;
};

enum Mode : int64_t { kLessEqual, kLess, kGreaterEqual, kGreater, kEqual, kNotEqual, kMember };

std::string whyNotTrees(NodeOp op) {
  std::string reason = whyNotRanked(op);
  if (!reason.empty()) {
    return reason;
  }
  for (StringRef name : {"nodes_splits", "nodes_modes", "leaf_weights"}) {
    if (!getNumbers(op, {name})) {
      return (name + " is not given").str();
    }
  }
  if (int64_t transform = getInt(op, "post_transform", 0)) {
    return ("post_transform is " + Twine(transform)).str();
  }
  return Ensemble(op).isTree ? "" : "the nodes are no trees";
}

SmallVector<Value> convertTrees(NodeOp op, ValueRange inputs, ImplicitLocOpBuilder &b) {
  Ensemble ensemble(op);
  SmallVector<double> splits = *getNumbers(op, {"nodes_splits"});
  SmallVector<double> modes = *getNumbers(op, {"nodes_modes"});
  SmallVector<double> weights = *getNumbers(op, {"leaf_weights"});
  SmallVector<int64_t> features = *getIntList(op, "nodes_featureids");
  SmallVector<int64_t> targets = *getIntList(op, "leaf_targetids");
  int64_t nodes = int64_t(modes.size()), samples = shapeOf(inputs[0])[0];
  int64_t leaves = int64_t(ensemble.paths.size()), count = outputType(op, 0).getDimSize(1);
  Type i32 = b.getI32Type();
  auto asInts = [](ArrayRef<double> numbers) {
    return SmallVector<int64_t>(numbers.begin(), numbers.end());
  };
  // One row a node: its feature of every sample.
  Value data = take(b, transpose(b, inputs[0], {1, 0}), 0, features);
  SmallVector<int64_t> missing = getIntList(op, "nodes_missing_value_tracks_true")
                                     .value_or(SmallVector<int64_t>(size_t(nodes), 0));
  bool tracks = llvm::is_contained(missing, 1);
  llvm::SmallDenseSet<int64_t> used;
  for (double mode : modes) {
    used.insert(int64_t(mode));
  }
  auto ofNode = [&](Value value) { return Access(value, {loopAt(b, 0)}); };
  SmallVector<Access> reads{Access(data), ofNode(makeFloats(b, nodes, splits)),
                            ofNode(makeInts(b, nodes, asInts(modes))),
                            ofNode(makeInts(b, nodes, missing))};
  if (used.contains(kMember)) {
    // As many members a node as the one with the most, filled with NaN, which nothing equals.
    SmallVector<double> members =
        getNumbers(op, {"membership_values"}).value_or(SmallVector<double>());
    SmallVector<SmallVector<double>> sets(static_cast<size_t>(nodes));
    size_t next = 0, most = 1;
    for (int64_t node = 0; node < nodes; ++node) {
      for (; modes[size_t(node)] == kMember && next < members.size(); ++next) {
        if (std::isnan(members[next])) {
          ++next;
          break;
        }
        sets[size_t(node)].push_back(members[next]);
      }
      most = std::max(most, sets[size_t(node)].size());
    }
    SmallVector<double> table;
    for (SmallVector<double> &set : sets) {
      set.resize(most, std::numeric_limits<double>::quiet_NaN());
      llvm::append_range(table, set);
    }
    Value isMember = reduceLoops(
        b, {nodes, samples}, int64_t(most), b.getI1Type(), Combine::Any,
        {Access(data, {loopAt(b, 0), loopAt(b, 1)}),
         Access(makeFloats(b, {nodes, int64_t(most)}, table), {loopAt(b, 0), loopAt(b, 2)})},
        [](const Point &point) { return point[0] == point[1]; });
    reads.push_back(Access(isMember));
  }
  Value decisions = mapLoops(b, {nodes, samples}, i32, reads, [&](const Point &point) {
    Scalar x = point[0], split = point[1];
    std::optional<Scalar> result;
    auto add = [&](Mode mode, llvm::function_ref<Scalar()> compare) {
      if (used.contains(mode)) {
        result = result ? select(point[2] == double(mode), compare(), *result) : compare();
      }
    };
    add(kLessEqual, [&] { return x <= split; });
    add(kLess, [&] { return x < split; });
    add(kGreaterEqual, [&] { return x >= split; });
    add(kGreater, [&] { return x > split; });
    add(kEqual, [&] { return x == split; });
    add(kNotEqual, [&] { return x != split; });
    add(kMember, [&] { return point[4]; });
    return toInt(tracks ? *result | ((x != x) & (point[3] != 0)) : *result);
  });
  // The decisions above every leaf, and what they have to be; 2 is as they are.
  size_t depth = 1;
  for (const Ensemble::Path &path : ensemble.paths) {
    depth = std::max(depth, path.decisions.size());
  }
  SmallVector<int64_t> places, ways, targetOf;
  SmallVector<double> weightOf;
  for (const Ensemble::Path &path : ensemble.paths) {
    for (size_t k = 0; k < depth; ++k) {
      bool isThere = k < path.decisions.size();
      places.push_back(isThere ? path.decisions[k].first : 0);
      ways.push_back(isThere ? path.decisions[k].second : 2);
    }
    targetOf.push_back(targets[size_t(path.leaf)]);
    weightOf.push_back(weights[size_t(path.leaf)]);
  }
  Value above = reshapeTo(b, take(b, decisions, 0, places), {leaves, int64_t(depth), samples});
  Value isReached = reduceLoops(
      b, {leaves, samples}, int64_t(depth), b.getI1Type(), Combine::All,
      {Access(above, {loopAt(b, 0), loopAt(b, 2), loopAt(b, 1)}),
       Access(makeInts(b, {leaves, int64_t(depth)}, ways), {loopAt(b, 0), loopAt(b, 2)})},
      [](const Point &point) { return (point[1] == 2) | (point[0] == point[1]); });
  int64_t aggregate = getInt(op, "aggregate_function", 1); // average, sum, least, most
  Combine combine = aggregate == 2 ? Combine::Least : aggregate == 3 ? Combine::Most : Combine::Sum;
  double none = aggregate == 2   ? std::numeric_limits<float>::max()
                : aggregate == 3 ? std::numeric_limits<float>::lowest()
                                 : 0;
  double trees = double(getIntList(op, "tree_roots")->size());
  Value result = reduceLoops(b, {samples, count}, leaves, b.getF32Type(), combine,
                             {Access(isReached, {loopAt(b, 2), loopAt(b, 0)}),
                              Access(makeInts(b, leaves, targetOf), {loopAt(b, 2)}),
                              Access(makeFloats(b, leaves, weightOf), {loopAt(b, 2)})},
                             [&](const Point &point) {
                               Scalar weight = aggregate == 0 ? point[2] * (1 / trees) : point[2];
                               return select(point[0] & (point[1] == point.loop(1)), weight, none);
                             });
  return {result};
}

} // namespace

ArrayRef<Rule> getFeatureRules() {
  static const Rule rules[] = {
      {"ai.onnx.ml", "ArrayFeatureExtractor", 1, whyNotRanked, convertFeatures, Elements::Moved},
      {"ai.onnx.ml", "LabelEncoder", 2, whyNotLabels, convertLabels, Elements::Moved},
      {"ai.onnx.ml", "TreeEnsemble", 5, whyNotTrees, convertTrees},
      {"", "TfIdfVectorizer", 9, whyNotGrams, convertGrams},
  };
  return rules;
}
} // namespace lpu::onnx_lowering
