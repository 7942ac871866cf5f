//===- LPUKernelOps.cpp - The kernel level of the lpu dialect -------------===//

#include "LPU/IR/LPUKernelOps.h"
#include "LPU/IR/LPUElements.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/DenseSet.h"
#include <numeric>
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace mlir::lpu;

#include "LPU/IR/LPUKernelEnums.cpp.inc"

#define GET_TYPEDEF_CLASSES
#include "LPU/IR/LPUKernelTypes.cpp.inc"

#define GET_OP_CLASSES
#include "LPU/IR/LPUKernelOps.cpp.inc"

void LPUDialect::registerKernelLevel() {
  addTypes<
#define GET_TYPEDEF_LIST
#include "LPU/IR/LPUKernelTypes.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "LPU/IR/LPUKernelOps.cpp.inc"
      >();
}

unsigned mlir::lpu::getNumBytes(Format format) {
  switch (format) {
  case Format::F32:
  case Format::I32:
    return 4;
  case Format::F16:
  case Format::BF16:
    return 2;
  case Format::U8:
    return 1;
  default:
    return getNumLimbs(format);
  }
}

unsigned mlir::lpu::getNumLimbs(Format format) {
  switch (format) {
  case Format::I8x1:
    return 1;
  case Format::I8x2:
    return 2;
  case Format::I8x3:
    return 3;
  case Format::I8x4:
    return 4;
  default:
    return 0;
  }
}

SmallVector<Placement> mlir::lpu::decodePlacement(DenseI64ArrayAttr attribute,
                                                  unsigned numBytes) {
  SmallVector<Placement> copies;
  ArrayRef<int64_t> values = attribute.asArrayRef();
  while (values.size() >= 3 * numBytes) {
    Placement copy;
    for (unsigned b = 0; b < numBytes; ++b) {
      copy.push_back({values[3 * b], values[3 * b + 1], values[3 * b + 2]});
    }
    copies.push_back(copy);
    values = values.drop_front(3 * numBytes);
  }
  return copies;
}

DenseI64ArrayAttr mlir::lpu::encodePlacement(MLIRContext *context,
                                             ArrayRef<Placement> copies) {
  SmallVector<int64_t> values;
  for (const Placement &copy : copies) {
    for (const BytePlacement &byte : copy) {
      values.append({byte.slice, byte.bank, byte.first});
    }
  }
  return DenseI64ArrayAttr::get(context, values);
}

// A stripe is written as plane, number of slices, [slice, bank, first word].
SmallVector<Stripe> mlir::lpu::decodeStripes(DenseI64ArrayAttr attribute) {
  SmallVector<Stripe> stripes;
  ArrayRef<int64_t> values = attribute.asArrayRef();
  while (values.size() >= 2 && values.size() >= size_t(2 + 3 * values[1])) {
    Stripe stripe{values[0], {}};
    for (int64_t k = 0; k < values[1]; ++k) {
      ArrayRef<int64_t> at = values.slice(size_t(2 + 3 * k), 3);
      stripe.slices.push_back({at[0], at[1], at[2]});
    }
    values = values.drop_front(size_t(2 + 3 * values[1]));
    stripes.push_back(std::move(stripe));
  }
  return stripes;
}

DenseI64ArrayAttr mlir::lpu::encodeStripes(MLIRContext *context,
                                           ArrayRef<Stripe> stripes) {
  SmallVector<int64_t> values;
  for (const Stripe &stripe : stripes) {
    values.append({stripe.plane, int64_t(stripe.slices.size())});
    for (const BytePlacement &at : stripe.slices) {
      values.append({at.slice, at.bank, at.first});
    }
  }
  return DenseI64ArrayAttr::get(context, values);
}

SmallVector<TableWindow> mlir::lpu::decodeWindows(DenseI64ArrayAttr attribute) {
  SmallVector<TableWindow> windows;
  ArrayRef<int64_t> v = attribute.asArrayRef();
  for (; v.size() >= 6; v = v.drop_front(6)) {
    windows.push_back({v[0], v[1], v[2], v[3], v[4], v[5]});
  }
  return windows;
}

DenseI64ArrayAttr mlir::lpu::encodeWindows(MLIRContext *context,
                                           ArrayRef<TableWindow> windows) {
  SmallVector<int64_t> values;
  for (const TableWindow &w : windows) {
    values.append({w.byte, w.slice, w.bank, w.first, w.firstRow, w.rows});
  }
  return DenseI64ArrayAttr::get(context, values);
}

/// What lpu.load_input and lpu.store_output share.
static LogicalResult verifyPort(Operation *op, BufferType buffer, ArrayRef<int64_t> shape,
                                std::optional<Type> element,
                                std::optional<ArrayRef<int64_t>> layout, int64_t chunkWords) {
  std::optional<::lpu::ElementType> type =
      element ? toElementType(*element) : ::lpu::ElementType::F32;
  std::optional<::lpu::ElementType> stored = toElementType(buffer.getFormat());
  if (!type) {
    return op->emitOpError("expected elements of a number type of the host, got ") << *element;
  }
  // Limbs are nothing that the host writes: placement says so.
  if (stored && ::lpu::isFloatType(*type) != ::lpu::isFloatType(*stored)) {
    return op->emitOpError("elements of ")
           << std::string(::lpu::elementTypeName(*type)) << " do not lie in " << buffer;
  }
  if (chunkWords < 0) {
    return op->emitOpError("expected chunks of words, got ") << chunkWords;
  }
  constexpr size_t kFields = 3;
  if (layout && (layout->size() != kFields + shape.size() || layout->front() < -1 ||
                 layout->front() >= int64_t(shape.size()))) {
    return op->emitOpError("expected [lane_dim, vector_stride, offset] and a stride for each of ")
           << shape.size() << " dimensions as layout";
  }
  int64_t elements = 1;
  for (int64_t extent : shape) {
    elements *= extent;
  }
  if (!layout && elements != buffer.getRows() * buffer.getColumns()) {
    return op->emitOpError("expected ")
           << buffer.getRows() * buffer.getColumns() << " elements, got " << elements;
  }
  return success();
}

LogicalResult LoadInputOp::verify() {
  return verifyPort(*this, getResult().getType(), getShape(), getElement(), getLayout(),
                    getChunkWords());
}

LogicalResult StoreOutputOp::verify() {
  return verifyPort(*this, getSource().getType(), getShape(), getElement(), getLayout(),
                    getChunkWords());
}

static void setPort(OpBuilder &builder, NamedAttrList &attributes, Type element,
                    ArrayRef<int64_t> layout, StringRef elementName, StringRef layoutName) {
  if (element) {
    attributes.set(elementName, TypeAttr::get(element));
  }
  if (!layout.empty()) {
    attributes.set(layoutName, builder.getDenseI64ArrayAttr(layout));
  }
}

void LoadInputOp::build(OpBuilder &builder, OperationState &state, Type result, StringRef name,
                        ArrayRef<int64_t> shape, Type element, ArrayRef<int64_t> layout) {
  state.addTypes(result);
  state.addAttribute(getNameAttrName(state.name), builder.getStringAttr(name));
  state.addAttribute(getShapeAttrName(state.name), builder.getDenseI64ArrayAttr(shape));
  setPort(builder, state.attributes, element, layout, getElementAttrName(state.name),
          getLayoutAttrName(state.name));
}

void StoreOutputOp::build(OpBuilder &builder, OperationState &state, Value source,
                          StringRef name, ArrayRef<int64_t> shape, Type element,
                          ArrayRef<int64_t> layout) {
  state.addOperands(source);
  state.addAttribute(getNameAttrName(state.name), builder.getStringAttr(name));
  state.addAttribute(getShapeAttrName(state.name), builder.getDenseI64ArrayAttr(shape));
  setPort(builder, state.attributes, element, layout, getElementAttrName(state.name),
          getLayoutAttrName(state.name));
}

LogicalResult TableOp::verify() {
  auto type = dyn_cast<RankedTensorType>(getValue().getType());
  BufferType table = getResult().getType();
  unsigned limbs = getNumLimbs(table.getFormat());
  if (!type || type.getRank() != 2 || type.getDimSize(0) != table.getRows() ||
      type.getDimSize(1) != table.getColumns()) {
    return emitOpError("expected a value of ")
           << table.getRows() << " x " << table.getColumns() << ", got " << getValue().getType();
  }
  Type element = type.getElementType();
  bool fits = limbs == 0   ? table.getFormat() == Format::F32 && element.isF32()
              : limbs == 1 ? element.isInteger(8)
                           : element.isInteger(32);
  if (!fits) {
    return emitOpError("expected f32 elements for f32, int8 for i8x1 and int32 for other "
                       "limbs, got ")
           << element << " for " << table;
  }
  return success();
}

LogicalResult ConstantRowsOp::verify() {
  auto type = dyn_cast<RankedTensorType>(getValue().getType());
  BufferType buffer = getResult().getType();
  bool fits = type && type.getRank() == 2 &&
              (buffer.getFormat() == Format::F32   ? type.getElementType().isF32()
               : buffer.getFormat() == Format::I32 ? type.getElementType().isInteger(32)
                                                   : false);
  if (!fits) {
    return emitOpError("expected a two-dimensional value of f32 or i32, as the buffer has");
  }
  if (type.getDimSize(0) != buffer.getRows() ||
      type.getDimSize(1) != buffer.getColumns()) {
    return emitOpError("expected a value of ")
           << buffer.getRows() << " x " << buffer.getColumns() << ", got "
           << type;
  }
  return success();
}

SmallVector<Stripe> mlir::lpu::getStripes(Value tiles) {
  DenseI64ArrayAttr placement = tiles.getDefiningOp<StateOp>().getPlacementAttr();
  return placement ? decodeStripes(placement) : SmallVector<Stripe>();
}

SmallVector<Stripe> mlir::lpu::getStripes(ContractOp op) {
  if (op.getTiles()) {
    return getStripes(op.getTiles());
  }
  DenseI64ArrayAttr placement = op.getPlacementAttr();
  return placement ? decodeStripes(placement) : SmallVector<Stripe>();
}

int64_t mlir::lpu::getTileWords(TilesType type, int64_t lanes) {
  int64_t width = type.getWidth() ? type.getWidth() : lanes;
  return llvm::divideCeil(type.getRows(), 16) * llvm::divideCeil(type.getColumns(), width);
}

ContractShape mlir::lpu::getContractShape(ContractOp op, int64_t lanes) {
  BufferType x = op.getActivations().getType();
  AccType result = op.getResult().getType();
  ContractShape shape;
  if (op.getTiles()) {
    TilesType tiles = op.getTiles().getType();
    shape.k = op.getSplit() ? tiles.getRows() : x.getColumns();
    shape.n = op.getMerge() ? tiles.getColumns() : result.getColumns();
    shape.groups = llvm::divideCeil(tiles.getRows(), 16);
  } else {
    auto weights = cast<RankedTensorType>(op.getWeightsAttr().getType());
    shape.k = weights.getDimSize(0);
    shape.n = weights.getDimSize(1);
    shape.groups = llvm::divideCeil(shape.k, 16);
  }
  shape.chunkRows = x.getColumnsPerVector(lanes);
  shape.columns = x.getColumns();
  shape.chunks = x.getVectors(lanes);
  if (op.getSplit()) {
    int64_t heads = shape.k / (shape.chunkRows / op.getSplit());
    shape.chunks = std::min(shape.chunks, heads / std::gcd(heads, int64_t(op.getSplit())));
  }
  shape.tileColumns = result.getColumnsPerVector(lanes);
  shape.tiles =
      result.getColumns() == 1 ? 1 : llvm::divideCeil(shape.n, shape.tileColumns);
  if (op.getMerge() && !op.getTiles()) {
    shape.tiles = llvm::divideCeil(shape.n, lanes);
  }
  return shape;
}

bool mlir::lpu::isOneWord(ContractOp op, int64_t lanes) {
  auto dense = dyn_cast_or_null<DenseElementsAttr>(op.getWeightsAttr());
  ContractShape shape = getContractShape(op, lanes);
  return dense && dense.isSplat() && shape.k % 16 == 0 && shape.n % lanes == 0;
}

LogicalResult ContractOp::verify() {
  BufferType x = getActivations().getType();
  AccType result = getResult().getType();
  int64_t limbs = getNumLimbs(x.getFormat());
  bool isFloat = x.getFormat() == Format::F16;
  if (limbs == 0 && !isFloat) {
    return emitOpError("expected activations in int8 limbs or f16, got ") << x;
  }
  if (bool(getWeightsAttr()) == bool(getTiles())) {
    return emitOpError("expected either constant weights or tiles");
  }
  int64_t k = 0, n = 0;
  if (auto tiles = getTiles()) {
    k = tiles.getType().getRows();
    n = tiles.getType().getColumns();
    bool isWidened = isFloat && tiles.getType().getFormat() == Format::U8;
    if (tiles.getType().getFormat() != x.getFormat() && !isWidened) {
      return emitOpError("expected tiles and activations of one format, or u8 and f16");
    }
  } else {
    auto type = dyn_cast<RankedTensorType>(getWeightsAttr().getType());
    if (!type || type.getRank() != 2 ||
        !(isFloat ? type.getElementType().isF16()
                  : type.getElementType().isInteger(8))) {
      return emitOpError("expected K x N weights, int8 for limbs, f16 for f16");
    }
    k = type.getDimSize(0);
    n = type.getDimSize(1);
  }
  if (getSplit() && getMerge()) {
    return emitOpError("expected either `split` or `merge`");
  }
  if (result.getFormat() != x.getFormat()) {
    return emitOpError("expected sums of the activations' format, got ") << result;
  }
  if (!getSplit() && (getTiles() ? x.getColumns() > k : x.getColumns() != k)) {
    return emitOpError("expected activations of ")
           << k << " columns, got " << x.getColumns();
  }
  bool isWide = getTiles() ? result.getColumns() <= n : result.getColumns() == n;
  if (!getMerge() && result.getColumns() != 1 && !isWide) {
    return emitOpError("expected a result of ") << n << " columns, got " << result;
  }
  if (!getSplit() && !getMerge() && result.getRows() != x.getRows()) {
    return emitOpError("expected a result of ") << x.getRows() << " rows, got " << result;
  }
  if (isFloat) {
    return getScales() ? emitOpError("expected no scales for f16") : success();
  }
  if (!getScales()) {
    return emitOpError("expected scales");
  }
  BufferType scales = getScales().getType();
  if (scales.getRows() != 1 || scales.getFormat() != Format::F32 ||
      (scales.getColumns() != result.getColumns() && scales.getColumns() != 1)) {
    return emitOpError("expected f32 scales of 1 x ")
           << result.getColumns() << ", got " << scales;
  }
  return success();
}

LogicalResult DeriveOp::verify() {
  if (getSteps().size() % 2 != 0) {
    return emitOpError("expected [step, value] pairs");
  }
  for (size_t k = 0; k < getSteps().size(); k += 2) {
    auto step = symbolizeDeriveStep(uint32_t(getSteps()[k]));
    if (!step) {
      return emitOpError("unknown step ") << getSteps()[k];
    }
    if (*step == DeriveStep::Input &&
        (getSteps()[k + 1] < 0 || getSteps()[k + 1] >= int64_t(getInputs().size()))) {
      return emitOpError("expected an input below ")
             << getInputs().size() << ", got " << getSteps()[k + 1];
    }
  }
  Format format = getResult().getType().getFormat();
  if (format != Format::I32 && format != Format::BF16) {
    return emitOpError("expected i32 or bf16, got ") << getResult().getType();
  }
  return success();
}

AppendOp mlir::lpu::getStreamedAppend(Value buffer) {
  if (!buffer.getDefiningOp<MapOp>() || !buffer.hasOneUse()) {
    return {};
  }
  auto append = dyn_cast<AppendOp>(*buffer.user_begin());
  return append && append.getSource() == buffer ? append : AppendOp();
}

/// The sums that `map` reads.
static SmallVector<ContractOp> getSums(MapOp map) {
  SmallVector<ContractOp> sums;
  for (Value input : map.getInputs()) {
    if (auto contract = input.getDefiningOp<ContractOp>()) {
      sums.push_back(contract);
    }
  }
  return sums;
}

ContractOp mlir::lpu::getStreamedContract(Value buffer, int64_t lanes) {
  auto map = buffer.getDefiningOp<MapOp>();
  if (!map || !buffer.hasOneUse()) {
    return {};
  }
  auto contract = dyn_cast<ContractOp>(*buffer.user_begin());
  if (!contract || contract.getActivations() != buffer || contract.getTiles() ||
      contract.getSplit() || contract.getMerge() || !isOneWord(contract, lanes) ||
      getContractShape(contract, lanes).tiles != 1 || !contract.getResult().hasOneUse()) {
    return {};
  }
  auto user = dyn_cast<MapOp>(*contract.getResult().user_begin());
  bool isFloat = contract.getActivations().getType().getFormat() == Format::F16;
  // Arrays of both contractions stay installed: those of tiles are on the other side.
  bool isFree = llvm::all_of(getSums(map), [&](ContractOp sum) {
    return isFloat && sum.getTiles() && sum.getResult().hasOneUse();
  });
  return user && isFree && getSums(user).size() == 1 ? contract : ContractOp();
}

bool mlir::lpu::isCarried(Value buffer, int64_t lanes) {
  auto map = buffer.getDefiningOp<MapOp>();
  auto type = dyn_cast<BufferType>(buffer.getType());
  if (!map || !buffer.hasOneUse() || type.getFormat() != Format::F32 ||
      type.getVectors(lanes) != 1) {
    return false;
  }
  return llvm::any_of(map.getResults(), [&](Value other) {
    ContractOp contract = getStreamedContract(other, lanes);
    if (!contract) {
      return false;
    }
    auto user = cast<MapOp>(*contract.getResult().user_begin());
    auto result = cast<BufferType>(user.getResult(0).getType());
    return *buffer.user_begin() == user && result.getRows() == type.getRows() &&
           result.getVectors(lanes) == 1;
  });
}

bool mlir::lpu::isStreamed(Value buffer, int64_t lanes) {
  return getStreamedAppend(buffer) || getStreamedContract(buffer, lanes) ||
         isCarried(buffer, lanes);
}

ConcatRowsOp mlir::lpu::getWhole(Value buffer) {
  ConcatRowsOp whole;
  for (Operation *user : buffer.getUsers()) {
    if (auto other = dyn_cast<ConcatRowsOp>(user)) {
      if (whole && whole != other) {
        return {};
      }
      whole = other;
    }
  }
  return whole;
}

LogicalResult AppendOp::verify() {
  if (getSource().getType().getFormat() != getTiles().getType().getFormat()) {
    return emitOpError("expected source and tiles of one format, got ")
           << getSource().getType() << " and " << getTiles().getType();
  }
  if (getSource().getType().getRows() % getMap().getType().getRows() != 0) {
    return emitOpError("expected as many rows of the source for each row of the map, got ")
           << getSource().getType() << " and " << getMap().getType();
  }
  return success();
}

LogicalResult AppendColumnsOp::verify() {
  TilesType tiles = getTiles().getType();
  BufferType source = getSource().getType();
  if (!tiles.getTransposed() || source.getFormat() != tiles.getFormat() ||
      source.getColumns() != tiles.getRows()) {
    return emitOpError("expected transposed tiles with a row for each column of the source, "
                       "got ")
           << source << " and " << tiles;
  }
  BufferType from = getFrom().getType(), to = getTo().getType();
  if (from.getFormat() != Format::I32 || to.getFormat() != Format::I32 ||
      to.getRows() % from.getRows() != 0) {
    return emitOpError("expected i32 maps, `to` with a row for each of `from` and each slice, "
                       "got ")
           << from << " and " << to;
  }
  return success();
}

LogicalResult RowsOp::verify() {
  BufferType from = getSource().getType(), to = getResult().getType();
  bool areRows = from.getColumns() == to.getColumns() && from.getWidth() == to.getWidth() &&
                 int64_t(getFirst()) + to.getRows() <= from.getRows();
  // The same words as rows of several vectors.
  bool areWords = getFirst() == 0 && from.getWidth() == 0 && from.getColumns() == to.getWidth() &&
                  to.getColumns() % to.getWidth() == 0 &&
                  from.getRows() == to.getRows() * (to.getColumns() / to.getWidth());
  if (from.getFormat() != to.getFormat() || (!areRows && !areWords)) {
    return emitOpError("expected rows of ") << from << ", got " << to << " from row "
                                            << getFirst();
  }
  return success();
}

LogicalResult ConcatRowsOp::verify() {
  BufferType to = getResult().getType();
  int64_t rows = 0;
  for (Value part : getParts()) {
    auto from = cast<BufferType>(part.getType());
    if (from.getColumns() != to.getColumns() || from.getWidth() != to.getWidth() ||
        from.getFormat() != to.getFormat()) {
      return emitOpError("expected parts like ") << to << ", got " << from;
    }
    if (!isa_and_nonnull<MapOp, GatherRowsOp>(part.getDefiningOp()) ||
        getWhole(part) != *this) {
      return emitOpError("expected results of maps or gathers, each part of one buffer");
    }
    rows += from.getRows();
  }
  if (rows != to.getRows()) {
    return emitOpError("expected ") << to.getRows() << " rows, got " << rows;
  }
  return success();
}

LogicalResult GatherRowsOp::verify() {
  BufferType table = getTable().getType(), result = getResult().getType();
  if (getMap().getType().getFormat() != Format::I32 ||
      getMap().getType().getRows() != result.getRows()) {
    return emitOpError("expected an i32 map of ")
           << result.getRows() << " rows, got " << getMap().getType();
  }
  if (table.getColumns() != result.getColumns() || table.getWidth() != result.getWidth() ||
      table.getFormat() != result.getFormat()) {
    return emitOpError("expected rows like those of ") << table << ", got " << result;
  }
  return success();
}

LogicalResult PermuteOp::verify() {
  llvm::SmallDenseSet<int64_t> seen(getTable().begin(), getTable().end());
  for (int64_t lane : getTable()) {
    if (lane < 0 || lane >= int64_t(getTable().size())) {
      return emitOpError("expected lanes below ") << getTable().size() << ", got " << lane;
    }
  }
  if (seen.size() != getTable().size()) {
    return emitOpError("expected every lane once");
  }
  return success();
}

namespace {
struct Extent {
  int64_t rows, columns, width;
};
Extent getExtent(Type type) {
  if (auto buffer = dyn_cast<BufferType>(type)) {
    return {buffer.getRows(), buffer.getColumns(), buffer.getWidth()};
  }
  auto acc = cast<AccType>(type);
  return {acc.getRows(), acc.getColumns(), acc.getWidth()};
}
} // namespace

ArrayRef<int64_t> NestOp::getInputAccess(unsigned input) {
  return cast<DenseI64ArrayAttr>(getAccesses()[input]).asArrayRef();
}
ArrayRef<int64_t> NestOp::getResultAccess(unsigned result) {
  return cast<DenseI64ArrayAttr>(getAccesses()[getInputs().size() + result]).asArrayRef();
}

int64_t NestOp::getNumSteps() {
  int64_t steps = 1;
  for (int64_t size : getLoops().take_back(getReduction() ? size_t(getReduced()) : 0)) {
    steps *= size;
  }
  return steps;
}

/// Whether [offset, strides ..] stays in `type` for all of `loops`.
static bool staysInside(ArrayRef<int64_t> access, ArrayRef<int64_t> loops, BufferType type) {
  int64_t least = access.front(), most = access.front();
  for (auto [stride, size] : llvm::zip(access.drop_front(), loops)) {
    (stride < 0 ? least : most) += stride * (size - 1);
  }
  return least >= 0 && most < type.getRows();
}

static bool isNestBuffer(Type type) {
  auto buffer = cast<BufferType>(type);
  return buffer.getFormat() == Format::F32 || buffer.getFormat() == Format::I32;
}

LogicalResult NestOp::verify() {
  size_t operands = getInputs().size() + getNumResults();
  if (getNumResults() == 0 || getAccesses().size() != operands ||
      llvm::any_of(getLoops(), [](int64_t size) { return size < 1; })) {
    return emitOpError("expected results, loops of at least one step and one access a buffer");
  }
  if (getReduction() && ((*getReduction() != "add" && *getReduction() != "max") ||
                         getReduced() < 1 || getReduced() > getLoops().size() ||
                         getNumResults() != 1)) {
    return emitOpError("expected to reduce the last loops by add or max to one result");
  }
  SmallVector<Type> types(getInputs().getTypes());
  llvm::append_range(types, getResultTypes());
  for (auto [type, attribute] : llvm::zip(types, getAccesses())) {
    auto access = dyn_cast<DenseI64ArrayAttr>(attribute);
    if (!access || access.size() != int64_t(getLoops().size() + 1) || !isNestBuffer(type) ||
        !staysInside(access.asArrayRef(), getLoops(), cast<BufferType>(type))) {
      return emitOpError("expected [offset, a stride a loop] inside of ") << type << ", got "
                                                                          << attribute;
    }
  }
  for (unsigned result = 0; getReduction() && result < getNumResults(); ++result) {
    ArrayRef<int64_t> reduced = getResultAccess(result).take_back(size_t(getReduced()));
    if (llvm::any_of(reduced, [](int64_t stride) { return stride != 0; })) {
      return emitOpError("expected results not to move over the loops that are reduced, got ")
             << getAccesses()[getInputs().size() + result];
    }
  }
  Block &block = getBody().front();
  auto yield = dyn_cast<YieldOp>(block.getTerminator());
  auto matches = [](Type buffer, Type scalar) {
    return cast<BufferType>(buffer).getFormat() == Format::F32 ? scalar.isF32()
                                                               : scalar.isInteger(32);
  };
  if (!yield || yield.getValues().size() != getNumResults() ||
      block.getNumArguments() != getInputs().size() ||
      !llvm::all_of_zip(getInputs().getTypes(), block.getArgumentTypes(), matches) ||
      !llvm::all_of_zip(getResultTypes(), yield.getValues().getTypes(), matches)) {
    return emitOpError("expected f32 or i32 block arguments and lpu.yield, as the buffers are");
  }
  return success();
}

FailureOr<Piece> mlir::lpu::getPiece(ArrayRef<int64_t> list) {
  // input, value and two offsets, and a size and two strides a loop.
  if (list.size() < 4 || (list.size() - 4) % 3 != 0) {
    return failure();
  }
  size_t rank = (list.size() - 4) / 3;
  return Piece{list[0], list[1], list.slice(2, rank), list.slice(2 + rank, rank + 1),
               list.slice(3 + 2 * rank, rank + 1)};
}

LogicalResult AssembleOp::verify() {
  SmallVector<Type> types(getInputs().getTypes());
  types.push_back(getResult().getType());
  for (Type type : types) {
    if (!isNestBuffer(type)) {
      return emitOpError("expected buffers of f32 or i32, got ") << type;
    }
  }
  for (Attribute attribute : getPieces()) {
    auto list = dyn_cast<DenseI64ArrayAttr>(attribute);
    FailureOr<Piece> piece = list ? getPiece(list.asArrayRef()) : FailureOr<Piece>(failure());
    if (failed(piece) || piece->input < -1 || piece->input >= int64_t(getInputs().size()) ||
        llvm::any_of(piece->loops, [](int64_t size) { return size < 1; }) ||
        !staysInside(piece->to, piece->loops, getResult().getType()) ||
        (piece->input >= 0 &&
         !staysInside(piece->from, piece->loops,
                      cast<BufferType>(getInputs()[size_t(piece->input)].getType())))) {
      return emitOpError("expected pieces inside of their buffers, got ") << attribute;
    }
  }
  return success();
}

LogicalResult MapOp::verify() {
  if (getNumResults() == 0) {
    return emitOpError("expected at least one result");
  }
  Extent extent = getExtent(getResult(0).getType());
  for (Value result : getResults()) {
    Extent other = getExtent(result.getType());
    if (other.rows != extent.rows || other.columns != extent.columns ||
        other.width != extent.width) {
      return emitOpError("expected results of one shape, got ")
             << getResult(0).getType() << " and " << result.getType();
    }
  }
  auto isOneVector = [&](const Extent &other) {
    return extent.width && other.width >= extent.width && other.columns == other.width;
  };
  for (Value input : getInputs()) {
    Extent other = getExtent(input.getType());
    if (extent.rows % other.rows != 0 ||
        (other.columns != 1 && !isOneVector(other) &&
         (other.columns != extent.columns || other.width != extent.width))) {
      return emitOpError("expected inputs of ")
             << extent.rows << " rows, or rows that divide them, and " << extent.columns
             << " or 1 columns, got " << input.getType();
    }
  }
  if (getScales().size() != getNumResults()) {
    return emitOpError("expected one scale a result, got ")
           << getScales().size() << " for " << getNumResults();
  }
  Block &block = getBody().front();
  if (block.getNumArguments() != getInputs().size() ||
      !llvm::all_of(block.getArgumentTypes(),
                    [](Type type) { return type.isF32(); })) {
    return emitOpError("expected one f32 block argument an input");
  }
  auto yield = dyn_cast<YieldOp>(block.getTerminator());
  if (!yield || yield.getValues().size() != getNumResults()) {
    return emitOpError("expected lpu.yield with one value a result");
  }
  return success();
}
