//===- Mxm.cpp - Weights, passes and accumulators -------------------------===//

#include "Issues.h"
#include <deque>
#include <map>
#include <optional>

using namespace lpu;
using namespace lpu::verifier;

namespace {

/// Row groups in a weight buffer or an installed array.
struct Rows {
  int64_t format = 0;
  uint64_t loaded = 0;
  std::map<int64_t, uint64_t> groups = {}; ///< who loaded them
  uint64_t contents = 0;                   ///< all groups, once installed
};
struct Install {
  int64_t cycle;
  std::optional<Rows> rows; ///< nothing: a gang took the plane over, or left it
};
struct Accumulator {
  uint64_t set = 0, isFloat = 0; ///< superlanes
  uint64_t contents = 0;         ///< who set it or added to it last; 0 for nobody
};
struct PlaneState {
  std::optional<Rows> buffer;
  std::vector<Install> installs;
  std::map<int64_t, Issue> results; ///< abc by the cycle of its result
  std::vector<Accumulator> accumulators;

  /// The array that an abc issued in `cycle` sees (X5).
  const Rows *arrayAt(int64_t cycle, int64_t latency) const {
    const Rows *array = nullptr;
    for (auto it = installs.rbegin(); it != installs.rend(); ++it) {
      if (it->cycle + latency <= cycle) {
        array = it->rows ? &*it->rows : nullptr;
        break;
      }
    }
    return array;
  }
};

} // namespace

void EntryVerifier::checkMxm() {
  std::vector<PlaneState> planes(target.planes());
  for (PlaneState &plane : planes) {
    plane.accumulators.resize(target.accumulators());
  }
  unsigned perSide = target.planes() / 2;
  auto formatOf = [&](const Issue &issue) -> const MxmFormatDescription * {
    const auto *format =
        target.format(getEnumName(FieldKind::MxmFormat, issue.get("format")));
    if (!format) {
      report(issue, "the target does not have this format", "X1");
      return nullptr;
    }
    unsigned plane = issue.placed->queue.index;
    if (format->gang() > 1 && plane != target.innerPlane(target.planeSide(plane))) {
      report(issue, "expected the lead plane of the gang", "X1");
      return nullptr;
    }
    return format;
  };
  auto isGang = [&](int64_t format) {
    return target.format(getEnumName(FieldKind::MxmFormat, format))->gang() > 1;
  };
  auto forOthers = [&](unsigned plane, auto function) {
    unsigned start = plane / perSide * perSide;
    for (unsigned other = start; other < start + perSide; ++other) {
      if (other != plane) {
        function(planes[other], other);
      }
    }
  };
  auto install = [&](const Issue &issue) {
    unsigned index = issue.placed->queue.index;
    PlaneState &plane = planes[index];
    int64_t format = issue.get("format");
    if (!plane.buffer) {
      report(issue, "install of a buffer into which nothing was loaded", "X4");
      return;
    }
    if (plane.buffer->format != format) {
      report(issue, "expected the format of the rows in the buffer", "X3");
    }
    forOthers(index, [&](PlaneState &other, unsigned) {
      bool gangBefore = !other.installs.empty() && other.installs.back().rows &&
                        isGang(other.installs.back().rows->format);
      if (isGang(format) || gangBefore) {
        other.installs.push_back({issue.cycle, std::nullopt});
      }
    });
    for (auto [group, by] : plane.buffer->groups) {
      plane.buffer->contents += meaning::getRows(unsigned(group), by);
    }
    plane.buffer->groups.clear();
    plane.installs.push_back({issue.cycle, plane.buffer});
    plane.buffer.reset();
  };
  /// Bit set of {first, count} or the mask; nothing, reported, out of range.
  auto bits = [&](const Issue &issue, std::string prefix, unsigned limit,
                  std::string_view rule) -> std::optional<uint64_t> {
    int64_t first = issue.get(prefix + "first"), count = issue.get(prefix + "count");
    uint64_t mask = uint64_t(issue.get(prefix + "mask"));
    if (count != 0) {
      if (first < 0 || first + count > int64_t(limit)) {
        report(issue, absl::StrCat("mask beyond ", limit), rule);
        return std::nullopt;
      }
      return (count == 64 ? ~uint64_t(0) : (uint64_t(1) << count) - 1) << first;
    }
    if (limit < 64 && mask >> limit) {
      report(issue, absl::StrCat("mask beyond ", limit), rule);
      return std::nullopt;
    }
    return mask;
  };

  auto loadWeights = [&](const Issue &issue) {
    const MxmFormatDescription *format = formatOf(issue);
    if (!format) {
      return;
    }
    if (issue.in().opcode == Opcode::InstallWeights ||
        (issue.get("install") && issue.j == 0)) {
      install(issue);
    }
    if (issue.in().opcode == Opcode::InstallWeights) {
      return;
    }
    PlaneState &plane = planes[issue.placed->queue.index];
    int64_t group = issue.get("group");
    if (group < 0 || group >= int64_t(format->rows() / 16)) {
      report(issue, absl::StrCat("expected a row group below ", format->rows() / 16,
                                 ", got ", group),
             "X2");
      return;
    }
    if (!plane.buffer) {
      forOthers(issue.placed->queue.index, [&](PlaneState &other, unsigned number) {
        if (other.buffer && (format->gang() > 1 || isGang(other.buffer->format))) {
          report(issue, absl::StrCat("plane ", number,
                                     " of the gang has rows in its own buffer"),
                 "X1");
        }
      });
      plane.buffer = Rows{issue.get("format")};
    }
    if (plane.buffer->format != issue.get("format")) {
      report(issue, "expected the format of the rows in the buffer", "X2");
    }
    plane.buffer->loaded |= uint64_t(1) << group;
    plane.buffer->groups[group] = meaning::getStored(issue.placed->number, issue.ordinal());
  };

  auto activate = [&](const Issue &issue) {
    const MxmFormatDescription *format = formatOf(issue);
    if (!format) {
      return;
    }
    PlaneState &plane = planes[issue.placed->queue.index];
    std::optional<uint64_t> active = bits(issue, "", format->rows() / 16, "X7");
    const Rows *array = plane.arrayAt(issue.cycle, target.latencies().mxm_install());
    if (!array || array->format != issue.get("format")) {
      report(issue, "no array of this format is installed", "X6");
    } else if (active && (*active & ~array->loaded)) {
      report(issue, "row groups that were not loaded before the install are active",
             "X6");
    }
    addAccess(*issue.placed, meaning::Place::Array, 0, issue.ordinal(),
              array ? array->contents : 0);
    int64_t half = issue.get("half");
    if (half < 0 || (half + 1) * format->rows() > target.lanes()) {
      report(issue, absl::StrCat("expected a half below ",
                                 target.lanes() / format->rows(), ", got ", half),
             "X7");
    }
    plane.results[issue.cycle + target.latencies().mxm_result()] = issue;
    note(issue.cycle);
  };

  auto accumulate = [&](const Issue &issue) {
    PlaneState &plane = planes[issue.placed->queue.index];
    int64_t mode = issue.get("mode");
    auto accumulator = [&](int64_t index) -> Accumulator * {
      if (index >= 0 && index < int64_t(target.accumulators())) {
        return &plane.accumulators[size_t(index)];
      }
      report(issue, absl::StrCat("expected an accumulator below ",
                                 target.accumulators(), ", got ", index),
             "X9");
      return nullptr;
    };
    auto use = [&](meaning::Place place, const Accumulator &accumulator, int64_t index) {
      addAccess(*issue.placed, place, 0, issue.ordinal(),
                accumulator.contents
                    ? accumulator.contents
                    : meaning::getInitial(meaning::Cell::Accumulator,
                                          issue.placed->queue.index, uint64_t(index)));
    };
    if (mode != 0) {
      auto result = plane.results.find(issue.cycle);
      if (result == plane.results.end()) {
        report(issue, "no result of an abc appears in this cycle", "X8");
        return;
      }
      Issue by = result->second;
      plane.results.erase(result);
      expectIntent(issue, 0, *by.placed, 0, [] { return ""; });
      addSources(*issue.placed,
                 meaning::getSample(meaning::getEdge(0, 0, by.placed->number, 0, 0),
                                    issue.ordinal(), by.ordinal()));
      Accumulator *a = accumulator(issue.get("a"));
      std::optional<uint64_t> active = bits(issue, "", target.superlanes(), "X9");
      if (!a || !active) {
        return;
      }
      use(meaning::Place::Accumulator, *a, issue.get("a"));
      a->contents = meaning::getStored(issue.placed->number, issue.ordinal());
      bool isFloat = by.get("format") == 1;
      if (mode == 2 && (*active & ~a->set)) {
        report(issue, absl::StrCat("add to accumulator ", issue.get("a"),
                                   ", never set in all active superlanes"),
               "X11");
      } else if (mode == 2 &&
                 (isFloat ? *active & ~a->isFloat : *active & a->isFloat)) {
        report(issue, absl::StrCat("add of a result in another format than accumulator ",
                                   issue.get("a")),
               "X12");
      }
      a->set |= *active;
      a->isFloat = isFloat ? a->isFloat | *active : a->isFloat & ~*active;
    }
    if (issue.get("emit")) {
      Accumulator *b = accumulator(issue.get("b"));
      if (b) {
        use(meaning::Place::Emitted, *b, issue.get("b"));
      }
      std::optional<uint64_t> active = bits(issue, "emit_", target.superlanes(), "X10");
      if (b && active && (*active & ~b->set)) {
        report(issue, absl::StrCat("accumulator ", issue.get("b"),
                                   " emitted, never set in all active superlanes"),
               "X11");
      }
    }
  };

  auto mxm = {UnitKind::MxmWeights, UnitKind::MxmActivations, UnitKind::MxmAccumulators};
  forEachInOrder(mxm, [&](const Issue &issue) {
    switch (issue.in().opcode) {
    case Opcode::LoadWeights:
    case Opcode::InstallWeights:
      loadWeights(issue);
      break;
    case Opcode::Activate:
      activate(issue);
      break;
    case Opcode::Accumulate:
      accumulate(issue);
      break;
    default:
      break;
    }
  });
  for (const PlaneState &plane : planes) {
    for (const auto &[due, issue] : plane.results) {
      report(issue, absl::StrCat("the result meets no set or add of an acc in cycle ",
                                  due, " and is lost"),
             "X8");
    }
  }
}
