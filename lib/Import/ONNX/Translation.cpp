//===- Translation.cpp - lpu-translate --import-onnx ----------------------===//

#include "ONNX/IR/ONNXDialect.h"
#include "lpu/Import/ONNX.h"

#include "mlir/Tools/mlir-translate/Translation.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/SourceMgr.h"

using namespace mlir;

void lpu::registerImportONNX() {
  static llvm::cl::list<std::string> entries(
      "entry",
      llvm::cl::desc(
          "Entry to import: NAME[:DIMENSION=SIZE,INPUT:max=VALUE,...]"));
  static llvm::cl::opt<bool> allowDynamic(
      "allow-dynamic", llvm::cl::desc("Keep dimensions that no entry binds"));
  static llvm::cl::opt<bool> hashWeights(
      "hash-weights", llvm::cl::desc("Compute the content hash of weights"));
  static llvm::cl::list<std::string> inputValues(
      "input-value", llvm::cl::desc("Input that is fixed: NAME=FILE.npy"));
  static llvm::cl::list<std::string> inputShapes(
      "input-shape", llvm::cl::desc("Shape of an input: NAME=[SIZE,...]..."));
  static llvm::cl::opt<bool> expandFunctions(
      "expand-functions",
      llvm::cl::desc("Take apart all that folding can: bodies of ONNX's "
                     "functions, control flow that depends on the data"));
  static llvm::cl::opt<std::string> foldedFile(
      "emit-folded-onnx", llvm::cl::desc("The folded model as ONNX"));
  static TranslateToMLIRRegistration registration(
      "import-onnx", "Import an ONNX model into the onnx dialect",
      [](llvm::SourceMgr &source,
         MLIRContext *context) -> OwningOpRef<Operation *> {
        ImportOptions options;
        options.allowDynamic = allowDynamic;
        options.hashWeights = hashWeights;
        for (const std::string &text : entries) {
          auto entry = parseEntry(text);
          if (!entry) {
            emitError(UnknownLoc::get(context))
                << llvm::toString(entry.takeError());
            return {};
          }
          options.entries.push_back(*entry);
        }
        for (const std::string &text : inputValues) {
          auto value = parseInputValue(text);
          if (!value) {
            emitError(UnknownLoc::get(context))
                << llvm::toString(value.takeError());
            return {};
          }
          options.inputValues.push_back(std::move(*value));
        }
        for (const std::string &text : inputShapes) {
          auto shape = parseInputShape(text);
          if (!shape) {
            emitError(UnknownLoc::get(context))
                << llvm::toString(shape.takeError());
            return {};
          }
          options.inputShapes.push_back(std::move(*shape));
        }
        options.foldedModel = foldedFile;
        if (expandFunctions) {
          options.whyNot = [](mlir::onnx::NodeOp) { return std::string("--expand-functions"); };
        }
        // The importer maps the file itself: weights refer to it by name.
        StringRef path = source.getMemoryBuffer(source.getMainFileID())
                             ->getBufferIdentifier();
        return importONNX(path, options, *context);
      },
      [](DialectRegistry &registry) {
        registry.insert<mlir::onnx::ONNXDialect>();
      });
}
