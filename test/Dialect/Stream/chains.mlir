// RUN: lpu-opt %s | lpu-opt | FileCheck %s
// RUN: lpu-opt %s --mlir-print-op-generic | lpu-opt | FileCheck %s
// RUN: lpu-opt %s --emit-bytecode | lpu-opt | FileCheck %s

module attributes {lpu.target = "tiny"} {
  // CHECK-LABEL: stream.program @main
  stream.program @main {
    // CHECK: stream.chain "copy" start 3
    stream.chain "copy" start 3 {
      // CHECK: %[[X:.*]] = stream.issue "mem" on "mem.w0" at 0 {r = "linear", r_addr = 2 : i64} repeat [4, 1, 1, 0] strides {r_addr = array<i64: 0, 1>} ids [7] : () -> !stream.flow<east, 1>
      %x = stream.issue "mem" on "mem.w0" at 0 {r = "linear", r_addr = 2, r_dir = "east"} repeat [4, 1, 1, 0] strides {r_addr = array<i64: 0, 1>} ids [7] : () -> !stream.flow<east, 1>
      // CHECK: %[[Y:.*]] = stream.issue "alu" on "vxm.*" at 6 {a = "stream", a_type = "i8", op = "copy", out = "i8"} repeat [4, 1, 1, 0] ids [0] alu 5 meant [2, 17, -5] (%[[X]]) : (!stream.flow<east, 1>) -> !stream.flow<east, 1>
      %y = stream.issue "alu" on "vxm.*" at 6 {op = "copy", a = "stream", a_type = "i8", out = "i8"} repeat [4, 1, 1, 0] ids [0] alu 5 meant [2, 17, -5] (%x) : (!stream.flow<east, 1>) -> !stream.flow<east, 1>
      // CHECK: stream.issue "mem" on "mem.e0" at 11 {w = "linear"} repeat [4, 1, 1, 0] (%[[Y]]) {note} : (!stream.flow<east, 1>) -> ()
      stream.issue "mem" on "mem.e0" at 11 {w = "linear"} repeat [4, 1, 1, 0] (%y) {note} : (!stream.flow<east, 1>) -> ()
    }
  }
}
