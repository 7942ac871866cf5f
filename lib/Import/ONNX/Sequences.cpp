//===- Sequences.cpp - Sequences and optionals at import ------------------===//
//
// A sequence is a list of values that is known at import, an optional is its element or absent.
// What comes in from outside, as an input of the graph, is neither.
//
//===----------------------------------------------------------------------===//

#include "Folder.h"

#include "llvm/ADT/StringSwitch.h"

using namespace llvm;

namespace lpu::import {
namespace {

int64_t getInt(const ::onnx::NodeProto &node, StringRef name, int64_t otherwise) {
  for (const auto &attr : node.attribute()) {
    if (attr.name() == name) {
      return attr.i();
    }
  }
  return otherwise;
}

} // namespace

Known Folder::makeBool(bool value) {
  Numbers numbers;
  numbers.type = ::onnx::TensorProto::BOOL;
  numbers.ints = {value};
  std::string name = makeName("const");
  setConstant(std::move(numbers), name);
  return Known::tensor(name);
}

/// Pieces of a tensor along an axis: of the sizes of input 1, of its one size, or of size 1.
Folder::Handled Folder::visitSplit(const Node &node, ArrayRef<Known> inputs, Scope &scope) {
  auto shape = inputs[0].kind == Known::Tensor ? getShape(inputs[0].name) : std::nullopt;
  if (!shape) {
    reason = "input 0 has no static shape";
    return false;
  }
  int64_t axis = getInt(node, "axis", 0);
  axis += axis < 0 ? static_cast<int64_t>(shape->size()) : 0;
  if (axis < 0 || axis >= static_cast<int64_t>(shape->size())) {
    return false;
  }
  int64_t size = (*shape)[axis];
  bool isGiven = inputs.size() > 1 && inputs[1].kind != Known::Absent;
  std::vector<int64_t> sizes(isGiven ? 0 : size, 1);
  if (isGiven) {
    load(inputs[1].name);
    NumbersPtr split = inputs[1].kind == Known::Tensor ? getNumbers(inputs[1].name) : nullptr;
    if (!split || split->isReal()) {
      reason = "input 1, the sizes of the pieces, is not a constant";
      return false;
    }
    sizes = split->ints;
    if (split->dims.empty()) {
      int64_t each = sizes[0];
      if (each <= 0) {
        return fail(node, scope, "pieces of size " + Twine(each));
      }
      sizes.clear();
      for (int64_t begin = 0; begin < size; begin += each) {
        sizes.push_back(std::min(each, size - begin));
      }
    }
  }
  std::string name = describe(node, scope), axes = makeInts({axis}, false).name;
  std::vector<Known> items;
  int64_t begin = 0;
  for (int64_t piece : sizes) {
    if (piece < 0 || piece > size - begin) {
      return fail(node, scope, "pieces that are not together " + Twine(size));
    }
    auto item = make("Slice",
                     {inputs[0].name, makeInts({begin}, false).name,
                      makeInts({begin + piece}, false).name, axes},
                     name);
    if (item && !isGiven && getInt(node, "keepdims", 1) == 0) {
      item = make("Squeeze", {item->name, axes}, name);
    }
    if (!item) {
      return item.takeError();
    }
    items.push_back(*item);
    begin += piece;
  }
  define(node, {Known::sequence(std::move(items))}, scope);
  return true;
}

Folder::Handled Folder::visitConcat(const Node &node, const Known &sequence, Scope &scope) {
  if (sequence.items.empty()) {
    return fail(node, scope, "an empty sequence");
  }
  int64_t axis = getInt(node, "axis", 0);
  std::string name = describe(node, scope);
  std::vector<std::string> names;
  for (const Known &item : sequence.items) {
    names.push_back(item.name);
  }
  if (getInt(node, "new_axis", 0) != 0) {
    auto shape = getShape(names.front());
    if (!shape) {
      reason = "the tensors of the sequence have no static shape";
      return false;
    }
    axis += axis < 0 ? static_cast<int64_t>(shape->size()) + 1 : 0;
  }
  auto whole = getInt(node, "new_axis", 0) != 0 ? stack(sequence.items, axis, name)
                                                : make("Concat", names, name, {{"axis", axis}});
  if (!whole) {
    return whole.takeError();
  }
  define(node, {*whole}, scope);
  return true;
}

/// The body once for each element of the first input; other inputs may be tensors.
Folder::Handled Folder::visitMap(const Node &node, ArrayRef<Known> inputs, Scope &scope) {
  for (const auto &attr : node.attribute()) {
    if (attr.name() != "body") {
      continue;
    }
    if (Error error = checkBody(node, scope, attr.g(), inputs.size(), node.output_size())) {
      return error;
    }
    Scope bodyScope = openBody(attr.g(), scope, describe(node, scope));
    std::vector<std::vector<Known>> items(node.output_size());
    for (size_t i = 0; i < inputs[0].items.size(); ++i) {
      std::vector<Known> arguments;
      for (const Known &input : inputs) {
        if (input.kind == Known::Sequence && i >= input.items.size()) {
          return fail(node, scope, "sequences of different lengths");
        }
        arguments.push_back(input.kind == Known::Sequence ? input.items[i] : input);
      }
      auto results = visitBody(attr.g(), bodyScope,
                               describe(node, scope) + "/" + std::to_string(i) + "/", arguments);
      if (!results) {
        return results.takeError();
      }
      for (size_t k = 0; k < items.size(); ++k) {
        items[k].push_back((*results)[k]);
      }
    }
    std::vector<Known> outputs;
    for (auto &list : items) {
      outputs.push_back(Known::sequence(std::move(list)));
    }
    define(node, outputs, scope);
    return true;
  }
  return false;
}

Folder::Handled Folder::visitSequence(const Node &node, Scope &scope) {
  enum Kind {
    No,
    Empty,
    Construct,
    Insert,
    Erase,
    At,
    Length,
    Split,
    Concat,
    Map,
    Optional,
    HasElement,
    GetElement,
    Identity
  };
  Kind kind = StringSwitch<Kind>(node.op_type())
                  .Case("SequenceEmpty", Empty)
                  .Case("SequenceConstruct", Construct)
                  .Case("SequenceInsert", Insert)
                  .Case("SequenceErase", Erase)
                  .Case("SequenceAt", At)
                  .Case("SequenceLength", Length)
                  .Case("SplitToSequence", Split)
                  .Case("ConcatFromSequence", Concat)
                  .Case("SequenceMap", Map)
                  .Case("Optional", Optional)
                  .Case("OptionalHasElement", HasElement)
                  .Case("OptionalGetElement", GetElement)
                  .Case("Identity", Identity)
                  .Default(No);
  if (kind == No) {
    return false;
  }
  std::vector<Known> inputs;
  for (const std::string &input : node.input()) {
    inputs.push_back(lookup(input, scope));
  }
  auto done = [&](Known value) {
    define(node, {std::move(value)}, scope);
    return true;
  };
  // An optional or a sequence from outside.
  auto isOpaque = [&](const Known &value) {
    const ::onnx::TypeProto *type =
        value.kind == Known::Tensor ? types.getType(value.name) : nullptr;
    return value.kind == Known::Tensor && (!type || !type->has_tensor_type());
  };
  const Known first = inputs.empty() ? Known() : inputs[0];
  switch (kind) {
  case Empty:
    return done(Known::sequence({}));
  case Construct:
    return done(Known::sequence(inputs));
  case Split:
    return visitSplit(node, inputs, scope);
  case Optional:
    return isOpaque(first) ? false : done(first);
  case HasElement:
    return isOpaque(first) ? false : done(makeBool(first.kind != Known::Absent));
  case GetElement:
    if (first.kind == Known::Absent) {
      return fail(node, scope, "an optional without an element");
    }
    return isOpaque(first) ? false : done(first);
  case Identity:
    // Names of tensors of the main graph stay.
    return first.kind == Known::Tensor && scope.prefix.empty() ? false : done(first);
  default:
    break;
  }
  if (first.kind != Known::Sequence) {
    return false;
  }
  std::vector<Known> items = first.items;
  auto size = static_cast<int64_t>(items.size());
  size_t where = kind == Insert ? 2 : 1;
  std::optional<int64_t> place;
  if (kind == Insert || kind == Erase || kind == At) {
    // The end is where elements are inserted, and erased, unless a position is given.
    bool isGiven = inputs.size() > where && inputs[where].kind != Known::Absent;
    place = isGiven ? getScalar(inputs[where]) : kind == Insert ? size : size - 1;
    if (!place) {
      reason = "the position depends on the data";
      return false;
    }
    int64_t last = kind == Insert ? size : size - 1;
    int64_t given = *place;
    *place += *place < 0 ? size : 0;
    if (*place < 0 || *place > last) {
      return fail(node, scope,
                  "position " + Twine(given) + " of a sequence of " + Twine(size) + " elements");
    }
  }
  switch (kind) {
  case Insert:
    items.insert(items.begin() + *place, inputs[1]);
    return done(Known::sequence(std::move(items)));
  case Erase:
    items.erase(items.begin() + *place);
    return done(Known::sequence(std::move(items)));
  case At:
    return done(items[*place]);
  case Length:
    return done(makeInts({size}, /*isScalar=*/true));
  case Concat:
    return visitConcat(node, first, scope);
  default:
    return visitMap(node, inputs, scope);
  }
}

} // namespace lpu::import
