//===- MapGraph.cpp - A map's body as ALU operations in time --------------===//

#include "ProgramBuilder.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace lpu;
using namespace lpu::stream_lowering;
using namespace mlir;
using mlir::lpu::MapOp;
using Operand = MapNode::Operand;

namespace {

/// n bytes of `byte`: 0x808080 for (3, 0x80).
int64_t repeatByte(unsigned n, int64_t byte) {
  int64_t value = 0;
  for (unsigned k = 0; k < n; ++k) {
    value = value << 8 | byte;
  }
  return value;
}

class GraphBuilder : ProgramBuilder {
public:
  GraphBuilder(MapOp op, const Target &target, SmallVectorImpl<std::string> &counters,
          StringRef name)
      : ProgramBuilder(target), op(op), counters(counters), name(name) {}

  FailureOr<std::vector<MapNode>> run() {
    Block &body = op.getBody().front();
    for (BlockArgument argument : body.getArguments()) {
      Operand input{Operand::Kind::Input, argument.getArgNumber(), 0, 0};
      auto type = dyn_cast<mlir::lpu::BufferType>(
          op.getInputs()[argument.getArgNumber()].getType());
      bool isInteger = type && mlir::lpu::getNumLimbs(type.getFormat()) == 1;
      values[argument] = isInteger ? node("i2f", input) : input;
    }
    for (Operation &inner : body.without_terminator()) {
      if (failed(add(inner))) {
        return failure();
      }
    }
    Operation *yield = body.getTerminator();
    for (unsigned r = 0; r < op.getNumResults(); ++r) {
      addResult(r, values.lookup(yield->getOperand(r)));
    }
    setTimes();
    for (unsigned input = 0; input < op.getNumOperands(); ++input) {
      if (readsOverlap(input)) {
        readOnce(input);
      }
    }
    return std::move(nodes);
  }

private:
  LogicalResult add(Operation &inner) {
    if (auto constant = dyn_cast<arith::ConstantOp>(inner)) {
      auto value = dyn_cast<FloatAttr>(constant.getValue());
      if (!value || !value.getType().isF32()) {
        return inner.emitOpError("expected an f32 constant");
      }
      values[constant] = immediate(value.getValue().convertToFloat());
      return success();
    }
    SmallVector<Operand> in;
    for (Value operand : inner.getOperands()) {
      in.push_back(values.lookup(operand));
    }
    if (auto round = dyn_cast<mlir::lpu::RoundOp>(inner)) {
      Operand integer = node("f2i", in);
      setBounds(int64_t(round.getLeast()), int64_t(round.getMost()), name.str());
      values[round.getResult()] = node("i2f", integer);
      return success();
    }
    FailureOr<Operand> result = compute(inner, in);
    if (failed(result)) {
      return failure();
    }
    values[inner.getResult(0)] = *result;
    return success();
  }

  /// Saturates the last node, counted by `counter` where it has a name.
  void setBounds(int64_t least, int64_t most, std::string counter) {
    nodes.back().bounds = {{least, most}};
    if (!counter.empty()) {
      counters.push_back(std::move(counter));
      nodes.back().counter = unsigned(counters.size());
    }
  }

  std::string getCounterName(unsigned r) {
    return (name + (op.getNumResults() > 1 ? "#" + Twine(r) : Twine())).str();
  }

  /// Appends the conversion of result `r`; its last operation once a copy, so
  /// that every copy has a driver.
  void addResult(unsigned r, Operand value) {
    auto type = cast<mlir::lpu::BufferType>(op.getResult(r).getType());
    if (mlir::lpu::isCarried(op.getResult(r), target.lanes())) {
      value = value.kind == Operand::Kind::Node ? value : node("copy", value);
      nodes[value.index].carries.push_back(r);
      return;
    }
    bool isStreamed = mlir::lpu::isStreamed(op.getResult(r), target.lanes());
    unsigned copies = isStreamed ? 1 : unsigned(getPlacements(op.getResult(r)).size());
    unsigned limbs = mlir::lpu::getNumLimbs(type.getFormat());
    if (type.getFormat() == mlir::lpu::Format::U8) {
      node("f2i", value);
      setBounds(0, 0xff, op.getUncounted() ? "" : getCounterName(r));
      return driveCopies(r, copies);
    }
    if (limbs == 0) {
      // The value's own operation drives when nothing else drives with it.
      if (value.kind != Operand::Kind::Node || nodes[value.index].drives) {
        value = node("copy", value);
      }
      if (type.getFormat() == mlir::lpu::Format::F16 && !op.getUncounted()) {
        counters.push_back(getCounterName(r));
        nodes[value.index].counter = unsigned(counters.size());
      }
      MapNode last = nodes[value.index];
      last.counter = 0; // the same lanes would count twice
      last.carries.clear();
      nodes[value.index].drives = {{r, 0}};
      for (unsigned copy = 1; copy < copies; ++copy) {
        last.drives = {{r, copy}};
        nodes.push_back(last);
      }
      return;
    }
    float factor = op.getScales()[r];
    Operand scaled = factor == 1 ? value : node("mul", {value, immediate(factor)});
    Operand rounded = node("f2i", scaled);
    int64_t half = repeatByte(limbs, 0x80);
    setBounds(limbs == 4 ? INT32_MIN : -half, repeatByte(limbs, 0x7f), getCounterName(r));
    if (limbs == 1) {
      return driveCopies(r, copies);
    }
    // Balanced limbs: the bytes of (y + 0x80..80) ^ 0x80..80.
    Operand shifted = node("add", {rounded, integer(half)});
    for (unsigned copy = 0; copy < copies; ++copy) {
      node("xor", {shifted, integer(half)});
      nodes.back().drives = {{r, copy}};
    }
  }

  /// The last node, an integer, drives result `r`: once a copy.
  void driveCopies(unsigned r, unsigned copies) {
    MapNode last = nodes.back();
    last.counter = 0; // the same lanes would count twice
    nodes.back().drives = {{r, 0}};
    for (unsigned copy = 1; copy < copies; ++copy) {
      last.drives = {{r, copy}};
      nodes.push_back(last);
    }
  }

  /// Whether the VXM would read rows of `input` for one operation while it still does for
  /// another, from the same slices.
  bool readsOverlap(unsigned input) {
    Value value = op.getInputs()[input];
    auto type = dyn_cast<mlir::lpu::BufferType>(value.getType());
    if (!type || mlir::lpu::isCarried(value, target.lanes())) {
      return false;
    }
    std::set<int64_t> times = getReadTimes(input);
    int64_t rows = cast<mlir::lpu::BufferType>(op.getResult(0).getType()).getRows();
    return std::adjacent_find(times.begin(), times.end(), [&](int64_t a, int64_t b) {
             return b - a < rows;
           }) != times.end();
  }

  MapOp op;
  SmallVectorImpl<std::string> &counters;
  StringRef name;
};

} // namespace

namespace lpu::stream_lowering {
FailureOr<std::vector<MapNode>>
buildMapGraph(MapOp op, const Target &target,
              SmallVectorImpl<std::string> &counters, StringRef name) {
  return GraphBuilder(op, target, counters, name).run();
}
} // namespace lpu::stream_lowering
