//===- Mutations.cpp - Binaries changed in one place ----------------------===//

#include "Mutations.h"
#include "absl/strings/str_cat.h"
#include "lpu/Support/Strings.h"
#include <algorithm>
#include <type_traits>

namespace lpu::mutation {
namespace {

bool isNumber(FieldKind kind) {
  return kind == FieldKind::Unsigned || kind == FieldKind::Signed || kind == FieldKind::Float;
}

/// The field that stride slot `slot` belongs to.
const FieldInfo &getStrided(const InstructionInfo &info, size_t slot) {
  for (const FieldInfo &field : info.fields) {
    if (field.strided && slot-- == 0) {
      return field;
    }
  }
  return info.fields.front();
}

size_t countStrided(const InstructionInfo &info) {
  return size_t(std::count_if(info.fields.begin(), info.fields.end(),
                              [](const FieldInfo &field) { return field.strided; }));
}

/// The kind of a field, by what the ISA's table says of it.
std::string getFieldKind(const Instruction &in, const FieldInfo &field) {
  std::string_view name = field.name;
  auto ends = [&](std::string_view end) { return name.ends_with(end); };
  if (field.kind == FieldKind::Direction) {
    return "direction";
  }
  if (!isNumber(field.kind)) {
    return field.kind == FieldKind::AluOp        ? "operation"
           : field.kind == FieldKind::StreamType ? "type"
           : field.kind == FieldKind::Operand    ? "operand source"
                                                 : "mode";
  }
  if (ends("_bank")) {
    return "bank";
  }
  if (ends("_addr")) {
    return "address";
  }
  if (ends("_lo") || ends("_len")) {
    return "window";
  }
  if (in.opcode == Opcode::Alu && name.size() == 6 && ends("_base")) {
    std::string_view from = getEnumName(FieldKind::Operand, in.get(std::string(1, name[0])));
    return from == "mesh" ? "ALU" : "stream";
  }
  if (ends("id") || ends("base") || ends("base2") || ends("_step")) {
    return "stream";
  }
  if (ends("_value") || name == "lo" || name == "hi") {
    return "immediate";
  }
  if (name == "a" || name == "b") {
    return "accumulator";
  }
  if (ends("first") || ends("count") || ends("mask") || name == "half") {
    return "mask";
  }
  return std::string(name); // group, table, lanes, counter
}

/// Whether `in` has no use for a field that is no choice itself.
bool isUnusedField(const Instruction &in, std::string_view name) {
  auto isAny = [&](std::initializer_list<std::string_view> names) {
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  switch (in.opcode) {
  case Opcode::Mem: {
    std::string part(name.substr(0, 1));
    bool ofWindow = name.substr(1).starts_with("_map") || isAny({"r_lo", "r_len", "w_lo", "w_len"});
    return name.size() > 1 && (in.get(part) == 0 || (ofWindow && in.get(part) != 2));
  }
  case Opcode::Alu: {
    if (name.starts_with("out_")) {
      return in.get("out") == 0;
    }
    if (name.size() < 3 || name[1] != '_') {
      return false;
    }
    std::string_view from = getEnumName(FieldKind::Operand, in.get(name.substr(0, 1)));
    std::string_view field = name.substr(2);
    return field == "value"  ? from != "immediate"
           : field == "type" ? from != "stream" && from != "immediate"
           : field == "base" ? from != "stream" && from != "mesh"
           : field == "step" && getEnumName(FieldKind::StreamType,
                                            in.get(std::string(name.substr(0, 2)) + "type")) == "i8"
               ? true
               : from != "stream";
  }
  case Opcode::Accumulate:
    return (name == "a" && in.get("mode") == 0) ||
           (isAny({"b", "dir", "base"}) && in.get("emit") == 0);
  case Opcode::Shift:
    return isAny({"second_dir", "second_id"}) && in.get("second") == 0;
  case Opcode::Transpose:
    return isAny({"dir2", "base2", "out_dir2", "out_base2"}) && in.get("two") == 0;
  default:
    return false;
  }
}

TimedInstruction &getTimed(Program &program, const Mutation &m) {
  return program.entries[m.entry].queues[m.queue].instructions[m.index];
}
const TimedInstruction &getTimed(const Program &program, const Mutation &m) {
  return program.entries[m.entry].queues[m.queue].instructions[m.index];
}

/// The byte planes of an entry's inputs, outputs and derived inputs.
std::vector<BytePlane *> getPlanes(Entry &header) {
  std::vector<BytePlane *> planes;
  auto add = [&](auto &bindings) {
    for (auto &binding : bindings) {
      for (BytePlane &plane : *binding.mutable_byte_planes()) {
        planes.push_back(&plane);
      }
    }
  };
  add(*header.mutable_inputs());
  add(*header.mutable_outputs());
  add(*header.mutable_derived_inputs());
  return planes;
}

/// Adds to slice, bank, first word or, of words, their count.
template <typename Place> void change(Place &place, uint32_t number, int64_t step) {
  switch (number) {
  case 0:
    return place.set_slice(uint32_t(place.slice() + step));
  case 1:
    return place.set_bank(uint32_t(place.bank() + step));
  case 2:
    return place.set_first(uint32_t(place.first() + step));
  default:
    if constexpr (std::is_same_v<Place, WordRange>) {
      place.set_count(uint32_t(place.count() + step));
    }
  }
}
constexpr const char *kPlaceNumbers[] = {"slice", "bank", "first word", "words"};

/// The one of [0, 5) or [0, 3) that `number` names, read and written alike.
template <typename Record, typename Function>
void withNumber(Record &record, uint32_t number, Function function) {
  if constexpr (std::is_same_v<std::remove_const_t<Record>, IntentRecord>) {
    switch (number) {
    case 0:
      return function(record.consumerQueue);
    case 1:
      return function(record.consumerIndex);
    case 2:
      return function(record.operand);
    case 3:
      return function(record.producerOperand);
    case 4:
      return function(record.producerQueue);
    default:
      return function(record.producerIndex);
    }
  } else {
    switch (number) {
    case 0:
      return function(record.number);
    case 1:
      return function(record.operation);
    default:
      return function(record.sources);
    }
  }
}

class Enumerator {
public:
  std::vector<Mutation> run(const Program &program, uint32_t number) {
    const EntryProgram &entry = program.entries[number];
    at.entry = number;
    for (uint32_t queue = 0; queue < entry.queues.size(); ++queue) {
      const std::vector<TimedInstruction> &all = entry.queues[queue].instructions;
      for (uint32_t index = 0; index < all.size(); ++index) {
        at.queue = queue, at.index = index;
        addBoth(Mutation::Of::Cycle, 0);
        if (index + 1 < all.size()) { // the last one has nothing behind it
          addBoth(Mutation::Of::Gap, 0);
        }
        addInstruction(all[index].instruction);
      }
    }
    at.queue = 0;
    addRecords(Mutation::Of::Intent, entry.intent.size(), 6);
    addRecords(Mutation::Of::Meaning, entry.meanings.size(), 3);
    addRecords(Mutation::Of::Promise, 1, 1);
    addRecords(Mutation::Of::Image, program.image.size(), 4);
    addRecords(Mutation::Of::Region, size_t(entry.header.scratch_size()), 4);
    Entry header = entry.header;
    addRecords(Mutation::Of::Plane, getPlanes(header).size(), 3);
    return std::move(all);
  }

private:
  void add(Mutation::Of of, uint32_t number, int64_t value) {
    at.of = of, at.number = number, at.value = value;
    all.push_back(at);
  }
  void addBoth(Mutation::Of of, uint32_t number) {
    add(of, number, -1);
    add(of, number, 1);
  }

  void addRecords(Mutation::Of of, size_t count, uint32_t numbers) {
    for (at.index = 0; at.index < count; ++at.index) {
      for (uint32_t number = 0; number < numbers; ++number) {
        addBoth(of, number);
      }
    }
  }

  void addInstruction(const Instruction &in) {
    for (uint32_t f = 0; f < in.fields.size(); ++f) {
      const FieldInfo &field = in.info().fields[f];
      int64_t old = in.fields[f];
      if (isNumber(field.kind)) {
        for (int64_t value : {old - 1, old + 1}) {
          if (fitsField(field, value)) {
            add(Mutation::Of::Field, f, value);
          }
        }
        continue;
      }
      for (int64_t value = 0; value < int64_t(1) << field.bits; ++value) {
        if (value != old) { // those without a name too: the reader's business
          add(Mutation::Of::Field, f, value);
        }
      }
    }
    for (uint32_t k = 0; k < 4; ++k) {
      addBoth(Mutation::Of::Repeat, k);
    }
    for (uint32_t k = 0; k < 2 * countStrided(in.info()); ++k) {
      addBoth(Mutation::Of::Stride, k);
    }
  }

  Mutation at = {};
  std::vector<Mutation> all;
};

} // namespace

std::vector<Mutation> enumerate(const Program &program, uint32_t entry) {
  return Enumerator().run(program, entry);
}

std::string getKind(const Program &program, const Mutation &m) {
  switch (m.of) {
  case Mutation::Of::Cycle:
    return "cycle";
  case Mutation::Of::Gap:
    return "nop";
  case Mutation::Of::Field: {
    const Instruction &in = getTimed(program, m).instruction;
    return getFieldKind(in, in.info().fields[m.number]);
  }
  case Mutation::Of::Repeat:
    return m.number % 2 == 0 ? "repeat count" : "repeat interval";
  case Mutation::Of::Stride:
    return "stride";
  case Mutation::Of::Intent:
    return "intent record";
  case Mutation::Of::Meaning:
    return "meaning";
  case Mutation::Of::Promise:
    return "promised cycles";
  case Mutation::Of::Image:
    return "image region";
  case Mutation::Of::Region:
    return "entry's region";
  case Mutation::Of::Plane:
    return "byte plane";
  }
  return "";
}

bool isUnused(const Program &program, const Mutation &m) {
  if (m.of == Mutation::Of::Region) {
    return program.entries[m.entry].header.scratch(int(m.index)).kind() == SCRATCH;
  }
  if (m.of < Mutation::Of::Field || m.of > Mutation::Of::Stride) {
    return false;
  }
  const Instruction &in = getTimed(program, m).instruction;
  const Repeat &r = in.repeat;
  switch (m.of) {
  case Mutation::Of::Field:
    return isUnusedField(in, in.info().fields[m.number].name);
  case Mutation::Of::Repeat:
    return (m.number == 1 && r.n == 1) || (m.number == 3 && r.m == 1);
  default:
    return (m.number % 2 ? r.n : r.m) == 1 ||
           isUnusedField(in, getStrided(in.info(), m.number / 2).name);
  }
}

void apply(Program &program, const Mutation &m) {
  EntryProgram &entry = program.entries[m.entry];
  auto addTo = [&](auto &number) {
    number = std::remove_reference_t<decltype(number)>(number + uint64_t(m.value));
  };
  switch (m.of) {
  case Mutation::Of::Cycle:
    getTimed(program, m).cycle += m.value;
    break;
  case Mutation::Of::Gap: {
    std::vector<TimedInstruction> &all = entry.queues[m.queue].instructions;
    for (size_t k = m.index; k < all.size(); ++k) {
      all[k].cycle += m.value;
    }
    break;
  }
  case Mutation::Of::Field:
    getTimed(program, m).instruction.fields[m.number] = m.value;
    break;
  case Mutation::Of::Repeat: {
    Repeat &r = getTimed(program, m).instruction.repeat;
    addTo(m.number == 0 ? r.n : m.number == 1 ? r.d : m.number == 2 ? r.m : r.e);
    break;
  }
  case Mutation::Of::Stride: {
    std::vector<Repeat::Stride> &strides = getTimed(program, m).instruction.repeat.strides;
    strides.resize(std::max<size_t>(strides.size(), m.number / 2 + 1));
    Repeat::Stride &stride = strides[m.number / 2];
    addTo(m.number % 2 ? stride.j : stride.i);
    break;
  }
  case Mutation::Of::Intent:
    withNumber(entry.intent[m.index], m.number, addTo);
    break;
  case Mutation::Of::Meaning:
    withNumber(entry.meanings[m.index], m.number, addTo);
    break;
  case Mutation::Of::Promise:
    entry.header.set_cycles(entry.header.cycles() + uint64_t(m.value));
    break;
  case Mutation::Of::Image:
    change(*program.image[m.index].region.mutable_words(), m.number, m.value);
    break;
  case Mutation::Of::Region:
    change(*entry.header.mutable_scratch(int(m.index))->mutable_words(), m.number, m.value);
    break;
  case Mutation::Of::Plane:
    change(*getPlanes(entry.header)[m.index], m.number, m.value);
    break;
  }
}

Mutation invert(const Program &before, const Mutation &mutation) {
  Mutation back = mutation;
  back.value = mutation.of == Mutation::Of::Field
                   ? getTimed(before, mutation).instruction.fields[mutation.number]
                   : -mutation.value;
  return back;
}

std::string describe(const Program &before, const Mutation &m) {
  const EntryProgram &entry = before.entries[m.entry];
  std::string where = absl::StrCat("entry ", entry.header.name(), ": ");
  auto ofRegion = [&](const ImageRegion &region) {
    return absl::StrCat(where, getKind(before, m), " ", m.index, " \"", region.label(), "\", ",
                        kPlaceNumbers[m.number], " by ", m.value);
  };
  switch (m.of) {
  case Mutation::Of::Intent:
  case Mutation::Of::Meaning:
  case Mutation::Of::Promise:
    return absl::StrCat(where, getKind(before, m), " ", m.index, ", number ", m.number, " by ",
                        m.value);
  case Mutation::Of::Image:
    return ofRegion(before.image[m.index].region);
  case Mutation::Of::Region:
    return ofRegion(entry.header.scratch(int(m.index)));
  case Mutation::Of::Plane:
    return absl::StrCat(where, "byte plane ", m.index, ", ", kPlaceNumbers[m.number], " by ",
                        m.value);
  default:
    break;
  }
  const TimedInstruction &timed = getTimed(before, m);
  const Instruction &in = timed.instruction;
  const InstructionInfo &info = in.info();
  absl::StrAppend(&where, "queue ", before.target.queueName(entry.queues[m.queue].queue),
                  ", cycle ", timed.cycle, ", ", toAbsl(info.mnemonic));
  for (size_t f = 0; f < info.fields.size(); ++f) {
    if (in.fields[f] != info.fields[f].defaultValue) {
      std::string_view name = getEnumName(info.fields[f].kind, in.fields[f]);
      absl::StrAppend(&where, " ", toAbsl(info.fields[f].name), "=",
                      name.empty() ? absl::StrCat(in.fields[f]) : std::string(name));
    }
  }
  const Repeat &r = in.repeat;
  if (!r.isPlain()) {
    absl::StrAppend(&where, " repeat ", r.n, " ", r.d, " ", r.m, " ", r.e);
  }
  for (size_t slot = 0; slot < r.strides.size(); ++slot) {
    absl::StrAppend(&where, " stride ", toAbsl(getStrided(info, slot).name), " ",
                    r.strides[slot].i, " ", r.strides[slot].j);
  }
  where += ": ";
  switch (m.of) {
  case Mutation::Of::Cycle:
    return absl::StrCat(where, "cycle -> ", timed.cycle + m.value);
  case Mutation::Of::Gap:
    return absl::StrCat(where, "it and all behind it by ", m.value);
  case Mutation::Of::Field:
    return absl::StrCat(where, toAbsl(info.fields[m.number].name), " ", in.fields[m.number], " -> ",
                        m.value);
  case Mutation::Of::Repeat:
    return absl::StrCat(where, std::string(1, "ndme"[m.number]), " by ", m.value);
  default:
    return absl::StrCat(where, m.number % 2 ? "inner" : "outer", " stride of ",
                        toAbsl(getStrided(info, m.number / 2).name), " by ", m.value);
  }
}

} // namespace lpu::mutation
