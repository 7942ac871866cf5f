"""What a result may differ by, for each format, and how a value is disturbed to see whether a graph is well conditioned."""

from dataclasses import dataclass

import ml_dtypes
import numpy as np


@dataclass(frozen=True)
class Format:
    """Compared: |got - expected| <= atol + rtol |expected|. `noise` is the relative error of one operator that a graph
    has to bear: a node is drawn again if noise in the operators before it moves its result by half of what is
    tolerated, or changes an integer or a bool; `least` is its absolute error, of functions that are near 0. `limit` bounds magnitudes, far from what overflows.
    """

    dtype: np.dtype
    rtol: float = 0
    atol: float = 0
    noise: float = 0
    least: float = 0
    limit: float = 2**31 - 1


FORMATS = {
    "float32": Format(np.dtype(np.float32), 2e-4, 2e-5, 1e-6, 2e-7, 1e5),
    "float16": Format(np.dtype(np.float16), 1e-2, 4e-3, 2**-11, 1e-6, 2e3),
    "bfloat16": Format(np.dtype(ml_dtypes.bfloat16), 6e-2, 3e-2, 2**-8, 1e-6, 1e4),
    # Carried as float32.
    "float64": Format(np.dtype(np.float64), 2e-4, 2e-5, 1e-6, 2e-7, 1e5),
    # Exact. 64-bit integers are carried in 32 bits.
    **{name: Format(np.dtype(name)) for name in ("bool", "int8", "int16", "int32", "int64", "uint8", "uint16")},
    "uint32": Format(np.dtype(np.uint32), limit=2**32 - 1),
    "uint64": Format(np.dtype(np.uint64)),
}
FLOATS = tuple(name for name in FORMATS if "float" in name)
INTEGERS = tuple(name for name in FORMATS if "int" in name)


def wide(array: np.ndarray) -> np.ndarray:
    """The same numbers in a type that NumPy computes differences in; integers of 64 bits are below 2**53."""
    return array.astype(np.float64)


def excess(got: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """For each element its difference in units of what is tolerated; 0 where both are the same, NaN included."""
    form = FORMATS[expected.dtype.name]
    a, b = wide(got), wide(expected)
    with np.errstate(all="ignore"):
        same = (a == b) | (np.isnan(a) & np.isnan(b))
        allowed = form.atol + form.rtol * np.abs(b)
        ratio = np.abs(a - b) / allowed if form.atol else np.full(b.shape, np.inf)
    return np.where(same, 0, np.where(np.isnan(ratio), np.inf, ratio))


def difference(name: str, got: np.ndarray, expected: np.ndarray) -> str:
    """What is different, in one line; empty for what is tolerated."""
    if got.shape != expected.shape:
        return f"output {name}: shape {list(got.shape)}, expected {list(expected.shape)}"
    if got.dtype != expected.dtype:
        return f"output {name}: type {got.dtype}, expected {expected.dtype}"
    ratio = excess(got, expected)
    if not (ratio > 1).any():
        return ""
    at = np.unravel_index(int(np.argmax(ratio)), ratio.shape)
    return (f"output {name}, {expected.dtype}: {int((ratio > 1).sum())} of {ratio.size} elements differ, most at "
            f"{[int(i) for i in at]}: {got[at]}, expected {expected[at]}")
