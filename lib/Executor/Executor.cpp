//===- Executor.cpp - The cycle-exact reference executor ------------------===//
#include "lpu/Executor/Executor.h"
#include "Binding.h"
#include "Chip.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "lpu/Support/Strings.h"

using namespace lpu;
using namespace lpu::executor;

struct Executor::Impl {
  std::shared_ptr<const Program> program;
  Chip chip;
  std::vector<FlatEntry> entries; ///< by the program's entry

  Impl(std::shared_ptr<const Program> p, const ExecutorOptions &options)
      : program(std::move(p)), chip(*program, options) {}
};

Executor::Executor(std::unique_ptr<Impl> impl) : impl(std::move(impl)) {}
Executor::Executor(Executor &&) = default;
Executor &Executor::operator=(Executor &&) = default;
Executor::~Executor() = default;

const Program &Executor::program() const { return *impl->program; }
void Executor::resetState() { impl->chip.sram().resetState(); }
std::vector<uint8_t> Executor::readState() const { return impl->chip.sram().readState(); }

double RunStatistics::utilization(const Target &target, UnitKind kind) const {
  uint64_t issued = 0, queues = 0;
  for (unsigned q = 0; q < issuesByQueue.size(); ++q) {
    if (target.queue(q).kind == kind) {
      issued += issuesByQueue[q];
      ++queues;
    }
  }
  return queues && cycles ? double(issued) / (double(queues) * double(cycles))
                          : 0;
}

absl::StatusOr<Executor>
Executor::create(std::shared_ptr<const Program> program,
                 ExecutorOptions options) {
  auto impl = std::make_unique<Impl>(program, options);
  for (const EntryProgram &entry : program->entries) {
    auto flat = decodeEntry(*program, entry);
    if (!flat.ok()) {
      return flat.status();
    }
    impl->entries.push_back(std::move(*flat));
  }
  absl::Status status = impl->chip.sram().load(*program);
  if (!status.ok()) {
    return status;
  }
  return Executor(std::move(impl));
}

absl::StatusOr<RunResult> Executor::run(std::string_view name,
                                        const HostTensors &inputs) {
  const Program &program = *impl->program;
  size_t index = 0;
  while (index < program.entries.size() &&
         program.entries[index].header.name() != name) {
    ++index;
  }
  if (index == program.entries.size()) {
    return absl::NotFoundError(absl::StrCat(
        "no entry '", toAbsl(name), "', known entries: ",
        absl::StrJoin(program.entries, ", ",
                      [](std::string *out, const EntryProgram &entry) {
                        out->append(entry.header.name());
                      })));
  }
  const Entry &entry = program.entries[index].header;
  auto integers = checkInputs(entry, inputs);
  if (!integers.ok()) {
    return integers.status();
  }
  Sram &sram = impl->chip.sram();
  sram.startRun();
  for (const TensorBinding &binding : entry.inputs()) {
    absl::Status status = writeTensor(
        binding, inputs.find(binding.name())->second, program.target, sram);
    if (!status.ok()) {
      return status;
    }
  }
  for (const DerivedInput &derived : entry.derived_inputs()) {
    absl::Status status =
        writeDerived(derived, entry, *integers, program.target, sram);
    if (!status.ok()) {
      return status;
    }
  }
  RunResult result;
  std::vector<uint64_t> saturations(size_t(entry.counters_size()), 0);
  absl::Status status = impl->chip.run(impl->entries[index], result.statistics,
                                       saturations);
  if (!status.ok()) {
    return status;
  }
  for (int k = 0; k < entry.counters_size(); ++k) {
    result.saturations.emplace_back(entry.counters(k), saturations[size_t(k)]);
  }
  for (const TensorBinding &binding : entry.outputs()) {
    auto tensor = readTensor(binding, program.target, sram);
    if (!tensor.ok()) {
      return tensor.status();
    }
    result.outputs[binding.name()] = std::move(*tensor);
  }
  return result;
}
