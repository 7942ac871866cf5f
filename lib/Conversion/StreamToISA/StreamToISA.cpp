//===- StreamToISA.cpp - Scheduled chains to instruction queues -----------===//

#include "ISA/IR/ISADialect.h"
#include "LPU/IR/LPUDialect.h"
#include "Stream/IR/StreamDialect.h"
#include "lpu/Conversion/Passes.h"
#include "mlir/IR/Builders.h"
#include <map>

using namespace mlir;
using ::lpu::OperandInfo;
using ::lpu::Target;

namespace {

/// An issue with its place in the program.
struct Placed {
  stream::IssueOp op;
  int64_t cycle = 0;
};

class Converter {
public:
  Converter(stream::ProgramOp program, const Target &target)
      : program(program), target(target) {}

  LogicalResult run() {
    for (auto chain : program.getBody().getOps<stream::ChainOp>()) {
      if (!chain.getStart()) {
        return chain.emitOpError("expected a scheduled chain");
      }
      for (auto op : chain.getBody().getOps<stream::IssueOp>()) {
        FailureOr<::lpu::QueueId> queue = stream::getQueue(op, target);
        if (failed(queue)) {
          return failure();
        }
        if (op.getQueue() == "vxm.*" && !op.getAlu()) {
          return op.emitOpError("expected an ALU");
        }
        queues[target.queueNumber(*queue)].push_back(
            {op, int64_t(*chain.getStart()) + op.getOffset()});
      }
    }
    for (auto &[number, issues] : queues) {
      llvm::stable_sort(issues, [](const Placed &a, const Placed &b) {
        return a.cycle < b.cycle;
      });
      for (auto [index, placed] : llvm::enumerate(issues)) {
        place[placed.op] = {number, unsigned(index)};
      }
    }
    OpBuilder builder(program);
    auto entry = lpuisa::EntryOp::create(
        builder, program.getLoc(), program.getSymName(), program.getCountersAttr(),
        program.getCycles().value_or(0), program.getChainBoundAttr(),
        program.getLowerBoundAttr());
    if (Attribute layers = program->getDiscardableAttr(stream::StreamDialect::kLayersAttr)) {
      entry->setDiscardableAttr(lpuisa::ISADialect::kLayersAttr, layers);
    }
    entry.getBody().emplaceBlock();
    builder.setInsertionPointToEnd(&entry.getBody().front());
    for (auto &[number, issues] : queues) {
      if (failed(convertQueue(builder, number, issues))) {
        return failure();
      }
    }
    program.erase();
    return success();
  }

private:
  LogicalResult convertQueue(OpBuilder &builder, unsigned number,
                             ArrayRef<Placed> issues) {
    OpBuilder::InsertionGuard guard(builder);
    auto queue = lpuisa::QueueOp::create(
        builder, program.getLoc(), target.queueName(target.queue(number)));
    queue.getBody().emplaceBlock();
    builder.setInsertionPointToEnd(&queue.getBody().front());
    for (Placed placed : issues) {
      ::lpu::Instruction instruction = stream::getInstruction(placed.op, target);
      std::optional<::lpu::PackedInstruction> packed =
          ::lpu::PackedInstruction::pack(instruction);
      if (!packed) {
        return placed.op.emitOpError("expected stream ids and ALUs that fit their fields");
      }
      lpuisa::InstructionOp::create(builder, placed.op.getLoc(), *packed, placed.cycle,
                                    getIntent(placed.op, instruction), placed.op.getMeaning());
    }
    return success();
  }

  /// What the operands mean, from the chain's SSA values.
  SmallVector<uint32_t> getIntent(stream::IssueOp op, const ::lpu::Instruction &instruction) {
    SmallVector<uint32_t> intent;
    ::lpu::QueueId queue = *stream::getQueue(op, target);
    auto operands = ::lpu::getOperands(target, queue, instruction);
    for (auto [info, value] : llvm::zip(operands, op.getInputs())) {
      for (stream::Producer producer : stream::getProducers(value)) {
        // An ALU that drives nothing has the mesh as its only result.
        auto results =
            ::lpu::getResults(target, *stream::getQueue(producer.issue, target),
                              producer.issue.getInstruction().unpack());
        auto [number, index] = place.lookup(producer.issue);
        intent.append({info.number, number, index, results[producer.result].number});
      }
    }
    return intent;
  }

  stream::ProgramOp program;
  const Target &target;
  std::map<unsigned, SmallVector<Placed>> queues;
  llvm::DenseMap<Operation *, std::pair<unsigned, unsigned>> place;
};

struct StreamToISA : PassWrapper<StreamToISA, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(StreamToISA)
  StringRef getArgument() const override { return "convert-stream-to-isa"; }
  StringRef getDescription() const override {
    return "turn scheduled chains into instruction queues";
  }
  void getDependentDialects(DialectRegistry &registry) const override {
    registry.insert<lpuisa::ISADialect>();
  }
  void runOnOperation() override {
    SmallVector<stream::ProgramOp> programs(
        getOperation().getOps<stream::ProgramOp>());
    for (stream::ProgramOp program : programs) {
      const Target *target = ::mlir::lpu::getTarget(program);
      if (!target || failed(Converter(program, *target).run())) {
        return signalPassFailure();
      }
    }
  }
};

} // namespace

namespace lpu {
std::unique_ptr<mlir::Pass> createStreamToISAPass() {
  return std::make_unique<StreamToISA>();
}
} // namespace lpu
