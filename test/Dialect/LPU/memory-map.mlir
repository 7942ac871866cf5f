// RUN: not lpu-opt %s --split-input-file --lpu-place-buffers 2>&1 | FileCheck %s

// More words than there are: what is placed, what is needed, and by how much caches would have to shrink.
// CHECK: error: 'lpu.state' op does not fit into SRAM: state of 256 words in 32 slices; {{[0-9]+}} of 40960 words of tiny are taken
// CHECK: note: memory map of tiny, in words of 32 bytes:
// CHECK-NEXT: west     east        bytes  needs at least
// CHECK-NEXT: tables {{.*}} 1280  40
// CHECK-NEXT: constants {{.*}} 128  4
// CHECK-NEXT: weights            0        0            0  0
// CHECK-NEXT: states        16384    16384      1048576  49152
// CHECK-NEXT: buffers {{.*}}  8
// CHECK-NEXT: together {{.*}}  49204
// CHECK-NEXT: free
// CHECK-NEXT: 8244 words (263808 bytes) are missing: the model is 1.20 chips' worth; with states (KV caches) of at most 83% of their length it may fit
module attributes {lpu.target = "tiny"} {
  func.func @main() {
    %t = lpu.table dense<1> : tensor<40x32xi8> : !lpu.buffer<40, 32, i8x1>
    %s = lpu.constant_rows dense<2.0> : tensor<1x32xf32> : !lpu.buffer<1, 32, f32>
    %x = lpu.load_input "x" shape [1, 32] : !lpu.buffer<1, 32, f32>
    %y = lpu.map(%x, %s) scales [1.0] : (!lpu.buffer<1, 32, f32>, !lpu.buffer<1, 32, f32>) -> !lpu.buffer<1, 32, f32> {
    ^bb0(%a: f32, %b: f32):
      %c = arith.addf %a, %b : f32
      lpu.yield %c : f32
    }
    lpu.store_output %y as "y" shape [1, 32] : !lpu.buffer<1, 32, f32>
    %a = lpu.state "a" : !lpu.tiles<4096, 32, f16>
    %b = lpu.state "b" : !lpu.tiles<4096, 32, f16>
    %c = lpu.state "c" : !lpu.tiles<4096, 32, f16>
    %d = lpu.state "d" : !lpu.tiles<4096, 32, f16>
    %e = lpu.state "e" : !lpu.tiles<4096, 32, f16>
    %f = lpu.state "f" : !lpu.tiles<4096, 32, f16>
    return
  }
  // Another entry shares them: they count once.
  func.func @other() {
    %a = lpu.state "a" : !lpu.tiles<4096, 32, f16>
    return
  }
}

// -----

// Enough words, but none of the banks has room for that many in a row.
// CHECK: error: 'lpu.load_input' op does not fit into SRAM: a buffer of 300 words a byte plane; 0 of 40960 words of tiny are taken
// CHECK: buffers            0        0            0  1200
// CHECK: free           20480    20480      1310720
// CHECK-NEXT: by their number the words suffice, but not as they lie: a bank has 256, the longest free runs are 256 west and 256 east;
module attributes {lpu.target = "tiny"} {
  func.func @main() {
    %x = lpu.load_input "x" shape [300, 32] : !lpu.buffer<300, 32, f32>
    return
  }
}
