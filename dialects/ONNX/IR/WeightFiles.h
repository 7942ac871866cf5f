#ifndef LPU_DIALECTS_ONNX_IR_WEIGHTFILES_H
#define LPU_DIALECTS_ONNX_IR_WEIGHTFILES_H

#include "ONNX/IR/ONNXDialect.h"

#include "llvm/ADT/StringMap.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/MemoryBuffer.h"

#include <memory>
#include <string>

namespace mlir::onnx {

/// Content hash of a weight, as 32 hexadecimal digits: the 128-bit XXH3 of the
/// concatenated (little-endian low half, high half) 128-bit XXH3 of each MiB of
/// the content. In pieces, so that a reader holds one MiB and no more.
class ContentHasher {
public:
  static constexpr size_t kPieceBytes = size_t(1) << 20;

  /// Adds the next piece, of kPieceBytes but for the last one.
  void addPiece(llvm::ArrayRef<uint8_t> piece);
  /// The hash of all pieces added so far.
  std::string finish() const;

private:
  llvm::SmallVector<uint8_t> hashes;
};

/// Maps the files of weights into memory, each once, and hands out the bytes
/// that a reference names. Pages are read when touched.
class WeightFiles {
public:
  /// `folder` is the folder of the model: the module's `onnx.folder`.
  explicit WeightFiles(std::string folder) : folder(std::move(folder)) {}
  /// For the model that `module` was imported from.
  explicit WeightFiles(mlir::ModuleOp module);

  /// The bytes of `ref`, in ONNX's raw layout and not aligned; they live as
  /// long as this object. An error names the file when it is missing or too
  /// short.
  llvm::Expected<llvm::ArrayRef<char>> getBytes(WeightRefAttr ref);

private:
  std::string folder;
  llvm::StringMap<std::unique_ptr<llvm::MemoryBuffer>> files;
};

} // namespace mlir::onnx

#endif // LPU_DIALECTS_ONNX_IR_WEIGHTFILES_H
