//===- Builder.cpp - What rules of several families build -----------------===//

#include "Builder.h"
#include "Rules.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;

namespace lpu::onnx_lowering {

Value scalarFloat(ImplicitLocOpBuilder &b, double value) {
  return arith::ConstantOp::create(b, b.getF32FloatAttr(float(value)));
}
Value scalarInt(ImplicitLocOpBuilder &b, int64_t value) {
  return arith::ConstantOp::create(b, b.getI32IntegerAttr(int32_t(value)));
}
Value scalarBool(ImplicitLocOpBuilder &b, bool value) {
  return arith::ConstantOp::create(b, b.getBoolAttr(value));
}
Value scalar(ImplicitLocOpBuilder &b, Type type, double value) {
  return isa<FloatType>(type) ? scalarFloat(b, value)
         : type.isInteger(1)  ? scalarBool(b, value != 0)
                              : scalarInt(b, int64_t(value));
}

Value fill(ImplicitLocOpBuilder &b, ArrayRef<int64_t> shape, Value value) {
  Value init = tensor::EmptyOp::create(b, shape, value.getType());
  return linalg::FillOp::create(b, value, init).getResult(0);
}

Value constantFloats(ImplicitLocOpBuilder &b, ArrayRef<int64_t> shape, ArrayRef<float> values) {
  auto type = RankedTensorType::get(shape, b.getF32Type());
  return arith::ConstantOp::create(b, DenseElementsAttr::get(type, values));
}
Value constantInts(ImplicitLocOpBuilder &b, ArrayRef<int64_t> shape, ArrayRef<int32_t> values) {
  auto type = RankedTensorType::get(shape, b.getI32Type());
  return arith::ConstantOp::create(b, DenseElementsAttr::get(type, values));
}

Value reshapeTo(ImplicitLocOpBuilder &b, Value value, ArrayRef<int64_t> shape) {
  return reshape(b, value, RankedTensorType::get(shape, elementOf(value)));
}

Value sliceAxis(ImplicitLocOpBuilder &b, Value value, int64_t axis, int64_t first, int64_t size,
                int64_t step) {
  SmallVector<int64_t> shape(shapeOf(value));
  if (first == 0 && step == 1 && size == shape[size_t(axis)]) {
    return value;
  }
  SmallVector<OpFoldResult> offsets(shape.size(), b.getIndexAttr(0));
  SmallVector<OpFoldResult> strides(shape.size(), b.getIndexAttr(1)), sizes;
  shape[size_t(axis)] = size;
  if (llvm::is_contained(shape, 0)) {
    return tensor::EmptyOp::create(b, shape, elementOf(value));
  }
  for (int64_t extent : shape) {
    sizes.push_back(b.getIndexAttr(extent));
  }
  offsets[size_t(axis)] = b.getIndexAttr(first);
  strides[size_t(axis)] = b.getIndexAttr(step);
  return tensor::ExtractSliceOp::create(b, RankedTensorType::get(shape, elementOf(value)), value,
                                        offsets, sizes, strides);
}

Value concatenate(ImplicitLocOpBuilder &b, ArrayRef<Value> values, int64_t axis) {
  SmallVector<Value> pieces;
  for (Value value : values) {
    if (shapeOf(value)[size_t(axis)] != 0) {
      pieces.push_back(value);
    }
  }
  return pieces.empty()       ? values.front()
         : pieces.size() == 1 ? pieces.front()
                              : Value(tensor::ConcatOp::create(b, axis, pieces));
}

SmallVector<int64_t> broadcastShapes(ValueRange tensors) {
  SmallVector<int64_t> shape;
  for (Value tensor : tensors) {
    ArrayRef<int64_t> from = cast<RankedTensorType>(tensor.getType()).getShape();
    if (from.size() > shape.size()) {
      shape.insert(shape.begin(), from.size() - shape.size(), 1);
    }
    for (size_t d = 0; d < from.size(); ++d) {
      int64_t &extent = shape[shape.size() - from.size() + d];
      extent = extent == 1 ? from[d] : extent;
    }
  }
  return shape;
}

Value mapIndexed(ImplicitLocOpBuilder &b, ArrayRef<int64_t> loops, Type element, ValueRange inputs,
                 ArrayRef<AffineMap> maps, ScalarBody body) {
  SmallVector<AffineMap> all(maps);
  all.push_back(b.getMultiDimIdentityMap(unsigned(loops.size())));
  SmallVector<utils::IteratorType> kinds(loops.size(), utils::IteratorType::parallel);
  Value init = tensor::EmptyOp::create(b, loops, element);
  return linalg::GenericOp::create(
             b, TypeRange(init.getType()), inputs, ValueRange(init), all, kinds,
             [body](OpBuilder &inner, Location location, ValueRange arguments) {
               ImplicitLocOpBuilder at(location, inner);
               linalg::YieldOp::create(at, body(at, arguments.drop_back()));
             })
      .getResult(0);
}

/// The element of a constant whose elements are all the same; null for others.
static TypedAttr getSplat(Value value) {
  DenseElementsAttr elements;
  bool isSplat = matchPattern(value, m_Constant(&elements)) && elements.getNumElements() > 0 &&
                 elements.isSplat();
  return isSplat ? elements.getSplatValue<TypedAttr>() : TypedAttr();
}

Value mapElements(ImplicitLocOpBuilder &b, ArrayRef<int64_t> shape, Type element, ValueRange inputs,
                  ScalarBody body) {
  size_t rank = shape.size();
  SmallVector<AffineMap> maps;
  SmallVector<Value> read;
  // Scalars are constants of the body, where they fold.
  SmallVector<TypedAttr> splats;
  for (Value input : inputs) {
    splats.push_back(getSplat(input));
    if (splats.back()) {
      continue;
    }
    read.push_back(input);
    auto from = cast<RankedTensorType>(input.getType());
    SmallVector<AffineExpr> indices;
    for (auto [d, extent] : llvm::enumerate(from.getShape())) {
      size_t loop = rank - size_t(from.getRank()) + d;
      indices.push_back(extent == 1 && shape[loop] != 1 ? b.getAffineConstantExpr(0)
                                                        : b.getAffineDimExpr(unsigned(loop)));
    }
    maps.push_back(AffineMap::get(unsigned(rank), 0, indices, b.getContext()));
  }
  return mapIndexed(b, shape, element, read, maps,
                    [&](ImplicitLocOpBuilder &at, ValueRange elements) {
                      SmallVector<Value> all;
                      for (TypedAttr splat : splats) {
                        if (splat) {
                          all.push_back(arith::ConstantOp::create(at, splat));
                        } else {
                          all.push_back(elements.front());
                          elements = elements.drop_front();
                        }
                      }
                      return body(at, all);
                    });
}

Value reduceElements(ImplicitLocOpBuilder &b, Value input, ArrayRef<int64_t> axes, bool keeps,
                     Value init, ScalarBody body) {
  auto type = cast<RankedTensorType>(input.getType());
  unsigned rank = unsigned(type.getRank());
  SmallVector<utils::IteratorType> kinds(rank, utils::IteratorType::parallel);
  for (int64_t axis : axes) {
    kinds[size_t(axis)] = utils::IteratorType::reduction;
  }
  SmallVector<int64_t> left, kept(type.getShape());
  SmallVector<AffineExpr> indices;
  for (unsigned d = 0; d < rank; ++d) {
    if (kinds[d] == utils::IteratorType::parallel) {
      left.push_back(type.getDimSize(d));
      indices.push_back(b.getAffineDimExpr(d));
    } else {
      kept[d] = 1;
    }
  }
  AffineMap maps[] = {b.getMultiDimIdentityMap(rank),
                      AffineMap::get(rank, 0, indices, b.getContext())};
  Value start = fill(b, left, init);
  Value reduced = linalg::GenericOp::create(
                      b, TypeRange(start.getType()), input, start, maps, kinds,
                      [body](OpBuilder &inner, Location location, ValueRange arguments) {
                        ImplicitLocOpBuilder at(location, inner);
                        linalg::YieldOp::create(at, body(at, {arguments[1], arguments[0]}));
                      })
                      .getResult(0);
  return keeps ? reshape(b, reduced, RankedTensorType::get(kept, init.getType())) : reduced;
}

Value loopIndex(ImplicitLocOpBuilder &b, int64_t dim) {
  Value index = linalg::IndexOp::create(b, uint64_t(dim));
  return arith::IndexCastOp::create(b, b.getI32Type(), index);
}

} // namespace lpu::onnx_lowering
