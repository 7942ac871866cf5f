// RUN: lpu-opt %s --split-input-file --verify-diagnostics

module attributes {lpu.target = "tiny"} {
  stream.program @main {
    stream.chain "read" {
      // expected-error @+1 {{'stream.issue' op expected a queue of unit mem, got vxm.0}}
      %x = stream.issue "mem" on "vxm.0" at 0 {r = "linear"} : () -> !stream.flow<east, 1>
    }
  }
}

// -----

module attributes {lpu.target = "tiny"} {
  stream.program @main {
    stream.chain "read" {
      // expected-error @+1 {{'stream.issue' op result 0 does not fit the instruction's fields, got '!stream.flow<west, 1>'}}
      %x = stream.issue "mem" on "mem.w0" at 0 {r = "linear"} : () -> !stream.flow<west, 1>
    }
  }
}

// -----

module attributes {lpu.target = "tiny"} {
  stream.program @main {
    stream.chain "copy" {
      // expected-note @+1 {{produced here at offset 0}}
      %x = stream.issue "mem" on "mem.w0" at 0 {r = "linear"} repeat [2, 1, 1, 0] : () -> !stream.flow<east, 1>
      // expected-error @+1 {{'stream.issue' op operand 0 is sampled at offset 9, where nothing arrives}}
      stream.issue "mem" on "mem.e0" at 8 {w = "linear"} repeat [2, 1, 1, 0] (%x) : (!stream.flow<east, 1>) -> ()
    }
  }
}

// -----

module attributes {lpu.target = "tiny"} {
  stream.program @main {
    // expected-error @+1 {{'stream.chain' op expected issues, bundles, merges and parts, got stream.chain}}
    stream.chain "outer" {
      stream.chain "inner" {
      }
    }
  }
}
