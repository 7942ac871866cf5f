//===- Schedule.cpp - stream-schedule -------------------------------------===//

#include "Effects.h"
#include "Stream/Transforms/Passes.h"
#include "lpu/Scheduling/Algorithms.h"
#include "mlir/IR/Builders.h"

namespace mlir::stream {
#define GEN_PASS_DEF_SCHEDULEPASS
#include "Stream/Transforms/Passes.h.inc"
} // namespace mlir::stream

using namespace mlir;
using namespace mlir::stream;
using ::lpu::OperandInfo;
using ::lpu::Target;
namespace scheduling = ::lpu::scheduling;
using scheduling::Progression;

namespace {

Progression getProgression(const ::lpu::Repeat &repeat, int64_t offset) {
  return {offset, repeat.n, repeat.d, repeat.m, repeat.e};
}

/// One chain of the problem, and where its choices belong.
class ChainTranslator {
public:
  ChainTranslator(ChainOp op, const Target &target) : op(op), target(target) {}

  scheduling::Chain translate() {
    chain.name = op.getName().str();
    for (IssueOp issue : op.getBody().getOps<IssueOp>()) {
      addIssue(issue);
    }
    for (IssueOp issue : op.getBody().getOps<IssueOp>()) {
      for (OpResult result : issue->getResults()) {
        if (isa<FlowType>(result.getType())) {
          addFlow(getRoot(result));
        }
      }
    }
    return std::move(chain);
  }

  void write(const scheduling::ChainPlacement &placement) {
    Builder builder(op.getContext());
    op.setStart(placement.start);
    for (auto [index, issue] : llvm::enumerate(issues)) {
      if (issue.getQueue() == "vxm.*") {
        issue.setAlu(placement.issueAlus[index]);
      }
      SmallVector<int64_t> ids;
      for (OpResult result : issue->getResults()) {
        if (isa<FlowType>(result.getType())) {
          auto [flow, id] = idOf.lookup(result);
          ids.push_back(placement.flowIds[flow] + id);
        }
      }
      if (!ids.empty()) {
        issue.setIds(ids);
      }
    }
  }

private:
  void addIssue(IssueOp op) {
    ::lpu::QueueId queue = *stream::getQueue(op, target);
    ::lpu::Instruction instruction = *getInstruction(op);
    scheduling::ChainIssue issue;
    bool any = op.getQueue() == "vxm.*";
    issue.queue = any ? scheduling::kAnyAlu : int(target.queueNumber(queue));
    issue.cycles = getProgression(instruction.repeat, int64_t(op.getOffset()));
    issue.aluLatency = any ? target.latency(instruction) : 0;
    chain.issues.push_back(issue);
    issues.push_back(op);
  }

  /// The widest value that `value` is a part of.
  Value getRoot(Value value) {
    for (Operation *user : value.getUsers()) {
      if (isa<BundleOp, MergeOp>(user)) {
        return getRoot(user->getResult(0));
      }
    }
    return value;
  }

  /// Column of the farthest consumer of `value`, in its direction.
  int32_t getReach(Value value, int32_t column, int sign) {
    int32_t reach = column + sign;
    for (Operation *user : value.getUsers()) {
      int32_t other =
          isa<IssueOp>(user)
              ? int32_t(target.column(*stream::getQueue(cast<IssueOp>(user), target)))
              : getReach(user->getResult(0), column, sign);
      reach = (other - reach) * sign > 0 ? other : reach;
    }
    return reach;
  }

  void addFlow(Value root) {
    if (!roots.insert(root).second) {
      return;
    }
    auto type = cast<FlowType>(root.getType());
    scheduling::ChainFlow flow;
    flow.direction = ::lpu::Direction(unsigned(type.getDirection()));
    flow.width = type.getWidth();
    int sign = type.getDirection() == Direction::East ? 1 : -1;
    for (Producer producer : getProducers(root)) {
      IssueOp issue = producer.issue;
      ::lpu::QueueId queue = *stream::getQueue(issue, target);
      ::lpu::Instruction instruction = *getInstruction(issue);
      OperandInfo info =
          ::lpu::getResults(target, queue, instruction)[producer.result];
      OpResult result = issue->getResult(producer.result);
      scheduling::FlowDrive drive;
      drive.id = unsigned(producer.offset);
      drive.width = cast<FlowType>(result.getType()).getWidth();
      drive.cycles = getProgression(instruction.repeat,
                                    int64_t(issue.getOffset()) + info.offset);
      drive.column = int32_t(target.column(queue));
      drive.reach = getReach(result, drive.column, sign);
      idOf[result] = {unsigned(chain.flows.size()), drive.id};
      flow.drives.push_back(drive);
    }
    chain.flows.push_back(std::move(flow));
  }

  ChainOp op;
  const Target &target;
  scheduling::Chain chain;
  SmallVector<IssueOp> issues;
  llvm::DenseSet<Value> roots;
  llvm::DenseMap<Value, std::pair<unsigned, unsigned>> idOf; ///< flow, id in it
};

struct Schedule : mlir::stream::impl::SchedulePassBase<Schedule> {
  void runOnOperation() override {
    ProgramOp program = getOperation();
    const Target *target = getTarget(program);
    if (!target || failed(run(program, *target))) {
      signalPassFailure();
    }
  }

private:
  LogicalResult run(ProgramOp program, const Target &target) {
    scheduling::ChainProblem problem;
    problem.numQueues = target.numQueues();
    problem.streams = target.streams();
    problem.columns = target.columns();
    problem.firstAluQueue = target.queueNumber({::lpu::UnitKind::Vxm, 0});
    problem.numAlus = target.alus();
    std::vector<ChainTranslator> translators;
    for (ChainOp chain : program.getBody().getOps<ChainOp>()) {
      translators.emplace_back(chain, target);
      problem.chains.push_back(translators.back().translate());
    }
    auto dependences = getDependences(program, target);
    if (failed(dependences)) {
      return failure();
    }
    problem.dependences = std::move(*dependences);
    absl::StatusOr<scheduling::Schedule> schedule =
        scheduling::scheduleByCriticalPath(problem);
    if (!schedule.ok()) {
      return program.emitOpError(std::string(schedule.status().message()));
    }
    if (absl::Status status = scheduling::verify(problem, *schedule); !status.ok()) {
      return program.emitOpError("the schedule is wrong: ")
             << std::string(status.message());
    }
    for (auto [index, translator] : llvm::enumerate(translators)) {
      translator.write(schedule->chains[index]);
    }
    program.setCycles(schedule->cycles);
    program.setCriticalPath(scheduling::getLongestPath(problem));
    return success();
  }
};

} // namespace
