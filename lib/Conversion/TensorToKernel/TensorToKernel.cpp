//===- TensorToKernel.cpp - The tensor level to the kernel level ----------===//
//
// A tensor becomes rows of lane vectors: its last dimension is the columns, all
// others are rows, so that reshapes of the leading dimensions cost nothing.
// Contractions stay in the accumulators for the maps that read them.
//
//===----------------------------------------------------------------------===//

#include "LPU/IR/LPUKernelOps.h"
#include "LPU/IR/LPUTensorOps.h"
#include "Weights.h"
#include "lpu/Conversion/Passes.h"
#include "lpu/Target/Target.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

using namespace mlir;
using namespace mlir::lpu;
using ::lpu::tensor_lowering::QuantizedMatrix;

namespace {

struct Extent {
  int64_t rows = 1, columns = 1;
  bool operator==(const Extent &) const = default;
};
Extent getExtent(Type type) {
  Extent extent;
  auto shape = cast<RankedTensorType>(type).getShape();
  if (!shape.empty()) {
    extent.columns = shape.back();
    for (int64_t size : shape.drop_back()) {
      extent.rows *= size;
    }
  }
  return extent;
}

class EntryConverter {
public:
  EntryConverter(func::FuncOp entry, const ::lpu::KernelOptions &options)
      : entry(entry), options(options),
        files(entry->getParentOfType<ModuleOp>()) {}

  LogicalResult run() {
    if (options.limbs < 1 || options.limbs > 3) {
      return entry.emitError("expected 1 to 3 activation limbs, got ") << options.limbs;
    }
    Block &old = entry.getBody().front();
    Block *block = new Block;
    entry.getBody().push_back(block);
    ImplicitLocOpBuilder b(entry.getLoc(), OpBuilder::atBlockEnd(block));
    if (failed(loadInputs(b, old))) {
      return failure();
    }
    for (Operation &op : old) {
      b.setLoc(op.getLoc());
      if (failed(convert(b, &op))) {
        return failure();
      }
    }
    old.dropAllReferences();
    old.erase();
    entry.setFunctionType(b.getFunctionType({}, {}));
    entry.removeArgAttrsAttr();
    entry.removeResAttrsAttr();
    return success();
  }

private:
  BufferType buffer(Extent extent, Format format) {
    return BufferType::get(entry.getContext(), extent.rows, extent.columns, format);
  }
  StringRef getInputName(unsigned index) {
    auto name = entry.getArgAttrOfType<StringAttr>(index, LPUDialect::kNameAttr);
    return name ? name.getValue() : StringRef();
  }

  LogicalResult loadInputs(ImplicitLocOpBuilder &b, Block &old) {
    for (BlockArgument argument : old.getArguments()) {
      auto type = dyn_cast<RankedTensorType>(argument.getType());
      StringRef name = getInputName(argument.getArgNumber());
      if (!type || !type.getElementType().isF32() || !type.hasStaticShape()) {
        return entry.emitError("input '")
               << name << "': expected float elements and a static shape, got "
               << argument.getType() << "; other inputs are not supported yet";
      }
      values[argument] = LoadInputOp::create(b, buffer(getExtent(type), Format::F32),
                                             name, type.getShape(), DenseI64ArrayAttr());
    }
    return success();
  }

  LogicalResult convert(ImplicitLocOpBuilder &b, Operation *op) {
    if (isa<WeightOp, DequantizeOp, arith::ConstantOp, tensor::EmptyOp,
            linalg::FillOp>(op)) {
      return success(); // read where they are used
    }
    if (isa<tensor::CollapseShapeOp, tensor::ExpandShapeOp>(op)) {
      return convertReshape(op);
    }
    if (auto matmul = dyn_cast<linalg::MatmulOp>(op)) {
      return convertMatmul(b, matmul);
    }
    if (auto norm = dyn_cast<RmsNormOp>(op)) {
      return convertRmsNorm(b, norm);
    }
    if (auto generic = dyn_cast<linalg::GenericOp>(op)) {
      return convertGeneric(b, generic);
    }
    if (auto ret = dyn_cast<func::ReturnOp>(op)) {
      return convertReturn(b, ret);
    }
    return op->emitOpError("has no kernel yet");
  }

  LogicalResult convertReshape(Operation *op) {
    Value source = op->getOperand(0), result = op->getResult(0);
    if (getExtent(source.getType()) != getExtent(result.getType())) {
      return op->emitOpError("changes the last dimension: no kernel moves lanes yet");
    }
    values[result] = values.lookup(source);
    return success();
  }

  LogicalResult convertMatmul(ImplicitLocOpBuilder &b, linalg::MatmulOp op) {
    FailureOr<std::optional<QuantizedMatrix>> matrix =
        ::lpu::tensor_lowering::getQuantizedMatrix(op.getInputs()[1], files);
    if (failed(matrix)) {
      return failure();
    }
    Value x = values.lookup(op.getInputs()[0]);
    if (!*matrix || !x) {
      return op.emitOpError("expected a computed left and a constant right matrix: "
                            "no other kernel yet");
    }
    FailureOr<float> largest = getInputMax(op);
    if (failed(largest)) {
      return failure();
    }
    Extent shape = getExtent(op.getInputs()[1].getType());
    Extent result = getExtent(op.getResult(0).getType());
    float scale = float(getLevels(options.limbs)) / (*largest * options.headroom);
    Value limbs = map(b, x, buffer(getExtent(op.getInputs()[0].getType()),
                                   getFormat(options.limbs)),
                      {scale}, [](ImplicitLocOpBuilder &, ValueRange in) { return in[0]; });
    values[op.getResult(0)] =
        contract(b, limbs, **matrix, shape, result, options.limbs, scale);
    return success();
  }

  /// The largest integer of balanced limbs: 0x7f in every limb.
  static int64_t getLevels(unsigned limbs) {
    int64_t levels = 0;
    for (unsigned limb = 0; limb < limbs; ++limb) {
      levels = levels << 8 | 0x7f;
    }
    return levels;
  }
  static Format getFormat(unsigned limbs) {
    switch (limbs) {
    case 1:
      return Format::I8x1;
    case 2:
      return Format::I8x2;
    case 3:
      return Format::I8x3;
    default:
      return Format::I8x4;
    }
  }

  /// x / scale, in limbs, times `matrix` (K x N, `shape`).
  Value contract(ImplicitLocOpBuilder &b, Value x, const QuantizedMatrix &matrix,
                 Extent shape, Extent result, unsigned limbs, float scale) {
    // Row l, high limb first: the column's scale times 256^(limbs - 1 - l).
    std::vector<float> rows;
    for (unsigned limb = limbs; limb-- > 0;) {
      for (float column : matrix.scales) {
        rows.push_back(float(double(column) / scale * std::exp2(8.0 * limb)));
      }
    }
    Value scales = constant(b, rows, {int64_t(limbs), int64_t(matrix.scales.size())});
    auto type = RankedTensorType::get({shape.rows, shape.columns}, b.getI8Type());
    ArrayRef<char> raw(reinterpret_cast<const char *>(matrix.values.data()),
                       matrix.values.size());
    auto attribute = DenseResourceElementsAttr::get(
        type, "weights", HeapAsmResourceBlob::allocateAndCopyWithAlign(raw, 1));
    return ContractOp::create(b,
                              AccType::get(b.getContext(), result.rows, result.columns,
                                           cast<BufferType>(x.getType()).getFormat()),
                              x, scales, Value(), attribute, 0, 0, DenseI64ArrayAttr());
  }

  // The squares go through a tile of ones, so that their mean arrives in every
  // lane; four limbs, because squaring eats the headroom twice.
  LogicalResult convertRmsNorm(ImplicitLocOpBuilder &b, RmsNormOp op) {
    auto type = cast<RankedTensorType>(op.getInput().getType());
    FailureOr<std::optional<std::vector<float>>> gain =
        ::lpu::tensor_lowering::getConstant(op.getScale(), files);
    FailureOr<float> largest = getInputMax(op);
    if (failed(gain) || failed(largest)) {
      return failure();
    }
    Extent extent = getExtent(type);
    if (!*gain || int64_t((*gain)->size()) != extent.columns ||
        op.getAxis() != uint64_t(type.getRank() - 1)) {
      return op.emitOpError("expected a constant scale and the last dimension: no "
                            "other kernel yet");
    }
    const ::lpu::Target *target = getTarget();
    if (!target) {
      return failure();
    }
    constexpr unsigned kLimbs = 4;
    Value x = values.lookup(op.getInput());
    float range = *largest * options.headroom;
    float scale = float(double(getLevels(kLimbs)) / (double(range) * range));
    Value squares = map(b, x, buffer(extent, getFormat(kLimbs)), {scale},
                        [](ImplicitLocOpBuilder &inner, ValueRange in) -> Value {
                          return arith::MulFOp::create(inner, in[0], in[0]);
                        });
    QuantizedMatrix ones{
        std::vector<int8_t>(size_t(extent.columns) * target->lanes(), 1),
        {1.0f / float(extent.columns)}};
    Value mean = contract(b, squares, ones, {extent.columns, int64_t(target->lanes())},
                          {extent.rows, 1}, kLimbs, scale);
    float epsilon = op.getEpsilon().convertToFloat();
    Value inverse =
        map(b, mean, buffer({extent.rows, 1}, Format::F32), {1.0f},
            [&](ImplicitLocOpBuilder &inner, ValueRange in) -> Value {
              Value e = arith::ConstantOp::create(inner, inner.getF32FloatAttr(epsilon));
              Value sum = arith::AddFOp::create(inner, in[0], e);
              return math::RsqrtOp::create(inner, sum);
            });
    Value g = constant(b, **gain, {1, extent.columns});
    values[op.getResult()] =
        map(b, {x, inverse, g}, buffer(extent, Format::F32), {1.0f},
            [](ImplicitLocOpBuilder &inner, ValueRange in) -> Value {
              Value normed = arith::MulFOp::create(inner, in[0], in[1]);
              return arith::MulFOp::create(inner, normed, in[2]);
            });
    return success();
  }

  const ::lpu::Target *getTarget() {
    if (!target) {
      auto name =
          entry->getParentOfType<ModuleOp>()->getAttrOfType<StringAttr>("lpu.target");
      if (!name) {
        entry.emitOpError("expected `lpu.target` on the module");
        return nullptr;
      }
      absl::StatusOr<::lpu::Target> found =
          ::lpu::Target::lookup(name.getValue().str());
      if (!found.ok()) {
        entry.emitOpError(std::string(found.status().message()));
        return nullptr;
      }
      target = std::make_unique<::lpu::Target>(std::move(*found));
    }
    return target.get();
  }

  /// Largest |x| of a contraction's activations that calibration saw.
  FailureOr<float> getInputMax(Operation *op) {
    if (auto seen = op->getAttrOfType<DenseF32ArrayAttr>(LPUDialect::kInputMaxAttr)) {
      return seen[0];
    }
    if (options.activationMax > 0) {
      return options.activationMax;
    }
    return op->emitError("the range of its input is not known: give "
                         "--activation-max=LARGEST");
  }

  /// A map with one result.
  Value map(ImplicitLocOpBuilder &b, ValueRange inputs, BufferType result,
            ArrayRef<float> scales,
            llvm::function_ref<Value(ImplicitLocOpBuilder &, ValueRange)> body) {
    auto op = MapOp::create(b, TypeRange(result), inputs, scales, ArrayAttr());
    Block &block = op.getBody().emplaceBlock();
    for (Value input : inputs) {
      block.addArgument(b.getF32Type(), input.getLoc());
    }
    ImplicitLocOpBuilder inner(b.getLoc(), OpBuilder::atBlockEnd(&block));
    YieldOp::create(inner, body(inner, block.getArguments()));
    return op.getResult(0);
  }

  Value constant(ImplicitLocOpBuilder &b, ArrayRef<float> data, Extent extent) {
    auto type = RankedTensorType::get({extent.rows, extent.columns}, b.getF32Type());
    return ConstantRowsOp::create(b, buffer(extent, Format::F32),
                                  DenseElementsAttr::get(type, data),
                                  DenseI64ArrayAttr());
  }

  LogicalResult convertGeneric(ImplicitLocOpBuilder &b, linalg::GenericOp op) {
    if (op.getNumParallelLoops() != op.getNumLoops() || op.getNumResults() != 1 ||
        !op.getIndexingMapsArray().back().isIdentity()) {
      return op.emitOpError("has no kernel yet: not elementwise");
    }
    Extent extent = getExtent(op.getResult(0).getType());
    SmallVector<Value> inputs;
    SmallVector<std::optional<float>> immediates;
    for (OpOperand *operand : op.getDpsInputOperands()) {
      FailureOr<std::optional<std::vector<float>>> data =
          ::lpu::tensor_lowering::getConstant(operand->get(), files);
      if (failed(data)) {
        return failure();
      }
      Extent from = getExtent(operand->get().getType());
      if ((from.rows != 1 && from.rows != extent.rows) ||
          (from.columns != 1 && from.columns != extent.columns)) {
        return op.emitOpError("broadcasts an inner dimension: no kernel moves "
                              "rows yet");
      }
      immediates.emplace_back();
      if (*data && (*data)->size() == 1) {
        immediates.back() = (*data)->front();
        continue;
      }
      if (!*data && from.columns == 1 && extent.columns != 1) {
        return op.emitOpError("broadcasts a column: no kernel moves lanes yet");
      }
      inputs.push_back(*data ? constant(b, **data, from)
                             : values.lookup(operand->get()));
    }
    Value result = map(
        b, inputs, buffer(extent, Format::F32), {1.0f},
        [&](ImplicitLocOpBuilder &inner, ValueRange arguments) {
          IRMapping mapping;
          for (auto [index, immediate] : llvm::enumerate(immediates)) {
            Value value;
            if (immediate) {
              value = arith::ConstantOp::create(inner, inner.getF32FloatAttr(*immediate));
            } else {
              value = arguments.front();
              arguments = arguments.drop_front();
            }
            mapping.map(op.getBody()->getArgument(unsigned(index)), value);
          }
          for (Operation &scalar : op.getBody()->without_terminator()) {
            inner.clone(scalar, mapping);
          }
          return mapping.lookup(op.getBody()->getTerminator()->getOperand(0));
        });
    values[op.getResult(0)] = result;
    return success();
  }

  LogicalResult convertReturn(ImplicitLocOpBuilder &b, func::ReturnOp op) {
    for (auto [index, result] : llvm::enumerate(op.getOperands())) {
      auto name = entry.getResultAttrOfType<StringAttr>(unsigned(index),
                                                        LPUDialect::kNameAttr);
      auto type = cast<RankedTensorType>(result.getType());
      Value value = values.lookup(result);
      if (!value) {
        return op.emitOpError("expected computed outputs, got a constant");
      }
      // Sums leave the accumulators, and an output has words of its own.
      if (isa<AccType>(value.getType()) || value.getDefiningOp<LoadInputOp>() ||
          !stored.insert(value).second) {
        value = map(b, value, buffer(getExtent(type), Format::F32), {1.0f},
                    [](ImplicitLocOpBuilder &, ValueRange in) { return in[0]; });
      }
      StoreOutputOp::create(b, value, name ? name.getValue() : "", type.getShape());
    }
    func::ReturnOp::create(b);
    return success();
  }

  func::FuncOp entry;
  ::lpu::KernelOptions options;
  mlir::onnx::WeightFiles files;
  llvm::DenseMap<Value, Value> values;
  llvm::DenseSet<Value> stored;
  std::unique_ptr<::lpu::Target> target;
};

struct TensorToKernel : PassWrapper<TensorToKernel, OperationPass<func::FuncOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(TensorToKernel)
  TensorToKernel() = default;
  TensorToKernel(const TensorToKernel &other) : PassWrapper(other) {}
  explicit TensorToKernel(const ::lpu::KernelOptions &options) {
    limbs = options.limbs;
    activationMax = options.activationMax;
    headroom = options.headroom;
  }
  StringRef getArgument() const override { return "convert-tensor-to-kernel"; }
  StringRef getDescription() const override {
    return "choose number formats and kernels for tensors";
  }
  void getDependentDialects(DialectRegistry &registry) const override {
    registry.insert<LPUDialect, arith::ArithDialect, math::MathDialect>();
  }
  void runOnOperation() override {
    if (failed(EntryConverter(getOperation(), {limbs, activationMax, headroom}).run())) {
      signalPassFailure();
    }
  }
  Option<unsigned> limbs{*this, "limbs", llvm::cl::init(3),
                         llvm::cl::desc("int8 limbs of activations, 1 to 3")};
  Option<float> activationMax{
      *this, "activation-max", llvm::cl::init(0),
      llvm::cl::desc("largest |x| of activations that calibration did not see")};
  Option<float> headroom{*this, "headroom", llvm::cl::init(2),
                         llvm::cl::desc("range of activations / largest |x| seen")};
};

} // namespace

namespace lpu {
std::unique_ptr<Pass> createTensorToKernelPass(const KernelOptions &options) {
  return std::make_unique<TensorToKernel>(options);
}
} // namespace lpu
