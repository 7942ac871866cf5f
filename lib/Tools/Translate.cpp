//===- Translate.cpp - lpu-translate: other formats to and from levels ----===//

#include "lpu/Export/Export.h"
#include "lpu/Import/ONNX.h"
#include "lpu/Tools/Tools.h"
#include "mlir/Tools/mlir-translate/MlirTranslateMain.h"

int lpu::runTranslate(int argc, char **argv) {
  registerImportONNX();
  registerExportAssembly();
  return mlir::failed(
      mlir::mlirTranslateMain(argc, argv, "LPU translation driver"));
}
