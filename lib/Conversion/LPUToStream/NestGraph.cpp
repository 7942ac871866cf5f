//===- NestGraph.cpp - A nest's body as ALU operations in time ------------===//

#include "NestGraph.h"
#include "AluOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include <set>

using namespace lpu;
using namespace lpu::stream_lowering;
using namespace mlir;
using mlir::lpu::NestOp;
using Operand = MapNode::Operand;

namespace {

class NestGraphBuilder {
public:
  NestGraphBuilder(NestOp op, const Target &target, int64_t steps)
      : op(op), target(target), steps(steps) {}

  FailureOr<std::vector<MapNode>> run() {
    Block &body = op.getBody().front();
    for (BlockArgument argument : body.getArguments()) {
      values[argument] = {Operand::Kind::Input, argument.getArgNumber(), 0, 0};
    }
    for (Operation &inner : body.without_terminator()) {
      if (failed(add(inner))) {
        return failure();
      }
    }
    for (auto [r, value] : llvm::enumerate(body.getTerminator()->getOperands())) {
      addResult(unsigned(r), values.lookup(value));
    }
    removeUnused();
    setTimes();
    for (unsigned input = 0; input < op.getNumOperands(); ++input) {
      readOnce(input);
    }
    return std::move(nodes);
  }

private:
  Operand node(StringRef name, ArrayRef<Operand> operands) {
    MapNode node;
    node.op = name.str();
    node.operands.assign(operands.begin(), operands.end());
    node.latency = getAluLatency(name, target);
    nodes.push_back(node);
    return {Operand::Kind::Node, unsigned(nodes.size() - 1), 0, 0};
  }

  LogicalResult add(Operation &inner) {
    if (auto constant = dyn_cast<arith::ConstantOp>(inner)) {
      if (auto number = dyn_cast<FloatAttr>(constant.getValue())) {
        values[constant] = {Operand::Kind::Float, 0, number.getValue().convertToFloat(), 0};
      } else {
        // true is 1.
        auto integer = cast<IntegerAttr>(constant.getValue());
        bool isBit = integer.getType().isInteger(1);
        values[constant] = {Operand::Kind::Integer, 0, 0,
                            isBit ? int64_t(integer.getValue().getBoolValue()) : integer.getInt()};
      }
      return success();
    }
    SmallVector<Operand> in;
    for (Value operand : inner.getOperands()) {
      in.push_back(values.lookup(operand));
    }
    Operand &result = values[inner.getResult(0)];
    if (isa<arith::DivFOp>(inner)) {
      bool isReciprocal = in[0].kind == Operand::Kind::Float && in[0].value == 1.0f;
      Operand inverse = node("rcp", in[1]);
      result = isReciprocal ? inverse : node("mul", {in[0], inverse});
    } else if (isa<math::SqrtOp>(inner)) {
      // 1 / rsqrt(x): right at 0 and infinity too.
      result = node("rcp", node("rsqrt", in));
    } else if (isa<math::FloorOp>(inner)) {
      result = node("flooradd", {in[0], {Operand::Kind::Float, 0, 0, 0}});
    } else if (isa<math::RoundEvenOp>(inner)) {
      result = in[0]; // what takes it rounds so
    } else if (isa<arith::FPToSIOp>(inner)) {
      result = node("f2i", in);
      nodes.back().bounds = {{INT32_MIN, INT32_MAX}};
    } else if (auto round = dyn_cast<mlir::lpu::RoundOp>(inner)) {
      Operand integer = node("f2i", in);
      nodes.back().bounds = {{int64_t(round.getLeast()), int64_t(round.getMost())}};
      result = node("i2f", integer);
    } else if (auto narrow = dyn_cast<arith::TruncFOp>(inner); narrow && narrow.getType().isF16()) {
      result = node("f2h", in);
    } else if (auto wide = dyn_cast<arith::ExtFOp>(inner);
               wide && wide.getIn().getDefiningOp<arith::TruncFOp>()) {
      result = in[0];
    } else if (auto bit = dyn_cast<arith::TruncIOp>(inner);
               bit && bit.getType().isInteger(1) && isa<BlockArgument>(bit.getIn())) {
      result = in[0]; // a bool of a buffer
    } else {
      AluOperation alu = getAluOperation(inner);
      if (alu.isFree) {
        result = in[0];
        return success();
      }
      if (alu.name.empty()) {
        return inner.emitOpError("is no operation of the VXM");
      }
      if (alu.isTurned) {
        std::swap(in[0], in[1]);
      }
      result = node(alu.name, in);
    }
    return success();
  }

  // The node of a value drives it, unless it drives another result already.
  void addResult(unsigned r, Operand value) {
    if (op.getReduction()) {
      if (steps > 1) {
        value = node(*op.getReduction() == "add" ? "acc" : "accmax", value);
        nodes.back().latency += steps - 1; // until the last step is in
      }
      value = node("copy", value);
    } else if (value.kind != Operand::Kind::Node || nodes[value.index].drives) {
      value = node("copy", value);
    }
    nodes[value.index].drives = {{r, 0}};
  }

  void removeUnused() {
    std::vector<bool> used(nodes.size());
    for (size_t k = nodes.size(); k-- > 0;) {
      if (nodes[k].drives) {
        used[k] = true;
      }
      for (const Operand &operand : nodes[k].operands) {
        if (used[k] && operand.kind == Operand::Kind::Node) {
          used[operand.index] = true;
        }
      }
    }
    std::vector<unsigned> number(nodes.size());
    std::vector<MapNode> kept;
    for (size_t k = 0; k < nodes.size(); ++k) {
      if (!used[k]) {
        continue;
      }
      number[k] = unsigned(kept.size());
      for (Operand &operand : nodes[k].operands) {
        if (operand.kind == Operand::Kind::Node) {
          operand.index = number[operand.index];
        }
      }
      kept.push_back(nodes[k]);
    }
    nodes = std::move(kept);
  }

  /// As late as possible, so that a value with one consumer never waits.
  void setTimes() {
    std::vector<std::optional<int64_t>> latest(nodes.size());
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

  /// A copy that waits on the mesh serves all uses of `input`, where these are at
  /// different times: a slice reads one word a cycle.
  void readOnce(unsigned input) {
    std::set<int64_t> times;
    for (const MapNode &node : nodes) {
      for (const Operand &operand : node.operands) {
        if (operand.kind == Operand::Kind::Input && operand.index == input) {
          times.insert(node.time);
        }
      }
    }
    if (times.size() < 2) {
      return;
    }
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

  NestOp op;
  const Target &target;
  int64_t steps;
  std::vector<MapNode> nodes;
  llvm::DenseMap<Value, Operand> values;
};

} // namespace

namespace lpu::stream_lowering {

FailureOr<std::vector<MapNode>> buildNestGraph(NestOp op, const Target &target, int64_t steps) {
  return NestGraphBuilder(op, target, steps).run();
}

int64_t countAlus(ArrayRef<MapNode> nodes, const Target &target) {
  int64_t longest = target.latencies().alu_delay_max(), count = int64_t(nodes.size());
  std::set<std::pair<unsigned, int64_t>> waits;
  for (const MapNode &node : nodes) {
    for (const Operand &operand : node.operands) {
      if (operand.kind != Operand::Kind::Node) {
        continue;
      }
      const MapNode &from = nodes[operand.index];
      int64_t wait = node.time - from.time - from.latency;
      if (wait > 0 && waits.insert({operand.index, node.time}).second) {
        count += divideCeil(wait, longest);
      }
    }
  }
  return count;
}

} // namespace lpu::stream_lowering
