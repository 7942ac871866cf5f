// RUN: lpu-opt %s --pass-pipeline='builtin.module(lpu-place-buffers)' | FileCheck %s --check-prefix=PLACE
// RUN: lpu-opt %s --pass-pipeline='builtin.module(lpu-place-buffers,lpu-emit-memory,convert-lpu-to-stream)' | FileCheck %s --check-prefix=CHAIN
// RUN: lpu-opt %s --pass-pipeline='builtin.module(lpu-place-buffers,lpu-emit-memory,convert-lpu-to-stream)' | lpu-opt | FileCheck %s --check-prefix=CHAIN
// RUN: lpu-opt %s --pass-pipeline='builtin.module(lpu-place-buffers,lpu-emit-memory,convert-lpu-to-stream,stream.program(stream-record-intent,stream-schedule),convert-stream-to-isa)' | FileCheck %s --check-prefix=ISA

// Every byte of a row lies in a slice of its own, so that all come in one cycle.
// PLACE: lpu.load_input "x" shape [2, 32] {placement = array<i64: {{[0-9]+}}, 1, 0, {{[0-9]+}}, 1, 0, {{[0-9]+}}, 1, 0, {{[0-9]+}}, 1, 0>}

// CHAIN-LABEL: stream.program @main
// CHAIN: stream.chain "map1.r0.v0"
// CHAIN: %[[X:.*]] = stream.bundle
// CHAIN: stream.issue "alu" on "vxm.*" at 9 {a = "stream", {{(a_dir = "west", )?}}b = "immediate", b_value = 2.000000e+00 : f32, op = "add", out = "f32"{{(, out_dir = "west")?}}} repeat [2, 1, 1, 0] (%[[X]])

// The read of the far byte comes first; the add is 9 cycles later.
// ISA: isa.entry @main counters [] cycles 19
// ISA: isa.queue "vxm.0"
// ISA-NEXT: isa.inst "alu" at 9
// ISA-SAME: intent [0,
// ISA-SAME: meant [
module attributes {lpu.target = "tiny"} {
  func.func @main() {
    %x = lpu.load_input "x" shape [2, 32] : !lpu.buffer<2, 32, f32>
    %y = lpu.map(%x) scales [1.0] : (!lpu.buffer<2, 32, f32>) -> !lpu.buffer<2, 32, f32> {
    ^bb0(%a: f32):
      %two = arith.constant 2.0 : f32
      %b = arith.addf %a, %two : f32
      lpu.yield %b : f32
    }
    lpu.store_output %y as "y" shape [2, 32] : !lpu.buffer<2, 32, f32>
    return
  }
}
