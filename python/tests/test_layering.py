"""An include points only to a lower row of docs/Architecture.md, section 6."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

ROWS = {
    "Support": 0, "ISA": 1, "Target": 1, "Binary": 2, "Executor": 3, "Verifier": 3,
    "Scheduling": 3, "Conversion": 6, "Import": 6, "Export": 6, "Host": 7,
    "Pipelines": 8, "CAPI": 9, "Tools": 9,
}
# The judges share nothing but rows 0 to 2; the compiler does not know them.
JUDGES = {"Executor", "Verifier"}
INCLUDE = re.compile(r'^\s*#include "([^"]+)"', re.M)


def library_of(path):
    """Name and row of the library that a source or included path belongs to."""
    parts = Path(path).parts
    if parts[:2] == ("include", "lpu") or parts[0] == "lpu":
        name = parts[2 if parts[0] == "include" else 1]
        return name, ROWS[name]
    if parts[:2] == ("python", "native"):
        return "python/native", 4  # above the judges, below everything of MLIR
    if parts[0] == "lib":
        return parts[1], ROWS[parts[1]]
    if parts[0] == "dialects":
        parts = parts[1:]
    if len(parts) > 1 and parts[0] in ("ONNX", "LPU", "Stream", "ISA"):
        return "dialects/" + "/".join(parts[:2]), {"IR": 4, "Analysis": 4.5}.get(parts[1], 5)
    return None


def violations(root):
    found = []
    for folder in ("include", "lib", "dialects", "python/native"):
        for source in sorted((root / folder).rglob("*")):
            if source.suffix not in (".h", ".cpp", ".def"):
                continue
            own = library_of(source.relative_to(root))
            text = source.read_text(encoding="utf-8")
            for include in INCLUDE.findall(text):
                if include.startswith(("mlir/", "llvm/", "absl/", "google/", "onnx/")):
                    continue
                other = library_of(include)
                if not other or not own or other[0] == own[0]:
                    continue
                same_row = other[1] == own[1] and own[1] in (1, 4, 6) and own[0] != "python/native"
                judged = other[0] in JUDGES and own[0] not in ("Tools", "CAPI", "python/native")
                if (other[1] >= own[1] and not same_row) or judged:
                    found.append(f"{source.relative_to(root)}: {include}")
    return found


def test_includes_point_to_lower_rows():
    assert violations(ROOT) == []


@pytest.mark.parametrize(
    ("source", "include"),
    [
        ("lib/Target/Target.cpp", "lpu/Binary/Program.h"),
        ("lib/Executor/Chip.cpp", "lpu/Verifier/Verifier.h"),
        ("lib/Pipelines/Pipelines.cpp", "lpu/Executor/Executor.h"),
        ("python/native/Native.cpp", "LPU/IR/LPUDialect.h"),
        ("dialects/LPU/IR/LPUDialect.cpp", "LPU/Transforms/Passes.h"),
        ("dialects/Stream/Transforms/Schedule.cpp", "lpu/Conversion/Passes.h"),
    ],
)
def test_an_upward_include_is_found(tmp_path, source, include):
    (tmp_path / source).parent.mkdir(parents=True)
    (tmp_path / source).write_text(f'#include "{include}"\n')
    assert violations(tmp_path) == [f"{source}: {include}"]
