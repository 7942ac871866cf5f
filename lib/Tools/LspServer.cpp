//===- LspServer.cpp - lpu-lsp-server: every level in an editor -----------===//

#include "lpu/Pipelines/RegisterAll.h"
#include "lpu/Tools/Tools.h"
#include "mlir/Tools/mlir-lsp-server/MlirLspServerMain.h"

int lpu::runLspServer(int argc, char **argv) {
  mlir::DialectRegistry registry;
  registerAllDialects(registry);
  return mlir::failed(mlir::MlirLspServerMain(argc, argv, registry));
}
