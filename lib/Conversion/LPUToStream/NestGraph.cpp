//===- NestGraph.cpp - A nest's body as ALU operations in time ------------===//

#include "NestGraph.h"
#include "AluOps.h"
#include "ProgramBuilder.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include <set>

using namespace lpu;
using namespace lpu::stream_lowering;
using namespace mlir;
using mlir::lpu::NestOp;
using Operand = MapNode::Operand;

namespace {

class NestGraphBuilder : ProgramBuilder {
public:
  NestGraphBuilder(NestOp op, const Target &target, int64_t steps)
      : ProgramBuilder(target), op(op), steps(steps) {}

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
    // A slice reads one word a cycle.
    for (unsigned input = 0; input < op.getNumOperands(); ++input) {
      if (getReadTimes(input).size() > 1) {
        readOnce(input);
      }
    }
    return std::move(nodes);
  }

private:
  LogicalResult add(Operation &inner) {
    if (auto constant = dyn_cast<arith::ConstantOp>(inner)) {
      if (auto number = dyn_cast<FloatAttr>(constant.getValue())) {
        values[constant] = immediate(number.getValue().convertToFloat());
      } else {
        // true is 1.
        auto whole = cast<IntegerAttr>(constant.getValue());
        bool isBit = whole.getType().isInteger(1);
        values[constant] = integer(isBit ? int64_t(whole.getValue().getBoolValue()) : whole.getInt());
      }
      return success();
    }
    SmallVector<Operand> in;
    for (Value operand : inner.getOperands()) {
      in.push_back(values.lookup(operand));
    }
    Operand &result = values[inner.getResult(0)];
    if (isa<math::RoundEvenOp>(inner)) {
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
    } else if (getAluOperation(inner).isFree) {
      result = in[0];
    } else {
      FailureOr<Operand> computed = compute(inner, in);
      if (failed(computed)) {
        return failure();
      }
      result = *computed;
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

  NestOp op;
  int64_t steps;
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
