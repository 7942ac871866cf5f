"""nests.py inputs|check DIR: inputs of nests.mlir, and what its outputs have to be."""
import sys

import numpy as np

task, folder = sys.argv[1:]


def load(name):
    return np.load(f"{folder}/{name}.npy")


if task == "inputs":
    random = np.random.default_rng(7)

    def save(name, values):
        np.save(f"{folder}/{name}.npy", values)

    for name, shape in {"x": (6, 40), "y": (5, 40), "r": (5, 40), "t": (15, 20, 32)}.items():
        save(name, random.standard_normal(shape).astype(np.float32))
    save("i", np.array([4, -1, 0], dtype=np.int32))
    save("q", np.array([[1, 2, 3, 2**31 - 1], [5, 6, 0, 1], [9, 9, 9, 9]], dtype=np.int32))
    sys.exit()

x, y, r, t, i, q = (load(name) for name in "xyrtiq")
p = np.concatenate([np.full((1, 40), -1, np.float32), -x[::-2], y])
exact = {
    "p": p,
    "g": x[i],
    "u": t.transpose(1, 0, 2) + np.arange(32, dtype=np.float32),
    "m": r.min(axis=1),
    "c": q.sum(axis=0, dtype=np.int32),
    "s": (q > 0).all(axis=1),
    "b": x.view(np.int32),
}
for name, expected in exact.items():
    got = load(f"out/{name}")
    assert got.dtype == expected.dtype and got.shape == expected.shape, (name, got.dtype, got.shape)
    assert np.array_equal(got, expected), (name, got, expected)
# Their order is another.
near = {"a": 1 + (x.astype(np.float64) ** 2).sum(axis=0), "w": p.astype(np.float64).prod(axis=0)}
for name, expected in near.items():
    np.testing.assert_allclose(load(f"out/{name}"), expected, rtol=1e-5)
