//===- Disassembler.cpp - Program to assembly text ------------------------===//

#include "AssemblyNames.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "lpu/Binary/Assembly.h"
#include "lpu/Support/AtomicFile.h"
#include "lpu/Support/Elements.h"
#include "lpu/Support/Strings.h"
#include <google/protobuf/text_format.h>
#include <optional>

namespace lpu {
namespace {

/// Image bytes up to this many are written into the text itself.
constexpr size_t kInlineBytes = 4096;

class Disassembler {
public:
  Disassembler(const Program &program, const std::string &sideFile)
      : program(program), target(program.target), sideFile(sideFile) {}

  absl::StatusOr<std::string> run() {
    printTarget();
    if (!program.producer.empty()) {
      absl::StrAppend(&out, "producer \"", program.producer, "\"\n");
    }
    for (const std::vector<uint16_t> &table : program.tables) {
      absl::StrAppend(&out, "table ", absl::StrJoin(table, " "), "\n");
    }
    for (const ImageBytes &image : program.image) {
      if (absl::Status status = printImage(image); !status.ok()) {
        return status;
      }
    }
    for (const EntryProgram &entry : program.entries) {
      printEntry(entry);
    }
    if (absl::Status status = side ? side->commit() : absl::OkStatus(); !status.ok()) {
      return status;
    }
    return std::move(out);
  }

private:
  void printTarget() {
    const TargetDescription &description = target.description();
    absl::StatusOr<Target> shipped = Target::lookup(description.name());
    absl::StrAppend(&out, "target ", description.name());
    if (!shipped.ok() ||
        shipped->description().SerializeAsString() != description.SerializeAsString()) {
      google::protobuf::TextFormat::Printer printer;
      printer.SetSingleLineMode(true);
      std::string text;
      printer.PrintToString(description, &text);
      // A quoted word of assembly text has no double quotes inside.
      absl::StrAppend(&out, " described \"",
                      absl::StrReplaceAll(text, {{"\\\"", "\\042"}, {"\"", "'"}}), "\"");
    }
    out += "\n";
  }

  std::string slice(uint32_t index) const {
    return target.queueName({UnitKind::Mem, uint16_t(index)});
  }

  void printRegion(const ImageRegion &region) {
    const WordRange &w = region.words();
    absl::StrAppend(&out, toAbsl(kRegionKinds[region.kind()]), " ", slice(w.slice()),
                    " bank ", w.bank(), " words ", w.first(), "..",
                    w.first() + w.count() - 1, " \"", region.label(), "\"");
  }

  absl::Status printImage(const ImageBytes &image) {
    absl::StrAppend(&out, "image ");
    printRegion(image.region);
    if (image.region.kind() == WEIGHTS && image.bytes.size() <= kInlineBytes) {
      absl::string_view bytes(reinterpret_cast<const char *>(image.bytes.data()),
                              image.bytes.size());
      absl::StrAppend(&out, " = hex ", absl::BytesToHexString(bytes));
    } else if (image.region.kind() == WEIGHTS) {
      if (sideFile.empty()) {
        return absl::InvalidArgumentError(
            absl::StrCat("image \"", image.region.label(), "\" has ",
                         image.bytes.size(), " bytes: expected a side file"));
      }
      if (!side) {
        side.emplace(sideFile);
      }
      absl::StrAppend(&out, " = file \"", sideFile, "\" offset ", side->getPosition());
      side->write(image.bytes.data(), image.bytes.size());
    }
    absl::StrAppend(&out, "\n");
    return absl::OkStatus();
  }

  template <typename Message> void printPlanes(const Message &message) {
    absl::StrAppend(&out, " planes");
    for (const BytePlane &plane : message.byte_planes()) {
      absl::StrAppend(&out, " ", slice(plane.slice()), ":", plane.bank(), ":",
                      plane.first());
    }
  }

  template <typename Message> static std::string shape(const Message &message) {
    return message.shape_size() ? absl::StrJoin(message.shape(), "x") : "scalar";
  }

  void printTensor(const TensorBinding &b, const char *way) {
    absl::StrAppend(&out, "  tensor ", way, " \"", b.name(), "\" ",
                    toAbsl(kElementTypeNames[b.type()]), " as ",
                    toAbsl(kElementTypeNames[b.stored_as()]), " shape ", shape(b));
    if (b.has_layout()) {
      const Layout &layout = b.layout();
      absl::StrAppend(&out, " layout lanes ", layout.lane_dim(), " vector ",
                      layout.vector_stride(), " offset ", layout.offset(), " words ",
                      layout.words());
      if (layout.word_strides_size()) {
        absl::StrAppend(&out, " strides ", absl::StrJoin(layout.word_strides(), "x"));
      }
    } else {
      absl::StrAppend(&out, " rows ", b.rows(), " columns ", b.columns(), " vectors ",
                      b.vectors(), " stride ", b.row_stride());
    }
    printPlanes(b);
    if (b.chunk_words()) {
      absl::StrAppend(&out, " chunk ", b.chunk_words());
    }
    if (b.lane_runs_size()) {
      absl::StrAppend(&out, " runs");
    }
    for (const LaneRun &run : b.lane_runs()) {
      absl::StrAppend(&out, " ", run.column(), ":", run.count(), ":", run.vector(), ":",
                      run.lane());
    }
    absl::StrAppend(&out, "\n");
  }

  void printHeader(const Entry &header) {
    absl::StrAppend(&out, "entry \"", header.name(), "\"\n");
    for (const ImageRegion &region : header.scratch()) {
      absl::StrAppend(&out, "  region ");
      printRegion(region);
      absl::StrAppend(&out, "\n");
    }
    for (const TensorBinding &binding : header.inputs()) {
      printTensor(binding, "input");
    }
    for (const TensorBinding &binding : header.outputs()) {
      printTensor(binding, "output");
    }
    for (const IntegerInput &input : header.integer_inputs()) {
      absl::StrAppend(&out, "  integer \"", input.name(), "\" ",
                      toAbsl(kElementTypeNames[input.type()]), " shape ", shape(input));
      if (input.bounded()) {
        absl::StrAppend(&out, " min ", input.min(), " max ", input.max());
      }
      absl::StrAppend(&out, "\n");
    }
    for (const DerivedInput &input : header.derived_inputs()) {
      absl::StrAppend(&out, "  derive \"", input.name(), "\" rows ", input.rows(),
                      " stride ", input.row_stride());
      printPlanes(input);
      absl::StrAppend(&out, " =");
      for (const DerivedStep &step : input.steps()) {
        absl::StrAppend(&out, " ", toAbsl(kDerivedOps[step.op()]));
        if (step.op() == DerivedStep::CONSTANT || step.op() == DerivedStep::INPUT) {
          absl::StrAppend(&out, " ", step.value());
        }
      }
      absl::StrAppend(&out, "\n");
    }
    for (const std::string &counter : header.counters()) {
      absl::StrAppend(&out, "  counter \"", counter, "\"\n");
    }
    if (header.cycles()) {
      absl::StrAppend(&out, "  cycles ", header.cycles(), "\n");
    }
    if (header.lower_bound()) {
      absl::StrAppend(&out, "  lower_bound ", header.lower_bound(), "\n");
    }
  }

  void printInstruction(const TimedInstruction &timed, const Meaning *meaning) {
    const Instruction &in = timed.instruction;
    const InstructionInfo &info = in.info();
    absl::StrAppend(&out, "    @", timed.cycle, " ", toAbsl(info.mnemonic));
    for (size_t i = 0; i < info.fields.size(); ++i) {
      const FieldInfo &field = info.fields[i];
      if (in.fields[i] == field.defaultValue) {
        continue;
      }
      std::string_view name = getEnumName(field.kind, in.fields[i]);
      absl::StrAppend(&out, " ", toAbsl(field.name), "=");
      if (!name.empty()) {
        absl::StrAppend(&out, toAbsl(name));
      } else {
        absl::StrAppend(&out, in.fields[i]);
      }
    }
    const Repeat &r = in.repeat;
    if (!r.isPlain()) {
      absl::StrAppend(&out, " repeat ", r.n, " ", r.d, " ", r.m, " ", r.e);
    }
    size_t slot = 0;
    for (const FieldInfo &field : info.fields) {
      if (field.strided && slot < r.strides.size()) {
        const Repeat::Stride &stride = r.strides[slot];
        // The last one is printed even when zero: it sets the list's length.
        if (stride != Repeat::Stride{} || slot + 1 == r.strides.size()) {
          absl::StrAppend(&out, " stride ", toAbsl(field.name), " ", stride.i, " ", stride.j);
        }
      }
      slot += field.strided;
    }
    if (meaning) {
      absl::StrAppend(&out, " meant ", meaning->number, ":", absl::Hex(meaning->operation), ":",
                      absl::Hex(meaning->sources));
    }
    absl::StrAppend(&out, "\n");
  }

  void printEntry(const EntryProgram &entry) {
    printHeader(entry.header);
    size_t number = 0;
    for (const QueueStream &queue : entry.queues) {
      absl::StrAppend(&out, "  queue ", target.queueName(queue.queue), "\n");
      for (const TimedInstruction &timed : queue.instructions) {
        printInstruction(timed, entry.meanings.empty() ? nullptr : &entry.meanings[number++]);
      }
    }
    auto end = [&](uint32_t queue, uint32_t index, uint16_t operand) {
      return absl::StrCat(target.queueName(target.queue(queue)), "[", index, "].", operand);
    };
    for (const IntentRecord &r : entry.intent) {
      absl::StrAppend(&out, "  intent ", end(r.producerQueue, r.producerIndex, r.producerOperand),
                      " -> ", end(r.consumerQueue, r.consumerIndex, r.operand), "\n");
    }
  }

  const Program &program;
  const Target &target;
  std::string sideFile, out;
  std::optional<AtomicFile> side;
};

} // namespace

absl::StatusOr<std::string> disassemble(const Program &program,
                                        const std::string &sideFile) {
  return Disassembler(program, sideFile).run();
}

} // namespace lpu
