//===- Problem.cpp - A program as a scheduling problem --------------------===//

#include "Problem.h"
#include "mlir/IR/Builders.h"

using namespace mlir;
using namespace mlir::stream;
using ::lpu::Opcode;
using ::lpu::OperandInfo;
using ::lpu::Target;
using ::lpu::UnitKind;
namespace scheduling = ::lpu::scheduling;
using scheduling::Progression;

static Progression getProgression(const ::lpu::Repeat &repeat, int64_t offset) {
  return {offset, repeat.n, repeat.d, repeat.m, repeat.e};
}

/// The widest value that `value` is a part of; null when it is part of two.
static Value getRoot(Value value) {
  Value root = value;
  unsigned parents = 0;
  for (Operation *user : value.getUsers()) {
    if (isa<BundleOp, MergeOp>(user)) {
      root = getRoot(user->getResult(0));
      ++parents;
    }
  }
  return parents > 1 ? Value() : root;
}

FailureOr<ProgramProblem> ProgramProblem::create(ProgramOp program,
                                                 const Target &target) {
  ProgramProblem result(program, target);
  scheduling::ChainProblem &problem = result.problem;
  problem.numQueues = target.numQueues();
  problem.streams = target.streams();
  problem.columns = target.columns();
  problem.firstAluQueue = target.queueNumber({UnitKind::Vxm, 0});
  problem.numAlus = target.alus();
  FailureOr<std::vector<ParsedChain>> chains = parseChains(program, target);
  if (failed(chains)) {
    return failure();
  }
  result.chains = std::move(*chains);
  for (ParsedChain &chain : result.chains) {
    for (ParsedIssue &issue : chain.issues) {
      bool fromOutside = false;
      if (issue.queue.kind == UnitKind::Vxm && !issue.isAnyAlu() &&
          usesRegister(issue.getInstruction(), fromOutside)) {
        result.registerAlus |= uint64_t(1) << issue.queue.index;
      }
    }
  }
  for (ParsedChain &chain : result.chains) {
    if (failed(result.addChain(chain))) {
      return failure();
    }
  }
  problem.dependences = getDependences(result.chains, target);
  return std::move(result);
}

LogicalResult ProgramProblem::addChain(ParsedChain &parsedChain) {
  scheduling::Chain chain;
  chain.name = parsedChain.op.getName().str();
  parsed.clear();
  roots.clear();
  idOf.clear();
  for (ParsedIssue &issue : parsedChain.issues) {
    parsed[issue.op] = &issue;
  }
  for (ParsedIssue &issue : parsedChain.issues) {
    if (failed(addIssue(chain, issue))) {
      return failure();
    }
  }
  // The other planes of a gang stay idle (X1).
  for (ParsedIssue &issue : parsedChain.issues) {
    UnitKind unit = issue.queue.kind;
    if (unit != UnitKind::MxmWeights && unit != UnitKind::MxmActivations) {
      continue;
    }
    ::lpu::Instruction instruction = issue.getInstruction();
    for (unsigned plane : getGang(target, issue.queue.index, instruction.get("format"))) {
      if (plane != issue.queue.index) {
        scheduling::ChainIssue idle;
        idle.queue = int(target.queueNumber({unit, uint16_t(plane)}));
        idle.cycles = getProgression(instruction.repeat, issue.getOffset());
        chain.issues.push_back(idle);
      }
    }
  }
  for (ParsedIssue &issue : parsedChain.issues) {
    for (OpResult result : issue.op->getResults()) {
      if (!isa<FlowType>(result.getType())) {
        continue;
      }
      Value root = getRoot(result);
      if (!root) {
        return issue.op.emitOpError("expected a flow to be part of one bundle or merge");
      }
      if (roots.insert(root).second && failed(addFlow(chain, root))) {
        return failure();
      }
    }
  }
  for (ParsedIssue &issue : parsedChain.issues) {
    for (OpResult result : issue.op->getResults()) {
      if (isa<FlowType>(result.getType())) {
        flowIds.push_back(idOf.lookup(result));
      }
    }
  }
  chain.issues.shrink_to_fit();
  chain.flows.shrink_to_fit();
  problem.chains.push_back(std::move(chain));
  return success();
}

LogicalResult ProgramProblem::addIssue(scheduling::Chain &chain,
                                       ParsedIssue &issue) {
  UnitKind unit = issue.queue.kind;
  if (unit == UnitKind::C2cSend || unit == UnitKind::C2cReceive) {
    return issue.op.emitOpError("links cannot be scheduled yet");
  }
  scheduling::ChainIssue planned;
  planned.queue = issue.isAnyAlu() ? scheduling::kAnyAlu
                                   : int(target.queueNumber(issue.queue));
  ::lpu::Instruction instruction = issue.getInstruction();
  planned.cycles = getProgression(instruction.repeat, issue.getOffset());
  if (unit == UnitKind::Vxm) {
    planned.aluLatency = target.latency(instruction);
  }
  bool fromOutside = false;
  if (issue.isAnyAlu() && usesRegister(instruction, fromOutside)) {
    if (fromOutside) {
      return issue.op.emitOpError("expected a named ALU: its register is loaded by "
                                  "another instruction");
    }
    planned.excludedAlus = registerAlus;
  }
  chain.issues.push_back(planned);
  return success();
}

LogicalResult ProgramProblem::addFlow(scheduling::Chain &chain, Value root) {
  auto type = cast<FlowType>(root.getType());
  int sign = type.getDirection() == Direction::East ? 1 : -1;
  scheduling::ChainFlow flow;
  flow.direction = ::lpu::Direction(unsigned(type.getDirection()));
  flow.width = type.getWidth();
  // Column of the farthest consumer, through bundles, merges and parts.
  auto getReach = [&](auto &self, Value value, int32_t reach) -> int32_t {
    for (Operation *user : value.getUsers()) {
      int32_t other = isa<IssueOp>(user)
                          ? int32_t(target.column(parsed.lookup(user)->queue))
                          : self(self, user->getResult(0), reach);
      reach = (other - reach) * sign > 0 ? other : reach;
    }
    return reach;
  };
  auto producers = getProducers(root);
  flow.drives.reserve(producers.size());
  for (Producer producer : producers) {
    ParsedIssue &issue = *parsed.lookup(producer.issue);
    OpResult result = issue.op->getResult(producer.result);
    ::lpu::Instruction instruction = issue.getInstruction();
    std::vector<OperandInfo> results = ::lpu::getResults(target, issue.queue, instruction);
    scheduling::FlowDrive drive;
    drive.id = unsigned(producer.offset);
    drive.width = cast<FlowType>(result.getType()).getWidth();
    drive.cycles =
        getProgression(instruction.repeat,
                       issue.getOffset() + results[producer.result].offset);
    drive.column = int32_t(target.column(issue.queue));
    drive.reach = getReach(getReach, result, drive.column + sign);
    idOf[result] = {unsigned(chain.flows.size()), drive.id};
    flow.drives.push_back(drive);
  }
  chain.flows.push_back(std::move(flow));
  return success();
}

void ProgramProblem::write(const scheduling::Schedule &schedule) {
  const FlowId *next = flowIds.data();
  for (auto [chain, placement] : llvm::zip(chains, schedule.chains)) {
    chain.op.setStart(placement.start);
    for (auto [index, issue] : llvm::enumerate(chain.issues)) {
      if (issue.isAnyAlu()) {
        issue.op.setAlu(placement.issueAlus[index]);
      }
      SmallVector<int64_t> ids;
      for (OpResult result : issue.op->getResults()) {
        if (isa<FlowType>(result.getType())) {
          ids.push_back(placement.flowIds[next->flow] + next->id);
          ++next;
        }
      }
      if (!ids.empty()) {
        issue.op.setIds(ids);
      }
    }
  }
  program.setCycles(schedule.cycles);
}

LogicalResult ProgramProblem::readIds(scheduling::ChainPlacement &placement,
                                      IssueOp issue, const FlowId *&flowId) {
  auto ids = issue.getIds();
  size_t next = 0;
  for (OpResult result : issue->getResults()) {
    if (!isa<FlowType>(result.getType())) {
      continue;
    }
    if (!ids || next >= ids->size()) {
      return issue.emitOpError("expected the stream ids of its results");
    }
    auto [flow, id] = *flowId++;
    int64_t first = (*ids)[next++] - int64_t(id);
    uint32_t &known = placement.flowIds[flow];
    if (first < 0 || (known != UINT32_MAX && known != uint64_t(first))) {
      return issue.emitOpError("expected consecutive stream ids in a bundle");
    }
    known = uint32_t(first);
  }
  return success();
}

FailureOr<scheduling::Schedule> ProgramProblem::read() {
  scheduling::Schedule schedule;
  const FlowId *next = flowIds.data();
  for (auto [chain, planned] : llvm::zip(chains, problem.chains)) {
    if (!chain.op.getStart()) {
      return chain.op.emitOpError("expected a start");
    }
    scheduling::ChainPlacement placement;
    placement.start = int64_t(*chain.op.getStart());
    placement.flowIds.assign(planned.flows.size(), UINT32_MAX);
    placement.issueAlus.assign(planned.issues.size(), 0);
    for (auto [index, issue] : llvm::enumerate(chain.issues)) {
      if (issue.isAnyAlu() && !issue.op.getAlu()) {
        return issue.op.emitOpError("expected an ALU");
      }
      placement.issueAlus[index] = uint32_t(issue.op.getAlu().value_or(0));
      if (failed(readIds(placement, issue.op, next))) {
        return failure();
      }
    }
    schedule.chains.push_back(std::move(placement));
  }
  schedule.cycles = int64_t(program.getCycles().value_or(0));
  return schedule;
}
