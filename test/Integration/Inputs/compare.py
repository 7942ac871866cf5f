"""compare.py GOT.npy EXPECTED.npy RELATIVE: fails when they differ by more
than RELATIVE of the largest expected value."""
import sys

import numpy as np

got, expected = np.load(sys.argv[1]), np.load(sys.argv[2])
error = np.abs(got - expected).max() / np.abs(expected).max()
print(f"largest error {error:.3g} of the largest value")
sys.exit(got.shape != expected.shape or not error <= float(sys.argv[3]))
