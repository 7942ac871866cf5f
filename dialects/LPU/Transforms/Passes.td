//===- Passes.td - Passes of the lpu dialect ----------------*- tablegen -*-===//
#ifndef LPU_TRANSFORMS_PASSES_TD
#define LPU_TRANSFORMS_PASSES_TD

include "mlir/Pass/PassBase.td"

def BoundCyclesPass : Pass<"lpu-bound-cycles", "::mlir::func::FuncOp"> {
  let summary = "compute the cycles that no lowering of an entry beats";
  let description = [{
    Input: an entry at tensor level, `lpu.target` on the module. Output: the entry has
    `lpu.lower_bound`, the least cycles of a run, and `lpu.layer_bounds`, those of each
    layer ("-": of what belongs to none). docs/LowerBound.md has the argument.
  }];
  let options = [
    Option<"limbs", "limbs", "unsigned", "3",
           "int8 limbs of activations that meet constant matrices">,
    Option<"operations", "operations", "bool", "false",
           "a lower bound for every operation, too">];
  let dependentDialects = ["::mlir::lpu::LPUDialect"];
}

def ExpandScalarsPass : Pass<"lpu-expand-scalars"> {
  let summary = "scalar bodies in operations of the VXM";
  let description = [{
    Rewrites the bodies of `linalg.generic` and `lpu.map` into what one ALU does in one
    operation; MachineScalars.h has the list. Divisions, remainders, comparisons, conversions,
    rounding to narrow types and functions become sequences of these, within 4 ulp of the real
    function, with NaN, infinities and zeros as IEEE has them; integer ones are exact. What it does
    not know it leaves: `isMachineScalar` says which.

    ```mlir
    %q = arith.divf %x, %y : f32
    ```
    becomes
    ```mlir
    %r = arith.divf %one, %y : f32
    %p = arith.mulf %x, %r : f32
    %n = arith.negf %y : f32
    %e = math.fma %n, %p, %x : f32
    %c = math.fma %e, %r, %p : f32
    %is = arith.cmpf oeq, %c, %c : f32
    %q = arith.select %is, %c, %p : f32
    ```
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::math::MathDialect"];
}

def FuseMapsPass : Pass<"lpu-fuse-maps", "::mlir::func::FuncOp"> {
  let summary = "join maps that pass a buffer on to one other map";
  let description = [{
    A map whose f32 results have one user, a map over the same rows and columns,
    becomes a part of that map, as long as the joint program keeps at most the
    target's ALUs busy: with more rows than one every operation holds an ALU.
    Constant factors move into the scales and constants that maps read.
  }];
  let dependentDialects = ["::mlir::lpu::LPUDialect"];
}

def GuardLanesPass : Pass<"lpu-guard-lanes", "::mlir::func::FuncOp"> {
  let summary = "keep lanes beyond a tensor's columns from counting and spreading";
  let description = [{
    Input: an entry at kernel level, its maps not yet joined; `lpu.target` on the module. Output: results in limbs and in
    f16 are in range in unused lanes, and zero there where they go into tiles, for every input. What
    a map makes of the zeros in unused lanes is computed; where that is not in range,
    or not known, the map takes zero instead, by a constant of ones that has zeros in
    unused lanes:

    ```mlir
    %used = lpu.constant_rows dense<1.0> : tensor<1x44xf32> : <1, 44, f32>
    %is_unused = arith.cmpf oeq, %lane, %zero : f32
    %y = arith.select %is_unused, %zero, %x : f32
    ```
  }];
  let dependentDialects = ["::mlir::lpu::LPUDialect", "::mlir::arith::ArithDialect"];
}

def PlaceBuffersPass : Pass<"lpu-place-buffers", "::mlir::ModuleOp"> {
  let summary = "give every buffer and weight tile its SRAM words";
  let description = [{
    Input: entries at kernel level, `lpu.target` on the module. Output: every
    op that makes a buffer, and every contraction's weights, has a `placement`.

    Equal tables, weights and constants, and states of one name, lie once for all
    entries. What entries compute lies in the same words, for one runs at a time;
    words that nothing reads any more are taken again, as late as possible.

    Byte planes of buffers that one map reads or writes lie in different slices,
    so that they move in the same cycle; buffers prefer the slices next to the
    VXM, weight stripes the fullest-first remainder of their plane's side. A
    buffer that feeds a contraction has a copy on each side that contracts it.
    What does not fit is an error with what lies where.
  }];
  let dependentDialects = ["::mlir::lpu::LPUDialect"];
}

def QuantizeCachesPass : Pass<"lpu-quantize-caches", "::mlir::ModuleOp"> {
  let summary = "keep KV caches in int8";
  let description = [{
    Input: entries at tensor level. Output: a f32 cache of keys or values that an entry
    gets, updates and gives back is int8, with one static scale for each column: rows are
    quantised on their way in, and attention reads dequantised ones. Caches of one
    name have one scale in all entries.

    The range of a column is `headroom` times what calibration saw (`lpu.column_max`),
    else `activation-max`; at least a third of the largest of its head. Where rotary embedding makes the rows, the columns of a pair have one
    range, the length of both, for a position turns one into the other.

    ```mlir
    %rows = lpu.quantize %new scale %s {axis = 2 : i64} : ... -> tensor<1x1x64xi8>
    %next = lpu.cache_update %rows into %cache at %position axis 1 : ... -> tensor<1x32x64xi8>
    %keys = lpu.dequantize %next scale %s {axis = 2 : i64} : ... -> tensor<1x32x64xf32>
    ```
  }];
  let options = [
    Option<"activationMax", "activation-max", "float", "0",
           "largest |x| of rows that calibration did not see">,
    Option<"headroom", "headroom", "float", "1.5",
           "range of a column / largest |x| that calibration saw">];
  let dependentDialects = ["::mlir::lpu::LPUDialect", "::mlir::arith::ArithDialect"];
}

def QuantizeWeightsPass : Pass<"lpu-quantize-weights", "::mlir::func::FuncOp"> {
  let summary = "keep the constant matrices of products in int8";
  let description = [{
    Input: an entry at tensor level. Output: an f32 `lpu.weight` that is the right
    matrix of a product, as it is or transposed, has `int8_axis`: one scale a column
    of that product. Its value is the quantised one for all its users. Where products
    take it both ways, it is there twice, once for each axis.

    ```mlir
    %w = lpu.weight "w" dense<1.0> : tensor<2x4xf32> {int8_axis = 1 : i64} : tensor<2x4xf32>
    %y = linalg.matmul ins(%x, %w : tensor<3x2xf32>, tensor<2x4xf32>) ...
    ```
  }];
}

def SplitRowsPass : Pass<"lpu-split-rows", "::mlir::func::FuncOp"> {
  let summary = "let kernels work on some rows at a time";
  let description = [{
    Input: an entry at kernel level, its maps joined. Output: what works on many rows one
    after another is there once for each part of the rows, with buffers of its own, so that
    one kernel works on some rows while the one before works on the next. Where
    something needs a buffer as a whole, its parts lie together (`concat_rows`).
  }];
  let options = [Option<"rows", "rows", "int64_t", "::mlir::lpu::kPartRows",
                        "the most rows of a part">];
  let dependentDialects = ["::mlir::lpu::LPUDialect"];
}

#endif // LPU_TRANSFORMS_PASSES_TD
