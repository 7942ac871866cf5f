"""lpu.compile and lpu.check against onnxruntime, through lpu-compile."""

from dataclasses import replace

import lpu
import numpy as np
import onnx
import onnxruntime
import pytest
from lpu.export import SMALL
from lpu.models.checkpoint import random_checkpoint
from lpu.models.llama import export_llama
from lpu.models.reference import Reference
from onnx import TensorProto, helper, numpy_helper


def write_model(path, operator="Sigmoid", seed=0):
    """y = operator(x W + b), x [batch, 48]; the weights are int8 already, so that both sides have the same."""
    rng = np.random.default_rng(seed)
    scale = rng.uniform(0.005, 0.02, 40).astype(np.float32)
    w = rng.integers(-127, 128, (48, 40)).astype(np.int8)
    nodes = [
        helper.make_node("DequantizeLinear", ["w", "scale"], ["wf"], name="weights", axis=1),
        helper.make_node("MatMul", ["x", "wf"], ["product"], name="proj"),
        helper.make_node("Add", ["product", "b"], ["sum"], name="bias"),
        helper.make_node(operator, ["sum"], ["y"], name="last"),
    ]
    graph = helper.make_graph(
        nodes, "model", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 48])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 40])],
        [numpy_helper.from_array(w, "w"), numpy_helper.from_array(scale, "scale"),
         numpy_helper.from_array(rng.standard_normal(40).astype(np.float32), "b")])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10), path)
    return path


def reference(path, x):
    options = onnxruntime.SessionOptions()
    # Fold DequantizeLinear of weights; else activations are quantized, too.
    options.add_session_config_entry("session.disable_quant_qdq", "1")
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return session.run(["y"], {"x": x})[0]


@pytest.mark.parametrize("operator", ["Sigmoid", "Tanh"])
@pytest.mark.parametrize("target", ["tiny", "tsp1"])
def test_compiled_models_agree_with_onnxruntime(tmp_path, operator, target):
    path = write_model(tmp_path / "m.onnx", operator)
    program = lpu.compile(path, target=target, entry="main:batch=3", activation_max=4)
    x = np.random.default_rng(1).standard_normal((3, 48)).astype(np.float32)
    session = program.session()
    y = session.run("main", {"x": x})["y"]
    assert np.abs(y - reference(path, x)).max() < 3e-5
    assert session.statistics.cycles == program.entries["main"].cycles
    assert set(session.statistics.saturations.values()) == {0}
    session.run("main", {"x": 10 * x})
    assert sum(session.statistics.saturations.values()) > 0


def test_output_file(tmp_path):
    path = write_model(tmp_path / "m.onnx")
    program = lpu.compile(path, tmp_path / "m.lpu", target="tiny", entry=["main:batch=1"], activation_max=4)
    assert program.path == str(tmp_path / "m.lpu")
    assert lpu.load(tmp_path / "m.lpu").entries == program.entries


def test_errors_are_the_compiler_s(tmp_path):
    path = write_model(tmp_path / "m.onnx")
    with pytest.raises(lpu.CompileError, match="--target: unknown target \"tsp9\"; known targets: ft32, tiny, tsp1"):
        lpu.compile(path, target="tsp9")
    with pytest.raises(lpu.CompileError, match="none.onnx: No such file or directory"):
        lpu.check(tmp_path / "none.onnx")


def test_check(tmp_path):
    assert lpu.check(write_model(tmp_path / "m.onnx")) == []
    found = lpu.check(write_model(tmp_path / "e.onnx", "Strange"))
    assert [(item["operator"], item["count"], item["nodes"]) for item in found] == [("Strange", 1, ["last"])]
    assert lpu.report(tmp_path / "e.onnx")["summary"]["unsupported"] == 1


ENTRIES = {"prefill": (8, 8), "extend": (8, 32), "decode16": (1, 16), "decode32": (1, 32)}  # sequence_len, max_kv


def entry_flags(names):
    return [f"{name}:batch=1,sequence_len={ENTRIES[name][0]},nonpad_kv_seqlen:max={ENTRIES[name][1]}" for name in names]


def test_entries_share_weights_and_state(tmp_path):
    checkpoint = random_checkpoint(replace(SMALL, kv_heads=4))
    export_llama(checkpoint, tmp_path / "m.onnx", 32)
    options = dict(target="tsp1", activation_max=8)
    one = lpu.compile(tmp_path / "m.onnx", entry=entry_flags(["decode16"]), **options)
    all_entries = lpu.compile(tmp_path / "m.onnx", entry=entry_flags(ENTRIES), **options)
    assert list(all_entries.entries) == list(ENTRIES)
    assert all_entries.memory["state"] == one.memory["state"] > 0
    # What entries of other shapes need besides is small.
    assert all_entries.memory["weights"] < 1.2 * one.memory["weights"]
    all_entries.verify()
    expected = Reference(checkpoint, 32).logits(tokens := [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9, 3, 2, 3, 8, 4])
    session = all_entries.session()

    def step(name, position, count):
        length = ENTRIES[name][0]
        padded = np.zeros((1, length), np.int64)
        padded[0, :count] = tokens[position:position + count]
        inputs = {"input_ids": padded, "position_ids": np.arange(position, position + length)[None],
                  "write_indices": [position], "nonpad_kv_seqlen": [position + length], "logits_index": [count - 1]}
        logits = session.run(name, inputs)["logits"].reshape(-1)
        wanted = expected[position + count - 1]
        assert np.abs(logits - wanted).max() < 5e-3 * np.abs(wanted).max(), name
        assert session.statistics.cycles == all_entries.entries[name].cycles

    # The chunk's padding is overwritten; then the state goes from entry to entry.
    for name, position, count in [("prefill", 0, 7), ("decode16", 7, 1), ("extend", 8, 8), ("decode32", 16, 1),
                                  ("decode32", 17, 1)]:
        step(name, position, count)
