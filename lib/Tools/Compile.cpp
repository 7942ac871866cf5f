//===- Compile.cpp - lpu-compile ------------------------------------------===//

#include "CompileEntries.h"
#include "Progress.h"
#include "Statistics.h"
#include "lpu/Binary/Program.h"
#include "lpu/Conversion/ONNXRules.h"
#include "lpu/Host/Calibration.h"
#include "lpu/Import/ONNX.h"
#include "lpu/Import/QuantizedONNX.h"
#include "lpu/Import/Report.h"
#include "lpu/Pipelines/Pipelines.h"
#include "lpu/Pipelines/RegisterAll.h"
#include "lpu/Support/AtomicFile.h"
#include "lpu/Tools/Tools.h"
#include "mlir/IR/AsmState.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/Location.h"
#include "mlir/Support/Timing.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/Format.h"
#include <csignal>

namespace cl = llvm::cl;
using namespace mlir;

namespace {

/// LLVM's own option of that name counts passes of its optimizer.
const bool isStatsFree = [] {
  cl::getRegisteredOptions()["stats"]->removeArgument();
  return true;
}();

cl::OptionCategory category("lpu-compile options");
cl::opt<std::string> inputFile(cl::Positional, cl::desc("MODEL.onnx"),
                               cl::cat(category));
cl::opt<std::string> outputFile("o", cl::desc("where the result goes"),
                                cl::value_desc("FILE"), cl::cat(category));
cl::opt<std::string> targetName("target", cl::desc("machine to compile for"),
                                cl::value_desc("NAME|FILE.textproto"), cl::cat(category));
cl::list<std::string>
    entryTexts("entry", cl::desc("an entry: dimensions by name, bounds of inputs"),
               cl::value_desc("NAME[:DIM=SIZE,INPUT:max=VALUE...]"),
               cl::cat(category));
cl::list<std::string> dimTexts("dim", cl::desc("a dimension of every entry that does not bind it"),
                               cl::value_desc("NAME=SIZE"), cl::cat(category));
cl::list<std::string> inputValueTexts("input-value",
                                      cl::desc("an input that is fixed to a value"),
                                      cl::value_desc("NAME=FILE.npy"), cl::cat(category));
cl::list<std::string> inputShapeTexts("input-shape",
                                      cl::desc("the shape of an input that the model leaves "
                                               "open; of a sequence, one for each element"),
                                      cl::value_desc("NAME=[SIZE,...]"), cl::cat(category));
cl::opt<std::string> foldedFile("emit-folded-onnx",
                                cl::desc("the model after constants are folded and "
                                         "functions expanded, for other tools"),
                                cl::value_desc("FILE"), cl::cat(category));
cl::list<std::string> extraOutputs("output", cl::desc("a tensor of the model that becomes an output, too"),
                                   cl::value_desc("TENSOR"), cl::cat(category));
cl::opt<std::string> compileTo("compile-to", cl::init("binary"),
                               cl::desc("level to stop at: onnx, tensor, kernel, "
                                        "stream, isa or binary"),
                               cl::cat(category));
cl::opt<std::string> activations("activations", cl::init("int8x3"),
                                 cl::desc("format of activations that enter the "
                                          "MXM: int8x1, int8x2, int8x3 or fp16"),
                                 cl::cat(category));
cl::opt<std::string> weights("weights", cl::init("int8"),
                             cl::desc("format of constant matrices: int8 or fp16; "
                                      "given alone, activations go with it"), cl::cat(category));
cl::opt<std::string> kvFormat("kv", cl::init("fp16"),
                              cl::desc("format of KV caches: fp16 or int8"), cl::cat(category));
cl::opt<float> activationMax("activation-max", cl::init(0),
                             cl::desc("largest |x| of activations that calibration "
                                      "did not see; given alone, nothing is run"),
                             cl::cat(category));
cl::opt<std::string>
    calibration("calibration", cl::ValueOptional, cl::value_desc("FILE.npz"),
                cl::desc("find the ranges of activations by running the model on the "
                         "host: on arrays by name of input, or on built-in tokens"),
                cl::cat(category));
cl::opt<std::string> effort("effort", cl::init("standard"),
                            cl::desc("how long to search for schedules: fast, standard or high"),
                            cl::cat(category));
cl::opt<bool> checkOnly("check", cl::desc("report what becomes of each operator, or what is in "
                                          "its way; exit code 2 where something is"),
                        cl::cat(category));
cl::opt<bool> asJson("json", cl::desc("the report as JSON"), cl::cat(category));
cl::opt<std::string> htmlFile("html", cl::desc("the report as a page of HTML, too"),
                              cl::value_desc("FILE"), cl::cat(category));
cl::opt<bool> strictTypes("strict-types",
                          cl::desc("refuse numbers of 64 bits, which are carried in 32"),
                          cl::cat(category));
cl::opt<std::string> statsFile("stats", cl::desc("cycles, memory and compile time as JSON"),
                               cl::value_desc("FILE"), cl::cat(category));
cl::opt<std::string> quantizedFile("emit-quantized-onnx",
                                   cl::desc("the model with the compiler's int8 weights and "
                                            "caches, for onnxruntime as the reference"),
                                   cl::value_desc("FILE"), cl::cat(category));
cl::opt<bool> noOutput("no-output", cl::desc("compile for the cycle counts alone"),
                       cl::cat(category));
cl::opt<bool> listTargets("list-targets", cl::desc("print the known machines and leave"),
                          cl::cat(category));
cl::opt<bool> quiet("quiet", cl::desc("no progress on standard error"),
                    cl::cat(category));

int fail(const llvm::Twine &message) {
  llvm::errs() << "lpu-compile: " << message << "\n";
  return 1;
}

/// "lpu-compile: error: NODE: MESSAGE", then what is attached to it; the node's name is
/// its location.
LogicalResult printDiagnostic(Diagnostic &diagnostic) {
  bool isError = diagnostic.getSeverity() == DiagnosticSeverity::Error;
  llvm::errs() << "lpu-compile: " << (isError ? "error: " : "warning: ");
  if (auto name = dyn_cast<NameLoc>(diagnostic.getLocation())) {
    llvm::errs() << name.getName().getValue() << ": ";
  }
  llvm::errs() << diagnostic << "\n";
  for (Diagnostic &note : diagnostic.getNotes()) {
    llvm::errs() << "lpu-compile: note: " << note << "\n";
  }
  return success();
}

std::optional<unsigned> parseActivations(llvm::StringRef text) {
  return text == "int8x1"   ? std::optional(1u)
         : text == "int8x2" ? std::optional(2u)
         : text == "int8x3" ? std::optional(3u)
         : text == "fp16"   ? std::optional(0u)
                            : std::nullopt;
}

/// Text of MLIR and JSON on its way into a file.
class AtomicStream : public llvm::raw_ostream {
public:
  explicit AtomicStream(lpu::AtomicFile &file) : file(file) { SetBufferSize(1 << 16); }
  ~AtomicStream() override { flush(); }

private:
  void write_impl(const char *data, size_t size) override { file.write(data, size); }
  uint64_t current_pos() const override { return file.getPosition(); }
  lpu::AtomicFile &file;
};

/// The file is whole, or as it was before.
absl::Status writeFile(const std::string &path, llvm::function_ref<void(llvm::raw_ostream &)> print) {
  lpu::AtomicFile file(path);
  {
    AtomicStream out(file);
    print(out);
  }
  return file.commit();
}

int writeModule(ModuleOp module) {
  // With the line's end that lpu-opt gives it.
  auto print = [&](llvm::raw_ostream &out) {
    module.print(out);
    out << "\n";
  };
  if (outputFile.empty() || outputFile == "-") {
    print(llvm::outs());
    return 0;
  }
  absl::Status status = writeFile(outputFile, print);
  return status.ok() ? 0 : fail(std::string(status.message()));
}

lpu::ModelReport makeReport(ModuleOp module, const lpu::ImportTrace &trace) {
  auto report = lpu::makeReport(module, trace, [](mlir::onnx::NodeOp op) {
    lpu::ConversionRule rule = lpu::findConversionRule(op);
    return lpu::RuleAnswer{rule.name, rule.reason, rule.shapeReason, rule.laterSince};
  });
  report.model = inputFile;
  return report;
}

/// Names all that --strict-types refuses.
int refuseNarrowed(llvm::ArrayRef<lpu::NarrowedValue> narrowed) {
  if (!strictTypes || narrowed.empty()) {
    return 0;
  }
  for (const lpu::NarrowedValue &value : narrowed) {
    fail("--strict-types: " + value.kind + " '" + value.name + "'" +
         (value.opType.empty() ? "" : " (" + value.opType + ")") + ": " + value.type +
         " is carried as " + value.carried);
  }
  return 2;
}

int check(const lpu::ModelReport &report) {
  if (asJson) {
    lpu::printReportJson(report, llvm::outs());
  } else {
    lpu::printReportText(report, llvm::outs());
  }
  llvm::outs().flush();
  if (!htmlFile.empty()) {
    absl::Status status =
        writeFile(htmlFile, [&](auto &out) { lpu::printReportHtml(report, out); });
    if (!status.ok()) {
      return fail("--html: " + std::string(status.message()));
    }
  }
  int refused = refuseNarrowed(report.narrowed);
  int code = report.getExitCode();
  return code ? code : refused;
}

/// Whether the host can run all entries without data from the user.
bool runsAlone(ModuleOp module) {
  return llvm::all_of(module.getOps<func::FuncOp>(), [](func::FuncOp entry) {
    return lpu::host::getDataInputs(entry).empty();
  });
}

/// Whether the model can and should be run before number formats are chosen.
bool wantsCalibration(ModuleOp module, bool needsRanges) {
  if (calibration.getNumOccurrences() > 0) {
    return true;
  }
  return needsRanges && activationMax == 0 && runsAlone(module);
}

int calibrate(ModuleOp module, lpu::Progress &progress) {
  lpu::host::CalibrationOptions options;
  if (!calibration.empty()) {
    auto arrays = lpu::readNpz(calibration);
    if (!arrays.ok()) {
      return fail("--calibration: " + std::string(arrays.status().message()));
    }
    options.arrays = std::move(*arrays);
  }
  progress.stage("calibrate on the host");
  options.onProgress = [&](double share) { progress.update(share); };
  return succeeded(lpu::host::calibrate(module, options)) ? 0 : 1;
}

int writeStatistics(const lpu::EntriesCompiler &compiler, lpu::Progress &progress) {
  if (statsFile.empty()) {
    return 0;
  }
  llvm::json::Value root = lpu::getStatistics(compiler.getProgram(), compiler.getStatistics(),
                                              progress.getTimes());
  if (statsFile == "-") {
    llvm::outs() << llvm::formatv("{0:2}", root) << "\n";
    return 0;
  }
  absl::Status status =
      writeFile(statsFile, [&](auto &out) { out << llvm::formatv("{0:2}", root) << "\n"; });
  return status.ok() ? 0 : fail("--stats: " + std::string(status.message()));
}

/// Writes the model with the weights of the compiled program, where that is wanted.
int emitQuantized(const lpu::Int8Tensors &int8Tensors, lpu::Progress &progress) {
  if (quantizedFile.empty()) {
    return 0;
  }
  progress.stage("write " + quantizedFile);
  llvm::Error error = lpu::writeQuantizedONNX(inputFile, int8Tensors, quantizedFile);
  return error ? fail("--emit-quantized-onnx: " + llvm::toString(std::move(error))) : 0;
}

void printEntry(const lpu::EncodedEntry &entry) {
  size_t instructions = 0;
  for (const lpu::EncodedEntry::Queue &queue : entry.queues) {
    instructions += queue.instructions;
  }
  const lpu::Entry &header = entry.header;
  llvm::outs() << "entry " << header.name() << ": " << header.cycles() << " cycles, "
               << instructions << " instructions, lower bound " << header.lower_bound()
               << " (achieved / bound "
               << llvm::format("%.3f", double(header.cycles()) / double(header.lower_bound()))
               << ")\n";
}

/// Runs `addPasses` on `module`.
LogicalResult runPasses(ModuleOp module, TimingScope &timing, StringRef name,
                        llvm::function_ref<void(PassManager &)> addPasses) {
  PassManager manager(module.getContext());
  TimingScope scope = timing.nest(name);
  if (failed(applyPassManagerCLOptions(manager))) {
    return failure();
  }
  manager.enableTiming(scope);
  addPasses(manager);
  return manager.run(module);
}

/// From the kernel level to a file.
int compileBinary(ModuleOp module, const lpu::PipelineOptions &options,
                  const lpu::Int8Tensors &int8Tensors, TimingScope &timing,
                  lpu::Progress &progress) {
  progress.stage("place");
  if (failed(runPasses(module, timing, "place", lpu::addPlacementPasses))) {
    return 1;
  }
  lpu::EntriesCompiler compiler(module);
  if (failed(compiler.exportMemory())) {
    return 1;
  }
  progress.stage("schedule and verify");
  TimingScope scope = timing.nest("entries");
  auto setUp = [&](PassManager &manager, lpu::scheduling::OnProgress onSchedule) {
    manager.enableTiming(scope);
    lpu::addEntryPasses(manager, options, std::move(onSchedule));
    return applyPassManagerCLOptions(manager);
  };
  if (failed(compiler.run(setUp, [&](double share) { progress.update(share); }))) {
    return 1;
  }
  if (int failed = emitQuantized(int8Tensors, progress)) {
    return failed;
  }
  if (!noOutput) {
    progress.stage("write " + outputFile);
    absl::Status status =
        lpu::writeProgram(compiler.getProgram(), compiler.getEntries(), outputFile);
    if (!status.ok()) {
      return fail(std::string(status.message()));
    }
  }
  for (const lpu::EncodedEntry &entry : compiler.getEntries()) {
    printEntry(entry);
  }
  return writeStatistics(compiler, progress);
}

int printTargets() {
  for (const std::string &name : lpu::Target::knownNames()) {
    lpu::Target target = *lpu::Target::lookup(name);
    llvm::outs() << name << ": " << target.lanes() << " lanes, " << target.planes()
                 << " MXM planes, " << target.sramBytes() << " bytes of SRAM, "
                 << target.description().clock_hz() / 1000000 << " MHz\n";
  }
  return 0;
}

/// The entries that the command line asks for; none after a message.
std::optional<std::vector<lpu::EntrySpec>> parseEntries() {
  std::vector<lpu::EntrySpec> entries;
  for (const std::string &text : entryTexts) {
    auto entry = lpu::parseEntry(text);
    if (!entry) {
      fail(llvm::toString(entry.takeError()));
      return std::nullopt;
    }
    entries.push_back(std::move(*entry));
  }
  if (entries.empty() && !dimTexts.empty()) {
    entries.emplace_back();
  }
  std::vector<std::pair<std::string, int64_t>> common;
  for (llvm::StringRef text : dimTexts) {
    auto [name, number] = text.split('=');
    int64_t size = 0;
    if (name.empty() || number.getAsInteger(10, size) || size < 1) {
      fail("--dim " + text + ": expected NAME=SIZE with a size of at least 1");
      return std::nullopt;
    }
    if (llvm::any_of(common, [&](auto &other) { return other.first == name; })) {
      fail("--dim " + text + ": '" + name + "' is given twice");
      return std::nullopt;
    }
    common.emplace_back(name.str(), size);
  }
  for (lpu::EntrySpec &entry : entries) {
    for (const auto &dim : common) {
      if (llvm::none_of(entry.dims, [&](auto &own) { return own.first == dim.first; })) {
        entry.dims.push_back(dim);
      }
    }
  }
  return entries;
}

/// Whether options ask for what kernels alone have: formats of the MXM's operands.
bool wantsKernels() {
  return activations.getNumOccurrences() || weights.getNumOccurrences() ||
         kvFormat.getNumOccurrences() || quantizedFile.getNumOccurrences();
}

/// Whether products need ranges that nobody gave and no run can find: without them it is f32.
bool lacksRanges(ModuleOp module) {
  bool isGiven = activationMax > 0 || calibration.getNumOccurrences() > 0;
  return !isGiven && !runsAlone(module) && lpu::needsRanges(module);
}

/// Options that name formats and the effort, checked; none after a message.
std::optional<lpu::PipelineOptions> parseFormats() {
  lpu::PipelineOptions options;
  std::optional<unsigned> limbs = parseActivations(activations);
  if (!limbs) {
    fail("--activations: expected int8x1, int8x2, int8x3 or fp16, got " + activations);
    return std::nullopt;
  }
  if (weights != "int8" && weights != "fp16") {
    fail("--weights: expected int8 or fp16, got " + weights);
    return std::nullopt;
  }
  // Where one is given alone, the other goes with it.
  bool isHalf = weights.getNumOccurrences() ? weights == "fp16" : *limbs == 0;
  if (isHalf && activations.getNumOccurrences() == 0) {
    limbs = 0;
  }
  if (isHalf != (*limbs == 0)) {
    fail("--weights=" + weights + " --activations=" + activations +
         ": the MXM multiplies int8 by int8 and fp16 by fp16");
    return std::nullopt;
  }
  if (kvFormat != "fp16" && kvFormat != "int8") {
    fail("--kv: expected fp16 or int8, got " + kvFormat);
    return std::nullopt;
  }
  options.int8Caches = kvFormat == "int8";
  options.int8Weights = !isHalf;
  using lpu::scheduling::Effort;
  auto chosen = llvm::StringSwitch<std::optional<Effort>>(effort)
                    .Case("fast", Effort::Fast)
                    .Case("standard", Effort::Standard)
                    .Case("high", Effort::High)
                    .Default(std::nullopt);
  if (!chosen) {
    fail("--effort: expected fast, standard or high, got " + effort);
    return std::nullopt;
  }
  options.effort = *chosen;
  options.kernels.limbs = *limbs;
  options.kernels.activationMax = activationMax;
  return options;
}

/// What the tensor level wants beside its passes: ranges, caches in the format that is
/// asked for, and what of the model is in int8 then.
int finishTensors(ModuleOp module, const lpu::PipelineOptions &options, bool beyondTensors,
                  lpu::Int8Tensors &int8Tensors, TimingScope &timing, lpu::Progress &progress) {
  if (wantsCalibration(module, beyondTensors || options.int8Caches) &&
      calibrate(module, progress) != 0) {
    return 1;
  }
  auto addPasses = [&](PassManager &manager) { lpu::addCachePasses(manager, options); };
  if (options.int8Caches && failed(runPasses(module, timing, "caches", addPasses))) {
    return 1;
  }
  if (!quantizedFile.empty()) {
    auto found = lpu::findInt8Tensors(module);
    if (!found) {
      return fail("--emit-quantized-onnx: " + llvm::toString(found.takeError()));
    }
    int8Tensors = std::move(*found);
  }
  return 0;
}

int compile(MLIRContext &context, TimingScope &timing, lpu::Progress &progress) {
  std::optional<lpu::Level> last = lpu::parseLevel(compileTo);
  if (!last && compileTo != "binary") {
    return fail("--compile-to: expected onnx, tensor, kernel, stream, isa or binary, got " +
                compileTo);
  }
  std::optional<lpu::PipelineOptions> options = parseFormats();
  if (!options) {
    return 1;
  }
  if (!last && !checkOnly && outputFile.empty() && !noOutput) {
    return fail("expected -o FILE or --no-output");
  }
  if (last && !statsFile.empty()) {
    return fail("--stats: expected --compile-to=binary, got " + compileTo);
  }
  if (last == lpu::Level::ONNX && !quantizedFile.empty()) {
    return fail("--emit-quantized-onnx: expected --compile-to=tensor or a later level, got onnx");
  }
  if (options->kernels.isHalf() && !options->int8Caches && !quantizedFile.empty()) {
    return fail("--emit-quantized-onnx: expected --weights=int8 or --kv=int8, got fp16 for both");
  }
  if (!checkOnly && !htmlFile.empty()) {
    return fail("--html: expected --check");
  }
  bool needsTarget = !checkOnly && (!last || *last >= lpu::Level::Kernel);
  if (needsTarget && targetName.empty()) {
    return fail("expected --target=NAME or --target=FILE.textproto, known targets: " +
                llvm::join(lpu::Target::knownNames(), ", "));
  }
  if (needsTarget) {
    absl::StatusOr<lpu::Target> target = lpu::Target::lookup(targetName.getValue());
    if (!target.ok()) {
      return fail("--target: " + std::string(target.status().message()));
    }
    bool isHalf = options->kernels.isHalf();
    if (!target->format(isHalf ? "f16" : "i8")) {
      return fail("--weights: target " + targetName + " does not multiply " +
                  (isHalf ? "fp16" : "int8"));
    }
  }
  std::optional<std::vector<lpu::EntrySpec>> entries = parseEntries();
  if (!entries) {
    return 1;
  }
  lpu::ImportOptions import;
  import.entries = std::move(*entries);
  import.outputs.assign(extraOutputs.begin(), extraOutputs.end());
  import.allowDynamic = checkOnly;
  lpu::ImportTrace trace;
  import.trace = &trace;
  import.keepWrongNodes = checkOnly;
  import.whyNot = lpu::whyNotConvertible;
  for (const std::string &text : inputValueTexts) {
    auto value = lpu::parseInputValue(text);
    if (!value) {
      return fail(llvm::toString(value.takeError()));
    }
    import.inputValues.push_back(std::move(*value));
  }
  for (const std::string &text : inputShapeTexts) {
    auto shape = lpu::parseInputShape(text);
    if (!shape) {
      return fail(llvm::toString(shape.takeError()));
    }
    import.inputShapes.push_back(std::move(*shape));
  }
  import.foldedModel = foldedFile;

  progress.stage("import " + inputFile.getValue());
  OwningOpRef<ModuleOp> module = lpu::importONNX(inputFile, import, context);
  if (!module) {
    return 1;
  }
  lpu::ModelReport report = makeReport(*module, trace);
  if (checkOnly) {
    return check(report);
  }
  // What no rule covers is said for the whole model, before anything starts.
  if (report.getExitCode() != 0 && last != lpu::Level::ONNX) {
    progress.clearLine();
    lpu::printReportText(report, llvm::errs());
    return report.getExitCode();
  }
  if (int refused = refuseNarrowed(report.narrowed)) {
    return refused;
  }
  if (needsTarget) {
    (*module)->setAttr("lpu.target", StringAttr::get(&context, targetName));
  }
  lpu::Int8Tensors int8Tensors;
  OwningOpRef<ModuleOp> imported = needsTarget ? module->clone() : ModuleOp();
  for (lpu::Level level : {lpu::Level::Tensor, lpu::Level::Kernel, lpu::Level::Stream,
                           lpu::Level::ISA}) {
    if (level > last.value_or(lpu::Level::Kernel)) {
      break;
    }
    progress.stage(("level " + lpu::getLevelName(level)).str());
    auto addPasses = [&](PassManager &manager) { lpu::addPassesTo(level, manager, *options); };
    if (failed(runPasses(*module, timing, lpu::getLevelName(level), addPasses))) {
      return 1;
    }
    if (level == lpu::Level::Tensor && needsTarget && !wantsKernels() &&
        (lacksRanges(*module) || !lpu::hasKernels(*module, *options))) {
      options->nests = true;
      module = std::move(imported);
      if (failed(runPasses(*module, timing, "nests", addPasses))) {
        return 1;
      }
      continue;
    }
    bool beyondTensors = !last || *last > lpu::Level::Tensor;
    if (level == lpu::Level::Tensor &&
        finishTensors(*module, *options, beyondTensors, int8Tensors, timing, progress) != 0) {
      return 1;
    }
  }
  if (!last) {
    return compileBinary(*module, *options, int8Tensors, timing, progress);
  }
  int failed = emitQuantized(int8Tensors, progress);
  return failed ? failed : writeModule(*module);
}

} // namespace

int lpu::runCompile(int argc, char **argv) {
  // Beyond a limit of the file size a write fails, as on a full disk.
  std::signal(SIGXFSZ, SIG_IGN);
  cl::HideUnrelatedOptions(category);
  cl::SetVersionPrinter([](llvm::raw_ostream &out) {
    out << "lpu-compile " LPU_VERSION " (MLIR " LLVM_VERSION_STRING ")\n";
  });
  registerAllPasses(); // for --mlir-print-ir-after=PASS
  registerAsmPrinterCLOptions();
  registerMLIRContextCLOptions();
  registerPassManagerCLOptions();
  registerDefaultTimingManagerCLOptions();
  cl::ParseCommandLineOptions(argc, argv, "ONNX models to LPU binaries\n");
  if (listTargets) {
    return printTargets();
  }
  if (inputFile.empty()) {
    return fail("expected MODEL.onnx");
  }
  DialectRegistry registry;
  registerAllDialects(registry);
  MLIRContext context(registry);
  context.printOpOnDiagnostic(false);
  lpu::Progress progress(quiet ? nullptr : &llvm::errs(), llvm::errs().is_displayed());
  ScopedDiagnosticHandler handler(&context, [&](Diagnostic &diagnostic) {
    progress.clearLine();
    return printDiagnostic(diagnostic);
  });
  DefaultTimingManager manager;
  applyDefaultTimingManagerCLOptions(manager);
  TimingScope timing = manager.getRootScope();
  return compile(context, timing, progress);
}
