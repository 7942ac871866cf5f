#!/usr/bin/env python3
"""Runs the GoogleTest programs of a build, and sums the results of all suites.

usage: test_report.py run-gtest BUILD_DIR RESULT_DIR
       test_report.py sum RESULT_DIR [--failed-step STEP]...

`run-gtest` runs every ctest entry with the label `gtest` and leaves one JSON
file a program in RESULT_DIR/gtest. `sum` reads RESULT_DIR/gtest/*.json (GoogleTest),
RESULT_DIR/lit.json (lit --output) and RESULT_DIR/pytest.xml (pytest --junitxml),
lists what failed and what was skipped, and prints as its last line
`N passed, N failed, N skipped`. It exits with 1 when a test or step failed, when a
suite found no test, or when more than MAX_SKIPPED tests were skipped.
"""

import argparse
import json
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass, field
from pathlib import Path

MAX_SKIPPED = 5


@dataclass
class Suite:
    """Results of one suite: a count, names, and (name, reason) pairs."""

    name: str
    passed: int = 0
    failed: list[str] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)

    def total(self) -> int:
        return self.passed + len(self.failed) + len(self.skipped)


def read_gtest(directory: Path) -> Suite:
    """Sums the JSON files of GoogleTest; a program that left none has failed."""
    suite = Suite("GoogleTest")
    for path in sorted(directory.glob("*.json")):
        try:
            report = json.loads(path.read_text())
        except ValueError:
            suite.failed.append(f"{path.stem}: ended before it wrote its results")
            continue
        for case in (c for s in report["testsuites"] for c in s["testsuite"]):
            name = f"{path.stem}: {case['classname']}.{case['name']}"
            if case.get("failures"):
                suite.failed.append(name)
            elif case.get("status") == "NOTRUN":
                suite.skipped.append((name, "disabled in its source"))
            elif case.get("result") == "SKIPPED":
                reasons = [s.get("message", "").strip() for s in case.get("skipped", [])]
                suite.skipped.append((name, " ".join(reasons) or "no reason given"))
            else:
                suite.passed += 1
    return suite


def read_lit(path: Path) -> Suite:
    """Reads the JSON file of `lit --output`; a missing file is an empty suite."""
    suite = Suite("lit")
    if not path.exists():
        return suite
    for test in json.loads(path.read_text())["tests"]:
        code = test["code"]
        if code in ("PASS", "XFAIL", "FLAKYPASS"):
            suite.passed += 1
        elif code in ("UNSUPPORTED", "SKIPPED"):
            suite.skipped.append((test["name"], test.get("output", "").strip() or "no reason given"))
        elif code != "EXCLUDED":
            suite.failed.append(f"{test['name']} ({code})")
    return suite


def read_pytest(path: Path) -> Suite:
    """Reads the JUnit file of pytest; a missing file is an empty suite."""
    suite = Suite("pytest")
    if not path.exists():
        return suite
    for case in ElementTree.parse(path).getroot().iter("testcase"):
        name = f"{case.get('classname')}.{case.get('name')}"
        skip = case.find("skipped")
        if case.find("failure") is not None or case.find("error") is not None:
            suite.failed.append(name)
        elif skip is None:
            suite.passed += 1
        else:
            suite.skipped.append((name, skip.get("message") or "no reason given"))
    return suite


def summarize(suites: list[Suite], failed_steps: list[str]) -> tuple[list[str], bool]:
    """Returns the lines to print and whether everything is as it should be."""
    lines = []
    for suite in suites:
        if suite.total() == 0:
            suite.failed.append("the suite found no test")
        if suite.failed:
            # The step's own failure says nothing that the suite's does not.
            failed_steps = [step for step in failed_steps if step != suite.name]
        lines.append(f"{suite.name}: {suite.passed} passed, {len(suite.failed)} failed, "
                     f"{len(suite.skipped)} skipped")
    lines += [f"FAILED step: {step}" for step in failed_steps]
    lines += [f"FAILED {suite.name}: {name}" for suite in suites for name in suite.failed]
    lines += [f"SKIPPED {suite.name}: {name}: {reason}" for suite in suites for name, reason in suite.skipped]
    passed = sum(suite.passed for suite in suites)
    failed = sum(len(suite.failed) for suite in suites) + len(failed_steps)
    skipped = sum(len(suite.skipped) for suite in suites)
    if skipped > MAX_SKIPPED:
        lines.append(f"FAILED: expected at most {MAX_SKIPPED} skipped tests, got {skipped}")
    lines.append(f"{passed} passed, {failed} failed, {skipped} skipped")
    return lines, failed == 0 and skipped <= MAX_SKIPPED


def run_gtest(build: Path, results: Path) -> bool:
    """Runs all GoogleTest programs of the build; true when every one succeeded."""
    listing = subprocess.run(["ctest", "--test-dir", str(build), "-L", "^gtest$", "--show-only=json-v1"],
                             check=True, capture_output=True, text=True).stdout
    results.mkdir(parents=True, exist_ok=True)
    success = True
    for test in json.loads(listing)["tests"]:
        output = results / f"{test['name']}.json"
        output.write_text("")
        command = test.get("command", [test["name"]])
        print(f"running {test['name']}", flush=True)
        try:
            code = subprocess.run([*command, f"--gtest_output=json:{output}", "--gtest_brief=1"]).returncode
        except OSError as error:
            print(f"{test['name']}: {error}", file=sys.stderr)
            code = 1
        success = success and code == 0
    return success


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    gtest = commands.add_parser("run-gtest")
    gtest.add_argument("build", type=Path)
    gtest.add_argument("results", type=Path)
    total = commands.add_parser("sum")
    total.add_argument("results", type=Path)
    total.add_argument("--failed-step", action="append", default=[])
    options = parser.parse_args()
    if options.command == "run-gtest":
        return 0 if run_gtest(options.build, options.results / "gtest") else 1
    suites = [read_gtest(options.results / "gtest"), read_lit(options.results / "lit.json"),
              read_pytest(options.results / "pytest.xml")]
    lines, success = summarize(suites, options.failed_step)
    print("\n".join(lines))
    return 0 if success else 1


if __name__ == "__main__":
    sys.exit(main())
