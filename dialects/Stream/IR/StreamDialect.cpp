//===- StreamDialect.cpp - Chains of instructions joined by streams -------===//

#include "Stream/IR/StreamDialect.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/TypeSwitch.h"
#include <mutex>

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

const ::lpu::Target *mlir::stream::getTarget(Operation *op) {
  auto module = isa<ModuleOp>(op) ? cast<ModuleOp>(op)
                                  : op->getParentOfType<ModuleOp>();
  auto name = module ? module->getAttrOfType<StringAttr>("lpu.target")
                     : StringAttr();
  if (!name) {
    op->emitOpError("expected `lpu.target` on the module");
    return nullptr;
  }
  static std::mutex mutex;
  static llvm::StringMap<std::unique_ptr<::lpu::Target>> known;
  std::lock_guard<std::mutex> lock(mutex);
  std::unique_ptr<::lpu::Target> &target = known[name.getValue()];
  if (!target) {
    absl::StatusOr<::lpu::Target> parsed =
        ::lpu::Target::lookup(name.getValue().str());
    if (!parsed.ok()) {
      op->emitOpError(std::string(parsed.status().message()));
      return nullptr;
    }
    target = std::make_unique<::lpu::Target>(std::move(*parsed));
  }
  return target.get();
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
  if (getRepeat() && getRepeat()->size() != 4) {
    return emitOpError("expected `repeat` [n, d, m, e]");
  }
  const ::lpu::Target *target = getTarget(*this);
  if (!target) {
    return failure();
  }
  FailureOr<::lpu::Instruction> instruction = getInstruction(*this);
  FailureOr<::lpu::QueueId> queue = stream::getQueue(*this, *target);
  if (failed(instruction) || failed(queue)) {
    return failure();
  }
  if (instruction->info().unit != queue->kind) {
    return emitOpError("expected a queue of unit ")
           << StringRef(::lpu::getUnitKindName(instruction->info().unit))
           << ", got " << getQueue();
  }
  if (failed(verifyTypes(*this, getInputs().getTypes(),
                         ::lpu::getOperands(*target, *queue, *instruction),
                         "operand"))) {
    return failure();
  }
  // The mesh result of an ALU may stay unnamed.
  std::vector<OperandInfo> results =
      ::lpu::getResults(*target, *queue, *instruction);
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
/// Cycles of all issues of `op`, relative to the chain's start.
SmallVector<int64_t> getIssueCycles(IssueOp op) {
  int64_t n = 1, d = 1, m = 1, e = 0;
  if (auto repeat = op.getRepeat()) {
    n = (*repeat)[0], d = (*repeat)[1], m = (*repeat)[2], e = (*repeat)[3];
  }
  SmallVector<int64_t> cycles;
  for (int64_t i = 0; i < m; ++i) {
    for (int64_t j = 0; j < n; ++j) {
      cycles.push_back(int64_t(op.getOffset()) + i * e + j * d);
    }
  }
  return cycles;
}
} // namespace

/// Every sample of every operand finds what a producer drove for it.
static LogicalResult verifyTiming(IssueOp op, const ::lpu::Target &target) {
  ::lpu::QueueId queue = *getQueue(op, target);
  std::vector<OperandInfo> infos =
      ::lpu::getOperands(target, queue, *getInstruction(op));
  for (auto [index, input] : llvm::enumerate(op.getInputs())) {
    llvm::DenseSet<int64_t> arrivals;
    for (Producer producer : getProducers(input)) {
      IssueOp issue = producer.issue;
      ::lpu::QueueId from = *getQueue(issue, target);
      std::vector<OperandInfo> results =
          ::lpu::getResults(target, from, *getInstruction(issue));
      int64_t distance = std::abs(int64_t(target.column(queue)) -
                                  int64_t(target.column(from)));
      for (int64_t cycle : getIssueCycles(issue)) {
        arrivals.insert(cycle + results[producer.result].offset + distance);
      }
    }
    for (int64_t cycle : getIssueCycles(op)) {
      if (!arrivals.contains(cycle + infos[index].offset)) {
        InFlightDiagnostic diag = op.emitOpError("operand ")
                                  << index << " is sampled at offset "
                                  << cycle + infos[index].offset
                                  << ", where nothing arrives";
        for (Producer producer : getProducers(input)) {
          diag.attachNote(producer.issue->getLoc())
              << "produced here at offset " << producer.issue.getOffset();
        }
        return diag;
      }
    }
  }
  return success();
}

LogicalResult ChainOp::verify() {
  const ::lpu::Target *target = getTarget(*this);
  if (!target) {
    return failure();
  }
  for (Operation &op : getBody().front()) {
    if (!isa<IssueOp, BundleOp, MergeOp, PartOp>(op)) {
      return emitOpError("expected issues, bundles, merges and parts, got ")
             << op.getName();
    }
    if (auto issue = dyn_cast<IssueOp>(op)) {
      if (failed(getInstruction(issue)) || failed(getQueue(issue, *target)) ||
          failed(verifyTiming(issue, *target))) {
        return failure();
      }
    }
  }
  return success();
}
