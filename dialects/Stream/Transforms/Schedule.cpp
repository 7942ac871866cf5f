//===- Schedule.cpp - stream-schedule -------------------------------------===//

#include "Layers.h"
#include "Problem.h"
#include "Stream/Transforms/Passes.h"
#include "lpu/Scheduling/Algorithms.h"

namespace mlir::stream {
#define GEN_PASS_DEF_SCHEDULEPASS
#include "Stream/Transforms/Passes.h.inc"
} // namespace mlir::stream

using namespace mlir;
using namespace mlir::stream;
namespace scheduling = ::lpu::scheduling;

namespace {

struct Schedule : mlir::stream::impl::SchedulePassBase<Schedule> {
  void runOnOperation() override {
    ProgramOp program = getOperation();
    const ::lpu::Target *target = getTarget(program);
    if (!target || failed(run(program, *target))) {
      signalPassFailure();
    }
  }

private:
  LogicalResult run(ProgramOp program, const ::lpu::Target &target) {
    FailureOr<ProgramProblem> problem = ProgramProblem::create(program, target);
    if (failed(problem)) {
      return failure();
    }
    absl::StatusOr<scheduling::Schedule> schedule =
        scheduling::scheduleByCriticalPath(problem->get());
    if (!schedule.ok()) {
      return program.emitOpError(std::string(schedule.status().message()));
    }
    if (absl::Status status = scheduling::verify(problem->get(), *schedule);
        !status.ok()) {
      return program.emitOpError("the schedule is wrong: ")
             << std::string(status.message());
    }
    problem->write(*schedule);
    program.setLowerBound(scheduling::getLowerBound(problem->get()));
    Builder builder(program.getContext());
    SmallVector<Attribute> layers;
    for (const Layer &layer : getLayers(problem->get(), *schedule)) {
      layers.push_back(builder.getDictionaryAttr(
          {builder.getNamedAttr("cycles", builder.getI64IntegerAttr(layer.cycles)),
           builder.getNamedAttr("lower_bound", builder.getI64IntegerAttr(layer.lowerBound)),
           builder.getNamedAttr("name", builder.getStringAttr(layer.name)),
           builder.getNamedAttr("start", builder.getI64IntegerAttr(layer.start))}));
    }
    program->setDiscardableAttr(StreamDialect::kLayersAttr, builder.getArrayAttr(layers));
    return success();
  }
};

} // namespace
