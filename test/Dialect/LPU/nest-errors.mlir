// RUN: lpu-opt %s --split-input-file --verify-diagnostics

func.func @outside() {
  %x = lpu.load_input "x" shape [12, 20] : !lpu.buffer<12, 20, f32>
  // expected-error @below {{'lpu.nest' op expected [offset, a stride a loop] inside of '!lpu.buffer<12, 20, f32>', got array<i64: 1, 1>}}
  %y = lpu.nest(%x) loops [12] at [array<i64: 1, 1>, array<i64: 0, 1>] : (!lpu.buffer<12, 20, f32>) -> !lpu.buffer<12, 20, f32> {
  ^bb0(%p: f32):
    lpu.yield %p : f32
  }
  return
}

// -----

func.func @below() {
  %x = lpu.load_input "x" shape [12, 20] : !lpu.buffer<12, 20, f32>
  // expected-error @below {{'lpu.nest' op expected [offset, a stride a loop] inside of '!lpu.buffer<12, 20, f32>', got array<i64: 10, -1>}}
  %y = lpu.nest(%x) loops [12] at [array<i64: 10, -1>, array<i64: 0, 1>] : (!lpu.buffer<12, 20, f32>) -> !lpu.buffer<12, 20, f32> {
  ^bb0(%p: f32):
    lpu.yield %p : f32
  }
  return
}

// -----

func.func @strides() {
  %x = lpu.load_input "x" shape [12, 20] : !lpu.buffer<12, 20, f32>
  // expected-error @below {{'lpu.nest' op expected [offset, a stride a loop] inside of '!lpu.buffer<12, 20, f32>', got array<i64: 0, 1>}}
  %y = lpu.nest(%x) loops [4, 3] at [array<i64: 0, 1>, array<i64: 0, 3, 1>] : (!lpu.buffer<12, 20, f32>) -> !lpu.buffer<12, 20, f32> {
  ^bb0(%p: f32):
    lpu.yield %p : f32
  }
  return
}

// -----

func.func @format() {
  %x = lpu.load_input "x" shape [12, 20] {element = f16} : !lpu.buffer<12, 20, f16>
  // expected-error @below {{'lpu.nest' op expected [offset, a stride a loop] inside of '!lpu.buffer<12, 20, f16>', got array<i64: 0, 1>}}
  %y = lpu.nest(%x) loops [12] at [array<i64: 0, 1>, array<i64: 0, 1>] : (!lpu.buffer<12, 20, f16>) -> !lpu.buffer<12, 20, f32> {
  ^bb0(%p: f32):
    lpu.yield %p : f32
  }
  return
}

// -----

func.func @accesses() {
  %x = lpu.load_input "x" shape [12, 20] : !lpu.buffer<12, 20, f32>
  // expected-error @below {{'lpu.nest' op expected results, loops of at least one step and one access a buffer}}
  %y = lpu.nest(%x) loops [12] at [array<i64: 0, 1>] : (!lpu.buffer<12, 20, f32>) -> !lpu.buffer<12, 20, f32> {
  ^bb0(%p: f32):
    lpu.yield %p : f32
  }
  return
}

// -----

func.func @empty() {
  %x = lpu.load_input "x" shape [12, 20] : !lpu.buffer<12, 20, f32>
  // expected-error @below {{'lpu.nest' op expected results, loops of at least one step and one access a buffer}}
  %y = lpu.nest(%x) loops [0] at [array<i64: 0, 1>, array<i64: 0, 1>] : (!lpu.buffer<12, 20, f32>) -> !lpu.buffer<12, 20, f32> {
  ^bb0(%p: f32):
    lpu.yield %p : f32
  }
  return
}

// -----

func.func @product() {
  %x = lpu.load_input "x" shape [12, 20] : !lpu.buffer<12, 20, f32>
  // expected-error @below {{'lpu.nest' op expected to reduce the last loops by add or max to one result}}
  %y = lpu.nest(%x) loops [12] at [array<i64: 0, 1>, array<i64: 0, 0>] reduce "mul" : (!lpu.buffer<12, 20, f32>) -> !lpu.buffer<1, 20, f32> {
  ^bb0(%p: f32):
    lpu.yield %p : f32
  }
  return
}

// -----

func.func @reduced() {
  %x = lpu.load_input "x" shape [12, 20] : !lpu.buffer<12, 20, f32>
  // expected-error @below {{'lpu.nest' op expected to reduce the last loops by add or max to one result}}
  %y = lpu.nest(%x) loops [12] at [array<i64: 0, 1>, array<i64: 0, 0>] reduce "add" {reduced = 2 : i64} : (!lpu.buffer<12, 20, f32>) -> !lpu.buffer<1, 20, f32> {
  ^bb0(%p: f32):
    lpu.yield %p : f32
  }
  return
}

// -----

func.func @types() {
  %x = lpu.load_input "x" shape [12, 20] : !lpu.buffer<12, 20, f32>
  // expected-error @below {{'lpu.nest' op expected f32 or i32 block arguments and lpu.yield, as the buffers are}}
  %y = lpu.nest(%x) loops [12] at [array<i64: 0, 1>, array<i64: 0, 1>] : (!lpu.buffer<12, 20, f32>) -> !lpu.buffer<12, 20, i32> {
  ^bb0(%p: f32):
    lpu.yield %p : f32
  }
  return
}

// -----

func.func @moved_sums() {
  %x = lpu.load_input "x" shape [12, 20] : !lpu.buffer<12, 20, f32>
  // expected-error @below {{'lpu.nest' op expected results not to move over the loops that are reduced, got array<i64: 0, 1>}}
  %y = lpu.nest(%x) loops [12] at [array<i64: 0, 1>, array<i64: 0, 1>] reduce "add" : (!lpu.buffer<12, 20, f32>) -> !lpu.buffer<12, 20, f32> {
  ^bb0(%p: f32):
    lpu.yield %p : f32
  }
  return
}

// -----

func.func @piece_outside() {
  %x = lpu.load_input "x" shape [12, 20] : !lpu.buffer<12, 20, f32>
  // expected-error @below {{'lpu.assemble' op expected pieces inside of their buffers, got array<i64: 0, 0, 12, 0, 1, 1, 1>}}
  %y = lpu.assemble(%x) [array<i64: 0, 0, 12, 0, 1, 1, 1>] : (!lpu.buffer<12, 20, f32>) -> !lpu.buffer<12, 20, f32>
  return
}

// -----

func.func @piece_input() {
  %x = lpu.load_input "x" shape [12, 20] : !lpu.buffer<12, 20, f32>
  // expected-error @below {{'lpu.assemble' op expected pieces inside of their buffers, got array<i64: 1, 0, 12, 0, 1, 0, 1>}}
  %y = lpu.assemble(%x) [array<i64: 1, 0, 12, 0, 1, 0, 1>] : (!lpu.buffer<12, 20, f32>) -> !lpu.buffer<12, 20, f32>
  return
}

// -----

func.func @piece_list() {
  %x = lpu.load_input "x" shape [12, 20] : !lpu.buffer<12, 20, f32>
  // expected-error @below {{'lpu.assemble' op expected pieces inside of their buffers, got array<i64: 0, 0, 12, 0, 1>}}
  %y = lpu.assemble(%x) [array<i64: 0, 0, 12, 0, 1>] : (!lpu.buffer<12, 20, f32>) -> !lpu.buffer<12, 20, f32>
  return
}

// -----

func.func @piece_format() {
  %x = lpu.load_input "x" shape [12, 20] {element = f16} : !lpu.buffer<12, 20, f16>
  // expected-error @below {{'lpu.assemble' op expected buffers of f32 or i32, got '!lpu.buffer<12, 20, f16>'}}
  %y = lpu.assemble(%x) [array<i64: 0, 0, 12, 0, 1, 0, 1>] : (!lpu.buffer<12, 20, f16>) -> !lpu.buffer<12, 20, f32>
  return
}
