"""test/Benchmark/run.py on its smallest workload: the shape of what it prints and writes."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def run(*arguments):
    command = [sys.executable, str(ROOT / "test" / "Benchmark" / "run.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT)


def test_smallest_workload(tmp_path):
    done = run("--only", "gemv-tiny", "-o", tmp_path / "reports" / "b.json")
    assert done.returncode == 0, done.stderr
    (row,) = json.loads((tmp_path / "reports" / "b.json").read_text())["rows"]
    assert (row["name"], row["target"], row["format"]) == ("gemv-tiny", "tiny", "int8x3 x int8")
    assert 0 < row["lower_bound"] <= row["cycles"] and row["chain_bound"] <= row["cycles"]
    assert row["ratio"] == row["cycles"] / row["lower_bound"]
    assert row["compile_seconds"] > 0 and row["executor_seconds"] > 0 and row["onnxruntime_seconds"] > 0
    assert all(0 < share <= 1 for share in row["utilization"].values())
    header, rule, line, *_ = done.stdout.splitlines()
    assert header.startswith("| workload | target |") and header.count("|") == rule.count("|") == line.count("|")
    assert f"| {row['cycles']:,} | {row['lower_bound']:,} |" in line


def test_unknown_workload(tmp_path):
    done = run("--only", "gemm", "-o", tmp_path / "b.json")
    assert done.returncode == 2 and "invalid choice: 'gemm'" in done.stderr
    assert not (tmp_path / "b.json").exists()
