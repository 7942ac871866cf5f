"""check_stats.py STATS.json PROGRAM.lpu: the figures of `lpu-compile --stats` against the program itself."""
import json
import os
import sys

sys.path[:0] = [os.path.join(os.path.dirname(__file__), "../../../python")]
import lpu

stats, program = json.load(open(sys.argv[1])), lpu.load(sys.argv[2])
assert (stats["target"], stats["chips"]) == (program.target, 1)
assert list(stats["entries"]) == list(program.entries)
for name, entry in program.entries.items():
    found = stats["entries"][name]
    assert (found["cycles"], found["lower_bound"]) == (entry.cycles, entry.lower_bound)
    assert 0 < found["lower_bound"] <= entry.cycles and 0 < found["chain_bound"] <= entry.cycles
    assert abs(found["ratio"] - entry.cycles / entry.lower_bound) < 1e-12
    assert found["instructions"] == entry.instructions and found["instruction_bytes"] > entry.instructions
    assert found["utilization"] and all(0 < used <= 1 for used in found["utilization"].values()), found
    for layer in found["layers"]:
        assert 0 < layer["lower_bound"] <= layer["cycles"] <= entry.cycles, layer
        assert 0 < layer["chain_bound"] <= layer["cycles"], layer
    assert max(layer["start"] + layer["cycles"] for layer in found["layers"]) == entry.cycles
sram = stats["sram"]
assert sram["capacity"] == program.sram_bytes
assert sram["by_kind"]["weights"] == program.memory["weights"]
assert max(sram["by_kind"].values()) < sram["used"] <= sum(sram["by_kind"].values())
compile = stats["compile"]
assert abs(compile["seconds"] - sum(stage["seconds"] for stage in compile["stages"])) < 1e-9
assert {"place", "schedule and verify"} < {stage["name"] for stage in compile["stages"]}
assert compile["peak_rss_bytes"] > 1 << 20
