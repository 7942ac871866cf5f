//===- Target.cpp - One chip, described by data ---------------------------===//

#include "lpu/Target/Target.h"
#include "Validate.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "lpu/Support/Strings.h"
#include <cerrno>
#include <cstring>
#include <fstream>
#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/text_format.h>

namespace lpu {
namespace {

constexpr const char *kMachines[] = {
#include "Machines.inc"
};

/// Keeps the parser's messages instead of printing them.
class ErrorCollector : public google::protobuf::io::ErrorCollector {
public:
  void AddError(int line, int column, const std::string &message) override {
    absl::StrAppend(&text, text.empty() ? "" : "; ", line + 1, ":", column + 1,
                    ": ", message);
  }
  std::string text;
};

struct UnitNames {
  UnitKind kind;
  std::string_view unit, part;
};
constexpr UnitNames kPlaneParts[] = {
    {UnitKind::MxmWeights, "mxm", "weights"},
    {UnitKind::MxmActivations, "mxm", "activations"},
    {UnitKind::MxmAccumulators, "mxm", "accumulators"},
};
constexpr UnitNames kSideParts[] = {
    {UnitKind::SxmShift, "sxm", "shift"},
    {UnitKind::SxmPermute, "sxm", "permute"},
    {UnitKind::SxmTranspose, "sxm", "transpose"},
};
constexpr UnitNames kLinkParts[] = {
    {UnitKind::C2cSend, "c2c", "send"},
    {UnitKind::C2cReceive, "c2c", "receive"},
};

} // namespace

// The printed names are the grammar.
Target::Target(TargetDescription description) : desc(std::move(description)) {
  for (unsigned number = 0; number < numQueues(); ++number) {
    queues[queueName(queue(number))] = queue(number);
  }
}

absl::StatusOr<Target> Target::parse(std::string_view text) {
  TargetDescription description;
  google::protobuf::TextFormat::Parser parser;
  ErrorCollector errors;
  parser.RecordErrorsTo(&errors);
  if (!parser.ParseFromString(std::string(text), &description)) {
    return absl::InvalidArgumentError(
        absl::StrCat("target description: ", errors.text));
  }
  return create(description);
}

absl::StatusOr<Target> Target::create(const TargetDescription &description) {
  if (absl::Status status = validateTarget(description); !status.ok()) {
    return status;
  }
  return Target(description);
}

static absl::StatusOr<Target> readTarget(const std::string &path) {
  std::ifstream file(path, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(file), {}};
  if (!file.is_open() || file.bad()) {
    return absl::NotFoundError(
        absl::StrCat(path, ": cannot read: ", std::strerror(errno)));
  }
  absl::StatusOr<Target> target = Target::parse(text);
  return target.ok() ? std::move(target)
                     : absl::Status(target.status().code(),
                                    absl::StrCat(path, ": ", target.status().message()));
}

absl::StatusOr<Target> Target::lookup(std::string_view name) {
  if (name.ends_with(".textproto")) {
    return readTarget(std::string(name));
  }
  for (const char *text : kMachines) {
    absl::StatusOr<Target> target = parse(text);
    if (!target.ok() || target->name() == name) {
      return target;
    }
  }
  return absl::NotFoundError(absl::StrCat("unknown target \"", toAbsl(name),
                                          "\"; known targets: ",
                                          absl::StrJoin(knownNames(), ", ")));
}

std::vector<std::string> Target::knownNames() {
  std::vector<std::string> names;
  for (const char *text : kMachines) {
    if (absl::StatusOr<Target> target = parse(text); target.ok()) {
      names.emplace_back(target->name());
    }
  }
  return names;
}

const MxmFormatDescription *Target::format(std::string_view name) const {
  for (const MxmFormatDescription &format : desc.formats()) {
    if (format.name() == name) {
      return &format;
    }
  }
  return nullptr;
}

unsigned Target::columns() const {
  return 2 * (1 + desc.planes_per_side() + 1 + slicesPerSide()) + 1;
}
unsigned Target::vxmColumn() const { return columns() / 2; }
unsigned Target::sliceColumn(unsigned slice) const {
  unsigned n = slicesPerSide();
  return slice < n ? vxmColumn() - 1 - slice : vxmColumn() + 1 + (slice - n);
}
unsigned Target::planeColumn(unsigned plane) const {
  unsigned n = desc.planes_per_side();
  return plane < n ? 1 + plane : columns() - 1 - n + (plane - n);
}
unsigned Target::sxmColumn(Side side) const {
  unsigned west = 1 + desc.planes_per_side();
  return side == Side::West ? west : columns() - 1 - west;
}
unsigned Target::c2cColumn(Side side) const {
  return side == Side::West ? 0 : columns() - 1;
}

unsigned Target::column(QueueId queue) const {
  switch (queue.kind) {
  case UnitKind::Mem:
    return sliceColumn(queue.index);
  case UnitKind::MxmWeights:
  case UnitKind::MxmActivations:
  case UnitKind::MxmAccumulators:
    return planeColumn(queue.index);
  case UnitKind::SxmShift:
  case UnitKind::SxmPermute:
  case UnitKind::SxmTranspose:
    return sxmColumn(Side(queue.index));
  case UnitKind::C2cSend:
  case UnitKind::C2cReceive:
    return c2cColumn(queue.index < desc.c2c().links_west() ? Side::West
                                                           : Side::East);
  case UnitKind::Vxm:
  case UnitKind::Any:
    return vxmColumn();
  }
  return vxmColumn();
}

unsigned Target::innerPlane(Side side) const {
  return side == Side::West ? desc.planes_per_side() - 1 : desc.planes_per_side();
}

unsigned Target::numQueues() const {
  return numSlices() + alus() + 3 * planes() + 6 + 2 * links();
}

QueueId Target::queue(unsigned number) const {
  auto id = [](UnitKind kind, unsigned index) {
    return QueueId{kind, uint16_t(index)};
  };
  if (number < numSlices()) {
    return id(UnitKind::Mem, number);
  }
  number -= numSlices();
  if (number < alus()) {
    return id(UnitKind::Vxm, number);
  }
  number -= alus();
  if (number < 3 * planes()) {
    return id(kPlaneParts[number % 3].kind, number / 3);
  }
  number -= 3 * planes();
  if (number < 6) {
    return id(kSideParts[number % 3].kind, number / 3);
  }
  number -= 6;
  return id(kLinkParts[number % 2].kind, number / 2);
}

unsigned Target::queueNumber(QueueId queue) const {
  unsigned vxm = numSlices(), mxm = vxm + alus(), sxm = mxm + 3 * planes(),
           c2c = sxm + 6;
  auto part = [&](UnitKind first) {
    return unsigned(queue.kind) - unsigned(first);
  };
  switch (queue.kind) {
  case UnitKind::Any:
  case UnitKind::Mem:
    return queue.index;
  case UnitKind::Vxm:
    return vxm + queue.index;
  case UnitKind::MxmWeights:
  case UnitKind::MxmActivations:
  case UnitKind::MxmAccumulators:
    return mxm + 3 * queue.index + part(UnitKind::MxmWeights);
  case UnitKind::SxmShift:
  case UnitKind::SxmPermute:
  case UnitKind::SxmTranspose:
    return sxm + 3 * queue.index + part(UnitKind::SxmShift);
  case UnitKind::C2cSend:
  case UnitKind::C2cReceive:
    return c2c + 2 * queue.index + part(UnitKind::C2cSend);
  }
  return 0;
}

bool Target::isValid(QueueId queue) const {
  switch (queue.kind) {
  case UnitKind::Any:
    return false;
  case UnitKind::Mem:
    return queue.index < numSlices();
  case UnitKind::Vxm:
    return queue.index < alus();
  case UnitKind::MxmWeights:
  case UnitKind::MxmActivations:
  case UnitKind::MxmAccumulators:
    return queue.index < planes();
  case UnitKind::SxmShift:
  case UnitKind::SxmPermute:
  case UnitKind::SxmTranspose:
    return queue.index < 2;
  case UnitKind::C2cSend:
  case UnitKind::C2cReceive:
    return queue.index < links();
  }
  return false;
}

std::string Target::queueName(QueueId queue) const {
  switch (queue.kind) {
  case UnitKind::Mem: {
    bool west = queue.index < slicesPerSide();
    return absl::StrCat("mem.", west ? "w" : "e", queue.index % slicesPerSide());
  }
  case UnitKind::Vxm:
    return absl::StrCat("vxm.", queue.index);
  default:
    break;
  }
  for (const UnitNames &names : kPlaneParts) {
    if (names.kind == queue.kind) {
      return absl::StrCat("mxm.", queue.index, ".", toAbsl(names.part));
    }
  }
  for (const UnitNames &names : kSideParts) {
    if (names.kind == queue.kind) {
      return absl::StrCat("sxm.", queue.index ? "e" : "w", ".", toAbsl(names.part));
    }
  }
  for (const UnitNames &names : kLinkParts) {
    if (names.kind == queue.kind) {
      return absl::StrCat("c2c.", queue.index, ".", toAbsl(names.part));
    }
  }
  return "?";
}

absl::StatusOr<QueueId> Target::parseQueue(std::string_view name) const {
  if (auto found = queues.find(toAbsl(name)); found != queues.end()) {
    return found->second;
  }
  return absl::InvalidArgumentError(
      absl::StrCat(
          "target ", desc.name(), " has no queue \"", toAbsl(name), "\""));
}

unsigned Target::latency(const Instruction &instruction) const {
  const Latencies &l = desc.latencies();
  switch (instruction.opcode) {
  case Opcode::Mem:
    return instruction.get("r") == 2 ? l.gather() : l.read();
  case Opcode::Alu: {
    std::string_view op = getEnumName(FieldKind::AluOp, instruction.get("op"));
    if (op == "delay") {
      return unsigned(instruction.get("lo"));
    }
    bool slow = op == "exp2" || op == "log2" || op == "tanh" || op == "rsqrt" ||
                op == "rcp";
    return slow ? l.alu_transcendental() : l.alu();
  }
  case Opcode::Accumulate:
    return l.mxm_emit();
  case Opcode::Shift:
  case Opcode::Select:
  case Opcode::Distribute:
  case Opcode::Rotate:
    return l.shift();
  case Opcode::Permute:
    return l.permute();
  case Opcode::Transpose:
    return l.transpose();
  case Opcode::Receive:
    return l.receive();
  default:
    return 0;
  }
}

} // namespace lpu
