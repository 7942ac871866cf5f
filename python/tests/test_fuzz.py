"""The fuzzer of test/Fuzz: graphs that once failed, and a few of fixed seeds. `tools/fuzz.sh` runs more of them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnxruntime")
ROOT = Path(__file__).resolve().parents[2]
FUZZ = ROOT / "test" / "Fuzz"
sys.path.append(str(ROOT / "test"))

from Fuzz import compare  # noqa: E402
from Fuzz.formats import difference  # noqa: E402
from Fuzz.generate import generate  # noqa: E402


def run(*arguments) -> subprocess.CompletedProcess:
    paths = [str(ROOT / "python"), str(ROOT / "build" / "python"), str(ROOT / "test")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    return subprocess.run([sys.executable, "-m", "Fuzz", *map(str, arguments)], env=environment, capture_output=True,
                          text=True)


def test_graphs_that_failed_are_accepted():
    seeds = [line.split()[0] for line in (FUZZ / "seeds.txt").read_text().splitlines() if line and line[0] != "#"]
    files = sorted((FUZZ / "graphs").glob("*.onnx"))
    assert sorted(seeds) == [file.stem for file in files]
    done = run("--file", *files)
    assert done.returncode == 0, done.stdout + done.stderr


def test_graphs_of_fixed_seeds(tmp_path):
    report = tmp_path / "fuzz.json"
    done = run("--graphs", 40, "--seed", 0, "--jobs", 2, "--report", report)
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads(report.read_text())
    assert result["graphs"] == 40
    assert result["accepted_share"] >= 0.95


def test_a_seed_stands_for_one_graph():
    first, second = generate(7), generate(7)
    assert first.model == second.model
    assert all(np.array_equal(first.inputs[name], second.inputs[name]) for name in first.inputs)
    assert first.model != generate(8).model


def test_differences_are_told():
    right = np.array([1, 2, np.nan], np.float32)
    assert difference("y", right + np.float32(1e-5), right) == ""
    assert "1 of 3 elements differ, most at [1]: 3.0, expected 2.0" in difference("y", np.array([1, 3, np.nan], np.float32), right)
    assert "type int32, expected int64" in difference("y", np.zeros(2, np.int32), np.zeros(2, np.int64))
    assert difference("y", np.array([3], np.int8), np.array([4], np.int8))


def test_a_failing_graph_is_shrunk(monkeypatch):
    def fails(case):
        found = any(node.op_type == "Add" for node in case.model.graph.node)
        return {"status": "difference" if found else "accepted", "reason": ""}

    monkeypatch.setattr(compare, "run_case", fails)
    for seed in range(100):
        case = generate(seed)
        if len(case.model.graph.node) > 8 and fails(case)["status"] == "difference":
            break
    small = compare.shrink(case, "difference")
    assert [node.op_type for node in small.model.graph.node].count("Add") == 1
    assert len(small.model.graph.node) <= 2


def test_a_graph_and_its_inputs_are_one_file(tmp_path):
    case = generate(11)
    compare.save(case, tmp_path / "case.onnx")
    again = compare.load(tmp_path / "case.onnx")
    assert again.model.graph.node == case.model.graph.node
    assert all(np.array_equal(again.inputs[name], case.inputs[name]) for name in case.inputs)
