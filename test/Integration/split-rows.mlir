// Kernels on some rows at a time compute the bits of those on all rows: products, tables that are
// computed, lanes that move, tiles that rows are appended to, parts of buffers.
// DEFINE: %{split} = lpu-fuse-maps
// DEFINE: %{out} = %t.whole
// DEFINE: %{run} = lpu-opt %s --pass-pipeline='builtin.module(func.func(%{split}),lpu-place-buffers,lpu-emit-memory,convert-lpu-to-stream,stream.program(stream-record-intent,stream-schedule),convert-stream-to-isa)' -o %{out}.isa.mlir && \
// DEFINE:   lpu-translate --export-assembly %{out}.isa.mlir -o %{out}.lpuasm && \
// DEFINE:   lpu-verify %{out}.lpuasm && \
// DEFINE:   lpu-run %{out}.lpuasm --input x=%t.x.npy --input e=%t.e.npy --input n=%t.n.npy --output-dir %{out}
// RUN: rm -rf %t.whole %t.parts %t.halves
// RUN: %python -c "import numpy as n; r = n.random.default_rng(1); n.save(r'%t.x.npy', r.standard_normal((100, 32)).astype('f')); n.save(r'%t.e.npy', r.standard_normal((10, 128)).astype('f')); n.save(r'%t.n.npy', n.array([13]))"
// RUN: %{run}
// REDEFINE: %{split} = lpu-fuse-maps,lpu-split-rows
// REDEFINE: %{out} = %t.parts
// RUN: %{run}
// REDEFINE: %{split} = lpu-fuse-maps,lpu-split-rows{rows=50}
// REDEFINE: %{out} = %t.halves
// RUN: %{run}
// RUN: lpu-opt %s --pass-pipeline='builtin.module(func.func(lpu-fuse-maps,lpu-split-rows))' | FileCheck %s
// RUN: %python -c "import numpy as n, os; names = sorted(os.listdir(r'%t.whole')); assert names == ['h.npy', 'r.npy', 'y.npy', 'z.npy'], names; assert all((n.load(r'%t.whole/' + m) == n.load(d + m)).all() and abs(n.load(d + m)).min() > 0 for m in names for d in (r'%t.parts/', r'%t.halves/'))"

// CHECK-COUNT-4: lpu.contract {{.*}} tensor<32x4xi8>
// CHECK-COUNT-4: lpu.permute
// CHECK-COUNT-4: lpu.gather_rows
// CHECK-COUNT-4: lpu.append
module attributes {lpu.target = "tiny"} {
  func.func @main() {
    %x = lpu.load_input "x" shape [100, 32] : <100, 32, f32>
    %e = lpu.load_input "e" shape [10, 128] : <10, 128, f32>
    lpu.integer_input "n" i64 shape [1]
    %q = lpu.map(%x) scales [1.0e5] : (!lpu.buffer<100, 32, f32>) -> !lpu.buffer<100, 32, i8x3> {
    ^bb0(%a: f32):
      lpu.yield %a : f32
    }
    %scale = lpu.constant_rows dense<1.0e-6> : tensor<1x4xf32> : <1, 4, f32>
    %s = lpu.contract %q, dense<"0x4420823CFDE6F1C26B30F90EC7DD01E4887534A20F0B0D04C36ED80E71E0FD77B07670EB940BD5335F973DAAD8619B91FFC911F57CCED458BBBF2CE03753C9BDFA0FF0169DC9575674066676CFB0B4EB8902C44269DA1CF6BA66D3F8B6D4B100A9EA0E755A5C2E8210242A08E7078F7F89385EB09423555182568B96E8A4FEF2"> : tensor<32x4xi8> scaled by %scale : (!lpu.buffer<100, 32, i8x3>, !lpu.buffer<1, 4, f32>) -> !lpu.acc<100, 4, i8x3>
    %r = lpu.map(%s) scales [1.0] : (!lpu.acc<100, 4, i8x3>) -> !lpu.buffer<100, 4, f32> {
    ^bb0(%a: f32):
      lpu.yield %a : f32
    }
    %p = lpu.permute %r by [1, 0, 3, 2] : <100, 4, f32>
    %turned = lpu.map(%r, %p) scales [1.0] : (!lpu.buffer<100, 4, f32>, !lpu.buffer<100, 4, f32>) -> !lpu.buffer<100, 4, f32> {
    ^bb0(%a: f32, %b: f32):
      %c = math.fma %a, %a, %b : f32
      lpu.yield %c : f32
    }
    // Row (7 r + n) mod 100.
    %m = lpu.derive "rows" of ["n"] steps [2, 0, 0, 7, 6, 0, 0, 0, 3, 0, 4, 0, 0, 100, 8, 0] : <100, 32, i32>
    %t = lpu.gather_rows %r at %m : (!lpu.buffer<100, 4, f32>, !lpu.buffer<100, 32, i32>) -> !lpu.buffer<100, 4, f32>
    %z = lpu.map(%turned, %t) scales [1.0] : (!lpu.buffer<100, 4, f32>, !lpu.buffer<100, 4, f32>) -> !lpu.buffer<100, 4, f32> {
    ^bb0(%a: f32, %b: f32):
      %c = arith.mulf %a, %b : f32
      lpu.yield %c : f32
    }
    %state = lpu.state "v" : <128, 4, f16>
    %z16 = lpu.map(%z) scales [1.0] : (!lpu.buffer<100, 4, f32>) -> !lpu.buffer<100, 4, f16> {
    ^bb0(%a: f32):
      lpu.yield %a : f32
    }
    %at = lpu.derive "at" of [] steps [2, 0, 0, 16, 8, 0, 0, 8, 6, 0, 2, 0, 0, 16, 7, 0, 4, 0] : <100, 32, i32>
    lpu.append %z16 at %at into %state : <100, 4, f16>, <100, 32, i32>, <128, 4, f16>
    %e16 = lpu.map(%e) scales [1.0] : (!lpu.buffer<10, 128, f32>) -> !lpu.buffer<10, 128, f16> {
    ^bb0(%a: f32):
      lpu.yield %a : f32
    }
    %sums = lpu.contract %e16 tiles %state : (!lpu.buffer<10, 128, f16>, !lpu.tiles<128, 4, f16>) -> !lpu.acc<10, 4, f16>
    %y = lpu.map(%sums) scales [1.0] : (!lpu.acc<10, 4, f16>) -> !lpu.buffer<10, 4, f32> {
    ^bb0(%a: f32):
      lpu.yield %a : f32
    }
    // Rows of a buffer in parts, that match none of them; a buffer of their results.
    %z0 = lpu.rows %z from 0 : <100, 4, f32> -> <40, 4, f32>
    %z1 = lpu.rows %z from 40 : <100, 4, f32> -> <60, 4, f32>
    %h0 = lpu.map(%z0) scales [1.0] : (!lpu.buffer<40, 4, f32>) -> !lpu.buffer<40, 4, f32> {
    ^bb0(%a: f32):
      %b = arith.addf %a, %a : f32
      lpu.yield %b : f32
    }
    %h1 = lpu.map(%z1) scales [1.0] : (!lpu.buffer<60, 4, f32>) -> !lpu.buffer<60, 4, f32> {
    ^bb0(%a: f32):
      %b = arith.mulf %a, %a : f32
      lpu.yield %b : f32
    }
    %all = lpu.concat_rows %h0, %h1 : (!lpu.buffer<40, 4, f32>, !lpu.buffer<60, 4, f32>) -> !lpu.buffer<100, 4, f32>
    %h = lpu.map(%all, %r) scales [1.0] : (!lpu.buffer<100, 4, f32>, !lpu.buffer<100, 4, f32>) -> !lpu.buffer<100, 4, f32> {
    ^bb0(%a: f32, %b: f32):
      %c = arith.addf %a, %b : f32
      lpu.yield %c : f32
    }
    lpu.store_output %r as "r" shape [100, 4] : <100, 4, f32>
    lpu.store_output %z as "z" shape [100, 4] : <100, 4, f32>
    lpu.store_output %h as "h" shape [100, 4] : <100, 4, f32>
    lpu.store_output %y as "y" shape [10, 4] : <10, 4, f32>
    return
  }
}
