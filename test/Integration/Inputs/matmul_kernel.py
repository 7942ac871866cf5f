"""Writes silu(x W) at kernel level for random x [T, K] and int8 W [K, N].

usage: matmul_kernel.py T K N OUT: OUT.mlir, OUT.x.npy and the expected OUT.y.npy
"""
import sys

import numpy as np

rows, depth, columns = map(int, sys.argv[1:4])
out = sys.argv[4]
rng = np.random.default_rng(rows + depth + columns)
weights = rng.integers(-127, 128, (depth, columns)).astype(np.int8)
weight_scale = (rng.random(columns) * 0.01 + 0.001).astype(np.float32)
x = rng.standard_normal((rows, depth)).astype(np.float32)
x_scale = 0x7F7F7F / 8.0
scales = weight_scale[None] / x_scale


def dense(values):
    return 'dense<"0x' + values.tobytes().hex().upper() + '">'


x_type, q_type = f"!lpu.buffer<{rows}, {depth}, f32>", f"!lpu.buffer<{rows}, {depth}, i8x3>"
s_type, acc = f"!lpu.buffer<1, {columns}, f32>", f"!lpu.acc<{rows}, {columns}, i8x3>"
y_type = f"!lpu.buffer<{rows}, {columns}, f32>"
with open(out + ".mlir", "w") as file:
    file.write(f"""module attributes {{lpu.target = "tiny"}} {{
func.func @main() {{
  %x = lpu.load_input "x" shape [{rows}, {depth}] : {x_type}
  %q = lpu.map(%x) scales [{x_scale:e}] : ({x_type}) -> {q_type} {{
  ^bb0(%a: f32):
    lpu.yield %a : f32
  }}
  %s = lpu.constant_rows {dense(scales.astype(np.float32))} : tensor<1x{columns}xf32> : {s_type}
  %c = lpu.contract %q, {dense(weights)} : tensor<{depth}x{columns}xi8> scaled by %s : ({q_type}, {s_type}) -> {acc}
  %y = lpu.map(%c) scales [1.0] : ({acc}) -> {y_type} {{
  ^bb0(%a: f32):
    %half = arith.constant 0.5 : f32
    %h = arith.mulf %a, %half : f32
    %t = math.tanh %h : f32
    %p = math.fma %h, %t, %h : f32
    lpu.yield %p : f32
  }}
  lpu.store_output %y as "y" shape [{rows}, {columns}] : {y_type}
  return
}}
}}
""")
product = x.astype(np.float64) @ (weights * weight_scale.astype(np.float64))
np.save(out + ".x.npy", x)
np.save(out + ".y.npy", (product / (1 + np.exp(-product))).astype(np.float32))
