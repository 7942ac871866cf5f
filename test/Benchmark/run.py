"""Compiles and runs named workloads and prints what they cost, as a Markdown table; the rows also go to a JSON file.

usage: python test/Benchmark/run.py [--only NAME ...] [--effort LEVEL] [-o build/reports/benchmarks.json]

Cycles are exact. Seconds are of one core, the best of a few runs, executor and onnxruntime in turn in one process;
compare their ratio, not the seconds of two machines.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path

import numpy as np

sys.path[:0] = [str(Path(__file__).resolve().parents[2] / "python"), str(Path(__file__).resolve().parent)]

from lpu.compiler import CompileError, find_tool
from lpu.models.download import DownloadError
from lpu.progress import Progress
from workloads import WORKLOADS, Case, Workload

LEAST_SECONDS, MOST_RUNS = 0.3, 20  # of one measurement
COSINE = 0.9999  # of the executor's numbers to onnxruntime's


@contextmanager
def one_core():
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


def best_seconds(action: Callable[[], np.ndarray]) -> float:
    times: list[float] = []
    while not times or (sum(times) < LEAST_SECONDS and len(times) < MOST_RUNS):
        start = time.perf_counter()
        action()
        times.append(time.perf_counter() - start)
    return min(times)


def check_numbers(workload: Workload, case: Case) -> None:
    """A benchmark of a wrong program says nothing. Errors: ValueError."""
    x, y = (np.asarray(run(), np.float64).ravel() for run in (case.executor, case.onnxruntime))
    similarity = float(x @ y / np.sqrt((x @ x) * (y @ y)))
    if not similarity >= COSINE:
        raise ValueError(f"{workload.name}: entry {case.entry}: expected a cosine to onnxruntime of at least {COSINE}, "
                         f"got {similarity:.6f}")


def compile_workload(workload: Workload, folder: Path, effort: str) -> tuple[Path, Path, dict]:
    """Errors: CompileError."""
    model, binary, stats = (folder / (workload.name + suffix) for suffix in (".onnx", ".lpu", ".json"))
    workload.make(model)
    command = [str(find_tool("lpu-compile")), str(model), f"--target={workload.target}", *workload.flags,
               f"--effort={effort}", "--quiet", "-o", str(binary), f"--stats={stats}"]
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise CompileError(f"{workload.name}: {done.stderr.strip()}")
    return model, binary, json.loads(stats.read_text())


def run_workload(workload: Workload, folder: Path, effort: str) -> list[dict]:
    """A row for each entry. Errors: CompileError, ValueError."""
    model, binary, stats = compile_workload(workload, folder, effort)
    rows = []
    for case in workload.open(model, binary):
        with one_core():
            check_numbers(workload, case)
            executor, reference = best_seconds(case.executor), best_seconds(case.onnxruntime)
        entry = stats["entries"][case.entry]
        rows.append({
            "name": workload.name if case.entry == "main" else f"{workload.name}/{case.entry}",
            "target": workload.target, "format": workload.format,
            **{name: entry[name] for name in ("cycles", "lower_bound", "ratio", "chain_bound", "utilization")},
            "compile_seconds": stats["compile"]["seconds"], "peak_rss_bytes": stats["compile"]["peak_rss_bytes"],
            "executor_seconds": executor, "onnxruntime_seconds": reference,
            "tokens_per_second": case.tokens / executor if case.tokens else None,
        })
    return rows


COLUMNS = {
    "workload": lambda r: r["name"], "target": lambda r: r["target"], "format": lambda r: r["format"],
    "cycles": lambda r: f"{r['cycles']:,}", "lower bound": lambda r: f"{r['lower_bound']:,}",
    "cycles / bound": lambda r: f"{r['ratio']:.2f}",
    "weight entry in use": lambda r: f"{r['utilization'].get('mxm weights', 0):.1%}",
    "executor ms": lambda r: f"{r['executor_seconds'] * 1e3:.2f}",
    "onnxruntime ms": lambda r: f"{r['onnxruntime_seconds'] * 1e3:.3f}",
    "executor / onnxruntime": lambda r: f"{r['executor_seconds'] / r['onnxruntime_seconds']:.1f}",
    "executor tokens/s": lambda r: f"{r['tokens_per_second']:.1f}" if r["tokens_per_second"] else "",
    "compile s": lambda r: f"{r['compile_seconds']:.1f}", "peak MB": lambda r: f"{r['peak_rss_bytes'] / 1e6:,.0f}",
}


def format_table(rows: list[dict]) -> str:
    lines = [list(COLUMNS), ["---"] * 3 + ["---:"] * (len(COLUMNS) - 3),
             *([text(row) for text in COLUMNS.values()] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def write_json(path: Path, rows: list[dict]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_text(json.dumps({"rows": rows}, indent=2) + "\n")
    part.replace(path)


def main(arguments: list[str] | None = None) -> int:
    names = [workload.name for workload in WORKLOADS]
    parser = argparse.ArgumentParser(prog="benchmark", description="Cycles, bounds and seconds of named workloads.")
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="NAME", help=f"of {', '.join(names)}")
    parser.add_argument("--effort", choices=["fast", "standard", "high"], default="standard", help="of lpu-compile")
    parser.add_argument("-o", "--output", type=Path, default=Path("build/reports/benchmarks.json"))
    options = parser.parse_args(arguments)
    rows = []
    try:
        with tempfile.TemporaryDirectory(prefix="lpu-benchmark-") as folder:
            for workload in WORKLOADS:
                if workload.name in options.only:
                    with Progress(workload.name):
                        rows += run_workload(workload, Path(folder), options.effort)
        write_json(options.output, rows)
    except (CompileError, DownloadError, ValueError, OSError) as error:
        print(f"benchmark: {error}", file=sys.stderr)
        return 1
    print(format_table(rows))
    print(f"\nrows in {options.output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
