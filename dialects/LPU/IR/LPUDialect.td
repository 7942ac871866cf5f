//===- LPUDialect.td - The lpu dialect ---------------------*- tablegen -*-===//
#ifndef LPU_IR_LPUDIALECT_TD
#define LPU_IR_LPUDIALECT_TD

include "mlir/IR/OpBase.td"

def LPU_Dialect : Dialect {
  let name = "lpu";
  let cppNamespace = "::mlir::lpu";
  let summary = "composites of the tensor level, and the kernel level";
  let description = [{
    Two levels share the dialect. At the tensor level (LPUTensorOps.td) values
    are tensors and nothing is known of a chip: the operations that upstream
    `linalg` has no name for stand beside `linalg`, `tensor`, `arith` and
    `math`. At the kernel level (LPUKernelOps.td) values are buffers in SRAM.

    Attributes of an entry's function at the tensor level:
    - `lpu.name`, a string on an argument or a result: the name of the input or
      output in the model.
    - `lpu.state`, a string on an argument and on a result: the argument is the
      persistent tensor of that name before the entry runs, the result is the
      same tensor afterwards. Both have one type; every entry that names a
      state shares it.
    - `lpu.lower_bound`, cycles that no run beats, and `lpu.layer_bounds`, those of its
      layers by name (`lpu-bound-cycles`); an entry keeps them at the kernel level.
    - `lpu.input_max`, `array<f32>` on an operation: the largest |x| of each
      operand that is data, as calibration saw it; 0 where there is none.
    - `lpu.column_max`, `array<f32>` on `lpu.cache_update`: the same of each column of
      the rows.
  }];
  let useDefaultTypePrinterParser = 1;
  let hasOperationAttrVerify = 1;
  let hasRegionArgAttrVerify = 1;
  let hasRegionResultAttrVerify = 1;
  let extraClassDeclaration = [{
    static constexpr ::llvm::StringLiteral kNameAttr = "lpu.name";
    static constexpr ::llvm::StringLiteral kStateAttr = "lpu.state";
    static constexpr ::llvm::StringLiteral kMaxAttr = "lpu.max";
    static constexpr ::llvm::StringLiteral kInputMaxAttr = "lpu.input_max";
    static constexpr ::llvm::StringLiteral kColumnMaxAttr = "lpu.column_max";
    static constexpr ::llvm::StringLiteral kLowerBoundAttr = "lpu.lower_bound";
    static constexpr ::llvm::StringLiteral kLayerBoundsAttr = "lpu.layer_bounds";

    void registerTensorLevel();
    void registerKernelLevel();
  }];
}

#endif // LPU_IR_LPUDIALECT_TD
