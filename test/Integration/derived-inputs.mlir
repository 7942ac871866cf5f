// A mask that the host derives from a run-time length, on the machine.
// DEFINE: %{passes} = builtin.module(lpu-place-buffers,lpu-emit-memory,convert-lpu-to-stream,stream.program(stream-record-intent,stream-schedule),convert-stream-to-isa)
// RUN: lpu-opt %s --pass-pipeline='%{passes}' -o %t.isa.mlir
// RUN: FileCheck %s < %t.isa.mlir
// RUN: lpu-translate --export-assembly %t.isa.mlir -o %t.lpuasm
// RUN: FileCheck %s --check-prefix=ASSEMBLY < %t.lpuasm
// RUN: lpu-verify %t.lpuasm
// RUN: %python -c "import numpy as np; np.save('%t.x.npy', np.arange(1, 81, dtype=np.float32).reshape(2, 40)); np.save('%t.n.npy', np.array([5, 37])); np.save('%t.y.npy', np.where(np.arange(40) < [[5], [37]], np.arange(1, 81).reshape(2, 40), 0).astype(np.float32)); np.save('%t.bad.npy', np.array([5, 41]))"
// RUN: lpu-run %t.lpuasm --input x=%t.x.npy --input n=%t.n.npy --output y=%t.got.npy
// RUN: %python %S/Inputs/compare.py %t.got.npy %t.y.npy 0
// RUN: not lpu-run %t.lpuasm --input x=%t.x.npy --input n=%t.bad.npy 2>&1 | FileCheck %s --check-prefix=BOUNDS

// CHECK: isa.integer_input "n" of @main "i64" shape [2] most 40
// CHECK: isa.region "derived" "mask"
// CHECK: isa.derived_input
// ASSEMBLY: integer "n" i64 shape 2 min 0 max 40
// ASSEMBLY: derive "mask" rows 4 stride 1 {{.*}} = row constant 2 mod constant 32 mul lane add row constant 2 floordiv input 0 lt constant 16256 constant 0 select
// BOUNDS: input 'n': expected values from 0 to 40, got 41 at element 1
module attributes {lpu.target = "tiny"} {
  func.func @main() {
    %x = lpu.load_input "x" shape [2, 40] : !lpu.buffer<2, 40, f32>
    lpu.integer_input "n" i64 shape [2] most 40
    // column < n[row] ? 1.0 : 0.0, two vectors a row.
    %mask = lpu.derive "mask" of ["n"] steps [2, 0, 0, 2, 8, 0, 0, 32, 6, 0, 1, 0, 4, 0, 2, 0, 0, 2, 7, 0, 3, 0, 11, 0, 0, 16256, 0, 0, 16, 0] : !lpu.buffer<2, 40, bf16>
    %y = lpu.map(%x, %mask) scales [1.0] : (!lpu.buffer<2, 40, f32>, !lpu.buffer<2, 40, bf16>) -> !lpu.buffer<2, 40, f32> {
    ^bb0(%a: f32, %m: f32):
      %b = arith.mulf %a, %m : f32
      lpu.yield %b : f32
    }
    lpu.store_output %y as "y" shape [2, 40] : !lpu.buffer<2, 40, f32>
    return
  }
}
