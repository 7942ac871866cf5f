"""python -m lpu.backend: runs the backend tests of the onnx package and writes what became of them."""

import argparse
import json
import sys
import time
from collections import Counter
from pathlib import Path

from lpu.backend.runner import run_tests
from lpu.backend.suite import SUITES, find_tests

ROOT = Path(__file__).resolve().parents[3]


def _counts(results: dict) -> dict:
    count = Counter(result["status"] for result in results.values())
    return {"total": len(results), **{status: count[status] for status in ("passed", "failed", "unsupported")}}


def make_report(results: dict, device: str) -> dict:
    """The node suite's counts and tests; those of the other suites under `suites`."""
    suites = {}
    for suite in SUITES:
        of_suite = {test: result for test, result in results.items() if test.suite == suite}
        if of_suite:
            suites[suite] = {**_counts(of_suite), "tests": {test.name: result for test, result in of_suite.items()}}
    first = next(iter(suites), None)
    return {"device": device, "suite": first, **suites.pop(first, {**_counts({}), "tests": {}}), "suites": suites}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m lpu.backend", description=__doc__)
    parser.add_argument("patterns", metavar="PATTERN", nargs="*", help="regular expression in a test's name")
    parser.add_argument("--device", choices=("TSP1", "HOST"), default="TSP1")
    parser.add_argument("--suite", default="node", help="comma separated: " + ",".join(SUITES) + "; or all")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--timeout", type=float, default=60, help="seconds a test")
    parser.add_argument("--report", type=Path, help="default: build/reports/backend.json, with -host for HOST; "
                        "not for a selection")
    parser.add_argument("--expand-scalars", action="store_true", help="HOST: bodies in operations of the VXM")
    parser.add_argument("--verbose", action="store_true", help="a line for passes, too")
    options = parser.parse_args(arguments)
    suites = SUITES if options.suite == "all" else tuple(options.suite.split(","))
    if unknown := set(suites) - set(SUITES):
        parser.error(f"--suite: no suite {', '.join(sorted(unknown))}")
    tests = find_tests(suites, options.patterns)
    if not tests:
        parser.error("no test has such a name")

    def report(test, result):
        if result["status"] != "passed" or options.verbose:
            print(f"{result['status']:11} {test.name}: {result['reason']}", flush=True)

    start = time.monotonic()
    flags = {"expand_scalars": True} if options.expand_scalars and options.device == "HOST" else {}
    results = run_tests(tests, options.device, options.jobs, options.timeout, flags, report=report)
    made = make_report(results, options.device)
    path = options.report
    if path is None and not options.patterns:
        path = ROOT / "build" / "reports" / ("backend.json" if options.device == "TSP1" else "backend-host.json")
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(made, indent=1, sort_keys=True) + "\n")
    count = _counts(results)
    print(f"{options.device}: {count['passed']} of {count['total']} passed, {count['failed']} failed, "
          f"{count['unsupported']} unsupported, {time.monotonic() - start:.0f} s"
          + (f"; {path}" if path is not None else ""))
    return 0 if count["failed"] == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
