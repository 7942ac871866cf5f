//===- RegisterAll.cpp - Every dialect and pass of the compiler -----------===//

#include "lpu/Pipelines/RegisterAll.h"

#include "LPU/IR/LPUDialect.h"
#include "ONNX/IR/ONNXDialect.h"
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
}

void registerAllPasses() {
  mlir::registerAllPasses();
  // Ours, one line each.
}

} // namespace lpu
