// RUN: lpu-opt %s --split-input-file --verify-diagnostics --pass-pipeline='builtin.module(lpu-place-buffers,lpu-emit-memory,convert-lpu-to-stream)'

// expected-error @+1 {{unknown target "tsp9"; known targets: ft32, tiny, tsp1}}
module attributes {lpu.target = "tsp9"} {
  func.func @main() { return }
}

// -----

module attributes {lpu.target = "tiny"} {
  func.func @main() {
    %x = lpu.load_input "x" shape [1, 32] : !lpu.buffer<1, 32, f32>
    %y = lpu.map(%x) scales [1.0] : (!lpu.buffer<1, 32, f32>) -> !lpu.buffer<1, 32, f32> {
    ^bb0(%a: f32):
      // expected-error @below {{'math.sin' op is no operation of the VXM}}
      %b = math.sin %a : f32
      lpu.yield %b : f32
    }
    lpu.store_output %y as "y" shape [1, 32] : !lpu.buffer<1, 32, f32>
    return
  }
}

// -----

module attributes {lpu.target = "tiny"} {
  func.func @main() {
    // expected-note-re @below {{memory map of tiny, in words of 32 bytes:{{.*}}}}
    // expected-error @below {{'lpu.load_input' op does not fit into SRAM: a buffer of 300 words a byte plane; 0 of 40960 words of tiny are taken}}
    %x = lpu.load_input "x" shape [300, 32] : !lpu.buffer<300, 32, f32>
    return
  }
}

// -----

module attributes {lpu.target = "tiny"} {
  func.func @main() {
    // expected-error @below {{'lpu.table' op expected f32 elements for f32, int8 for i8x1 and int32 for other limbs, got 'i8' for '!lpu.buffer<2, 32, i8x3>'}}
    %t = lpu.table dense<1> : tensor<2x32xi8> : !lpu.buffer<2, 32, i8x3>
    return
  }
}

// -----

module attributes {lpu.target = "tiny"} {
  func.func @main() {
    %x = lpu.load_input "x" shape [17, 32] : <17, 32, f32>
    %k = lpu.map(%x) scales [1.0] : (!lpu.buffer<17, 32, f32>) -> !lpu.buffer<17, 32, f16> {
    ^bb0(%a: f32):
      lpu.yield %a : f32
    }
    %state = lpu.state "k" : <32, 64, f16 transposed true>
    %from = lpu.derive "from" of [] steps [2, 0] : <2, 32, i32>
    %to = lpu.derive "to" of [] steps [2, 0] : <32, 32, i32>
    // expected-error @below {{'lpu.append_columns' op expected one of the 1 vectors of at most 16 rows, and maps of 2 and 32 rows}}
    lpu.append_columns %k from %from to %to into %state : <17, 32, f16>, <2, 32, i32>, <32, 32, i32>, <32, 64, f16 transposed true>
    return
  }
}

// -----

module attributes {lpu.target = "tiny"} {
  func.func @main() {
    %x = lpu.load_input "x" shape [16, 32] : <16, 32, f32>
    %k = lpu.map(%x) scales [1.0] : (!lpu.buffer<16, 32, f32>) -> !lpu.buffer<16, 32, f16> {
    ^bb0(%a: f32):
      lpu.yield %a : f32
    }
    %state = lpu.state "k" : <32, 64, f16 transposed true>
    %from = lpu.derive "from" of [] steps [2, 0] : <1, 32, i32>
    %to = lpu.derive "to" of [] steps [2, 0] : <32, 32, i32>
    // expected-error @below {{'lpu.append_columns' op expected one of the 1 vectors of at most 16 rows, and maps of 2 and 32 rows}}
    lpu.append_columns %k from %from to %to into %state : <16, 32, f16>, <1, 32, i32>, <32, 32, i32>, <32, 64, f16 transposed true>
    return
  }
}

// -----

module attributes {lpu.target = "tiny"} {
  func.func @main() {
    %x = lpu.load_input "x" shape [16, 32] : <16, 32, f32>
    %k = lpu.map(%x) scales [1.0] : (!lpu.buffer<16, 32, f32>) -> !lpu.buffer<16, 32, f16> {
    ^bb0(%a: f32):
      lpu.yield %a : f32
    }
    %state = lpu.state "k" : <32, 64, f16 transposed true>
    %from = lpu.derive "from" of [] steps [2, 0] : <2, 32, i32>
    %to = lpu.derive "to" of [] steps [2, 0] : <64, 32, i32>
    // expected-error @below {{'lpu.append_columns' op expected one of the 1 vectors of at most 16 rows, and maps of 2 and 32 rows}}
    lpu.append_columns %k from %from to %to into %state : <16, 32, f16>, <2, 32, i32>, <64, 32, i32>, <32, 64, f16 transposed true>
    return
  }
}

// -----

module attributes {lpu.target = "tiny"} {
  func.func @main() {
    %x = lpu.load_input "x" shape [16, 64] : <16, 64, f32>
    %k = lpu.map(%x) scales [1.0] : (!lpu.buffer<16, 64, f32>) -> !lpu.buffer<16, 64, f16> {
    ^bb0(%a: f32):
      lpu.yield %a : f32
    }
    %state = lpu.state "k" : <64, 64, f16 transposed true>
    %from = lpu.derive "from" of [] steps [2, 0] : <2, 32, i32>
    %to = lpu.derive "to" of [] steps [2, 0] : <32, 32, i32>
    // expected-error @below {{'lpu.append_columns' op expected one of the 2 vectors of at most 16 rows, and maps of 2 and 32 rows}}
    lpu.append_columns %k from %from to %to into %state {vector = 2 : i64} : <16, 64, f16>, <2, 32, i32>, <32, 32, i32>, <64, 64, f16 transposed true>
    return
  }
}
