//===- Schedule.cpp - stream-schedule -------------------------------------===//

#include "Layers.h"
#include "LPU/IR/LPUDialect.h"
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
  using SchedulePassBase::SchedulePassBase;
  Schedule(scheduling::Effort effort, scheduling::OnProgress onProgress)
      : SchedulePassBase({effort}), onProgress(std::move(onProgress)) {}

  void runOnOperation() override {
    ProgramOp program = getOperation();
    const ::lpu::Target *target = mlir::lpu::getTarget(program);
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
        scheduling::scheduleWithEffort(problem->get(), effort, onProgress);
    if (!schedule.ok()) {
      return program.emitOpError(std::string(schedule.status().message()));
    }
    if (absl::Status status = scheduling::verify(problem->get(), *schedule);
        !status.ok()) {
      return program.emitOpError("the schedule is wrong: ")
             << std::string(status.message());
    }
    problem->write(*schedule);
    program.setChainBound(scheduling::getLowerBound(problem->get()));
    if (schedule->cycles < int64_t(program.getLowerBound().value_or(0))) {
      return program.emitOpError("the lower bound is wrong: ")
             << *program.getLowerBound() << " cycles, and the schedule has " << schedule->cycles;
    }
    setLayers(program, getLayers(problem->get(), *schedule));
    return success();
  }

  /// The layers' cycles and bounds, for reports.
  static void setLayers(ProgramOp program, const std::vector<Layer> &layers) {
    Builder builder(program.getContext());
    auto bounds = program->getAttrOfType<DictionaryAttr>(StreamDialect::kLayerBoundsAttr);
    SmallVector<Attribute> result;
    for (const Layer &layer : layers) {
      NamedAttrList fields;
      fields.set("name", builder.getStringAttr(layer.name));
      fields.set("start", builder.getI64IntegerAttr(layer.start));
      fields.set("cycles", builder.getI64IntegerAttr(layer.cycles));
      fields.set("chain_bound", builder.getI64IntegerAttr(layer.chainBound));
      StringRef name = layer.name.empty() ? "-" : StringRef(layer.name);
      if (bounds) {
        // A chain that works for two layers has the name of one: the other may seem
        // shorter than it is.
        auto bound = bounds.getAs<IntegerAttr>(name);
        int64_t cycles = bound ? std::min(bound.getInt(), layer.cycles) : 1;
        fields.set("lower_bound", builder.getI64IntegerAttr(cycles));
      }
      result.push_back(fields.getDictionary(program.getContext()));
    }
    program->removeDiscardableAttr(StreamDialect::kLayerBoundsAttr);
    program->setDiscardableAttr(StreamDialect::kLayersAttr, builder.getArrayAttr(result));
  }

  scheduling::OnProgress onProgress;
};

} // namespace

std::unique_ptr<Pass> mlir::stream::createSchedulePass(scheduling::Effort effort,
                                                       scheduling::OnProgress onProgress) {
  return std::make_unique<Schedule>(effort, std::move(onProgress));
}
