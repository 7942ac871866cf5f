"""Writes one layer's attention at tensor level, a token at a time over caches.

usage: attention.py HEADS KV_HEADS HEAD_SIZE POSITIONS STEPS OUT TARGET [LARGEST]:
OUT.mlir; for every step p OUT.{x,pos,at,len}p.npy and the expected OUT.yp.npy;
OUT.arguments, those of lpu-run. With LARGEST, caches are expected in int8, with that
range.
"""
import sys
import numpy as np
H, G, D, T, STEPS = map(int, sys.argv[1:6])
out = sys.argv[6]
rng = np.random.default_rng(H + G + D + T)
hid = 32
def dense(v): return 'dense<"0x' + np.ascontiguousarray(v).tobytes().hex().upper() + '">'
Wq = (rng.standard_normal((hid, H * D)) / 4).astype(np.float32)
Wk = (rng.standard_normal((hid, G * D)) / 4).astype(np.float32)
Wv = (rng.standard_normal((hid, G * D)) / 4).astype(np.float32)
Wo = (rng.standard_normal((H * D, hid)) / 4).astype(np.float32)
def q8(w):
    s = (np.abs(w).max(0) / 127).astype(np.float32); return (np.round(w / s) * s).astype(np.float32)
Wq, Wk, Wv, Wo = map(q8, (Wq, Wk, Wv, Wo))
freq = 10000.0 ** -(np.arange(D // 2) / (D // 2))
ang = np.arange(T)[:, None] * freq
cos, sin = np.cos(ang).astype(np.float32), np.sin(ang).astype(np.float32)
def mm(name, x, w, k, n):
    return f"""  %{name}z = tensor.empty() : tensor<1x{n}xf32>
  %{name}i = linalg.fill ins(%zero : f32) outs(%{name}z : tensor<1x{n}xf32>) -> tensor<1x{n}xf32>
  %{name}w = arith.constant {dense(w)} : tensor<{k}x{n}xf32>
  %{name}m = linalg.matmul ins({x}, %{name}w : tensor<1x{k}xf32>, tensor<{k}x{n}xf32>) outs(%{name}i : tensor<1x{n}xf32>) -> tensor<1x{n}xf32>
  %{name} = tensor.expand_shape %{name}m [[0, 1], [2]] output_shape [1, 1, {n}] : tensor<1x{n}xf32> into tensor<1x1x{n}xf32>
"""
KV, Q = f"tensor<1x{T}x{G*D}xf32>", f"tensor<1x1x{H*D}xf32>"
K1, C = f"tensor<1x1x{G*D}xf32>", f"tensor<{T}x{D//2}xf32>"
open(out + ".mlir", "w").write(f"""module attributes {{lpu.target = "{sys.argv[7]}"}} {{
func.func @main(%x: tensor<1x{hid}xf32> {{lpu.name = "x"}}, %pos: tensor<1x1xi64> {{lpu.name = "pos"}},
    %at: tensor<1xi64> {{lpu.name = "at"}}, %len: tensor<1xi64> {{lpu.name = "len", lpu.max = {T} : i64}},
    %kc: {KV} {{lpu.name = "kc"}}, %vc: {KV} {{lpu.name = "vc"}})
    -> (tensor<1x{hid}xf32> {{lpu.name = "y"}}, {KV} {{lpu.name = "ko"}}, {KV} {{lpu.name = "vo"}}) {{
  %zero = arith.constant 0.0 : f32
{mm("q", "%x", Wq, hid, H*D)}{mm("k", "%x", Wk, hid, G*D)}{mm("v", "%x", Wv, hid, G*D)}
  %cost = arith.constant {dense(cos)} : {C}
  %sint = arith.constant {dense(sin)} : {C}
  %cos = lpu.gather %cost[%pos] axis 0 : ({C}, tensor<1x1xi64>) -> tensor<1x1x{D//2}xf32>
  %sin = lpu.gather %sint[%pos] axis 0 : ({C}, tensor<1x1xi64>) -> tensor<1x1x{D//2}xf32>
  %qr = lpu.rotary %q cos %cos sin %sin heads {H} : {Q}, tensor<1x1x{D//2}xf32>, tensor<1x1x{D//2}xf32>
  %kr = lpu.rotary %k cos %cos sin %sin heads {G} : {K1}, tensor<1x1x{D//2}xf32>, tensor<1x1x{D//2}xf32>
  %k2 = lpu.cache_update %kr into %kc at %at axis 1 : ({KV}, {K1}, tensor<1xi64>) -> {KV}
  %v2 = lpu.cache_update %v into %vc at %at axis 1 : ({KV}, {K1}, tensor<1xi64>) -> {KV}
  %o = lpu.attention %qr, %k2, %v2 kv_length %len heads {H}, {G} scale {D**-0.5:e} causal : ({Q}, {KV}, {KV}, tensor<1xi64>) -> {Q}
  %o2 = tensor.collapse_shape %o [[0, 1], [2]] : {Q} into tensor<1x{H*D}xf32>
{mm("y", "%o2", Wo, H*D, hid)}
  return %ym, %k2, %v2 : tensor<1x{hid}xf32>, {KV}, {KV}
}}
}}
""")
kc = np.zeros((T, G, D)); vc = np.zeros((T, G, D))
def rot(x, p):
    c, s = cos[p].astype(float), sin[p].astype(float)
    a, b = x[..., :D//2], x[..., D//2:]
    return np.concatenate([a*c-b*s, b*c+a*s], -1)
def store(x):
    if len(sys.argv) < 9:
        return x
    scale = float(sys.argv[8]) / 127
    return np.clip(np.rint(x / scale), -128, 127) * scale
for p in range(STEPS):
    x = rng.standard_normal((1, hid)).astype(np.float32)
    q = rot((x.astype(float) @ Wq).reshape(H, D), p)
    kc[p] = store(rot((x.astype(float) @ Wk).reshape(G, D), p))
    vc[p] = store((x.astype(float) @ Wv).reshape(G, D))
    o = np.zeros((H, D))
    for h in range(H):
        g = h // (H // G)
        s = kc[:p+1, g] @ q[h] * D**-0.5
        e = np.exp(s - s.max()); e /= e.sum()
        o[h] = e @ vc[:p+1, g]
    y = o.reshape(1, -1) @ Wo
    np.save(f"{out}.x{p}.npy", x); np.save(f"{out}.y{p}.npy", y.astype(np.float32))
    np.save(f"{out}.pos{p}.npy", np.array([[p]], np.int64)); np.save(f"{out}.at{p}.npy", np.array([p], np.int64)); np.save(f"{out}.len{p}.npy", np.array([p+1], np.int64))
with open(out + ".arguments", "w") as file:
    for p in range(STEPS):
        inputs = " ".join(f"--input {name}={out}.{name}{p}.npy" for name in ("x", "pos", "at", "len"))
        file.write(f"{'--next ' if p else ''}{inputs} --output y={out}.o{p}.npy\n")
