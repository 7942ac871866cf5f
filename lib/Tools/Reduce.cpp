//===- Reduce.cpp - lpu-reduce: the smallest module that still fails ------===//

#include "lpu/Pipelines/RegisterAll.h"
#include "lpu/Tools/Tools.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Tools/mlir-reduce/MlirReduceMain.h"
#include "llvm/Support/raw_ostream.h"

int lpu::runReduce(int argc, char **argv) {
  mlir::DialectRegistry registry;
  registerAllDialects(registry);
  registerAllPasses();
  mlir::MLIRContext context(registry);
  if (mlir::succeeded(mlir::mlirReduceMain(argc, argv, context))) {
    return 0;
  }
  // MLIR says nothing of a module that the test is not interested in.
  llvm::errs() << "lpu-reduce: nothing was written: expected a module for which the test "
                  "ends with exit code 1, or an error was printed above\n";
  return 1;
}
