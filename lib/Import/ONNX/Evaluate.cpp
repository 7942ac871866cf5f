//===- Evaluate.cpp - Values of small constant nodes ----------------------===//
//
// What docs/Rationale/Folding.md says is evaluated here, and nothing else. An evaluator
// returns none for what it does not do; it never guesses.
//
//===----------------------------------------------------------------------===//

#include "Evaluate.h"

#include "Tensors.h"

#include "llvm/ADT/APFloat.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringMap.h"

#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <numeric>

using llvm::APFloat;
using llvm::ArrayRef;
using ::onnx::TensorProto;

namespace lpu::import {
namespace {

using Dims = std::vector<int64_t>;
using Result = std::optional<Numbers>;
using Results = std::optional<std::vector<Numbers>>;

struct ElementType {
  unsigned bits;
  bool isSigned;
  const llvm::fltSemantics *semantics; ///< null for integers
};

std::optional<ElementType> getElement(int32_t type) {
  switch (type) {
  case TensorProto::FLOAT:
    return ElementType{32, true, &APFloat::IEEEsingle()};
  case TensorProto::DOUBLE:
    return ElementType{64, true, &APFloat::IEEEdouble()};
  case TensorProto::FLOAT16:
    return ElementType{16, true, &APFloat::IEEEhalf()};
  case TensorProto::BFLOAT16:
    return ElementType{16, true, &APFloat::BFloat()};
  case TensorProto::BOOL:
    return ElementType{8, false, nullptr};
  case TensorProto::INT8:
    return ElementType{8, true, nullptr};
  case TensorProto::INT16:
    return ElementType{16, true, nullptr};
  case TensorProto::INT32:
    return ElementType{32, true, nullptr};
  case TensorProto::INT64:
    return ElementType{64, true, nullptr};
  case TensorProto::UINT8:
    return ElementType{8, false, nullptr};
  case TensorProto::UINT16:
    return ElementType{16, false, nullptr};
  case TensorProto::UINT32:
    return ElementType{32, false, nullptr};
  case TensorProto::UINT64:
    return ElementType{64, false, nullptr};
  default:
    return std::nullopt;
  }
}

bool isRealType(int32_t type) {
  auto element = getElement(type);
  return element && element->semantics;
}

double roundTo(int32_t type, double value) {
  if (type == TensorProto::FLOAT) {
    return static_cast<double>(static_cast<float>(value));
  }
  if (type == TensorProto::DOUBLE) {
    return value;
  }
  APFloat number(value);
  bool inexact = false;
  number.convert(*getElement(type)->semantics, APFloat::rmNearestTiesToEven, &inexact);
  number.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &inexact);
  return number.convertToDouble();
}

int64_t wrapTo(int32_t type, int64_t value) {
  if (type == TensorProto::BOOL) {
    return value != 0;
  }
  ElementType element = *getElement(type);
  if (element.bits == 64) {
    return value;
  }
  uint64_t low = static_cast<uint64_t>(value) & ((uint64_t(1) << element.bits) - 1);
  bool negative = element.isSigned && (low >> (element.bits - 1));
  return static_cast<int64_t>(negative ? low - (uint64_t(1) << element.bits) : low);
}

int64_t count(ArrayRef<int64_t> dims) {
  int64_t product = 1;
  for (int64_t dim : dims) {
    if (dim < 0 || __builtin_mul_overflow(product, dim, &product)) {
      return -1;
    }
  }
  return product;
}

bool isSmall(ArrayRef<int64_t> dims) {
  int64_t elements = count(dims);
  return elements >= 0 && elements <= kMaxFoldedElements;
}

Numbers make(int32_t type, Dims dims) {
  Numbers result;
  result.type = type;
  result.dims = std::move(dims);
  auto elements = static_cast<size_t>(count(result.dims));
  if (result.isReal()) {
    result.reals.resize(elements);
  } else {
    result.ints.resize(elements);
  }
  return result;
}

Dims stridesOf(ArrayRef<int64_t> dims) {
  Dims strides(dims.size(), 1);
  for (size_t i = dims.size(); i-- > 1;) {
    strides[i - 1] = strides[i] * dims[i];
  }
  return strides;
}

/// Calls `visit` with the position in each dimension, in row-major order.
void forEach(ArrayRef<int64_t> dims, llvm::function_ref<void(ArrayRef<int64_t>)> visit) {
  Dims position(dims.size(), 0);
  for (int64_t i = 0, end = count(dims); i < end; ++i) {
    visit(position);
    for (size_t axis = dims.size(); axis-- > 0;) {
      if (++position[axis] < dims[axis]) {
        break;
      }
      position[axis] = 0;
    }
  }
}

int64_t dot(ArrayRef<int64_t> a, ArrayRef<int64_t> b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), int64_t(0));
}

void copyElement(const Numbers &from, int64_t source, Numbers &to, int64_t target) {
  if (from.isReal()) {
    to.reals[target] = from.reals[source];
  } else {
    to.ints[target] = from.ints[source];
  }
}

/// The tensor of `dims` whose elements lie in `from` where `index` says.
Result take(const Numbers &from, Dims dims, llvm::function_ref<int64_t(ArrayRef<int64_t>)> index) {
  if (!isSmall(dims)) {
    return std::nullopt;
  }
  Numbers result = make(from.type, dims);
  int64_t target = 0;
  bool valid = true;
  forEach(dims, [&](ArrayRef<int64_t> position) {
    int64_t source = index(position);
    if (source < 0 || source >= from.size()) {
      valid = false;
    } else {
      copyElement(from, source, result, target);
    }
    ++target;
  });
  return valid ? Result(std::move(result)) : std::nullopt;
}

std::optional<Dims> broadcast(ArrayRef<int64_t> a, ArrayRef<int64_t> b) {
  Dims dims(std::max(a.size(), b.size()), 1);
  for (size_t i = 0; i < dims.size(); ++i) {
    int64_t x = i < a.size() ? a[a.size() - 1 - i] : 1;
    int64_t y = i < b.size() ? b[b.size() - 1 - i] : 1;
    if (x != y && x != 1 && y != 1) {
      return std::nullopt;
    }
    dims[dims.size() - 1 - i] = x == 1 ? y : x;
  }
  return dims;
}

Result expandTo(const Numbers &from, const Dims &dims) {
  Dims strides = stridesOf(from.dims);
  size_t skip = dims.size() - from.dims.size();
  return take(from, dims, [&](ArrayRef<int64_t> position) {
    int64_t source = 0;
    for (size_t i = 0; i < from.dims.size(); ++i) {
      source += from.dims[i] == 1 ? 0 : position[skip + i] * strides[i];
    }
    return source;
  });
}

Result reshapeTo(const Numbers &from, Dims dims) {
  if (count(dims) != from.size()) {
    return std::nullopt;
  }
  Numbers result = from;
  result.dims = std::move(dims);
  return result;
}

/// A node with its inputs.
class Node {
public:
  Node(const ::onnx::NodeProto &node, ArrayRef<NumbersPtr> inputs, ArrayRef<int32_t> types)
      : node(node), inputs(inputs), types(types) {}

  const Numbers *in(size_t index) const {
    return index < inputs.size() ? inputs[index].get() : nullptr;
  }
  size_t numInputs() const { return inputs.size(); }
  size_t numOutputs() const { return types.size(); }
  int32_t outType(size_t index = 0) const { return types[index]; }

  const ::onnx::AttributeProto *attr(llvm::StringRef name) const {
    for (const auto &candidate : node.attribute()) {
      if (candidate.name() == name) {
        return &candidate;
      }
    }
    return nullptr;
  }
  int64_t attrInt(llvm::StringRef name, int64_t otherwise) const {
    const auto *found = attr(name);
    return found ? found->i() : otherwise;
  }
  /// The integers of an attribute, or of the input that later versions have instead.
  std::optional<Dims> list(llvm::StringRef name, size_t input) const {
    if (const auto *found = attr(name)) {
      return Dims(found->ints().begin(), found->ints().end());
    }
    if (const Numbers *value = in(input); value && !value->isReal()) {
      return value->ints;
    }
    return std::nullopt;
  }

private:
  const ::onnx::NodeProto &node;
  ArrayRef<NumbersPtr> inputs;
  ArrayRef<int32_t> types;
};

/// Counts negative axes from the end; false where one is out of range.
bool normalizeAxes(Dims &axes, int64_t rank) {
  for (int64_t &axis : axes) {
    axis += axis < 0 ? rank : 0;
    if (axis < 0 || axis >= rank) {
      return false;
    }
  }
  return true;
}

std::optional<int64_t> getAxis(const Node &node, int64_t otherwise, int64_t rank) {
  Dims axis{node.attrInt("axis", otherwise)};
  return normalizeAxes(axis, rank) ? std::optional(axis.front()) : std::nullopt;
}

//===----------------------------------------------------------------------===//
// Elementwise
//===----------------------------------------------------------------------===//

using IntFunction = std::function<std::optional<int64_t>(int64_t, int64_t)>;
using RealFunction = std::function<double(double, double)>;

/// uint64 beyond int64 is right where bits are moved alone.
bool isOrdered(const Numbers &value) {
  return value.type != TensorProto::UINT64 ||
         llvm::none_of(value.ints, [](int64_t v) { return v < 0; });
}

/// Functions of two tensors with broadcasting. A comparison of floats gives a bool.
Result zip(const Node &node, const Numbers &a, const Numbers &b, const IntFunction &onInts,
           const RealFunction &onReals) {
  auto dims = broadcast(a.dims, b.dims);
  if (!dims || !isSmall(*dims) || a.isReal() != b.isReal() || !isOrdered(a) || !isOrdered(b)) {
    return std::nullopt;
  }
  Result x = expandTo(a, *dims), y = expandTo(b, *dims);
  Numbers result = make(node.outType(), *dims);
  for (int64_t i = 0, end = result.size(); i < end; ++i) {
    if (a.isReal()) {
      if (!onReals) {
        return std::nullopt;
      }
      double value = onReals(x->reals[i], y->reals[i]);
      if (result.isReal()) {
        result.reals[i] = roundTo(result.type, value);
      } else {
        result.ints[i] = wrapTo(result.type, static_cast<int64_t>(value));
      }
      continue;
    }
    auto value = onInts ? onInts(x->ints[i], y->ints[i]) : std::nullopt;
    if (!value || result.isReal()) {
      return std::nullopt;
    }
    result.ints[i] = wrapTo(result.type, *value);
  }
  return result;
}

using Evaluator = std::function<Results(const Node &)>;

Results one(Result result) {
  if (!result) {
    return std::nullopt;
  }
  std::vector<Numbers> results;
  results.push_back(std::move(*result));
  return results;
}

Evaluator binary(IntFunction onInts, RealFunction onReals) {
  return [=](const Node &node) -> Results {
    if (!node.in(0) || !node.in(1)) {
      return std::nullopt;
    }
    return one(zip(node, *node.in(0), *node.in(1), onInts, onReals));
  };
}

/// Min, Max, Sum: any number of inputs.
Evaluator variadic(IntFunction onInts, RealFunction onReals) {
  return [=](const Node &node) -> Results {
    Result result = node.in(0) ? Result(*node.in(0)) : std::nullopt;
    for (size_t i = 1; result && i < node.numInputs(); ++i) {
      result = node.in(i) ? zip(node, *result, *node.in(i), onInts, onReals) : std::nullopt;
    }
    return one(std::move(result));
  };
}

Evaluator unary(std::function<int64_t(int64_t)> onInts, std::function<double(double)> onReals) {
  return [=](const Node &node) -> Results {
    const Numbers *x = node.in(0);
    if (!x || !isOrdered(*x) || (x->isReal() ? !onReals : !onInts)) {
      return std::nullopt;
    }
    Numbers result = make(node.outType(), x->dims);
    for (int64_t i = 0, end = x->size(); i < end; ++i) {
      if (x->isReal() && result.isReal()) {
        result.reals[i] = roundTo(result.type, onReals(x->reals[i]));
      } else if (x->isReal()) {
        result.ints[i] = wrapTo(result.type, static_cast<int64_t>(onReals(x->reals[i])));
      } else {
        result.ints[i] = wrapTo(result.type, onInts(x->ints[i]));
      }
    }
    return one(std::move(result));
  };
}

uint64_t bitsOf(int64_t value) { return static_cast<uint64_t>(value); }
int64_t wrapping(uint64_t value) { return static_cast<int64_t>(value); }

std::optional<int64_t> divide(int64_t a, int64_t b) {
  return b == 0 ? std::nullopt : std::optional(b == -1 ? wrapping(0 - bitsOf(a)) : a / b);
}

Results evaluateMod(const Node &node) {
  bool asC = node.attrInt("fmod", 0) != 0;
  return binary(
      [asC](int64_t a, int64_t b) -> std::optional<int64_t> {
        if (b == 0) {
          return std::nullopt;
        }
        int64_t rest = b == -1 ? 0 : a % b;
        return !asC && rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
      },
      [asC](double a, double b) {
        double rest = std::fmod(a, b);
        return !asC && rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
      })(node);
}

std::optional<int64_t> power(int64_t base, int64_t exponent) {
  if (exponent < 0) {
    return std::nullopt;
  }
  uint64_t result = 1, factor = bitsOf(base);
  for (; exponent != 0; exponent >>= 1, factor *= factor) {
    result *= exponent & 1 ? factor : 1;
  }
  return wrapping(result);
}

Result cast(const Numbers &x, int32_t type) {
  if (!getElement(type) || !isOrdered(x)) {
    return std::nullopt;
  }
  Numbers result = make(type, x.dims);
  for (int64_t i = 0, end = x.size(); i < end; ++i) {
    if (result.isReal()) {
      if (x.isReal()) {
        result.reals[i] = roundTo(type, x.reals[i]);
      } else if (type == TensorProto::FLOAT) {
        // Rounded once.
        result.reals[i] = static_cast<double>(static_cast<float>(x.ints[i]));
      } else {
        result.reals[i] = roundTo(type, static_cast<double>(x.ints[i]));
      }
    } else if (!x.isReal()) {
      result.ints[i] = wrapTo(type, x.ints[i]);
    } else if (type == TensorProto::BOOL) {
      result.ints[i] = x.reals[i] != 0;
    } else if (!(std::abs(x.reals[i]) < 9.2e18)) {
      return std::nullopt;
    } else {
      result.ints[i] = wrapTo(type, static_cast<int64_t>(x.reals[i]));
    }
  }
  return result;
}

Results evaluateCast(const Node &node) {
  return node.in(0) ? one(cast(*node.in(0), node.outType())) : std::nullopt;
}

Results evaluateNot(const Node &node) {
  return unary([](int64_t v) { return int64_t(v == 0); }, nullptr)(node);
}

Results evaluateWhere(const Node &node) {
  const Numbers *c = node.in(0), *x = node.in(1), *y = node.in(2);
  if (!c || !x || !y || x->type != y->type) {
    return std::nullopt;
  }
  auto dims = broadcast(x->dims, y->dims);
  dims = dims ? broadcast(*dims, c->dims) : dims;
  if (!dims || !isSmall(*dims)) {
    return std::nullopt;
  }
  Result condition = expandTo(*c, *dims), yes = expandTo(*x, *dims), no = expandTo(*y, *dims);
  for (int64_t i = 0, end = yes->size(); i < end; ++i) {
    if (condition->ints[i] == 0) {
      copyElement(*no, i, *yes, i);
    }
  }
  return one(std::move(yes));
}

Results evaluateClip(const Node &node) {
  const Numbers *x = node.in(0);
  if (!x || node.attr("min") || node.attr("max")) {
    return std::nullopt;
  }
  Result result = *x;
  if (const Numbers *low = node.in(1)) {
    result = zip(
        node, *result, *low, [](int64_t a, int64_t b) { return std::max(a, b); },
        [](double a, double b) { return std::max(a, b); });
  }
  if (const Numbers *high = node.in(2); high && result) {
    result = zip(
        node, *result, *high, [](int64_t a, int64_t b) { return std::min(a, b); },
        [](double a, double b) { return std::min(a, b); });
  }
  return one(std::move(result));
}

//===----------------------------------------------------------------------===//
// Making and moving
//===----------------------------------------------------------------------===//

Results evaluateConstant(const Node &node) {
  if (const auto *value = node.attr("value")) {
    return one(decode(value->t()));
  }
  Numbers result;
  if (const auto *value = node.attr("value_int")) {
    result = make(TensorProto::INT64, {});
    result.ints[0] = value->i();
  } else if (const auto *value = node.attr("value_ints")) {
    result = make(TensorProto::INT64, {value->ints_size()});
    result.ints.assign(value->ints().begin(), value->ints().end());
  } else if (const auto *value = node.attr("value_float")) {
    result = make(TensorProto::FLOAT, {});
    result.reals[0] = static_cast<double>(value->f());
  } else if (const auto *value = node.attr("value_floats")) {
    result = make(TensorProto::FLOAT, {value->floats_size()});
    result.reals.assign(value->floats().begin(), value->floats().end());
  } else {
    return std::nullopt;
  }
  return one(std::move(result));
}

Results evaluateConstantOfShape(const Node &node) {
  if (!node.in(0) || node.in(0)->isReal() || !isSmall(node.in(0)->ints)) {
    return std::nullopt;
  }
  Numbers zero = make(TensorProto::FLOAT, {1});
  Result value = zero;
  if (const auto *given = node.attr("value")) {
    value = decode(given->t());
  }
  if (!value || value->size() != 1) {
    return std::nullopt;
  }
  return one(take(*value, node.in(0)->ints, [](ArrayRef<int64_t>) { return 0; }));
}

Results evaluateRange(const Node &node) {
  const Numbers *start = node.in(0), *limit = node.in(1), *delta = node.in(2);
  if (!start || !limit || !delta || start->size() != 1 || limit->size() != 1 ||
      delta->size() != 1) {
    return std::nullopt;
  }
  double steps = 0;
  if (start->isReal()) {
    steps = std::ceil((limit->reals[0] - start->reals[0]) / delta->reals[0]);
  } else if (delta->ints[0] != 0) {
    steps = std::ceil((static_cast<double>(limit->ints[0]) - static_cast<double>(start->ints[0])) /
                      static_cast<double>(delta->ints[0]));
  } else {
    return std::nullopt;
  }
  if (!(steps <= static_cast<double>(kMaxFoldedElements))) {
    return std::nullopt;
  }
  Numbers result = make(start->type, {static_cast<int64_t>(std::max(0.0, steps))});
  for (int64_t i = 0, end = result.size(); i < end; ++i) {
    if (start->isReal()) {
      result.reals[i] =
          roundTo(result.type, start->reals[0] + static_cast<double>(i) * delta->reals[0]);
    } else {
      result.ints[i] = start->ints[0] + i * delta->ints[0];
    }
  }
  return one(std::move(result));
}

Results evaluateEyeLike(const Node &node) {
  const Numbers *x = node.in(0);
  if (!x || x->dims.size() != 2 || !getElement(node.outType()) || !isSmall(x->dims)) {
    return std::nullopt;
  }
  Numbers result = make(node.outType(), x->dims);
  int64_t k = node.attrInt("k", 0), i = 0;
  forEach(x->dims, [&](ArrayRef<int64_t> position) {
    bool isOne = position[1] - position[0] == k;
    if (result.isReal()) {
      result.reals[i] = isOne ? 1 : 0;
    } else {
      result.ints[i] = isOne ? 1 : 0;
    }
    ++i;
  });
  return one(std::move(result));
}

Results evaluateIdentity(const Node &node) { return node.in(0) ? one(*node.in(0)) : std::nullopt; }

Results evaluateReshape(const Node &node) {
  const Numbers *x = node.in(0);
  auto dims = node.list("shape", 1);
  if (!x || !dims) {
    return std::nullopt;
  }
  int64_t unknown = -1, known = 1;
  for (size_t i = 0; i < dims->size(); ++i) {
    if ((*dims)[i] == 0 && node.attrInt("allowzero", 0) == 0) {
      if (i >= x->dims.size()) {
        return std::nullopt;
      }
      (*dims)[i] = x->dims[i];
    }
    if ((*dims)[i] == -1) {
      unknown = static_cast<int64_t>(i);
    } else {
      known *= (*dims)[i];
    }
  }
  if (unknown >= 0) {
    if (known == 0) {
      return std::nullopt;
    }
    (*dims)[unknown] = x->size() / known;
  }
  return one(reshapeTo(*x, std::move(*dims)));
}

Results evaluateFlatten(const Node &node) {
  const Numbers *x = node.in(0);
  if (!x) {
    return std::nullopt;
  }
  auto rank = static_cast<int64_t>(x->dims.size());
  int64_t axis = node.attrInt("axis", 1);
  axis += axis < 0 ? rank : 0;
  if (axis < 0 || axis > rank) {
    return std::nullopt;
  }
  ArrayRef<int64_t> dims(x->dims);
  return one(reshapeTo(*x, {count(dims.take_front(axis)), count(dims.drop_front(axis))}));
}

Results evaluateSqueeze(const Node &node) {
  const Numbers *x = node.in(0);
  if (!x) {
    return std::nullopt;
  }
  auto axes = node.list("axes", 1);
  if (axes && !normalizeAxes(*axes, static_cast<int64_t>(x->dims.size()))) {
    return std::nullopt;
  }
  Dims dims;
  for (size_t i = 0; i < x->dims.size(); ++i) {
    bool squeezed = axes ? llvm::is_contained(*axes, static_cast<int64_t>(i)) : x->dims[i] == 1;
    if (!squeezed) {
      dims.push_back(x->dims[i]);
    }
  }
  return one(reshapeTo(*x, std::move(dims)));
}

Results evaluateUnsqueeze(const Node &node) {
  const Numbers *x = node.in(0);
  auto axes = node.list("axes", 1);
  if (!x || !axes) {
    return std::nullopt;
  }
  size_t rank = x->dims.size() + axes->size();
  if (!normalizeAxes(*axes, static_cast<int64_t>(rank))) {
    return std::nullopt;
  }
  Dims dims;
  size_t next = 0;
  for (size_t i = 0; i < rank; ++i) {
    bool isNew = llvm::is_contained(*axes, static_cast<int64_t>(i));
    if (!isNew && next == x->dims.size()) {
      return std::nullopt;
    }
    dims.push_back(isNew ? 1 : x->dims[next++]);
  }
  return one(reshapeTo(*x, std::move(dims)));
}

Results evaluateTranspose(const Node &node) {
  const Numbers *x = node.in(0);
  if (!x) {
    return std::nullopt;
  }
  size_t rank = x->dims.size();
  Dims order(rank);
  for (size_t i = 0; i < rank; ++i) {
    order[i] = static_cast<int64_t>(rank - 1 - i);
  }
  if (const auto *perm = node.attr("perm")) {
    order.assign(perm->ints().begin(), perm->ints().end());
  }
  Dims check = order;
  if (order.size() != rank || !normalizeAxes(check, static_cast<int64_t>(rank))) {
    return std::nullopt;
  }
  Dims dims(rank), strides(rank), from = stridesOf(x->dims);
  for (size_t i = 0; i < rank; ++i) {
    dims[i] = x->dims[order[i]];
    strides[i] = from[order[i]];
  }
  return one(take(*x, dims, [&](ArrayRef<int64_t> position) { return dot(position, strides); }));
}

Results evaluateExpand(const Node &node) {
  const Numbers *x = node.in(0), *shape = node.in(1);
  if (!x || !shape || shape->isReal()) {
    return std::nullopt;
  }
  auto dims = broadcast(x->dims, shape->ints);
  return dims ? one(expandTo(*x, *dims)) : std::nullopt;
}

Results evaluateTile(const Node &node) {
  const Numbers *x = node.in(0), *repeats = node.in(1);
  if (!x || !repeats || repeats->isReal() || repeats->ints.size() != x->dims.size()) {
    return std::nullopt;
  }
  Dims dims = x->dims, strides = stridesOf(x->dims);
  for (size_t i = 0; i < dims.size(); ++i) {
    if (repeats->ints[i] < 0 || __builtin_mul_overflow(dims[i], repeats->ints[i], &dims[i])) {
      return std::nullopt;
    }
  }
  return one(take(*x, dims, [&](ArrayRef<int64_t> position) {
    int64_t source = 0;
    for (size_t i = 0; i < position.size(); ++i) {
      source += position[i] % x->dims[i] * strides[i];
    }
    return source;
  }));
}

Results evaluateConcat(const Node &node) {
  if (node.numInputs() == 0 || !node.in(0)) {
    return std::nullopt;
  }
  Dims dims = node.in(0)->dims;
  auto axis = getAxis(node, 1, static_cast<int64_t>(dims.size()));
  if (!axis) {
    return std::nullopt;
  }
  dims[*axis] = 0;
  for (size_t i = 0; i < node.numInputs(); ++i) {
    const Numbers *x = node.in(i);
    if (!x || x->dims.size() != dims.size() || x->type != node.in(0)->type) {
      return std::nullopt;
    }
    for (size_t d = 0; d < dims.size(); ++d) {
      if (static_cast<int64_t>(d) != *axis && x->dims[d] != dims[d]) {
        return std::nullopt;
      }
    }
    dims[*axis] += x->dims[*axis];
  }
  if (!isSmall(dims)) {
    return std::nullopt;
  }
  Numbers result = make(node.in(0)->type, dims);
  Dims strides = stridesOf(dims);
  int64_t offset = 0;
  for (size_t i = 0; i < node.numInputs(); ++i) {
    const Numbers &x = *node.in(i);
    int64_t source = 0;
    forEach(x.dims, [&](ArrayRef<int64_t> position) {
      copyElement(x, source++, result, dot(position, strides) + offset);
    });
    offset += x.dims[*axis] * strides[*axis];
  }
  return one(std::move(result));
}

Results evaluateSlice(const Node &node) {
  const Numbers *x = node.in(0);
  auto starts = node.list("starts", 1), ends = node.list("ends", 2);
  auto axes = node.list("axes", 3), steps = node.list("steps", 4);
  if (!x || !starts || !ends || starts->size() != ends->size()) {
    return std::nullopt;
  }
  if (!axes) {
    axes.emplace(starts->size());
    std::iota(axes->begin(), axes->end(), 0);
  }
  if (!steps) {
    steps.emplace(starts->size(), 1);
  }
  if (axes->size() != starts->size() || steps->size() != starts->size() ||
      !normalizeAxes(*axes, static_cast<int64_t>(x->dims.size()))) {
    return std::nullopt;
  }
  Dims dims = x->dims, first(dims.size(), 0), step(dims.size(), 1);
  for (size_t i = 0; i < axes->size(); ++i) {
    int64_t axis = (*axes)[i], size = x->dims[axis], by = (*steps)[i];
    if (by == 0 || by == std::numeric_limits<int64_t>::min()) {
      return std::nullopt;
    }
    auto clamp = [&](int64_t value, int64_t low, int64_t high) {
      value = value < 0 ? std::max(value + size, int64_t(-1)) : value;
      return std::clamp(value, low, high);
    };
    int64_t begin = by > 0 ? clamp((*starts)[i], 0, size) : clamp((*starts)[i], -1, size - 1);
    int64_t end = by > 0 ? clamp((*ends)[i], 0, size) : clamp((*ends)[i], -1, size - 1);
    int64_t distance = by > 0 ? end - begin : begin - end;
    int64_t stride = by > 0 ? by : -by;
    dims[axis] = distance <= 0 ? 0 : (distance - 1) / stride + 1;
    first[axis] = begin;
    step[axis] = dims[axis] <= 1 ? 1 : by;
  }
  Dims strides = stridesOf(x->dims);
  int64_t base = dot(first, strides);
  for (size_t i = 0; i < strides.size(); ++i) {
    strides[i] *= step[i];
  }
  return one(
      take(*x, dims, [&](ArrayRef<int64_t> position) { return base + dot(position, strides); }));
}

Results evaluateGather(const Node &node) {
  const Numbers *x = node.in(0), *indices = node.in(1);
  if (!x || !indices || indices->isReal()) {
    return std::nullopt;
  }
  auto axis = getAxis(node, 0, static_cast<int64_t>(x->dims.size()));
  if (!axis) {
    return std::nullopt;
  }
  ArrayRef<int64_t> from(x->dims);
  Dims dims(from.take_front(*axis).vec());
  llvm::append_range(dims, indices->dims);
  llvm::append_range(dims, from.drop_front(*axis + 1));
  Dims strides = stridesOf(x->dims), indexStrides = stridesOf(indices->dims);
  size_t indexRank = indices->dims.size();
  return one(take(*x, dims, [&](ArrayRef<int64_t> position) -> int64_t {
    int64_t index = indices->ints[dot(position.slice(*axis, indexRank), indexStrides)];
    index += index < 0 ? from[*axis] : 0;
    if (index < 0 || index >= from[*axis]) {
      return -1;
    }
    return dot(position.take_front(*axis), ArrayRef(strides).take_front(*axis)) +
           index * strides[*axis] +
           dot(position.drop_front(*axis + indexRank), ArrayRef(strides).drop_front(*axis + 1));
  }));
}

Results evaluateGatherElements(const Node &node) {
  const Numbers *x = node.in(0), *indices = node.in(1);
  if (!x || !indices || indices->isReal() || indices->dims.size() != x->dims.size()) {
    return std::nullopt;
  }
  auto axis = getAxis(node, 0, static_cast<int64_t>(x->dims.size()));
  if (!axis) {
    return std::nullopt;
  }
  Dims strides = stridesOf(x->dims);
  int64_t next = 0;
  return one(take(*x, indices->dims, [&](ArrayRef<int64_t> position) -> int64_t {
    int64_t index = indices->ints[next++];
    index += index < 0 ? x->dims[*axis] : 0;
    if (index < 0 || index >= x->dims[*axis]) {
      return -1;
    }
    return dot(position, strides) + (index - position[*axis]) * strides[*axis];
  }));
}

/// Without a reduction.
Results evaluateScatterElements(const Node &node) {
  const Numbers *x = node.in(0), *indices = node.in(1), *updates = node.in(2);
  const auto *reduction = node.attr("reduction");
  if (!x || !indices || !updates || indices->isReal() || indices->dims != updates->dims ||
      indices->dims.size() != x->dims.size() || updates->type != x->type ||
      (reduction && reduction->s() != "none")) {
    return std::nullopt;
  }
  auto axis = getAxis(node, 0, static_cast<int64_t>(x->dims.size()));
  if (!axis) {
    return std::nullopt;
  }
  Numbers result = *x;
  Dims strides = stridesOf(x->dims);
  int64_t next = 0;
  bool valid = true;
  forEach(indices->dims, [&](ArrayRef<int64_t> position) {
    int64_t index = indices->ints[next];
    index += index < 0 ? x->dims[*axis] : 0;
    for (size_t i = 0; i < position.size(); ++i) {
      int64_t at = static_cast<int64_t>(i) == *axis ? index : position[i];
      valid &= at >= 0 && at < x->dims[i];
    }
    if (valid) {
      copyElement(*updates, next, result,
                  dot(position, strides) + (index - position[*axis]) * strides[*axis]);
    }
    ++next;
  });
  return valid ? one(std::move(result)) : std::nullopt;
}

Results evaluateSplit(const Node &node) {
  const Numbers *x = node.in(0);
  if (!x) {
    return std::nullopt;
  }
  auto axis = getAxis(node, 0, static_cast<int64_t>(x->dims.size()));
  if (!axis) {
    return std::nullopt;
  }
  int64_t size = x->dims[*axis], parts = static_cast<int64_t>(node.numOutputs());
  auto sizes = node.list("split", 1);
  if (!sizes) {
    int64_t chunk = (size + parts - 1) / parts;
    sizes.emplace();
    for (int64_t i = 0; i < parts; ++i) {
      sizes->push_back(std::clamp(size - i * chunk, int64_t(0), chunk));
    }
  }
  if (static_cast<int64_t>(sizes->size()) != parts ||
      std::accumulate(sizes->begin(), sizes->end(), int64_t(0)) != size) {
    return std::nullopt;
  }
  std::vector<Numbers> results;
  Dims strides = stridesOf(x->dims);
  int64_t offset = 0;
  for (int64_t part : *sizes) {
    Dims dims = x->dims;
    dims[*axis] = part;
    Result piece = take(*x, dims, [&](ArrayRef<int64_t> position) {
      return dot(position, strides) + offset * strides[*axis];
    });
    if (!piece) {
      return std::nullopt;
    }
    results.push_back(std::move(*piece));
    offset += part;
  }
  return results;
}

Results evaluateNonZero(const Node &node) {
  const Numbers *x = node.in(0);
  if (!x) {
    return std::nullopt;
  }
  std::vector<Dims> found;
  int64_t next = 0;
  forEach(x->dims, [&](ArrayRef<int64_t> position) {
    bool isZero = x->isReal() ? x->reals[next] == 0 : x->ints[next] == 0;
    ++next;
    if (!isZero) {
      found.push_back(position.vec());
    }
  });
  Dims dims{static_cast<int64_t>(x->dims.size()), static_cast<int64_t>(found.size())};
  if (!isSmall(dims)) {
    return std::nullopt;
  }
  Numbers result = make(TensorProto::INT64, dims);
  for (int64_t axis = 0; axis < dims[0]; ++axis) {
    for (int64_t i = 0; i < dims[1]; ++i) {
      result.ints[axis * dims[1] + i] = found[i][axis];
    }
  }
  return one(std::move(result));
}

Results evaluateTrilu(const Node &node) {
  const Numbers *x = node.in(0), *shift = node.in(1);
  if (!x || x->dims.size() < 2) {
    return std::nullopt;
  }
  int64_t k = shift ? shift->ints[0] : 0, next = 0;
  bool upper = node.attrInt("upper", 1) != 0;
  Numbers result = make(x->type, x->dims);
  forEach(x->dims, [&](ArrayRef<int64_t> position) {
    int64_t row = position[position.size() - 2], column = position.back();
    if (upper ? column - row >= k : column - row <= k) {
      copyElement(*x, next, result, next);
    }
    ++next;
  });
  return one(std::move(result));
}

//===----------------------------------------------------------------------===//
// Reductions
//===----------------------------------------------------------------------===//

/// `start` is absent where an empty reduction has no value.
struct Reduction {
  std::function<int64_t(int64_t, int64_t)> onInts;
  std::function<double(double, double)> onReals;
  std::optional<int64_t> start;
  bool isMean = false;
};

Evaluator reduce(Reduction reduction) {
  return [=](const Node &node) -> Results {
    const Numbers *x = node.in(0);
    if (!x || !isOrdered(*x)) {
      return std::nullopt;
    }
    auto rank = static_cast<int64_t>(x->dims.size());
    Dims axes = node.list("axes", 1).value_or(Dims());
    if (!normalizeAxes(axes, rank)) {
      return std::nullopt;
    }
    if (axes.empty() && node.attrInt("noop_with_empty_axes", 0) != 0) {
      return one(*x);
    }
    auto isReduced = [&](int64_t axis) { return axes.empty() || llvm::is_contained(axes, axis); };
    Dims kept = x->dims, dims;
    for (int64_t axis = 0; axis < rank; ++axis) {
      kept[axis] = isReduced(axis) ? 1 : kept[axis];
      if (!isReduced(axis)) {
        dims.push_back(x->dims[axis]);
      }
    }
    Numbers result = make(x->type, kept);
    int64_t perResult = result.size() == 0 ? 0 : x->size() / result.size();
    if (perResult == 0 && result.size() != 0 && !reduction.start) {
      return std::nullopt;
    }
    std::vector<bool> started(result.size(), reduction.start.has_value());
    for (int64_t i = 0; reduction.start && i < result.size(); ++i) {
      if (result.isReal()) {
        result.reals[i] = static_cast<double>(*reduction.start);
      } else {
        result.ints[i] = *reduction.start;
      }
    }
    Dims strides = stridesOf(kept);
    int64_t next = 0;
    forEach(x->dims, [&](ArrayRef<int64_t> position) {
      int64_t target = 0;
      for (int64_t axis = 0; axis < rank; ++axis) {
        target += isReduced(axis) ? 0 : position[axis] * strides[axis];
      }
      if (!started[target]) {
        copyElement(*x, next, result, target);
        started[target] = true;
      } else if (x->isReal()) {
        result.reals[target] = reduction.onReals(result.reals[target], x->reals[next]);
      } else {
        result.ints[target] = reduction.onInts(result.ints[target], x->ints[next]);
      }
      ++next;
    });
    for (int64_t i = 0; i < result.size(); ++i) {
      if (result.isReal()) {
        double value =
            reduction.isMean ? result.reals[i] / static_cast<double>(perResult) : result.reals[i];
        result.reals[i] = roundTo(result.type, value);
      } else if (reduction.isMean) {
        result.ints[i] /= perResult;
      } else {
        result.ints[i] = wrapTo(result.type, result.ints[i]);
      }
    }
    result.dims = node.attrInt("keepdims", 1) != 0 ? kept : dims;
    return one(std::move(result));
  };
}

Results evaluateCumSum(const Node &node) {
  const Numbers *x = node.in(0), *where = node.in(1);
  if (!x || !where || where->isReal() || where->size() != 1 || node.attrInt("exclusive", 0) != 0 ||
      node.attrInt("reverse", 0) != 0) {
    return std::nullopt;
  }
  Dims axis = where->ints;
  if (!normalizeAxes(axis, static_cast<int64_t>(x->dims.size()))) {
    return std::nullopt;
  }
  Numbers result = *x;
  int64_t stride = stridesOf(x->dims)[axis[0]], next = 0;
  forEach(x->dims, [&](ArrayRef<int64_t> position) {
    if (position[axis[0]] != 0) {
      if (x->isReal()) {
        result.reals[next] = roundTo(x->type, result.reals[next] + result.reals[next - stride]);
      } else {
        result.ints[next] = wrapTo(
            x->type, wrapping(bitsOf(result.ints[next]) + bitsOf(result.ints[next - stride])));
      }
    }
    ++next;
  });
  return one(std::move(result));
}

//===----------------------------------------------------------------------===//
// The table
//===----------------------------------------------------------------------===//

double roundHalfToEven(double x) { return std::nearbyint(x); }

llvm::StringMap<Evaluator> makeTable() {
  llvm::StringMap<Evaluator> table;
  auto add = [](int64_t a, int64_t b) { return wrapping(bitsOf(a) + bitsOf(b)); };
  auto multiply = [](int64_t a, int64_t b) { return wrapping(bitsOf(a) * bitsOf(b)); };
  auto least = [](int64_t a, int64_t b) { return std::min(a, b); };
  auto most = [](int64_t a, int64_t b) { return std::max(a, b); };
  // A NaN stays one.
  auto leastReal = [](double a, double b) { return std::isnan(a) || a < b ? a : b; };
  auto mostReal = [](double a, double b) { return std::isnan(a) || a > b ? a : b; };

  table["Add"] = binary(add, std::plus<double>());
  table["Sub"] = binary([](int64_t a, int64_t b) { return wrapping(bitsOf(a) - bitsOf(b)); },
                        std::minus<double>());
  table["Mul"] = binary(multiply, std::multiplies<double>());
  table["Div"] = binary(divide, std::divides<double>());
  table["Mod"] = evaluateMod;
  table["Pow"] = binary(power, [](double a, double b) { return std::pow(a, b); });
  table["Min"] = variadic(least, leastReal);
  table["Max"] = variadic(most, mostReal);
  table["Sum"] = variadic(add, std::plus<double>());
  table["Equal"] = binary(std::equal_to<int64_t>(), std::equal_to<double>());
  table["Less"] = binary(std::less<int64_t>(), std::less<double>());
  table["LessOrEqual"] = binary(std::less_equal<int64_t>(), std::less_equal<double>());
  table["Greater"] = binary(std::greater<int64_t>(), std::greater<double>());
  table["GreaterOrEqual"] = binary(std::greater_equal<int64_t>(), std::greater_equal<double>());
  table["And"] = binary(std::logical_and<int64_t>(), nullptr);
  table["Or"] = binary(std::logical_or<int64_t>(), nullptr);
  table["Xor"] = binary(std::not_equal_to<int64_t>(), nullptr);
  table["BitwiseAnd"] = binary(std::bit_and<int64_t>(), nullptr);
  table["BitwiseOr"] = binary(std::bit_or<int64_t>(), nullptr);
  table["BitwiseXor"] = binary(std::bit_xor<int64_t>(), nullptr);

  table["Not"] = evaluateNot;
  table["Neg"] = unary([](int64_t v) { return wrapping(0 - bitsOf(v)); }, std::negate<double>());
  table["Abs"] = unary([](int64_t v) { return v < 0 ? wrapping(0 - bitsOf(v)) : v; },
                       [](double v) { return std::abs(v); });
  table["Sign"] = unary([](int64_t v) { return int64_t(v > 0) - int64_t(v < 0); },
                        [](double v) { return v > 0   ? 1.0
                                              : v < 0 ? -1.0
                                                      : v; });
  table["Relu"] = unary([](int64_t v) { return std::max(v, int64_t(0)); },
                        [](double v) { return v < 0 ? 0.0 : v; });
  table["Floor"] = unary(nullptr, [](double v) { return std::floor(v); });
  table["Ceil"] = unary(nullptr, [](double v) { return std::ceil(v); });
  table["Round"] = unary(nullptr, roundHalfToEven);
  table["Sqrt"] = unary(nullptr, [](double v) { return std::sqrt(v); });
  table["Reciprocal"] = unary(nullptr, [](double v) { return 1 / v; });
  table["Exp"] = unary(nullptr, [](double v) { return std::exp(v); });
  table["Log"] = unary(nullptr, [](double v) { return std::log(v); });
  table["Sin"] = unary(nullptr, [](double v) { return std::sin(v); });
  table["Cos"] = unary(nullptr, [](double v) { return std::cos(v); });
  table["IsNaN"] = unary(nullptr, [](double v) { return std::isnan(v) ? 1.0 : 0.0; });
  table["Identity"] = evaluateIdentity;
  table["Cast"] = evaluateCast;
  table["CastLike"] = evaluateCast;
  table["Where"] = evaluateWhere;
  table["Clip"] = evaluateClip;

  table["Constant"] = evaluateConstant;
  table["ConstantOfShape"] = evaluateConstantOfShape;
  table["Range"] = evaluateRange;
  table["EyeLike"] = evaluateEyeLike;
  table["Reshape"] = evaluateReshape;
  table["Flatten"] = evaluateFlatten;
  table["Squeeze"] = evaluateSqueeze;
  table["Unsqueeze"] = evaluateUnsqueeze;
  table["Transpose"] = evaluateTranspose;
  table["Expand"] = evaluateExpand;
  table["Tile"] = evaluateTile;
  table["Concat"] = evaluateConcat;
  table["Slice"] = evaluateSlice;
  table["Split"] = evaluateSplit;
  table["Gather"] = evaluateGather;
  table["GatherElements"] = evaluateGatherElements;
  table["ScatterElements"] = evaluateScatterElements;
  table["NonZero"] = evaluateNonZero;
  table["Trilu"] = evaluateTrilu;

  table["ReduceSum"] = reduce({add, std::plus<double>(), 0});
  table["ReduceProd"] = reduce({multiply, std::multiplies<double>(), 1});
  table["ReduceMin"] = reduce({least, leastReal, std::nullopt});
  table["ReduceMax"] = reduce({most, mostReal, std::nullopt});
  table["ReduceMean"] = reduce({add, std::plus<double>(), std::nullopt, /*isMean=*/true});
  table["CumSum"] = evaluateCumSum;
  return table;
}

} // namespace

bool Numbers::isReal() const { return isRealType(type); }
int64_t Numbers::size() const {
  return static_cast<int64_t>(isReal() ? reals.size() : ints.size());
}

std::optional<Numbers> decode(const TensorProto &tensor, std::optional<ArrayRef<char>> external) {
  auto element = getElement(tensor.data_type());
  Dims dims(tensor.dims().begin(), tensor.dims().end());
  if (!element || count(dims) < 0 || tensor.has_segment() ||
      (tensor.data_location() == TensorProto::EXTERNAL && !external)) {
    return std::nullopt;
  }
  std::string own;
  if (!external) {
    own = getRaw(tensor, element->bits);
    external = ArrayRef<char>(own.data(), own.size());
  }
  size_t bytes = element->bits / 8;
  if (external->size() != static_cast<size_t>(count(dims)) * bytes) {
    return std::nullopt;
  }
  Numbers result = make(tensor.data_type(), dims);
  for (int64_t i = 0, end = result.size(); i < end; ++i) {
    uint64_t bits = 0;
    std::memcpy(&bits, external->data() + static_cast<size_t>(i) * bytes, bytes);
    if (element->semantics) {
      APFloat number(*element->semantics, llvm::APInt(element->bits, bits));
      bool inexact = false;
      number.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &inexact);
      result.reals[i] = number.convertToDouble();
    } else {
      result.ints[i] = wrapTo(result.type, wrapping(bits));
    }
  }
  return result;
}

TensorProto encode(const Numbers &numbers, const std::string &name) {
  TensorProto tensor;
  tensor.set_name(name);
  tensor.set_data_type(numbers.type);
  for (int64_t dim : numbers.dims) {
    tensor.add_dims(dim);
  }
  ElementType element = *getElement(numbers.type);
  std::string &raw = *tensor.mutable_raw_data();
  for (int64_t i = 0, end = numbers.size(); i < end; ++i) {
    uint64_t bits = 0;
    if (element.semantics) {
      APFloat number(numbers.reals[i]);
      bool inexact = false;
      number.convert(*element.semantics, APFloat::rmNearestTiesToEven, &inexact);
      bits = number.bitcastToAPInt().getZExtValue();
    } else {
      bits = bitsOf(numbers.ints[i]);
    }
    raw.append(reinterpret_cast<const char *>(&bits), element.bits / 8);
  }
  return tensor;
}

std::optional<std::vector<Numbers>> evaluate(const ::onnx::NodeProto &node,
                                             ArrayRef<NumbersPtr> inputs,
                                             ArrayRef<int32_t> outputTypes) {
  static const llvm::StringMap<Evaluator> table = makeTable();
  auto it = table.find(node.op_type());
  if (it == table.end() || !node.domain().empty() ||
      llvm::any_of(outputTypes, [](int32_t type) { return !getElement(type); })) {
    return std::nullopt;
  }
  return it->second(Node(node, inputs, outputTypes));
}

} // namespace lpu::import
