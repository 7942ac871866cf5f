"""lpu.compare and lpu-run --compare on a small language model."""

import subprocess
from dataclasses import replace

import lpu
import numpy as np
import onnx
import pytest
from conftest import ROOT
from lpu.compare import CompareError, compare, difference, report
from lpu.export import SMALL
from lpu.models.checkpoint import random_checkpoint
from lpu.models.llama import export_llama
from onnx import numpy_helper

OUTPUTS = ["layers.1.down_proj", "layers.0.o_proj", "layers.1.o_proj", "layers.0.residual"]  # in no order
ENTRY = "decode:batch=1,sequence_len=1,nonpad_kv_seqlen:max=16"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("compare") / "m.onnx"
    export_llama(random_checkpoint(replace(SMALL, kv_heads=4)), path, 16)
    return path


@pytest.fixture(scope="module")
def program(model):
    return lpu.compile(model, model.with_suffix(".lpu"), target="tsp1", entry=ENTRY, activation_max=8, output=OUTPUTS)


def changed(model, path, name, factor):
    """The model with one constant multiplied."""
    proto = onnx.load(model)
    (tensor,) = [t for t in proto.graph.initializer if t.name == name]
    values = numpy_helper.to_array(tensor) * np.float32(factor)
    tensor.CopyFrom(numpy_helper.from_array(values, name))
    onnx.save(proto, path)
    return path


def test_outputs_of_a_correct_program_agree(model, program):
    differences = compare(model, program, steps=4)
    # In the order of the nodes, whatever that of the flags was.
    assert [d.name for d in differences[:5]] == ["layers.0.o_proj", "layers.0.residual", "layers.1.o_proj",
                                                 "layers.1.down_proj", "logits"]
    assert [d.step for d in differences[::5]] == [0, 1, 2, 3]
    assert all(d.cosine > 0.999999 and d.max_error < 5e-3 * d.largest for d in differences)


@pytest.mark.parametrize("name,first", [("layers.1.v_proj.weight.scale", "layers.1.o_proj"),
                                        ("layers.1.gate_proj.weight.scale", "layers.1.down_proj"),
                                        ("layers.0.input_norm.weight", "layers.0.o_proj")])
def test_the_first_diverging_output_is_named(model, program, tmp_path, capsys, name, first):
    # The program is right about its own model, so the other model plays the bug.
    differences = compare(changed(model, tmp_path / "c.onnx", name, -1.0), program, steps=2)
    assert not report(differences, 0.999)
    assert capsys.readouterr().out.splitlines()[-1].startswith(f"first diverging output: {first}, step 0, cosine ")


def test_a_state_that_is_not_kept_diverges_later(model, program, capsys):
    class Forgetful:
        entries = program.entries

        def session(self):
            session = program.session()
            run = session.run
            session.run = lambda *arguments: (session.reset(), run(*arguments))[1]
            return session

    assert not report(compare(model, Forgetful(), steps=3), 0.999)
    assert "first diverging output: layers.0.o_proj, step 1" in capsys.readouterr().out


@pytest.mark.parametrize("got,diverges", [([1, 2], False), ([2, 4], False), ([1, -2], True), ([1, np.nan], True),
                                          ([0, 0], True)])
def test_difference(got, diverges):
    assert difference(0, "y", np.array(got), np.array([1.0, 2.0])).diverges(0.99) == diverges


def test_errors(model, program, tmp_path):
    with pytest.raises(CompareError, match="--entry: expected one of decode, got prefill"):
        compare(model, program, "prefill")
    with pytest.raises(CompareError, match="expected at most 16 steps, got 17"):
        compare(model, program, steps=17)
    other = tmp_path / "other.onnx"
    export_llama(random_checkpoint(replace(SMALL, layers=1)), other, 16)
    with pytest.raises(CompareError, match=r"other.onnx: expected a tensor layers.1.\w+, an output of entry decode; got none"):
        compare(other, program)
    with pytest.raises(lpu.CompileError, match="output 'nothing': no node of the model gives this tensor"):
        lpu.compile(model, target="tsp1", entry=ENTRY, activation_max=8, output=["nothing"])


def test_lpu_run_compare(model, program):
    def run(*arguments):
        return subprocess.run([ROOT / "build/bin/lpu-run", program.path, *arguments], capture_output=True, text=True)

    good = run("--compare", "onnxruntime", "--model", str(model), "--steps", "2")
    assert (good.returncode, good.stderr) == (0, "")
    assert good.stdout.splitlines()[-1] == "every output has cosine 0.9999 or better"
    assert run("--compare=onnxruntime", f"--model={model}", "--cosine=1.1").returncode == 1
    assert run("--compare", "torch").stderr == "lpu-run: --compare: expected onnxruntime, got torch\n"
    assert run("--compare", "onnxruntime").stderr == "lpu-run: --compare: expected PROGRAM and --model MODEL.onnx\n"
