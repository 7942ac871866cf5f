"""The test suites that the onnx package ships: their names, data and rules of comparison."""

import json
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

SUITES = ("node", "simple", "pytorch-converted", "pytorch-operator")


def data_folder() -> Path:
    import importlib.util

    # Not onnx.backend.test: importing it takes seconds.
    return Path(importlib.util.find_spec("onnx").origin).parent / "backend" / "test" / "data"


@dataclass(frozen=True)
class Test:
    name: str
    suite: str

    @property
    def folder(self) -> Path:
        return data_folder() / self.suite / self.name


def find_tests(suites=SUITES, patterns=()) -> list[Test]:
    """Tests whose name contains one of the patterns (regular expressions), sorted; names are unique over all suites."""
    found = [Test(path.parent.name, suite) for suite in suites for path in (data_folder() / suite).glob("*/model.onnx")]
    return sorted((test for test in found if not patterns or any(re.search(p, test.name) for p in patterns)),
                  key=lambda test: (SUITES.index(test.suite), test.name))


@dataclass(frozen=True)
class Family:
    """What a test is about."""

    operator: str  # the model's one operator, of an expanded function the function's; or "several operators"
    is_arithmetic: bool


def find_family(test: Test) -> Family:
    import onnx

    from lpu.backend.arithmetic import is_arithmetic

    unexpanded = test.folder.with_name(re.sub(r"_expanded.*$", "", test.name))
    folder = unexpanded if (unexpanded / "model.onnx").exists() else test.folder
    graph = onnx.load(folder / "model.onnx", load_external_data=False).graph
    nodes = [node.op_type for node in graph.node]
    outer = [name for name in nodes if name != "Constant"] or nodes
    return Family(outer[0] if len(outer) == 1 else "several operators", is_arithmetic(graph))


def tolerances(folder: Path) -> tuple[float, float]:
    """rtol and atol, as onnx.backend.test.loader has them."""
    file = folder / "data.json"
    data = json.loads(file.read_text()) if file.exists() else {}
    return data.get("rtol", 1e-3), data.get("atol", 1e-7)


def _load(path: Path, kind: str):
    import onnx
    from onnx import numpy_helper

    data = path.read_bytes()
    if kind == "sequence_type":
        return numpy_helper.to_list(onnx.SequenceProto.FromString(data))
    if kind == "optional_type":
        return numpy_helper.to_optional(onnx.OptionalProto.FromString(data))
    return numpy_helper.to_array(onnx.TensorProto.FromString(data))


def load_data(folder: Path, values, stem: str) -> list:
    """The arrays of `stem`_0.pb, ... for the graph's inputs or outputs `values`, as onnx's runner reads them."""
    count = len(list(folder.glob(f"{stem}_*.pb")))
    return [_load(folder / f"{stem}_{i}.pb", values[i].type.WhichOneof("value")) for i in range(count)]


def _has(value) -> str:
    return "no" if value is None else "an"


def compare(name: str, got, expected, rtol: float, atol: float) -> str:
    """What is different, in one line; empty where onnx's runner accepts the output.

    Arrays, lists of them (a sequence), or None (an optional without an element).
    """
    if isinstance(expected, list):
        if not isinstance(got, list) or len(got) != len(expected):
            count = len(got) if isinstance(got, list) else "no"
            return f"output {name}: {count} elements of a sequence, expected {len(expected)}"
        pairs = enumerate(zip(got, expected, strict=True))
        return next((text for i, pair in pairs if (text := compare(f"{name}[{i}]", *pair, rtol, atol))), "")
    if got is None or expected is None:
        return "" if got is expected else f"output {name}: {_has(got)} element, expected {_has(expected)}"
    if got.shape != expected.shape:
        return f"output {name}: shape {list(got.shape)}, expected {list(expected.shape)}"
    if got.dtype != expected.dtype:
        return f"output {name}: type {got.dtype}, expected {expected.dtype}"
    try:
        np.testing.assert_allclose(got, expected, rtol=rtol, atol=atol)
        return ""
    except AssertionError as error:
        lines = [line.strip() for line in str(error).splitlines()]
        facts = [line for line in lines if re.match(r"(Mismatched|Max (absolute|relative)|[xy]? ?\w* ?location)", line)]
    with np.errstate(all="ignore"):
        wide = [a.astype(complex if a.dtype.kind == "c" else np.float64) for a in (got, expected)]
        close = np.isclose(*wide, rtol=rtol, atol=atol, equal_nan=True)
    if not close.all():
        at = tuple(int(i) for i in np.argwhere(~close)[0])
        facts.append(f"at {list(at)}: {got[at]}, expected {expected[at]}")
    return f"output {name}: " + "; ".join(facts or lines[:3])
