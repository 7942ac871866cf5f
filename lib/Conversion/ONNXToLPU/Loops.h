//===- Loops.h - Perfect loops over tensors, and scalars ---------*- C++ -*-===//
//
// What rules that compute indices are written with: one `linalg.generic` a call,
// with a body of scalar expressions.
//
//===----------------------------------------------------------------------===//
#ifndef LPU_LIB_CONVERSION_ONNXTOLPU_LOOPS_H
#define LPU_LIB_CONVERSION_ONNXTOLPU_LOOPS_H

#include "Builder.h"
#include "Rules.h"

namespace lpu::onnx_lowering {

/// A scalar of the tensor level, f32, i32 or i1, with operators that make operations.
class Scalar {
public:
  Scalar(mlir::ImplicitLocOpBuilder &builder, mlir::Value value)
      : builder(&builder), value(value) {}

  mlir::Value get() const { return value; }
  mlir::ImplicitLocOpBuilder &getBuilder() const { return *builder; }
  mlir::Type getType() const { return value.getType(); }
  bool isFloat() const;
  /// A constant of this scalar's type.
  Scalar like(double number) const;

private:
  mlir::ImplicitLocOpBuilder *builder;
  mlir::Value value;
};

Scalar operator+(Scalar a, Scalar b);
Scalar operator-(Scalar a, Scalar b);
Scalar operator*(Scalar a, Scalar b);
Scalar operator/(Scalar a, Scalar b);
/// Comparisons; false with a NaN, but != is true.
Scalar operator<(Scalar a, Scalar b);
Scalar operator<=(Scalar a, Scalar b);
Scalar operator==(Scalar a, Scalar b);
Scalar operator!=(Scalar a, Scalar b);
Scalar operator&(Scalar a, Scalar b);
Scalar operator|(Scalar a, Scalar b);
inline Scalar operator>(Scalar a, Scalar b) { return b < a; }
inline Scalar operator>=(Scalar a, Scalar b) { return b <= a; }

inline Scalar operator+(Scalar a, double b) { return a + a.like(b); }
inline Scalar operator-(Scalar a, double b) { return a - a.like(b); }
inline Scalar operator-(double a, Scalar b) { return b.like(a) - b; }
inline Scalar operator*(Scalar a, double b) { return a * a.like(b); }
inline Scalar operator/(Scalar a, double b) { return a / a.like(b); }
inline Scalar operator<(Scalar a, double b) { return a < a.like(b); }
inline Scalar operator<=(Scalar a, double b) { return a <= a.like(b); }
inline Scalar operator>(Scalar a, double b) { return a > a.like(b); }
inline Scalar operator>=(Scalar a, double b) { return a >= a.like(b); }
inline Scalar operator==(Scalar a, double b) { return a == a.like(b); }
inline Scalar operator!=(Scalar a, double b) { return a != a.like(b); }

Scalar select(Scalar condition, Scalar yes, Scalar no);
inline Scalar select(Scalar condition, Scalar yes, double no) {
  return select(condition, yes, yes.like(no));
}
Scalar maximum(Scalar a, Scalar b);
Scalar minimum(Scalar a, Scalar b);
/// `a` as at least `low` and at most `high`.
Scalar clamp(Scalar a, double low, double high);
Scalar floor(Scalar a);
Scalar ceil(Scalar a);
/// Halves to even.
Scalar roundEven(Scalar a);
Scalar absolute(Scalar a);
/// f32 to i32, towards 0; i32 and i1 to f32.
Scalar toInt(Scalar a);
Scalar toFloat(Scalar a);
/// `index`, where negative, counted from the end of `extent`.
Scalar fromEnd(Scalar index, int64_t extent);
/// Integers of 32 bits and more that are unsigned in the model, so that signed comparisons
/// order them.
Scalar inOrder(Scalar a, mlir::Type element);

/// One iteration of a loop nest.
class Point {
public:
  Point(mlir::ImplicitLocOpBuilder &builder, mlir::ValueRange inputs)
      : builder(builder), inputs(inputs) {}
  /// The element of input `index`.
  Scalar operator[](unsigned index) const { return Scalar(builder, inputs[index]); }
  /// The index of a loop, as i32.
  Scalar loop(unsigned index) const;
  Scalar number(double value) const;
  Scalar integer(int64_t value) const;
  Scalar boolean(bool value) const;

private:
  mlir::ImplicitLocOpBuilder &builder;
  mlir::ValueRange inputs;
};

/// A tensor that loops read, and where: affine functions of the loops. Without these it is the
/// loops from `first` on, in their order.
struct Access {
  Access(mlir::Value value, llvm::ArrayRef<mlir::AffineExpr> at) : value(value), at(at) {}
  Access(mlir::Value value, unsigned first = 0);

  mlir::Value value;
  llvm::SmallVector<mlir::AffineExpr> at;
};

/// How a reduction joins its terms. `Pick` is for terms of which at most one is not
/// `getNothing`: the result is that one, bit by bit.
enum class Combine { Sum, Product, Most, Least, All, Any, Pick };

/// What changes nothing in a reduction.
mlir::TypedAttr getNeutral(mlir::OpBuilder &builder, Combine combine, mlir::Type element);
/// What a term is where nothing is picked.
Scalar getNothing(const Point &point, mlir::Type element);
Scalar join(Combine combine, Scalar a, Scalar b);

using Body = llvm::function_ref<Scalar(const Point &)>;

/// result[loops..] = body.
mlir::Value mapLoops(mlir::ImplicitLocOpBuilder &builder, llvm::ArrayRef<int64_t> shape,
                     mlir::Type element, llvm::ArrayRef<Access> reads, Body body);
/// result[loops..] = the terms of all iterations of the `inner` loops, which follow those of the
/// shape, joined.
mlir::Value reduceLoops(mlir::ImplicitLocOpBuilder &builder, llvm::ArrayRef<int64_t> shape,
                        llvm::ArrayRef<int64_t> inner, mlir::Type element, Combine combine,
                        llvm::ArrayRef<Access> reads, Body body);

/// constantFloats and constantInts of wider numbers.
mlir::Value makeFloats(mlir::ImplicitLocOpBuilder &builder, llvm::ArrayRef<int64_t> shape,
                       llvm::ArrayRef<double> values);
mlir::Value makeInts(mlir::ImplicitLocOpBuilder &builder, llvm::ArrayRef<int64_t> shape,
                     llvm::ArrayRef<int64_t> values);

/// The loop's index, and an index that does not depend on loops.
mlir::AffineExpr loopAt(mlir::ImplicitLocOpBuilder &builder, unsigned loop);
mlir::AffineExpr fixedAt(mlir::ImplicitLocOpBuilder &builder, int64_t index);
/// Loops first, first + 1, ...
llvm::SmallVector<mlir::AffineExpr> loopsAt(mlir::ImplicitLocOpBuilder &builder, size_t count,
                                            unsigned first = 0);

/// `value` with the same elements in another shape.
/// `value` with `low` and `high` more elements at both ends of every dimension.
mlir::Value padWith(mlir::ImplicitLocOpBuilder &builder, mlir::Value value,
                    llvm::ArrayRef<int64_t> low, llvm::ArrayRef<int64_t> high,
                    mlir::TypedAttr element);
/// result[.., i, ..] = value[.., indices[i], ..] for indices known now.
mlir::Value take(mlir::ImplicitLocOpBuilder &builder, mlir::Value value, int64_t axis,
                 llvm::ArrayRef<int64_t> indices);
/// Sums or products of the elements so far along `axis`, without the element itself where
/// `exclusive`, from the end where `reverse`.
mlir::Value scan(mlir::ImplicitLocOpBuilder &builder, mlir::Value value, int64_t axis,
                 Combine combine, bool exclusive, bool reverse);

/// table[.., indices, ..] with indices of the run that are not negative.
mlir::Value gatherAlong(mlir::ImplicitLocOpBuilder &builder, mlir::Value table, mlir::Value indices,
                        int64_t axis = 0);
/// The first `count` indices at which `condition`, a vector of i1, is true; 0 where there are
/// fewer.
mlir::Value findTrue(mlir::ImplicitLocOpBuilder &builder, mlir::Value condition, int64_t count);

int64_t product(llvm::ArrayRef<int64_t> extents);
/// The loops, but along `axis` another one.
llvm::SmallVector<mlir::AffineExpr> replace(mlir::ImplicitLocOpBuilder &builder, size_t rank,
                                            int64_t axis, unsigned loop);

/// Attribute `name` of integers; nothing where it is not given.
std::optional<llvm::SmallVector<int64_t>> getIntList(mlir::onnx::NodeOp op, llvm::StringRef name);
/// "input 1 (shape) is not a constant" where one of `inputs` is given and is none; else what
/// `whyNotRanked` says.
std::string whyNotConstant(mlir::onnx::NodeOp op,
                           std::initializer_list<std::pair<unsigned, const char *>> inputs);
/// The type of input `index` of a node, of the model's elements.
mlir::RankedTensorType inputType(mlir::onnx::NodeOp op, unsigned index);
mlir::RankedTensorType outputType(mlir::onnx::NodeOp op, unsigned index);

} // namespace lpu::onnx_lowering

#endif // LPU_LIB_CONVERSION_ONNXTOLPU_LOOPS_H
