//===- Nest.cpp - lpu.nest and lpu.assemble to chains ---------------------===//
//
// Two loops become the Repeat of one chain: the last of the reduction, and the longest others.
// The steps of the rest have a chain each; those of further loops of a reduction follow one
// another in the chain.
//
//===----------------------------------------------------------------------===//

#include "NestGraph.h"
#include <map>
#include <utility>

using namespace lpu;
using namespace lpu::stream_lowering;
using namespace mlir;
using mlir::lpu::AssembleOp;
using mlir::lpu::BufferType;
using mlir::lpu::Format;
using mlir::lpu::NestOp;
using mlir::lpu::Placement;
using mlir::stream::FlowType;
using mlir::stream::stringifyDirection;
using Operand = MapNode::Operand;

namespace {

/// Words of a buffer: [offset, stride a loop].
struct Access {
  Value buffer;
  SmallVector<int64_t> strides;
  int64_t offset = 0;
};

/// The chains of a loop nest.
class NestLowering {
public:
  NestLowering(Lowering &lowering, Operation *op, StringRef name, ArrayRef<int64_t> loops,
               size_t reduced)
      : lowering(lowering), op(op), name(name), reduced(reduced),
        loops(loops.begin(), loops.end()) {}

  void addAccess(Value buffer, ArrayRef<int64_t> access) {
    accesses.push_back({buffer, llvm::to_vector(access.drop_front()), access.front()});
  }

  /// The chains; the first `numInputs` accesses are read, the others written.
  LogicalResult run(ArrayRef<MapNode> program, unsigned inputs) {
    nodes = program;
    numInputs = inputs;
    if (countAlus(nodes, lowering.target) > int64_t(lowering.target.alus())) {
      return op->emitOpError("needs ") << countAlus(nodes, lowering.target) << " ALUs, the VXM has "
                                       << lowering.target.alus();
    }
    coalesce();
    // Longest last.
    SmallVector<size_t> order;
    for (size_t k = 0; k < loops.size() - reduced; ++k) {
      order.push_back(k);
    }
    llvm::stable_sort(order, [&](size_t a, size_t b) { return loops[a] < loops[b]; });
    total = 1;
    for (size_t k = loops.size() - reduced; k < loops.size(); ++k) {
      total *= loops[k];
      (k + 1 < loops.size() ? segments : order).push_back(k);
    }
    // A queue cannot issue between the steps of a Repeat: the segments of one result follow
    // one another before those of the next.
    size_t repeated = std::min<size_t>(segments.empty() ? 2 : 1, order.size());
    SmallVector<size_t> unrolled(ArrayRef(order).drop_back(repeated));
    ArrayRef<size_t> last = ArrayRef(order).take_back(repeated);
    inner = last.empty() ? std::nullopt : std::optional(last.back());
    outer = last.size() < 2 ? std::nullopt : std::optional(last.front());
    total = reduced ? total : getSize(inner);
    SmallVector<int64_t> at(loops.size());
    return forEachStep(unrolled, at);
  }

private:
  void remove(size_t loop) {
    reduced -= loop >= loops.size() - reduced;
    loops.erase(loops.begin() + int64_t(loop));
    for (Access &access : accesses) {
      access.strides.erase(access.strides.begin() + int64_t(loop));
    }
  }

  /// Makes one loop of two that every access walks through without a seam.
  void coalesce() {
    for (size_t k = loops.size(); k-- > 0;) {
      bool joins =
          k > 0 && k != loops.size() - reduced && llvm::all_of(accesses, [&](const Access &access) {
            return access.strides[k - 1] == access.strides[k] * loops[k];
          });
      if (loops[k] == 1) {
        remove(k);
      } else if (joins) {
        loops[k] *= loops[k - 1];
        remove(k - 1);
      }
    }
  }

  LogicalResult forEachStep(ArrayRef<size_t> unrolled, SmallVectorImpl<int64_t> &at) {
    if (unrolled.empty()) {
      return emit(at);
    }
    for (int64_t step = 0; step < loops[unrolled.front()]; ++step) {
      at[unrolled.front()] = step;
      if (failed(forEachStep(unrolled.drop_front(), at))) {
        return failure();
      }
    }
    return success();
  }

  int64_t getSize(std::optional<size_t> loop) const { return loop ? loops[*loop] : 1; }
  int64_t getStride(const Access &access, std::optional<size_t> loop) const {
    return loop ? access.strides[*loop] : 0;
  }

  /// One issue a step.
  Repeated each() const {
    int64_t m = getSize(outer);
    return total == 1 ? Repeated{m, 1, 1, 0} : Repeated{total, 1, m, m == 1 ? 0 : total};
  }
  /// One issue a result: the last step of a reduction.
  Repeated eachResult() const { return reduced ? Repeated{getSize(outer), total, 1, 0} : each(); }
  /// One issue a step of the inner loop, at one step of the segments.
  Repeated eachInner() const {
    int64_t n = getSize(inner), m = getSize(outer);
    return n == 1 ? Repeated{m, total, 1, 0} : Repeated{n, 1, m, m == 1 ? 0 : total};
  }
  std::array<int64_t, 2> getSteps(const Access &access, bool isResult) const {
    int64_t in = getStride(access, inner), out = getStride(access, outer);
    return (isResult && reduced) || getSize(inner) == 1 ? std::array<int64_t, 2>{0, out}
                                                        : std::array<int64_t, 2>{out, in};
  }

  int64_t getWord(const Access &access, ArrayRef<int64_t> at) const {
    int64_t word = access.offset;
    for (auto [stride, step] : llvm::zip(access.strides, at)) {
      word += stride * step;
    }
    return word;
  }

  int64_t getBank() const { return int64_t(lowering.target.wordsPerBank()); }

  /// Some issues of a chain, from step `first` on, whose words lie in one bank.
  struct Run {
    size_t part;    ///< of the buffer
    int64_t word;   ///< of the part
    int64_t offset; ///< cycles behind the chain's first
    Repeated repeated;
    std::array<int64_t, 2> steps;
  };

  /// Whether the words of some issues lie in more than one bank.
  bool isSplit(const Access &access, ArrayRef<int64_t> at, bool isResult) const {
    int64_t least = getWord(access, at), most = least;
    for (std::optional<size_t> loop : {isResult && reduced ? std::nullopt : inner, outer}) {
      int64_t reach = getStride(access, loop) * (getSize(loop) - 1);
      (reach < 0 ? least : most) += reach;
    }
    return least / getBank() != most / getBank();
  }

  /// Calls `body` with the steps of the further loops of a reduction, and their number.
  void forEachSegment(SmallVector<int64_t> at,
                      llvm::function_ref<void(ArrayRef<int64_t>, int64_t)> body) const {
    for (int64_t number = 0;; ++number) {
      body(at, number);
      size_t k = segments.size();
      for (; k-- > 0;) {
        if (++at[segments[k]] < loops[segments[k]]) {
          break;
        }
        at[segments[k]] = 0;
      }
      if (k == size_t(-1)) {
        return;
      }
    }
  }

  /// Where the words of `access` are split there is one loop that has more than a step.
  SmallVector<Run> getRuns(const Access &access, ArrayRef<int64_t> at, bool isResult) const {
    SmallVector<Run> runs;
    Repeated all = isResult ? eachResult() : eachInner();
    int64_t bank = getBank();
    auto add = [&](ArrayRef<int64_t> where, int64_t segment) {
      int64_t word = getWord(access, where), start = segment * getSize(inner);
      if (!isSplit(access, where, isResult)) {
        runs.push_back({size_t(word / bank), word % bank, start, all, getSteps(access, isResult)});
        return;
      }
      bool isOuter = (isResult && reduced) || getSize(inner) == 1;
      int64_t stride = getStride(access, isOuter ? outer : inner);
      for (int64_t step = 0; step < all.n;) {
        int64_t first = word + step * stride, part = first / bank, count = 1;
        while (step + count < all.n && (first + count * stride) / bank == part) {
          ++count;
        }
        runs.push_back(
            {size_t(part), first % bank, start + step * all.d, {count, all.d, 1, 0}, {0, stride}});
        step += count;
      }
    };
    if (isResult) {
      add(at, 0);
    } else {
      forEachSegment(llvm::to_vector(at), add);
    }
    return runs;
  }

  static StringRef getType(Value buffer) {
    return cast<BufferType>(buffer.getType()).getFormat() == Format::I32 ? "i32" : "f32";
  }

  LogicalResult emit(SmallVectorImpl<int64_t> &at) {
    bool isCut = false;
    for (auto [index, access] : llvm::enumerate(accesses)) {
      forEachSegment(llvm::to_vector(at),
                     [&, index = index, &access = access](ArrayRef<int64_t> where, int64_t) {
                       isCut |= isSplit(access, where, index >= numInputs);
                     });
    }
    if (isCut && getSize(outer) > 1 && getSize(inner) > 1) {
      // A chain for each step of the outer loop.
      std::optional<size_t> loop = std::exchange(outer, std::nullopt);
      LogicalResult result = success();
      for (int64_t step = 0; step < loops[*loop] && succeeded(result); ++step) {
        at[*loop] = step;
        result = emit(at);
      }
      at[*loop] = 0;
      outer = loop;
      return result;
    }
    const Target &target = lowering.target;
    ChainBuilder chain(lowering.program, op->getLoc(), (name + "." + Twine(number++)).str(),
                       target);
    unsigned vxm = target.vxmColumn();
    std::map<unsigned, Value> streams;
    std::map<std::pair<unsigned, int64_t>, Value> delays;
    std::vector<Value> results(nodes.size());
    auto delayed = [&](unsigned producer, int64_t wanted) {
      Value value = results[producer];
      int64_t ready = nodes[producer].time + nodes[producer].latency;
      while (ready < wanted) {
        int64_t step = std::min(int64_t(target.latencies().alu_delay_max()), wanted - ready);
        Value &later = delays[{producer, ready + step}];
        if (!later) {
          Fields fields = chain.fields();
          fields.set("op", "delay").set("a", "mesh").set("lo", step);
          later =
              chain.issue("alu", "vxm.*", ready, fields, value, chain.mesh(), each()).getResult(0);
        }
        value = later;
        ready += step;
      }
      return value;
    };
    for (auto [index, node] : llvm::enumerate(nodes)) {
      SmallVector<Value> operands;
      Fields fields = chain.fields();
      fields.set("op", node.op);
      if (node.bounds) {
        fields.set("lo", node.bounds->first).set("hi", node.bounds->second);
      }
      if (node.op == "acc" || node.op == "accmax") {
        fields.set("reset", "outer");
      }
      for (auto [k, operand] : llvm::enumerate(node.operands)) {
        std::string letter(1, char('a' + k));
        switch (operand.kind) {
        case Operand::Kind::Float:
          fields.set(letter, "immediate").setFloat(letter + "_value", operand.value);
          break;
        case Operand::Kind::Integer:
          fields.set(letter, "immediate").set(letter + "_type", "i32");
          fields.set(letter + "_value", int64_t(uint32_t(operand.integer)));
          break;
        case Operand::Kind::Node:
          fields.set(letter, "mesh");
          operands.push_back(delayed(operand.index, node.time));
          break;
        case Operand::Kind::Input: {
          const Access &access = accesses[operand.index];
          Value &flow = streams[operand.index];
          if (!flow) {
            SmallVector<Placement> parts = getPlacements(access.buffer);
            SmallVector<Value> flows;
            for (const Run &run : getRuns(access, at, false)) {
              if (run.part >= parts.size()) {
                return op->emitOpError("expected placed inputs");
              }
              flows.push_back(readWords(chain, parts[run.part], run.word, vxm,
                                        node.time + run.offset, run.repeated, run.steps));
            }
            flow = flows.size() == 1 ? flows.front() : chain.merge(flows);
          }
          fields.set(letter, "stream").set(letter + "_type", getType(access.buffer));
          fields.set(letter + "_dir",
                     stringifyDirection(cast<FlowType>(flow.getType()).getDirection()));
          operands.push_back(flow);
          break;
        }
        }
      }
      SmallVector<Type> types;
      const Access *result = node.drives ? &accesses[numInputs + node.drives->first] : nullptr;
      SmallVector<Placement> copies;
      if (result) {
        copies = getPlacements(result->buffer);
        if (copies.empty()) {
          return op->emitOpError("expected placed results");
        }
        auto direction =
            ChainBuilder::direction(vxm, target.sliceColumn(unsigned(copies[0].front().slice)));
        fields.set("out", getType(result->buffer)).set("out_dir", stringifyDirection(direction));
        types.push_back(chain.flow(direction, 4));
      }
      types.push_back(chain.mesh());
      auto issue = chain.issue("alu", "vxm.*", node.time, fields, operands, types,
                               result ? eachResult() : each());
      results[index] = issue->getResults().back();
      if (!result) {
        continue;
      }
      for (const Run &run : getRuns(*result, at, true)) {
        if (run.part >= copies.size()) {
          return op->emitOpError("expected placed results");
        }
        for (auto [byte, place] : llvm::enumerate(copies[run.part])) {
          chain.writeFrom(vxm, node.time + node.latency + run.offset, issue.getResult(0),
                          int64_t(byte), unsigned(place.slice), place.bank, place.first + run.word,
                          run.repeated, {{"w_addr", run.steps}});
        }
      }
    }
    chain.finish();
    return success();
  }

  Lowering &lowering;
  Operation *op;
  StringRef name;
  size_t reduced;               ///< of the loops, the last ones
  int64_t total = 1;            ///< steps of a reduction, else of the inner loop
  SmallVector<size_t> segments; ///< loops of a reduction but the last
  SmallVector<int64_t> loops;
  SmallVector<Access> accesses;
  ArrayRef<MapNode> nodes;
  unsigned numInputs = 0, number = 0;
  std::optional<size_t> inner, outer;
};

} // namespace

LogicalResult Lowering::lowerNest(NestOp op) {
  size_t reduced = op.getReduction() ? size_t(op.getReduced()) : 0;
  FailureOr<std::vector<MapNode>> nodes = buildNestGraph(op, target, op.getNumSteps());
  if (failed(nodes)) {
    return failure();
  }
  std::string name = getName(op, "nest");
  NestLowering nest(*this, op, name, op.getLoops(), reduced);
  for (auto [index, input] : llvm::enumerate(op.getInputs())) {
    nest.addAccess(input, op.getInputAccess(unsigned(index)));
  }
  for (auto [index, result] : llvm::enumerate(op.getResults())) {
    nest.addAccess(result, op.getResultAccess(unsigned(index)));
  }
  return nest.run(*nodes, unsigned(op.getInputs().size()));
}

LogicalResult Lowering::lowerAssemble(AssembleOp op) {
  for (auto [index, attribute] : llvm::enumerate(op.getPieces())) {
    mlir::lpu::Piece piece = *mlir::lpu::getPiece(cast<DenseI64ArrayAttr>(attribute).asArrayRef());
    std::string name = (getName(op, "assemble") + "." + Twine(index)).str();
    NestLowering nest(*this, op, name, piece.loops, 0);
    MapNode copy;
    copy.op = "copy";
    copy.latency = target.latencies().alu();
    copy.drives = {{0, 0}};
    if (piece.input >= 0) {
      copy.operands = {{Operand::Kind::Input, 0, 0, 0}};
      nest.addAccess(op.getInputs()[size_t(piece.input)], piece.from);
    } else {
      bool isFloat = op.getResult().getType().getFormat() == Format::F32;
      float number = llvm::bit_cast<float>(uint32_t(piece.value));
      copy.operands = {
          {isFloat ? Operand::Kind::Float : Operand::Kind::Integer, 0, number, piece.value}};
    }
    nest.addAccess(op.getResult(), piece.to);
    if (failed(nest.run(copy, piece.input >= 0))) {
      return failure();
    }
  }
  return success();
}
