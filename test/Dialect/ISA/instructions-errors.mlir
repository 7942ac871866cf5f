// RUN: lpu-opt %s --split-input-file --verify-diagnostics

isa.entry @main counters [] cycles 1 {
  isa.queue "mem.w0" {
    // expected-error @+1 {{unknown instruction load}}
    isa.inst "load" at 3 {}
  }
}

// -----

isa.entry @main counters [] cycles 1 {
  isa.queue "mem.w0" {
    // expected-error @+1 {{unknown field "word" of mem}}
    isa.inst "mem" at 3 {word = 1}
  }
}

// -----

isa.entry @main counters [] cycles 1 {
  isa.queue "mem.w0" {
    // expected-error @+1 {{field "r_addr" cannot be 65536}}
    isa.inst "mem" at 3 {r_addr = 65536}
  }
}

// -----

isa.entry @main counters [] cycles 1 {
  isa.queue "mem.w0" {
    // expected-error @+1 {{field "r_dir" cannot be "north"}}
    isa.inst "mem" at 3 {r_dir = "north"}
  }
}

// -----

isa.entry @main counters [] cycles 1 {
  isa.queue "mem.w0" {
    // expected-error @+1 {{expected `repeat` [n, d, m, e]}}
    isa.inst "mem" at 3 {r = "linear"} repeat [0, 1, 1, 0]
  }
}

// -----

isa.entry @main counters [] cycles 1 {
  isa.queue "mem.w0" {
    // expected-error @+1 {{expected [i, j] for a strided field, got "r_bank" = array<i64: 1, 0>}}
    isa.inst "mem" at 3 {r = "linear"} repeat [2, 1, 1, 0] strides {r_bank = array<i64: 1, 0>}
  }
}

// -----

isa.entry @main counters [] cycles 1 {
  isa.queue "mem.w0" {
    // expected-error @+1 {{'isa.inst' op expected four numbers an intent record}}
    isa.inst "mem" at 3 {r = "linear"} intent [0, 1]
  }
}

// -----

isa.entry @main counters [] cycles 1 {
  isa.queue "mem.w0" {
    // expected-error @+1 {{expected [number, operation, sources], got array<i64: 1, -2, 3>}}
    isa.inst "mem" at 3 {r = "linear"} meant [1, -2, 3]
  }
}

// -----

isa.entry @main counters [] cycles 1 {
  isa.queue "mem.w0" {
    // expected-error @+1 {{expected an instruction, got 3 : i64}}
    "isa.inst"() <{cycle = 3 : i64, instruction = 3, intent = array<i64>}> : () -> ()
  }
}
