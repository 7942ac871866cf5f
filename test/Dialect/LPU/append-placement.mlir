// RUN: lpu-opt %s --pass-pipeline='builtin.module(lpu-place-buffers,lpu-emit-memory,convert-lpu-to-stream,stream.program(stream-schedule))'

// Rows that a map reads lie in none of the slices of the tiles that it appends to, however little was
// placed in them just before: a chain uses a slice for one thing at a time.
module attributes {lpu.target = "tiny"} {
  func.func @main() {
    %x = lpu.load_input "x" shape [40, 4] : <40, 4, f32>
    %v1 = lpu.map(%x) scales [1.0] : (!lpu.buffer<40, 4, f32>) -> !lpu.buffer<40, 4, f32> {
    ^bb0(%a: f32):
      %c = arith.addf %a, %a : f32
      lpu.yield %c : f32
    }
    %st2 = lpu.state "st2" : <128, 4, f16>
    %h2 = lpu.map(%v1) scales [1.0] : (!lpu.buffer<40, 4, f32>) -> !lpu.buffer<40, 4, f16> {
    ^bb0(%a: f32):
      lpu.yield %a : f32
    }
    %at2 = lpu.derive "at" of [] steps [2, 0, 0, 16, 8, 0, 0, 8, 6, 0, 2, 0, 0, 16, 7, 0, 4, 0] : <40, 32, i32>
    lpu.append %h2 at %at2 into %st2 : <40, 4, f16>, <40, 32, i32>, <128, 4, f16>
    %e2 = lpu.constant_rows dense<1.0> : tensor<1x128xf32> : <1, 128, f32>
    %e162 = lpu.map(%e2) scales [1.0] : (!lpu.buffer<1, 128, f32>) -> !lpu.buffer<1, 128, f16> {
    ^bb0(%a: f32):
      lpu.yield %a : f32
    }
    %s2 = lpu.contract %e162 tiles %st2 : (!lpu.buffer<1, 128, f16>, !lpu.tiles<128, 4, f16>) -> !lpu.acc<1, 4, f16>
    %v2 = lpu.map(%s2) scales [1.0] : (!lpu.acc<1, 4, f16>) -> !lpu.buffer<1, 4, f32> {
    ^bb0(%a: f32):
      lpu.yield %a : f32
    }
    %st3 = lpu.state "st3" : <128, 4, f16>
    %h3 = lpu.map(%x) scales [1.0] : (!lpu.buffer<40, 4, f32>) -> !lpu.buffer<40, 4, f16> {
    ^bb0(%a: f32):
      lpu.yield %a : f32
    }
    %at3 = lpu.derive "at" of [] steps [2, 0, 0, 16, 8, 0, 0, 8, 6, 0, 2, 0, 0, 16, 7, 0, 4, 0] : <40, 32, i32>
    lpu.append %h3 at %at3 into %st3 : <40, 4, f16>, <40, 32, i32>, <128, 4, f16>
    %e3 = lpu.constant_rows dense<1.0> : tensor<1x128xf32> : <1, 128, f32>
    %e163 = lpu.map(%e3) scales [1.0] : (!lpu.buffer<1, 128, f32>) -> !lpu.buffer<1, 128, f16> {
    ^bb0(%a: f32):
      lpu.yield %a : f32
    }
    %s3 = lpu.contract %e163 tiles %st3 : (!lpu.buffer<1, 128, f16>, !lpu.tiles<128, 4, f16>) -> !lpu.acc<1, 4, f16>
    %v3 = lpu.map(%s3) scales [1.0] : (!lpu.acc<1, 4, f16>) -> !lpu.buffer<1, 4, f32> {
    ^bb0(%a: f32):
      lpu.yield %a : f32
    }
    lpu.store_output %v1 as "v1" shape [40, 4] : <40, 4, f32>
    lpu.store_output %v2 as "v2" shape [1, 4] : <1, 4, f32>
    lpu.store_output %v3 as "v3" shape [1, 4] : <1, 4, f32>
    return
  }
}
