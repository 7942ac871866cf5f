//===- EntryConverter.h - One entry, tensor to kernel level -----*- C++ -*-===//
#ifndef LPU_LIB_CONVERSION_TENSORTOKERNEL_ENTRYCONVERTER_H
#define LPU_LIB_CONVERSION_TENSORTOKERNEL_ENTRYCONVERTER_H

#include "LPU/IR/LPUKernelOps.h"
#include "LPU/IR/LPUTensorOps.h"
#include "Derive.h"
#include "Layout.h"
#include "Weights.h"
#include "lpu/Conversion/Passes.h"
#include "lpu/Target/Target.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "llvm/ADT/DenseSet.h"
#include <map>

namespace lpu::tensor_lowering {

/// Rows and columns of a tensor at kernel level.
struct Extent {
  int64_t rows = 1, columns = 1;
  bool operator==(const Extent &) const = default;
};
/// The last dimension of a ranked tensor is the columns, all others are rows.
Extent getExtent(mlir::Type type);

/// The largest integer of balanced limbs: 0x7f in every limb.
int64_t getLevels(unsigned limbs);
mlir::lpu::Format getFormat(unsigned limbs);

/// `value` in a map's body, as f32.
mlir::Value floatConstant(mlir::ImplicitLocOpBuilder &b, double value);

/// Constants of all entries, by content: equal ones are one attribute, so that they
/// lie in SRAM once.
class ConstantPool {
public:
  /// `raw` as elements of `type`; `name` for its text.
  mlir::ElementsAttr get(mlir::RankedTensorType type, llvm::ArrayRef<char> raw,
                         size_t alignment, llvm::StringRef name);

private:
  std::map<std::tuple<const void *, uint64_t, uint64_t>, mlir::ElementsAttr> known;
};

class EntryConverter {
public:
  EntryConverter(mlir::func::FuncOp entry, const ::lpu::KernelOptions &options,
                 ConstantPool &constants)
      : entry(entry), options(options), constants(constants),
        files(entry->getParentOfType<mlir::ModuleOp>()) {}

  mlir::LogicalResult run();

private:
  using Builder = mlir::ImplicitLocOpBuilder;
  using Bodies =
      llvm::function_ref<llvm::SmallVector<mlir::Value>(Builder &, mlir::ValueRange)>;
  using Body = llvm::function_ref<mlir::Value(Builder &, mlir::ValueRange)>;

  mlir::LogicalResult loadInputs(Builder &b, mlir::Block &old);
  mlir::LogicalResult convert(Builder &b, mlir::Operation *op);
  mlir::LogicalResult convertReshape(mlir::Operation *op);
  mlir::LogicalResult convertMatmul(Builder &b, mlir::linalg::MatmulOp op);
  mlir::LogicalResult convertHalfMatmul(Builder &b, mlir::linalg::MatmulOp op);
  mlir::LogicalResult convertRmsNorm(Builder &b, mlir::lpu::RmsNormOp op);
  /// Sums over the columns of x * x, in every lane, and the factor that makes them
  /// means; from int8 limbs or fp16, as all products.
  std::pair<mlir::Value, float> sumSquares(Builder &b, mlir::Value x, Extent extent,
                                           float largest);
  std::pair<mlir::Value, float> sumHalfSquares(Builder &b, mlir::Value x, Extent extent,
                                               float largest);
  mlir::LogicalResult convertGeneric(Builder &b, mlir::linalg::GenericOp op);
  mlir::LogicalResult convertReturn(Builder &b, mlir::func::ReturnOp op);

  mlir::LogicalResult convertRotary(Builder &b, mlir::lpu::RotaryOp op);
  mlir::LogicalResult convertGather(Builder &b, mlir::lpu::GatherOp op);
  /// Rows of a tensor that the entry computed.
  mlir::LogicalResult convertComputedGather(Builder &b, mlir::lpu::GatherOp op,
                                            mlir::Value table);
  mlir::LogicalResult convertCacheUpdate(Builder &b, mlir::lpu::CacheUpdateOp op);
  mlir::LogicalResult convertAttention(Builder &b, mlir::lpu::AttentionOp op);
  /// Attention of some query rows, in three steps; each waits for a trip to the MXM that
  /// the one before has begun.
  struct AttentionRows {
    mlir::Value query, mask;
    llvm::SmallVector<mlir::Value> windows; ///< exp2 of scores, to bound the largest
    mlir::Value logits, weights;
    // Of caches in int8: what to add to the sums of a row, what a score's unit stands
    // for, and the scales of the result's columns.
    mlir::Value offsets;
    float unit = 1;
    mlir::Value valueScales;
  };
  void scoreRows(Builder &b, mlir::lpu::AttentionOp op, AttentionRows &rows);
  void weighRows(Builder &b, mlir::lpu::AttentionOp op, AttentionRows &rows);
  /// The results of consecutive rows.
  llvm::SmallVector<mlir::Value> sumRows(Builder &b, mlir::lpu::AttentionOp op,
                                         const AttentionRows &rows);
  mlir::Value sumWeights(Builder &b, mlir::lpu::AttentionOp op, mlir::Value weights, int64_t rows,
                         mlir::Value valueScales);
  /// The scales of a cache in int8, one a column; none where it is in f16.
  mlir::FailureOr<std::vector<float>> getCacheScales(mlir::Value cache);
  /// `rows`, quantised by the model, as bytes or as f16 that has their integers.
  mlir::FailureOr<mlir::Value> quantizeRows(Builder &b, mlir::Value rows,
                                            mlir::lpu::Format format);
  /// The query times the scales of the keys that it meets, in units of the largest.
  mlir::Value scaleQuery(Builder &b, mlir::Value query, mlir::lpu::BufferType type,
                         llvm::ArrayRef<float> keyScales, const HeadLayout &heads,
                         float &unit);
  /// What widened keys add to the scores, negative, for each row and head.
  mlir::Value sumScoreOffsets(Builder &b, mlir::Value query, const HeadLayout &heads);
  /// The scales of the columns of attention's result.
  mlir::Value makeValueScales(Builder &b, llvm::ArrayRef<float> scales,
                              const HeadLayout &heads);
  /// Products of widened values with weights whose sum is `total`, in a map.
  static mlir::Value removeValueOffset(Builder &b, mlir::Value products, mlir::Value total);
  /// How many rows of attention to compute at once of `rows`, with so many heads and vectors of
  /// scores each.
  static int64_t getBlockRows(int64_t rows, int64_t heads, int64_t vectors);
  mlir::Value takeRows(Builder &b, mlir::Value source, int64_t first, int64_t count);
  /// Writes `rows` into the transposed tiles `state` of `groups` groups of features, the first
  /// at position `start`.
  void appendColumns(Builder &b, mlir::Value rows, const IndexExpr &start, mlir::Value state,
                     int64_t groups);
  mlir::LogicalResult loadInteger(Builder &b, mlir::BlockArgument argument);

  /// Element `index` of a tensor of integers that the host knows.
  mlir::FailureOr<IndexExpr> getElement(mlir::Value integers, const IndexExpr &index,
                                        mlir::Operation *user);
  /// The bound that the entry states for `integers`, at most `otherwise`.
  mlir::FailureOr<int64_t> getMaximum(mlir::Value integers, int64_t otherwise,
                                      mlir::Operation *user);
  /// `value`, computed by the host for every lane of `extent`.
  mlir::Value derive(Builder &b, llvm::StringRef label, const IndexExpr &value,
                     Extent extent, mlir::lpu::Format format);
  /// Rows `indices` of `table`.
  mlir::FailureOr<mlir::Value> gatherRows(Builder &b, mlir::Value table,
                                          mlir::Value indices, mlir::Operation *user);

  mlir::StringRef getInputName(unsigned index);
  /// The module's target; null with an error when there is none.
  const ::lpu::Target *getTarget();
  /// Largest |x| of a contraction's activations that calibration saw.
  mlir::FailureOr<float> getInputMax(mlir::Operation *op);
  /// Range of a product's activations / getInputMax.
  float getHeadroom(mlir::Operation *op);

  mlir::lpu::BufferType buffer(Extent extent, mlir::lpu::Format format, int64_t width = 0) {
    return mlir::lpu::BufferType::get(entry.getContext(), extent.rows, extent.columns,
                                      format, width);
  }
  mlir::Value constant(Builder &b, llvm::ArrayRef<float> data, Extent extent,
                       int64_t width = 0);
  /// A map; `body` gets a scalar an input and returns one a result.
  mlir::ValueRange map(Builder &b, mlir::ValueRange inputs, mlir::TypeRange results,
                       llvm::ArrayRef<float> scales, Bodies body);
  /// A map with one result.
  mlir::Value map(Builder &b, mlir::ValueRange inputs, mlir::lpu::BufferType result,
                  float scale, Body body);
  /// x * scale, in limbs, times int8 `weights`, of which column n stands for
  /// columnScales[n] (one for all: size 1).
  mlir::Value contract(Builder &b, mlir::Value x, mlir::ElementsAttr weights,
                       llvm::ArrayRef<float> columnScales, mlir::lpu::AccType result,
                       float scale);
  mlir::lpu::AccType sums(Extent extent, mlir::lpu::Format format, int64_t width = 0) {
    return mlir::lpu::AccType::get(entry.getContext(), extent.rows, extent.columns, format,
                                   width);
  }

  /// Tells the host the range of indices that are an input of the entry: from
  /// -size on, below size.
  void boundIndices(mlir::Value indices, int64_t size);
  /// The row of a table of `size` rows that index IndexExpr::row() names.
  mlir::FailureOr<IndexExpr> getRow(mlir::Value indices, int64_t size,
                                    mlir::Operation *user);
  /// A constant of which rows are gathered.
  template <typename T>
  mlir::Value table(Builder &b, llvm::ArrayRef<T> data, mlir::lpu::BufferType type);
  /// gathered * scales[row], for every row.
  mlir::Value scaleRows(Builder &b, mlir::Value gathered, llvm::ArrayRef<float> scales,
                        const IndexExpr &row);
  mlir::LogicalResult convertQuantizedGather(Builder &b, mlir::lpu::GatherOp op,
                                             const QuantizedTensor &tensor);

  mlir::func::FuncOp entry;
  ::lpu::KernelOptions options;
  ConstantPool &constants;
  mlir::onnx::WeightFiles files;
  llvm::DenseMap<mlir::Value, mlir::Value> values; ///< tensor -> buffer or sums
  std::map<std::pair<const void *, float>, mlir::Value> limbsOf; ///< by scale
  /// Rows of rotary tables by positions and table.
  std::map<std::pair<const void *, const void *>, mlir::Value> rotaryRows;
  Layouts layouts;
  llvm::DenseSet<mlir::Value> stored;
};

} // namespace lpu::tensor_lowering

#endif // LPU_LIB_CONVERSION_TENSORTOKERNEL_ENTRYCONVERTER_H
