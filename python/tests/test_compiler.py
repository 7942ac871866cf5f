"""lpu.compile and lpu.check against onnxruntime, through lpu-compile."""

import lpu
import numpy as np
import onnx
import onnxruntime
import pytest
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
    with pytest.raises(lpu.CompileError, match="--target: unknown target 'tsp9', known targets: ft32, tiny, tsp1"):
        lpu.compile(path, target="tsp9")
    with pytest.raises(lpu.CompileError, match="none.onnx: No such file or directory"):
        lpu.check(tmp_path / "none.onnx")


def test_check(tmp_path):
    assert lpu.check(write_model(tmp_path / "m.onnx")) == []
    found = lpu.check(write_model(tmp_path / "e.onnx", "Erf"))
    assert [(item["operator"], item["count"], item["nodes"]) for item in found] == [("Erf", 1, ["last"])]
