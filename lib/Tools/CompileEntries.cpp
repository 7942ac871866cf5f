//===- CompileEntries.cpp - From placed kernels to a binary ---------------===//

#include "CompileEntries.h"
#include "Statistics.h"
#include "Stream/IR/StreamDialect.h"
#include "lpu/Export/Export.h"
#include "lpu/Verifier/Verifier.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include "mlir/IR/Threading.h"
#include "mlir/Pass/Pass.h"
#include "mlir/Pass/PassInstrumentation.h"
#include <atomic>

#if __has_include(<malloc.h>)
#include <malloc.h>
#endif

using namespace mlir;
using namespace lpu;

/// Frees the bytes of constants that the operations of `entry` refer to.
static void dropConstants(func::FuncOp entry) {
  entry.walk([](Operation *op) {
    for (NamedAttribute attribute : op->getAttrDictionary()) {
      if (auto elements = dyn_cast<DenseResourceElementsAttr>(attribute.getValue())) {
        if (AsmResourceBlob *blob = elements.getRawHandle().getBlob()) {
          *blob = AsmResourceBlob();
        }
      }
    }
  });
}

/// Gives memory that was freed back to the system: what one step needs in small pieces
/// the next often needs in large ones, and on another thread.
static void trimMemory() {
#ifdef __GLIBC__
  malloc_trim(0);
#endif
}

EntriesCompiler::EntriesCompiler(ModuleOp module) : module(module) {
  for (auto entry : llvm::make_early_inc_range(module.getOps<func::FuncOp>())) {
    dropConstants(entry);
    OwningOpRef<ModuleOp> part(ModuleOp::create(module.getLoc()));
    (*part)->setAttrs(module->getAttrDictionary());
    OpBuilder builder = OpBuilder::atBlockEnd(part->getBody());
    for (auto table : module.getOps<mlir::lpuisa::TableOp>()) {
      builder.clone(*table);
    }
    entry->moveBefore(part->getBody(), part->getBody()->end());
    parts.push_back(std::move(part));
  }
  entries.resize(parts.size());
  statistics.resize(parts.size());
  trimMemory();
}

LogicalResult EntriesCompiler::exportMemory() {
  FailureOr<Program> exported = exportProgram(module);
  if (failed(exported)) {
    return failure();
  }
  program = std::move(*exported);
  // In the order of the functions, whether they have words of their own or not.
  std::vector<EntryProgram> inOrder(parts.size());
  for (auto [part, entry] : llvm::zip(parts, inOrder)) {
    StringRef name = (*part->getOps<func::FuncOp>().begin()).getSymName();
    const EntryProgram *known = program->findEntry(std::string_view(name));
    entry = known ? *known : EntryProgram();
    entry.header.set_name(name.str());
  }
  program->entries = std::move(inOrder);
  program->producer = "lpu-compile";
  return success();
}

/// Shares of an entry's time up to its chains and its schedule, measured.
constexpr double kStreams = 0.15, kScheduled = 0.6;

/// Says how far an entry is after each of its passes, and gives back what they freed.
class EntriesCompiler::Steps : public PassInstrumentation {
public:
  Steps(EntriesCompiler &compiler, size_t index) : compiler(compiler), index(index) {}

  void runAfterPass(Pass *pass, Operation *op) override {
    trimMemory();
    if (pass->getArgument() == "convert-lpu-to-stream") {
      double issues = 0;
      op->walk([&](stream::IssueOp) { ++issues; });
      compiler.report(index, kStreams, issues);
    } else if (pass->getArgument() == "stream-schedule") {
      compiler.report(index, kScheduled);
    } else if (pass->getArgument() == "convert-stream-to-isa") {
      compiler.report(index, 0.8);
    }
  }

private:
  EntriesCompiler &compiler;
  size_t index;
};

void EntriesCompiler::report(size_t index, double share, double size) {
  std::lock_guard<std::mutex> lock(mutex);
  work[index].share = share;
  work[index].size = size > 0 ? size : work[index].size;
  // An entry without chains yet counts as the mean of the others.
  double sizes = 0, known = 0, done = 0;
  for (const Work &entry : work) {
    sizes += entry.size;
    known += entry.size > 0;
    done += entry.share * entry.size;
  }
  if (onProgress && sizes > 0) {
    onProgress(done / sizes * known / double(work.size()));
  }
}

LogicalResult EntriesCompiler::compile(size_t index, SetUp setUp) {
  PassManager manager(module.getContext());
  manager.addInstrumentation(std::make_unique<Steps>(*this, index));
  auto onSchedule = [this, index](double share) {
    report(index, kStreams + share * (kScheduled - kStreams));
  };
  if (failed(setUp(manager, onSchedule)) || failed(manager.run(*parts[index]))) {
    return failure();
  }
  auto op = *parts[index]->getOps<mlir::lpuisa::EntryOp>().begin();
  {
    EntryProgram entry = program->entries[index];
    if (failed(finish(op, entry, index))) {
      return failure();
    }
  }
  parts[index] = nullptr;
  trimMemory();
  report(index, 1);
  return success();
}

LogicalResult EntriesCompiler::finish(mlir::lpuisa::EntryOp op, EntryProgram &entry,
                                      size_t index) {
  if (failed(exportEntry(op, program->target, entry, /*takesQueues=*/true))) {
    return failure();
  }
  trimMemory();
  absl::Status status = checkEntry(*program, entry);
  if (!status.ok()) {
    return op.emitError(std::string(status.message()));
  }
  std::string wrong;
  for (const Violation &violation : verifyEntry(*program, entry).violations) {
    wrong += "\n" + violation.message;
  }
  if (!wrong.empty()) {
    return op.emitError("the compiled program is wrong, nothing was written: ") << wrong;
  }
  absl::StatusOr<EncodedEntry> encoded = encodeEntry(program->target, entry);
  if (!encoded.ok()) {
    return op.emitError(std::string(encoded.status().message()));
  }
  entries[index] = std::move(*encoded);
  statistics[index] = getEntryStatistics(program->target, entry, entries[index], op);
  return success();
}

llvm::json::Object EntriesCompiler::getStatistics() const {
  llvm::json::Object result;
  for (auto [entry, values] : llvm::zip(entries, statistics)) {
    result[entry.header.name()] = llvm::json::Object(values);
  }
  return result;
}

LogicalResult EntriesCompiler::run(SetUp setUp, std::function<void(double)> callback) {
  // Pass managers of several threads would load what their passes make at once.
  module.getContext()->loadAllAvailableDialects();
  onProgress = std::move(callback);
  work.resize(parts.size());
  // More at once would need more memory than they save time.
  constexpr size_t kAtOnce = 2;
  std::atomic<size_t> next = 0;
  return failableParallelForEachN(
      module.getContext(), 0, std::min(kAtOnce, parts.size()), [&](size_t) {
        for (size_t index; (index = next++) < parts.size();) {
          if (failed(compile(index, setUp))) {
            return failure();
          }
        }
        return success();
      });
}
