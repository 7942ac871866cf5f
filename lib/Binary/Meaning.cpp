//===- Meaning.cpp - What instructions are meant to do and find -----------===//

#include "lpu/Binary/Meaning.h"
#include <algorithm>
#include <array>

namespace lpu::meaning {
namespace {

/// Whether the field says where an operand or a result lies.
bool isPlace(Opcode opcode, std::string_view name) {
  if (opcode == Opcode::Accumulate && (name == "a" || name == "b")) {
    return true;
  }
  if (opcode == Opcode::LoadWeights && (name == "group" || name == "install")) {
    return true;
  }
  for (std::string_view end : {"dir", "dir2", "base", "base2", "_id", "_step", "_bank", "_addr"}) {
    if (name.ends_with(end)) {
      return true;
    }
  }
  return name == "id";
}

/// By opcode and field: looked up for every instruction.
const std::vector<bool> &getPlaces(Opcode opcode) {
  static const std::array<std::vector<bool>, 256> all = [] {
    std::array<std::vector<bool>, 256> result;
    for (const InstructionInfo &info : getInstructionTable()) {
      for (const FieldInfo &field : info.fields) {
        result[size_t(info.opcode)].push_back(isPlace(info.opcode, field.name));
      }
    }
    return result;
  }();
  return all[size_t(opcode)];
}

/// Field numbers of the instructions that keep something, looked up once.
struct Fields {
  static int find(Opcode opcode, std::string_view name) {
    return lookupInstruction(opcode)->fieldIndex(name);
  }
  struct Part {
    unsigned access, bank, addr, len;
    explicit Part(const std::string &p)
        : access(unsigned(find(Opcode::Mem, p))), bank(unsigned(find(Opcode::Mem, p + "_bank"))),
          addr(unsigned(find(Opcode::Mem, p + "_addr"))),
          len(unsigned(find(Opcode::Mem, p + "_len"))) {}
  };
  Part read{"r"}, write{"w"};
  unsigned group = unsigned(find(Opcode::LoadWeights, "group"));
  unsigned install = unsigned(find(Opcode::LoadWeights, "install"));
  unsigned mode = unsigned(find(Opcode::Accumulate, "mode"));
  unsigned emit = unsigned(find(Opcode::Accumulate, "emit"));
  unsigned a = unsigned(find(Opcode::Accumulate, "a"));
  unsigned b = unsigned(find(Opcode::Accumulate, "b"));
  unsigned op = unsigned(find(Opcode::Alu, "op"));
  unsigned reset = unsigned(find(Opcode::Alu, "reset"));
  std::array<unsigned, 3> operands = {unsigned(find(Opcode::Alu, "a")),
                                      unsigned(find(Opcode::Alu, "b")),
                                      unsigned(find(Opcode::Alu, "c"))};
  int64_t acc = *parseEnum(FieldKind::AluOp, "acc");
  int64_t accmax = *parseEnum(FieldKind::AluOp, "accmax");
  int64_t fromRegister = *parseEnum(FieldKind::Operand, "register");
  int64_t always = *parseEnum(FieldKind::Reset, "always");
  int64_t outer = *parseEnum(FieldKind::Reset, "outer");
};
const Fields &fields() {
  static const Fields instance;
  return instance;
}

/// Calls `function(issue, i, j, k, cycle)` for all issues of one queue in their order.
template <typename Function>
void forEachInOrder(std::span<const Issue> issues, Function function) {
  struct One {
    const Issue *issue;
    uint32_t i, j;
    int64_t cycle;
  };
  auto forEach = [](const Issue &issue, auto callback) {
    const Repeat &r = issue.instruction->repeat;
    for (uint32_t i = 0; i < r.m; ++i) {
      for (uint32_t j = 0; j < r.n; ++j) {
        callback(One{&issue, i, j, issue.cycle + int64_t(i) * r.e + int64_t(j) * r.d});
      }
    }
  };
  auto call = [&](const One &one) {
    function(*one.issue, one.i, one.j, one.i * one.issue->instruction->repeat.n + one.j, one.cycle);
  };
  bool isDisjoint = true;
  for (size_t k = 1; k < issues.size(); ++k) {
    isDisjoint &= issues[k - 1].cycle + issues[k - 1].instruction->repeat.span() < issues[k].cycle;
  }
  if (isDisjoint) {
    for (const Issue &issue : issues) {
      forEach(issue, call);
    }
    return;
  }
  std::vector<One> all;
  for (const Issue &issue : issues) {
    forEach(issue, [&](const One &one) { all.push_back(one); });
  }
  std::sort(all.begin(), all.end(),
            [](const One &a, const One &b) { return a.cycle < b.cycle; });
  for (const One &one : all) {
    call(one);
  }
}

} // namespace

uint32_t getOperation(const Instruction &in) {
  const std::vector<bool> &places = getPlaces(in.opcode);
  uint64_t sum = join(uint64_t(in.opcode), uint64_t(in.repeat.n) << 32 | in.repeat.m);
  size_t slot = 0;
  for (size_t k = 0; k < in.fields.size(); ++k) {
    bool isStrided = in.info().fields[k].strided;
    if (!places[k]) {
      sum = join(sum, uint64_t(in.fields[k]));
      if (isStrided && slot < in.repeat.strides.size()) {
        const Repeat::Stride &stride = in.repeat.strides[slot];
        // Absent strides are those of 0.
        if (stride != Repeat::Stride()) {
          sum = join(sum + k + 1, uint64_t(uint32_t(stride.i)) << 32 | uint32_t(stride.j));
        }
      }
    }
    slot += isStrided;
  }
  return uint32_t(sum);
}

Storage::Storage(const Target &target)
    : target(target), words(size_t(target.numSlices()) * target.banks() * target.wordsPerBank()),
      accumulators(size_t(target.planes()) * target.accumulators()), registers(target.alus()),
      planes(target.planes()) {
  for (Plane &plane : planes) {
    plane.buffer.resize(64);
  }
}

void Storage::add(std::vector<Issue> issues) {
  std::erase_if(issues, [](const Issue &issue) {
    return issue.instruction->info().unit != issue.queue.kind;
  });
  // A plane's weights come before its activations.
  std::sort(issues.begin(), issues.end(), [](const Issue &a, const Issue &b) {
    return a.queue != b.queue ? a.queue < b.queue : a.cycle < b.cycle;
  });
  for (size_t first = 0, last = 0; first < issues.size(); first = last) {
    while (last < issues.size() && issues[last].queue == issues[first].queue) {
      ++last;
    }
    addQueue(std::span(issues).subspan(first, last - first));
  }
  for (Plane &plane : planes) {
    if (!plane.installs.empty()) {
      plane.array = plane.installs.back().second;
      plane.installs.clear();
    }
  }
}

void Storage::addQueue(std::span<const Issue> issues) {
  QueueId queue = issues.front().queue;
  switch (queue.kind) {
  case UnitKind::Mem:
    return forEachInOrder(issues, [&](const Issue &issue, uint32_t i, uint32_t j, uint32_t k,
                                      int64_t) { addWords(issue, i, j, k); });
  case UnitKind::Vxm: {
    std::vector<Issue> named;
    for (const Issue &issue : issues) {
      if (!issue.hasOwnRegister) {
        named.push_back(issue);
        continue;
      }
      uint64_t own = 0;
      forEachInOrder({&issue, 1}, [&](const Issue &, uint32_t, uint32_t j, uint32_t k, int64_t) {
        addRegister(issue, j, k, own);
      });
    }
    return forEachInOrder(named, [&](const Issue &issue, uint32_t, uint32_t j, uint32_t k,
                                     int64_t) {
      addRegister(issue, j, k, registers[queue.index]);
    });
  }
  case UnitKind::MxmWeights:
    return forEachInOrder(issues, [&](const Issue &issue, uint32_t i, uint32_t j, uint32_t k,
                                      int64_t cycle) { addWeights(issue, i, j, k, cycle); });
  case UnitKind::MxmActivations: {
    Plane &plane = planes[queue.index];
    size_t next = 0;
    return forEachInOrder(issues, [&](const Issue &issue, uint32_t, uint32_t, uint32_t k,
                                      int64_t cycle) {
      while (next < plane.installs.size() && plane.installs[next].first <= cycle) {
        plane.array = plane.installs[next++].second;
      }
      issue.meaning->sources += getAccess(Place::Array, 0, k, plane.array);
    });
  }
  case UnitKind::MxmAccumulators:
    return forEachInOrder(issues, [&](const Issue &issue, uint32_t i, uint32_t j, uint32_t k,
                                      int64_t) { addAccumulator(issue, i, j, k); });
  default:
    return;
  }
}

void Storage::addWords(const Issue &issue, uint32_t i, uint32_t j, uint32_t k) {
  const Instruction &in = *issue.instruction;
  for (bool isWrite : {false, true}) {
    const Fields::Part &part = isWrite ? fields().write : fields().read;
    int64_t access = in.fields[part.access];
    int64_t first = in.get(part.addr, i, j), count = access == 2 ? in.fields[part.len] : 1;
    if (access == 0 || first < 0 || first + count > int64_t(target.wordsPerBank()) ||
        in.fields[part.bank] >= int64_t(target.banks())) {
      continue;
    }
    uint64_t unit = uint64_t(issue.queue.index) * target.banks() + uint64_t(in.fields[part.bank]);
    uint64_t *window = &words[unit * target.wordsPerBank() + uint64_t(first)];
    uint64_t initial = getInitial(Cell::Word, unit, uint64_t(first)), sum = 0;
    for (int64_t part = 0; part < count; ++part) {
      uint64_t contents = window[part] ? window[part] : initial + uint64_t(part) * kWordStep;
      sum += getPart(unsigned(part), contents);
    }
    issue.meaning->sources += getAccess(isWrite ? Place::OldWord : Place::Word, 0, k, sum);
    if (isWrite) {
      uint64_t stored = getStored(issue.meaning->number, k);
      for (int64_t part = 0; part < count; ++part) {
        window[part] = stored + uint64_t(part) * kWordStep;
      }
    }
  }
}

void Storage::addRegister(const Issue &issue, uint32_t j, uint32_t k, uint64_t &contents) {
  const Instruction &in = *issue.instruction;
  const Fields &f = fields();
  auto use = [&](unsigned number) {
    uint64_t found = contents ? contents : getInitial(Cell::Register, issue.queue.index, 0);
    issue.meaning->sources += getAccess(Place::Register, number, k, found);
  };
  for (unsigned number = 0; number < f.operands.size(); ++number) {
    if (in.fields[f.operands[number]] == f.fromRegister) {
      use(number);
    }
  }
  if (in.fields[f.op] == f.acc || in.fields[f.op] == f.accmax) {
    int64_t reset = in.fields[f.reset];
    if (reset != f.always && (reset != f.outer || j != 0)) {
      use(3);
    }
    contents = getStored(issue.meaning->number, k);
  }
}

void Storage::addWeights(const Issue &issue, uint32_t i, uint32_t j, uint32_t k, int64_t cycle) {
  const Instruction &in = *issue.instruction;
  Plane &plane = planes[issue.queue.index];
  bool loads = in.opcode == Opcode::LoadWeights;
  if (!loads || (in.fields[fields().install] != 0 && j == 0)) {
    uint64_t array = 0;
    for (unsigned group = 0; group < plane.buffer.size(); ++group) {
      if (plane.buffer[group]) {
        array += getRows(group, plane.buffer[group]);
        plane.buffer[group] = 0;
      }
    }
    plane.installs.push_back({cycle + target.latencies().mxm_install(), array});
  }
  int64_t group = loads ? in.get(fields().group, i, j) : -1;
  if (group >= 0 && group < int64_t(plane.buffer.size())) {
    plane.buffer[size_t(group)] = getStored(issue.meaning->number, k);
  }
}

void Storage::addAccumulator(const Issue &issue, uint32_t i, uint32_t j, uint32_t k) {
  const Instruction &in = *issue.instruction;
  auto use = [&](Place place, int64_t number, bool isSet) {
    if (number < 0 || number >= int64_t(target.accumulators())) {
      return;
    }
    uint64_t &contents =
        accumulators[size_t(issue.queue.index) * target.accumulators() + size_t(number)];
    issue.meaning->sources += getAccess(
        place, 0, k,
        contents ? contents
                 : getInitial(Cell::Accumulator, issue.queue.index, uint64_t(number)));
    if (isSet) {
      contents = getStored(issue.meaning->number, k);
    }
  };
  if (in.fields[fields().mode] != 0) {
    use(Place::Accumulator, in.get(fields().a, i, j), true);
  }
  if (in.fields[fields().emit] != 0) {
    use(Place::Emitted, in.get(fields().b, i, j), false);
  }
}

} // namespace lpu::meaning
