// RUN: lpu-opt %s --split-input-file --pass-pipeline='builtin.module(func.func(lpu-split-rows{rows=64}))' | FileCheck %s

module attributes {lpu.target = "tsp1"} {
  // What the host writes is read where it lies; each part goes through every kernel, and
  // the output, which wants all rows, gets them together.
  // CHECK-LABEL: func.func @all
  // CHECK: %[[X:.*]] = lpu.load_input "x"
  // CHECK: %[[X0:.*]] = lpu.rows %[[X]] from 0 : <100, 32, f32> -> <50, 32, f32>
  // CHECK: %[[Q0:.*]] = lpu.map(%[[X0]]){{.*}} -> !lpu.buffer<50, 32, i8x3>
  // CHECK: %[[X1:.*]] = lpu.rows %[[X]] from 50 : <100, 32, f32> -> <50, 32, f32>
  // CHECK: %[[Q1:.*]] = lpu.map(%[[X1]])
  // CHECK: %[[S0:.*]] = lpu.contract %[[Q0]]
  // CHECK-NOT: turn
  // CHECK-SAME: !lpu.acc<50, 16, i8x3>
  // CHECK: %[[S1:.*]] = lpu.contract %[[Q1]]{{.*}} {turn = 1 : i64}
  // CHECK: %[[Y0:.*]] = lpu.map(%[[S0]])
  // CHECK: %[[Y1:.*]] = lpu.map(%[[S1]])
  // CHECK: %[[Y:.*]] = lpu.concat_rows %[[Y0]], %[[Y1]]
  // CHECK: lpu.store_output %[[Y]] as "y"
  func.func @all() {
    %x = lpu.load_input "x" shape [100, 32] : <100, 32, f32>
    %q = lpu.map(%x) scales [1.0] : (!lpu.buffer<100, 32, f32>) -> !lpu.buffer<100, 32, i8x3> {
    ^bb0(%a: f32):
      lpu.yield %a : f32
    }
    %scale = lpu.constant_rows dense<1.0> : tensor<1x16xf32> : <1, 16, f32>
    %s = lpu.contract %q, dense<1> : tensor<32x16xi8> scaled by %scale : (!lpu.buffer<100, 32, i8x3>, !lpu.buffer<1, 16, f32>) -> !lpu.acc<100, 16, i8x3>
    %y = lpu.map(%s) scales [1.0] : (!lpu.acc<100, 16, i8x3>) -> !lpu.buffer<100, 16, f32> {
    ^bb0(%a: f32):
      lpu.yield %a : f32
    }
    lpu.store_output %y as "y" shape [100, 16] : <100, 16, f32>
    return
  }

  // Sums of runs of lanes have rows of their own: they, and what is made of them, stay.
  // CHECK-LABEL: func.func @heads
  // CHECK: lpu.contract {{.*}} : (!lpu.buffer<100, 32, f16>) -> !lpu.acc<200, 16, f16>
  // CHECK: lpu.map({{.*}}) {{.*}} -> !lpu.buffer<200, 16, f32>
  func.func @heads() {
    %x = lpu.load_input "x" shape [100, 32] : <100, 32, f32>
    %q = lpu.map(%x) scales [1.0] : (!lpu.buffer<100, 32, f32>) -> !lpu.buffer<100, 32, f16> {
    ^bb0(%a: f32):
      lpu.yield %a : f32
    }
    %s = lpu.contract %q, dense<1.0> : tensor<16x16xf16> {split = 2 : i64} : (!lpu.buffer<100, 32, f16>) -> !lpu.acc<200, 16, f16>
    %y = lpu.map(%s) scales [1.0] : (!lpu.acc<200, 16, f16>) -> !lpu.buffer<200, 16, f32> {
    ^bb0(%a: f32):
      lpu.yield %a : f32
    }
    lpu.store_output %y as "y" shape [200, 16] : <200, 16, f32>
    return
  }
}

// -----

module attributes {lpu.target = "tsp1"} {
  // Rows go from the VXM into the tiles part by part, each with its part of the map.
  // CHECK-LABEL: func.func @append
  // CHECK: %[[X:.*]] = lpu.load_input "x"
  // CHECK: %[[V:.*]] = lpu.state "v"
  // CHECK: %[[V0:.*]] = lpu.map
  // CHECK: %[[V1:.*]] = lpu.map
  // CHECK-NOT: lpu.concat_rows
  // CHECK: %[[AT:.*]] = lpu.derive "at" {{.*}} : <100, 320, i32>
  // CHECK: %[[AT0:.*]] = lpu.rows %[[AT]] from 0 : <100, 320, i32> -> <50, 320, i32>
  // CHECK: lpu.append %[[V0]] at %[[AT0]] into %[[V]]
  // CHECK: %[[AT1:.*]] = lpu.rows %[[AT]] from 50 : <100, 320, i32> -> <50, 320, i32>
  // CHECK: lpu.append %[[V1]] at %[[AT1]] into %[[V]]
  func.func @append() {
    %x = lpu.load_input "x" shape [100, 32] : <100, 32, f32>
    %state = lpu.state "v" : <128, 32, f16>
    %v = lpu.map(%x) scales [1.0] : (!lpu.buffer<100, 32, f32>) -> !lpu.buffer<100, 32, f16> {
    ^bb0(%a: f32):
      lpu.yield %a : f32
    }
    %at = lpu.derive "at" of [] steps [2, 0] : <100, 320, i32>
    lpu.append %v at %at into %state : <100, 32, f16>, <100, 320, i32>, <128, 32, f16>
    return
  }

  // Two rows of the source for each of the map: all of it stays as it is.
  // CHECK-LABEL: func.func @append_groups
  // CHECK: %[[K:.*]] = lpu.map({{.*}} -> !lpu.buffer<100, 32, f16>
  // CHECK-NOT: lpu.map
  // CHECK: lpu.append %[[K]] at %{{.*}} : <100, 32, f16>, <50, 320, i32>
  func.func @append_groups() {
    %x = lpu.load_input "x" shape [100, 32] : <100, 32, f32>
    %state = lpu.state "k" : <32, 128, f16 transposed true>
    %k = lpu.map(%x) scales [1.0] : (!lpu.buffer<100, 32, f32>) -> !lpu.buffer<100, 32, f16> {
    ^bb0(%a: f32):
      lpu.yield %a : f32
    }
    %at = lpu.derive "at" of [] steps [2, 0] : <50, 320, i32>
    lpu.append %k at %at into %state : <100, 32, f16>, <50, 320, i32>, <32, 128, f16 transposed true>
    return
  }

  // Appended as columns, rows are gathered from all parts: they lie together.
  // CHECK-LABEL: func.func @append_columns
  // CHECK: %[[K0:.*]] = lpu.map
  // CHECK: %[[K1:.*]] = lpu.map
  // CHECK: %[[K:.*]] = lpu.concat_rows %[[K0]], %[[K1]]
  // CHECK-NEXT: lpu.append_columns %[[K]]
  func.func @append_columns() {
    %x = lpu.load_input "x" shape [100, 32] : <100, 32, f32>
    %state = lpu.state "c" : <32, 128, f16 transposed true>
    %k = lpu.map(%x) scales [1.0] : (!lpu.buffer<100, 32, f32>) -> !lpu.buffer<100, 32, f16> {
    ^bb0(%a: f32):
      lpu.yield %a : f32
    }
    %from = lpu.derive "from" of [] steps [2, 0] : <20, 320, i32>
    %to = lpu.derive "to" of [] steps [2, 0] : <320, 320, i32>
    lpu.append_columns %k from %from to %to into %state : <100, 32, f16>, <20, 320, i32>, <320, 320, i32>, <32, 128, f16 transposed true>
    return
  }

  // A part of a gather has a part of the map and all of the table, which lies together where it is in parts.
  // CHECK-LABEL: func.func @gather
  // CHECK: %[[T0:.*]] = lpu.map
  // CHECK: %[[T1:.*]] = lpu.map
  // CHECK: %[[MAP:.*]] = lpu.derive
  // CHECK: %[[T:.*]] = lpu.concat_rows %[[T0]], %[[T1]]
  // CHECK: %[[M0:.*]] = lpu.rows %[[MAP]] from 0
  // CHECK: %[[Y0:.*]] = lpu.gather_rows %[[T]] at %[[M0]] : {{.*}} -> !lpu.buffer<60, 32, f32>
  // CHECK: %[[M1:.*]] = lpu.rows %[[MAP]] from 60
  // CHECK: lpu.gather_rows %[[T]] at %[[M1]] : {{.*}} -> !lpu.buffer<59, 32, f32>
  func.func @gather() {
    %x = lpu.load_input "x" shape [100, 32] : <100, 32, f32>
    %t = lpu.map(%x) scales [1.0] : (!lpu.buffer<100, 32, f32>) -> !lpu.buffer<100, 32, f32> {
    ^bb0(%a: f32):
      lpu.yield %a : f32
    }
    %m = lpu.derive "rows" of [] steps [2, 0] : <119, 320, i32>
    %y = lpu.gather_rows %t at %m : (!lpu.buffer<100, 32, f32>, !lpu.buffer<119, 320, i32>) -> !lpu.buffer<119, 32, f32>
    lpu.store_output %y as "y" shape [119, 32] : <119, 32, f32>
    return
  }

  // Lanes move part by part where only parts are read; the map reads x in the same parts.
  // CHECK-LABEL: func.func @permute
  // CHECK: %[[X:.*]] = lpu.load_input "x"
  // CHECK: %[[X0:.*]] = lpu.rows %[[X]] from 0
  // CHECK: %[[P0:.*]] = lpu.permute %[[X0]]
  // CHECK: %[[X1:.*]] = lpu.rows %[[X]] from 50
  // CHECK: %[[P1:.*]] = lpu.permute %[[X1]]
  // CHECK-NOT: lpu.rows
  // CHECK: lpu.map(%[[X0]], %[[P0]])
  // CHECK: lpu.map(%[[X1]], %[[P1]])
  func.func @permute() {
    %x = lpu.load_input "x" shape [100, 2] : <100, 2, f32>
    %p = lpu.permute %x by [1, 0] : <100, 2, f32>
    %y = lpu.map(%x, %p) scales [1.0] : (!lpu.buffer<100, 2, f32>, !lpu.buffer<100, 2, f32>) -> !lpu.buffer<100, 2, f32> {
    ^bb0(%a: f32, %b: f32):
      %c = arith.addf %a, %b : f32
      lpu.yield %c : f32
    }
    lpu.store_output %y as "y" shape [100, 2] : <100, 2, f32>
    return
  }

  // Read as a whole, too, it stays whole, and what reads it as well.
  // CHECK-LABEL: func.func @permute_whole
  // CHECK: lpu.permute {{.*}} : <100, 2, f32>
  // CHECK: lpu.map({{.*}} -> !lpu.buffer<100, 2, f32>
  func.func @permute_whole() {
    %x = lpu.load_input "x" shape [100, 2] : <100, 2, f32>
    %p = lpu.permute %x by [1, 0] : <100, 2, f32>
    %y = lpu.map(%p) scales [1.0] : (!lpu.buffer<100, 2, f32>) -> !lpu.buffer<100, 2, f32> {
    ^bb0(%a: f32):
      lpu.yield %a : f32
    }
    lpu.store_output %p as "p" shape [100, 2] : <100, 2, f32>
    lpu.store_output %y as "y" shape [100, 2] : <100, 2, f32>
    return
  }

  // Parts that are there are read as they are, with other bounds they are rows of the whole. What is in
  // parts and read as a whole lies together once.
  // CHECK-LABEL: func.func @concat
  // CHECK: %[[A:.*]] = lpu.map{{.*}} -> !lpu.buffer<50, 32, f32>
  // CHECK: %[[B:.*]] = lpu.map{{.*}} -> !lpu.buffer<50, 32, f32>
  // CHECK: %[[C:.*]] = lpu.map{{.*}} -> !lpu.buffer<40, 32, f32>
  // CHECK: %[[D:.*]] = lpu.map{{.*}} -> !lpu.buffer<60, 32, f32>
  // CHECK: %[[CD:.*]] = lpu.concat_rows %[[C]], %[[D]]
  // CHECK: %[[CD0:.*]] = lpu.rows %[[CD]] from 0 : <100, 32, f32> -> <50, 32, f32>
  // CHECK: %[[Y0:.*]] = lpu.map(%[[A]], %[[CD0]])
  // CHECK: %[[CD1:.*]] = lpu.rows %[[CD]] from 50
  // CHECK: %[[Y1:.*]] = lpu.map(%[[B]], %[[CD1]])
  // CHECK: %[[Z0:.*]] = lpu.map(%[[Y0]])
  // CHECK: %[[Z1:.*]] = lpu.map(%[[Y1]])
  // CHECK: %[[Y:.*]] = lpu.concat_rows %[[Y0]], %[[Y1]]
  // CHECK-NEXT: lpu.store_output %[[Y]] as "y"
  // CHECK-NEXT: lpu.store_output %[[Y]] as "y2"
  // CHECK: lpu.concat_rows %[[Z0]], %[[Z1]]
  func.func @concat() {
    %x0 = lpu.load_input "x0" shape [50, 32] : <50, 32, f32>
    %x1 = lpu.load_input "x1" shape [40, 32] : <40, 32, f32>
    %x2 = lpu.load_input "x2" shape [60, 32] : <60, 32, f32>
    %a = lpu.map(%x0) scales [1.0] : (!lpu.buffer<50, 32, f32>) -> !lpu.buffer<50, 32, f32> {
    ^bb0(%e: f32):
      lpu.yield %e : f32
    }
    %b = lpu.map(%x0) scales [2.0] : (!lpu.buffer<50, 32, f32>) -> !lpu.buffer<50, 32, f32> {
    ^bb0(%e: f32):
      lpu.yield %e : f32
    }
    %c = lpu.map(%x1) scales [1.0] : (!lpu.buffer<40, 32, f32>) -> !lpu.buffer<40, 32, f32> {
    ^bb0(%e: f32):
      lpu.yield %e : f32
    }
    %d = lpu.map(%x2) scales [1.0] : (!lpu.buffer<60, 32, f32>) -> !lpu.buffer<60, 32, f32> {
    ^bb0(%e: f32):
      lpu.yield %e : f32
    }
    %ab = lpu.concat_rows %a, %b : (!lpu.buffer<50, 32, f32>, !lpu.buffer<50, 32, f32>) -> !lpu.buffer<100, 32, f32>
    %cd = lpu.concat_rows %c, %d : (!lpu.buffer<40, 32, f32>, !lpu.buffer<60, 32, f32>) -> !lpu.buffer<100, 32, f32>
    %y = lpu.map(%ab, %cd) scales [1.0] : (!lpu.buffer<100, 32, f32>, !lpu.buffer<100, 32, f32>) -> !lpu.buffer<100, 32, f32> {
    ^bb0(%e: f32, %f: f32):
      %g = arith.addf %e, %f : f32
      lpu.yield %g : f32
    }
    %z = lpu.map(%y) scales [1.0] : (!lpu.buffer<100, 32, f32>) -> !lpu.buffer<100, 32, f32> {
    ^bb0(%e: f32):
      lpu.yield %e : f32
    }
    lpu.store_output %y as "y" shape [100, 32] : <100, 32, f32>
    lpu.store_output %y as "y2" shape [100, 32] : <100, 32, f32>
    lpu.store_output %z as "z" shape [100, 32] : <100, 32, f32>
    return
  }

  // A part of a buffer has no parts itself.
  // CHECK-LABEL: func.func @nested
  // CHECK: %[[A:.*]] = lpu.map({{.*}} -> !lpu.buffer<100, 32, f32>
  // CHECK: %[[B:.*]] = lpu.map({{.*}} -> !lpu.buffer<40, 32, f32>
  // CHECK: %[[W:.*]] = lpu.concat_rows %[[A]], %[[B]]
  // CHECK: lpu.rows %[[W]] from 0 : <140, 32, f32> -> <47, 32, f32>
  // CHECK: lpu.rows %[[W]] from 47
  // CHECK: lpu.rows %[[W]] from 94 : <140, 32, f32> -> <46, 32, f32>
  func.func @nested() {
    %x0 = lpu.load_input "x0" shape [100, 32] : <100, 32, f32>
    %x1 = lpu.load_input "x1" shape [40, 32] : <40, 32, f32>
    %a = lpu.map(%x0) scales [1.0] : (!lpu.buffer<100, 32, f32>) -> !lpu.buffer<100, 32, f32> {
    ^bb0(%e: f32):
      lpu.yield %e : f32
    }
    %b = lpu.map(%x1) scales [1.0] : (!lpu.buffer<40, 32, f32>) -> !lpu.buffer<40, 32, f32> {
    ^bb0(%e: f32):
      lpu.yield %e : f32
    }
    %w = lpu.concat_rows %a, %b : (!lpu.buffer<100, 32, f32>, !lpu.buffer<40, 32, f32>) -> !lpu.buffer<140, 32, f32>
    %y = lpu.map(%w) scales [1.0] : (!lpu.buffer<140, 32, f32>) -> !lpu.buffer<140, 32, f32> {
    ^bb0(%e: f32):
      lpu.yield %e : f32
    }
    lpu.store_output %y as "y" shape [140, 32] : <140, 32, f32>
    return
  }

  // Rows that are a part are that part; others are taken from the whole. A map that adds
  // one row to all reads that row in each part.
  // CHECK-LABEL: func.func @rows
  // CHECK: %[[Y0:.*]] = lpu.map(%{{.*}}, %[[ROW:[^)]*]])
  // CHECK: %[[Y1:.*]] = lpu.map(%{{.*}}, %[[ROW]])
  // CHECK: %[[U:.*]] = lpu.map(%[[Y1]])
  // CHECK: %[[Y:.*]] = lpu.concat_rows %[[Y0]], %[[Y1]]
  // CHECK: %[[R:.*]] = lpu.rows %[[Y]] from 40
  // CHECK: lpu.map(%[[R]])
  func.func @rows() {
    %x = lpu.load_input "x" shape [100, 32] : <100, 32, f32>
    %row = lpu.constant_rows dense<1.0> : tensor<1x32xf32> : <1, 32, f32>
    %y = lpu.map(%x, %row) scales [1.0] : (!lpu.buffer<100, 32, f32>, !lpu.buffer<1, 32, f32>) -> !lpu.buffer<100, 32, f32> {
    ^bb0(%e: f32, %f: f32):
      %g = arith.addf %e, %f : f32
      lpu.yield %g : f32
    }
    %r0 = lpu.rows %y from 50 : <100, 32, f32> -> <50, 32, f32>
    %u = lpu.map(%r0) scales [1.0] : (!lpu.buffer<50, 32, f32>) -> !lpu.buffer<50, 32, f32> {
    ^bb0(%e: f32):
      lpu.yield %e : f32
    }
    %r1 = lpu.rows %y from 40 : <100, 32, f32> -> <20, 32, f32>
    %v = lpu.map(%r1) scales [1.0] : (!lpu.buffer<20, 32, f32>) -> !lpu.buffer<20, 32, f32> {
    ^bb0(%e: f32):
      lpu.yield %e : f32
    }
    lpu.store_output %u as "u" shape [50, 32] : <50, 32, f32>
    lpu.store_output %v as "v" shape [20, 32] : <20, 32, f32>
    return
  }

  // Up to `rows` there is nothing to do.
  // CHECK-LABEL: func.func @few
  // CHECK: lpu.map
  // CHECK-NOT: lpu.map
  // CHECK: return
  func.func @few() {
    %x = lpu.load_input "x" shape [64, 32] : <64, 32, f32>
    %y = lpu.map(%x) scales [1.0] : (!lpu.buffer<64, 32, f32>) -> !lpu.buffer<64, 32, f32> {
    ^bb0(%e: f32):
      lpu.yield %e : f32
    }
    lpu.store_output %y as "y" shape [64, 32] : <64, 32, f32>
    return
  }
}
