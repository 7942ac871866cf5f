"""lpu-compile from Python."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path


# Statuses of operators that keep a model from being compiled.
IN_THE_WAY = ("wrong", "unsupported", "open")


class CompileError(RuntimeError):
    """lpu-compile refused; the message is its own."""


def find_tool(name: str) -> Path:
    """A tool of the build tree or installation that this package belongs to, else one on PATH."""
    import lpu

    for folder in lpu.__path__:
        # build/python/lpu, or PREFIX/lib/python3.11/site-packages/lpu
        for up in (2, 4):
            parents = Path(folder).resolve().parents
            if len(parents) >= up and (tool := parents[up - 1] / "bin" / name).is_file() and os.access(tool, os.X_OK):
                return tool
    if found := shutil.which(name):
        return Path(found)
    raise FileNotFoundError(f"{name}: not found beside the package or on PATH")


def _flags(options: Mapping[str, object]) -> list[str]:
    """`activation_max=4` is --activation-max=4; a list repeats the flag, a mapping gives NAME=VALUE, True a bare flag."""
    flags = []
    for name, value in options.items():
        flag = "--" + name.replace("_", "-")
        if value is True:
            flags.append(flag)
        elif value is False or value is None:
            continue
        elif isinstance(value, Mapping):
            flags += [f"{flag}={key}={item}" for key, item in value.items()]
        elif isinstance(value, Iterable) and not isinstance(value, str | os.PathLike):
            flags += [f"{flag}={item}" for item in value]
        else:
            flags.append(f"{flag}={value}")
    return flags


def _run(arguments: list[str], accepted: tuple[int, ...], progress: bool, printed: tuple[int, ...] = ()) -> str:
    """What it prints; exit codes `printed` are accepted where it prints something."""
    command = [str(find_tool("lpu-compile")), *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    errors = []
    try:
        if progress:
            for line in process.stderr:
                sys.stderr.write(line)
                errors.append(line)
        output, rest = process.communicate()
    except BaseException:
        process.kill()
        process.wait()
        raise
    if process.returncode not in accepted and not (output and process.returncode in printed):
        message = "".join(errors) + rest
        raise CompileError(message.strip() or f"lpu-compile ended with exit code {process.returncode}")
    return output


def compile(model: str | os.PathLike, path: str | os.PathLike | None = None, *, progress: bool = False, **options):
    """Compiles an ONNX model and loads the result: a lpu.Program.

    `options` are the flags of lpu-compile, for example `target="tsp1"`,
    `entry=["decode:sequence_len=1"]`, `dim={"batch": 1}`, `activation_max=4`.
    Without `path` the binary is in a file that is gone when the program is.
    Errors: CompileError with lpu-compile's message.
    """
    from lpu.runtime import load

    flags = _flags(options) + ([] if progress else ["--quiet"])
    if path is not None:
        _run([os.fspath(model), "-o", os.fspath(path), *flags], (0,), progress)
        return load(path)
    with tempfile.TemporaryDirectory(prefix="lpu-") as folder:
        file = Path(folder) / (Path(model).stem + ".lpu")
        _run([os.fspath(model), "-o", str(file), *flags], (0,), progress)
        return load(file)  # its bytes stay mapped


def check(model: str | os.PathLike, **options) -> list[dict]:
    """What is in the way of a model: one dictionary an operator, empty when the whole model can be converted.

    Errors: CompileError for a model that cannot be imported.
    """
    return [row for row in report(model, **options)["operators"] if row["status"] in IN_THE_WAY]


def report(model: str | os.PathLike, **options) -> dict:
    """What becomes of every operator: the JSON of lpu-compile --check (docs/Compiler.md).

    Errors: CompileError for a model that cannot be imported.
    """
    arguments = [os.fspath(model), "--check", "--json", "--quiet", *_flags(options)]
    # A model that is wrong at a node is reported with exit code 1, one that cannot be read is not.
    return json.loads(_run(arguments, (0, 2), False, printed=(1,)))
