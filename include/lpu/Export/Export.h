//===- Export.h - A module at isa level as a Program ------------*- C++ -*-===//
#ifndef LPU_EXPORT_EXPORT_H
#define LPU_EXPORT_EXPORT_H

#include "ISA/IR/ISADialect.h"
#include "lpu/Binary/Program.h"
#include "mlir/IR/BuiltinOps.h"

namespace lpu {

/// The program that `module` spells. Bytes of weights are viewed, not copied:
/// the program must not outlive the module. Errors are reported at the
/// operation: a level above isa, an unknown kind or type, sizes that disagree.
mlir::FailureOr<Program> exportProgram(mlir::ModuleOp module);

/// Adds the instructions of `op` to `entry`. With `takesQueues` each queue of `op` goes
/// when it is exported: both together are large.
mlir::LogicalResult exportEntry(mlir::lpuisa::EntryOp op, const Target &target,
                                EntryProgram &entry, bool takesQueues = false);

/// Registers `lpu-translate --export-assembly`: a module at isa level as
/// assembly text.
void registerExportAssembly();

} // namespace lpu

#endif // LPU_EXPORT_EXPORT_H
