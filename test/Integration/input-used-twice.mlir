// Operations of a map that use an input at different times, on more rows than lie between them: a slice
// gives one word a cycle, so the input is read once and waits. x - (x x + x + c) + c = -x x.
// RUN: %python -c "import numpy as n; n.save(r'%t.x.npy', (n.arange(100 * 32) % 97 - 48).reshape(100, 32).astype('f'))"
// RUN: lpu-opt %s --pass-pipeline='builtin.module(lpu-place-buffers,lpu-emit-memory,convert-lpu-to-stream,stream.program(stream-record-intent,stream-schedule),convert-stream-to-isa)' -o %t.isa.mlir
// RUN: lpu-translate --export-assembly %t.isa.mlir -o %t.lpuasm
// RUN: lpu-verify %t.lpuasm
// RUN: lpu-run %t.lpuasm --input x=%t.x.npy --output-dir %t.d
// RUN: %python -c "import numpy as n; x = n.load(r'%t.x.npy'); assert (n.load(r'%t.d/y.npy') == -x * x).all(); assert (n.load(r'%t.d/z.npy') == x * x).all()"
module attributes {lpu.target = "tiny"} {
  func.func @main() {
    %x = lpu.load_input "x" shape [100, 32] : <100, 32, f32>
    %c = lpu.constant_rows dense<3.0> : tensor<1x32xf32> : <1, 32, f32>
    %y, %z = lpu.map(%x, %c) scales [1.0, 1.0] : (!lpu.buffer<100, 32, f32>, !lpu.buffer<1, 32, f32>) -> (!lpu.buffer<100, 32, f32>, !lpu.buffer<100, 32, f32>) {
    ^bb0(%a: f32, %b: f32):
      %square = math.fma %a, %a, %a : f32
      %more = arith.addf %square, %b : f32
      %less = arith.subf %a, %more : f32
      %sum = arith.addf %less, %b : f32
      %none = arith.mulf %a, %a : f32
      lpu.yield %sum, %none : f32, f32
    }
    lpu.store_output %y as "y" shape [100, 32] : <100, 32, f32>
    lpu.store_output %z as "z" shape [100, 32] : <100, 32, f32>
    return
  }
}
