"""Runs tests that the runner names on standard input, one a line, and answers each with a line of JSON.

A process of its own: a crash or hang is the failure of one test. The runner ends it where it takes too long.
"""

import json
import os
import re
import sys
from collections.abc import Callable

from lpu.backend import suite
from lpu.backend.arithmetic import count_arithmetic
from lpu.backend.base import InternalError


def short(message: str) -> str:
    """A compiler's message in one line: its first error, without the file."""
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    first = next((line for line in lines if "error:" in line), lines[0] if lines else "")
    if "error:" in first:
        first = first.split("error:", 1)[1].strip()
    elif lines and first.startswith("lpu-") and ": " in first:
        first = first.split(": ", 1)[1]
    # Nodes of the tests' expanded functions have long names that say nothing.
    return re.sub(r"^node '[^']*' \(", "(", _without_addresses(first))[:300]


def _without_addresses(text: str) -> str:
    """Addresses differ from run to run, and so do names of temporary folders."""
    return re.sub(r"/\S*/(?=model\.\w+)", "", re.sub(r"\b0x[0-9a-fA-F]+", "0x...", text))


def run_test(test: suite.Test, device: str, options: dict) -> dict:
    """status, reason and, of a pass on the chip, the number of arithmetic instructions in its program."""
    import onnx

    from lpu import backend

    model = onnx.load(test.folder / "model.onnx")
    rtol, atol = suite.tolerances(test.folder)
    rep = backend.prepare(model, device, **options)
    for folder in sorted(test.folder.glob("test_data_set_*")):
        try:
            rep.check_types()
            inputs = suite.load_data(folder, model.graph.input, "input")
            expected = suite.load_data(folder, model.graph.output, "output")
            outputs = rep.run(inputs)
        except backend.Unsupported as error:
            return {"status": "unsupported", "reason": short(str(error))}
        for value, got, right in zip(model.graph.output, outputs, expected, strict=True):
            if wrong := suite.compare(value.name, got, right, rtol, atol):
                return {"status": "failed", "reason": wrong}
    passed = {"status": "passed", "reason": ""}
    if rep.instructions is not None:
        passed["arithmetic"] = count_arithmetic(rep.instructions)
    return passed


def judge(run: Callable[[], dict]) -> dict:
    """What `run` gives; a failure for whatever it raises."""
    try:
        return run()
    except InternalError as error:
        return {"status": "failed", "reason": f"InternalError: {short(str(error))}"}
    except Exception as error:  # of the test, whatever it is
        text = " ".join(_without_addresses(str(error)).split())
        return {"status": "failed", "reason": f"{type(error).__name__}: {text[:300]}"}


def serve(handle: Callable[[dict], dict]) -> None:
    """Answers every task on standard input by what `handle` makes of it."""
    # What libraries print must not mix with the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        result = judge(lambda: handle(json.loads(line)))
        answers.write(json.dumps(result) + "\n")
        answers.flush()


if __name__ == "__main__":
    serve(lambda task: run_test(suite.Test(task["name"], task["suite"]), task["device"], task["options"]))
