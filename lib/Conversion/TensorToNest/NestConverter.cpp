//===- NestConverter.cpp - One entry, tensors to loop nests ---------------===//

#include "NestConverter.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/IRMapping.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/TypeSwitch.h"
#include <functional>

using namespace mlir;
using mlir::lpu::BufferType;
using mlir::lpu::Format;
using mlir::lpu::NestOp;

namespace lpu::nest_lowering {

static RankedTensorType typeOf(Value value) { return cast<RankedTensorType>(value.getType()); }

/// The most reads of one operand that a chain of a reduction has.
constexpr int64_t kMostSegments = 32;

static bool isEmpty(Value value) { return typeOf(value).getNumElements() == 0; }

NestConverter::NestConverter(func::FuncOp entry, const Target &target)
    : entry(entry), target(target), assignment(entry, int64_t(target.lanes())),
      files(entry->getParentOfType<ModuleOp>()) {}

LogicalResult NestConverter::run() {
  Block &old = entry.getBody().front();
  Block *block = new Block;
  entry.getBody().push_back(block);
  Builder b(entry.getLoc(), OpBuilder::atBlockEnd(block));
  for (BlockArgument argument : old.getArguments()) {
    if (failed(loadInput(b, argument))) {
      return failure();
    }
  }
  for (Operation &op : old) {
    b.setLoc(op.getLoc());
    if (failed(convert(b, op))) {
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

//===----------------------------------------------------------------------===//
// Layouts
//===----------------------------------------------------------------------===//

Layout NestConverter::getCanonical(RankedTensorType type, int64_t laneDim) const {
  Layout layout;
  layout.laneDim = laneDim;
  layout.strides.assign(size_t(type.getRank()), 0);
  int64_t words = laneDim < 0 ? 1 : getVectors(type.getDimSize(laneDim));
  for (int64_t d = type.getRank(); d-- > 0;) {
    if (d != laneDim) {
      layout.strides[size_t(d)] = words;
      words *= std::max<int64_t>(type.getDimSize(d), 1); // of none, too, places differ
    }
  }
  return layout;
}

BufferType NestConverter::getBuffer(int64_t words, int64_t columns, Type element) {
  return BufferType::get(entry.getContext(), std::max<int64_t>(words, 1), columns,
                         isa<FloatType>(element) ? Format::F32 : Format::I32, 0);
}

BufferType NestConverter::getBuffer(RankedTensorType type, int64_t laneDim) {
  int64_t size = laneDim < 0 ? 1 : type.getDimSize(laneDim);
  int64_t rows = size == 0 ? 0 : type.getNumElements() / size;
  return getBuffer(rows * getVectors(size), std::clamp<int64_t>(size, 1, lanes()),
                   type.getElementType());
}

Layout NestConverter::shift(const Layout &layout, ArrayRef<int64_t> offsets,
                            ArrayRef<int64_t> steps) {
  Layout result = layout;
  for (auto [d, offset] : llvm::enumerate(offsets)) {
    if (int64_t(d) != layout.laneDim) {
      result.offset += offset * layout.strides[d];
      result.strides[d] *= steps.empty() ? 1 : steps[d];
    }
  }
  return result;
}

//===----------------------------------------------------------------------===//
// Constants
//===----------------------------------------------------------------------===//

/// The 32 bits that a number is carried in.
static uint32_t getScalarBits(Attribute value) {
  if (auto number = dyn_cast<FloatAttr>(value)) {
    return llvm::bit_cast<uint32_t>(number.getValue().convertToFloat());
  }
  return uint32_t(cast<IntegerAttr>(value).getValue().getZExtValue());
}

std::optional<std::vector<uint32_t>> NestConverter::getConstant(Value value) {
  Operation *op = value.getDefiningOp();
  if (Value number = getFill(op)) {
    return getConstant(number);
  }
  if (!isa<RankedTensorType>(value.getType())) {
    auto constant = dyn_cast_or_null<arith::ConstantOp>(op);
    return constant ? std::optional(std::vector<uint32_t>{getScalarBits(constant.getValue())})
                    : std::nullopt;
  }
  if (isa_and_nonnull<tensor::EmptyOp>(op)) {
    return std::vector<uint32_t>{0};
  }
  if (auto known = moved.find(value); known != moved.end()) {
    return known->second;
  }
  if (!isa_and_nonnull<arith::ConstantOp, mlir::lpu::WeightOp>(op)) {
    return std::nullopt;
  }
  Attribute attribute = op->getAttr("value");
  Type element = typeOf(value).getElementType();
  size_t count = size_t(typeOf(value).getNumElements());
  std::vector<uint32_t> words;
  if (auto reference = dyn_cast<mlir::onnx::WeightRefAttr>(attribute)) {
    auto bytes = files.getBytes(reference);
    if (!bytes) {
      op->emitError(llvm::toString(bytes.takeError()));
      return std::nullopt;
    }
    if (!element.isF32() && !element.isInteger(32)) {
      return std::nullopt; // rules carry it
    }
    words.resize(count);
    std::memcpy(words.data(), bytes->data(), count * 4);
    return words;
  }
  auto elements = dyn_cast<DenseElementsAttr>(attribute);
  if (!elements) {
    return std::nullopt;
  }
  // Of an output that is constant, the model's own elements.
  auto toBits = [&](auto number) {
    if constexpr (std::is_same_v<decltype(number), APFloat>) {
      bool loses = false;
      number.convert(APFloat::IEEEsingle(), APFloat::rmNearestTiesToEven, &loses);
      return uint32_t(number.bitcastToAPInt().getZExtValue());
    } else {
      return uint32_t(element.isSignlessInteger() && !element.isInteger(1)
                          ? number.getSExtValue()
                          : int64_t(number.getZExtValue()));
    }
  };
  bool isFloat = isa<FloatType>(element);
  if (elements.isSplat()) {
    return std::vector<uint32_t>{isFloat ? toBits(elements.getSplatValue<APFloat>())
                                         : toBits(elements.getSplatValue<APInt>())};
  }
  words.reserve(count);
  if (isFloat) {
    for (const APFloat &number : elements.getValues<APFloat>()) {
      words.push_back(toBits(number));
    }
  } else {
    for (const APInt &number : elements.getValues<APInt>()) {
      words.push_back(toBits(number));
    }
  }
  return words;
}

bool NestConverter::moveConstant(Operation &op) {
  auto slice = dyn_cast<tensor::ExtractSliceOp>(op);
  auto turned = dyn_cast<linalg::TransposeOp>(op);
  bool isReshape = isa<tensor::CollapseShapeOp, tensor::ExpandShapeOp>(op);
  if ((!slice && !turned && !isReshape) ||
      (!isFree(op.getOperand(0)) && !moved.contains(op.getOperand(0)))) {
    return false;
  }
  auto words = getConstant(op.getOperand(0));
  bool isStatic = !slice || (slice.getOffsets().empty() && slice.getSizes().empty() &&
                             slice.getStrides().empty());
  if (!words || !isStatic) {
    return false;
  }
  Value result = op.getResult(0);
  if (words->size() == 1 || isReshape) {
    moved[result] = std::move(*words);
    return true;
  }
  RankedTensorType from = typeOf(op.getOperand(0)), to = typeOf(result);
  SmallVector<int64_t> strides(size_t(from.getRank()), 1), steps;
  for (int64_t d = from.getRank() - 1; d-- > 0;) {
    strides[size_t(d)] = strides[size_t(d) + 1] * from.getDimSize(d + 1);
  }
  int64_t first = 0;
  for (int64_t d = 0; d < from.getRank(); ++d) {
    if (turned) {
      steps.push_back(strides[size_t(turned.getPermutation()[size_t(d)])]);
      continue;
    }
    first += slice.getStaticOffset(unsigned(d)) * strides[size_t(d)];
    if (!slice.getDroppedDims()[unsigned(d)]) {
      steps.push_back(slice.getStaticStride(unsigned(d)) * strides[size_t(d)]);
    }
  }
  std::vector<uint32_t> picked;
  SmallVector<int64_t> at(steps.size(), 0);
  for (int64_t k = 0; k < to.getNumElements(); ++k) {
    int64_t place = first;
    for (auto [index, step] : llvm::zip(at, steps)) {
      place += index * step;
    }
    picked.push_back((*words)[size_t(place)]);
    for (size_t d = at.size(); d-- > 0 && ++at[d] == to.getDimSize(unsigned(d));) {
      at[d] = 0;
    }
  }
  moved[result] = std::move(picked);
  return true;
}

std::optional<uint32_t> NestConverter::getSplat(Value value) {
  if (!isFree(value)) {
    return std::nullopt;
  }
  // Weights of many elements are not read for this.
  auto type = dyn_cast<RankedTensorType>(value.getType());
  if (isa<arith::ConstantOp, mlir::lpu::WeightOp>(value.getDefiningOp()) && type &&
      type.getNumElements() != 1) {
    auto elements = dyn_cast<DenseElementsAttr>(value.getDefiningOp()->getAttr("value"));
    if (!elements || !elements.isSplat()) {
      return std::nullopt;
    }
  }
  auto words = getConstant(value);
  return words && words->size() == 1 ? std::optional(words->front()) : std::nullopt;
}

FailureOr<NestConverter::Placed> NestConverter::get(Builder &b, Value value, int64_t laneDim) {
  auto known = values.find(value);
  if (known != values.end()) {
    return known->second;
  }
  auto words = getConstant(value);
  if (!words) {
    return emitError(value.getLoc()) << "expected a computed tensor or a constant, got " << value;
  }
  Placed &placed = constants[{value.getAsOpaquePointer(), laneDim}];
  if (placed.buffer) {
    return placed;
  }
  RankedTensorType type = typeOf(value);
  BufferType buffer = getBuffer(type, laneDim);
  Layout layout = getCanonical(type, laneDim);
  int64_t columns = buffer.getColumns();
  std::vector<uint32_t> data(size_t(buffer.getRows() * columns));
  SmallVector<int64_t> at(size_t(type.getRank()), 0);
  for (int64_t k = 0; k < type.getNumElements(); ++k) {
    int64_t word = 0, lane = 0;
    for (auto [d, index] : llvm::enumerate(at)) {
      word += index * layout.strides[d];
    }
    if (laneDim >= 0) {
      word += at[size_t(laneDim)] / lanes() * layout.vectorStride;
      lane = at[size_t(laneDim)] % lanes();
    }
    data[size_t(word * columns + lane)] = (*words)[words->size() == 1 ? 0 : size_t(k)];
    for (size_t d = at.size(); d-- > 0;) {
      if (++at[d] < type.getDimSize(d)) {
        break;
      }
      at[d] = 0;
    }
  }
  Type carried =
      isa<FloatType>(type.getElementType()) ? Type(b.getF32Type()) : Type(b.getI32Type());
  auto dense = DenseElementsAttr::getFromRawBuffer(
      RankedTensorType::get({buffer.getRows(), columns}, carried),
      ArrayRef(reinterpret_cast<const char *>(data.data()), data.size() * 4));
  placed = {mlir::lpu::ConstantRowsOp::create(b, buffer, dense, DenseI64ArrayAttr()), layout};
  return placed;
}

FailureOr<NestConverter::Placed> NestConverter::get(Builder &b, Value value) {
  return get(b, value, isFree(value) ? -1 : assignment.getDim(value));
}

//===----------------------------------------------------------------------===//
// Inputs and outputs
//===----------------------------------------------------------------------===//

/// As lpu.load_input has it.
static SmallVector<int64_t> getList(const Layout &layout) {
  SmallVector<int64_t> list{layout.laneDim, layout.vectorStride, layout.offset};
  llvm::append_range(list, layout.strides);
  return list;
}

LogicalResult NestConverter::loadInput(Builder &b, BlockArgument argument) {
  auto name =
      entry.getArgAttrOfType<StringAttr>(argument.getArgNumber(), mlir::lpu::LPUDialect::kNameAttr);
  auto type = dyn_cast<RankedTensorType>(argument.getType());
  StringRef label = name ? name.getValue() : StringRef();
  if (!type || !type.hasStaticShape() || !type.getElementType().isIntOrFloat()) {
    return entry.emitError("input '")
           << label << "': expected numbers and a static shape, got " << argument.getType();
  }
  Type model = type.getElementType();
  Type carried = isa<FloatType>(model) ? Type(b.getF32Type()) : Type(b.getI32Type());
  auto stored = RankedTensorType::get(type.getShape(), carried);
  int64_t laneDim = assignment.getDim(argument);
  Layout layout = getCanonical(stored, laneDim);
  // An unsigned argument of the model is signless at this level.
  bool isUnsigned = llvm::any_of(argument.getUsers(), [](Operation *user) {
    auto narrow = dyn_cast<mlir::lpu::NarrowOp>(user);
    return narrow && narrow.getIsUnsigned();
  });
  if (auto integer = dyn_cast<IntegerType>(model); integer && isUnsigned) {
    model = IntegerType::get(b.getContext(), integer.getWidth(), IntegerType::Unsigned);
  }
  auto load = mlir::lpu::LoadInputOp::create(b, b.getLoc(), getBuffer(stored, laneDim), label,
                                             type.getShape(), model, getList(layout));
  load.setChunkWords(getChunk(load.getResult()));
  values[argument] = {load, layout};
  return success();
}

LogicalResult NestConverter::convertReturn(Builder &b, Operation &op) {
  for (auto [index, result] : llvm::enumerate(op.getOperands())) {
    auto name =
        entry.getResultAttrOfType<StringAttr>(unsigned(index), mlir::lpu::LPUDialect::kNameAttr);
    RankedTensorType type = typeOf(result);
    Type model = type.getElementType();
    Value source = result;
    if (auto widen = source.getDefiningOp<mlir::lpu::WidenOp>()) {
      source = widen.getSource();
      if (widen.getIsUnsigned() && isa<IntegerType>(model)) {
        model =
            IntegerType::get(b.getContext(), model.getIntOrFloatBitWidth(), IntegerType::Unsigned);
      }
    }
    FailureOr<Placed> placed = get(b, source);
    if (failed(placed)) {
      return failure();
    }
    // An output has words of its own, which something writes and nothing else reads: they are
    // nobody's before and after.
    Operation *maker = placed->buffer.getDefiningOp();
    bool isOwn =
        isa<NestOp, mlir::lpu::AssembleOp, mlir::lpu::MapOp>(maker) && placed->buffer.use_empty();
    if (!isOwn) {
      RankedTensorType from = typeOf(source);
      Value copy = copyTo(b, *placed, from, placed->layout.laneDim);
      placed = Placed{copy, getCanonical(from, placed->layout.laneDim)};
    }
    auto store =
        mlir::lpu::StoreOutputOp::create(b, b.getLoc(), placed->buffer, name ? name.getValue() : "",
                                         type.getShape(), model, getList(placed->layout));
    store.setChunkWords(getChunk(placed->buffer));
  }
  func::ReturnOp::create(b);
  return success();
}

//===----------------------------------------------------------------------===//
// Movement
//===----------------------------------------------------------------------===//

Attribute NestConverter::getPiece(Builder &b, int64_t input, uint32_t value,
                                  ArrayRef<int64_t> sizes, int64_t laneDim, const Layout &from,
                                  const Layout &to) {
  SmallVector<int64_t> loops, fromStrides, toStrides;
  for (auto [d, size] : llvm::enumerate(sizes)) {
    bool isLane = int64_t(d) == laneDim;
    loops.push_back(isLane ? getVectors(size) : size);
    fromStrides.push_back(input < 0 ? 0 : isLane ? from.vectorStride : from.strides[d]);
    toStrides.push_back(isLane ? to.vectorStride : to.strides[d]);
  }
  SmallVector<int64_t> list{input, int64_t(int32_t(value))};
  llvm::append_range(list, loops);
  list.push_back(input < 0 ? 0 : from.offset);
  llvm::append_range(list, fromStrides);
  list.push_back(to.offset);
  llvm::append_range(list, toStrides);
  return b.getDenseI64ArrayAttr(list);
}

Value NestConverter::copyTo(Builder &b, const Placed &from, RankedTensorType type,
                            int64_t laneDim) {
  SmallVector<Attribute> pieces;
  if (type.getNumElements() > 0) {
    pieces.push_back(
        getPiece(b, 0, 0, type.getShape(), laneDim, from.layout, getCanonical(type, laneDim)));
  } else {
    // A word for what has none.
    pieces.push_back(b.getDenseI64ArrayAttr({-1, 0, 0, 0}));
  }
  ValueRange inputs = type.getNumElements() > 0 ? ValueRange(from.buffer) : ValueRange();
  return mlir::lpu::AssembleOp::create(b, getBuffer(type, laneDim), inputs, b.getArrayAttr(pieces),
                                       DenseI64ArrayAttr());
}

void NestConverter::addAround(Builder &b, SmallVectorImpl<Attribute> &pieces, int64_t input,
                              uint32_t value, ArrayRef<int64_t> shape, ArrayRef<int64_t> offsets,
                              ArrayRef<int64_t> sizes, int64_t laneDim, const Layout &from,
                              const Layout &to) {
  // Below and above the box along one dimension, within the box along those before it.
  SmallVector<int64_t> first(shape.size(), 0), count(shape);
  auto add = [&] {
    if (llvm::all_of(count, [](int64_t size) { return size > 0; })) {
      pieces.push_back(getPiece(b, input, value, count, laneDim,
                                input < 0 ? from : shift(from, first), shift(to, first)));
    }
  };
  for (size_t d = 0; d < shape.size(); ++d) {
    count[d] = offsets[d];
    add();
    first[d] = offsets[d] + sizes[d];
    count[d] = shape[d] - first[d];
    add();
    first[d] = offsets[d];
    count[d] = sizes[d];
  }
}

LogicalResult NestConverter::convertReshape(Builder &b, Operation *op,
                                            ArrayRef<ReassociationIndices> groups) {
  Value source = op->getOperand(0), result = op->getResult(0);
  FailureOr<Placed> placed = get(b, source);
  if (failed(placed)) {
    return failure();
  }
  RankedTensorType from = typeOf(source), to = typeOf(result);
  int64_t laneTo = -1;
  for (auto [a, c] : getKeptDims(groups, from, to)) {
    laneTo = a == placed->layout.laneDim ? c : laneTo;
  }
  bool collapses = from.getRank() > to.getRank();
  auto regroup = [&](const Layout &layout) -> std::optional<Layout> {
    Layout next{laneTo, layout.vectorStride, layout.offset,
                SmallVector<int64_t>(size_t(to.getRank()), 0)};
    // A reshape of rank 0 has no groups: one element.
    for (auto [d, group] : llvm::enumerate(groups)) {
      if (!collapses) {
        int64_t stride = layout.strides[d];
        for (int64_t e : llvm::reverse(group)) {
          next.strides[size_t(e)] = e == laneTo ? 0 : stride;
          stride *= e == laneTo ? 1 : to.getDimSize(e);
        }
        continue;
      }
      int64_t expected = 0;
      bool isFirst = true;
      for (int64_t e : llvm::reverse(group)) {
        if (from.getDimSize(e) == 1 || e == layout.laneDim) {
          continue;
        }
        if (isFirst) {
          next.strides[d] = layout.strides[size_t(e)];
        } else if (layout.strides[size_t(e)] != expected) {
          return std::nullopt;
        }
        isFirst = false;
        expected = layout.strides[size_t(e)] * from.getDimSize(e);
      }
      if (int64_t(d) == laneTo) {
        next.strides[d] = 0;
      }
    }
    return next;
  };
  std::optional<Layout> layout = regroup(placed->layout);
  if (!layout) {
    int64_t laneDim = placed->layout.laneDim;
    placed = Placed{copyTo(b, *placed, from, laneDim), getCanonical(from, laneDim)};
    layout = regroup(placed->layout);
  }
  values[result] = {placed->buffer, *layout};
  return success();
}

LogicalResult NestConverter::convertPad(Builder &b, tensor::PadOp op) {
  std::optional<uint32_t> value;
  if (Value scalar = op.getConstantPaddingValue()) {
    if (auto constant = scalar.getDefiningOp<arith::ConstantOp>()) {
      value = getScalarBits(constant.getValue());
    }
  }
  RankedTensorType type = typeOf(op.getResult());
  if (!value || !op.getLow().empty() || !op.getHigh().empty()) {
    return op.emitOpError("expected a constant value and constant sizes");
  }
  int64_t laneDim = assignment.getDim(op.getResult());
  FailureOr<Placed> from = get(b, op.getSource(), laneDim);
  if (failed(from)) {
    return failure();
  }
  Layout to = getCanonical(type, laneDim);
  SmallVector<Attribute> pieces;
  ArrayRef<int64_t> low = op.getStaticLow(), sizes = typeOf(op.getSource()).getShape();
  if (!isEmpty(op.getSource())) {
    pieces.push_back(getPiece(b, 0, 0, sizes, laneDim, from->layout, shift(to, low)));
  }
  addAround(b, pieces, -1, *value, type.getShape(), low, sizes, laneDim, {}, to);
  values[op.getResult()] = {mlir::lpu::AssembleOp::create(b, getBuffer(type, laneDim), from->buffer,
                                                          b.getArrayAttr(pieces),
                                                          DenseI64ArrayAttr()),
                            to};
  return success();
}

LogicalResult NestConverter::convertInsert(Builder &b, tensor::InsertSliceOp op) {
  if (!op.getOffsets().empty() || !op.getSizes().empty() || !op.getStrides().empty()) {
    return op.emitOpError("expected constant offsets, sizes and strides");
  }
  RankedTensorType type = typeOf(op.getResult());
  int64_t laneDim = assignment.getDim(op.getResult());
  // The source with the dimensions that it lacks.
  llvm::SmallBitVector dropped = op.getDroppedDims();
  SmallVector<int64_t> dims;
  for (int64_t d = 0; d < type.getRank(); ++d) {
    if (!dropped[unsigned(d)]) {
      dims.push_back(d);
    }
  }
  int64_t sourceLane = laneDim < 0 ? -1 : int64_t(llvm::find(dims, laneDim) - dims.begin());
  FailureOr<Placed> source = get(b, op.getSource(), sourceLane);
  FailureOr<Placed> dest = get(b, op.getDest(), laneDim);
  if (failed(source) || failed(dest)) {
    return failure();
  }
  Layout from = source->layout, to = getCanonical(type, laneDim);
  from.strides.assign(size_t(type.getRank()), 0);
  for (auto [s, d] : llvm::enumerate(dims)) {
    from.strides[size_t(d)] = source->layout.strides[s];
  }
  ArrayRef<int64_t> offsets = op.getStaticOffsets(), sizes = op.getStaticSizes(),
                    steps = op.getStaticStrides();
  bool isDense = llvm::all_of(steps, [](int64_t step) { return step == 1; });
  SmallVector<Attribute> pieces;
  std::optional<uint32_t> splat = getSplat(op.getDest());
  if (isDense) {
    addAround(b, pieces, splat ? -1 : 1, splat.value_or(0), type.getShape(), offsets, sizes,
              laneDim, dest->layout, to);
  } else {
    pieces.push_back(
        getPiece(b, splat ? -1 : 1, splat.value_or(0), type.getShape(), laneDim, dest->layout, to));
  }
  if (!isEmpty(op.getSource())) {
    pieces.push_back(getPiece(b, 0, 0, sizes, laneDim, from, shift(to, offsets, steps)));
  }
  values[op.getResult()] = {mlir::lpu::AssembleOp::create(b, getBuffer(type, laneDim),
                                                          ValueRange{source->buffer, dest->buffer},
                                                          b.getArrayAttr(pieces),
                                                          DenseI64ArrayAttr()),
                            to};
  return success();
}

LogicalResult NestConverter::convertConcat(Builder &b, tensor::ConcatOp op) {
  RankedTensorType type = typeOf(op.getResult());
  int64_t laneDim = assignment.getDim(op.getResult());
  Layout to = getCanonical(type, laneDim);
  SmallVector<Attribute> pieces;
  SmallVector<Value> inputs;
  SmallVector<int64_t> offsets(size_t(type.getRank()), 0);
  for (Value input : op.getInputs()) {
    RankedTensorType from = typeOf(input);
    if (from.getNumElements() > 0) {
      std::optional<uint32_t> splat = getSplat(input);
      Layout layout;
      if (!splat) {
        FailureOr<Placed> placed = get(b, input, laneDim);
        if (failed(placed)) {
          return failure();
        }
        inputs.push_back(placed->buffer);
        layout = placed->layout;
      }
      pieces.push_back(getPiece(b, splat ? -1 : int64_t(inputs.size()) - 1, splat.value_or(0),
                                from.getShape(), laneDim, layout, shift(to, offsets)));
    }
    offsets[op.getDim()] += from.getDimSize(int64_t(op.getDim()));
  }
  values[op.getResult()] = {mlir::lpu::AssembleOp::create(b, getBuffer(type, laneDim), inputs,
                                                          b.getArrayAttr(pieces),
                                                          DenseI64ArrayAttr()),
                            to};
  return success();
}

//===----------------------------------------------------------------------===//
// Nests
//===----------------------------------------------------------------------===//

NestOp NestConverter::nest(Builder &b, ArrayRef<int64_t> loops, ArrayRef<Operand> operands,
                           ArrayRef<BufferType> results,
                           ArrayRef<SmallVector<int64_t>> resultAccesses, Reduction reduction,
                           llvm::function_ref<SmallVector<Value>(Builder &, ValueRange)> body) {
  // What is read at two places of one buffer lies twice: a slice reads one word a cycle.
  SmallVector<Value> buffers;
  SmallVector<Attribute> accesses;
  SmallVector<unsigned> number;
  for (const Operand &operand : operands) {
    auto access = b.getDenseI64ArrayAttr(operand.access);
    size_t same = 0;
    for (; same < buffers.size(); ++same) {
      if (buffers[same] == operand.buffer && accesses[same] == access) {
        break;
      }
    }
    number.push_back(unsigned(same));
    if (same < buffers.size()) {
      continue;
    }
    Value buffer = operand.buffer;
    if (llvm::is_contained(buffers, buffer)) {
      auto type = cast<BufferType>(buffer.getType());
      Attribute all = b.getDenseI64ArrayAttr({0, 0, type.getRows(), 0, 1, 0, 1});
      buffer =
          mlir::lpu::AssembleOp::create(b, type, buffer, b.getArrayAttr(all), DenseI64ArrayAttr());
    }
    buffers.push_back(buffer);
    accesses.push_back(access);
  }
  for (const SmallVector<int64_t> &access : resultAccesses) {
    accesses.push_back(b.getDenseI64ArrayAttr(access));
  }
  SmallVector<Type> types(results.begin(), results.end());
  auto op =
      NestOp::create(b, types, buffers, b.getDenseI64ArrayAttr(loops), b.getArrayAttr(accesses),
                     reduction.kind.empty() ? StringAttr() : b.getStringAttr(reduction.kind),
                     b.getI64IntegerAttr(reduction.loops), ArrayAttr());
  Block &block = op.getBody().emplaceBlock();
  for (Value buffer : buffers) {
    bool isFloat = cast<BufferType>(buffer.getType()).getFormat() == Format::F32;
    block.addArgument(isFloat ? Type(b.getF32Type()) : Type(b.getI32Type()), b.getLoc());
  }
  Builder inner(b.getLoc(), OpBuilder::atBlockEnd(&block));
  SmallVector<Value> arguments;
  for (unsigned index : number) {
    arguments.push_back(block.getArgument(index));
  }
  mlir::lpu::YieldOp::create(inner, body(inner, arguments));
  return op;
}

NestConverter::Loops NestConverter::getLoops(linalg::GenericOp op) {
  Loops loops;
  loops.lane = assignment.getLoop(op);
  SmallVector<int64_t> sizes = op.getStaticLoopRanges();
  SmallVector<utils::IteratorType> iterators = op.getIteratorTypesArray();
  auto addAll = [&](utils::IteratorType kind) {
    for (auto [loop, size] : llvm::enumerate(sizes)) {
      if (iterators[loop] == kind && int64_t(loop) != loops.lane && size != 1) {
        loops.dims.push_back(int64_t(loop));
        loops.sizes.push_back(size);
      }
    }
  };
  addAll(utils::IteratorType::parallel);
  if (loops.lane >= 0) {
    loops.dims.push_back(-1);
    loops.sizes.push_back(getVectors(sizes[size_t(loops.lane)]));
  }
  loops.parallel = loops.sizes.size();
  addAll(utils::IteratorType::reduction);
  return loops;
}

/// The constant of an affine expression, and the factor of `loop` in it.
static int64_t evaluate(AffineExpr expr, unsigned loops, int64_t one) {
  SmallVector<AffineExpr> values;
  for (unsigned loop = 0; loop < loops; ++loop) {
    values.push_back(getAffineConstantExpr(int64_t(loop) == one, expr.getContext()));
  }
  return cast<AffineConstantExpr>(simplifyAffineExpr(expr.replaceDims(values), 0, 0)).getValue();
}

SmallVector<int64_t> NestConverter::getAccess(const Layout &layout, AffineMap map,
                                              const Loops &loops) {
  SmallVector<int64_t> access{layout.offset};
  for (int64_t loop : loops.dims) {
    access.push_back(loop < 0 && layout.laneDim >= 0 ? layout.vectorStride : 0);
  }
  for (auto [d, expr] : llvm::enumerate(map.getResults())) {
    if (int64_t(d) == layout.laneDim) {
      continue;
    }
    int64_t constant = evaluate(expr, map.getNumDims(), -1);
    access[0] += constant * layout.strides[d];
    for (auto [k, loop] : llvm::enumerate(loops.dims)) {
      if (loop >= 0) {
        access[k + 1] += (evaluate(expr, map.getNumDims(), loop) - constant) * layout.strides[d];
      }
    }
  }
  return access;
}

NestConverter::Operand NestConverter::getIndex(Builder &b, const Loops &loops, int64_t loop,
                                               int64_t size) {
  bool isLane = loop == loops.lane;
  int64_t words = isLane ? getVectors(size) : size;
  int64_t columns = isLane ? std::min(size, lanes()) : 1;
  SmallVector<int32_t> data;
  for (int64_t word = 0; word < words; ++word) {
    for (int64_t column = 0; column < columns; ++column) {
      data.push_back(int32_t(isLane ? word * lanes() + column : word));
    }
  }
  auto dense = DenseElementsAttr::get(RankedTensorType::get({words, columns}, b.getI32Type()),
                                      ArrayRef(data));
  Operand operand{mlir::lpu::ConstantRowsOp::create(b, getBuffer(words, columns, b.getI32Type()),
                                                    dense, DenseI64ArrayAttr()),
                  {0}};
  for (int64_t dim : loops.dims) {
    operand.access.push_back(isLane ? dim < 0 : dim == loop);
  }
  return operand;
}

FailureOr<SmallVector<NestConverter::Operand>>
NestConverter::getOperands(Builder &b, linalg::GenericOp op, const Loops &loops,
                           llvm::DenseMap<Value, uint32_t> &splats,
                           SmallVectorImpl<Value> &arguments) {
  SmallVector<Operand> operands;
  Block *body = op.getBody();
  bool reduces = op.getNumParallelLoops() != op.getNumLoops();
  for (OpOperand &operand : op->getOpOperands()) {
    BlockArgument argument = body->getArgument(operand.getOperandNumber());
    // The result so far of a reduction is none of its operands.
    if (argument.use_empty() || (reduces && op.isDpsInit(&operand))) {
      continue;
    }
    AffineMap map = op.getMatchingIndexingMap(&operand);
    if (std::optional<uint32_t> splat = getSplat(operand.get())) {
      splats[argument] = *splat;
      continue;
    }
    int64_t laneDim = -1;
    for (auto [d, expr] : llvm::enumerate(map.getResults())) {
      if (loops.lane >= 0 && expr == b.getAffineDimExpr(unsigned(loops.lane))) {
        laneDim = int64_t(d);
      }
    }
    FailureOr<Placed> placed = get(b, operand.get(), laneDim);
    if (failed(placed)) {
      return failure();
    }
    operands.push_back({placed->buffer, getAccess(placed->layout, map, loops)});
    arguments.push_back(argument);
  }
  SmallVector<int64_t> sizes = op.getStaticLoopRanges();
  for (auto index : body->getOps<linalg::IndexOp>()) {
    if (sizes[index.getDim()] == 1) {
      splats[index] = 0;
      continue;
    }
    operands.push_back(getIndex(b, loops, int64_t(index.getDim()), sizes[index.getDim()]));
    arguments.push_back(index);
  }
  return operands;
}

/// A constant of the carried type of `type` (index is carried as i32).
static Value makeConstant(ImplicitLocOpBuilder &b, Type type, uint32_t bits) {
  if (type.isF32()) {
    return arith::ConstantOp::create(b, b.getF32FloatAttr(llvm::bit_cast<float>(bits)));
  }
  return type.isInteger(1)
             ? Value(arith::ConstantOp::create(b, b.getBoolAttr(bits != 0)))
             : Value(arith::ConstantOp::create(b, b.getI32IntegerAttr(int32_t(bits))));
}

SmallVector<Value> NestConverter::cloneBody(Builder &b, linalg::GenericOp op, ValueRange values,
                                            ArrayRef<Value> arguments,
                                            const llvm::DenseMap<Value, uint32_t> &splats,
                                            ValueRange roots) {
  IRMapping mapping;
  for (auto [value, bits] : splats) {
    mapping.map(value, makeConstant(b, value.getType(), bits));
  }
  for (auto [argument, value] : llvm::zip(arguments, values)) {
    // A bool lies in SRAM as 0 or 1.
    bool isBit = argument.getType().isInteger(1);
    mapping.map(argument, isBit ? Value(arith::TruncIOp::create(b, b.getI1Type(), value)) : value);
  }
  // Only what the roots need; constants may stand outside of the body.
  SetVector<Operation *> needed;
  std::function<void(Value)> collect = [&](Value value) {
    Operation *inner = value.getDefiningOp();
    if (!inner || mapping.contains(value)) {
      return;
    }
    if (inner->getBlock() != op.getBody()) {
      if (auto constant = dyn_cast<arith::ConstantOp>(inner)) {
        mapping.map(value, makeConstant(b, value.getType(), getScalarBits(constant.getValue())));
      }
    } else if (needed.insert(inner)) {
      llvm::for_each(inner->getOperands(), collect);
    }
  };
  llvm::for_each(roots, collect);
  for (Operation &inner : op.getBody()->without_terminator()) {
    if (!needed.contains(&inner)) {
      continue;
    }
    // Indices are i32 here.
    if (isa<arith::IndexCastOp, arith::IndexCastUIOp>(inner)) {
      mapping.map(inner.getResult(0), mapping.lookup(inner.getOperand(0)));
    } else if (auto constant = dyn_cast<arith::ConstantOp>(inner);
               constant && constant.getType().isIndex()) {
      mapping.map(constant,
                  makeConstant(b, b.getI32Type(),
                               uint32_t(cast<IntegerAttr>(constant.getValue()).getInt())));
    } else {
      Operation *copy = b.clone(inner, mapping);
      for (Value result : copy->getResults()) {
        if (result.getType().isIndex()) {
          result.setType(b.getI32Type());
        }
      }
    }
  }
  SmallVector<Value> results;
  for (Value root : roots) {
    Value value = mapping.lookup(root);
    results.push_back(value.getType().isInteger(1)
                          ? Value(arith::ExtUIOp::create(b, b.getI32Type(), value))
                          : value);
  }
  return results;
}

LogicalResult NestConverter::convertGeneric(Builder &b, linalg::GenericOp op) {
  if (const Contraction *contraction = assignment.getContraction(op)) {
    return convertContraction(b, op, *contraction);
  }
  if (op.getNumParallelLoops() != op.getNumLoops()) {
    return convertReduction(b, op);
  }
  Loops loops = getLoops(op);
  llvm::DenseMap<Value, uint32_t> splats;
  SmallVector<Value> arguments;
  FailureOr<SmallVector<Operand>> operands = getOperands(b, op, loops, splats, arguments);
  if (failed(operands)) {
    return failure();
  }
  SmallVector<BufferType> types;
  SmallVector<SmallVector<int64_t>> accesses;
  SmallVector<Layout> layouts;
  for (OpOperand &init : op.getDpsInitsMutable()) {
    Value result = op.getTiedOpResult(&init);
    int64_t laneDim = assignment.getDim(result);
    layouts.push_back(getCanonical(typeOf(result), laneDim));
    types.push_back(getBuffer(typeOf(result), laneDim));
    accesses.push_back(getAccess(layouts.back(), op.getMatchingIndexingMap(&init), loops));
  }
  NestOp made =
      nest(b, loops.sizes, *operands, types, accesses, {}, [&](Builder &inner, ValueRange in) {
        return cloneBody(inner, op, in, arguments, splats,
                         op.getBody()->getTerminator()->getOperands());
      });
  for (auto [old, result, layout] : llvm::zip(op.getResults(), made.getResults(), layouts)) {
    values[old] = {result, layout};
  }
  return success();
}

//===----------------------------------------------------------------------===//
// Reductions
//===----------------------------------------------------------------------===//

namespace {
/// What combines the terms of a reduction, and how the ALU's register does it.
struct Combiner {
  Operation *op = nullptr;
  StringRef reduction;    ///< "add" or "max"; empty: by halves
  bool isNegated = false; ///< the largest of the negated terms, negated
};
} // namespace

static Combiner getCombiner(Operation *op) {
  return llvm::TypeSwitch<Operation *, Combiner>(op)
      .Case<arith::AddFOp, arith::AddIOp>([&](auto) { return Combiner{op, "add"}; })
      .Case<arith::MaximumFOp, arith::MaxSIOp, arith::MaxNumFOp>(
          [&](auto) { return Combiner{op, "max"}; })
      .Case<arith::MinimumFOp, arith::MinSIOp, arith::MinNumFOp>(
          [&](auto) { return Combiner{op, "max", true}; })
      .Case([&](arith::OrIOp) {
        return Combiner{op, op->getResult(0).getType().isInteger(1) ? "max" : ""};
      })
      .Case([&](arith::AndIOp) {
        bool isBit = op->getResult(0).getType().isInteger(1);
        return Combiner{op, isBit ? "max" : "", isBit};
      })
      .Case<arith::MulFOp, arith::MulIOp, arith::XOrIOp>([&](auto) { return Combiner{op}; })
      .Default([](Operation *) { return Combiner{}; });
}

/// A value that orders the other way round.
static Value negate(ImplicitLocOpBuilder &b, Value value) {
  if (value.getType().isF32()) {
    return arith::NegFOp::create(b, value);
  }
  Value ones = arith::ConstantOp::create(b, b.getI32IntegerAttr(-1));
  return arith::XOrIOp::create(b, value, ones);
}

/// `combiner` on carried values; bools are 0 or 1 in an i32.
static Value combine(ImplicitLocOpBuilder &b, Operation *combiner, Value x, Value y) {
  Type type = x.getType();
  OperationState state(b.getLoc(), combiner->getName());
  state.addOperands({x, y});
  state.addTypes(type);
  return b.create(state)->getResult(0);
}

/// Whether combining with `bits` changes nothing.
static bool isIdentity(Operation *combiner, uint32_t bits) {
  float number = llvm::bit_cast<float>(bits);
  return llvm::TypeSwitch<Operation *, bool>(combiner)
      .Case([&](arith::AddFOp) { return number == 0; })
      .Case<arith::AddIOp, arith::OrIOp, arith::XOrIOp>([&](auto) { return bits == 0; })
      .Case<arith::MaximumFOp, arith::MaxNumFOp>(
          [&](auto) { return number == -std::numeric_limits<float>::infinity(); })
      .Case<arith::MinimumFOp, arith::MinNumFOp>(
          [&](auto) { return number == std::numeric_limits<float>::infinity(); })
      .Case([&](arith::MaxSIOp) { return int32_t(bits) == INT32_MIN; })
      .Case([&](arith::MinSIOp) { return int32_t(bits) == INT32_MAX; })
      .Case([&](arith::MulFOp) { return number == 1; })
      .Case([&](arith::MulIOp) { return bits == 1; })
      .Case([&](arith::AndIOp op) {
        return op.getType().isInteger(1) ? bits != 0 : bits == UINT32_MAX;
      })
      .Default([](Operation *) { return false; });
}

Value NestConverter::reduceByHalves(Builder &b, Value buffer, int64_t rows, int64_t size,
                                    Operation *combiner) {
  auto type = cast<BufferType>(buffer.getType());
  auto resize = [&](int64_t words) {
    return BufferType::get(b.getContext(), words, type.getColumns(), type.getFormat(), 0);
  };
  // Terms that an odd size leaves over, a word a row.
  SmallVector<std::pair<Value, int64_t>> left;
  int64_t stride = size;
  auto both = [&](Operand x, Operand y, int64_t count) {
    return nest(b, {rows, count}, {x, y}, resize(rows * count), SmallVector<int64_t>{0, count, 1},
                {},
                [&](Builder &inner, ValueRange in) -> SmallVector<Value> {
                  return {combine(inner, combiner, in[0], in[1])};
                })
        .getResult(0);
  };
  while (size > 1) {
    int64_t half = size / 2;
    if (size % 2) {
      Attribute piece = b.getDenseI64ArrayAttr({0, 0, rows, size - 1, stride, 0, 1});
      left.push_back({mlir::lpu::AssembleOp::create(b, resize(rows), buffer, b.getArrayAttr(piece),
                                                    DenseI64ArrayAttr()),
                      1});
    }
    buffer = both({buffer, {0, stride, 1}}, {buffer, {half, stride, 1}}, half);
    size = stride = half;
  }
  for (auto [term, step] : left) {
    buffer = both({buffer, {0, 1, 0}}, {term, {0, step, 0}}, 1);
  }
  return buffer;
}

LogicalResult NestConverter::convertReduction(Builder &b, linalg::GenericOp op) {
  Operation *yield = op.getBody()->getTerminator();
  Operation *last = op.getNumResults() == 1 ? yield->getOperand(0).getDefiningOp() : nullptr;
  Combiner combiner = last ? getCombiner(last) : Combiner{};
  BlockArgument sofar = op.getBody()->getArguments().back();
  if (op.getNumResults() == 1 && yield->getOperand(0) == sofar) {
    // No term is left of it.
    FailureOr<Placed> start = get(b, op.getDpsInits()[0], assignment.getDim(op.getResult(0)));
    if (succeeded(start)) {
      values[op.getResult(0)] = *start;
    }
    return start;
  }
  bool isRight = combiner.op && last->getOperand(1) == sofar;
  if (!combiner.op || (!isRight && last->getOperand(0) != sofar) || !sofar.hasOneUse()) {
    return op.emitOpError("expected a reduction that ends with result = combine(result, term)");
  }
  Value term = last->getOperand(isRight ? 0 : 1);
  Value result = op.getResult(0), initial = op.getDpsInits()[0];
  OpOperand &init = op.getDpsInitsMutable()[0];
  Loops loops = getLoops(op);
  bool isNone = llvm::is_contained(op.getStaticLoopRanges(), 0);
  int64_t laneDim = assignment.getDim(result);
  RankedTensorType type = typeOf(result);
  Layout layout = getCanonical(type, laneDim);
  BufferType buffer = getBuffer(type, laneDim);
  std::optional<uint32_t> splat = getSplat(initial);
  if (isNone) {
    if (!splat) {
      values[result] = *get(b, initial, laneDim);
      return success();
    }
    Attribute piece = getPiece(b, -1, *splat, type.getShape(), laneDim, {}, layout);
    values[result] = {mlir::lpu::AssembleOp::create(b, buffer, ValueRange(), b.getArrayAttr(piece),
                                                    DenseI64ArrayAttr()),
                      layout};
    return success();
  }
  llvm::DenseMap<Value, uint32_t> splats;
  SmallVector<Value> arguments;
  FailureOr<SmallVector<Operand>> operands = getOperands(b, op, loops, splats, arguments);
  if (failed(operands)) {
    return failure();
  }
  // Reduction loops that every operand walks through without a seam are one.
  for (size_t k = loops.sizes.size(); k-- > loops.parallel + 1;) {
    bool joins = llvm::all_of(*operands, [&](const Operand &operand) {
      return operand.access[k] == operand.access[k + 1] * loops.sizes[k];
    });
    if (joins) {
      loops.sizes[k] *= loops.sizes[k - 1];
      loops.sizes.erase(loops.sizes.begin() + int64_t(k) - 1);
      loops.dims.erase(loops.dims.begin() + int64_t(k) - 1);
      for (Operand &operand : *operands) {
        operand.access.erase(operand.access.begin() + int64_t(k));
      }
    }
  }
  auto body = [&](bool negates) {
    return [&, negates](Builder &inner, ValueRange in) -> SmallVector<Value> {
      Value value = cloneBody(inner, op, in, arguments, splats, term)[0];
      return {negates ? negate(inner, value) : value};
    };
  };
  ArrayRef<int64_t> parallel = ArrayRef(loops.sizes).take_front(loops.parallel);
  int64_t rows = 1, terms = 1;
  for (int64_t size : parallel) {
    rows *= size;
  }
  for (int64_t size : ArrayRef(loops.sizes).drop_front(loops.parallel)) {
    terms *= size;
  }
  // Words of the sums in the order of the loops; the result's order may be another.
  auto getWords = [&](size_t count) {
    SmallVector<int64_t> access(loops.sizes.size() + 1, 0);
    int64_t stride = 1;
    for (size_t k = count; k-- > 0;) {
      access[k + 1] = stride;
      stride *= loops.sizes[k];
    }
    return std::pair(access, stride);
  };
  Value sums;
  SmallVector<int64_t> access(loops.sizes.size() + 1, 0);
  bool isNegated = combiner.isNegated;
  if (combiner.reduction.empty() && terms > 1) {
    auto [all, words] = getWords(loops.sizes.size());
    BufferType each =
        BufferType::get(b.getContext(), words, buffer.getColumns(), buffer.getFormat(), 0);
    Value made = nest(b, loops.sizes, *operands, each, all, {}, body(false)).getResult(0);
    sums = reduceByHalves(b, made, rows, terms, combiner.op);
    isNegated = false;
  } else if (loops.sizes.size() > loops.parallel) {
    // The last loop before the others, unless what that makes takes much room: then a chain
    // for each word of the result reads all, with reads of its own for each step of the rest.
    int64_t segments = terms / loops.sizes.back();
    bool isLarge = rows * segments > 2 * int64_t(target.wordsPerBank());
    size_t reduced = isLarge && segments <= kMostSegments ? loops.sizes.size() - loops.parallel : 1;
    auto [all, words] = getWords(loops.sizes.size() - reduced);
    BufferType each =
        BufferType::get(b.getContext(), words, buffer.getColumns(), buffer.getFormat(), 0);
    sums = nest(b, loops.sizes, *operands, each, all, {combiner.reduction, int64_t(reduced)},
                body(isNegated))
               .getResult(0);
    int64_t rest = words / rows;
    if (rest > 1) {
      sums = nest(b, {rows, rest}, Operand{sums, {0, rest, 1}},
                  BufferType::get(b.getContext(), rows, buffer.getColumns(), buffer.getFormat(), 0),
                  SmallVector<int64_t>{0, 1, 0}, {combiner.reduction, 1},
                  [](Builder &, ValueRange in) -> SmallVector<Value> { return {in[0]}; })
                 .getResult(0);
    }
  } else {
    auto [all, words] = getWords(loops.parallel);
    BufferType each =
        BufferType::get(b.getContext(), words, buffer.getColumns(), buffer.getFormat(), 0);
    sums = nest(b, loops.sizes, *operands, each, all, {}, body(isNegated)).getResult(0);
  }
  // The order of the loops is that of the words; the result's may be another.
  Loops outer = loops;
  outer.sizes.resize(loops.parallel);
  outer.dims.resize(loops.parallel);
  SmallVector<int64_t> to = getAccess(layout, op.getMatchingIndexingMap(&init), outer);
  SmallVector<int64_t> from = getWords(loops.parallel).first;
  from.resize(loops.parallel + 1);
  bool isWhole = splat && isIdentity(combiner.op, *splat);
  if (isWhole && !isNegated && from == to && rows == buffer.getRows()) {
    values[result] = {sums, layout};
    return success();
  }
  SmallVector<Operand> last2{{sums, from}};
  if (!isWhole && !splat) {
    FailureOr<Placed> start = get(b, initial, laneDim);
    if (failed(start)) {
      return failure();
    }
    last2.push_back(
        {start->buffer, getAccess(start->layout, op.getMatchingIndexingMap(&init), outer)});
  }
  NestOp made = nest(b, outer.sizes, last2, buffer, to, {},
                     [&](Builder &inner, ValueRange in) -> SmallVector<Value> {
                       Value value = isNegated ? negate(inner, in[0]) : in[0];
                       // The complement of a bool has all bits set or all but the lowest.
                       if (isNegated && isa<arith::AndIOp>(combiner.op)) {
                         Value one = makeConstant(inner, inner.getI32Type(), 1);
                         value = arith::AndIOp::create(inner, value, one);
                       }
                       if (!isWhole) {
                         Value start = splat ? makeConstant(inner, value.getType(), *splat) : in[1];
                         value = combine(inner, combiner.op, value, start);
                       }
                       return {value};
                     });
  values[result] = {made.getResult(0), layout};
  return success();
}

//===----------------------------------------------------------------------===//
// Gathers
//===----------------------------------------------------------------------===//

// Every index is compared with those of the axis: exact for whatever the table holds.
LogicalResult NestConverter::convertGather(Builder &b, mlir::lpu::GatherOp op) {
  RankedTensorType table = typeOf(op.getTable()), type = typeOf(op.getResult());
  int64_t axis = int64_t(op.getAxis()), size = table.getDimSize(axis);
  int64_t laneDim = assignment.getDim(op.getResult());
  int64_t indexRank = typeOf(op.getIndices()).getRank();
  int64_t tableLane = laneDim < 0 ? -1 : laneDim < axis ? laneDim : laneDim - indexRank + 1;
  FailureOr<Placed> from = get(b, op.getTable(), tableLane), at = get(b, op.getIndices(), -1);
  if (failed(from) || failed(at)) {
    return failure();
  }
  Layout layout = getCanonical(type, laneDim);
  SmallVector<int64_t> loops, data{from->layout.offset}, index{at->layout.offset}, to{0};
  for (int64_t d = 0; d < type.getRank(); ++d) {
    bool isIndex = d >= axis && d < axis + indexRank, isLane = d == laneDim;
    int64_t source = d < axis ? d : d - indexRank + 1;
    loops.push_back(isLane ? getVectors(type.getDimSize(d)) : type.getDimSize(d));
    to.push_back(isLane ? layout.vectorStride : layout.strides[size_t(d)]);
    index.push_back(isIndex ? at->layout.strides[size_t(d - axis)] : 0);
    data.push_back(isIndex  ? 0
                   : isLane ? from->layout.vectorStride
                            : from->layout.strides[size_t(source)]);
  }
  loops.push_back(size);
  to.push_back(0);
  index.push_back(0);
  data.push_back(from->layout.strides[size_t(axis)]);
  Loops all;
  all.sizes = loops;
  all.dims.assign(loops.size(), -2);
  all.dims.back() = 0;
  Operand number = getIndex(b, all, 0, size);
  NestOp made =
      nest(b, loops, {{from->buffer, data}, {at->buffer, index}, number}, getBuffer(type, laneDim),
           to, {"add", 1}, [&](Builder &inner, ValueRange in) -> SmallVector<Value> {
             // An index below 0 counts from the end.
             Value whole = makeConstant(inner, inner.getI32Type(), uint32_t(size));
             Value other = arith::SubIOp::create(inner, in[2], whole);
             Value isHere = arith::CmpIOp::create(inner, arith::CmpIPredicate::eq, in[1], in[2]);
             Value isThere = arith::CmpIOp::create(inner, arith::CmpIPredicate::eq, in[1], other);
             Value hit = arith::OrIOp::create(inner, isHere, isThere);
             Value zero = makeConstant(inner, in[0].getType(), 0);
             return {arith::SelectOp::create(inner, hit, in[0], zero)};
           });
  values[op.getResult()] = {made.getResult(0), layout};
  return success();
}

//===----------------------------------------------------------------------===//
// Operations
//===----------------------------------------------------------------------===//

LogicalResult NestConverter::convert(Builder &b, Operation &op) {
  if (isa<arith::ConstantOp, mlir::lpu::WeightOp, tensor::EmptyOp>(op) || getFill(&op)) {
    return success(); // read where they are used
  }
  if (isa<func::ReturnOp>(op)) {
    return convertReturn(b, op);
  }
  if (auto narrow = dyn_cast<mlir::lpu::NarrowOp>(op)) {
    if (!isa<BlockArgument>(narrow.getSource())) {
      return op.emitOpError("expected an input of the entry");
    }
    values[narrow.getResult()] = values.lookup(narrow.getSource());
    return success();
  }
  if (auto widen = dyn_cast<mlir::lpu::WidenOp>(op)) {
    bool isOutput =
        llvm::all_of(widen->getUsers(), [](Operation *user) { return isa<func::ReturnOp>(user); });
    return isOutput ? success() : op.emitOpError("expected an output of the entry");
  }
  if (op.getNumResults() > 0 && llvm::all_of(op.getResults(), isEmpty)) {
    for (Value result : op.getResults()) {
      moved[result] = {0}; // a word for what has none
    }
    return success();
  }
  if (moveConstant(op)) {
    return success();
  }
  if (auto generic = dyn_cast<linalg::GenericOp>(op)) {
    return convertGeneric(b, generic);
  }
  if (auto gather = dyn_cast<mlir::lpu::GatherOp>(op)) {
    return convertGather(b, gather);
  }
  if (auto turned = dyn_cast<linalg::TransposeOp>(op)) {
    FailureOr<Placed> placed = get(b, turned.getInput());
    if (failed(placed)) {
      return failure();
    }
    Layout layout = placed->layout;
    for (auto [d, from] : llvm::enumerate(turned.getPermutation())) {
      layout.strides[d] = placed->layout.strides[size_t(from)];
      layout.laneDim = from == placed->layout.laneDim ? int64_t(d) : layout.laneDim;
    }
    values[op.getResult(0)] = {placed->buffer, layout};
    return success();
  }
  if (auto collapse = dyn_cast<tensor::CollapseShapeOp>(op)) {
    return convertReshape(b, &op, collapse.getReassociationIndices());
  }
  if (auto expand = dyn_cast<tensor::ExpandShapeOp>(op)) {
    return convertReshape(b, &op, expand.getReassociationIndices());
  }
  if (auto slice = dyn_cast<tensor::ExtractSliceOp>(op)) {
    if (!slice.getOffsets().empty() || !slice.getSizes().empty() || !slice.getStrides().empty()) {
      return op.emitOpError("expected constant offsets, sizes and strides");
    }
    FailureOr<Placed> placed = get(b, slice.getSource());
    if (failed(placed)) {
      return failure();
    }
    Layout whole = shift(placed->layout, slice.getStaticOffsets(), slice.getStaticStrides());
    Layout layout{-1, whole.vectorStride, whole.offset, {}};
    llvm::SmallBitVector dropped = slice.getDroppedDims();
    for (int64_t d = 0; d < int64_t(whole.strides.size()); ++d) {
      if (!dropped[unsigned(d)]) {
        layout.laneDim = d == whole.laneDim ? int64_t(layout.strides.size()) : layout.laneDim;
        layout.strides.push_back(whole.strides[size_t(d)]);
      }
    }
    values[slice.getResult()] = {placed->buffer, layout};
    return success();
  }
  if (auto pad = dyn_cast<tensor::PadOp>(op)) {
    return convertPad(b, pad);
  }
  if (auto insert = dyn_cast<tensor::InsertSliceOp>(op)) {
    return convertInsert(b, insert);
  }
  if (auto concat = dyn_cast<tensor::ConcatOp>(op)) {
    return convertConcat(b, concat);
  }
  return op.emitOpError("has no kernel yet");
}

} // namespace lpu::nest_lowering
