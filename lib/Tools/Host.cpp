//===- Host.cpp - lpu-host ------------------------------------------------===//

#include "lpu/Host/Host.h"
#include "lpu/Import/ONNX.h"
#include "lpu/Pipelines/Pipelines.h"
#include "lpu/Pipelines/RegisterAll.h"
#include "lpu/Tools/Tools.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/Format.h"
#include <chrono>

namespace cl = llvm::cl;
using namespace mlir;

namespace {

cl::OptionCategory category("lpu-host options");
cl::opt<std::string> inputFile(cl::Positional, cl::desc("MODEL.onnx or tensor level .mlir"),
                               cl::cat(category));
cl::list<std::string> entryTexts("entry",
                                 cl::desc("as lpu-compile has it; of a .mlir file, a name"),
                                 cl::value_desc("NAME[:DIM=SIZE,...]"), cl::cat(category));
cl::list<std::string> inputTexts("input", cl::desc("an input; those that are left out are zeros"),
                                 cl::value_desc("NAME=FILE.npy"), cl::cat(category));
cl::list<std::string> inputValueTexts("input-value",
                                      cl::desc("an input that is fixed to a value at import"),
                                      cl::value_desc("NAME=FILE.npy"), cl::cat(category));
cl::list<std::string> inputShapeTexts("input-shape",
                                      cl::desc("the shape of an input that the model leaves "
                                               "open; of a sequence, one for each element"),
                                      cl::value_desc("NAME=[SIZE,...]"), cl::cat(category));
cl::list<std::string> outputTexts("output", cl::desc("an output to write"),
                                  cl::value_desc("NAME=FILE.npy"), cl::cat(category));
cl::opt<unsigned> repeat("repeat", cl::init(1), cl::desc("runs, for timing"), cl::cat(category));
cl::opt<bool> observe("observe", cl::desc("print the largest |x| that matrix products, norms "
                                          "and attention read"),
                      cl::cat(category));

cl::opt<bool> expand("expand-scalars", cl::cat(category),
                     cl::desc("scalar bodies in operations of the VXM"));

int fail(const llvm::Twine &message) {
  llvm::errs() << "lpu-host: " << message << "\n";
  return 1;
}

double seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

OwningOpRef<ModuleOp> load(MLIRContext &context) {
  if (!llvm::StringRef(inputFile).ends_with(".onnx")) {
    return parseSourceFile<ModuleOp>(inputFile, &context);
  }
  lpu::ImportOptions import;
  for (const std::string &text : entryTexts) {
    auto entry = lpu::parseEntry(text);
    if (!entry) {
      fail("--entry: " + llvm::toString(entry.takeError()));
      return {};
    }
    import.entries.push_back(std::move(*entry));
  }
  import.whyNot = lpu::whyNotConvertible;
  for (const std::string &text : inputValueTexts) {
    auto value = lpu::parseInputValue(text);
    if (!value) {
      fail(llvm::toString(value.takeError()));
      return {};
    }
    import.inputValues.push_back(std::move(*value));
  }
  for (const std::string &text : inputShapeTexts) {
    auto shape = lpu::parseInputShape(text);
    if (!shape) {
      fail(llvm::toString(shape.takeError()));
      return {};
    }
    import.inputShapes.push_back(std::move(*shape));
  }
  OwningOpRef<ModuleOp> module = lpu::importONNX(inputFile, import, context);
  PassManager manager(&context);
  lpu::addPassesTo(lpu::Level::Tensor, manager);
  return module && succeeded(manager.run(*module)) ? std::move(module) : nullptr;
}

/// The entry that --entry names, or the only one.
func::FuncOp findEntry(ModuleOp module) {
  std::string name = entryTexts.empty() ? "" : entryTexts.front();
  auto entries = llvm::to_vector(module.getOps<func::FuncOp>());
  if (name.empty() && entries.size() == 1) {
    return entries.front();
  }
  return module.lookupSymbol<func::FuncOp>(llvm::StringRef(name).split(':').first);
}

/// Splits NAME=FILE; the index of the port of that name.
std::optional<size_t> findPort(llvm::StringRef option, const std::string &text,
                               const std::vector<lpu::host::Port> &ports, std::string &file) {
  auto [name, path] = llvm::StringRef(text).split('=');
  file = path.str();
  for (auto [index, port] : llvm::enumerate(ports)) {
    if (port.name == name && !path.empty()) {
      return index;
    }
  }
  fail("--" + option + ": expected NAME=FILE.npy with a name of the entry, got " + text);
  return std::nullopt;
}

void print(const lpu::host::Observations &observations, func::FuncOp entry) {
  entry.walk([&](Operation *op) {
    auto found = observations.find(op);
    if (found == observations.end() || op->getName().getStringRef() == "lpu.cache_update") {
      return;
    }
    auto name = dyn_cast<NameLoc>(op->getLoc());
    llvm::outs() << (name ? name.getName().getValue() : "?") << " " << op->getName() << ":";
    for (float value : found->second) {
      llvm::outs() << llvm::format(" %g", double(value));
    }
    llvm::outs() << "\n";
  });
}

int run(MLIRContext &context) {
  OwningOpRef<ModuleOp> module = load(context);
  if (!module) {
    return 1;
  }
  if (expand) {
    PassManager manager(&context);
    lpu::addExpansionPasses(manager);
    if (failed(manager.run(*module))) {
      return 1;
    }
  }
  func::FuncOp entry = findEntry(*module);
  if (!entry) {
    return fail("--entry: expected the name of an entry");
  }
  double start = seconds();
  auto program = lpu::host::Program::compile(entry);
  if (failed(program)) {
    return 1;
  }
  double compiled = seconds();
  std::vector<lpu::NpyArray> inputs;
  for (const lpu::host::Port &port : (*program)->inputs()) {
    inputs.push_back(lpu::host::makeZeros(port.type));
  }
  std::string file;
  for (const std::string &text : inputTexts) {
    auto port = findPort("input", text, (*program)->inputs(), file);
    if (!port) {
      return 1;
    }
    auto array = lpu::readNpy(file);
    if (!array.ok()) {
      return fail(std::string(array.status().message()));
    }
    inputs[*port] = std::move(*array);
  }
  lpu::host::Observations observations;
  std::vector<lpu::NpyArray> outputs;
  double best = 0, taken = 0;
  for (unsigned i = 0; i < std::max(1u, repeat.getValue()); ++i) {
    std::vector<lpu::NpyArray> copy = inputs;
    double before = seconds();
    auto results = (*program)->run(std::move(copy), observe ? &observations : nullptr);
    if (!results.ok()) {
      return fail(std::string(results.status().message()));
    }
    outputs = std::move(*results);
    taken = seconds() - before;
    best = i == 0 ? taken : std::min(best, taken);
  }
  for (const std::string &text : outputTexts) {
    auto port = findPort("output", text, (*program)->outputs(), file);
    if (!port) {
      return 1;
    }
    if (absl::Status status = lpu::writeNpy(outputs[*port], file); !status.ok()) {
      return fail(std::string(status.message()));
    }
  }
  print(observations, entry);
  llvm::outs() << llvm::format("%zu kernels, %zu calls, compiled in %.2f s, run in %.4f s\n",
                               (*program)->numKernels(), (*program)->numCalls(), compiled - start,
                               best);
  return 0;
}

} // namespace

int lpu::runHost(int argc, char **argv) {
  cl::HideUnrelatedOptions(category);
  cl::ParseCommandLineOptions(argc, argv, "Run the tensor level on this machine\n");
  if (inputFile.empty()) {
    return fail("expected MODEL.onnx or a .mlir file");
  }
  DialectRegistry registry;
  registerAllDialects(registry);
  MLIRContext context(registry);
  return run(context);
}
