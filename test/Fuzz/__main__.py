"""python -m Fuzz: random ONNX graphs on the chip, compared with onnxruntime."""

import argparse
import json
import sys
import time
from collections import Counter
from pathlib import Path

from lpu.backend.runner import run_tasks

ROOT = Path(__file__).resolve().parents[2]


def seeds_of(seed: int, graphs: int) -> range:
    """Seeds of the graphs of a run; those of two runs do not overlap."""
    return range(seed * 1_000_000, seed * 1_000_000 + graphs)


def run_seeds(seeds, jobs: int, timeout: float, folder: Path | None, report=lambda seed, result: None) -> dict[int, dict]:
    def classified(seed, result):
        if result["status"] == "failed":  # no answer: in onnxruntime, or the executor
            result["status"] = "redrawn" if "drawing" in result["reason"] else "crash"
        report(seed, result)

    tasks = {seed: {"seed": seed, "folder": str(folder) if folder else ""} for seed in seeds}
    return run_tasks("Fuzz.worker", tasks, jobs, timeout, classified)


def make_report(results: dict[int, dict]) -> dict:
    count = Counter(result["status"] for result in results.values())
    operators = Counter(name for result in results.values() for name in result.get("operators", ()))
    compared = len(results) - count["redrawn"]
    failed = {str(seed): result for seed, result in results.items() if result["status"] in ("difference", "crash")}
    refused = Counter(result["reason"] for result in results.values() if result["status"] == "refused")
    return {"graphs": compared, "nodes": sum(result.get("nodes", 0) for result in results.values()),
            "accepted": count["accepted"] + count["difference"], "differences": count["difference"], "crashes": count["crash"],
            "refused": count["refused"], "redrawn": count["redrawn"],
            "accepted_share": round((count["accepted"] + count["difference"]) / max(1, compared), 4),
            "failures": failed, "refusals": dict(refused.most_common()),
            "refused_seeds": {str(seed): r["reason"] for seed, r in results.items() if r["status"] == "refused"},
            "operators": dict(sorted(operators.items())),
            "not_in_onnxruntime": dict(sum((Counter(r.get("refused_nodes", {})) for r in results.values()), Counter()).most_common())}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m Fuzz", description=__doc__)
    parser.add_argument("--graphs", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--timeout", type=float, default=300, help="seconds a graph, shrinking included")
    parser.add_argument("--only", type=int, nargs="*", help="seeds of graphs, as reports name them")
    parser.add_argument("--file", type=Path, nargs="*", help="graphs that were written: build/reports/fuzz/*.onnx")
    parser.add_argument("--report", type=Path, default=ROOT / "build" / "reports" / "fuzz.json")
    options = parser.parse_args(arguments)
    if options.file:
        from Fuzz.compare import load, run_case

        results = {path: run_case(load(path)) for path in options.file}
        for path, result in results.items():
            print(f"{result['status']:10} {path}: {result['reason']}")
        return 0 if all(result["status"] == "accepted" for result in results.values()) else 1
    folder = options.report.parent / "fuzz"
    folder.mkdir(parents=True, exist_ok=True)
    seeds = options.only or seeds_of(options.seed, options.graphs)

    def report(seed, result):
        if result["status"] in ("difference", "crash", "refused") or options.only:
            print(f"{result['status']:10} {seed}: {result.get('shrunk', '')}: {result['reason']}", flush=True)

    start = time.monotonic()
    made = make_report(run_seeds(seeds, options.jobs, options.timeout, folder, report))
    options.report.write_text(json.dumps(made, indent=1) + "\n")
    print(f"{made['graphs']} graphs, {made['nodes']} nodes: {made['accepted']} accepted ({100 * made['accepted_share']:.1f} %), "
          f"{made['differences']} differences, {made['crashes']} crashes, {made['refused']} refused, "
          f"{made['redrawn']} drawn again, {time.monotonic() - start:.0f} s; {options.report}")
    return 0 if made["differences"] + made["crashes"] == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
