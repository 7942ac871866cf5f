"""lpu-compile --emit-quantized-onnx: the emitted weights against docs/Compiler.md, computed here, and its run against the executor."""

import subprocess

import lpu
import numpy as np
import onnx
import onnxruntime
import pytest
from lpu.compare import compare
from lpu.export import SMALL
from lpu.models.checkpoint import random_checkpoint
from lpu.models.llama import export_llama
from onnx import TensorProto, helper, numpy_helper

ENTRIES = ["decode:batch=1,sequence_len=1,nonpad_kv_seqlen:max=16", "chunk:batch=1,sequence_len=4"]


def int8(weight, axis):
    """What docs/Compiler.md says of weights in int8: integers and scales along `axis`."""
    columns = np.moveaxis(np.asarray(weight, np.float32), axis, 0)
    scales = np.array([np.float32(np.abs(column).max()) / np.float32(127) or np.float32(1) for column in columns])
    integers = np.stack([np.rint(column / scale) for column, scale in zip(columns, scales, strict=True)])
    return np.moveaxis(np.clip(integers, -127, 127), 0, axis).astype(np.int8), scales


def arrays(path):
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in onnx.load(path).graph.initializer}


def products(model):
    """Axis of the columns of every float matrix that a MatMul takes, as it is or through a Transpose."""
    turned = {node.output[0]: node.input[0] for node in model.graph.node if node.op_type == "Transpose"}
    constants = {tensor.name for tensor in model.graph.initializer}
    found = {}
    for node in model.graph.node:
        if node.op_type == "MatMul":
            name = node.input[1]
            axis = 1 if name in constants else 0
            found[name if axis else turned[name]] = axis
    return found


def check_weights(model_path, emitted_path):
    """Every product has the integers and scales that NumPy finds, everything else is as it was. Returns how many."""
    model, emitted = onnx.load(model_path), onnx.load(emitted_path)
    onnx.checker.check_model(str(emitted_path))
    before, after = arrays(model_path), arrays(emitted_path)
    constants = {tensor.name for tensor in model.graph.initializer}
    given = [value for value in model.graph.input if value.name not in constants]
    assert list(emitted.graph.input) == given and emitted.graph.output == model.graph.output
    axes = products(model)
    made = {node.output[0]: node for node in emitted.graph.node if node.op_type == "DequantizeLinear"}
    assert set(made) == set(axes)
    for name, axis in axes.items():
        integers, scales = (after.pop(part) for part in made[name].input)
        expected, expected_scales = int8(before.pop(name), axis)
        assert helper.get_node_attr_value(made[name], "axis") == axis
        assert (integers.dtype, scales.dtype) == (np.int8, np.float32)
        np.testing.assert_array_equal(scales, expected_scales, name)
        np.testing.assert_array_equal(integers, expected, name)
    # The nodes of the model follow unchanged, and so do its other constants.
    assert list(emitted.graph.node)[len(made):] == list(model.graph.node)
    assert before.keys() == after.keys()
    for name, value in before.items():
        np.testing.assert_array_equal(after[name], value)
    return len(axes)


@pytest.fixture(scope="module")
def language_model(tmp_path_factory):
    """A tied float model with its data beside it, the emitted model and the binary."""
    folder = tmp_path_factory.mktemp("float")
    export_llama(random_checkpoint(SMALL), folder / "m.onnx", 32, int8_weights=False)
    program = lpu.compile(folder / "m.onnx", folder / "m.lpu", target="tsp1", entry=ENTRIES, activation_max=8,
                          emit_quantized_onnx=folder / "q.onnx")
    return folder, program


def test_a_language_model_has_the_compiler_s_weights(language_model):
    folder, _ = language_model
    # Seven matrices a layer, and the table that is embedding and head.
    assert check_weights(folder / "m.onnx", folder / "q.onnx") == 7 * SMALL.layers + 1
    assert (folder / "q.onnx.data").stat().st_size < 0.4 * (folder / "m.onnx.data").stat().st_size
    external = [t for t in onnx.load(folder / "q.onnx", load_external_data=False).graph.initializer if t.external_data]
    assert {entry.value for t in external for entry in t.external_data if entry.key == "location"} == {"q.onnx.data"}


@pytest.mark.parametrize("entry", ["decode", "chunk"])
def test_the_emitted_model_is_the_reference_of_the_binary(language_model, entry):
    folder, program = language_model
    differences = compare(folder / "q.onnx", program, entry, steps=4)
    assert differences and all(d.cosine > 0.99999 for d in differences), differences
    # The float model is not: what int8 changes can be seen.
    assert min(d.cosine for d in compare(folder / "m.onnx", program, entry, steps=4)) < 0.99995


def test_the_emitted_model_compiles_to_the_same_bytes(language_model, tmp_path):
    folder, _ = language_model
    lpu.compile(folder / "q.onnx", tmp_path / "q.lpu", target="tsp1", entry=ENTRIES, activation_max=8,
                emit_quantized_onnx=tmp_path / "again.onnx")
    assert (tmp_path / "q.lpu").read_bytes() == (folder / "m.lpu").read_bytes()
    # What is int8 already stays as it is.
    before, after = arrays(folder / "q.onnx"), arrays(tmp_path / "again.onnx")
    assert before.keys() == after.keys() and all((before[name] == after[name]).all() for name in before)


def write_model(path, opset=21, both_ways=False, infinite=False):
    """y = (x W1 + b) W2^T W3, with constants in every form: raw, typed and external, small and large."""
    rng = np.random.default_rng(5)
    w1, w3 = (rng.standard_normal(shape).astype(np.float32) for shape in ((8, 40), (2, 2)))
    w1[:, 3] = 0
    w1[2, 5] = np.inf if infinite else w1[2, 5]
    w2 = w1 if both_ways else rng.standard_normal((2, 40)).astype(np.float32)
    second = "w1" if both_ways else "w2"
    nodes = [helper.make_node("MatMul", ["x", "w1"], ["p"]), helper.make_node("Add", ["p", "b"], ["s"]),
             helper.make_node("Transpose", [second], ["t"], perm=[1, 0]), helper.make_node("MatMul", ["s", "t"], ["u"])]
    nodes += [] if both_ways else [helper.make_node("MatMul", ["u", "w3"], ["y"])]
    # Names that the emitted model would take for itself.
    typed = helper.make_tensor("w2", TensorProto.FLOAT, w2.shape, w2.ravel().tolist())
    bias = numpy_helper.from_array(rng.standard_normal(40).astype(np.float32), "b")
    constants = [numpy_helper.from_array(w1, "w1"), bias]
    constants += [] if both_ways else [typed, numpy_helper.from_array(w3, "w3"),
                                       numpy_helper.from_array(np.zeros(3, np.int64), "w1_int8")]
    info = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [3, 8]),
            helper.make_tensor_value_info("w1", TensorProto.FLOAT, [8, 40])]  # an input that has a value
    result, size = ("u", 8) if both_ways else ("y", 2)
    graph = helper.make_graph(nodes, "g", info, [helper.make_tensor_value_info(result, TensorProto.FLOAT, [3, size])],
                              constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8), path)
    return path


def test_constants_of_every_form(tmp_path):
    path, emitted = write_model(tmp_path / "m.onnx"), tmp_path / "q.onnx"
    program = lpu.compile(path, target="tiny", activation_max=64, emit_quantized_onnx=emitted)
    assert check_weights(path, emitted) == 3
    assert not (tmp_path / "q.onnx.data").exists()  # nothing is larger than a KiB
    x = np.random.default_rng(6).standard_normal((3, 8)).astype(np.float32)
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.disable_quant_qdq", "1")
    session = onnxruntime.InferenceSession(str(emitted), options, providers=["CPUExecutionProvider"])
    (expected,), y = session.run(["y"], {"x": x}), program.session().run("main", {"x": x})["y"]
    assert y.ravel() @ expected.ravel() / np.linalg.norm(y) / np.linalg.norm(expected) > 0.99999


def test_external_data_moves_along(tmp_path):
    path = write_model(tmp_path / "m.onnx")
    onnx.save(onnx.load(path), path, save_as_external_data=True, location="weights.bin", size_threshold=0)
    (tmp_path / "out").mkdir()
    lpu.compile(path, target="tiny", activation_max=64, emit_quantized_onnx=tmp_path / "out" / "q.onnx")
    assert check_weights(path, tmp_path / "out" / "q.onnx") == 3


@pytest.mark.parametrize("model,file,message", [
    ({"opset": 12}, "q.onnx", "{0}/m.onnx: expected opset 13 or later, which has scales along an axis, got 12"),
    ({"both_ways": True}, "q.onnx", "initializer 'w1': products take it as it is and transposed: expected scales along one axis"),
    ({}, "m.onnx", "{0}/m.onnx: expected another file to write than {0}/m.onnx"),
    ({}, "none/q.onnx", "{0}/none/q.onnx: cannot create: No such file or directory"),
])
def test_errors_leave_nothing(tmp_path, model, file, message):
    path = write_model(tmp_path / "m.onnx", **model)
    content = path.read_bytes()
    with pytest.raises(lpu.CompileError) as error:
        lpu.compile(path, tmp_path / "m.lpu", target="tiny", activation_max=64, emit_quantized_onnx=tmp_path / file)
    assert str(error.value) == "lpu-compile: --emit-quantized-onnx: " + message.format(tmp_path)
    assert list(tmp_path.iterdir()) == [path] and path.read_bytes() == content


def test_weights_that_are_not_finite(tmp_path):
    path = write_model(tmp_path / "m.onnx", infinite=True)
    with pytest.raises(lpu.CompileError, match=r"error: w1: expected finite weights, got inf at element 85"):
        lpu.compile(path, tmp_path / "m.lpu", target="tiny", activation_max=64, weights="int8")


def test_both_ways_compiles_with_weights_for_each(tmp_path):
    path = write_model(tmp_path / "m.onnx", both_ways=True)
    x = np.random.default_rng(7).standard_normal((3, 8)).astype(np.float32)
    y = lpu.compile(path, target="tiny", activation_max=64).session().run("main", {"x": x})["u"]
    constants = arrays(path)
    (w, scales), (v, turned_scales) = int8(constants["w1"], 1), int8(constants["w1"], 0)
    expected = (x @ (w * scales) + constants["b"]) @ (v * turned_scales[:, None]).T
    np.testing.assert_allclose(y, expected, atol=1e-4 * np.abs(expected).max())


def test_a_level_that_has_no_weights_yet(tmp_path):
    path = write_model(tmp_path / "m.onnx")
    tool = [str(lpu.compiler.find_tool("lpu-compile")), str(path), "--quiet", f"--emit-quantized-onnx={tmp_path}/q.onnx"]
    run = subprocess.run([*tool, "--compile-to=onnx"], capture_output=True, text=True)
    assert (run.returncode, run.stderr) == (1, "lpu-compile: --emit-quantized-onnx: expected --compile-to=tensor or a "
                                               "later level, got onnx\n")
    run = subprocess.run([*tool, "--compile-to=tensor", "-o", str(tmp_path / "m.mlir")], capture_output=True, text=True)
    assert run.returncode == 0 and "int8_axis" in (tmp_path / "m.mlir").read_text()
    assert check_weights(path, tmp_path / "q.onnx") == 3
