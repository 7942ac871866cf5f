//===- StreamModule.h - Modules of the stream dialect for tests -*- C++ -*-===//
#ifndef LPU_TEST_UNIT_STREAM_STREAMMODULE_H
#define LPU_TEST_UNIT_STREAM_STREAMMODULE_H

#include "ISA/IR/ISADialect.h"
#include "Stream/IR/StreamDialect.h"
#include "Stream/Transforms/Passes.h"
#include "lpu/Conversion/Passes.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"

/// A parsed module, the passes run on it and the errors they reported.
class StreamModule {
public:
  explicit StreamModule(const std::string &text)
      : handler(&context, [this](mlir::Diagnostic &diagnostic) {
          errors += (errors.empty() ? "" : "\n") + diagnostic.str();
          return mlir::success();
        }) {
    context.disableMultithreading();
    context.loadDialect<mlir::stream::StreamDialect, mlir::lpuisa::ISADialect>();
    module = mlir::parseSourceString<mlir::ModuleOp>(text, &context);
  }

  bool schedule() {
    mlir::PassManager passes(&context);
    passes.addNestedPass<mlir::stream::ProgramOp>(
        mlir::stream::createRecordIntentPass());
    passes.addNestedPass<mlir::stream::ProgramOp>(
        mlir::stream::createSchedulePass());
    return module && mlir::succeeded(passes.run(*module));
  }
  bool verifyStream() {
    mlir::PassManager passes(&context);
    passes.addPass(mlir::stream::createVerifyStreamPass());
    return module && mlir::succeeded(passes.run(*module));
  }
  bool convertToISA() {
    mlir::PassManager passes(&context);
    passes.addPass(lpu::createStreamToISAPass());
    return module && mlir::succeeded(passes.run(*module));
  }
  mlir::stream::ProgramOp getProgram() {
    return *module->getOps<mlir::stream::ProgramOp>().begin();
  }

  mlir::MLIRContext context;
  std::string errors;
  mlir::ScopedDiagnosticHandler handler;
  mlir::OwningOpRef<mlir::ModuleOp> module;
};

/// `body`: chains; `data`: images, regions, bindings.
inline std::string moduleText(const std::string &body, const std::string &data = "") {
  return "module attributes {lpu.target = \"tiny\"} {\n" + data +
         "stream.program @main {\n" + body + "}\n}\n";
}

#endif // LPU_TEST_UNIT_STREAM_STREAMMODULE_H
