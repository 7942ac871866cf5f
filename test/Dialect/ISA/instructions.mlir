// RUN: lpu-opt %s | lpu-opt | FileCheck %s
// RUN: lpu-opt %s --mlir-print-op-generic | lpu-opt | FileCheck %s
// RUN: lpu-opt %s --emit-bytecode | lpu-opt | FileCheck %s

module attributes {lpu.target = "tiny"} {
  // CHECK-LABEL: isa.entry @main
  isa.entry @main counters [] cycles 40 {
    isa.queue "mem.w0" {
      // Fields at their default, and strides of nothing, are left out.
      // CHECK: isa.inst "mem" at 3 {r = "linear", r_addr = 5 : i64}{{$}}
      isa.inst "mem" at 3 {r = "linear", r_addr = 5, r_bank = 0, r_dir = "east"}
      // CHECK-NEXT: isa.inst "mem" at 4 {r = "mapped", r_len = 4 : i64, r_lo = -7 : i64} repeat [2, 1, 3, 9] strides {r_addr = array<i64: 4, 0>, r_lo = array<i64: 0, -1>} intent [0, 2, 1, 0] meant [7, 4294967295, -2]
      isa.inst "mem" at 4 {r = "mapped", r_lo = -7, r_len = 4} repeat [2, 1, 3, 9] strides {r_addr = array<i64: 4, 0>, r_lo = array<i64: 0, -1>, w_addr = array<i64: 0, 0>} intent [0, 2, 1, 0] meant [7, 4294967295, -2]
    }
    isa.queue "vxm.0" {
      // CHECK: isa.inst "alu" at 0 {a = "immediate", a_value = 1.500000e+00 : f32, b = "immediate", b_type = "i32", b_value = 3 : i64, op = "add"}
      isa.inst "alu" at 0 {op = "add", a = "immediate", a_value = 1.5 : f32, b = "immediate", b_type = "i32", b_value = 3}
    }
    isa.queue "mxm.0.weights" {
      // What has no default is printed, zeros too.
      // CHECK: isa.inst "lw" at 1 {base = 0 : i64, dir = "east", group = 0 : i64}
      isa.inst "lw" at 1 {}
    }
    isa.queue "mxm.0.activations" {
      // CHECK: isa.inst "abc" at 1 {base = 0 : i64, dir = "west", mask = -1 : i64}
      isa.inst "abc" at 1 {dir = "west", mask = -1}
    }
  }
}
