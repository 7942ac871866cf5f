//===- VectorChain.cpp - The chain of one vector of a map's results -------===//

#include "VectorChain.h"

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

static StringRef getStreamType(Format format) {
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
static StringRef getDriveType(Format format) {
  switch (format) {
  case Format::F32:
    return "f32";
  case Format::F16:
    return "f16";
  case Format::I8x1:
  case Format::U8:
    return "i8";
  case Format::I8x2:
    return "i16";
  default:
    return "i32";
  }
}
static unsigned getDriveBytes(Format format) {
  return format == Format::I8x3 ? 4 : mlir::lpu::getNumBytes(format);
}

VectorChain::VectorChain(MapOp op, ArrayRef<MapNode> nodes, Rows rows, int64_t firstRow,
                         int64_t vector, const std::map<unsigned, AccumulatorTile> &tiles,
                         const Target &target, ChainBuilder &chain)
    : op(op), nodes(nodes), rows(rows.normalize()), firstRow(firstRow), vector(vector),
      tiles(tiles), target(target), chain(chain) {
  resultRows = cast<BufferType>(op.getResult(0).getType()).getRows();
}

LogicalResult VectorChain::build() {
  results.resize(nodes.size());
  chain.setOrigin(origin);
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
      if (failed(setOperand(fields, StringRef("abc").substr(number, 1), operand, node.time,
                            operands))) {
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
    for (unsigned result : node.carries) {
      carried[result] = {results[index], origin + node.time + node.latency};
    }
    if (node.drives && mlir::lpu::getStreamedContract(op.getResult(node.drives->first),
                                                      target.lanes())) {
      driver = &node;
      driven = issue.getResult(0);
      onMesh = results[index];
    } else if (node.drives && failed(writeResult(node, issue.getResult(0)))) {
      return failure();
    }
  }
  return success();
}

//===----------------------------------------------------------------------===//
// Rows and results
//===----------------------------------------------------------------------===//

Repeated VectorChain::each() const {
  return {rows.inner, 1, rows.outer, rows.outer == 1 ? 0 : rows.inner};
}

FailureOr<Rows> VectorChain::getInputRows(int64_t inputRows) {
  Rows result = rows;
  if (inputRows == 1) {
    result.first = result.outerStep = result.innerStep = 0;
    return result;
  }
  // Rows that a row of the input serves.
  int64_t share = resultRows / inputRows, offset = rows.first % share;
  result.first = rows.first / share;
  auto divide = [&](int64_t count, int64_t &step, int64_t &reach) {
    if (count == 1 || step % share == 0) {
      step = count == 1 ? 0 : step / share;
      return true;
    }
    reach += (count - 1) * step;
    step = 0;
    return reach < share;
  };
  int64_t reach = offset;
  if (!divide(rows.inner, result.innerStep, reach) ||
      !divide(rows.outer, result.outerStep, reach)) {
    return op.emitOpError("needs rows of an input that do not follow one another");
  }
  return result;
}

BufferType VectorChain::getResultType(const MapNode &node) {
  return cast<BufferType>(op.getResult(node.drives->first).getType());
}

const Placement &VectorChain::getResultPlacement(const MapNode &node) {
  auto &placements = placementsOf[node.drives->first];
  if (placements.empty()) {
    placements = getPlacements(op.getResult(node.drives->first));
  }
  return placements[node.drives->second];
}

unsigned VectorChain::getResultColumn(const MapNode &node) {
  Value result = op.getResult(node.drives->first);
  if (auto append = mlir::lpu::getStreamedAppend(result)) {
    return target.planeColumn(
        unsigned(mlir::lpu::getStripes(append.getTiles()).front().plane));
  }
  if (mlir::lpu::getStreamedContract(result, target.lanes())) {
    return target.planeColumn(streamed->plane);
  }
  return target.sliceColumn(unsigned(getResultPlacement(node).front().slice));
}

mlir::stream::Direction VectorChain::getResultDirection(const MapNode &node) {
  return ChainBuilder::direction(vxm(), getResultColumn(node));
}

LogicalResult VectorChain::writeResult(const MapNode &node, Value flow) {
  Value result = op.getResult(node.drives->first);
  if (auto append = mlir::lpu::getStreamedAppend(result)) {
    return this->append(append, flow, node.time + node.latency);
  }
  int64_t vectors = getResultType(node).getVectors(target.lanes());
  for (auto [index, byte] : llvm::enumerate(getResultPlacement(node))) {
    chain.writeFrom(vxm(), node.time + node.latency, flow, int64_t(index),
                    unsigned(byte.slice), byte.bank,
                    byte.first + rows.first * vectors + vector, each(),
                    {{"w_addr", getSteps(vectors)}});
  }
  return success();
}

LogicalResult VectorChain::append(mlir::lpu::AppendOp append, Value flow, int64_t cycle) {
  auto tiles = append.getTiles().getType();
  mlir::lpu::Stripe stripe = mlir::lpu::getStripes(append.getTiles()).front();
  auto copies = getPlacements(append.getMap());
  const Placement *map =
      findCopy(copies, getOther(target.planeSide(unsigned(stripe.plane))), target);
  int64_t mapRows = append.getMap().getType().getRows(), share = resultRows / mapRows;
  FailureOr<Rows> from = getInputRows(mapRows);
  if (failed(from) || !map) {
    return append.emitOpError("expected its map on the other side of the VXM");
  }
  int64_t groups = divideCeil(tiles.getRows(), 16);
  int64_t words = mlir::lpu::getTileWords(tiles, target.lanes());
  // Rows that share a row of the map go to words that follow one another.
  int64_t first = tiles.getTransposed() ? rows.first % share : vector * groups;
  std::array<int64_t, 2> steps{rows.outerStep % share, rows.innerStep % share};
  int64_t last = first + (rows.outer - 1) * steps[0] + (rows.inner - 1) * steps[1];
  Value at = readWords(*map, from->first, cycle, {from->outerStep, from->innerStep});
  StringRef dir = stringifyDirection(cast<FlowType>(at.getType()).getDirection());
  auto data = ArrayRef(stripe.slices).take_front(16 * mlir::lpu::getNumBytes(tiles.getFormat()));
  for (auto [j, byte] : llvm::enumerate(data)) {
    Fields fields = chain.fields();
    fields.set("w", "mapped").set("w_bank", byte.bank).set("w_addr", byte.first + first);
    fields.set("w_dir", dir).set("w_map_dir", dir);
    // Slice j has the words of every 16th position; the window leaves out what the
    // steps add last.
    fields.set("w_lo", int64_t(j) % 16 * words).set("w_len", words - last);
    Value part = chain.part(flow, int64_t(j) / 16);
    unsigned to = target.sliceColumn(unsigned(byte.slice));
    chain.issue("mem", target.queueName({UnitKind::Mem, uint16_t(byte.slice)}),
                cycle + std::abs(int64_t(to) - int64_t(vxm())), fields, {part, at}, {}, each(),
                {{"w_addr", steps}});
  }
  return success();
}

//===----------------------------------------------------------------------===//
// Rows that go on without SRAM
//===----------------------------------------------------------------------===//

// The value leaves the VXM again for every limb and half, as many cycles later as there
// are rows: an array takes one vector a cycle.
SumFlow VectorChain::sendRows(bool emits) {
  ContractOp contract = streamed->contract;
  int64_t limbs = getNumLimbs(contract), ready = driver->time + driver->latency;
  unsigned column = target.planeColumn(streamed->plane);
  int64_t distance = std::abs(int64_t(column) - int64_t(vxm()));
  auto back = ChainBuilder::direction(column, vxm());
  std::string queue =
      target.queueName({UnitKind::MxmAccumulators, uint16_t(streamed->plane)});
  SmallVector<Value> sums;
  int64_t start = ready;
  for (const Pass &pass : streamed->passes) {
    bool emitsThis = emits && &pass == &streamed->passes.back();
    for (int64_t limb = limbs - 1; limb >= 0; --limb) {
      Value flow = start == ready ? driven : driveAgain(start);
      Value x = limbs == 1 ? flow : chain.part(flow, limb);
      Value partial =
          issueActivate(chain, contract, pass, streamed->plane, start + distance, x, each());
      int64_t number = limbs - 1 - limb, step = streamed->step;
      int64_t first = streamed->first + (step == 0 ? 0 : (rows.first - firstRow) * step) + number;
      Fields accumulate = chain.fields();
      accumulate.set("mode", pass.isFirst ? "set" : "add").set("a", first);
      accumulate.set("first", pass.firstSuperlane).set("count", pass.superlanes);
      SmallVector<Type> types;
      if (emitsThis) {
        accumulate.set("emit", "true").set("b", first).set("dir", stringifyDirection(back));
        accumulate.set("emit_count", int64_t(target.superlanes()));
        types.push_back(chain.flow(back, 4));
      }
      auto issue = chain.issue(
          "acc", queue, start + distance + int64_t(target.latencies().mxm_result()), accumulate,
          partial, types, each(), {{"a", getSteps(step)}, {"b", getSteps(emitsThis ? step : 0)}});
      llvm::append_range(sums, issue.getResults());
      start += rows.count();
    }
  }
  if (!emits) {
    return {};
  }
  int64_t last = start - limbs * rows.count() + 2 * distance +
                 int64_t(target.latencies().mxm_result() + target.latencies().mxm_emit());
  return {limbs == 1 ? sums.front() : chain.merge(sums), origin + last};
}

Value VectorChain::driveAgain(int64_t cycle) {
  int64_t ready = driver->time + driver->latency;
  int64_t step = std::min(int64_t(target.latencies().alu_delay_max()), cycle - ready);
  Value value = delayed(onMesh, ready, cycle - step);
  Fields fields = chain.fields();
  fields.set("op", "delay").set("a", "mesh").set("lo", step);
  fields.set("out", getDriveType(getResultType(*driver).getFormat()));
  fields.set("out_dir", stringifyDirection(getResultDirection(*driver)));
  Type type = chain.flow(getResultDirection(*driver),
                         getDriveBytes(getResultType(*driver).getFormat()));
  return chain
      .issue("alu", "vxm.*", cycle - step, fields, value, {type, chain.mesh()}, each())
      .getResult(0);
}

// As early as the sums are there, and whatever else waits for them.
void VectorChain::continueFrom(const VectorChain &producer, unsigned input, SumFlow flow) {
  given = {input, flow};
  SmallVector<int64_t> uses = getUses(input);
  int64_t wanted = *llvm::min_element(uses);
  origin = flow.arrival - (isTakenOnce(input) ? wanted : wanted - getSumLatency(input));
  for (auto [number, value] : llvm::enumerate(op.getInputs())) {
    auto it = value.getDefiningOp() == producer.op
                  ? producer.carried.find(cast<OpResult>(value).getResultNumber())
                  : producer.carried.end();
    if (it != producer.carried.end()) {
      carriedInputs[unsigned(number)] = it->second;
      for (int64_t use : getUses(unsigned(number))) {
        origin = std::max(origin, it->second.second - use);
      }
    }
  }
}

//===----------------------------------------------------------------------===//
// Operands
//===----------------------------------------------------------------------===//

LogicalResult VectorChain::setOperand(Fields &fields, StringRef letter,
                                      const Operand &operand, int64_t time,
                                      SmallVectorImpl<Value> &operands) {
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
    operands.push_back(
        delayed(results[operand.index], producer.time + producer.latency, time));
    return success();
  }
  case Operand::Kind::Input:
    return isa<AccType>(op.getInputs()[operand.index].getType())
               ? setSums(fields, letter, operand.index, time, operands)
               : setInput(fields, letter, operand.index, time, operands);
  }
  return failure();
}

static void setStream(Fields &fields, StringRef letter, Format format, Value flow) {
  fields.set(letter, "stream")
      .set((letter + "_type").str(), getStreamType(format))
      .set((letter + "_dir").str(),
           stringifyDirection(cast<FlowType>(flow.getType()).getDirection()));
}

LogicalResult VectorChain::setInput(Fields &fields, StringRef letter, unsigned input,
                                    int64_t time, SmallVectorImpl<Value> &operands) {
  Value value = op.getInputs()[input];
  if (auto it = carriedInputs.find(input); it != carriedInputs.end()) {
    fields.set(letter, "mesh");
    operands.push_back(delayed(it->second.first, it->second.second - origin, time));
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
    FailureOr<Value> read = readRows(type, copies.front(), time);
    if (failed(read)) {
      return failure();
    }
    flow = *read;
  }
  setStream(fields, letter, type.getFormat(), flow);
  operands.push_back(flow);
  return success();
}

FailureOr<Value> VectorChain::readRows(BufferType type, const Placement &copy,
                                       int64_t cycle) {
  FailureOr<Rows> from = getInputRows(type.getRows());
  if (failed(from)) {
    return failure();
  }
  int64_t vectors = type.getVectors(target.lanes());
  int64_t index = (vectors == 1 ? 0 : vector) + from->first * vectors;
  return readWords(copy, index, cycle,
                   {from->outerStep * vectors, from->innerStep * vectors});
}

Value VectorChain::readWords(const Placement &copy, int64_t word, int64_t cycle,
                             std::array<int64_t, 2> steps) {
  return stream_lowering::readWords(chain, copy, word, vxm(), cycle, each(), steps);
}

Value VectorChain::delayed(Value value, int64_t ready, int64_t wanted) {
  int64_t longest = target.latencies().alu_delay_max();
  while (ready < wanted) {
    Value &later = delays[{value.getAsOpaquePointer(), wanted}];
    int64_t step = std::min(longest, wanted - ready);
    if (later && step == wanted - ready) {
      return later;
    }
    Fields fields = chain.fields();
    fields.set("op", "delay").set("a", "mesh").set("lo", step);
    Value next = chain.issue("alu", "vxm.*", ready, fields, value, chain.mesh(), each())
                     .getResult(0);
    ready += step;
    if (ready == wanted) {
      later = next;
    }
    value = next;
  }
  return value;
}

//===----------------------------------------------------------------------===//
// Sums
//===----------------------------------------------------------------------===//

int64_t VectorChain::getNumEmissions(unsigned input) {
  return getNumLimbs(op.getInputs()[input].getDefiningOp<ContractOp>());
}

bool VectorChain::isFloat(unsigned input) {
  return cast<AccType>(op.getInputs()[input].getType()).getFormat() == Format::F16;
}

int64_t VectorChain::getLimbLatency(int64_t limb) {
  return limb == 0 ? 0
                   : std::max(getLimbLatency(limb - 1), limb * rows.count()) +
                         int64_t(target.latencies().alu());
}

// A limb becomes f32; the sum of all meets the scale.
int64_t VectorChain::getSumLatency(unsigned input) {
  int64_t alu = target.latencies().alu();
  return isFloat(input) ? alu : 2 * alu + getLimbLatency(getNumEmissions(input) - 1);
}

bool VectorChain::takeEmissions(unsigned input, int64_t arrival) {
  auto &taken = emissionsOf[tiles.at(input).plane];
  int64_t end = arrival + getNumEmissions(input) * rows.count();
  if (llvm::any_of(taken, [&](auto other) {
        return arrival < other.second && other.first < end;
      })) {
    return false;
  }
  taken.push_back({arrival, end});
  return true;
}

SmallVector<int64_t> VectorChain::getUses(unsigned input) {
  SmallVector<int64_t> times;
  for (const MapNode &node : nodes) {
    for (const Operand &operand : node.operands) {
      if (operand.kind == Operand::Kind::Input && operand.index == input) {
        times.push_back(node.time);
      }
    }
  }
  return times;
}

// One sum a row, used in the cycle it is complete; later users get it from a
// delay.
LogicalResult VectorChain::setSums(Fields &fields, StringRef letter, unsigned input,
                                   int64_t time, SmallVectorImpl<Value> &operands) {
  if (!isFloat(input) && rows.outer > 1) {
    return op.emitOpError("has sums of limbs beside an input that serves several "
                          "rows: no kernel yet");
  }
  auto it = sums.find(input);
  if (it == sums.end() && given && given->first == input) {
    int64_t arrival = given->second.arrival - origin;
    if (isTakenOnce(input) && arrival == time) {
      setStream(fields, letter, Format::F32, given->second.flow);
      operands.push_back(given->second.flow);
      return success();
    }
    FailureOr<Value> sum = takeSums(input, given->second.flow, arrival);
    if (failed(sum)) {
      return failure();
    }
    it = sums.insert({input, {*sum, arrival + getSumLatency(input)}}).first;
  }
  if (it == sums.end()) {
    const AccumulatorTile &tile = tiles.at(input);
    if (isTakenOnce(input) && takeEmissions(input, time)) {
      Value flow = emitSums(input, tile, time);
      setStream(fields, letter, Format::F32, flow);
      operands.push_back(flow);
      return success();
    }
    int64_t arrival = *llvm::min_element(getUses(input)) - getSumLatency(input);
    while (!takeEmissions(input, arrival)) {
      --arrival;
    }
    FailureOr<Value> sum = takeSums(input, emitSums(input, tile, arrival), arrival);
    if (failed(sum)) {
      return failure();
    }
    it = sums.insert({input, {*sum, arrival + getSumLatency(input)}}).first;
  }
  fields.set(letter, "mesh");
  operands.push_back(delayed(it->second.first, it->second.second, time));
  return success();
}

Value VectorChain::streamActivations(unsigned input, const AccumulatorTile &tile,
                                     int64_t cycle) {
  auto contract = op.getInputs()[input].getDefiningOp<ContractOp>();
  Pass pass = *tile.last;
  if (pass.rows.outer == 1) {
    pass.outerWords = rows.inner * pass.innerWords;
  }
  int64_t limbs = getNumEmissions(input);
  SmallVector<Value> flows;
  for (int64_t limb = limbs - 1; limb >= 0; --limb) {
    int64_t after = (limbs - 1 - limb) * rows.count();
    flows.push_back(
        readActivations(chain, contract, pass, tile.plane, limb, cycle + after, each()));
  }
  Value x = limbs == 1 ? flows.front() : chain.merge(flows);
  return issueActivate(chain, contract, pass, tile.plane, cycle, x,
                       isFloat(input) ? each() : each(limbs));
}

Value VectorChain::emitSums(unsigned input, const AccumulatorTile &tile, int64_t arrival) {
  auto type = cast<AccType>(op.getInputs()[input].getType());
  int64_t limbs = getNumEmissions(input);
  int64_t superlanes = type.getWidth()
                           ? divideCeil(type.getWidth(), target.lanesPerSuperlane())
                           : target.superlanes();
  unsigned column = target.planeColumn(tile.plane);
  auto dir = ChainBuilder::direction(column, vxm());
  int64_t distance = std::abs(int64_t(column) - int64_t(vxm()));
  int64_t start = arrival - distance - int64_t(target.latencies().mxm_emit());
  Repeated repeated = isFloat(input) ? each() : each(limbs);
  Fields emit = chain.fields();
  emit.set("emit", "true").set("emit_count", superlanes).set("dir", stringifyDirection(dir));
  std::string queue = target.queueName({UnitKind::MxmAccumulators, uint16_t(tile.plane)});
  Type flow = chain.flow(dir, 4);
  if (tile.last) {
    const Pass &pass = *tile.last;
    Value partial = streamActivations(input, tile, start - target.latencies().mxm_result());
    std::array<int64_t, 2> steps{1, pass.innerSums * limbs};
    if (isFloat(input)) {
      steps = {pass.rows.outer == 1 ? pass.innerSums * rows.inner : pass.outerSums,
               pass.innerSums};
    }
    emit.set("mode", pass.isFirst ? "set" : "add").set("a", pass.sum).set("b", pass.sum);
    emit.set("first", pass.firstSuperlane).set("count", pass.superlanes);
    return chain.issue("acc", queue, start, emit, partial, flow, repeated,
                       {{"a", steps}, {"b", steps}})
        .getResult(0);
  }
  int64_t stride = type.getRows() == 1 ? 0 : limbs;
  int64_t first = tile.first + (rows.first - firstRow) * stride;
  std::array<int64_t, 2> steps{1, rows.innerStep * stride};
  if (isFloat(input)) {
    steps = getSteps(stride);
  }
  emit.set("b", first);
  return chain.issue("acc", queue, start, emit, {}, flow, repeated, {{"b", steps}}).getResult(0);
}

FailureOr<Value> VectorChain::takeSums(unsigned input, Value flow, int64_t arrival) {
  auto contract = op.getInputs()[input].getDefiningOp<ContractOp>();
  int64_t alu = target.latencies().alu(), limbs = getNumEmissions(input);
  StringRef dir = stringifyDirection(cast<FlowType>(flow.getType()).getDirection());
  Fields take = chain.fields();
  take.set("op", isFloat(input) ? "copy" : "i2f").set("a", "stream").set("a_dir", dir);
  if (isFloat(input)) {
    return chain.issue("alu", "vxm.*", arrival, take, flow, chain.mesh(), each()).getResult(0);
  }
  take.set("a_type", "i32");
  Value real =
      chain.issue("alu", "vxm.*", arrival, take, flow, chain.mesh(), each(limbs)).getResult(0);
  SmallVector<Placement> copies = getPlacements(contract.getScales());
  if (copies.empty()) {
    return op.emitOpError("expected placed scales");
  }
  auto [sum, ready] = sumLimbs(real, limbs, arrival + alu);
  auto type = cast<BufferType>(contract.getScales().getType());
  int64_t first = type.getVectors(target.lanes()) == 1 ? 0 : vector;
  Value scale = readWords(copies.front(), first, ready, {0, 0});
  Fields multiply = chain.fields();
  multiply.set("op", "mul").set("a", "mesh").set("b", "stream");
  multiply.set("b_dir", stringifyDirection(cast<FlowType>(scale.getType()).getDirection()));
  return chain.issue("alu", "vxm.*", ready, multiply, {sum, scale}, chain.mesh(), each())
      .getResult(0);
}

std::pair<Value, int64_t> VectorChain::sumLimbs(Value limbs, int64_t count, int64_t cycle) {
  Value sum = limbs;
  int64_t ready = cycle;
  for (int64_t limb = 1; limb < count; ++limb) {
    int64_t done = cycle + getLimbLatency(limb), start = done - target.latencies().alu();
    Fields fields = chain.fields();
    fields.set("op", "fma").set("a", "mesh").set("b", "immediate").setFloat("b_value", 256);
    fields.set("c", "mesh");
    Value next = delayed(limbs, cycle + limb * rows.count(), start);
    Value before = delayed(sum, ready, start);
    sum = chain.issue("alu", "vxm.*", start, fields, {before, next}, chain.mesh(), each())
              .getResult(0);
    ready = done;
  }
  return {sum, ready};
}
