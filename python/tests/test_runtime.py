"""lpu.load, sessions and their errors, on programs of the assembler."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import lpu
import ml_dtypes
import numpy as np
import pytest
from conftest import ROOT

ACCUMULATE = Path(__file__).parent / "Inputs" / "accumulate.lpuasm"

# y is the word that the host computes from `at`: 100 * at[0] + lane.
DERIVED = """target tiny
entry main
  region derived mem.e0 bank 0 words 0..0 "d"
  region derived mem.e1 bank 0 words 0..0 "d"
  region output mem.e2 bank 0 words 0..0 "y"
  region output mem.e3 bank 0 words 0..0 "y"
  integer at i64 shape 1 min 0 max 7
  derive d rows 1 stride 1 planes mem.e0:0:0 mem.e1:0:0 = constant 0 input 0 constant 100 mul lane add
  tensor output y i16 as i16 shape 32 rows 1 columns 32 vectors 1 stride 1 planes mem.e2:0:0 mem.e3:0:0
  queue mem.e0
    @0 mem r=linear r_addr=0 r_id=0
  queue mem.e1
    @0 mem r=linear r_addr=0 r_id=1
  queue mem.e2
    @7 mem w=linear w_addr=0 w_id=0
  queue mem.e3
    @7 mem w=linear w_addr=0 w_id=1
  intent auto
"""

# One word moves {inner} * 500 times, every second cycle.
MOVES = """target tiny
image weights mem.e0 bank 0 words 0..0 "x" = fill 3
entry main
  region output mem.e1 bank 0 words 0..0 "y"
  tensor output y i8 as i8 shape 32 rows 1 columns 32 vectors 1 stride 1 planes mem.e1:0:0
  queue mem.e0
    @0 mem r=linear r_addr=0 r_id=0 repeat {inner} 2 500 {outer}
  queue mem.e1
    @{write} mem w=linear w_addr=0 w_id=0 repeat {inner} 2 500 {outer}
  intent auto
"""


def moves(inner, write=6):
    return MOVES.format(inner=inner, outer=2 * inner, write=write)


def assemble(folder, text):
    path = folder / "program.lpuasm"
    path.write_text(text)
    return lpu.load(path)


X = np.arange(32, dtype=np.float32)


def test_entries_are_described():
    program = lpu.load(ACCUMULATE)
    assert (program.target, program.clock_hz, program.memory) == ("tiny", 900_000_000, {"state": 128})
    assert list(program.entries) == ["add", "show"]
    add, show = program.entries.values()
    assert [str(t) for t in [*add.inputs.values(), *add.outputs.values()]] == ["x: float32[32]", "y: float32[32]"]
    assert (show.inputs, show.outputs["y"].shape, show.instructions) == ({}, (4, 8), 8)


def test_state_lives_from_run_to_run_and_entries_share_it():
    program = lpu.load(ACCUMULATE)
    session, other = program.session(), program.session()
    for count in (1, 2, 3):
        assert (session.run("add", {"x": X})["y"] == count * X).all()
    assert session.statistics.cycles == 22
    assert (session.run("show")["y"] == 3 * X.reshape(4, 8)).all()
    assert session.statistics.cycles == 10
    assert not other.run("show")["y"].any()
    session.reset()
    assert not session.run("show")["y"].any()


def test_arrays_of_any_layout():
    session = lpu.load(ACCUMULATE).session()
    assert (session.run("add", {"x": np.repeat(X, 2)[::2]})["y"] == X).all()
    assert (session.run("add", {"x": X.astype(">f4")})["y"] == 2 * X).all()
    assert (session.run("add", {"x": X.tolist()})["y"] == 3 * X).all()


@pytest.mark.parametrize("entry,inputs,message", [
    ("add", {}, "input 'x' is missing: expected f32[32]"),
    ("add", {"x": X[:31]}, "input 'x': expected float32[32], got float32[31]"),
    ("add", {"x": X.astype(np.float64)}, "input 'x': expected float32[32], got float64[32]"),
    ("add", {"x": X.reshape(1, 32)}, "input 'x': expected float32[32], got float32[1,32]"),
    ("add", {"x": X, "z": X}, "entry 'add' has no input 'z', known inputs: x"),
    ("add", {"x": X, "z": X * 1j}, "input 'z': no input has elements of type <c8"),
    ("decode", {}, "no entry 'decode', known entries: add, show"),
])
def test_input_errors(entry, inputs, message):
    with pytest.raises(ValueError) as error:
        lpu.load(ACCUMULATE).session().run(entry, inputs)
    assert str(error.value) == message


def test_integer_inputs_and_their_bounds(tmp_path):
    program = assemble(tmp_path, DERIVED)
    assert str(program.entries["main"].integer_inputs["at"]) == "at: int64[1], 0 to 7"
    session = program.session()
    y = session.run("main", {"at": [7]})["y"]
    assert y.dtype == np.int16 and (y == 700 + np.arange(32)).all()
    with pytest.raises(ValueError, match=r"input 'at': expected values from 0 to 7, got 8 at element 0"):
        session.run("main", {"at": np.array([8])})


# y is x again: it lies in the same words.
ECHO = """target tiny
entry main
  region input mem.w0 bank 0 words 0..0 "x"
  region input mem.w1 bank 0 words 0..0 "x"
  region input mem.w2 bank 0 words 0..0 "x"
  region input mem.w3 bank 0 words 0..0 "x"
  tensor input x {type} as {stored} shape {shape} layout lanes -1 vector 0 offset 0 words 1{strides} planes {planes}
  tensor output y {type} as {stored} shape {shape} layout lanes -1 vector 0 offset 0 words 1{strides} planes {planes}
"""


def echo(folder, kind, shape="scalar", strides=""):
    stored = "f32" if kind[0] == "f" or kind == "bf16" else "i32"
    planes = " ".join(f"mem.w{i}:0:0" for i in range(4))
    return assemble(folder, ECHO.format(type=kind, stored=stored, shape=shape, strides=strides, planes=planes))


@pytest.mark.parametrize("kind,dtype,value", [
    ("f64", np.float64, -2.5), ("f16", np.float16, -2.5), ("bf16", ml_dtypes.bfloat16, -2.5),
    ("f8e4m3fn", ml_dtypes.float8_e4m3fn, -2.5), ("f8e4m3fnuz", ml_dtypes.float8_e4m3fnuz, -2.5),
    ("f8e5m2", ml_dtypes.float8_e5m2, -2.5), ("f8e5m2fnuz", ml_dtypes.float8_e5m2fnuz, -2.5),
    ("f8e8m0", ml_dtypes.float8_e8m0fnu, 0.25), ("f4e2m1", ml_dtypes.float4_e2m1fn, -1.5),
    ("i4", ml_dtypes.int4, -8), ("u4", ml_dtypes.uint4, 15), ("i2", ml_dtypes.int2, -2), ("u2", ml_dtypes.uint2, 3),
    ("i8", np.int8, -128), ("u8", np.uint8, 255), ("i16", np.int16, -300), ("u16", np.uint16, 65535),
    ("i32", np.int32, -300), ("u32", np.uint32, 2**32 - 1), ("i64", np.int64, -300), ("u64", np.uint64, 2**32 - 1),
    ("bool", np.bool_, True),
])
def test_element_types_scalars_and_raw_bits(tmp_path, kind, dtype, value):
    program = echo(tmp_path, kind)
    program.verify()
    x = np.array(value, dtype)
    assert program.entries["main"].inputs["x"].dtype == x.dtype
    session = program.session()
    for given in (x, x.view(f"u{x.dtype.itemsize}") if x.dtype.isbuiltin == 2 else x):
        y = session.run("main", {"x": given})["y"]
        assert (y.dtype, y.shape, y.tobytes()) == (x.dtype, (), x.tobytes())


def test_tensors_without_elements(tmp_path):
    y = echo(tmp_path, "bf16", "3x0", " strides 1x1").session().run("main", {"x": np.zeros((3, 0), "u2")})["y"]
    assert (y.dtype, y.shape) == (ml_dtypes.bfloat16, (3, 0))


def test_values_out_of_range(tmp_path):
    session = echo(tmp_path, "i64").session()
    with pytest.raises(ValueError, match="input 'x': element 0, 5000000000, does not fit i32"):
        session.run("main", {"x": 5_000_000_000})


def test_a_hazard_carries_the_judge_s_message(tmp_path):
    program = assemble(tmp_path, moves(1, write=6))
    assert (program.session().run("main")["y"] == 3).all()
    program.verify()
    late = tmp_path / "late.lpuasm"
    late.write_text(moves(1, write=6).replace("intent auto", "").replace("@6 ", "@7 "))
    with pytest.raises(lpu.HazardError, match=r"hazard: chip 0, .*mem\.e1.*\n?.*violates \("):
        lpu.load(late).session().run("main")
    with pytest.raises(lpu.VerificationError, match="entry main"):
        lpu.load(late).verify()


def test_the_interpreter_runs_on_during_a_run(tmp_path):
    session = assemble(tmp_path, moves(20000)).session()
    begun, done = threading.Event(), threading.Event()

    def run():
        begun.set()
        session.run("main")
        done.set()

    thread = threading.Thread(target=run)
    thread.start()
    begun.wait()
    turns = 0
    while not done.is_set():
        time.sleep(0.001)
        turns += 1
    thread.join()
    assert turns > 10
    assert session.statistics.issues == 2 * 20000 * 500


@pytest.mark.parametrize("content,message", [
    (None, "{path}: no such file"),
    (b"", "{path}: not an LPU binary"),
    (b"#!/bin/sh\n" * 1000, "{path}: not an LPU binary"),
])
def test_load_errors(tmp_path, content, message):
    path = tmp_path / "p.lpu"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises((OSError, ValueError)) as error:
        lpu.load(path)
    assert str(error.value) == message.format(path=path)


def test_the_installed_package_stands_alone(tmp_path):
    subprocess.run(["cmake", "--install", str(ROOT / "build"), "--prefix", str(tmp_path), "--component", "python"],
                   check=True, capture_output=True)
    (package,) = tmp_path.glob("lib/python3*/site-packages")
    tool = tmp_path / "bin" / "lpu-compile"
    tool.parent.mkdir()
    tool.write_text("#!/bin/sh\necho that model is strange >&2\nexit 1\n")
    tool.chmod(0o755)
    script = f"""
import sys
sys.path[:] = [p for p in sys.path if not p.startswith({str(ROOT)!r}) or "site-packages" in p]
import lpu, lpu.models.download
assert list(lpu.__path__) == [{str(package / "lpu")!r}], lpu.__path__
assert lpu.load({str(ACCUMULATE)!r}).session().run("add", dict(x=[1.0] * 32))["y"].sum() == 32
assert len(lpu.models.download.expected_hash()) == 64
try:
    lpu.check("m.onnx")
except lpu.CompileError as error:
    print(error)
"""
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path,
                         env={**os.environ, "PYTHONPATH": str(package)})
    assert (run.returncode, run.stdout, run.stderr) == (0, "that model is strange\n", "")
