//===- StreamDialect.cpp - Chains of instructions joined by streams -------===//

#include "Stream/IR/StreamDialect.h"
#include "LPU/IR/LPUDialect.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace mlir::stream;
using ::lpu::OperandInfo;

#include "Stream/IR/StreamDialect.cpp.inc"
#include "Stream/IR/StreamEnums.cpp.inc"

#define GET_TYPEDEF_CLASSES
#include "Stream/IR/StreamTypes.cpp.inc"

#define GET_OP_CLASSES
#include "Stream/IR/StreamOps.cpp.inc"

void StreamDialect::initialize() {
  addTypes<
#define GET_TYPEDEF_LIST
#include "Stream/IR/StreamTypes.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "Stream/IR/StreamOps.cpp.inc"
      >();
}

SmallVector<Producer> mlir::stream::getProducers(Value value) {
  Operation *op = value.getDefiningOp();
  if (auto issue = dyn_cast_or_null<IssueOp>(op)) {
    return {{issue, cast<OpResult>(value).getResultNumber(), 0}};
  }
  SmallVector<Producer> producers;
  bool consecutive = isa_and_nonnull<BundleOp>(op);
  int offset = 0;
  if (auto part = dyn_cast_or_null<PartOp>(op)) {
    offset = -int(part.getIndex());
  }
  if (!op) {
    return producers;
  }
  for (Value input : op->getOperands()) {
    for (Producer producer : getProducers(input)) {
      producer.offset += offset;
      producers.push_back(producer);
    }
    if (consecutive) {
      offset += int(cast<FlowType>(input.getType()).getWidth());
    }
  }
  return producers;
}

/// Whether `type` is what `info` moves.
static bool matches(Type type, const OperandInfo &info) {
  switch (info.kind) {
  case OperandInfo::Kind::Mesh:
    return isa<MeshType>(type);
  case OperandInfo::Kind::MxmResult:
    return isa<PartialType>(type);
  case OperandInfo::Kind::Stream: {
    auto flow = dyn_cast<FlowType>(type);
    return flow && flow.getWidth() == info.group.count &&
           unsigned(flow.getDirection()) == unsigned(info.group.direction);
  }
  }
  return false;
}

static LogicalResult verifyTypes(IssueOp op, TypeRange types,
                                 ArrayRef<OperandInfo> infos, StringRef what) {
  if (types.size() != infos.size()) {
    return op.emitOpError("expected ") << infos.size() << " " << what
                                       << "s, got " << types.size();
  }
  for (auto [index, type] : llvm::enumerate(types)) {
    if (!matches(type, infos[index])) {
      return op.emitOpError() << what << " " << index
                              << " does not fit the instruction's fields, got "
                              << type;
    }
  }
  return success();
}

LogicalResult IssueOp::verify() {
  if (!getInstruction().isValid()) {
    return emitOpError("expected an instruction of the table");
  }
  const ::lpu::Target *target = ::mlir::lpu::getTarget(*this);
  if (!target) {
    return failure();
  }
  FailureOr<::lpu::QueueId> queue = stream::getQueue(*this, *target);
  if (failed(queue)) {
    return failure();
  }
  // Which streams there are does not depend on their ids.
  ::lpu::Instruction instruction = getInstruction().unpack();
  if (instruction.info().unit != queue->kind) {
    return emitOpError("expected a queue of unit ")
           << StringRef(::lpu::getUnitKindName(instruction.info().unit))
           << ", got " << getQueue();
  }
  if (failed(verifyTypes(*this, getInputs().getTypes(),
                         ::lpu::getOperands(*target, *queue, instruction),
                         "operand"))) {
    return failure();
  }
  // The mesh result of an ALU may stay unnamed.
  std::vector<OperandInfo> results =
      ::lpu::getResults(*target, *queue, instruction);
  if (!results.empty() && results.back().kind == OperandInfo::Kind::Mesh &&
      getNumResults() + 1 == results.size()) {
    results.pop_back();
  }
  return verifyTypes(*this, getResultTypes(), results, "result");
}

LogicalResult BundleOp::verify() {
  unsigned width = 0;
  for (Value input : getInputs()) {
    auto type = cast<FlowType>(input.getType());
    width += type.getWidth();
    if (type.getDirection() != getResult().getType().getDirection()) {
      return emitOpError("expected flows of one direction");
    }
  }
  if (width != getResult().getType().getWidth()) {
    return emitOpError("expected a result of width ") << width;
  }
  return success();
}

LogicalResult PartOp::verify() {
  FlowType source = getSource().getType(), result = getResult().getType();
  if (result.getDirection() != source.getDirection() ||
      int64_t(getIndex()) < 0 ||
      getIndex() + result.getWidth() > source.getWidth()) {
    return emitOpError("expected a part of ") << source << ", got " << result;
  }
  return success();
}

namespace {

/// What the timing of a chain's values is made of, from each issue once.
struct TimedIssue {
  unsigned column;
  ::lpu::Repeat repeat;
  std::vector<OperandInfo> operands, results;
};

/// Calls `function` with all cycles of an issue at `offset` until it returns false.
bool forEachCycle(const ::lpu::Repeat &repeat, int64_t offset,
                  llvm::function_ref<bool(int64_t)> function) {
  for (uint32_t i = 0; i < repeat.m; ++i) {
    for (uint32_t j = 0; j < repeat.n; ++j) {
      if (!function(offset + int64_t(i) * repeat.e + int64_t(j) * repeat.d)) {
        return false;
      }
    }
  }
  return true;
}

class ChainTiming {
public:
  explicit ChainTiming(const ::lpu::Target &target) : target(target) {}

  /// Every sample of every operand finds what a producer drove for it.
  LogicalResult add(IssueOp op) {
    ::lpu::QueueId queue = *getQueue(op, target);
    ::lpu::Instruction instruction = op.getInstruction().unpack();
    TimedIssue &issue = issues[op];
    issue = {target.column(queue), instruction.repeat,
             ::lpu::getOperands(target, queue, instruction),
             ::lpu::getResults(target, queue, instruction)};
    for (auto [info, input] : llvm::zip(issue.operands, op.getInputs())) {
      SmallVector<Producer> producers = getProducers(input);
      if (hasPartner(op, issue, info, producers)) {
        continue;
      }
      llvm::DenseSet<int64_t> arrivals;
      for (Producer &producer : producers) {
        forEachCycle(issues.find(producer.issue)->second.repeat, getArrival(producer, issue),
                     [&](int64_t cycle) { return arrivals.insert(cycle), true; });
      }
      bool isFed = forEachCycle(issue.repeat, op.getOffset() + info.offset, [&](int64_t cycle) {
        return arrivals.contains(cycle) || report(op, input, cycle, producers);
      });
      if (!isFed) {
        return failure();
      }
    }
    return success();
  }

private:
  /// First cycle in which `producer` feeds a unit in the column of `consumer`.
  int64_t getArrival(Producer &producer, const TimedIssue &consumer) {
    const TimedIssue &issue = issues.find(producer.issue)->second;
    return producer.issue.getOffset() + issue.results[producer.result].offset +
           std::abs(int64_t(consumer.column) - int64_t(issue.column));
  }

  /// Whether one producer has the same rhythm, as most have.
  bool hasPartner(IssueOp op, const TimedIssue &issue, const OperandInfo &info,
                  MutableArrayRef<Producer> producers) {
    return llvm::any_of(producers, [&](Producer &producer) {
      const ::lpu::Repeat &other = issues.find(producer.issue)->second.repeat;
      return std::tie(other.n, other.m) == std::tie(issue.repeat.n, issue.repeat.m) &&
             (other.n == 1 || other.d == issue.repeat.d) &&
             (other.m == 1 || other.e == issue.repeat.e) &&
             getArrival(producer, issue) == op.getOffset() + info.offset;
    });
  }

  static bool report(IssueOp op, Value input, int64_t cycle, ArrayRef<Producer> producers) {
    unsigned index = unsigned(llvm::find(op.getInputs(), input) - op.getInputs().begin());
    InFlightDiagnostic diag = op.emitOpError("operand ")
                              << index << " is sampled at offset " << cycle
                              << ", where nothing arrives";
    for (Producer producer : producers) {
      diag.attachNote(producer.issue->getLoc())
          << "produced here at offset " << producer.issue.getOffset();
    }
    return false;
  }

  const ::lpu::Target &target;
  llvm::DenseMap<Operation *, TimedIssue> issues;
};

} // namespace

LogicalResult ChainOp::verify() {
  for (Operation &op : getBody().front()) {
    if (!isa<IssueOp, BundleOp, MergeOp, PartOp>(op)) {
      return emitOpError("expected issues, bundles, merges and parts, got ")
             << op.getName();
    }
  }
  return success();
}

LogicalResult ChainOp::verifyRegions() {
  const ::lpu::Target *target = ::mlir::lpu::getTarget(*this);
  if (!target) {
    return failure();
  }
  ChainTiming timing(*target);
  for (IssueOp op : getBody().getOps<IssueOp>()) {
    if (failed(timing.add(op))) {
      return failure();
    }
  }
  return success();
}
