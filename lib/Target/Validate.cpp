//===- Validate.cpp - Rules of a target description -----------------------===//

#include "Validate.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include <algorithm>
#include <cctype>
#include <string>
#include <vector>

namespace lpu {
namespace {

class Rules {
public:
  void inRange(const char *field, uint64_t value, uint64_t low, uint64_t high) {
    if (value < low || value > high) {
      broken.push_back(absl::StrCat(field, ": expected ", low, " to ", high,
                                    ", got ", value));
    }
  }
  void require(bool holds, std::string message) {
    if (!holds) {
      broken.push_back(std::move(message));
    }
  }
  std::vector<std::string> broken;
};

void checkFormats(const TargetDescription &d, Rules &rules) {
  uint64_t lanes = uint64_t(d.superlanes()) * d.lanes_per_superlane();
  rules.require(d.formats_size() > 0, "formats: expected at least one");
  for (const MxmFormatDescription &f : d.formats()) {
    std::string name = absl::StrCat("formats \"", f.name(), "\"");
    rules.require(f.name() == "i8" || f.name() == "f16",
                  absl::StrCat(name, ": expected the name i8 or f16"));
    rules.require(f.gang() >= 1 && f.gang() <= d.planes_per_side(),
                  absl::StrCat(name, ".gang: expected 1 to ",
                               d.planes_per_side(), ", got ", f.gang()));
    rules.require(f.columns() == lanes,
                  absl::StrCat(name, ".columns: expected the ", lanes,
                               " lanes, got ", f.columns()));
    rules.require(f.rows() > 0 && f.rows() % 16 == 0 && lanes % f.rows() == 0,
                  absl::StrCat(name, ".rows: expected a multiple of 16 that "
                               "divides the ", lanes, " lanes, got ", f.rows()));
    uint32_t streams = f.name() == "f16" ? 32 : 16;
    rules.require(f.streams() == streams &&
                      f.streams() <= d.streams_per_direction(),
                  absl::StrCat(name, ".streams: expected ", streams,
                               " of the target's ", d.streams_per_direction(),
                               ", got ", f.streams()));
  }
}

void checkLatencies(const Latencies &l, Rules &rules) {
  // A driver of latency 0 would have to act before it samples.
  rules.inRange("latencies.read", l.read(), 1, 1000);
  rules.inRange("latencies.gather", l.gather(), 1, 1000);
  rules.inRange("latencies.alu", l.alu(), 1, 1000);
  rules.inRange("latencies.alu_transcendental", l.alu_transcendental(), 1, 1000);
  rules.inRange("latencies.alu_delay_max", l.alu_delay_max(), 1, 1000);
  rules.inRange("latencies.mxm_result", l.mxm_result(), 1, 1000);
  rules.inRange("latencies.mxm_emit", l.mxm_emit(), 1, 1000);
  rules.inRange("latencies.mxm_install", l.mxm_install(), 1, 1000);
  rules.inRange("latencies.shift", l.shift(), 1, 1000);
  rules.inRange("latencies.permute", l.permute(), 1, 1000);
  rules.inRange("latencies.transpose", l.transpose(), 1, 1000);
  rules.inRange("latencies.receive", l.receive(), 1, 1000);
}

} // namespace

absl::Status validateTarget(const TargetDescription &d) {
  Rules rules;
  // A word of assembly text.
  bool isWord = std::ranges::all_of(d.name(), [](unsigned char c) {
    return std::isalnum(c) || c == '-' || c == '_' || c == '.';
  });
  rules.require(!d.name().empty() && isWord,
                absl::StrCat("name: expected letters, digits, '-', '_' and '.', got \"",
                             d.name(), "\""));
  rules.inRange("clock_hz", d.clock_hz(), 1, 100'000'000'000);
  // Superlane masks are 64-bit sets in the instruction table.
  rules.inRange("superlanes", d.superlanes(), 1, 64);
  rules.inRange("lanes_per_superlane", d.lanes_per_superlane(), 16, 16);
  rules.inRange("slices_per_side", d.slices_per_side(), 1, 512);
  rules.inRange("banks_per_slice", d.banks_per_slice(), 1, 2);
  rules.inRange("words_per_bank", d.words_per_bank(), 1, 65536);
  rules.inRange("streams_per_direction", d.streams_per_direction(), 16, 64);
  rules.inRange("alus", d.alus(), 1, 64);
  rules.inRange("planes_per_side", d.planes_per_side(), 1, 16);
  rules.inRange("accumulators", d.accumulators(), 1, 65536);
  rules.inRange("c2c.cycles_per_vector", d.c2c().cycles_per_vector(), 1, 100000);
  rules.inRange("c2c.fifo_vectors", d.c2c().fifo_vectors(), 1, 100000);
  checkFormats(d, rules);
  checkLatencies(d.latencies(), rules);
  if (rules.broken.empty()) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "target \"", d.name(), "\" is invalid: ", absl::StrJoin(rules.broken, "; ")));
}

} // namespace lpu
