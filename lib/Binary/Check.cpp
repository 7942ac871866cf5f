//===- Check.cpp - Structural checks without data or timing ---------------===//

#include "absl/strings/str_cat.h"
#include "lpu/Binary/Bindings.h"
#include "lpu/Binary/Operands.h"
#include "lpu/Binary/Program.h"
#include "lpu/Support/Elements.h"
#include "lpu/Support/Strings.h"
#include <algorithm>

namespace lpu {
namespace {

/// The instruction that is checked.
struct Where {
  const EntryProgram *entry = nullptr;
  QueueId queue;
  const TimedInstruction *timed = nullptr;

  std::string describe(const Target &target) const {
    return absl::StrCat("entry ", entry->header.name(), ", queue ", target.queueName(queue),
                        ", cycle ", timed->cycle, ": ",
                        toAbsl(timed->instruction.info().mnemonic));
  }
};

class Checker {
public:
  explicit Checker(const Program &program)
      : program(program), target(program.target) {}

  absl::Status run() {
    for (const ImageBytes &image : program.image) {
      checkWords(image.region.words(), image.region.label());
      size_t expected = image.region.kind() == WEIGHTS
                            ? size_t(image.region.words().count()) * target.lanes()
                            : 0;
      if (image.bytes.size() != expected) {
        fail(absl::StrCat("image \"", image.region.label(), "\": expected ",
                          expected, " bytes, got ", image.bytes.size()));
      }
    }
    checkOverlaps(nullptr);
    for (size_t i = 0; i < program.tables.size(); ++i) {
      if (program.tables[i].size() != target.lanes()) {
        fail(absl::StrCat("table ", i, ": expected ", target.lanes(),
                          " entries, got ", program.tables[i].size()));
      }
    }
    for (const EntryProgram &entry : program.entries) {
      checkEntry(entry);
    }
    return status;
  }

  absl::Status run(const EntryProgram &entry) {
    checkEntry(entry);
    return status;
  }

private:
  void fail(std::string message) {
    if (status.ok()) {
      status = absl::InvalidArgumentError(message);
    }
  }

  void checkWords(const WordRange &words, const std::string &label) {
    if (words.slice() >= target.numSlices() || words.bank() >= target.banks() ||
        words.count() == 0 ||
        uint64_t(words.first()) + words.count() > target.wordsPerBank()) {
      fail(absl::StrCat("region \"", label, "\": slice ", words.slice(),
                        ", bank ", words.bank(), ", words ", words.first(), " .. ",
                        uint64_t(words.first()) + words.count() - 1,
                        " are not on target ", target.description().name()));
    }
  }

  /// No word has two meanings: neither in the image nor in the image and one entry's
  /// own words.
  void checkOverlaps(const EntryProgram *entry) {
    std::vector<const ImageRegion *> regions;
    for (const ImageBytes &image : program.image) {
      regions.push_back(&image.region);
    }
    for (int k = 0; entry && k < entry->header.scratch_size(); ++k) {
      regions.push_back(&entry->header.scratch(k));
    }
    auto key = [](const ImageRegion *r) {
      return std::tuple(r->words().slice(), r->words().bank(), r->words().first());
    };
    std::sort(regions.begin(), regions.end(),
              [&](auto *a, auto *b) { return key(a) < key(b); });
    for (size_t i = 1; i < regions.size(); ++i) {
      const WordRange &a = regions[i - 1]->words(), &b = regions[i]->words();
      if (a.slice() == b.slice() && a.bank() == b.bank() &&
          b.first() < a.first() + a.count()) {
        fail(absl::StrCat(entry ? absl::StrCat("entry ", entry->header.name(), ": ") : "",
                          "regions \"", regions[i - 1]->label(), "\" and \"",
                          regions[i]->label(), "\" overlap"));
      }
    }
  }

  void checkPlane(const EntryProgram &entry, const std::string &name, const BytePlane &plane,
                  uint64_t words) {
    if (plane.slice() >= target.numSlices() || plane.bank() >= target.banks() ||
        plane.first() + words > target.wordsPerBank()) {
      fail(absl::StrCat("entry ", entry.header.name(), ": \"", name, "\": slice ", plane.slice(),
                        ", bank ", plane.bank(), ", words from ", plane.first(),
                        " on are not on target ", target.description().name()));
    }
  }

  void checkTensor(const EntryProgram &entry, const TensorBinding &binding, bool isInput) {
    if (absl::Status bad = checkBinding(binding, target.lanes(), isInput); !bad.ok()) {
      fail(absl::StrCat("entry ", entry.header.name(), ": \"", binding.name(),
                        "\": ", bad.message()));
      return;
    }
    uint64_t words = countWords(binding), chunk = binding.chunk_words();
    unsigned bytes = elementBytes(binding.stored_as());
    for (int k = 0; k < binding.byte_planes_size(); ++k) {
      uint64_t before = unsigned(k) / bytes * chunk;
      checkPlane(entry, binding.name(), binding.byte_planes(k),
                 chunk ? std::min(chunk, words - std::min(words, before)) : words);
    }
  }

  void checkEntry(const EntryProgram &entry) {
    size_t instructions = 0;
    checkOverlaps(&entry);
    for (const ImageRegion &region : entry.header.scratch()) {
      checkWords(region.words(), region.label());
    }
    for (const TensorBinding &input : entry.header.inputs()) {
      checkTensor(entry, input, true);
    }
    for (const TensorBinding &output : entry.header.outputs()) {
      checkTensor(entry, output, false);
    }
    for (const IntegerInput &input : entry.header.integer_inputs()) {
      if (!ElementType_IsValid(input.type()) || isFloatType(input.type())) {
        fail(absl::StrCat("entry ", entry.header.name(), ": \"", input.name(),
                          "\": expected integers"));
      }
    }
    for (const DerivedInput &derived : entry.header.derived_inputs()) {
      uint64_t rows = derived.rows() ? uint64_t(derived.rows() - 1) * derived.row_stride() : 0;
      for (const BytePlane &plane : derived.byte_planes()) {
        checkPlane(entry, derived.name(), plane, rows + 1);
      }
    }
    for (const QueueStream &queue : entry.queues) {
      if (!target.isValid(queue.queue)) {
        fail(absl::StrCat("entry ", entry.header.name(), ": no such queue"));
        continue;
      }
      for (const TimedInstruction &timed : queue.instructions) {
        where = {&entry, queue.queue, &timed};
        checkInstruction(queue.queue, timed.instruction);
      }
      instructions += queue.instructions.size();
    }
    if (!entry.meanings.empty() && entry.meanings.size() != instructions) {
      fail(absl::StrCat("entry ", entry.header.name(), ": expected a meaning for each of ",
                        instructions, " instructions, got ", entry.meanings.size()));
    }
  }

  void checkInstruction(QueueId queue, const Instruction &in) {
    const InstructionInfo &info = in.info();
    if (info.unit != queue.kind) {
      fail(absl::StrCat(where.describe(target), " belongs to ", toAbsl(getUnitKindName(info.unit)),
                        " queues"));
      return;
    }
    for (size_t i = 0; i < info.fields.size(); ++i) {
      const FieldInfo &field = info.fields[i];
      bool isEnum = field.kind != FieldKind::Unsigned &&
                    field.kind != FieldKind::Signed && field.kind != FieldKind::Float;
      if (isEnum && getEnumName(field.kind, in.fields[i]).empty()) {
        fail(absl::StrCat(where.describe(target), ": field ", toAbsl(field.name), " has no value ",
                          in.fields[i]));
      }
    }
    if (in.repeat.n == 0 || in.repeat.m == 0 ||
        (in.repeat.n > 1 && in.repeat.d == 0) ||
        (in.repeat.m > 1 && int64_t(in.repeat.e) <= int64_t(in.repeat.n - 1) * in.repeat.d)) {
      fail(absl::StrCat(where.describe(target), ": repeat issues out of order"));
    }
    checkStreams(getOperands(target, queue, in));
    checkStreams(getResults(target, queue, in));
    switch (info.opcode) {
    case Opcode::Mem:
      checkMem(in);
      break;
    case Opcode::Alu:
      checkAlu(in);
      break;
    case Opcode::Accumulate:
      checkSteps(in, "a", target.accumulators());
      checkSteps(in, "b", target.accumulators());
      break;
    case Opcode::Select:
    case Opcode::Distribute:
    case Opcode::Permute:
      checkTable(in);
      break;
    case Opcode::LoadWeights:
    case Opcode::Activate: {
      std::string_view name = getEnumName(FieldKind::MxmFormat, in.get("format"));
      const MxmFormatDescription *format = target.format(name);
      if (!format) {
        fail(absl::StrCat(where.describe(target), ": target has no format ", toAbsl(name)));
      } else if (info.opcode == Opcode::LoadWeights) {
        checkSteps(in, "group", format->rows() / 16);
      } else {
        checkSteps(in, "half", target.lanes() / format->rows());
      }
      break;
    }
    default:
      break;
    }
  }

  void checkStreams(const std::vector<OperandInfo> &operands) {
    for (const OperandInfo &operand : operands) {
      if (operand.kind == OperandInfo::Kind::Mesh && operand.alu >= target.alus()) {
        fail(absl::StrCat(where.describe(target), ": no ALU ", operand.alu));
      }
      if (operand.kind != OperandInfo::Kind::Stream) {
        continue;
      }
      unsigned last = operand.group.base +
                      unsigned(operand.group.count - 1) * operand.group.step;
      if (last >= target.streams()) {
        fail(absl::StrCat(where.describe(target), ": stream id ", last, " of ", target.streams()));
      }
    }
  }

  /// Every issue's value of the field lies in [0, limit).
  void checkSteps(const Instruction &in, std::string_view name, int64_t limit) {
    unsigned index = unsigned(in.info().fieldIndex(name));
    for (uint32_t i : {0u, in.repeat.m - 1}) {
      for (uint32_t j : {0u, in.repeat.n - 1}) {
        int64_t value = in.get(index, i, j);
        if (value < 0 || value >= limit) {
          fail(absl::StrCat(where.describe(target), ": ", toAbsl(name), " ", value, " of ", limit));
        }
      }
    }
  }

  void checkMem(const Instruction &in) {
    for (const char *part : {"r", "w"}) {
      std::string p = part;
      if (in.get(p) == 0) {
        continue;
      }
      if (in.get(p + "_bank") >= target.banks()) {
        fail(absl::StrCat(where.describe(target), ": no bank ", in.get(p + "_bank")));
      }
      bool mapped = in.get(p) == 2;
      checkSteps(in, p + "_addr",
                 target.wordsPerBank() - (mapped ? in.get(p + "_len") - 1 : 0));
    }
  }

  void checkAlu(const Instruction &in) {
    std::string_view op = getEnumName(FieldKind::AluOp, in.get("op"));
    if (op == "delay" && (in.get("lo") < 1 ||
                          in.get("lo") > target.latencies().alu_delay_max())) {
      fail(absl::StrCat(where.describe(target), ": expected a delay of 1 to ",
                        target.latencies().alu_delay_max(), ", got ", in.get("lo")));
    }
  }

  void checkTable(const Instruction &in) {
    size_t index = size_t(in.get("table"));
    if (index >= program.tables.size()) {
      fail(absl::StrCat(where.describe(target), ": no table ", index));
      return;
    }
    std::vector<uint16_t> sorted = program.tables[index];
    std::sort(sorted.begin(), sorted.end());
    for (size_t l = 0; in.opcode == Opcode::Permute && l < sorted.size(); ++l) {
      if (sorted[l] != l) {
        fail(absl::StrCat(where.describe(target), ": table ", index, " is no bijection"));
        return;
      }
    }
    unsigned limit = in.opcode == Opcode::Select ? 2 : 16;
    if (in.opcode != Opcode::Permute && !sorted.empty() && sorted.back() >= limit) {
      fail(absl::StrCat(where.describe(target), ": table ", index, " has an entry ", sorted.back(),
                        ", expected less than ", limit));
    }
  }

  const Program &program;
  const Target &target;
  Where where;
  absl::Status status;
};

} // namespace

absl::Status checkProgram(const Program &program) {
  return Checker(program).run();
}

absl::Status checkEntry(const Program &program, const EntryProgram &entry) {
  return Checker(program).run(entry);
}

const EntryProgram *Program::findEntry(std::string_view name) const {
  for (const EntryProgram &entry : entries) {
    if (entry.header.name() == name) {
      return &entry;
    }
  }
  return nullptr;
}

} // namespace lpu
