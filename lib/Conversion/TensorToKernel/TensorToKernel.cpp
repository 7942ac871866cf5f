//===- TensorToKernel.cpp - The tensor level to the kernel level ----------===//
//
// A tensor becomes rows of lane vectors: its last dimension is the columns, all
// others are rows, so that reshapes of the leading dimensions cost nothing.
// Contractions stay in the accumulators for the maps that read them.
//
//===----------------------------------------------------------------------===//

#include "EntryConverter.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include "mlir/IR/IRMapping.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/Support/xxhash.h"

using namespace mlir;
using namespace mlir::lpu;
using ::lpu::tensor_lowering::EntryConverter;
using ::lpu::tensor_lowering::Extent;
using ::lpu::tensor_lowering::getExtent;
using ::lpu::tensor_lowering::getFormat;
using ::lpu::tensor_lowering::getLevels;
using ::lpu::tensor_lowering::Layout;

namespace lpu::tensor_lowering {
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

constexpr float kLeastHeadroom = 2;

int64_t getLevels(unsigned limbs) {
  int64_t levels = 0;
  for (unsigned limb = 0; limb < limbs; ++limb) {
    levels = levels << 8 | 0x7f;
  }
  return levels;
}

Format getFormat(unsigned limbs) {
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

ElementsAttr ConstantPool::get(RankedTensorType type, ArrayRef<char> raw, size_t alignment,
                               StringRef name) {
  llvm::XXH128_hash_t hash = llvm::xxh3_128bits(
      ArrayRef(reinterpret_cast<const uint8_t *>(raw.data()), raw.size()));
  ElementsAttr &value = known[{type.getAsOpaquePointer(), hash.high64, hash.low64}];
  if (!value) {
    value = DenseResourceElementsAttr::get(
        type, name, HeapAsmResourceBlob::allocateAndCopyWithAlign(raw, alignment));
  }
  return value;
}
} // namespace lpu::tensor_lowering

LogicalResult EntryConverter::run() {
  if (options.limbs > 3) {
    return entry.emitError("expected at most 3 activation limbs, got ") << options.limbs;
  }
  const ::lpu::Target *machine = getTarget();
  if (!machine) {
    return failure();
  }
  layouts.assign(entry, machine->lanes());
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

StringRef EntryConverter::getInputName(unsigned index) {
  auto name = entry.getArgAttrOfType<StringAttr>(index, LPUDialect::kNameAttr);
  return name ? name.getValue() : StringRef();
}

LogicalResult EntryConverter::loadInputs(ImplicitLocOpBuilder &b, Block &old) {
  for (BlockArgument argument : old.getArguments()) {
    auto type = dyn_cast<RankedTensorType>(argument.getType());
    StringRef name = getInputName(argument.getArgNumber());
    if (llvm::any_of(argument.getUsers(), [&](Operation *user) {
          auto update = dyn_cast<CacheUpdateOp>(user);
          return update && update.getCache() == argument;
        })) {
      continue; // a state, made where it is updated
    }
    if (type && type.getElementType().isInteger() && type.hasStaticShape()) {
      if (failed(loadInteger(b, argument))) {
        return failure();
      }
      continue;
    }
    if (!type || !type.getElementType().isF32() || !type.hasStaticShape()) {
      return entry.emitError("input '")
             << name << "': expected float elements and a static shape, got "
             << argument.getType() << "; other inputs are not supported yet";
    }
    if (type.getNumElements() == 0) {
      return entry.emitError("input '") << name << "': has no elements: no kernel has such rows";
    }
    const Layout &layout = layouts[argument];
    if (!llvm::is_sorted(layout.columns)) {
      return entry.emitError("input '")
             << name << "': is a tensor of heads; no kernel moves lanes yet";
    }
    values[argument] = LoadInputOp::create(b, buffer(getExtent(type), Format::F32, layout.width),
                                           name, type.getShape());
  }
  return success();
}

LogicalResult EntryConverter::convert(ImplicitLocOpBuilder &b, Operation *op) {
  if (isa<WeightOp, DequantizeOp, arith::ConstantOp, tensor::EmptyOp,
          linalg::FillOp>(op)) {
    return success(); // read where they are used
  }
  if (isa<QuantizeOp>(op) && llvm::all_of(op->getUsers(), [](Operation *user) {
        return isa<CacheUpdateOp>(user);
      })) {
    return success(); // done where the rows go into the cache
  }
  if (isa<tensor::CollapseShapeOp, tensor::ExpandShapeOp>(op)) {
    return convertReshape(op);
  }
  if (auto turned = dyn_cast<linalg::TransposeOp>(op)) {
    if (!values.contains(turned.getInput())) {
      return success(); // a constant, read where it is used
    }
  }
  if (auto matmul = dyn_cast<linalg::MatmulOp>(op)) {
    return options.isHalf() ? convertHalfMatmul(b, matmul) : convertMatmul(b, matmul);
  }
  if (auto norm = dyn_cast<RmsNormOp>(op)) {
    return convertRmsNorm(b, norm);
  }
  if (auto rotary = dyn_cast<RotaryOp>(op)) {
    return convertRotary(b, rotary);
  }
  if (auto gather = dyn_cast<GatherOp>(op)) {
    return convertGather(b, gather);
  }
  if (auto update = dyn_cast<CacheUpdateOp>(op)) {
    return convertCacheUpdate(b, update);
  }
  if (auto attention = dyn_cast<AttentionOp>(op)) {
    return convertAttention(b, attention);
  }
  if (auto generic = dyn_cast<linalg::GenericOp>(op)) {
    return convertGeneric(b, generic);
  }
  if (auto ret = dyn_cast<func::ReturnOp>(op)) {
    return convertReturn(b, ret);
  }
  return op->emitOpError("has no kernel yet");
}

LogicalResult EntryConverter::convertReshape(Operation *op) {
  Value source = op->getOperand(0), result = op->getResult(0);
  if (cast<RankedTensorType>(source.getType()).getElementType().isInteger()) {
    return success(); // read where it is used
  }
  if (getExtent(source.getType()) != getExtent(result.getType())) {
    return op->emitOpError("changes the last dimension: no kernel moves lanes yet");
  }
  values[result] = values.lookup(source);
  return success();
}

LogicalResult EntryConverter::convertMatmul(ImplicitLocOpBuilder &b, linalg::MatmulOp op) {
  FailureOr<std::optional<::lpu::Int8Tensor>> matrix =
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
  Layout from = layouts[op.getInputs()[0]], to = layouts[op.getResult(0)];
  ::lpu::Int8Tensor ordered = std::move(**matrix);
  if (!from.isPlain() || !to.isPlain()) {
    ordered.values = from.permuteRows<int8_t>(ordered.values, shape.columns);
    ordered.values = to.permuteColumns<int8_t>(ordered.values);
    ordered.scales = to.permuteColumns<float>(ordered.scales);
  }
  float scale = float(getLevels(options.limbs)) / (*largest * getHeadroom(op));
  Value &limbs = limbsOf[{x.getAsOpaquePointer(), scale}];
  if (!limbs) {
    limbs = map(b, x, buffer(getExtent(op.getInputs()[0].getType()),
                             getFormat(options.limbs), from.width),
                scale, [](ImplicitLocOpBuilder &, ValueRange in) { return in[0]; });
  }
  auto type = RankedTensorType::get({shape.rows, shape.columns}, b.getI8Type());
  ArrayRef<char> raw(reinterpret_cast<const char *>(ordered.values.data()),
                     ordered.values.size());
  values[op.getResult(0)] = contract(
      b, limbs,
      constants.get(type, raw, 1, "weights"),
      ordered.scales, sums(result, getFormat(options.limbs), to.width), scale);
  return success();
}

Value EntryConverter::contract(Builder &b, Value x, ElementsAttr weights,
                               ArrayRef<float> columnScales, AccType result, float scale) {
  std::vector<float> row;
  for (float column : columnScales) {
    row.push_back(float(double(column) / scale));
  }
  Value scales = constant(b, row, {1, int64_t(columnScales.size())}, result.getWidth());
  return ContractOp::create(b, result, x, scales, Value(), weights, 0, 0,
                            DenseI64ArrayAttr());
}

// The squares go through a tile of ones, so that their mean arrives in every
// lane; four limbs, because squaring eats the headroom twice.
std::pair<Value, float> EntryConverter::sumSquares(ImplicitLocOpBuilder &b, Value x,
                                                   Extent extent, float largest) {
  constexpr unsigned kLimbs = 4;
  float scale = float(double(getLevels(kLimbs)) / (double(largest) * largest));
  Value squares = map(b, x, buffer(extent, getFormat(kLimbs)), scale,
                      [](ImplicitLocOpBuilder &inner, ValueRange in) -> Value {
                        return arith::MulFOp::create(inner, in[0], in[0]);
                      });
  auto ones = DenseElementsAttr::get(
      RankedTensorType::get({extent.columns, int64_t(getTarget()->lanes())}, b.getI8Type()),
      int8_t(1));
  return {contract(b, squares, ones, {1.0f / float(extent.columns)},
                   sums({extent.rows, 1}, getFormat(kLimbs)), scale),
          1.0f};
}

// Little headroom: with 8, SmolLM2's outliers leave no bits for its other values, and
// the logits' cosine falls from 0.999997 to 0.9985.
LogicalResult EntryConverter::convertRmsNorm(ImplicitLocOpBuilder &b, RmsNormOp op) {
  auto type = cast<RankedTensorType>(op.getInput().getType());
  FailureOr<std::optional<std::vector<float>>> gain =
      ::lpu::tensor_lowering::getConstant(op.getScale(), files);
  FailureOr<float> largest = getInputMax(op);
  if (failed(gain) || failed(largest)) {
    return failure();
  }
  Extent extent = getExtent(type);
  if (!layouts[op.getInput()].isPlain()) {
    return op.emitOpError("follows attention directly: no kernel moves lanes yet");
  }
  if (!*gain || int64_t((*gain)->size()) != extent.columns ||
      op.getAxis() != uint64_t(type.getRank() - 1)) {
    return op.emitOpError("expected a constant scale and the last dimension: no "
                          "other kernel yet");
  }
  Value x = values.lookup(op.getInput());
  float range = *largest * (options.headroom > 0 ? options.headroom : kLeastHeadroom);
  auto [sum, factor] = options.isHalf() ? sumHalfSquares(b, x, extent, range)
                                        : sumSquares(b, x, extent, range);
  float epsilon = op.getEpsilon().convertToFloat();
  Value inverse =
      map(b, sum, buffer({extent.rows, 1}, Format::F32), 1.0f,
          [&, factor = factor](ImplicitLocOpBuilder &inner, ValueRange in) -> Value {
            Value e = arith::ConstantOp::create(inner, inner.getF32FloatAttr(epsilon));
            if (factor == 1) {
              return math::RsqrtOp::create(inner, Value(arith::AddFOp::create(inner, in[0], e)));
            }
            Value f = arith::ConstantOp::create(inner, inner.getF32FloatAttr(factor));
            return math::RsqrtOp::create(inner, Value(math::FmaOp::create(inner, in[0], f, e)));
          });
  Value g = constant(b, **gain, {1, extent.columns});
  values[op.getResult()] =
      map(b, {x, inverse, g}, buffer(extent, Format::F32), 1.0f,
          [](ImplicitLocOpBuilder &inner, ValueRange in) -> Value {
            Value normed = arith::MulFOp::create(inner, in[0], in[1]);
            return arith::MulFOp::create(inner, normed, in[2]);
          });
  return success();
}

const ::lpu::Target *EntryConverter::getTarget() {
  return mlir::lpu::getTarget(entry);
}

float EntryConverter::getHeadroom(Operation *op) {
  if (options.headroom > 0) {
    return options.headroom;
  }
  bool seen = op->hasAttr(LPUDialect::kInputMaxAttr);
  return seen && options.limbs == 3 ? 4 : kLeastHeadroom;
}

FailureOr<float> EntryConverter::getInputMax(Operation *op) {
  if (auto seen = op->getAttrOfType<DenseF32ArrayAttr>(LPUDialect::kInputMaxAttr);
      seen && !seen.empty() && seen[0] > 0) {
    return seen[0];
  }
  if (options.activationMax > 0) {
    return options.activationMax;
  }
  return op->emitError("the range of its input is not known: give "
                       "--calibration=FILE.npz or --activation-max=LARGEST");
}

ValueRange EntryConverter::map(Builder &b, ValueRange inputs, TypeRange results,
                               ArrayRef<float> scales, Bodies body) {
  // An input given twice is read once.
  llvm::SetVector<Value> distinct(inputs.begin(), inputs.end());
  auto op = MapOp::create(b, results, distinct.getArrayRef(), scales, ArrayAttr());
  Block &block = op.getBody().emplaceBlock();
  for (Value input : distinct) {
    block.addArgument(b.getF32Type(), input.getLoc());
  }
  SmallVector<Value> arguments;
  for (Value input : inputs) {
    arguments.push_back(
        block.getArgument(unsigned(llvm::find(distinct, input) - distinct.begin())));
  }
  Builder inner(b.getLoc(), OpBuilder::atBlockEnd(&block));
  YieldOp::create(inner, body(inner, arguments));
  return op.getResults();
}

Value EntryConverter::map(Builder &b, ValueRange inputs, BufferType result, float scale,
                          Body body) {
  return map(b, inputs, TypeRange(result), scale,
             [&](Builder &inner, ValueRange in) -> SmallVector<Value> {
               return {body(inner, in)};
             })[0];
}

Value EntryConverter::constant(Builder &b, ArrayRef<float> data, Extent extent,
                               int64_t width) {
  auto type = RankedTensorType::get({extent.rows, extent.columns}, b.getF32Type());
  return ConstantRowsOp::create(b, buffer(extent, Format::F32, width),
                                DenseElementsAttr::get(type, data),
                                DenseI64ArrayAttr());
}

/// Whether an operand is read at the loops themselves, broadcast from the right.
static bool isAligned(AffineMap map, RankedTensorType type, unsigned loops) {
  for (auto [d, expr] : llvm::enumerate(map.getResults())) {
    unsigned loop = loops - map.getNumResults() + unsigned(d);
    if (expr != getAffineDimExpr(loop, map.getContext()) &&
        (type.getDimSize(int64_t(d)) != 1 || !isa<AffineConstantExpr>(expr))) {
      return false;
    }
  }
  return true;
}

/// Whether a map's body, where everything is f32, may have `op`.
static bool isMapScalar(Operation *op) {
  return llvm::all_of(llvm::concat<Type>(op->getOperandTypes(), op->getResultTypes()),
             [](Type type) { return type.isF32() || type.isInteger(1); });
}

LogicalResult EntryConverter::convertGeneric(ImplicitLocOpBuilder &b, linalg::GenericOp op) {
  if (op.getNumParallelLoops() != op.getNumLoops() || op.getNumResults() != 1 ||
      !op.getIndexingMapsArray().back().isIdentity()) {
    return op.emitOpError("has no kernel yet: not elementwise");
  }
  for (OpOperand &operand : op->getOpOperands()) {
    auto type = dyn_cast<RankedTensorType>(operand.get().getType());
    if (!type || !type.getElementType().isF32() || type.getNumElements() == 0 ||
        !isAligned(op.getMatchingIndexingMap(&operand), type, op.getNumLoops())) {
      return op.emitOpError("has no kernel yet: expected float tensors, broadcast from the right");
    }
  }
  for (Operation &scalar : op.getBody()->without_terminator()) {
    if (!isMapScalar(&scalar)) {
      return scalar.emitOpError("is no operation of a kernel");
    }
  }
  Extent extent = getExtent(op.getResult(0).getType());
  Layout layout = layouts[op.getResult(0)];
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
    if (*data) {
      inputs.push_back(from.columns == 1
                           ? constant(b, **data, from)
                           : constant(b, layout.permuteColumns<float>(**data), from,
                                      layout.width));
    } else if (from.columns != 1 && layouts[operand->get()] != layout) {
      return op.emitOpError("mixes tensors of heads with others: no kernel moves "
                            "lanes yet");
    } else if (Value known = values.lookup(operand->get())) {
      inputs.push_back(known);
    } else {
      return op.emitOpError("expected inputs that are computed or constants");
    }
  }
  Value result = map(
      b, inputs, buffer(extent, Format::F32, layout.width), 1.0f,
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

LogicalResult EntryConverter::convertReturn(ImplicitLocOpBuilder &b, func::ReturnOp op) {
  for (auto [index, result] : llvm::enumerate(op.getOperands())) {
    auto name = entry.getResultAttrOfType<StringAttr>(unsigned(index),
                                                      LPUDialect::kNameAttr);
    auto type = cast<RankedTensorType>(result.getType());
    Value value = values.lookup(result);
    if (value && isa<TilesType>(value.getType())) {
      continue; // a state, kept from run to run
    }
    if (!layouts[result].columns.empty()) {
      return op.emitError("output '") << (name ? name.getValue() : "")
                                      << "': is a tensor of heads; no kernel moves lanes yet";
    }
    if (!value) {
      return op.emitError("output '") << (name ? name.getValue() : "")
                                      << "': expected a computed tensor, got a constant";
    }
    // Sums leave the accumulators, and an output has words of its own.
    if (isa<AccType>(value.getType()) || value.getDefiningOp<LoadInputOp>() ||
        !stored.insert(value).second) {
      value = map(b, value, buffer(getExtent(type), Format::F32, layouts[result].width), 1.0f,
                  [](ImplicitLocOpBuilder &, ValueRange in) { return in[0]; });
    }
    StoreOutputOp::create(b, value, name ? name.getValue() : "", type.getShape());
  }
  func::ReturnOp::create(b);
  return success();
}

namespace {

// A pass over the module: entries share constants.
struct TensorToKernel : PassWrapper<TensorToKernel, OperationPass<ModuleOp>> {
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
    ::lpu::tensor_lowering::ConstantPool constants;
    for (auto entry : getOperation().getOps<func::FuncOp>()) {
      if (failed(EntryConverter(entry, {limbs, activationMax, headroom}, constants).run())) {
        return signalPassFailure();
      }
    }
  }
  Option<unsigned> limbs{*this, "limbs", llvm::cl::init(3),
                         llvm::cl::desc("int8 limbs of activations, 1 to 3; 0: fp16")};
  Option<float> activationMax{
      *this, "activation-max", llvm::cl::init(0),
      llvm::cl::desc("largest |x| of activations that calibration did not see")};
  Option<float> headroom{*this, "headroom", llvm::cl::init(0),
                         llvm::cl::desc("range of activations / largest |x| seen; 0: as "
                                        "the limbs allow")};
};

} // namespace

namespace lpu {
std::unique_ptr<Pass> createTensorToKernelPass(const KernelOptions &options) {
  return std::make_unique<TensorToKernel>(options);
}
} // namespace lpu
