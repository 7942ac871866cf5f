// Inputs and outputs of other types than f32, placed by layouts: dimension 0 along lanes, a scalar in all
// lanes, a scalar read from lane 0.
// DEFINE: %{passes} = builtin.module(lpu-place-buffers,lpu-emit-memory,convert-lpu-to-stream,stream.program(stream-record-intent,stream-schedule),convert-stream-to-isa)
// RUN: lpu-opt %s --pass-pipeline='%{passes}' -o %t.isa.mlir
// RUN: FileCheck %s < %t.isa.mlir
// RUN: lpu-translate --export-assembly %t.isa.mlir -o %t.lpuasm
// RUN: FileCheck %s --check-prefix=ASSEMBLY < %t.lpuasm
// RUN: lpu-verify %t.lpuasm
// RUN: lpu-as %t.lpuasm -o %t.lpu && lpu-verify %t.lpu
// RUN: %python -c "import numpy as n; n.save(r'%t.x.npy', (n.arange(120) - 60).reshape(40, 3).astype(n.float16)); n.save(r'%t.s.npy', n.float64(0.5))"
// RUN: lpu-run %t.lpu --input x=%t.x.npy --input s=%t.s.npy --output-dir %t.d
// RUN: %python -c "import numpy as n; y = n.load(r'%t.d/y.npy'); assert y.dtype == n.float16 and (y == n.load(r'%t.x.npy') * 0.5).all(); z = n.load(r'%t.d/z.npy'); assert z.shape == () and z == -30"
// CHECK: isa.binding "input" "x" of @main "f16" as "f32" shape [40, 3]
// CHECK-SAME: layout = array<i64: 0, 1, 0, 6, 0, 2>
// ASSEMBLY: tensor input "x" f16 as f32 shape 40x3 layout lanes 0 vector 1 offset 0 words 6 strides 0x2 planes
// ASSEMBLY: tensor input "s" f64 as f32 shape scalar layout lanes -1 vector 0 offset 0 words 1 planes
// ASSEMBLY: tensor output "z" f64 as f32 shape scalar layout lanes -1 vector 0 offset 0 words 6 planes
module attributes {lpu.target = "tiny"} {
  func.func @main() {
    %x = lpu.load_input "x" shape [40, 3] {element = f16, layout = array<i64: 0, 1, 0, 0, 2>} : <3, 64, f32>
    %s = lpu.load_input "s" shape [] {element = f64, layout = array<i64: -1, 0, 0>} : <1, 1, f32>
    %y, %z = lpu.map(%x, %s) scales [1.0, 1.0] : (!lpu.buffer<3, 64, f32>, !lpu.buffer<1, 1, f32>) -> (!lpu.buffer<3, 64, f32>, !lpu.buffer<3, 64, f32>) {
    ^bb0(%a: f32, %b: f32):
      %half = arith.mulf %a, %b : f32
      %c = arith.constant 0.5 : f32
      %also = arith.mulf %a, %c : f32
      lpu.yield %half, %also : f32, f32
    }
    lpu.store_output %y as "y" shape [40, 3] {element = f16, layout = array<i64: 0, 1, 0, 0, 2>} : <3, 64, f32>
    lpu.store_output %z as "z" shape [] {element = f64, layout = array<i64: -1, 0, 0>} : <3, 64, f32>
    return
  }
}
