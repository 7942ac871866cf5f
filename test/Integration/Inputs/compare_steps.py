"""Compares OUT.oP.npy with OUT.yP.npy for every step P.

usage: compare_steps.py OUT STEPS TOLERANCE (of the largest expected value)
"""
import sys

import numpy as np

out, steps, tolerance = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
worst = 0
for step in range(steps):
    expected = np.load(f"{out}.y{step}.npy").astype(np.float64)
    error = np.abs(np.load(f"{out}.o{step}.npy").reshape(expected.shape) - expected).max() / np.abs(expected).max()
    assert error <= tolerance, f"step {step}: error {error:.3g} of the largest value"
    worst = max(worst, error)
print(f"largest error {worst:.3g} of the largest value")
