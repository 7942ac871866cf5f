//===- Mxm.cpp - Weights, activations, accumulators (X1 to X12) -----------===//
#include "Chip.h"
#include "MxmKernels.h"
#include "absl/strings/str_cat.h"
#include "lpu/Support/Strings.h"
#include <bit>
#include <cstring>

using namespace lpu;
using namespace lpu::executor;

namespace {
constexpr unsigned kRows = 16;

std::string groupsText(uint64_t groups) {
  std::string text;
  for (; groups; groups &= groups - 1) {
    absl::StrAppend(&text, text.empty() ? "" : " ", std::countr_zero(groups));
  }
  return text;
}
} // namespace

const MxmFormatDescription &Chip::formatOf(MxmFormat format) const {
  return *target.format(getEnumName(FieldKind::MxmFormat, int64_t(format)));
}

// --- weights -----------------------------------------------------------------

/// Installs the buffer as it stands.
bool Chip::install(unsigned index, MxmFormat format) {
  Plane &plane = planes[index];
  if (!plane.buffer) {
    return fail("install of a buffer into which nothing was loaded", "X4");
  }
  if (plane.buffer->format != format) {
    return fail("expected the format of the rows in the buffer", "X3");
  }
  // The arrays of the other planes of a gang are gone, and the array of a gang
  // is gone when one of its planes installs alone.
  unsigned perSide = target.planes() / 2;
  unsigned sideStart = index / perSide * perSide;
  for (unsigned other = sideStart; other < sideStart + perSide; ++other) {
    if (other == index) {
      continue;
    }
    const std::shared_ptr<WeightArray> &newest =
        planes[other].installs.empty() ? planes[other].array
                                       : planes[other].installs.back().array;
    if (isGang(format) || (newest && isGang(newest->format))) {
      planes[other].installs.push_back({now.cycle, nullptr});
    }
  }
  plane.installs.push_back({now.cycle, std::move(plane.buffer)});
  plane.buffer = nullptr;
  return true;
}

bool Chip::loadRows(unsigned index, const WeightsOp &op, unsigned group) {
  Plane &plane = planes[index];
  const MxmFormatDescription &format = formatOf(op.format);
  if (plane.buffer && plane.buffer->format != op.format) {
    return fail("expected the format of the rows in the buffer", "X2");
  }
  if (!plane.buffer) {
    unsigned perSide = target.planes() / 2;
    unsigned sideStart = index / perSide * perSide;
    for (unsigned other = sideStart; other < sideStart + perSide; ++other) {
      if (other != index && planes[other].buffer &&
          (isGang(op.format) || isGang(planes[other].buffer->format))) {
        return fail(absl::StrCat("plane ", other,
                                 " of the gang has rows in its own buffer"),
                    "X1");
      }
    }
    auto &spare = spareArrays[unsigned(op.format)];
    if (!spare.empty() && spare.back().use_count() == 1) {
      plane.buffer = std::move(spare.back());
      spare.pop_back();
    } else {
      plane.buffer = std::make_shared<WeightArray>();
    }
    WeightArray &fresh = *plane.buffer;
    fresh.format = op.format;
    fresh.loaded = fresh.fits = 0;
    size_t values = size_t(format.rows()) * lanes;
    bool half = op.format == MxmFormat::F16;
    fresh.bytes.resize(half ? values * 2 : values);
    fresh.fixed.resize(half ? values : 0);
    fresh.fixedBits.resize(format.rows() / kRows);
  }
  WeightArray &array = *plane.buffer;
  const uint8_t *rows[2 * kRows];
  unsigned streams = op.format == MxmFormat::I8 ? kRows : 2 * kRows;
  for (unsigned k = 0; k < streams; ++k) {
    rows[k] = sample(op.rows, k);
    if (!rows[k]) {
      return false;
    }
  }
  size_t first = size_t(group) * kRows * lanes;
  if (op.format == MxmFormat::I8) {
    interleaveRows(rows, lanes, array.bytes.data() + first);
  } else {
    bool fits = storeHalfRows(
        rows, rows + kRows, lanes,
        reinterpret_cast<uint16_t *>(array.bytes.data()) + first,
        array.fixed.data() + first, array.fixedBits[group], vectorInstructions);
    array.fits = (array.fits & ~(uint64_t(1) << group)) | uint64_t(fits) << group;
  }
  array.loaded |= uint64_t(1) << group;
  statistics->weightRows += kRows;
  return true;
}

bool Chip::weights(const FlatQueue &queue, const FlatOp &flat, uint32_t i,
                   uint32_t j) {
  const WeightsOp &op = flat.weights;
  if (op.install && j == 0 && !install(queue.id.index, op.format)) {
    return false;
  }
  if (flat.opcode == Opcode::InstallWeights) {
    return true;
  }
  int64_t group = op.group.at(i, j);
  unsigned groups = formatOf(op.format).rows() / kRows;
  if (group < 0 || group >= groups) {
    return fail(absl::StrCat("expected a row group below ", groups, ", got ",
                             group),
                "X2");
  }
  return loadRows(queue.id.index, op, unsigned(group));
}

// --- activations ---------------------------------------------------------------

bool Chip::activate(const FlatQueue &queue, const ActivateOp &op, uint32_t i,
                    uint32_t j) {
  Plane &plane = planes[queue.id.index];
  const MxmFormatDescription &format = formatOf(op.format);
  // (X5): an install is seen some cycles later.
  int64_t seen = now.cycle - target.latencies().mxm_install();
  while (!plane.installs.empty() && plane.installs.front().cycle <= seen) {
    if (plane.array && plane.array.use_count() == 1) {
      spareArrays[unsigned(plane.array->format)].push_back(plane.array);
    }
    plane.array = std::move(plane.installs.front().array);
    plane.installs.pop_front();
  }
  uint64_t active;
  if (!activeMask(op.first.at(i, j), op.count, op.mask, format.rows() / kRows,
                  "row groups", "X7", active)) {
    return false;
  }
  if (!plane.array || plane.array->format != op.format) {
    return fail("no array of this format is installed", "X6");
  }
  if (uint64_t missing = active & ~plane.array->loaded) {
    return fail(absl::StrCat("row groups that were not loaded before the "
                             "install are active: ",
                             groupsText(missing)),
                "X6");
  }
  int64_t half = op.half.at(i, j);
  if (half < 0 || (half + 1) * format.rows() > lanes) {
    return fail(absl::StrCat("expected a half below ", lanes / format.rows(),
                             ", got ", half),
                "X7");
  }
  const uint8_t *low = nullptr, *high = nullptr;
  if (active) {
    low = sample(op.vector);
    if (!low) {
      return false;
    }
    if (op.format == MxmFormat::F16 && !(high = sample(op.vector, 1))) {
      return false;
    }
  }
  unsigned start = unsigned(half) * format.rows();
  Plane::Result result{now.cycle + target.latencies().mxm_result(), op.format,
                       now, {}};
  if (!spareResults.empty()) {
    result.lanes = std::move(spareResults.back());
    spareResults.pop_back();
  }
  result.lanes.assign(lanes, 0);
  ActiveRows rows{active, format.rows() / kRows, lanes, vectorInstructions};
  const WeightArray &array = *plane.array;
  if (active && op.format == MxmFormat::I8) {
    multiplyInt8(rows, reinterpret_cast<const int8_t *>(low + start),
                 reinterpret_cast<const int8_t *>(array.bytes.data()),
                 result.lanes.data());
  } else if (active) {
    uint16_t x[64 * kRows];
    for (unsigned k = 0; k < format.rows(); ++k) {
      x[k] = uint16_t(low[start + k] | high[start + k] << 8);
    }
    HalfPass pass{x, reinterpret_cast<const uint16_t *>(array.bytes.data()),
                  array.fixed.data(), array.fixedBits.data(), array.fits};
    multiplyHalf(rows, pass, result.lanes.data());
  }
  statistics->multiplyAccumulates +=
      uint64_t(std::popcount(active)) * kRows * lanes;
  plane.results.push_back(std::move(result));
  return true;
}

/// Results that were due before `before` and met no ACC are lost (X8).
bool Chip::checkLost(int64_t before) {
  const Plane::Result *first = nullptr;
  for (const Plane &plane : planes) {
    if (!plane.results.empty() && plane.results.front().due < before &&
        (!first || plane.results.front().due < first->due)) {
      first = &plane.results.front();
    }
  }
  if (!first) {
    return true;
  }
  failure = hazardMessage(
      target, first->by.queue, first->by.cycle,
      lookupInstruction(Opcode::Activate)->mnemonic, first->by.index,
      absl::StrCat("the result meets no set or add of an acc in cycle ",
                   first->due, " and is lost"),
      "X8");
  return false;
}

// --- accumulators ----------------------------------------------------------------

bool Chip::takeResult(Plane &plane, unsigned index, bool add, uint64_t active) {
  if (plane.results.empty() || plane.results.front().due != now.cycle) {
    return fail("no result of an abc appears in this cycle", "X8");
  }
  Plane::Result result = std::move(plane.results.front());
  plane.results.pop_front();
  Plane::Accumulator &state = plane.accumulators[index];
  bool isFloat = result.format == MxmFormat::F16;
  if (uint64_t missing = active & ~state.set; add && missing) {
    return fail(absl::StrCat("add to accumulator ", index,
                             ", never set in superlanes ", groupsText(missing)),
                "X11");
  }
  if (add && (isFloat ? active & ~state.isFloat : active & state.isFloat)) {
    return fail(absl::StrCat("add of a result in another format than "
                             "accumulator ",
                             index),
                "X12");
  }
  uint32_t *held = plane.accumulatorLanes.data() + size_t(index) * lanes;
  unsigned width = target.lanesPerSuperlane();
  for (uint64_t rest = active; rest; rest &= rest - 1) {
    unsigned first = unsigned(std::countr_zero(rest)) * width;
    const uint32_t *from = result.lanes.data() + first;
    uint32_t *to = held + first;
    if (!add) {
      std::memcpy(to, from, width * sizeof(uint32_t));
    } else {
      combineLanes(false, isFloat, to, from, to, width);
    }
  }
  state.set |= active;
  state.isFloat = isFloat ? state.isFloat | active : state.isFloat & ~active;
  spareResults.push_back(std::move(result.lanes));
  return true;
}

bool Chip::emit(Plane &plane, unsigned index, uint64_t active, StreamRef out) {
  const Plane::Accumulator &state = plane.accumulators[index];
  if (uint64_t missing = active & ~state.set) {
    return fail(absl::StrCat("accumulator ", index,
                             " emitted, never set in superlanes ",
                             groupsText(missing)),
                "X11");
  }
  const uint32_t *held = plane.accumulatorLanes.data() + size_t(index) * lanes;
  std::vector<uint32_t> &value = scratch[0];
  unsigned width = target.lanesPerSuperlane();
  for (unsigned l = 0; l < lanes; ++l) {
    value[l] = active >> (l / width) & 1 ? held[l] : 0;
  }
  uint32_t vectors[4];
  uint8_t *bytes[4];
  for (unsigned k = 0; k < 4; ++k) {
    vectors[k] = pool.allocate();
    bytes[k] = pool.data(vectors[k]);
  }
  narrowLanes(Drive::I32, false, value.data(), bytes, lanes);
  for (unsigned k = 0; k < 4; ++k) {
    if (!drive(out, k, target.latencies().mxm_emit(), vectors[k])) {
      return false;
    }
  }
  return true;
}

bool Chip::accumulate(const FlatQueue &queue, const AccumulateOp &op,
                      uint32_t i, uint32_t j) {
  Plane &plane = planes[queue.id.index];
  uint64_t active = 0, emitted = 0;
  int64_t a = op.a.at(i, j), b = op.b.at(i, j);
  bool takes = op.mode != AccumulateMode::None;
  for (int64_t index : {takes ? a : 0, op.emit ? b : 0}) {
    if (index < 0 || index >= target.accumulators()) {
      return fail(absl::StrCat("expected an accumulator below ",
                               target.accumulators(), ", got ", index),
                  "X9");
    }
  }
  if (takes &&
      (!activeMask(op.first.at(i, j), op.count, op.mask, superlanes,
                   "superlanes", "X9", active) ||
       !takeResult(plane, unsigned(a), op.mode == AccumulateMode::Add,
                   active))) {
    return false;
  }
  return !op.emit ||
         (activeMask(op.emitFirst.at(i, j), op.emitCount, op.emitMask,
                     superlanes, "superlanes", "X10", emitted) &&
          emit(plane, unsigned(b), emitted, op.out));
}
