//===- Windows.h - Windows of convolutions and pools ------------*- C++ -*-===//
#ifndef LPU_LIB_CONVERSION_ONNXTOLPU_WINDOWS_H
#define LPU_LIB_CONVERSION_ONNXTOLPU_WINDOWS_H

#include "Terms.h"

namespace lpu::onnx_lowering {

/// Windows over the dimensions of a tensor from its third one on. Element k of window o is
/// element strides * o + dilations * k of the tensor with `low` elements more before its own.
struct Windows {
  llvm::SmallVector<int64_t> input, kernel, strides, dilations, low, high, output;

  size_t getRank() const { return kernel.size(); }
  /// What dimension `d` is read at, from the loops of windows and of their elements.
  mlir::AffineExpr at(size_t d, mlir::AffineExpr window, mlir::AffineExpr element) const {
    return window * strides[d] + element * dilations[d];
  }
};

/// The windows of a node from its attributes and the shapes of input and output.
Windows getWindows(mlir::onnx::NodeOp op, llvm::ArrayRef<int64_t> kernel);
/// "strides has not a value for each spatial dimension".
std::string whyNotWindows(mlir::onnx::NodeOp op);
/// `input` with as much `value` around it as the windows need.
mlir::Value padForWindows(mlir::ImplicitLocOpBuilder &builder, mlir::Value input,
                          const Windows &windows, double value);

} // namespace lpu::onnx_lowering

#endif // LPU_LIB_CONVERSION_ONNXTOLPU_WINDOWS_H
