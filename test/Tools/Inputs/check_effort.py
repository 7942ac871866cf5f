"""check_effort.py FAST.lpu STANDARD.lpu HIGH.lpu: one model compiled with each --effort."""
import os
import sys

sys.path[:0] = [os.path.join(os.path.dirname(__file__), "../../../python")]
import lpu

fast, standard, high = (lpu.load(path).entries["main"] for path in sys.argv[1:])
assert high.cycles < standard.cycles and high.cycles <= fast.cycles, (fast.cycles, standard.cycles, high.cycles)
assert 0 < fast.lower_bound == standard.lower_bound == high.lower_bound <= high.cycles
