"""Keys appended to a cache, count at a time, and read back by the MXM, exactly.

usage: append_columns.py model HEADS HEAD_SIZE POSITIONS COUNT START... ORDER TARGET OUT FORMAT:
OUT.mlir at tensor level, whose ORDER is that of the caches (kv or vk); for every START OUT.*P.npy
and the expected OUT.yP.npy; OUT.arguments, those of lpu-run. The cache starts at zero, so what
lies outside a chunk is checked, too.

usage: append_columns.py read HEADS HEAD_SIZE POSITIONS: puts the reading in the place of the attention in the
kernel level on stdin. Row i of e has a 1 for the feature that y has in row i.
"""
import re
import sys

import numpy as np

mode = sys.argv[1]
H, D, T = map(int, sys.argv[2:5])
F = H * D
R = min(F, 64, 8192 // F)  # fits into a bank of tiny

if mode == "read":
    text = sys.stdin.read()
    width = int(re.search(r'lpu.load_input "k".*width (\d+)>', text).group(1))
    state, kind = re.search(r'(%\d+) = lpu.state "kc" : (<.*>)', text).groups()
    # The append is what this is about: the lowering has to choose it.
    assert re.search(rf"lpu.append_columns .* into {state} ", text), "no append_columns"
    e32, e16 = (f"!lpu.buffer<{R}, {F}, {f}, width {width}>" for f in ("f32", "f16"))
    sums, y = f"!lpu.acc<{R}, {T}, f16>", f"!lpu.buffer<{R}, {T}, f32>"
    appends = text[:[m.end() for m in re.finditer(r"^ *lpu.append.*\n", text, flags=re.M)][-1]]
    print(appends + f"""    %e = lpu.load_input "e" shape [{R}, {F}] : {e32}
    %e16 = lpu.map(%e) scales [1.0] : ({e32}) -> {e16} {{
    ^bb0(%a: f32):
      lpu.yield %a : f32
    }}
    %sums = lpu.contract %e16 tiles {state} : ({e16}, !lpu.tiles{kind}) -> {sums}
    %keys = lpu.map(%sums) scales [1.0] : ({sums}) -> {y} {{
    ^bb0(%a: f32):
      lpu.yield %a : f32
    }}
    lpu.store_output %keys as "keys" shape [{R}, {T}] : {y}
    return
  }}
}}""")
    sys.exit()

N, (*starts, order, target, out, form) = int(sys.argv[5]), sys.argv[6:]
Q, K, C, Y = f"tensor<1x1x{F}xf32>", f"tensor<1x{N}x{F}xf32>", f"tensor<1x{T}x{F}xf32>", "tensor<1x16xf32>"
updates = [f"    %{c}2 = lpu.cache_update %{c} into %{c}c at %at axis 1 : ({C}, {K}, tensor<1xi64>) -> {C}\n" for c in order]
with open(out + ".mlir", "w") as file:
    file.write(f"""module attributes {{lpu.target = "{target}"}} {{
  func.func @main(%q: {Q} {{lpu.name = "q"}}, %k: {K} {{lpu.name = "k"}}, %v: {K} {{lpu.name = "v"}},
      %at: tensor<1xi64> {{lpu.name = "at"}}, %len: tensor<1xi64> {{lpu.name = "len", lpu.max = {T} : i64}},
      %kc: {C} {{lpu.name = "kc"}}, %vc: {C} {{lpu.name = "vc"}})
      -> ({Y} {{lpu.name = "o"}}, {C} {{lpu.name = "ko"}}, {C} {{lpu.name = "vo"}}) {{
    %zero = arith.constant 0.0 : f32
{"".join(updates)}
    %o = lpu.attention %q, %k2, %v2 kv_length %len heads {H}, {H} scale 0.25 causal : ({Q}, {C}, {C}, tensor<1xi64>) -> {Q}
    %o2 = tensor.collapse_shape %o [[0, 1], [2]] : {Q} into tensor<1x{F}xf32>
    %e = tensor.empty() : {Y}
    %i = linalg.fill ins(%zero : f32) outs(%e : {Y}) -> {Y}
    %w = arith.constant dense<1.0> : tensor<{F}x16xf32>
    %m = linalg.matmul ins(%o2, %w : tensor<1x{F}xf32>, tensor<{F}x16xf32>) outs(%i : {Y}) -> {Y}
    return %m, %k2, %v2 : {Y}, {C}, {C}
  }}
}}
""")
rng = np.random.default_rng(F + T + N)
isInt8 = form == "u8"
cache = np.zeros((T, F), np.float32)
if isInt8:
    cache -= 128  # byte 0
lines = []
for p, start in enumerate(starts):
    # A negative one counts from the end of the cache.
    start = int(start) if int(start) >= 0 else T + int(start) - N + 1
    k = rng.integers(-128, 128, (N, F)) if isInt8 else rng.standard_normal((N, F)).astype(np.float16)
    k = k.astype(np.float32)
    cache[start:start + N] = k
    features = rng.permutation(F)[:R]
    e = np.zeros((R, F), np.float32)
    e[np.arange(R), features] = 1
    arrays = {"q": np.zeros((1, 1, F), np.float32), "k": k[None], "v": k[None], "e": e,
              "at": np.array([start]), "len": np.array([min(T, start + N)])}
    for name, array in arrays.items():
        np.save(f"{out}.{name}{p}.npy", array)
    np.save(f"{out}.y{p}.npy", cache.T[features] + (1152 if isInt8 else 0))
    inputs = " ".join(f"--input {name}={out}.{name}{p}.npy" for name in arrays)
    lines.append(f"{'--next ' if p else ''}{inputs} --output keys={out}.o{p}.npy\n")
with open(out + ".arguments", "w") as file:
    file.writelines(lines)
