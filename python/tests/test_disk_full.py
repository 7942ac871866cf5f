"""Every tool that writes, on a small file system that is full: one line that names the file, and nothing half written."""

import subprocess

import numpy as np
import pytest
from conftest import ROOT
from lpu.compiler import find_tool
from test_compiler import write_model
from test_runtime import ACCUMULATE

# Mounts a file system of 64 KiB for the command alone, fills it, runs, and lists what is left.
SCRIPT = """
mount -t tmpfs -o size=64k tmpfs "$1" || exit 77
cd "$1" && shift
printf old > old && head -c 1000000 /dev/zero > fill 2>/dev/null
"$@"
code=$?
rm fill && ls && cat old
exit $code
"""


@pytest.fixture
def full(tmp_path):
    """Runs a command with its working directory on the full file system."""
    folder = tmp_path / "full"
    folder.mkdir()

    def run(tool, *arguments):
        command = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", SCRIPT, "sh", str(folder),
                   str(find_tool(tool)), *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True)
        if "unshare" in done.stderr or done.returncode == 77:
            pytest.skip(f"file systems may not be mounted here: {done.stderr.strip()}")
        return done

    return run


def check(done, message):
    assert (done.returncode, done.stderr) == (1, message + ": No space left on device\n"), done
    # The one file that was there, and its content.
    assert done.stdout.splitlines()[-2:] == ["old", "old"], done.stdout


@pytest.mark.parametrize("arguments,message", [
    (["-o", "old"], "old: cannot write"),
    (["-o", "new.mlir", "--compile-to=kernel"], "new.mlir: cannot write"),
    (["--no-output", "--stats=new.json"], "--stats: new.json: cannot write"),
    (["--no-output", "--emit-quantized-onnx=old"], "--emit-quantized-onnx: old.data: cannot write"),
])
def test_lpu_compile(full, tmp_path, arguments, message):
    model = write_model(tmp_path / "m.onnx")
    check(full("lpu-compile", model, "--target=tiny", "--dim=batch=1", "--activation-max=4", "--quiet", *arguments),
          f"lpu-compile: {message}")


@pytest.mark.parametrize("arguments,message", [
    (["--output", "y=old"], "old: cannot write"),
    (["--stats", "new.json"], "new.json: cannot write"),
    (["--output-dir", "."], "./y.npy: cannot write"),
])
def test_lpu_run(full, tmp_path, arguments, message):
    np.save(tmp_path / "x.npy", np.ones(32, np.float32))
    check(full("lpu-run", ACCUMULATE, "--entry", "add", "--input", f"x={tmp_path}/x.npy", *arguments),
          f"lpu-run: {message}")


def test_lpu_as_and_lpu_objdump(full, tmp_path):
    check(full("lpu-as", ROOT / "test" / "Executor" / "run.lpuasm", "-o", "old"), "lpu-as: old: cannot write")
    wide = tmp_path / "wide.lpuasm"
    wide.write_text('target tsp1\nimage weights mem.e0 bank 0 words 0..31 "w" = fill 1\nentry main\n')
    subprocess.run([find_tool("lpu-as"), wide, "-o", tmp_path / "wide.lpu"], check=True)
    check(full("lpu-objdump", tmp_path / "wide.lpu", "--side-file", "old"), "lpu-objdump: old: cannot write")
