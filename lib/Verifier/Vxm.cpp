//===- Vxm.cpp - Mesh, results, registers, operand types ------------------===//

#include "Issues.h"
#include <map>
#include <optional>

using namespace lpu;
using namespace lpu::verifier;

namespace {

enum class Type : uint8_t { None, Int, Float };

Type streamType(int64_t value) {
  return getEnumName(FieldKind::StreamType, value).starts_with("i") ? Type::Int
                                                                   : Type::Float;
}
/// The type that all operands of `op` have; None where both do.
Type expectedType(std::string_view op) {
  for (std::string_view name : {"fma", "f2i", "f2h", "flooradd", "exp2", "log2", "tanh",
                                "rsqrt", "rcp"}) {
    if (op == name) {
      return Type::Float;
    }
  }
  for (std::string_view name : {"and", "or", "xor", "shl", "shr", "i2f"}) {
    if (op == name) {
      return Type::Int;
    }
  }
  return Type::None;
}
unsigned operandCount(std::string_view op) {
  if (op == "fma" || op == "select") {
    return 3;
  }
  for (std::string_view name : {"abs", "neg", "f2i", "i2f", "f2h", "exp2", "log2", "tanh",
                                "rsqrt", "rcp", "copy", "delay", "acc", "accmax", "bits"}) {
    if (op == name) {
      return 1;
    }
  }
  return 2;
}
Type resultType(std::string_view op, Type operand) {
  if (op == "i2f") {
    return Type::Float;
  }
  if (op == "bits" && operand != Type::None) {
    return operand == Type::Float ? Type::Int : Type::Float;
  }
  return op == "f2i" || op.starts_with("cmp") ? Type::Int : operand;
}

struct Result {
  Issue by;
  Type type;
};

/// An operand, the same for all issues of an instruction.
struct Operand {
  char name;
  std::string_view from;
  Type type;     ///< of a stream or an immediate
  unsigned base; ///< of a mesh operand: the ALU
};

/// What the rules ask of an instruction.
struct Operation {
  std::string_view op, reset, out;
  bool accumulates;
  Type common;
  std::vector<Operand> operands;
  int64_t counter, latency;

  Operation(const Instruction &in, int64_t latency)
      : op(getEnumName(FieldKind::AluOp, in.get("op"))),
        reset(getEnumName(FieldKind::Reset, in.get("reset"))),
        out(getEnumName(FieldKind::Drive, in.get("out"))),
        accumulates(op == "acc" || op == "accmax"), common(expectedType(op)),
        counter(in.get("counter")), latency(latency) {
    for (unsigned number = 0; number < operandCount(op); ++number) {
      std::string name(1, char('a' + number));
      operands.push_back({name[0], getEnumName(FieldKind::Operand, in.get(name)),
                          streamType(in.get(name + "_type")),
                          unsigned(in.get(name + "_base"))});
    }
  }
};

/// An ALU on its way through the program.
struct Alu {
  const Placed *placed = nullptr;
  std::optional<Operation> operation;  ///< of `placed`
  Type loaded = Type::None;            ///< type of the register
  uint64_t contents = 0;               ///< who set the register; 0 for nobody
  std::map<int64_t, Result> results;   ///< by cycle, not before the last issue's
};

} // namespace

void EntryVerifier::checkVxm() {
  std::vector<Alu> alus(target.alus());
  auto useRegister = [&](const Issue &issue, const Alu &alu, unsigned number) {
    addAccess(*issue.placed, meaning::Place::Register, number, issue.ordinal(),
              alu.contents ? alu.contents
                           : meaning::getInitial(meaning::Cell::Register,
                                                 issue.placed->queue.index, 0));
  };
  auto getOperandType = [&](const Issue &issue, const Alu &alu, unsigned number) {
    const Operand &operand = alu.operation->operands[number];
    if (operand.from == "none") {
      report(issue, absl::StrCat("operand ", std::string(1, operand.name), " is missing"), "V2");
      return std::optional(Type::None);
    }
    if (operand.from == "mesh") {
      const Result *result = nullptr;
      if (operand.base < alus.size()) {
        auto &results = alus[operand.base].results;
        auto it = results.find(issue.cycle);
        result = it == results.end() ? nullptr : &it->second;
      }
      if (!result) {
        report(issue, absl::StrCat("ALU ", operand.base, " has no result in this cycle"), "V3");
        return std::optional<Type>();
      }
      const Placed &by = *result->by.placed;
      expectIntent(issue, number, by, 1, [] { return "on the mesh "; });
      addSources(*issue.placed,
                 meaning::getSample(meaning::getEdge(number, 0, by.number, 1, 0),
                                    issue.ordinal(), result->by.ordinal()));
      return std::optional(result->type);
    }
    if (operand.from == "register") {
      useRegister(issue, alu, number);
      if (alu.loaded == Type::None) {
        report(issue, "the register was never loaded", "V8");
      }
    }
    return std::optional(operand.from == "register" ? alu.loaded : operand.type);
  };
  // In cycle order: every result is on the mesh after its issue.
  forEachInOrder({UnitKind::Vxm}, [&](const Issue &issue) {
    if (issue.in().opcode != Opcode::Alu) {
      return;
    }
    Alu &alu = alus[issue.placed->queue.index];
    if (alu.placed != issue.placed) {
      alu.placed = issue.placed;
      alu.operation.emplace(issue.in(), latencyOf(*issue.placed));
    }
    const Operation &operation = *alu.operation;
    Type last = Type::None;
    for (unsigned number = 0; number < operation.operands.size(); ++number) {
      std::optional<Type> type = getOperandType(issue, alu, number);
      if (!type) {
        continue;
      }
      bool condition = operation.op == "select" && number == 0;
      Type wanted = condition                       ? Type::Int
                    : operation.common == Type::None ? last
                                                     : operation.common;
      if (*type != Type::None && wanted != Type::None && *type != wanted) {
        report(issue, absl::StrCat("operand ", std::string(1, operation.operands[number].name),
                                   ": expected an ",
                                   wanted == Type::Float ? "fp32" : "int32", " operand"),
               "V1");
      }
      last = condition ? last : *type;
    }
    Type type = resultType(operation.op, last);
    if (operation.accumulates) {
      bool loads =
          operation.reset == "always" || (operation.reset == "outer" && issue.j == 0);
      if (!loads && alu.loaded == Type::None) {
        report(issue, "the register was never loaded", "V8");
      } else if (!loads && alu.loaded != type) {
        report(issue, "expected an operand of the register's type", "V1");
      }
      alu.loaded = type;
      if (!loads) {
        useRegister(issue, alu, 3);
      }
      alu.contents = meaning::getStored(issue.placed->number, issue.ordinal());
    }
    if (operation.out != "none" && type != Type::None &&
        (type == Type::Int) != operation.out.starts_with("i")) {
      report(issue,
             absl::StrCat("expected a result that can drive ", toAbsl(operation.out)), "V6");
    }
    if (operation.counter > entry.header.counters_size()) {
      report(issue, absl::StrCat("expected a counter up to ", entry.header.counters_size(),
                                 ", got ", operation.counter),
             "V7");
    }
    int64_t due = issue.cycle + operation.latency;
    note(due);
    alu.results.erase(alu.results.begin(), alu.results.lower_bound(issue.cycle));
    auto [it, inserted] = alu.results.insert({due, {issue, type}});
    if (!inserted) {
      report(issue, absl::StrCat("a second result of the ALU in cycle ", due,
                                 ", the first is of ", describe(*it->second.by.placed)),
             "V4");
    }
  });
}
