//===- CycleBound.cpp - A cycle count that no lowering beats --------------===//

#include "LPU/Analysis/CycleBound.h"
#include "LPU/Analysis/Costs.h"
#include "LPU/Analysis/ScalarLatency.h"
#include "LPU/Analysis/WorkBound.h"
#include "LPU/IR/LPUTensorOps.h"
#include "lpu/Support/Layers.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"
#include "llvm/ADT/DenseSet.h"
#include <map>

using namespace mlir;
using namespace mlir::lpu;

namespace {

/// A contraction that a whole row of a value waits for.
struct Source {
  Operation *op;
  int64_t arrival; ///< no multiply-accumulate of it comes before
  int64_t bytes;   ///< of weights that a row meets
  int64_t work;    ///< on the planes, of one row
  int64_t after;   ///< from its last pass to the value at the VXM
};

/// When a value can be at the VXM. A row: along the last dimension.
struct Time {
  int64_t first = 0;  ///< no element of it before this cycle
  int64_t full = 0;   ///< no whole row of it before this cycle
  int64_t factor = 0; ///< a factor that its rows may still lack (E1) not before this one
  bool isRaw = false; ///< as it came from SRAM, through no ALU
  SmallVector<Source, 4> sources;
};

struct AttentionShape {
  int64_t heads, headSize, valueSize, kvHeads;
  int64_t positions; ///< that a run must be able to see
  int64_t pairs;     ///< of a row and a position that it sees, but its own
};

int64_t getColumns(Type type) {
  auto tensor = cast<RankedTensorType>(type);
  return tensor.getRank() == 0 ? 1 : tensor.getShape().back();
}
int64_t getElements(Type type) { return cast<RankedTensorType>(type).getNumElements(); }

bool isElementwise(linalg::GenericOp op) {
  return op.getNumParallelLoops() == op.getNumLoops() && op.getNumResults() == 1 &&
         op.getIndexingMapsArray().back().isIdentity();
}
bool isReshape(Operation *op) {
  return isa<tensor::CollapseShapeOp, tensor::ExpandShapeOp, linalg::TransposeOp>(op);
}

/// What `value` is a reshape of, or the integers that it dequantises.
Value getRoot(Value value) {
  while (Operation *op = value.getDefiningOp()) {
    if (!isReshape(op) && !isa<DequantizeOp>(op)) {
      break;
    }
    value = op->getOperand(0);
  }
  return value;
}

/// Whether an input of the entry is data; nobody waits for what has no elements.
bool isWaitedFor(BlockArgument argument) {
  return isa<FloatType>(getElementTypeOrSelf(argument.getType())) &&
         getElements(argument.getType()) > 0;
}

class Walk {
public:
  Walk(func::FuncOp entry, const ::lpu::Target &target, const BoundFormats &formats)
      : entry(entry), costs(target), limbs(formats.limbs) {
    for (BlockArgument argument : entry.getArguments()) {
      if (isWaitedFor(argument)) {
        times[argument] = {costs.load(4), costs.load(4), 0, true, {}};
      }
    }
  }

  int64_t getWhole() {
    Block &body = entry.getBody().front();
    findComputed(body);
    for (Operation &op : llvm::reverse(body)) {
      setTails(&op);
    }
    for (Operation &op : body) {
      setTimes(&op);
    }
    for (Value output : body.getTerminator()->getOperands()) {
      if (auto at = times.find(output); at != times.end()) {
        bound = std::max(bound, settle(at->second).full + costs.store(getStoredBytes(output)));
      }
    }
    bound = std::max(bound, getEntryBound());
    bound = std::max(bound, getWorkBound(macs, costs.macCapacity));
    bound = std::max(bound, getWorkBound(sums, costs.sumCapacity));
    return std::max(bound, getWorkBound(elements, costs.aluCapacity));
  }

  int64_t getPart(ArrayRef<Operation *> operations) {
    isPart = true;
    findComputed(entry.getBody().front());
    times.clear();
    for (Operation *op : operations) {
      for (Value operand : op->getOperands()) {
        if (isComputed(operand) && times.try_emplace(operand).second) {
          outside.insert(operand); // there at any time, even before a plane
        }
      }
      setTimes(op);
    }
    bound = std::max(bound, getEntryBound());
    return std::max(bound, getWorkBound(macs, costs.macCapacity));
  }

private:
  bool isComputed(Value value) const { return computed.contains(value); }
  /// Bytes of a stored element: caches are kept in fp16, or as the int8 that they are.
  int64_t getStoredBytes(Value value) const {
    bool isState = value.getDefiningOp<CacheUpdateOp>() != nullptr;
    return !isState ? 4 : getElementTypeOrSelf(value.getType()).isInteger(8) ? 1 : 2;
  }
  /// Whether a run can name any row of a computed table: indices are an input.
  bool mayReadAll(GatherOp op) {
    auto indices = dyn_cast<BlockArgument>(getRoot(op.getIndices()));
    auto most = indices ? entry.getArgAttrOfType<IntegerAttr>(indices.getArgNumber(),
                                                              LPUDialect::kMaxAttr)
                        : IntegerAttr();
    int64_t rows = cast<RankedTensorType>(op.getTable().getType()).getDimSize(int64_t(op.getAxis()));
    return indices && (!most || most.getInt() >= rows - 1);
  }
  /// The values that a run computes: all that depend on float inputs or gathered rows.
  void findComputed(Block &body) {
    for (BlockArgument argument : body.getArguments()) {
      if (isWaitedFor(argument)) {
        computed.insert(argument);
      }
    }
    for (Operation &op : body) {
      if (isa<GatherOp>(op) ||
          llvm::any_of(op.getOperands(), [&](Value v) { return isComputed(v); })) {
        computed.insert(op.result_begin(), op.result_end());
      }
    }
  }

  // (B7): all bytes after the first word can be there, and, of what cannot wait in the
  // planes, after the activations of those that come last.
  int64_t getEntryBound() const {
    std::vector<Use> early = weights;
    for (Use &use : early) {
      use.release = isPart ? 0 : costs.memoryToPlane;
    }
    return std::max(getWorkBound(early, costs.entryCapacity),
                    getWorkBound(weights, costs.entryCapacity, costs.held));
  }

  //===--------------------------------------------------------------------===//
  // From the end up: cycles from an element at the VXM to the end
  //===--------------------------------------------------------------------===//

  void addTail(Value value, int64_t cycles) {
    if (isComputed(value)) {
      int64_t &tail = tails[value];
      tail = std::max(tail, cycles);
    }
  }
  int64_t getTail(Operation *op) const {
    return op->getNumResults() ? tails.lookup(op->getResult(0)) : 0;
  }
  /// (B1, B2) From limbs that reach a plane to f32 at the VXM.
  int64_t getProductPass() const { return costs.pass + 2 * costs.alu; }

  void setTails(Operation *op) {
    int64_t tail = getTail(op);
    if (isa<func::ReturnOp>(op)) {
      for (Value output : op->getOperands()) {
        addTail(output, costs.store(getStoredBytes(output)));
      }
    } else if (isReshape(op) || isa<RmsNormOp, QuantizeOp, DequantizeOp>(op)) {
      addTail(op->getOperand(0), tail);
    } else if (isa<linalg::MatmulOp>(op)) {
      addTail(op->getOperand(0), costs.alu + costs.toPlane + getProductPass() + tail);
    } else if (isa<RotaryOp>(op)) {
      addTail(op->getOperand(0), costs.alu + tail);
    } else if (auto gather = dyn_cast<GatherOp>(op); gather && mayReadAll(gather)) {
      addTail(gather.getTable(), tail);
    } else if (auto update = dyn_cast<CacheUpdateOp>(op)) {
      addTail(update.getRows(), tail);
    } else if (auto generic = dyn_cast<linalg::GenericOp>(op)) {
      ScalarLatency latency = getLatency(generic);
      for (auto [input, cycles] : llvm::zip(generic.getInputs(), latency.inputs)) {
        if (cycles >= 0 && isElementwise(generic)) {
          addTail(input, cycles + tail);
        }
      }
    } else if (auto attention = dyn_cast<AttentionOp>(op)) {
      AttentionShape shape = getShape(attention);
      if (shape.pairs > 0) {
        addTail(attention.getQuery(), getScoreLatency() + getValueLatency() + tail);
      }
      addTail(attention.getKey(), costs.function + costs.alu + tail);
      addTail(attention.getValue(), costs.alu + tail);
    }
  }

  //===--------------------------------------------------------------------===//
  // From the start down
  //===--------------------------------------------------------------------===//

  /// Times of `value` behind operations that take `cycles`.
  static Time delay(Time time, int64_t cycles) {
    time.first += cycles;
    time.full += cycles;
    for (Source &source : time.sources) {
      source.after += cycles;
    }
    return time;
  }
  /// (E1) The factor that rows lack is multiplied with them.
  Time settle(Time time) const {
    if (time.factor > 0) {
      time.first = std::max(time.first, time.factor + costs.alu);
      time.full = std::max(time.full, time.factor + costs.alu);
      time.factor = 0;
    }
    return time;
  }

  // (B9) for one row: its sources' weights and passes come after the arrival of the
  // last of any set of them.
  void waitForSources(Time &time) const {
    llvm::sort(time.sources, [](const Source &a, const Source &b) {
      return a.arrival != b.arrival ? a.arrival > b.arrival : a.op < b.op;
    });
    // Fewer sources make a lower bound, and long residual sums have many.
    constexpr size_t kSources = 8;
    time.sources.resize(std::min(time.sources.size(), kSources));
    int64_t bytes = -costs.held, work = 0, after = std::numeric_limits<int64_t>::max();
    for (const Source &source : time.sources) {
      bytes += source.bytes;
      work += source.work;
      after = std::min(after, source.after);
      int64_t entry = bytes > 0 ? (bytes - 1) / costs.entryCapacity : 0;
      int64_t passes = (work - 1) / costs.macCapacity;
      time.full = std::max(time.full, source.arrival + std::max(entry, passes) + after);
    }
  }

  /// The time at which all of `parts` are there.
  Time join(ArrayRef<Time> parts) const {
    Time all;
    all.isRaw = true;
    for (const Time &part : parts) {
      all.first = std::max(all.first, part.first);
      all.full = std::max(all.full, part.full);
      all.isRaw &= part.isRaw;
      for (const Source &source : part.sources) {
        auto *known = llvm::find_if(all.sources,
                                    [&](const Source &other) { return other.op == source.op; });
        if (known == all.sources.end()) {
          all.sources.push_back(source);
        } else {
          known->after = std::max(known->after, source.after);
        }
      }
    }
    waitForSources(all);
    return all;
  }

  void setTimes(Operation *op) {
    if (op->getNumResults() != 1 || !isComputed(op->getResult(0)) ||
        getElements(op->getResult(0).getType()) == 0) {
      return; // of no elements: nothing to wait for
    }
    Time &result = times[op->getResult(0)];
    auto of = [&](Value value) { return times.lookup(value); };
    if (isReshape(op)) {
      result = of(op->getOperand(0));
      bool keepsRows = !isa<linalg::TransposeOp>(op) &&
                       getColumns(op->getResult(0).getType()) >=
                           getColumns(op->getOperand(0).getType());
      if (!keepsRows) {
        result.full = result.first;
        result.sources.clear();
      }
    } else if (auto matmul = dyn_cast<linalg::MatmulOp>(op)) {
      result = isComputed(matmul.getInputs()[1]) ? getLeast(op) : getMatmul(matmul);
    } else if (auto norm = dyn_cast<RmsNormOp>(op)) {
      result = settle(of(norm.getInput()));
      result.factor = result.full + costs.reduce(getColumns(norm.getInput().getType())) +
                      costs.function;
    } else if (auto rotary = dyn_cast<RotaryOp>(op)) {
      result = delay(of(rotary.getInput()), costs.alu);
      addElements(result.first - costs.alu,
                  2 * getElements(rotary.getCos().getType()) * int64_t(rotary.getHeads()),
                  getTail(op));
    } else if (auto gather = dyn_cast<GatherOp>(op)) {
      result = getGather(gather);
    } else if (isa<QuantizeOp, DequantizeOp>(op)) {
      result = settle(of(op->getOperand(0)));
    } else if (auto update = dyn_cast<CacheUpdateOp>(op)) {
      result = settle(of(update.getRows()));
    } else if (auto generic = dyn_cast<linalg::GenericOp>(op)) {
      result = getGeneric(generic);
    } else if (auto attention = dyn_cast<AttentionOp>(op)) {
      result = getAttention(attention);
    } else {
      result = getLeast(op);
    }
  }

  /// Of an operation of which nothing is known: some element of some operand.
  Time getLeast(Operation *op) const {
    Time least;
    bool isFirst = true;
    for (Value operand : op->getOperands()) {
      if (isComputed(operand)) {
        int64_t first = times.lookup(operand).first;
        least.first = isFirst ? first : std::min(least.first, first);
        isFirst = false;
      }
    }
    least.full = least.first;
    return least;
  }

  Time getGather(GatherOp op) const {
    if (isComputed(op.getTable())) {
      return settle(getLeast(op));
    }
    return {costs.gather(), costs.gather(), 0, true, {}};
  }

  /// The latencies of an elementwise operation. What comes from SRAM takes an ALU.
  ScalarLatency getLatency(linalg::GenericOp op) const {
    return getScalarLatency(op, costs, [&](Value v) { return !isComputed(v); });
  }

  Time getGeneric(linalg::GenericOp op) {
    if (!isElementwise(op)) {
      return getLeast(op);
    }
    ScalarLatency latency = getLatency(op);
    Type type = op.getResult(0).getType();
    int64_t columns = getColumns(type), count = getElements(type), release = 0;
    SmallVector<Time> parts;
    for (auto [input, cycles] : llvm::zip(op.getInputs(), latency.inputs)) {
      if (!isComputed(input) || cycles < 0) {
        continue;
      }
      Time part = settle(times.lookup(input));
      int64_t inputColumns = getColumns(input.getType());
      if (inputColumns != columns && inputColumns != 1) {
        part.full = part.first;
        part.sources.clear();
      }
      // What a small input alone decides need not be computed for every element.
      count = std::min(count, getElements(input.getType()));
      release = std::max(release, part.first);
      parts.push_back(delay(part, cycles));
    }
    if (parts.empty()) {
      return {};
    }
    Time all = join(parts);
    if (all.isRaw) {
      all.first = std::max(all.first, release + costs.alu);
      all.full = std::max(all.full, release + costs.alu);
    }
    all.isRaw = false;
    addElements(release, latency.operations * count, getTail(op));
    return all;
  }

  Time getMatmul(linalg::MatmulOp op) {
    Value x = op.getInputs()[0];
    Time input = times.lookup(x);
    int64_t k = getColumns(x.getType()), n = getColumns(op.getResult(0).getType());
    int64_t rows = k ? getElements(x.getType()) / k : 0, tail = getTail(op);
    int64_t way = outside.contains(x) ? 0 : costs.alu + costs.toPlane;
    int64_t arrival = input.first + way, last = input.full + way;
    int64_t bytes = takeBytes(op.getInputs()[1], k * n);
    int64_t passes = costs.getMacWork("i8", limbs * k * n);
    addProducts(arrival, rows * passes, bytes, getProductPass() + tail);
    addSums(last, costs.getSumWork("i8", limbs * rows * n), 2 * costs.alu + tail);
    // Every limb's sum becomes f32 and is added with its scale; every activation
    // becomes an integer.
    addElements(last + costs.pass, 2 * limbs * rows * n, tail);
    if (converted.insert(x).second) {
      addElements(input.first, rows * k, costs.toPlane + getProductPass() + tail);
    }
    Time result;
    result.first = result.full = last + getProductPass();
    result.factor = input.factor;
    result.sources = {{op, arrival, bytes, passes, getProductPass()}};
    waitForSources(result);
    endPart(result.full - getProductPass());
    return result;
  }

  //===--------------------------------------------------------------------===//
  // Attention
  //===--------------------------------------------------------------------===//

  AttentionShape getShape(AttentionOp op) {
    AttentionShape shape;
    auto query = cast<RankedTensorType>(op.getQuery().getType());
    auto key = cast<RankedTensorType>(op.getKey().getType());
    int64_t batch = query.getDimSize(0), rows = query.getDimSize(1);
    shape.heads = int64_t(op.getQueryHeads());
    shape.kvHeads = int64_t(op.getKvHeads());
    shape.headSize = query.getDimSize(2) / shape.heads;
    shape.valueSize = getColumns(op.getValue().getType()) / shape.kvHeads;
    shape.positions = key.getDimSize(1);
    int64_t offset = int64_t(op.getPastLength());
    if (auto length = dyn_cast_or_null<BlockArgument>(op.getKvLength())) {
      auto most = entry.getArgAttrOfType<IntegerAttr>(length.getArgNumber(), LPUDialect::kMaxAttr);
      shape.positions = std::min(shape.positions, most ? most.getInt() : shape.positions);
      offset = shape.positions - rows;
    }
    shape.pairs = 0;
    for (int64_t row = 0; row < rows; ++row) {
      int64_t seen = op.getCausal() ? std::min(shape.positions, row + offset + 1) : shape.positions;
      shape.pairs += std::max<int64_t>(0, seen - 1);
    }
    // A mask may hide what it likes; computed lengths may be short.
    bool isKnown = !op.getMask() && (!op.getKvLength() || isa<BlockArgument>(op.getKvLength()));
    shape.pairs = isKnown ? shape.pairs * batch : 0;
    return shape;
  }

  /// (B1, B3) From a query at the VXM to its exponentials there.
  int64_t getScoreLatency() const {
    return costs.toPlane + costs.pass + costs.function;
  }
  /// From these to the sums of values, divided.
  int64_t getValueLatency() const { return costs.toPlane + costs.pass + costs.alu; }

  /// The cheapest format for products with a cache, and its bytes an element: int8
  /// caches could meet one limb of int8, where the target has that.
  std::pair<StringRef, int64_t> getCacheFormat(Value cache) const {
    bool isInt8 = getElementTypeOrSelf(getRoot(cache).getType()).isInteger(8);
    return {isInt8 && costs.getMacWork("i8", 1) > 0 ? "i8" : "f16", isInt8 ? 1 : 2};
  }

  Time getAttention(AttentionOp op) {
    AttentionShape shape = getShape(op);
    int64_t tail = getTail(op);
    Time query = settle(times.lookup(op.getQuery())), key = settle(times.lookup(op.getKey()));
    Time value = settle(times.lookup(op.getValue()));
    Time result;
    // The row's own position: on any unit.
    result.first = std::max({query.first + costs.function + costs.alu,
                             key.first + costs.function + costs.alu, value.first + costs.alu});
    result.full = std::max({result.first, key.full + costs.function + costs.alu,
                            value.full + costs.alu});
    if (shape.pairs == 0) {
      return result;
    }
    int64_t arrival = query.first + (outside.contains(op.getQuery()) ? 0 : costs.toPlane);
    int64_t scored = arrival + costs.pass + costs.function;
    int64_t weighted = scored + costs.toPlane;
    result.first = std::max(result.first, weighted + costs.pass + costs.alu);
    int64_t lastWeighted = weighted + query.full - query.first;
    result.full = std::max({result.full, result.first, lastWeighted + costs.pass + costs.alu});
    result.factor = scored + costs.reduce(shape.positions) + costs.function;
    int64_t others = std::max<int64_t>(0, shape.positions - 1);
    auto [keyFormat, keyBytes] = getCacheFormat(op.getKey());
    auto [valueFormat, valueBytes] = getCacheFormat(op.getValue());
    addProducts(arrival, costs.getMacWork(keyFormat, shape.pairs * shape.heads * shape.headSize),
                takeBytes(op.getKey(), others * shape.kvHeads * shape.headSize * keyBytes),
                costs.pass + costs.function + getValueLatency() + tail);
    addProducts(weighted,
                costs.getMacWork(valueFormat, shape.pairs * shape.heads * shape.valueSize),
                takeBytes(op.getValue(), others * shape.kvHeads * shape.valueSize * valueBytes),
                costs.pass + costs.alu + tail);
    addSums(arrival, costs.getSumWork(keyFormat, shape.pairs * shape.heads),
            costs.function + getValueLatency() + tail);
    addElements(arrival + costs.pass, shape.pairs * shape.heads, getValueLatency() + tail);
    endPart(lastWeighted);
    return result;
  }

  //===--------------------------------------------------------------------===//
  // Work
  //===--------------------------------------------------------------------===//

  /// Bytes of a constant or cache: those that did not enter before. Equal ones are
  /// one word.
  int64_t takeBytes(Value matrix, int64_t bytes) {
    Value root = getRoot(matrix);
    Attribute value;
    if (auto weight = root.getDefiningOp<WeightOp>()) {
      value = weight.getValue();
    } else if (auto constant = root.getDefiningOp<arith::ConstantOp>()) {
      value = constant.getValue();
    }
    auto numbers = dyn_cast_or_null<ElementsAttr>(value);
    bool isSplat = numbers && numbers.isSplat();
    return !isSplat && entered.insert(root).second ? bytes : 0;
  }
  void addProducts(int64_t arrival, int64_t work, int64_t bytes, int64_t tail) {
    tail = isPart ? costs.accumulated : tail;
    macs.push_back({arrival, work, tail});
    weights.push_back({arrival, bytes, tail});
  }
  /// Sums leave the accumulators a cycle before they are driven.
  void addSums(int64_t arrival, int64_t work, int64_t tail) {
    int64_t inAccumulator = costs.accumulated - 1;
    sums.push_back({arrival + inAccumulator, work, costs.pass - inAccumulator + tail});
  }
  void addElements(int64_t release, int64_t count, int64_t tail) {
    elements.push_back({release, count, costs.alu + tail});
  }
  void endPart(int64_t lastPass) {
    if (isPart) {
      bound = std::max(bound, lastPass + costs.accumulated);
    }
  }

  func::FuncOp entry;
  Costs costs;
  int64_t limbs;
  bool isPart = false;
  int64_t bound = 1;
  llvm::DenseSet<Value> computed, entered, converted, outside;
  llvm::DenseMap<Value, Time> times;
  llvm::DenseMap<Value, int64_t> tails;
  std::vector<Use> macs, weights, sums, elements;
};

} // namespace

int64_t mlir::lpu::getCycleBound(func::FuncOp entry, const ::lpu::Target &target,
                                 const BoundFormats &formats) {
  return Walk(entry, target, formats).getWhole();
}

int64_t mlir::lpu::getCycleBound(func::FuncOp entry, ArrayRef<Operation *> operations,
                                 const ::lpu::Target &target, const BoundFormats &formats) {
  return Walk(entry, target, formats).getPart(operations);
}

std::vector<PartBound> mlir::lpu::getLayerBounds(func::FuncOp entry,
                                                 const ::lpu::Target &target,
                                                 const BoundFormats &formats) {
  std::map<std::string, SmallVector<Operation *>> layers;
  for (Operation &op : entry.getBody().front().without_terminator()) {
    auto name = dyn_cast<NameLoc>(op.getLoc());
    // Chains have names below their operation's.
    layers[name ? ::lpu::getLayerName(name.getName().str() + ".") : ""].push_back(&op);
  }
  std::vector<PartBound> bounds;
  for (const auto &[name, operations] : layers) {
    bounds.push_back({name, getCycleBound(entry, operations, target, formats)});
  }
  return bounds;
}
