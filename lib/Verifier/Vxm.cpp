//===- Vxm.cpp - Mesh, results, registers, operand types ------------------===//

#include "Issues.h"
#include "absl/container/flat_hash_map.h"

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
                                "rsqrt", "rcp", "copy", "delay", "acc", "accmax"}) {
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
  return op == "f2i" || op.starts_with("cmp") ? Type::Int : operand;
}

struct Result {
  const Issue *by;
  Type type;
};

} // namespace

void EntryVerifier::checkVxm() {
  absl::flat_hash_map<uint64_t, Result> mesh; // cycle * ALUs + ALU
  std::vector<Type> registers(target.alus(), Type::None);
  auto key = [&](int64_t cycle, int64_t alu) {
    return uint64_t(cycle) * target.alus() + uint64_t(alu);
  };
  // In cycle order: every result is on the mesh after its issue.
  forEach(UnitKind::Vxm, [&](const Issue &issue) {
    if (issue.in().opcode != Opcode::Alu) {
      return;
    }
    unsigned alu = issue.placed->queue.index;
    std::string_view op = getEnumName(FieldKind::AluOp, issue.get("op"));
    bool accumulates = op == "acc" || op == "accmax";
    Type common = expectedType(op), last = Type::None;
    for (unsigned number = 0; number < operandCount(op); ++number) {
      std::string name(1, char('a' + number));
      std::string_view from = getEnumName(FieldKind::Operand, issue.get(name));
      Type type = Type::None;
      if (from == "none") {
        report(issue, absl::StrCat("operand ", name, " is missing"), "V2");
      } else if (from == "mesh") {
        auto it = mesh.find(key(issue.cycle, issue.get(name + "_base")));
        if (it == mesh.end()) {
          report(issue, absl::StrCat("ALU ", issue.get(name + "_base"),
                                     " has no result in this cycle"),
                 "V3");
          continue;
        }
        type = it->second.type;
        expectIntent(issue, number, *it->second.by->placed, 1, "on the mesh ");
      } else if (from == "register") {
        type = registers[alu];
        if (type == Type::None) {
          report(issue, "the register was never loaded", "V8");
        }
      } else {
        type = streamType(issue.get(name + "_type"));
      }
      bool condition = op == "select" && number == 0;
      Type wanted = condition ? Type::Int : common == Type::None ? last : common;
      if (type != Type::None && wanted != Type::None && type != wanted) {
        report(issue, absl::StrCat("operand ", name, ": expected an ",
                                   wanted == Type::Float ? "fp32" : "int32", " operand"),
               "V1");
      }
      last = condition ? last : type;
    }
    Type type = resultType(op, last);
    if (accumulates) {
      std::string_view reset = getEnumName(FieldKind::Reset, issue.get("reset"));
      bool loads = reset == "always" || (reset == "outer" && issue.j == 0);
      if (!loads && registers[alu] == Type::None) {
        report(issue, "the register was never loaded", "V8");
      } else if (!loads && registers[alu] != type) {
        report(issue, "expected an operand of the register's type", "V1");
      }
      registers[alu] = type;
    }
    std::string_view out = getEnumName(FieldKind::Drive, issue.get("out"));
    if (out != "none" && type != Type::None &&
        (type == Type::Int) != out.starts_with("i")) {
      report(issue, absl::StrCat("expected a result that can drive ", toAbsl(out)), "V6");
    }
    if (issue.get("counter") > entry.header.counters_size()) {
      report(issue, absl::StrCat("expected a counter up to ",
                                 entry.header.counters_size(), ", got ",
                                 issue.get("counter")),
             "V7");
    }
    int64_t due = issue.cycle + latencyOf(*issue.placed);
    note(due);
    auto [it, inserted] = mesh.insert({key(due, alu), {&issue, type}});
    if (!inserted) {
      report(issue, absl::StrCat("a second result of the ALU in cycle ", due,
                                 ", the first is of ", describe(*it->second.by->placed)),
             "V4");
    }
  });
}
