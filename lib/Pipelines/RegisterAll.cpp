//===- RegisterAll.cpp - Every dialect and pass of the compiler -----------===//

#include "lpu/Pipelines/RegisterAll.h"

#include "ISA/IR/ISADialect.h"
#include "LPU/Transforms/Passes.h"
#include "ONNX/IR/ONNXDialect.h"
#include "Stream/Transforms/Passes.h"
#include "lpu/Pipelines/Pipelines.h"
#include "mlir/InitAllDialects.h"
#include "mlir/InitAllExtensions.h"
#include "mlir/InitAllPasses.h"

namespace lpu {

void registerAllDialects(mlir::DialectRegistry &registry) {
  mlir::registerAllDialects(registry);
  mlir::registerAllExtensions(registry);
  // Ours, one line each.
  registry.insert<mlir::onnx::ONNXDialect>();
  registry.insert<mlir::lpu::LPUDialect>();
  registry.insert<mlir::stream::StreamDialect>();
  registry.insert<mlir::lpuisa::ISADialect>();
}

void registerAllPasses() {
  mlir::registerAllPasses();
  // Ours, one line each.
  mlir::lpu::registerLPUPasses();
  mlir::stream::registerStreamPasses();
  mlir::registerPass([] { return createStreamToISAPass(); });
  mlir::registerPass([] { return createEmitMemoryPass(); });
  mlir::registerPass([] { return createLPUToStreamPass(); });
  registerPipelines();
  mlir::registerPass([] { return createONNXToLPUPass(); });
  mlir::registerPass([] { return createTensorToKernelPass(); });
  mlir::registerPass([] { return createTensorToNestPass(); });
  mlir::registerPass([] { return createGeneralizeProductsPass(); });
  mlir::registerPass([] { return createSplitNestsPass(); });
  mlir::registerPass([] { return createDecomposeCompositesPass(); });
}

} // namespace lpu
