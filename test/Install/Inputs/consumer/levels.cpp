// levels MODULE.mlir: parses a module of any level and counts its entries.
#include "LPU/IR/LPUKernelOps.h"
#include "lpu/Pipelines/RegisterAll.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Parser/Parser.h"

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  lpu::registerAllDialects(registry);
  mlir::MLIRContext context(registry);
  auto module = mlir::parseSourceFile<mlir::ModuleOp>(argc > 1 ? argv[1] : "-", &context);
  if (!module) {
    return 1;
  }
  unsigned contracts = 0;
  module->walk([&](mlir::lpu::ContractOp) { ++contracts; });
  auto entries = module->getOps<mlir::func::FuncOp>();
  llvm::outs() << std::distance(entries.begin(), entries.end()) << " entries, " << contracts
               << " contractions\n";
  return 0;
}
