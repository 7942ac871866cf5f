//===- Opt.cpp - lpu-opt: runs passes over any level as text --------------===//

#include "lpu/Pipelines/RegisterAll.h"
#include "lpu/Tools/Tools.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"

int lpu::runOpt(int argc, char **argv) {
  mlir::DialectRegistry registry;
  registerAllDialects(registry);
  registerAllPasses();
  return mlir::asMainReturnCode(
      mlir::MlirOptMain(argc, argv, "LPU optimizer driver\n", registry));
}
