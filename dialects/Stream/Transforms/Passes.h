//===- Passes.h - Passes of the stream dialect ------------------*- C++ -*-===//
#ifndef STREAM_TRANSFORMS_PASSES_H
#define STREAM_TRANSFORMS_PASSES_H

#include "Stream/IR/StreamDialect.h"
#include "lpu/Scheduling/Algorithms.h"
#include "mlir/Pass/Pass.h"

namespace mlir::stream {

#define GEN_PASS_DECL
#include "Stream/Transforms/Passes.h.inc"

/// stream-schedule that says how far it is.
std::unique_ptr<Pass> createSchedulePass(::lpu::scheduling::Effort effort,
                                         ::lpu::scheduling::OnProgress onProgress);

#define GEN_PASS_REGISTRATION
#include "Stream/Transforms/Passes.h.inc"

} // namespace mlir::stream

#endif // STREAM_TRANSFORMS_PASSES_H
