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

/// Stream operands and results of an instruction, the same for all its issues.
class Groups {
public:
  Groups(const Instruction &in, const Target &target) : in(in) {
    latency = target.latency(in);
    switch (in.opcode) {
    case Opcode::Mem:
      mem();
      break;
    case Opcode::Alu:
      alu();
      break;
    case Opcode::LoadWeights:
      sample(0, "dir", "base", in.get("format") ? 32 : 16);
      break;
    case Opcode::Activate:
      if (in.get("count") || in.get("mask")) {
        sample(0, "dir", "base", in.get("format") ? 2 : 1);
      }
      break;
    case Opcode::Accumulate:
      if (in.get("emit")) {
        drive(0, "dir", "base", 4);
      }
      break;
    case Opcode::Shift:
    case Opcode::Select:
      sample(0, "dir", "id", 1);
      if (in.opcode == Opcode::Select || in.get("second")) {
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
      if (in.get("two")) {
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
    return {Direction(in.get(dir)), unsigned(in.get(id)), count, step, offset,
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
    if (in.get("r") == 2) {
      sample(0, "r_map_dir", "r_map_id", 4);
    }
    if (in.get("w")) {
      sample(1, "w_dir", "w_id", 1);
    }
    if (in.get("w") == 2) {
      sample(2, "w_map_dir", "w_map_id", 4);
    }
    if (in.get("r")) {
      drive(0, "r_dir", "r_id", 1);
    }
  }
  void alu() {
    unsigned number = 0;
    for (std::string name : {"a", "b", "c"}) {
      if (getEnumName(FieldKind::Operand, in.get(name)) == "stream") {
        sample(number, name + "_dir", name + "_base",
               typeBytes(getEnumName(FieldKind::StreamType, in.get(name + "_type"))),
               unsigned(in.get(name + "_step")));
      }
      ++number;
    }
    std::string_view out = getEnumName(FieldKind::Drive, in.get("out"));
    if (out != "none") {
      drive(0, "out_dir", "out_base", typeBytes(out));
    }
  }

  const Instruction &in;
  int64_t latency;
};

/// A drive or a sample on its diagonal; sorted, a drive comes after a sample
/// at the same place: it replaces what was sampled (T2).
struct Event {
  int64_t diagonal;
  int32_t position; ///< columns in the stream's direction
  uint32_t use;     ///< twice its number; odd for a drive

  bool isDrive() const { return use & 1; }
  bool operator<(const Event &other) const {
    if (diagonal != other.diagonal) {
      return diagonal < other.diagonal;
    }
    return position != other.position       ? position < other.position
           : isDrive() != other.isDrive()   ? other.isDrive()
                                            : use < other.use;
  }
};

} // namespace

namespace lpu::verifier {

/// What one instruction does to one stream.
struct StreamUse {
  const Placed *placed;
  unsigned number : 16, byte : 8, isDrive : 1;
  int32_t offset;          ///< cycles from issue
  uint32_t feeder = ~0u;   ///< a sample: the use that fed it last
  uint64_t edge = 0;       ///< from that one
};

/// Which issue of `p` is in `cycle`.
static uint32_t getOrdinal(const Placed &p, int64_t cycle) {
  const Repeat &repeat = p.in().repeat;
  uint64_t after = uint64_t(cycle - p.timed->cycle);
  uint64_t outer = repeat.m > 1 ? after / repeat.e : 0;
  after -= outer * repeat.e;
  return uint32_t(outer * repeat.n + (repeat.d > 1 ? after / repeat.d : after));
}

} // namespace lpu::verifier

void EntryVerifier::checkStreams() {
  // By direction and id, in the order of the instructions.
  std::vector<std::vector<StreamUse>> uses(2 * target.streams());
  auto add = [&](const Placed &p, const Group &group, bool isDrive) {
    note(p.timed->cycle + p.in().repeat.span() + group.offset);
    for (unsigned k = 0; k < group.count; ++k) {
      unsigned id = group.id + k * group.step;
      if (id >= target.streams()) {
        forEachIssue(p, [&](const Issue &issue) {
          report(issue, absl::StrCat("expected streams below ", target.streams(), ", got ", id),
                 "T8");
        });
        return;
      }
      uses[unsigned(group.direction) * target.streams() + id].push_back(
          {&p, group.number, k, isDrive, int32_t(group.offset)});
    }
  };
  for (const Placed &p : placed) {
    Opcode opcode = p.in().opcode;
    if (opcode == Opcode::Send || opcode == Opcode::Receive || opcode == Opcode::Deskew ||
        opcode == Opcode::Notify || opcode == Opcode::Sync) {
      forEachIssue(p, [&](const Issue &issue) {
        report(issue, "systems of more than one chip are not verified yet", "C4");
      });
      continue;
    }
    Groups groups(p.in(), target);
    for (const Group &group : groups.samples) {
      add(p, group, false);
    }
    for (const Group &group : groups.drives) {
      add(p, group, true);
    }
  }
  // The events of one stream at a time need little memory.
  for (size_t k = 0; k < uses.size(); ++k) {
    checkStream(Direction(k / target.streams()), unsigned(k % target.streams()), uses[k]);
    uses[k] = {};
  }
}

void EntryVerifier::checkStream(Direction direction, unsigned id,
                                std::vector<StreamUse> &uses) {
  bool east = direction == Direction::East;
  std::vector<Event> events;
  for (uint32_t k = 0; k < uses.size(); ++k) {
    const StreamUse &use = uses[k];
    int64_t column = target.column(use.placed->queue);
    forEachIssue(*use.placed, [&](const Issue &issue) {
      int64_t cycle = issue.cycle + use.offset;
      events.push_back({east ? cycle - column : cycle + column,
                        int32_t(east ? column : -column), k << 1 | use.isDrive});
    });
  }
  std::sort(events.begin(), events.end());
  auto stream = [&] { return absl::StrCat("stream ", east ? "east " : "west ", id); };
  const Event *driver = nullptr;
  for (const Event &event : events) {
    if (driver && driver->diagonal != event.diagonal) {
      driver = nullptr;
    }
    StreamUse &use = uses[event.use >> 1];
    Issue issue{use.placed, 0, 0, event.diagonal + event.position - use.offset};
    int column = std::abs(event.position);
    if (event.isDrive()) {
      if (driver && driver->position == event.position) {
        report(issue,
               absl::StrCat("two drivers of ", stream(), " at column ", column,
                            ", the other is ", describe(*uses[driver->use >> 1].placed)),
               "T4");
      }
      driver = &event;
    } else if (!driver) {
      report(issue, absl::StrCat(stream(), " sampled empty at column ", column), "T5");
    } else {
      const StreamUse &from = uses[driver->use >> 1];
      if (use.feeder != driver->use) {
        use.feeder = driver->use;
        use.edge = meaning::getEdge(use.number, use.byte, from.placed->number, from.number,
                                    from.byte);
        expectIntent(issue, use.number, *from.placed, from.number,
                     [&] { return absl::StrCat("on ", stream(), " "); });
      }
      int64_t driven = event.diagonal + driver->position - from.offset;
      addSources(*use.placed, meaning::getSample(use.edge, getOrdinal(*use.placed, issue.cycle),
                                                 getOrdinal(*from.placed, driven)));
    }
  }
}
