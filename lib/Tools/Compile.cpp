//===- Compile.cpp - lpu-compile ------------------------------------------===//

#include "lpu/Binary/Program.h"
#include "lpu/Export/Export.h"
#include "lpu/Host/Calibration.h"
#include "lpu/Import/ONNX.h"
#include "lpu/Import/Report.h"
#include "lpu/Pipelines/Pipelines.h"
#include "lpu/Pipelines/RegisterAll.h"
#include "lpu/Tools/Tools.h"
#include "lpu/Verifier/Verifier.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/Location.h"
#include "mlir/Support/FileUtilities.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/ToolOutputFile.h"
#include <chrono>


namespace cl = llvm::cl;
using namespace mlir;

namespace {

cl::OptionCategory category("lpu-compile options");
cl::opt<std::string> inputFile(cl::Positional, cl::desc("MODEL.onnx"),
                               cl::cat(category));
cl::opt<std::string> outputFile("o", cl::desc("where the result goes"),
                                cl::value_desc("FILE"), cl::cat(category));
cl::opt<std::string> targetName("target", cl::desc("machine to compile for"),
                                cl::value_desc("NAME"), cl::cat(category));
cl::list<std::string>
    entryTexts("entry", cl::desc("an entry: dimensions by name, bounds of inputs"),
               cl::value_desc("NAME[:DIM=SIZE,INPUT:max=VALUE...]"),
               cl::cat(category));
cl::opt<std::string> compileTo("compile-to", cl::init("binary"),
                               cl::desc("level to stop at: onnx, tensor, kernel, "
                                        "stream, isa or binary"),
                               cl::cat(category));
cl::opt<std::string> activations("activations", cl::init("int8x3"),
                                 cl::desc("format of activations that enter the "
                                          "MXM: int8, int8x2 or int8x3"),
                                 cl::cat(category));
cl::opt<float> activationMax("activation-max", cl::init(0),
                             cl::desc("largest |x| of activations that calibration "
                                      "did not see; given alone, nothing is run"),
                             cl::cat(category));
cl::opt<std::string>
    calibration("calibration", cl::ValueOptional, cl::value_desc("FILE.npz"),
                cl::desc("find the ranges of activations by running the model on the "
                         "host: on arrays by name of input, or on built-in tokens"),
                cl::cat(category));
cl::opt<bool> checkOnly("check", cl::desc("report operators without a rule; exit code 2 "
                                          "where there are some"),
                        cl::cat(category));
cl::opt<bool> asJson("json", cl::desc("the report as JSON"), cl::cat(category));
cl::opt<bool> quiet("quiet", cl::desc("no progress on standard error"),
                    cl::cat(category));

int fail(const llvm::Twine &message) {
  llvm::errs() << "lpu-compile: " << message << "\n";
  return 1;
}

/// Says what runs and how long it took.
class Progress {
public:
  void stage(llvm::StringRef name) {
    if (quiet) {
      return;
    }
    std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
    llvm::errs() << llvm::format("[%6.2f s] ", elapsed.count()) << name << "\n";
  }

private:
  std::chrono::steady_clock::time_point start = std::chrono::steady_clock::now();
};

/// "lpu-compile: error: NODE: MESSAGE"; the node's name is its location.
LogicalResult printDiagnostic(Diagnostic &diagnostic) {
  bool isError = diagnostic.getSeverity() == DiagnosticSeverity::Error;
  llvm::errs() << "lpu-compile: " << (isError ? "error: " : "warning: ");
  if (auto name = dyn_cast<NameLoc>(diagnostic.getLocation())) {
    llvm::errs() << name.getName().getValue() << ": ";
  }
  llvm::errs() << diagnostic << "\n";
  return success();
}

std::optional<unsigned> parseActivations(llvm::StringRef text) {
  return text == "int8"     ? std::optional(1u)
         : text == "int8x2" ? std::optional(2u)
         : text == "int8x3" ? std::optional(3u)
                            : std::nullopt;
}

int writeModule(ModuleOp module) {
  std::string error;
  auto file = openOutputFile(outputFile.empty() ? "-" : outputFile.getValue(), &error);
  if (!file) {
    return fail(error);
  }
  module.print(file->os());
  file->keep();
  return 0;
}

int check(ModuleOp module) {
  auto report = lpu::findUnsupported(
      module, [](mlir::onnx::NodeOp op) { return lpu::whyNotConvertible(op); });
  if (asJson) {
    lpu::printReportJson(report, llvm::outs());
  } else {
    lpu::printReportText(report, llvm::outs());
  }
  return report.empty() ? 0 : 2;
}

/// Whether the model can and should be run before number formats are chosen.
bool wantsCalibration(ModuleOp module, bool beyondTensors) {
  if (calibration.getNumOccurrences() > 0) {
    return true;
  }
  return beyondTensors && activationMax == 0 &&
         llvm::all_of(module.getOps<func::FuncOp>(), [](func::FuncOp entry) {
           return lpu::host::getDataInputs(entry).empty();
         });
}

int calibrate(ModuleOp module, Progress &progress) {
  lpu::host::CalibrationOptions options;
  if (!calibration.empty()) {
    auto arrays = lpu::readNpz(calibration);
    if (!arrays.ok()) {
      return fail("--calibration: " + std::string(arrays.status().message()));
    }
    options.arrays = std::move(*arrays);
  }
  progress.stage("calibrate on the host");
  return succeeded(lpu::host::calibrate(module, options)) ? 0 : 1;
}

int writeBinary(ModuleOp module, Progress &progress) {
  progress.stage("export");
  FailureOr<lpu::Program> program = lpu::exportProgram(module);
  if (failed(program)) {
    return 1;
  }
  program->producer = "lpu-compile";
  progress.stage("verify");
  if (absl::Status status = lpu::verifyProgram(*program); !status.ok()) {
    return fail("the compiled program is wrong, nothing was written: " +
                std::string(status.message()));
  }
  if (absl::Status status = lpu::writeProgram(*program, outputFile); !status.ok()) {
    return fail(std::string(status.message()));
  }
  for (const lpu::EntryProgram &entry : program->entries) {
    size_t instructions = 0;
    for (const lpu::QueueStream &queue : entry.queues) {
      instructions += queue.instructions.size();
    }
    llvm::outs() << "entry " << entry.header.name() << ": " << entry.header.cycles()
                 << " cycles, " << instructions << " instructions, lower bound "
                 << entry.header.lower_bound() << " (achieved / bound "
                 << llvm::format("%.3f", double(entry.header.cycles()) /
                                             double(entry.header.lower_bound()))
                 << ")\n";
  }
  return 0;
}

int compile(MLIRContext &context) {
  std::optional<lpu::Level> last = lpu::parseLevel(compileTo);
  if (!last && compileTo != "binary") {
    return fail("--compile-to: expected onnx, tensor, kernel, stream, isa or binary, got " +
                compileTo);
  }
  lpu::PipelineOptions options;
  std::optional<unsigned> limbs = parseActivations(activations);
  if (!limbs) {
    return fail("--activations: expected int8, int8x2 or int8x3, got " + activations);
  }
  options.kernels.limbs = *limbs;
  options.kernels.activationMax = activationMax;
  if (!last && !checkOnly && outputFile.empty()) {
    return fail("expected -o FILE");
  }
  bool needsTarget = !checkOnly && (!last || *last >= lpu::Level::Kernel);
  if (needsTarget && !lpu::Target::lookup(targetName.getValue()).ok()) {
    std::string names = llvm::join(lpu::Target::knownNames(), ", ");
    return fail(targetName.empty()
                    ? "expected --target=NAME, known targets: " + names
                    : "--target: unknown target '" + targetName +
                          "', known targets: " + names);
  }
  lpu::ImportOptions import;
  for (const std::string &text : entryTexts) {
    auto entry = lpu::parseEntry(text);
    if (!entry) {
      return fail("--entry: " + llvm::toString(entry.takeError()));
    }
    import.entries.push_back(std::move(*entry));
  }
  import.allowDynamic = checkOnly && entryTexts.empty();

  Progress progress;
  progress.stage("import " + inputFile.getValue());
  OwningOpRef<ModuleOp> module = lpu::importONNX(inputFile, import, context);
  if (!module) {
    return 1;
  }
  if (checkOnly) {
    return check(*module);
  }
  // What no rule covers is said for the whole model, before anything starts.
  auto report = lpu::findUnsupported(
      *module, [](mlir::onnx::NodeOp op) { return lpu::whyNotConvertible(op); });
  if (!report.empty() && last != lpu::Level::ONNX) {
    lpu::printReportText(report, llvm::errs());
    return 2;
  }
  if (needsTarget) {
    (*module)->setAttr("lpu.target", StringAttr::get(&context, targetName));
  }
  for (lpu::Level level : {lpu::Level::Tensor, lpu::Level::Kernel, lpu::Level::Stream,
                           lpu::Level::ISA}) {
    if (last && level > *last) {
      break;
    }
    progress.stage(("level " + lpu::getLevelName(level)).str());
    PassManager manager(&context);
    lpu::addPassesTo(level, manager, options);
    if (failed(manager.run(*module))) {
      return 1;
    }
    bool beyondTensors = !last || *last > lpu::Level::Tensor;
    if (level == lpu::Level::Tensor && wantsCalibration(*module, beyondTensors) &&
        calibrate(*module, progress) != 0) {
      return 1;
    }
  }
  return last ? writeModule(*module) : writeBinary(*module, progress);
}

} // namespace

int lpu::runCompile(int argc, char **argv) {
  cl::HideUnrelatedOptions(category);
  cl::ParseCommandLineOptions(argc, argv, "ONNX models to LPU binaries\n");
  if (inputFile.empty()) {
    return fail("expected MODEL.onnx");
  }
  DialectRegistry registry;
  registerAllDialects(registry);
  MLIRContext context(registry);
  context.printOpOnDiagnostic(false);
  ScopedDiagnosticHandler handler(&context, printDiagnostic);
  return compile(context);
}
