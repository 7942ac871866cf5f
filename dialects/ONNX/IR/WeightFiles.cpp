#include "ONNX/IR/WeightFiles.h"

#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/xxhash.h"

using namespace mlir;
using namespace mlir::onnx;

void ContentHasher::addPiece(ArrayRef<uint8_t> piece) {
  llvm::XXH128_hash_t hash = llvm::xxh3_128bits(piece);
  uint8_t bytes[16];
  llvm::support::endian::write64le(bytes, hash.low64);
  llvm::support::endian::write64le(bytes + 8, hash.high64);
  hashes.append(std::begin(bytes), std::end(bytes));
}

std::string ContentHasher::finish() const {
  llvm::XXH128_hash_t hash = llvm::xxh3_128bits(hashes);
  return llvm::formatv("{0:x-16}{1:x-16}", hash.high64, hash.low64);
}

static std::string getFolder(ModuleOp module) {
  auto folder = module->getAttrOfType<StringAttr>(kFolderAttr);
  return folder ? folder.str() : std::string();
}

WeightFiles::WeightFiles(ModuleOp module) : WeightFiles(getFolder(module)) {}

llvm::Expected<ArrayRef<char>> WeightFiles::getBytes(WeightRefAttr ref) {
  SmallString<128> path(folder);
  llvm::sys::path::append(path, ref.getFile().getValue());
  std::unique_ptr<llvm::MemoryBuffer> &file = files[path];
  if (!file) {
    auto opened = llvm::MemoryBuffer::getFile(path, /*IsText=*/false,
                                              /*RequiresNullTerminator=*/false);
    if (!opened) {
      return llvm::createStringError(opened.getError(),
                                     "weights file '" + Twine(path) +
                                         "': " + opened.getError().message());
    }
    file = std::move(*opened);
  }
  uint64_t end = static_cast<uint64_t>(ref.getOffset()) +
                 static_cast<uint64_t>(ref.getLength());
  if (end > file->getBufferSize()) {
    return llvm::createStringError(
        "weights file '" + Twine(path) + "': expected at least " + Twine(end) +
        " bytes, got " + Twine(file->getBufferSize()));
  }
  return ArrayRef<char>(file->getBufferStart() + ref.getOffset(),
                        ref.getLength());
}
