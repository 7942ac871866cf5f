//===- Passes.td - Passes of the stream dialect -------------*- tablegen -*-===//
#ifndef STREAM_TRANSFORMS_PASSES
#define STREAM_TRANSFORMS_PASSES

include "mlir/Pass/PassBase.td"

def RecordIntentPass : Pass<"stream-record-intent", "::mlir::stream::ProgramOp"> {
  let summary = "note what every instruction is meant to do and to find";
  let description = [{
    Comes before scheduling: the chains' order and their SSA values say whose result every
    issue takes from streams, mesh, SRAM words, registers, weights and accumulators. `meant`
    of each issue is set (docs/Spec/Binary.md); the verifier holds the finished program
    against it.
  }];
}

def SchedulePass : Pass<"stream-schedule", "::mlir::stream::ProgramOp"> {
  let summary = "give every chain its start, its stream ids and its ALUs";
  let description = [{
    Dependences come from what the chains read and write, in program order: SRAM
    words, weight buffers, installed arrays, accumulators, element by element.
    The schedule is checked against the problem before it is written back.
    `cycles` and `chain_bound` of the program are set (docs/Scheduling.md).
  }];
  let options = [
    Option<"effort", "effort", "::lpu::scheduling::Effort",
           "::lpu::scheduling::Effort::Standard", "how long to search",
           [{::llvm::cl::values(
             clEnumValN(::lpu::scheduling::Effort::Fast, "fast", "in program order"),
             clEnumValN(::lpu::scheduling::Effort::Standard, "standard", "by critical path"),
             clEnumValN(::lpu::scheduling::Effort::High, "high", "and improve step by step"))}]>];
}

def VerifyStreamPass : Pass<"verify-stream", "::mlir::ModuleOp"> {
  let summary = "check that a module is at stream level, and its schedules";
  let description = [{
    The module holds programs, and images, regions and bindings of the isa dialect, and
    nothing else. A program with starts is checked against the problem that its
    chains make: dependences, queues, ALUs, streams, cycle count, lower bound.
  }];
}

#endif
