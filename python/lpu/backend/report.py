"""What became of the tests: build/reports/backend.json and docs/BackendTests.md."""

import textwrap
from collections import Counter, defaultdict

from lpu.backend.suite import SUITES, Test, find_family

STATUSES = ("passed", "failed", "unsupported")

# Operators that move elements, or say something of shapes, and compute nothing. Control flow has the operators of its
# bodies. A test is arithmetic if one of its operators is not here.
_MOVES = frozenset({
    "BitCast", "CenterCropPad", "Compress", "Concat", "ConcatFromSequence", "Constant", "ConstantOfShape",
    "DepthToSpace", "Expand", "EyeLike", "Flatten", "Gather", "GatherElements", "GatherND", "Identity", "If", "Loop",
    "MaxUnpool", "Optional", "OptionalGetElement", "OptionalHasElement", "Pad", "Reshape", "ReverseSequence", "Scan",
    "Scatter", "ScatterElements", "ScatterND", "SequenceAt", "SequenceConstruct", "SequenceEmpty", "SequenceErase",
    "SequenceInsert", "SequenceLength", "SequenceMap", "Shape", "Size", "Slice", "SpaceToDepth", "Split",
    "SplitToSequence", "Squeeze", "TensorScatter", "Tile", "Transpose", "Trilu", "Unsqueeze"})


def count(results) -> dict[str, int]:
    """Of results, or statuses alone: total and each status."""
    found = Counter(result["status"] for result in results)
    return {"total": sum(found.values()), **{status: found[status] for status in STATUSES}}


def is_arithmetic(operators) -> bool:
    return not _MOVES.issuperset(operators)


def _sum_up(tests: dict[str, dict], arithmetic: set[str]) -> dict:
    """Counts, tests, and which passes of arithmetic operators have a program that computes nothing."""
    passes = [name for name in tests if name in arithmetic and "arithmetic" in tests[name]]
    return {**count(tests.values()), "arithmetic_passes": len(passes),
            "without_arithmetic": [name for name in passes if tests[name]["arithmetic"] == 0], "tests": tests}


def make_report(results: dict[Test, dict], device: str) -> dict:
    """The first suite's counts and tests; those of the other suites under `suites`."""
    families = {test: find_family(test) for test in results}
    suites = {}
    for suite in SUITES:
        tests = {test.name: {**result, "operator": families[test].name}
                 for test, result in sorted(results.items(), key=lambda item: item[0].name) if test.suite == suite}
        if tests:
            suites[suite] = _sum_up(tests, {test.name for test, family in families.items()
                                            if is_arithmetic(family.operators)})
    first = next(iter(suites), None)
    return {"device": device, "suite": first, **(suites.pop(first) if first else _sum_up({}, set())),
            "suites": suites}


def _table(header: tuple[str, ...], rows: list[tuple]) -> list[str]:
    lines = [header, ("---", *["---:"] * (len(header) - 1)), *rows]
    return ["| " + " | ".join(map(str, line)) + " |" for line in lines]


def _wrap(text: str, indent: str = "") -> list[str]:
    return textwrap.wrap(text, 150, break_long_words=False, break_on_hyphens=False, subsequent_indent=indent)


def _escape(reason: str) -> str:
    """A reason as text of Markdown, in one line."""
    text = " ".join(reason.split()).replace("`", "'")
    return f"`{text}`" if text else "no reason"


def _list_tests(tests: dict[str, dict]) -> list[str]:
    """By operator: passes by name in one paragraph, then a line for each other test."""
    by_operator = defaultdict(dict)
    for name, result in tests.items():
        by_operator[result["operator"]][name] = result
    lines = []
    for operator in sorted(by_operator, key=lambda name: (name.lower(), name)):
        members = by_operator[operator]
        passed = [name for name in sorted(members) if members[name]["status"] == "passed"]
        rest = [name for name in sorted(members) if members[name]["status"] != "passed"]
        lines += _wrap(f"**{operator}** ({len(passed)} of {len(members)})" + (": " + ", ".join(passed) if passed else ""))
        if rest:
            lines.append("")
            lines += [f"- {name}: {members[name]['status']}: {_escape(members[name]['reason'])}" for name in rest]
        lines.append("")
    return lines


def write_page(report: dict, onnx_version: str) -> str:
    """The text of docs/BackendTests.md; the same for the same results."""
    suites = {report["suite"]: report, **report["suites"]}
    every = {name: result for suite in suites.values() for name, result in suite["tests"].items()}
    passes = sum(suite["arithmetic_passes"] for suite in suites.values())
    folded = sorted(name for suite in suites.values() for name in suite["without_arithmetic"])
    share = 100 * len(folded) / passes if passes else 0.0
    by_operator = defaultdict(list)
    for result in every.values():
        by_operator[result["operator"]].append(result)
    where = {"TSP1": "compiled to a binary for `tsp1`, verified, and run by the executor",
             "HOST": "run on the host level"}[report["device"]]
    lines = [
        "# Backend tests", "",
        "Generated by `bash tools/backend.sh --suite all --write-docs`; not to be edited.", "",
        *_wrap(f"The tests that the package onnx {onnx_version} ships, each {where}; outputs are held against those that come with the "
               "test, with onnx's tolerances. Inputs that are shapes, axes, pads, counts and the like are constants when the test "
               "is compiled (`python/lpu/backend/specialize.py`), all others are inputs of the program."), "",
        *_wrap("*Unsupported*: the compiler says what it does not do, and writes nothing. *Failed*: a wrong result, a crash, no result "
               "in time, or an error that speaks of the compiler's own insides."), "",
        *_table(("suite", "tests", *STATUSES),
                [(name, *count(suite["tests"].values()).values()) for name, suite in suites.items()]
                + ([("all", *count(every.values()).values())] if len(suites) > 1 else [])), "",
        "## Passes whose program computes nothing", "",
        *_wrap("A program computes if it has an instruction of the VXM that is no copy (`copy`, `delay`, `bits`), or one that brings "
               "activations to the MXM (`abc`). A test is arithmetic if an operator of its model, bodies included, is not one of those "
               "that only move elements or say something of shapes: "
               + ", ".join(sorted(_MOVES)) + "."), "",
        *_wrap(f"Of {passes} passes of arithmetic operators {len(folded)} ({share:.1f} %) have a program that computes nothing, because "
               "all that is computed follows from shapes and constants, or nothing is left to compute"
               + (":" if folded else ".")), ""]
    of_operator = defaultdict(list)
    for name in folded:
        of_operator[every[name]["operator"]].append(name)
    for operator in sorted(of_operator, key=lambda name: (name.lower(), name)):
        lines += _wrap(f"- {operator}: " + ", ".join(of_operator[operator]), "  ")
    lines += [""] if folded else []
    lines += ["## By operator", "",
              *_wrap("Of a model with one node its operator, of an expanded function the function's; other models have several."), "",
              *_table(("operator", "tests", *STATUSES),
                      [(name, *count(by_operator[name]).values())
                       for name in sorted(by_operator, key=lambda name: (name.lower(), name))]), ""]
    for name, suite in suites.items():
        lines += [f"## Tests of {name}", "", *_list_tests(suite["tests"])]
    return "\n".join(lines).rstrip("\n") + "\n"
