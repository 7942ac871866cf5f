//===- VerifyStream.cpp - verify-stream -----------------------------------===//

#include "ISA/IR/ISADialect.h"
#include "LPU/IR/LPUDialect.h"
#include "Problem.h"
#include "Stream/Transforms/Passes.h"
#include "lpu/Scheduling/Algorithms.h"

namespace mlir::stream {
#define GEN_PASS_DEF_VERIFYSTREAMPASS
#include "Stream/Transforms/Passes.h.inc"
} // namespace mlir::stream

using namespace mlir;
using namespace mlir::stream;
namespace scheduling = ::lpu::scheduling;

namespace {

struct VerifyStream : mlir::stream::impl::VerifyStreamPassBase<VerifyStream> {
  void runOnOperation() override {
    bool ok = true;
    for (Operation &op : *getOperation().getBody()) {
      if (auto program = dyn_cast<ProgramOp>(op)) {
        ok &= succeeded(verifyProgram(program));
      } else if (!isa<lpuisa::ImageOp, lpuisa::RegionOp, lpuisa::BindingOp>(op)) {
        op.emitOpError("does not belong to the stream level");
        ok = false;
      }
    }
    if (!ok) {
      signalPassFailure();
    }
  }

private:
  static bool isScheduled(ProgramOp program) {
    return program.getCycles() ||
           llvm::any_of(program.getBody().getOps<ChainOp>(),
                        [](ChainOp chain) { return chain.getStart().has_value(); });
  }

  static LogicalResult verifyProgram(ProgramOp program) {
    const ::lpu::Target *target = mlir::lpu::getTarget(program);
    if (!target) {
      return failure();
    }
    for (Operation &op : program.getBody().front()) {
      if (!isa<ChainOp>(op)) {
        return op.emitOpError("does not belong to the stream level");
      }
    }
    FailureOr<ProgramProblem> problem = ProgramProblem::create(program, *target);
    if (failed(problem)) {
      return failure();
    }
    absl::Status status = problem->get().check();
    if (status.ok() && isScheduled(program)) {
      FailureOr<scheduling::Schedule> schedule = problem->read();
      if (failed(schedule)) {
        return failure();
      }
      status = scheduling::verify(problem->get(), *schedule);
      int64_t bound = scheduling::getLowerBound(problem->get());
      if (status.ok() && int64_t(program.getChainBound().value_or(bound)) != bound) {
        return program.emitOpError("expected a bound of the chains of ")
               << bound << ", got " << *program.getChainBound();
      }
    }
    return status.ok() ? success()
                       : program.emitOpError(std::string(status.message()));
  }
};

} // namespace
