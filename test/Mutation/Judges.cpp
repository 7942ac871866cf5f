//===- Judges.cpp - What stops a changed binary ---------------------------===//

#include "Judges.h"
#include "absl/strings/str_cat.h"
#include "lpu/Verifier/Verifier.h"
#include <cstring>
#include <random>

namespace lpu::mutation {
namespace {

constexpr int kRuns = 2;

/// Standard normal where the type is a float, else anything up to a bound.
HostTensor makeTensor(ElementType type, const auto &shape, int64_t least, int64_t most,
                      std::mt19937_64 &random) {
  HostTensor tensor{type, {shape.begin(), shape.end()}, {}};
  unsigned width = elementBytes(type);
  std::normal_distribution<float> normal;
  std::uniform_int_distribution<int64_t> uniform(least, most);
  for (int64_t k = 0; k < tensor.numElements(); ++k) {
    uint8_t bytes[8] = {};
    float number = normal(random);
    int64_t integer = uniform(random);
    if (type == F32) {
      std::memcpy(bytes, &number, sizeof(number));
    } else if (type == F16 || type == BF16) {
      // 1.0 to 1.99 in bf16, 0.5 to 1.9 in fp16: any bits would do that are no NaN.
      uint16_t half = uint16_t(0x3f80 >> (type == F16 ? 2 : 0) | (integer & 0x7f));
      std::memcpy(bytes, &half, sizeof(half));
    } else {
      std::memcpy(bytes, &integer, sizeof(integer));
    }
    tensor.bytes.insert(tensor.bytes.end(), bytes, bytes + width);
  }
  return tensor;
}

HostTensors makeInputs(const Entry &entry, std::mt19937_64 &random) {
  HostTensors inputs;
  for (const TensorBinding &binding : entry.inputs()) {
    inputs[binding.name()] = makeTensor(binding.type(), binding.shape(), 0, 1, random);
  }
  for (const IntegerInput &input : entry.integer_inputs()) {
    bool bounded = input.bounded();
    inputs[input.name()] = makeTensor(input.type(), input.shape(), bounded ? input.min() : 0,
                                      bounded ? input.max() : 1, random);
  }
  return inputs;
}

} // namespace

absl::StatusOr<Judges> Judges::create(std::shared_ptr<const Program> program, uint64_t seed,
                                      bool withMeanings) {
  Judges judges;
  judges.program = program;
  judges.withMeanings = withMeanings;
  if (absl::Status status = verifyProgram(*program); !status.ok()) {
    return status;
  }
  std::mt19937_64 random(seed);
  for (size_t index = 0; index < program->entries.size(); ++index) {
    judges.inputs.emplace_back();
    for (int run = 0; run < kRuns; ++run) {
      judges.inputs.back().push_back(makeInputs(program->entries[index].header, random));
    }
    auto observed = judges.observe(program, index);
    if (!observed.ok()) {
      return observed.status();
    }
    judges.expected.push_back(*std::move(observed));
  }
  return judges;
}

absl::StatusOr<std::vector<Judges::Observed>>
Judges::observe(std::shared_ptr<const Program> changed, size_t index) const {
  absl::StatusOr<Executor> executor = Executor::create(changed);
  if (!executor.ok()) {
    return executor.status();
  }
  std::vector<Observed> result;
  for (const HostTensors &tensors : inputs[index]) {
    absl::StatusOr<RunResult> run = executor->run(changed->entries[index].header.name(), tensors);
    if (!run.ok()) {
      return run.status();
    }
    result.push_back({std::move(run->outputs), run->saturations, executor->readState()});
  }
  return result;
}

/// What the file would hold of the change, and what the reader says of it: every other part
/// is as it was.
absl::Status Judges::read(const Program &changed, const Mutation &mutation) const {
  const EntryProgram &entry = changed.entries[mutation.entry];
  switch (mutation.of) {
  case Mutation::Of::Intent:
  case Mutation::Of::Meaning:
  case Mutation::Of::Promise:
    return absl::OkStatus(); // any numbers
  case Mutation::Of::Image:
  case Mutation::Of::Region:
  case Mutation::Of::Plane:
    return checkProgram(changed);
  default:
    break;
  }
  EntryProgram read;
  read.header = entry.header;
  const QueueStream &queue = entry.queues[mutation.queue];
  absl::StatusOr<std::vector<uint8_t>> bytes = encodeQueue(program->target, queue);
  if (!bytes.ok()) {
    return bytes.status();
  }
  absl::StatusOr<QueueStream> decoded = decodeQueue(program->target, queue.queue, *bytes);
  if (!decoded.ok()) {
    return decoded.status();
  }
  if (decoded->instructions != queue.instructions) {
    return absl::DataLossError("the file has other instructions");
  }
  read.queues.push_back(*std::move(decoded));
  return checkEntry(*program, read);
}

std::string Judges::getViolation(const Program &changed, const EntryProgram &entry) const {
  if (withMeanings) {
    // The first will do.
    VerifierReport report = verifyEntry(changed, entry, 1);
    return report.violations.empty() ? "" : report.violations.front().message;
  }
  for (const Violation &violation : verifyEntry(changed, entry, SIZE_MAX).violations) {
    if (violation.message.find("; violates (I") == std::string::npos) {
      return violation.message;
    }
  }
  return "";
}

Judgement Judges::judge(const Program &changed, const Mutation &mutation) const {
  if (absl::Status status = read(changed, mutation); !status.ok()) {
    return {Verdict::Reader, std::string(status.message())};
  }
  if (std::string violation = getViolation(changed, changed.entries[mutation.entry]);
      !violation.empty()) {
    return {Verdict::Verifier, violation};
  }
  auto observed = observe(std::make_shared<Program>(changed), mutation.entry);
  if (!observed.ok()) {
    return {Verdict::Executor, std::string(observed.status().message())};
  }
  // Whose data lies in a word that is the image's or the host's no rule knows.
  bool isData = mutation.of >= Mutation::Of::Image;
  Verdict other = isData ? Verdict::Executor : Verdict::Slipped;
  for (int run = 0; run < kRuns; ++run) {
    const Observed &a = expected[mutation.entry][size_t(run)], &b = (*observed)[size_t(run)];
    for (const auto &[name, tensor] : a.outputs) {
      if (b.outputs.at(name).bytes != tensor.bytes) {
        return {other, absl::StrCat("gives another output '", name, "'")};
      }
    }
    if (a.saturations != b.saturations || a.state != b.state) {
      return {other, "leaves other states or counters"};
    }
  }
  if (isUnused(*program, mutation)) {
    return {Verdict::Unused, ""};
  }
  return withMeanings && !isData ? Judgement{Verdict::NoEffect, ""}
                      : Judgement{Verdict::Slipped, "gives the same on two random inputs"};
}

} // namespace lpu::mutation
