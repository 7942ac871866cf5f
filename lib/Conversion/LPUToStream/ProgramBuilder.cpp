//===- ProgramBuilder.cpp - What bodies of maps and nests become ----------===//

#include "ProgramBuilder.h"
#include "AluOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace lpu;
using namespace lpu::stream_lowering;
using namespace mlir;
using Operand = MapNode::Operand;

Operand ProgramBuilder::node(StringRef name, ArrayRef<Operand> operands) {
  MapNode node;
  node.op = name.str();
  node.operands.assign(operands.begin(), operands.end());
  node.latency = getAluLatency(name, target);
  nodes.push_back(node);
  return {Operand::Kind::Node, unsigned(nodes.size() - 1), 0, 0};
}

FailureOr<Operand> ProgramBuilder::compute(Operation &op, SmallVector<Operand> in) {
  if (isa<arith::DivFOp>(op)) {
    bool isReciprocal = in[0].kind == Operand::Kind::Float && in[0].value == 1.0f;
    Operand inverse = node("rcp", in[1]);
    return isReciprocal ? inverse : node("mul", {in[0], inverse});
  }
  if (isa<math::FloorOp>(op)) {
    return node("flooradd", {in[0], immediate(0)});
  }
  if (isa<math::SqrtOp>(op)) {
    // 1 / rsqrt(x): right at 0 and infinity too.
    return node("rcp", node("rsqrt", in));
  }
  AluOperation alu = getAluOperation(op);
  if (alu.name.empty()) {
    return op.emitOpError("is no operation of the VXM");
  }
  if (alu.isTurned) {
    std::swap(in[0], in[1]);
  }
  return node(alu.name, in);
}

std::set<int64_t> ProgramBuilder::getReadTimes(unsigned input) const {
  std::set<int64_t> times;
  for (const MapNode &node : nodes) {
    for (const Operand &operand : node.operands) {
      if (operand.kind == Operand::Kind::Input && operand.index == input) {
        times.insert(node.time);
      }
    }
  }
  return times;
}

void ProgramBuilder::readOnce(unsigned input) {
  Operand copy = node("copy", Operand{Operand::Kind::Input, input, 0, 0});
  std::rotate(nodes.begin(), nodes.end() - 1, nodes.end());
  for (MapNode &user : llvm::drop_begin(nodes)) {
    for (Operand &operand : user.operands) {
      if (operand.kind == Operand::Kind::Node) {
        ++operand.index;
      } else if (operand.kind == Operand::Kind::Input && operand.index == input) {
        operand = copy;
        operand.index = 0;
      }
    }
  }
  setTimes();
}

void ProgramBuilder::setTimes() {
  std::vector<std::optional<int64_t>> latest(nodes.size());
  // Copies of a driving node come after the nodes that use it: visit every
  // node behind its users.
  for (size_t k = nodes.size(); k-- > 0;) {
    MapNode &node = nodes[k];
    node.time = latest[k].value_or(0) - (latest[k] ? node.latency : 0);
    for (const Operand &operand : node.operands) {
      if (operand.kind == Operand::Kind::Node) {
        std::optional<int64_t> &time = latest[operand.index];
        time = std::min(time.value_or(node.time), node.time);
      }
    }
  }
}
