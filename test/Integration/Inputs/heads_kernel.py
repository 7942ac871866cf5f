"""Writes products by head at kernel level: every run of lanes of x [1, V * G * D]
meets its own rows of A [G * D, T] (`split`), the rows of that are multiplied by
B [T, G * D] and every run of lanes takes its own row (`merge`); both in f16.
Then the lanes of every vector are turned round.

usage: heads_kernel.py V G D T OUT: OUT.mlir, OUT.x.npy, the expected OUT.s.npy
[V * G, T] and OUT.y.npy [1, V * G * D]
"""
import sys

import numpy as np

V, G, D, T = map(int, sys.argv[1:5])
out = sys.argv[5]
rng = np.random.default_rng(V + G + D + T)
width = G * D
x = rng.standard_normal((1, V * width)).astype(np.float16).astype(np.float32)
a = rng.standard_normal((width, T)).astype(np.float16)
b = rng.standard_normal((T, width)).astype(np.float16)


def dense(values):
    return 'dense<"0x' + values.tobytes().hex().upper() + '">'


f32, f16 = (f"!lpu.buffer<1, {V * width}, {f}, width {width}>" for f in ("f32", "f16"))
s32, s16 = (f"!lpu.buffer<{V * G}, {T}, {f}>" for f in ("f32", "f16"))
s_acc = f"!lpu.acc<{V * G}, {T}, f16>"
y_acc = f"!lpu.acc<1, {V * width}, f16, width {width}>"
with open(out + ".mlir", "w") as file:
    file.write(f"""module attributes {{lpu.target = "tiny"}} {{
func.func @main() {{
  %x = lpu.load_input "x" shape [1, {V * width}] : {f32}
  %q = lpu.map(%x) scales [1.0] : ({f32}) -> {f16} {{
  ^bb0(%v: f32):
    lpu.yield %v : f32
  }}
  %c = lpu.contract %q, {dense(a)} : tensor<{width}x{T}xf16> {{split = {G}}} : ({f16}) -> {s_acc}
  %s, %p = lpu.map(%c) scales [1.0, 1.0] : ({s_acc}) -> ({s32}, {s16}) {{
  ^bb0(%v: f32):
    lpu.yield %v, %v : f32, f32
  }}
  %d = lpu.contract %p, {dense(b)} : tensor<{T}x{width}xf16> {{merge = {G}}} : ({s16}) -> {y_acc}
  %y = lpu.map(%d) scales [1.0] : ({y_acc}) -> {f32} {{
  ^bb0(%v: f32):
    lpu.yield %v : f32
  }}
  %z = lpu.permute %y by {list(range(width))[::-1]} : {f32}
  lpu.store_output %s as "s" shape [{V * G}, {T}] : {s32}
  lpu.store_output %z as "y" shape [1, {V * width}] : {f32}
  return
}}
}}
""")
heads = x.astype(np.float64).reshape(V, G, D)
s = np.einsum("vgd,gdt->vgt", heads, a.astype(np.float64).reshape(G, D, T))
p = s.astype(np.float32).astype(np.float16).astype(np.float64)
y = np.einsum("vgt,tgd->vgd", p, b.astype(np.float64).reshape(T, G, D)).reshape(V, width)[:, ::-1]
np.save(out + ".x.npy", x)
np.save(out + ".s.npy", s.reshape(V * G, T).astype(np.float32))
np.save(out + ".y.npy", y.reshape(1, V * width).astype(np.float32))
