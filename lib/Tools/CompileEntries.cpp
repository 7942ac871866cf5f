//===- CompileEntries.cpp - From placed kernels to a binary ---------------===//

#include "CompileEntries.h"
#include "Statistics.h"
#include "lpu/Export/Export.h"
#include "lpu/Verifier/Verifier.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include "mlir/IR/Threading.h"

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
  compiled.resize(parts.size());
  trimMemory();
}

LogicalResult EntriesCompiler::exportMemory() {
  FailureOr<Program> exported = exportProgram(module);
  if (failed(exported)) {
    return failure();
  }
  program = std::move(*exported);
  // In the order of the functions, whether they have words of their own or not.
  std::vector<EntryProgram> entries(parts.size());
  for (auto [part, entry] : llvm::zip(parts, entries)) {
    StringRef name = (*part->getOps<func::FuncOp>().begin()).getSymName();
    const EntryProgram *known = program->findEntry(std::string_view(name));
    entry = known ? *known : EntryProgram();
    entry.header.set_name(name.str());
  }
  program->entries = std::move(entries);
  program->producer = "lpu-compile";
  return success();
}

LogicalResult EntriesCompiler::compile(size_t index, SetUp setUp) {
  MLIRContext *context = module.getContext();
  PassManager manager(context);
  if (failed(setUp(manager)) || failed(manager.run(*parts[index]))) {
    return failure();
  }
  auto op = *parts[index]->getOps<mlir::lpuisa::EntryOp>().begin();
  EntryProgram entry = program->entries[index];
  if (failed(exportEntry(op, program->target, entry, /*takesQueues=*/true))) {
    return failure();
  }
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
  compiled[index].encoded = std::move(*encoded);
  compiled[index].statistics =
      getEntryStatistics(program->target, entry, compiled[index].encoded, op);
  parts[index] = nullptr;
  entry = EntryProgram();
  trimMemory();
  return success();
}

LogicalResult EntriesCompiler::run(SetUp setUp) {
  // Pass managers of several threads would load what their passes make at once.
  module.getContext()->loadAllAvailableDialects();
  return failableParallelForEachN(module.getContext(), 0, parts.size(),
                                  [&](size_t index) { return compile(index, setUp); });
}
