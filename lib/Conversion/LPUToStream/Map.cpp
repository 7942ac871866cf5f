//===- Map.cpp - lpu.map to VXM chains ------------------------------------===//

#include "MapGraph.h"
#include <map>
#include <set>

using namespace lpu;
using namespace lpu::stream_lowering;
using namespace mlir;
using mlir::lpu::AccType;
using mlir::lpu::BufferType;
using mlir::lpu::ContractOp;
using mlir::lpu::Format;
using mlir::lpu::MapOp;
using mlir::lpu::Placement;
using mlir::stream::FlowType;
using mlir::stream::stringifyDirection;
using Operand = MapNode::Operand;

namespace {

StringRef getStreamType(Format format) {
  switch (format) {
  case Format::F16:
    return "f16";
  case Format::BF16:
    return "bf16";
  case Format::I8x1:
    return "i8";
  default:
    return "f32";
  }
}
/// Drive type of a result: bytes 0 to 2 of an int32 are the limbs of i8x3.
StringRef getDriveType(Format format) {
  switch (format) {
  case Format::F32:
    return "f32";
  case Format::F16:
    return "f16";
  case Format::I8x1:
    return "i8";
  case Format::I8x2:
    return "i16";
  default:
    return "i32";
  }
}
unsigned getDriveBytes(Format format) {
  return format == Format::I8x3 ? 4 : mlir::lpu::getNumBytes(format);
}

/// Writes the chain of one vector of a map's results.
class VectorChain {
public:
  /// `tiles` are the accumulators of the inputs that are sums, by input.
  VectorChain(MapOp op, ArrayRef<MapNode> nodes, Lowering::RowBlock block, int64_t vector,
              const std::map<unsigned, AccumulatorTile> &tiles, Lowering &lowering,
              StringRef name)
      : op(op), nodes(nodes), firstRow(block.first), vector(vector), tiles(tiles),
        target(lowering.target), chain(lowering.program, op.getLoc(), name, target),
        rows(block.count) {
    resultRows = cast<BufferType>(op.getResult(0).getType()).getRows();
    for (Value input : op.getInputs()) {
      auto buffer = dyn_cast<BufferType>(input.getType());
      if (buffer && buffer.getRows() != 1) {
        group = std::max(group, resultRows / buffer.getRows());
      }
    }
    // A plane emits one accumulator a cycle.
    std::map<unsigned, int64_t> emissions;
    for (const auto &[input, tile] : tiles) {
      int64_t &count = emissions[tile.plane];
      count += getNumEmissions(input);
      period = std::max(period, count);
    }
  }

  LogicalResult run() {
    results.resize(nodes.size());
    for (auto [index, node] : llvm::enumerate(nodes)) {
      SmallVector<Value> operands;
      Fields fields = chain.fields();
      fields.set("op", node.op);
      if (node.bounds) {
        fields.set("lo", node.bounds->first).set("hi", node.bounds->second);
      }
      if (node.counter) {
        fields.set("counter", int64_t(node.counter));
      }
      for (auto [number, operand] : llvm::enumerate(node.operands)) {
        if (failed(setOperand(fields, StringRef("abc").substr(number, 1), operand,
                              node.time, operands))) {
          return failure();
        }
      }
      SmallVector<Type> types;
      if (node.drives) {
        fields.set("out", getDriveType(getResultType(node).getFormat()));
        fields.set("out_dir", stringifyDirection(getResultDirection(node)));
        types.push_back(chain.flow(getResultDirection(node),
                                   getDriveBytes(getResultType(node).getFormat())));
      }
      types.push_back(chain.mesh());
      auto issue = chain.issue("alu", "vxm.*", node.time, fields, operands, types, each());
      results[index] = issue->getResults().back();
      if (node.drives) {
        writeResult(node, issue.getResult(0));
      }
    }
    chain.finish();
    return success();
  }

private:
  /// Accumulators that hold one row of the sums in `input`.
  int64_t getNumEmissions(unsigned input) {
    auto type = cast<AccType>(op.getInputs()[input].getType());
    return std::max(1u, mlir::lpu::getNumLimbs(type.getFormat()));
  }

  /// Cycles from the first emission's arrival to the sum on the mesh.
  int64_t getSumLatency(unsigned input) {
    auto type = cast<AccType>(op.getInputs()[input].getType());
    int64_t alu = target.latencies().alu();
    return type.getFormat() == Format::F16 ? alu : 3 * alu + getNumEmissions(input) - 1;
  }

  /// The last cycle up to `cycle` in which the sum can be complete, with `plane`
  /// free to emit its accumulators for every row; they are taken.
  int64_t takeEmission(unsigned input, int64_t cycle) {
    int64_t count = getNumEmissions(input), latency = getSumLatency(input);
    auto &taken = emissionsOf[tiles.at(input).plane];
    auto slot = [&](int64_t at) { return ((at % period) + period) % period; };
    auto isFree = [&](int64_t cycle) {
      for (int64_t k = 0; k < count; ++k) {
        if (taken.count(slot(cycle - latency + k))) {
          return false;
        }
      }
      return true;
    };
    int64_t tries = 0;
    while (!isFree(cycle) && tries++ < period) {
      --cycle;
    }
    for (int64_t k = 0; k < count; ++k) {
      taken.insert(slot(cycle - latency + k));
    }
    return cycle;
  }

  /// One issue a row; rows that share a row of some input are the inner ones.
  Repeated each() const {
    return group == 1 ? Repeated{rows, period, 1, 0}
                      : Repeated{group, period, rows / group, group * period};
  }
  unsigned vxm() const { return target.vxmColumn(); }

  BufferType getResultType(const MapNode &node) {
    return cast<BufferType>(op.getResult(node.drives->first).getType());
  }
  const Placement &getResultPlacement(const MapNode &node) {
    auto &placements = placementsOf[node.drives->first];
    if (placements.empty()) {
      placements = getPlacements(op.getResult(node.drives->first));
    }
    return placements[node.drives->second];
  }
  mlir::stream::Direction getResultDirection(const MapNode &node) {
    unsigned slice = unsigned(getResultPlacement(node).front().slice);
    return ChainBuilder::direction(vxm(), target.sliceColumn(slice));
  }

  void writeResult(const MapNode &node, Value flow) {
    int64_t vectors = getResultType(node).getVectors(target.lanes());
    for (auto [index, byte] : llvm::enumerate(getResultPlacement(node))) {
      chain.writeFrom(vxm(), node.time + node.latency, flow, int64_t(index),
                      unsigned(byte.slice), byte.bank, byte.first + firstRow * vectors + vector,
                      each(), {{"w_addr", {group * vectors, vectors}}});
    }
  }

  LogicalResult setOperand(Fields &fields, StringRef letter, const Operand &operand,
                           int64_t time, SmallVectorImpl<Value> &operands) {
    std::string type = (letter + "_type").str(), value = (letter + "_value").str();
    switch (operand.kind) {
    case Operand::Kind::Float:
      fields.set(letter, "immediate").setFloat(value, operand.value);
      return success();
    case Operand::Kind::Integer:
      fields.set(letter, "immediate").set(type, "i32").set(value, operand.integer);
      return success();
    case Operand::Kind::Node: {
      const MapNode &producer = nodes[operand.index];
      fields.set(letter, "mesh");
      operands.push_back(delayed(results[operand.index],
                                 producer.time + producer.latency, time));
      return success();
    }
    case Operand::Kind::Input:
      return setInput(fields, letter, operand.index, time, operands);
    }
    return failure();
  }

  LogicalResult setInput(Fields &fields, StringRef letter, unsigned input,
                         int64_t time, SmallVectorImpl<Value> &operands) {
    Value value = op.getInputs()[input];
    if (isa<AccType>(value.getType())) {
      // One sum a row, used in the cycle it is complete; later users get it
      // from a delay.
      auto it = sums.find(input);
      if (it == sums.end()) {
        int64_t first = time;
        for (const MapNode &node : nodes) {
          for (const Operand &other : node.operands) {
            if (other.kind == Operand::Kind::Input && other.index == input) {
              first = std::min(first, node.time);
            }
          }
        }
        const AccumulatorTile &tile = tiles.at(input);
        first = takeEmission(input, first);
        FailureOr<Value> sum = sumLimbs(input, tile, first);
        if (failed(sum)) {
          return failure();
        }
        it = sums.insert({input, {*sum, first}}).first;
      }
      fields.set(letter, "mesh");
      operands.push_back(delayed(it->second.first, it->second.second, time));
      return success();
    }
    auto type = cast<BufferType>(value.getType());
    if (mlir::lpu::getNumLimbs(type.getFormat()) > 1 || type.getFormat() == Format::I32) {
      return op.emitOpError("expected a floating-point or int8 input, got ") << type;
    }
    SmallVector<Placement> copies = getPlacements(value);
    if (copies.empty()) {
      return op.emitOpError("expected placed inputs");
    }
    // The same words in the same cycle come once.
    Value &flow = streams[{input, time}];
    if (!flow) {
      int64_t shared = type.getRows() == 1 ? 1 : resultRows / type.getRows();
      flow = shared == group && group > 1
                 ? readRows(type, copies.front(), time, each(), firstRow / group, 1, 0)
                 : readRows(type, copies.front(), time, each(), firstRow, group, 1);
    }
    fields.set(letter, "stream")
        .set((letter + "_type").str(), getStreamType(type.getFormat()))
        .set((letter + "_dir").str(),
             stringifyDirection(cast<FlowType>(flow.getType()).getDirection()));
    operands.push_back(flow);
    return success();
  }

  /// The vector of every row from `start` on, one a step of `repeated`: `outer`
  /// rows on with the outer index, `inner` with the inner one.
  Value readRows(BufferType type, const Placement &copy, int64_t cycle,
                 Repeated repeated, int64_t start, int64_t outer, int64_t inner) {
    int64_t vectors = type.getVectors(target.lanes());
    int64_t stride = type.getRows() == 1 ? 0 : vectors;
    int64_t index = (vectors == 1 ? 0 : vector) + start * stride;
    SmallVector<Value> bytes;
    for (const auto &byte : copy) {
      bytes.push_back(chain.readFor(vxm(), cycle, unsigned(byte.slice), byte.bank,
                                    byte.first + index, repeated,
                                    {{"r_addr", {outer * stride, inner * stride}}}));
    }
    return chain.bundle(bytes);
  }

  /// `value`, on the mesh in cycle `ready`, in cycle `wanted`.
  Value delayed(Value value, int64_t ready, int64_t wanted) {
    int64_t longest = target.latencies().alu_delay_max();
    while (ready < wanted) {
      Value &later = delays[{value.getAsOpaquePointer(), wanted}];
      int64_t step = std::min(longest, wanted - ready);
      if (later && step == wanted - ready) {
        return later;
      }
      Fields fields = chain.fields();
      fields.set("op", "delay").set("a", "mesh").set("lo", step);
      Value next = chain
                       .issue("alu", "vxm.*", ready, fields, value, chain.mesh(), each())
                       .getResult(0);
      ready += step;
      if (ready == wanted) {
        later = next;
      }
      value = next;
    }
    return value;
  }

  /// The sum over limbs, high limb first: f32(limb) * scale, accumulated in an
  /// ALU's register. Complete on the mesh in cycle `cycle` for the first row.
  FailureOr<Value> sumLimbs(unsigned input, const AccumulatorTile &tile, int64_t cycle) {
    Value value = op.getInputs()[input];
    auto type = cast<AccType>(value.getType());
    auto contract = value.getDefiningOp<ContractOp>();
    bool isFloat = type.getFormat() == Format::F16;
    int64_t limbs = std::max(1u, mlir::lpu::getNumLimbs(type.getFormat()));
    int64_t alu = target.latencies().alu();
    if (!isFloat && group > 1) {
      return op.emitOpError("has sums of limbs beside an input that serves several "
                            "rows: no kernel yet");
    }
    Repeated perLimb = isFloat ? each() : Repeated{limbs, 1, rows, period};
    int64_t arrival = cycle - getSumLatency(input);
    int64_t superlanes =
        type.getWidth() ? divideCeil(type.getWidth(), target.lanesPerSuperlane())
                        : target.superlanes();
    std::array<int64_t, 2> steps{type.getRows() == 1 ? 0 : limbs, 1};
    if (isFloat) {
      steps = {type.getRows() == 1 ? 0 : group, type.getRows() == 1 ? 0 : 1};
    }

    unsigned column = target.planeColumn(tile.plane);
    auto dir = ChainBuilder::direction(column, vxm());
    int64_t distance = std::abs(int64_t(column) - int64_t(vxm()));
    Fields emit = chain.fields();
    emit.set("emit", "true").set("b", tile.first).set("emit_count", superlanes)
        .set("dir", stringifyDirection(dir));
    std::string queue =
        target.queueName({UnitKind::MxmAccumulators, uint16_t(tile.plane)});
    int64_t start = arrival - distance - int64_t(target.latencies().mxm_emit());
    Value limb;
    if (rows == 1 || period == limbs) {
      limb = chain.issue("acc", queue, start, emit, {}, chain.flow(dir, 4), perLimb,
                         {{"b", steps}})
                 .getResult(0);
    } else {
      // Another sum may come from the same plane between two rows: a Repeat would
      // keep its queue busy.
      SmallVector<Value> flows;
      int64_t step = type.getRows() == 1 ? 0 : limbs;
      for (int64_t row = 0; row < rows; ++row) {
        emit.set("b", tile.first + row * step);
        flows.push_back(chain.issue("acc", queue, start + row * period, emit, {},
                                    chain.flow(dir, 4), {limbs, 1, 1, 0}, {{"b", {0, 1}}})
                            .getResult(0));
      }
      limb = chain.merge(flows);
    }
    if (isFloat) {
      Fields copy = chain.fields();
      copy.set("op", "copy").set("a", "stream").set("a_dir", stringifyDirection(dir));
      return chain.issue("alu", "vxm.*", arrival, copy, limb, chain.mesh(), perLimb)
          .getResult(0);
    }
    Fields convert = chain.fields();
    convert.set("op", "i2f").set("a", "stream").set("a_type", "i32").set(
        "a_dir", stringifyDirection(dir));
    Value real =
        chain.issue("alu", "vxm.*", arrival, convert, limb, chain.mesh(), perLimb)
            .getResult(0);
    auto scaleType = cast<BufferType>(contract.getScales().getType());
    SmallVector<Placement> copies = getPlacements(contract.getScales());
    if (copies.empty()) {
      return op.emitOpError("expected placed scales");
    }
    Value scale = readScales(scaleType, copies.front(), arrival + alu, perLimb);
    Fields multiply = chain.fields();
    multiply.set("op", "mul").set("a", "mesh").set("b", "stream").set(
        "b_dir", stringifyDirection(cast<FlowType>(scale.getType()).getDirection()));
    Value part = chain
                     .issue("alu", "vxm.*", arrival + alu, multiply,
                            {real, scale}, chain.mesh(), perLimb)
                     .getResult(0);
    Fields sum = chain.fields();
    sum.set("op", "acc").set("a", "mesh").set("reset", "outer");
    return chain.issue("alu", "vxm.*", arrival + 2 * alu, sum, part, chain.mesh(), perLimb)
        .getResult(0);
  }

  /// Row l of the scales for limb l of every row.
  Value readScales(BufferType type, const Placement &copy, int64_t cycle,
                   Repeated repeated) {
    return readRows(type, copy, cycle, repeated, 0, 0, 1);
  }

  MapOp op;
  ArrayRef<MapNode> nodes;
  int64_t firstRow, vector;
  const std::map<unsigned, AccumulatorTile> &tiles;
  const Target &target;
  ChainBuilder chain;
  int64_t rows, period = 1;
  int64_t resultRows = 1; ///< of the whole map
  int64_t group = 1;      ///< rows that share a row of an input
  std::vector<Value> results; ///< on the mesh, by node
  std::map<unsigned, std::set<int64_t>> emissionsOf; ///< slots of a period, by plane
  std::map<unsigned, SmallVector<Placement>> placementsOf;
  std::map<unsigned, std::pair<Value, int64_t>> sums;
  std::map<std::pair<unsigned, int64_t>, Value> streams;
  std::map<std::pair<const void *, int64_t>, Value> delays;
};

} // namespace

LogicalResult Lowering::lowerMap(MapOp op) {
  if (!op.getPlacements()) {
    return op.emitOpError("expected placed results");
  }
  std::string name = getName(op, "map");
  FailureOr<std::vector<MapNode>> nodes = buildMapGraph(op, target, counters, name);
  if (failed(nodes)) {
    return failure();
  }
  auto type = cast<BufferType>(op.getResult(0).getType());
  int64_t vectors = type.getVectors(target.lanes());
  int64_t blockRows = getBlockRows(op);
  for (int64_t first = 0; first < type.getRows(); first += blockRows) {
    RowBlock block{first, std::min(blockRows, type.getRows() - first)};
    // Vectors of heads that are merged come together.
    std::map<unsigned, std::vector<AccumulatorTile>> merged;
    for (auto [index, input] : llvm::enumerate(op.getInputs())) {
      auto contract = input.getDefiningOp<ContractOp>();
      if (contract && contract.getMerge() && !tilesOf.contains(input)) {
        FailureOr<std::vector<AccumulatorTile>> all = emitTiles(contract, block);
        if (failed(all)) {
          return failure();
        }
        merged[unsigned(index)] = std::move(*all);
      }
    }
    for (int64_t vector = 0; vector < vectors; ++vector) {
      std::map<unsigned, AccumulatorTile> tiles;
      SmallVector<std::pair<AccumulatorTile, int64_t>> own;
      for (auto [index, input] : llvm::enumerate(op.getInputs())) {
        auto sums = dyn_cast<AccType>(input.getType());
        if (!sums) {
          continue;
        }
        int64_t n = sums.getVectors(target.lanes()) == 1 ? 0 : vector;
        int64_t count = block.count * std::max(1u, mlir::lpu::getNumLimbs(sums.getFormat()));
        auto computed = tilesOf.find(input);
        if (computed != tilesOf.end()) {
          tiles.insert({unsigned(index), computed->second[size_t(n)]});
          continue;
        }
        if (merged.contains(unsigned(index))) {
          tiles.insert({unsigned(index), merged[unsigned(index)][size_t(n)]});
          own.push_back({tiles.at(unsigned(index)), count});
          continue;
        }
        auto contract = input.getDefiningOp<ContractOp>();
        int64_t unit = getRowsPerActivation(contract);
        FailureOr<AccumulatorTile> tile =
            emitTile(contract, n, {block.first / unit, block.count / unit});
        if (failed(tile)) {
          return failure();
        }
        tiles.insert({unsigned(index), *tile});
        own.push_back({*tile, count});
      }
      std::string chain = name + ".r" + std::to_string(first) + ".v" + std::to_string(vector);
      if (failed(VectorChain(op, *nodes, block, vector, tiles, *this, chain).run())) {
        return failure();
      }
      for (const auto &[tile, count] : own) {
        accumulators.release(tile.plane, tile.first, count);
      }
    }
  }
  return success();
}

int64_t Lowering::getRowsPerActivation(ContractOp op) {
  return op.getSplit() ? op.getResult().getType().getRows() /
                             op.getActivations().getType().getRows()
                       : 1;
}

// A quarter of a plane's accumulators a sum: one block is summed while another
// is read, with two sums a map on one plane. Blocks are whole rows of activations,
// and of inputs that serve several rows.
int64_t Lowering::getBlockRows(MapOp op) {
  int64_t rows = cast<BufferType>(op.getResult(0).getType()).getRows();
  int64_t block = rows, unit = 1;
  for (Value input : op.getInputs()) {
    if (auto buffer = dyn_cast<BufferType>(input.getType())) {
      unit = std::max(unit, buffer.getRows() == 1 ? 1 : rows / buffer.getRows());
      continue;
    }
    auto sums = cast<AccType>(input.getType());
    if (tilesOf.contains(input)) {
      return rows;
    }
    auto contract = input.getDefiningOp<ContractOp>();
    unit = std::max(unit, getRowsPerActivation(contract));
    int64_t each = std::max(1u, mlir::lpu::getNumLimbs(sums.getFormat()));
    if (contract.getMerge()) {
      mlir::lpu::ContractShape shape = mlir::lpu::getContractShape(contract, target.lanes());
      each *= sums.getVectors(target.lanes()) / shape.tiles;
    }
    block = std::min(block, std::max<int64_t>(1, target.accumulators() / (4 * each)));
  }
  return std::min(rows, std::max(unit, block / unit * unit));
}
