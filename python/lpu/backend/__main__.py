"""python -m lpu.backend: runs the backend tests of the onnx package and writes what became of them."""

import argparse
import json
import sys
import time
from importlib.metadata import version
from pathlib import Path

from lpu.backend import ratchet
from lpu.backend.report import count, make_report, write_page
from lpu.backend.runner import run_tests
from lpu.backend.suite import SUITES, find_tests

ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "docs" / "BackendTests.md"
PASSING = ROOT / "test" / "Backend" / "passing.txt"


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
    parser.add_argument("--write-docs", action="store_true", help=f"write {PAGE.relative_to(ROOT)}")
    parser.add_argument("--update-ratchet", action="store_true",
                        help=f"write {PASSING.relative_to(ROOT)}; an error where a name on it no longer passes")
    parser.add_argument("--allow-drop", action="store_true", help="--update-ratchet: such names are taken off")
    options = parser.parse_args(arguments)
    suites = SUITES if options.suite == "all" else tuple(options.suite.split(","))
    if unknown := set(suites) - set(SUITES):
        parser.error(f"--suite: no suite {', '.join(sorted(unknown))}")
    if (options.write_docs or options.update_ratchet) and (
            options.device != "TSP1" or options.patterns or set(suites) != set(SUITES)):
        parser.error("--write-docs and --update-ratchet need every test on the chip: --suite all, no patterns")
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
    if options.write_docs:
        PAGE.write_text(write_page(made, version("onnx")))
    dropped = False
    if options.update_ratchet:
        try:
            added, gone = ratchet.update(PASSING, (t.name for t, r in results.items() if r["status"] == "passed"),
                                         options.allow_drop)
            print(f"{PASSING.relative_to(ROOT)}: {added} added, {gone} taken off")
        except ratchet.DropError as error:
            dropped = True
            print(f"{PASSING.relative_to(ROOT)} is as it was, --allow-drop would take names off: {error}")
    counts = count(results.values())
    print(f"{options.device}: {counts['passed']} of {counts['total']} passed, {counts['failed']} failed, "
          f"{counts['unsupported']} unsupported, {time.monotonic() - start:.0f} s"
          + (f"; {path}" if path is not None else ""))
    return 0 if counts["failed"] == 0 and not dropped else 1


if __name__ == "__main__":
    sys.exit(main())
