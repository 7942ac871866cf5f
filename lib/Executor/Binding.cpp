//===- Binding.cpp - Host tensors to words and back -----------------------===//
#include "Binding.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "lpu/Support/Numerics.h"
#include "lpu/Support/Strings.h"
#include <bit>
#include <cstring>

using namespace lpu;
using namespace lpu::executor;

namespace {
bool isFloating(ElementType type) {
  return type == F32 || type == F16 || type == BF16;
}

std::string typeText(ElementType type, const auto &shape) {
  return absl::StrCat(toAbsl(elementTypeName(type)), "[",
                      absl::StrJoin(shape, ","), "]");
}

absl::Status checkTensor(const std::string &name, ElementType type,
                         const auto &shape, const HostTensor &tensor) {
  std::vector<int64_t> expected(shape.begin(), shape.end());
  if (tensor.type != type || tensor.shape != expected) {
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

int64_t toInteger(ElementType type, uint64_t bits) {
  switch (type) {
  case I8:
    return int8_t(bits);
  case I16:
    return int16_t(bits);
  case I32:
    return int32_t(bits);
  case I64:
    return int64_t(bits);
  default:
    return int64_t(bits);
  }
}
float toFloat(ElementType type, uint64_t bits) {
  return type == F32   ? std::bit_cast<float>(uint32_t(bits))
         : type == F16 ? halfToFloat(uint16_t(bits))
                       : bfloatToFloat(uint16_t(bits));
}

/// Converts one element; false when the value does not fit `to`.
bool convert(ElementType from, ElementType to, uint64_t bits, uint64_t &out) {
  if (from == to) {
    out = bits;
    return true;
  }
  if (isFloating(from) != isFloating(to)) {
    return false;
  }
  if (isFloating(from)) {
    float value = toFloat(from, bits);
    if (to == F32) {
      out = std::bit_cast<uint32_t>(value);
      return true;
    }
    Rounded16 rounded = to == F16 ? floatToHalf(value) : floatToBfloat(value);
    out = rounded.bits;
    return !rounded.saturated;
  }
  int64_t value = toInteger(from, bits);
  out = uint64_t(value);
  unsigned width = elementBytes(to) * 8;
  if (to == U8 || to == BOOL) {
    return value >= 0 && value <= (to == BOOL ? 1 : 255);
  }
  return width == 64 || (value >= -(int64_t(1) << (width - 1)) &&
                         value < (int64_t(1) << (width - 1)));
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
  if (binding.byte_planes_size() != int(elementBytes(binding.stored_as()))) {
    return bad("expected a byte plane for every byte of an element");
  }
  if (uint64_t(binding.rows()) * binding.columns() > (uint64_t(1) << 40)) {
    return bad("expected a tensor that fits the chip");
  }
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
absl::StatusOr<std::vector<uint64_t>>
locatePlanes(const auto &planes, uint64_t rows, uint64_t stride,
             uint64_t vectors, const std::string &name, const Sram &sram) {
  std::vector<uint64_t> words;
  uint64_t count = rows == 0 ? 0 : (rows - 1) * stride + vectors;
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
      int64_t value = toInteger(
          input.type(), loadBits((*tensor)->bytes.data() + k * width, width));
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
  unsigned lanes = target.lanes();
  auto places = placeColumns(binding, lanes);
  if (!places.ok()) {
    return places.status();
  }
  auto planes =
      locatePlanes(binding.byte_planes(), binding.rows(), binding.row_stride(),
                   binding.vectors(), binding.name(), sram);
  if (!planes.ok()) {
    return planes.status();
  }
  if (uint64_t(binding.rows()) * binding.columns() !=
      uint64_t(tensor.numElements())) {
    return absl::InvalidArgumentError(absl::StrCat(
        "input '", binding.name(), "': expected ", binding.rows(), " rows of ",
        binding.columns(), " columns, got ", tensor.numElements(),
        " elements"));
  }
  unsigned width = elementBytes(binding.type());
  for (uint64_t r = 0; r < binding.rows(); ++r) {
    uint64_t row = r * binding.row_stride();
    // Lanes that no column takes are zero: the host writes whole words.
    for (uint64_t plane : *planes) {
      for (uint64_t v = 0; v < binding.vectors(); ++v) {
        std::memset(sram.data(plane + row + v), 0, lanes);
        sram.written(plane + row + v) = sram.allSuperlanes();
      }
    }
    for (uint64_t c = 0; c < binding.columns(); ++c) {
      uint64_t index = r * binding.columns() + c, bits;
      uint64_t source = loadBits(tensor.bytes.data() + index * width, width);
      if (!convert(binding.type(), binding.stored_as(), source, bits)) {
        return absl::OutOfRangeError(absl::StrCat(
            "input '", binding.name(), "': element ", index,
            " does not fit ", toAbsl(elementTypeName(binding.stored_as()))));
      }
      auto [vector, lane] = (*places)[c];
      for (uint64_t plane : *planes) {
        sram.data(plane + row + vector)[lane] = uint8_t(bits);
        bits >>= 8;
      }
    }
  }
  return absl::OkStatus();
}

absl::Status executor::writeDerived(const DerivedInput &derived,
                                    const Entry &entry,
                                    const IntegerInputs &integers,
                                    const Target &target, Sram &sram) {
  auto planes = locatePlanes(derived.byte_planes(), derived.rows(),
                             derived.row_stride(), 1, derived.name(), sram);
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
  auto places = placeColumns(binding, target.lanes());
  if (!places.ok()) {
    return places.status();
  }
  auto planes =
      locatePlanes(binding.byte_planes(), binding.rows(), binding.row_stride(),
                   binding.vectors(), binding.name(), sram);
  if (!planes.ok()) {
    return planes.status();
  }
  HostTensor tensor{binding.type(),
                    {binding.shape().begin(), binding.shape().end()},
                    {}};
  unsigned width = elementBytes(binding.type());
  uint64_t count = uint64_t(binding.rows()) * binding.columns();
  if (count != uint64_t(tensor.numElements())) {
    return absl::InvalidArgumentError(absl::StrCat(
        "output '", binding.name(), "': expected ", tensor.numElements(),
        " elements, got ", binding.rows(), " rows of ", binding.columns()));
  }
  tensor.bytes.resize(count * width);
  unsigned perSuperlane = target.lanesPerSuperlane();
  for (uint64_t r = 0; r < binding.rows(); ++r) {
    for (uint64_t c = 0; c < binding.columns(); ++c) {
      auto [vector, lane] = (*places)[c];
      uint64_t bits = 0, out;
      for (size_t k = 0; k < planes->size(); ++k) {
        uint64_t word = (*planes)[k] + r * binding.row_stride() + vector;
        if (!(sram.written(word) >> (lane / perSuperlane) & 1)) {
          const BytePlane &plane = binding.byte_planes(int(k));
          return absl::FailedPreconditionError(absl::StrCat(
              "hazard: chip 0, output '", binding.name(), "': word ",
              plane.first() + r * binding.row_stride() + vector, " of bank ",
              plane.bank(), " of ",
              target.queueName({UnitKind::Mem, uint16_t(plane.slice())}),
              " was never written in superlane ", lane / perSuperlane,
              "; violates (H2)"));
        }
        bits |= uint64_t(sram.data(word)[lane]) << (8 * k);
      }
      if (!convert(binding.stored_as(), binding.type(), bits, out)) {
        return absl::OutOfRangeError(absl::StrCat(
            "output '", binding.name(), "': element ",
            r * binding.columns() + c, " does not fit ",
            toAbsl(elementTypeName(binding.type()))));
      }
      std::memcpy(tensor.bytes.data() + (r * binding.columns() + c) * width,
                  &out, width);
    }
  }
  return tensor;
}
