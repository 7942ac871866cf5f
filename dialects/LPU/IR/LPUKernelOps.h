//===- LPUKernelOps.h - The kernel level of the lpu dialect -----*- C++ -*-===//
#ifndef LPU_IR_LPUKERNELOPS_H
#define LPU_IR_LPUKERNELOPS_H

#include "LPU/IR/LPUDialect.h"
#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "llvm/Support/MathExtras.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#include "LPU/IR/LPUKernelEnums.h.inc"

#define GET_TYPEDEF_CLASSES
#include "LPU/IR/LPUKernelTypes.h.inc"

#define GET_OP_CLASSES
#include "LPU/IR/LPUKernelOps.h.inc"

namespace mlir::lpu {

/// Bytes of an element of `format` in SRAM, one byte plane each.
unsigned getNumBytes(Format format);
/// int8 limbs of `format`: 1 to 3; 0 for a floating-point format.
unsigned getNumLimbs(Format format);

/// One copy of a buffer in SRAM: for each byte plane, low byte first, its
/// slice, bank and first word. Row r, vector v lies in word
/// first + r * vectors + v.
struct BytePlacement {
  int64_t slice, bank, first;
};
using Placement = SmallVector<BytePlacement, 4>;

/// The copies that a `placement` attribute lists: `numBytes` byte planes each.
SmallVector<Placement> decodePlacement(DenseI64ArrayAttr attribute,
                                       unsigned numBytes);
DenseI64ArrayAttr encodePlacement(MLIRContext *context,
                                  ArrayRef<Placement> copies);

/// A part of a table in one bank: rows `firstRow` .. `firstRow + rows - 1` of byte
/// plane `byte`.
struct TableWindow {
  int64_t byte, slice, bank, first, firstRow, rows;
};
SmallVector<TableWindow> decodeWindows(DenseI64ArrayAttr attribute);
DenseI64ArrayAttr encodeWindows(MLIRContext *context, ArrayRef<TableWindow> windows);

/// How the weights of a contraction are cut into tiles, on a machine with `lanes`.
struct ContractShape {
  int64_t k, n;          ///< rows and columns of the weights that count
  int64_t chunkRows;     ///< rows that meet one vector of activations
  /// Along K, along N. With `split`, vectors v and v + chunks meet the same rows.
  int64_t chunks, tiles;
  int64_t columns; ///< of the activations
  int64_t tileColumns;
  /// 16-row groups from one N tile to the next in SRAM.
  int64_t groups;
  int64_t getChunkRows(int64_t chunk) const {
    return std::min(chunkRows, columns - chunk * chunkRows);
  }
};
ContractShape getContractShape(ContractOp op, int64_t lanes);
/// Whether all 16-row groups of the weights are the same word.
bool isOneWord(ContractOp op, int64_t lanes);

/// Words of part `part` of a buffer of so many words that is larger than a bank; all words of one
/// that is not, of which placements are copies.
inline int64_t getPartWords(int64_t words, int64_t bank, size_t part) {
  return words <= bank ? words : std::min(bank, words - int64_t(part) * bank);
}

/// Some words of a result of lpu.assemble; `from` and `to` are [offset, stride a loop].
struct Piece {
  int64_t input, value; ///< input -1: `value` in every lane
  ArrayRef<int64_t> loops, from, to;
};
/// Fails where `list` has no such length.
FailureOr<Piece> getPiece(ArrayRef<int64_t> list);

/// The high byte that makes an f16 of a byte b of u8 tiles, and what that is: offset + b.
constexpr uint8_t kWideningByte = 0x64;
constexpr int64_t kWideningOffset = 1024;

/// The append that takes `buffer`, the result of a map that nothing else reads: its rows
/// go from the VXM into the tiles and lie nowhere else. Null when there is none.
AppendOp getStreamedAppend(Value buffer);

/// The contraction whose activations `buffer` is, the result of a map that nothing else reads,
/// and whose weights are one array: the rows go from the VXM into that array, in the chain
/// that computes them, and lie nowhere. Null when there is none.
ContractOp getStreamedContract(Value buffer, int64_t lanes);

/// Whether `buffer` is made in the same chains as rows that are streamed into a contraction,
/// and taken, by nothing else, in the chain that takes the sums: it waits on the VXM's mesh.
bool isCarried(Value buffer, int64_t lanes);

/// Whether `buffer`, the result of a map, needs no words, for one of these reasons.
bool isStreamed(Value buffer, int64_t lanes);

/// The one buffer that `buffer` is a part of. Null when there is none.
ConcatRowsOp getWhole(Value buffer);

/// The most rows of a part, where kernels work on some rows at a time.
constexpr int64_t kPartRows = 32;
/// Rows of each part but the last of `rows`, in as few parts of like size as `most` allows.
inline int64_t getPartRows(int64_t rows, int64_t most) {
  return llvm::divideCeil(rows, llvm::divideCeil(rows, most));
}

/// Where the tiles of one plane lie: in 16 slices a byte (low bytes first),
/// consecutive words of each, wherever these begin. Of widened tiles, the second 16
/// have one word each.
struct Stripe {
  int64_t plane;
  std::vector<BytePlacement> slices;
};
SmallVector<Stripe> decodeStripes(DenseI64ArrayAttr attribute);
DenseI64ArrayAttr encodeStripes(MLIRContext *context, ArrayRef<Stripe> stripes);
/// Where the tiles of a state, or the weights of `op`, lie, one stripe a plane that works on
/// them; none where they are not placed.
SmallVector<Stripe> getStripes(Value tiles);
SmallVector<Stripe> getStripes(ContractOp op);
/// Words of a slice that tiles take.
int64_t getTileWords(TilesType type, int64_t lanes);

} // namespace mlir::lpu

#endif // LPU_IR_LPUKERNELOPS_H
