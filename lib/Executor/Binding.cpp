//===- Binding.cpp - Host tensors to words and back -----------------------===//
#include "Binding.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "lpu/Binary/Bindings.h"
#include "lpu/Support/Elements.h"
#include "lpu/Support/Strings.h"
#include <cstring>

using namespace lpu;
using namespace lpu::executor;

namespace {
std::string typeText(ElementType type, const auto &shape) {
  return absl::StrCat(toAbsl(elementTypeName(type)), "[",
                      absl::StrJoin(shape, ","), "]");
}

absl::Status checkTensor(const std::string &name, ElementType type,
                         const auto &shape, const HostTensor &tensor) {
  std::vector<int64_t> expected(shape.begin(), shape.end());
  if ((tensor.type != type && tensor.type != hostType(type)) || tensor.shape != expected) {
    return absl::InvalidArgumentError(absl::StrCat(
        "input '", name, "': expected ", typeText(type, expected), ", got ",
        typeText(tensor.type, tensor.shape)));
  }
  if (tensor.bytes.size() !=
      uint64_t(tensor.numElements()) * elementBytes(type)) {
    return absl::InvalidArgumentError(
        absl::StrCat("input '", name, "': expected ",
                     tensor.numElements() * elementBytes(type), " bytes, got ",
                     tensor.bytes.size()));
  }
  return absl::OkStatus();
}

uint64_t loadBits(const uint8_t *at, unsigned bytes) {
  uint64_t bits = 0;
  std::memcpy(&bits, at, bytes);
  return bits;
}

/// Where the elements of a row lie: vector and lane of every column.
absl::StatusOr<std::vector<std::pair<uint32_t, uint32_t>>>
placeColumns(const TensorBinding &binding, unsigned lanes) {
  std::vector<std::pair<uint32_t, uint32_t>> places(
      binding.columns(), {UINT32_MAX, 0});
  auto bad = [&](std::string_view what) {
    return absl::InvalidArgumentError(absl::StrCat(
        "tensor '", binding.name(), "': ", toAbsl(what)));
  };
  if (binding.lane_runs_size() == 0) {
    for (uint32_t c = 0; c < binding.columns(); ++c) {
      places[c] = {c / lanes, c % lanes};
    }
  }
  for (const LaneRun &run : binding.lane_runs()) {
    if (uint64_t(run.column()) + run.count() > binding.columns() ||
        uint64_t(run.lane()) + run.count() > lanes) {
      return bad("a lane run leaves its row or its vector");
    }
    for (uint32_t k = 0; k < run.count(); ++k) {
      places[run.column() + k] = {run.vector(), run.lane() + k};
    }
  }
  for (auto [vector, lane] : places) {
    if (vector >= binding.vectors()) {
      return bad("expected a vector of its row for every column");
    }
  }
  return places;
}

/// First words of the byte planes, checked against the banks.
absl::StatusOr<std::vector<uint64_t>> locatePlanes(const auto &planes, uint64_t count,
                                                   const std::string &name, const Sram &sram) {
  std::vector<uint64_t> words;
  for (const BytePlane &plane : planes) {
    auto word = sram.locate(plane.slice(), plane.bank(), plane.first(), count,
                            "tensor '" + name + "'");
    if (!word.ok()) {
      return word.status();
    }
    words.push_back(*word);
  }
  return words;
}

/// The words of a tensor in SRAM.
class TensorWords {
public:
  static absl::StatusOr<TensorWords> create(const TensorBinding &binding, const Sram &sram) {
    TensorWords words;
    words.count = countWords(binding);
    words.bytes = elementBytes(binding.stored_as());
    words.chunk = binding.chunk_words() ? binding.chunk_words() : std::max<uint64_t>(words.count, 1);
    // The words of a plane follow one another: its first and last one say where it is.
    for (uint64_t first = 0; first < words.count; first += words.chunk) {
      uint64_t last = std::min(first + words.chunk, words.count) - 1;
      for (unsigned byte = 0; byte < words.bytes; ++byte) {
        BytePlane plane = locateWord(binding, byte, first);
        auto word = sram.locate(plane.slice(), plane.bank(), plane.first(), last - first + 1,
                                "tensor '" + binding.name() + "'");
        if (!word.ok()) {
          return word.status();
        }
        words.planes.push_back(*word);
      }
    }
    return words;
  }

  uint64_t size() const { return count; }
  unsigned numBytes() const { return bytes; }
  /// Word `word` of byte plane `byte`, in Sram's numbers.
  uint64_t at(unsigned byte, uint64_t word) const {
    return planes[word / chunk * bytes + byte] + word % chunk;
  }

private:
  std::vector<uint64_t> planes; ///< first words, chunk by chunk
  uint64_t count = 0, chunk = 1;
  unsigned bytes = 0;
};

/// Calls function(element, word, lane) for every element in C order of rows and columns, or of
/// the layout; stops at the first error.
absl::Status forEachElement(const TensorBinding &binding, unsigned lanes, auto function) {
  if (binding.has_layout()) {
    absl::Status status;
    forEachRun(binding, lanes, [&](const ElementRun &run) {
      for (uint64_t k = 0; k < run.count && status.ok(); ++k) {
        status = function(run.first + k * run.step, run.word, unsigned(k));
      }
    });
    return status;
  }
  auto places = placeColumns(binding, lanes);
  if (!places.ok()) {
    return places.status();
  }
  for (uint64_t r = 0; r < binding.rows(); ++r) {
    for (uint64_t c = 0; c < binding.columns(); ++c) {
      auto [vector, lane] = (*places)[c];
      absl::Status status = function(r * binding.columns() + c,
                                     r * binding.row_stride() + vector, lane);
      if (!status.ok()) {
        return status;
      }
    }
  }
  return absl::OkStatus();
}

/// Rows and columns hold the tensor's elements.
absl::Status checkExtents(const TensorBinding &binding, const HostTensor &tensor,
                          std::string_view direction) {
  if (binding.has_layout() ||
      uint64_t(binding.rows()) * binding.columns() == uint64_t(tensor.numElements())) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat(toAbsl(direction), " '", binding.name(), "': expected ", binding.rows(),
                   " rows of ", binding.columns(), " columns, got ", tensor.numElements(),
                   " elements"));
}

absl::StatusOr<int64_t> evaluate(const DerivedInput &derived,
                                 const Entry &entry,
                                 const IntegerInputs &integers, int64_t row,
                                 int64_t lane, std::vector<int64_t> &stack) {
  auto bad = [&](std::string_view what) {
    return absl::InvalidArgumentError(
        absl::StrCat("derived input '", derived.name(), "': ", toAbsl(what)));
  };
  auto wrap = [](uint64_t x) { return int64_t(x); };
  stack.clear();
  for (const DerivedStep &step : derived.steps()) {
    size_t needs = step.op() <= DerivedStep::ROW       ? 0
                   : step.op() == DerivedStep::INPUT   ? 1
                   : step.op() == DerivedStep::SELECT  ? 3
                                                       : 2;
    if (stack.size() < needs) {
      return bad("a step finds too few values on the stack");
    }
    int64_t c = needs > 2 ? stack[stack.size() - 1] : 0;
    int64_t b = needs > 2   ? stack[stack.size() - 2]
                : needs > 1 ? stack[stack.size() - 1]
                            : 0;
    int64_t a = needs > 0 ? stack[stack.size() - needs] : 0;
    stack.resize(stack.size() - needs);
    int64_t result = 0;
    switch (step.op()) {
    case DerivedStep::CONSTANT:
      result = step.value();
      break;
    case DerivedStep::LANE:
      result = lane;
      break;
    case DerivedStep::ROW:
      result = row;
      break;
    case DerivedStep::INPUT: {
      if (step.value() < 0 || step.value() >= entry.integer_inputs_size()) {
        return bad("a step names no integer input of the entry");
      }
      const auto &values =
          integers.find(entry.integer_inputs(int(step.value())).name())->second;
      if (a < 0 || uint64_t(a) >= values.size()) {
        return bad("a step reads outside of an integer input");
      }
      result = values[size_t(a)];
      break;
    }
    case DerivedStep::ADD:
      result = wrap(uint64_t(a) + uint64_t(b));
      break;
    case DerivedStep::SUB:
      result = wrap(uint64_t(a) - uint64_t(b));
      break;
    case DerivedStep::MUL:
      result = wrap(uint64_t(a) * uint64_t(b));
      break;
    case DerivedStep::FLOORDIV:
    case DerivedStep::MOD: {
      if (b <= 0) {
        return bad("expected a positive divisor");
      }
      int64_t quotient = a / b - (a % b < 0);
      result = step.op() == DerivedStep::FLOORDIV ? quotient : a - quotient * b;
      break;
    }
    case DerivedStep::MIN:
      result = std::min(a, b);
      break;
    case DerivedStep::MAX:
      result = std::max(a, b);
      break;
    case DerivedStep::LT:
      result = a < b;
      break;
    case DerivedStep::LE:
      result = a <= b;
      break;
    case DerivedStep::EQ:
      result = a == b;
      break;
    case DerivedStep::AND:
      result = a && b;
      break;
    case DerivedStep::OR:
      result = a || b;
      break;
    case DerivedStep::SELECT:
      result = a ? b : c;
      break;
    default:
      return bad("unknown step");
    }
    stack.push_back(result);
  }
  if (stack.size() != 1) {
    return bad("expected one value after the last step");
  }
  return stack[0];
}
} // namespace

absl::StatusOr<IntegerInputs> executor::checkInputs(const Entry &entry,
                                                    const HostTensors &inputs) {
  IntegerInputs integers;
  std::vector<std::string_view> known;
  auto find = [&](const std::string &name, ElementType type,
                  const auto &shape) -> absl::StatusOr<const HostTensor *> {
    known.push_back(name);
    auto at = inputs.find(name);
    if (at == inputs.end()) {
      return absl::InvalidArgumentError(absl::StrCat(
          "input '", name, "' is missing: expected ", typeText(type, shape)));
    }
    absl::Status status = checkTensor(name, type, shape, at->second);
    if (!status.ok()) {
      return status;
    }
    return &at->second;
  };
  for (const IntegerInput &input : entry.integer_inputs()) {
    auto tensor = find(input.name(), input.type(), input.shape());
    if (!tensor.ok()) {
      return tensor.status();
    }
    unsigned width = elementBytes(input.type());
    std::vector<int64_t> &values = integers[input.name()];
    for (int64_t k = 0; k < (*tensor)->numElements(); ++k) {
      uint64_t bits = loadBits((*tensor)->bytes.data() + k * width, width), wide = 0;
      if (!convertElement(input.type(), I64, bits, wide)) {
        return absl::OutOfRangeError(absl::StrCat("input '", input.name(), "': element ", k, ", ",
                                                  elementText(input.type(), bits),
                                                  ", does not fit i64"));
      }
      auto value = int64_t(wide);
      if (input.bounded() && (value < input.min() || value > input.max())) {
        return absl::OutOfRangeError(absl::StrCat(
            "input '", input.name(), "': expected values from ", input.min(),
            " to ", input.max(), ", got ", value, " at element ", k));
      }
      values.push_back(value);
    }
  }
  for (const TensorBinding &binding : entry.inputs()) {
    auto tensor = find(binding.name(), binding.type(), binding.shape());
    if (!tensor.ok()) {
      return tensor.status();
    }
  }
  for (const auto &[name, tensor] : inputs) {
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      return absl::InvalidArgumentError(
          absl::StrCat("entry '", entry.name(), "' has no input '", name,
                       "', known inputs: ", absl::StrJoin(known, ", ", [](std::string *out, std::string_view s) { out->append(s); })));
    }
  }
  return integers;
}

absl::Status executor::writeTensor(const TensorBinding &binding,
                                   const HostTensor &tensor,
                                   const Target &target, Sram &sram) {
  auto words = TensorWords::create(binding, sram);
  if (!words.ok()) {
    return words.status();
  }
  if (absl::Status status = checkExtents(binding, tensor, "input"); !status.ok()) {
    return status;
  }
  unsigned lanes = target.lanes(), width = elementBytes(binding.type());
  // Lanes that no element takes are zero: the host writes whole words.
  auto clear = [&](uint64_t word) {
    for (unsigned byte = 0; byte < words->numBytes(); ++byte) {
      uint64_t at = words->at(byte, word);
      std::memset(sram.data(at), 0, lanes);
      sram.written(at) = sram.allSuperlanes();
    }
  };
  if (binding.has_layout()) {
    for (uint64_t word = 0; word < words->size(); ++word) {
      clear(word);
    }
  } else {
    for (uint64_t r = 0; r < binding.rows(); ++r) {
      for (uint64_t v = 0; v < binding.vectors(); ++v) {
        clear(r * binding.row_stride() + v);
      }
    }
  }
  bool isSpread = binding.has_layout() && binding.layout().lane_dim() < 0;
  return forEachElement(binding, lanes, [&](uint64_t element, uint64_t word, unsigned lane) {
    uint64_t source = loadBits(tensor.bytes.data() + element * width, width), bits = 0;
    if (!convertElement(binding.type(), binding.stored_as(), source, bits)) {
      return absl::OutOfRangeError(absl::StrCat(
          "input '", binding.name(), "': element ", element, ", ",
          elementText(binding.type(), source), ", does not fit ",
          toAbsl(elementTypeName(binding.stored_as()))));
    }
    for (unsigned byte = 0; byte < words->numBytes(); ++byte, bits >>= 8) {
      uint8_t *data = sram.data(words->at(byte, word));
      if (isSpread) {
        std::memset(data, uint8_t(bits), lanes);
      } else {
        data[lane] = uint8_t(bits);
      }
    }
    return absl::OkStatus();
  });
}

absl::Status executor::writeDerived(const DerivedInput &derived,
                                    const Entry &entry,
                                    const IntegerInputs &integers,
                                    const Target &target, Sram &sram) {
  uint64_t rows = derived.rows();
  auto planes =
      locatePlanes(derived.byte_planes(), rows ? (rows - 1) * derived.row_stride() + 1 : 0,
                   derived.name(), sram);
  if (!planes.ok()) {
    return planes.status();
  }
  unsigned width = unsigned(planes->size()) * 8;
  std::vector<int64_t> stack;
  for (uint64_t r = 0; r < derived.rows(); ++r) {
    for (unsigned l = 0; l < target.lanes(); ++l) {
      auto value = evaluate(derived, entry, integers, int64_t(r), l, stack);
      if (!value.ok()) {
        return value.status();
      }
      if (width < 64 && (*value < -(int64_t(1) << (width - 1)) ||
                         *value >= int64_t(1) << width)) {
        return absl::OutOfRangeError(absl::StrCat(
            "derived input '", derived.name(), "': row ", r, ", lane ", l,
            ": expected a value of ", width, " bits, got ", *value));
      }
      uint64_t bits = uint64_t(*value);
      for (uint64_t plane : *planes) {
        sram.data(plane + r * derived.row_stride())[l] = uint8_t(bits);
        bits >>= 8;
      }
    }
    for (uint64_t plane : *planes) {
      sram.written(plane + r * derived.row_stride()) = sram.allSuperlanes();
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<HostTensor> executor::readTensor(const TensorBinding &binding,
                                                const Target &target,
                                                Sram &sram) {
  auto words = TensorWords::create(binding, sram);
  if (!words.ok()) {
    return words.status();
  }
  HostTensor tensor{binding.type(),
                    {binding.shape().begin(), binding.shape().end()},
                    {}};
  if (absl::Status status = checkExtents(binding, tensor, "output"); !status.ok()) {
    return status;
  }
  unsigned width = elementBytes(binding.type());
  tensor.bytes.resize(uint64_t(tensor.numElements()) * width);
  unsigned perSuperlane = target.lanesPerSuperlane();
  auto read = [&](uint64_t element, uint64_t word, unsigned lane) {
    uint64_t bits = 0, out = 0;
    for (unsigned byte = 0; byte < words->numBytes(); ++byte) {
      uint64_t at = words->at(byte, word);
      if (!(sram.written(at) >> (lane / perSuperlane) & 1)) {
        BytePlane place = locateWord(binding, byte, word);
        return absl::FailedPreconditionError(absl::StrCat(
            "hazard: chip 0, output '", binding.name(), "': word ", place.first(), " of bank ",
            place.bank(), " of ",
            target.queueName({UnitKind::Mem, uint16_t(place.slice())}),
            " was never written in superlane ", lane / perSuperlane, "; violates (H2)"));
      }
      bits |= uint64_t(sram.data(at)[lane]) << (8 * byte);
    }
    if (!convertElement(binding.stored_as(), binding.type(), bits, out)) {
      return absl::OutOfRangeError(absl::StrCat(
          "output '", binding.name(), "': element ", element, ", ",
          elementText(binding.stored_as(), bits), ", does not fit ",
          toAbsl(elementTypeName(binding.type()))));
    }
    std::memcpy(tensor.bytes.data() + element * width, &out, width);
    return absl::OkStatus();
  };
  if (absl::Status status = forEachElement(binding, target.lanes(), read); !status.ok()) {
    return status;
  }
  return tensor;
}
