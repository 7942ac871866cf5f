//===- Streams.cpp - Who drives what every instruction samples ------------===//
//
// A value keeps its cycle - column (east) or cycle + column (west) on its way:
// drives and samples of one diagonal, sorted along it, tell for every sample
// who drove last before it.
//
//===----------------------------------------------------------------------===//

#include "Issues.h"

using namespace lpu;
using namespace lpu::verifier;

namespace {

/// A group of streams of one issue, as the rules of the unit have it.
struct Group {
  Direction direction;
  unsigned id, count, step;
  int64_t offset; ///< cycles from issue
  unsigned number; ///< of the operand or result
};

unsigned typeBytes(std::string_view name) {
  return name == "i8" ? 1 : name == "i32" || name == "f32" ? 4 : 2;
}

/// Stream operands and results of an issue.
class Groups {
public:
  Groups(const Issue &issue, const Target &target) : issue(issue) {
    latency = target.latency(issue.in());
    switch (issue.in().opcode) {
    case Opcode::Mem:
      mem();
      break;
    case Opcode::Alu:
      alu();
      break;
    case Opcode::LoadWeights:
      sample(0, "dir", "base", issue.get("format") ? 32 : 16);
      break;
    case Opcode::Activate:
      if (issue.get("count") || issue.get("mask")) {
        sample(0, "dir", "base", issue.get("format") ? 2 : 1);
      }
      break;
    case Opcode::Accumulate:
      if (issue.get("emit")) {
        drive(0, "dir", "base", 4);
      }
      break;
    case Opcode::Shift:
    case Opcode::Select:
      sample(0, "dir", "id", 1);
      if (issue.in().opcode == Opcode::Select || issue.get("second")) {
        sample(1, "second_dir", "second_id", 1);
      }
      drive(0, "out_dir", "out_id", 1);
      break;
    case Opcode::Distribute:
    case Opcode::Rotate:
    case Opcode::Permute:
      sample(0, "dir", "id", 1);
      drive(0, "out_dir", "out_id", 1);
      break;
    case Opcode::Transpose:
      sample(0, "dir", "base", 16);
      drive(0, "out_dir", "out_base", 16);
      if (issue.get("two")) {
        sample(1, "dir2", "base2", 16);
        drive(1, "out_dir2", "out_base2", 16);
      }
      break;
    default:
      break;
    }
  }

  std::vector<Group> samples, drives;

private:
  Group group(unsigned number, std::string_view dir, std::string_view id, unsigned count,
              unsigned step, int64_t offset) {
    return {Direction(issue.get(dir)), unsigned(issue.get(id)), count, step, offset,
            number};
  }
  void sample(unsigned number, std::string_view dir, std::string_view id,
              unsigned count, unsigned step = 1) {
    samples.push_back(group(number, dir, id, count, step, 0));
  }
  void drive(unsigned number, std::string_view dir, std::string_view id,
             unsigned count) {
    drives.push_back(group(number, dir, id, count, 1, latency));
  }
  void mem() {
    if (issue.get("r") == 2) {
      sample(0, "r_map_dir", "r_map_id", 4);
    }
    if (issue.get("w")) {
      sample(1, "w_dir", "w_id", 1);
    }
    if (issue.get("w") == 2) {
      sample(2, "w_map_dir", "w_map_id", 4);
    }
    if (issue.get("r")) {
      drive(0, "r_dir", "r_id", 1);
    }
  }
  void alu() {
    unsigned number = 0;
    for (std::string name : {"a", "b", "c"}) {
      if (getEnumName(FieldKind::Operand, issue.get(name)) == "stream") {
        sample(number, name + "_dir", name + "_base",
               typeBytes(getEnumName(FieldKind::StreamType, issue.get(name + "_type"))),
               unsigned(issue.get(name + "_step")));
      }
      ++number;
    }
    std::string_view out = getEnumName(FieldKind::Drive, issue.get("out"));
    if (out != "none") {
      drive(0, "out_dir", "out_base", typeBytes(out));
    }
  }

  const Issue &issue;
  int64_t latency;
};

/// A drive or a sample on its diagonal; sorted, a drive comes after a sample
/// at the same place: it replaces what was sampled (T2).
struct Event {
  uint64_t line;    ///< direction, id, diagonal
  int32_t position; ///< columns in the stream's direction
  bool isDrive;
  uint16_t number;
  uint32_t issue;

  auto key() const { return std::tuple(line, position, isDrive, issue, number); }
};

} // namespace

void EntryVerifier::checkStreams() {
  std::vector<Event> events;
  auto add = [&](uint32_t index, const Group &group, bool isDrive) {
    const Issue &issue = issues[index];
    int64_t cycle = issue.cycle + group.offset;
    int64_t column = target.column(issue.placed->queue);
    bool east = group.direction == Direction::East;
    note(cycle);
    for (unsigned k = 0; k < group.count; ++k) {
      unsigned id = group.id + k * group.step;
      if (id >= target.streams()) {
        report(issue, absl::StrCat("expected streams below ", target.streams(), ", got ",
                                   id),
               "T8");
        return;
      }
      uint64_t diagonal = uint64_t(east ? cycle - column + target.columns()
                                        : cycle + column);
      events.push_back({(uint64_t(!east) * 64 + id) << 48 | diagonal,
                        int32_t(east ? column : -column), isDrive,
                        uint16_t(group.number), index});
    }
  };
  for (uint32_t index = 0; index < issues.size(); ++index) {
    Opcode opcode = issues[index].in().opcode;
    if (opcode == Opcode::Send || opcode == Opcode::Receive || opcode == Opcode::Deskew ||
        opcode == Opcode::Notify || opcode == Opcode::Sync) {
      report(issues[index], "systems of more than one chip are not verified yet", "C4");
      continue;
    }
    Groups groups(issues[index], target);
    for (const Group &group : groups.samples) {
      add(index, group, false);
    }
    for (const Group &group : groups.drives) {
      add(index, group, true);
    }
  }
  std::sort(events.begin(), events.end(),
            [](const Event &a, const Event &b) { return a.key() < b.key(); });
  const Event *driver = nullptr;
  for (const Event &event : events) {
    if (driver && driver->line != event.line) {
      driver = nullptr;
    }
    const Issue &issue = issues[event.issue];
    unsigned id = unsigned(event.line >> 48 & 63);
    std::string stream =
        absl::StrCat("stream ", event.line >> 54 ? "west " : "east ", id);
    int column = std::abs(event.position);
    if (event.isDrive) {
      if (driver && driver->position == event.position) {
        report(issue,
               absl::StrCat("two drivers of ", stream, " at column ", column,
                            ", the other is ", describe(*issues[driver->issue].placed)),
               "T4");
      }
      driver = &event;
    } else if (!driver) {
      report(issue, absl::StrCat(stream, " sampled empty at column ", column), "T5");
    } else {
      expectIntent(issue, event.number, *issues[driver->issue].placed, driver->number,
                   absl::StrCat("on ", stream, " "));
    }
  }
}
