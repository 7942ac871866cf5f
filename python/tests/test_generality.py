"""Language models of many shapes: ONNX file, compiler, verifier, executor, against onnxruntime on the same file."""

import itertools
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from lpu.agreement import cosine, same_token
from lpu.compiler import CompileError, compile
from lpu.export import SMALL
from lpu.generation import Step, step_inputs
from lpu.models.checkpoint import random_checkpoint
from lpu.models.llama import export_llama
from lpu.session import Entry, ExecutorSession, OnnxSession
from onnx import helper

FACTORS = {
    "head_size": [32, 64, 128],
    "heads": [(4, 4), (6, 3), (4, 1)],  # query and key heads
    "hidden": [64, 44, 333],  # 333: two vectors on tsp1, the second one of 13 lanes
    "layers": [1, 3],
    "vocabulary": [256, 1000],
    "bias": [False, True],
    "tied": [True, False],
    "epsilon": [1e-5, 1e-2],
    "shuffled": [False, True],  # nodes renamed and reordered
    "positions": [(32, 0), (330, 318)],  # of the cache; the first that is used. 330: two vectors of scores
}
# Every pair of values of two factors is in some row.
TABLE = [
    (128, (4, 1), 333, 3, 1000, True, False, 1e-5, False, (32, 0)),
    (64, (4, 1), 64, 1, 256, False, True, 1e-2, True, (330, 318)),
    (32, (4, 4), 44, 1, 1000, False, False, 1e-2, False, (330, 318)),
    (128, (6, 3), 44, 3, 256, True, True, 1e-2, True, (32, 0)),
    (32, (6, 3), 64, 1, 256, False, False, 1e-5, False, (32, 0)),
    (64, (4, 4), 333, 1, 1000, True, True, 1e-5, True, (32, 0)),
    (32, (6, 3), 333, 3, 256, False, True, 1e-2, False, (330, 318)),
    (64, (6, 3), 64, 3, 1000, True, False, 1e-5, False, (330, 318)),
    (128, (4, 4), 64, 1, 256, False, False, 1e-5, False, (330, 318)),
    (32, (4, 1), 44, 3, 1000, True, False, 1e-5, True, (32, 0)),
    (64, (4, 4), 44, 3, 256, True, True, 1e-2, True, (330, 318)),
]
ROWS = 5  # of a prefill


def test_every_pair_is_in_the_table():
    for (i, first), (j, second) in itertools.combinations(enumerate(FACTORS.values()), 2):
        assert {(row[i], row[j]) for row in TABLE} == set(itertools.product(first, second))


def shuffle_graph(path: Path, seed: int) -> None:
    """Gives every inner tensor and node another name and the nodes another order."""
    model = onnx.load(path, load_external_data=False)
    graph, rng = model.graph, random.Random(seed)
    interface = {value.name for value in [*graph.input, *graph.output]} | {""}
    tensors = [name for node in graph.node for name in [*node.input, *node.output]]
    inner = sorted(set(tensors) - interface)
    rng.shuffle(inner)
    names = {name: f"t{number}" for number, name in enumerate(inner)}
    for tensor in graph.initializer:
        tensor.name = names[tensor.name]
    for node in graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
    known = interface | {tensor.name for tensor in graph.initializer}
    known -= {name for node in graph.node for name in node.output}
    left, order = list(graph.node), []
    while left:
        node = rng.choice([node for node in left if known.issuperset(node.input)])
        left.remove(node)
        known.update(node.output)
        order.append(node)
    for number, node in enumerate(order):
        node.name = f"n{number}"
    initializers = list(reversed(graph.initializer))
    del graph.node[:], graph.initializer[:]
    graph.node.extend(order)
    graph.initializer.extend(initializers)
    onnx.save(model, path)
    onnx.checker.check_model(path)


def check_agreement(model: Path, binary: Path, steps: list[tuple[str, int]], first: int, least: float,
                    tokens_agree: bool = True) -> None:
    """Runs `steps`, names of entries with their tokens, from position `first` on; tokens agree where they are clear."""
    executor, reference = ExecutorSession(binary), OnnxSession(model, [Entry("any", 1, 1)], optimise=False)
    entries = {entry.name: entry for entry in executor.entries}
    most = executor.program.entries["decode"].integer_inputs["input_ids"].max
    tokens = np.random.default_rng(first).integers(0, most + 1, sum(count for _, count in steps))
    position = first
    for name, count in steps:
        step = Step(entries[name], position, count)
        inputs = step_inputs(step, tokens[position - first:position - first + count])
        got, expected = executor.run(step.entry, inputs), reference.run(reference.entries[0], inputs)
        assert cosine(got, expected) >= least, f"{name} at {position}"
        assert same_token(expected, got) or not tokens_agree, f"{name} at {position}"
        position += count
    assert not +executor.saturations


@pytest.mark.parametrize("row", TABLE, ids=lambda row: "-".join(map(str, row)).replace(" ", ""))
def test_language_model(tmp_path, row):
    sizes = dict(zip(FACTORS, row, strict=True))
    (heads, kv_heads), (max_seq, first) = sizes.pop("heads"), sizes.pop("positions")
    shuffled, model = sizes.pop("shuffled"), tmp_path / "m.onnx"
    export_llama(random_checkpoint(replace(SMALL, heads=heads, kv_heads=kv_heads, **sizes)), model, max_seq)
    if shuffled:
        shuffle_graph(model, seed=heads)
    # lpu-compile verifies; the session holds the executor's cycles against those promised.
    compile(model, tmp_path / "m.lpu", target="tsp1", dim={"batch": 1},
            entry=[f"prefill:sequence_len={ROWS},nonpad_kv_seqlen:max={max_seq}",
                   f"decode:sequence_len=1,nonpad_kv_seqlen:max={max_seq}"])
    check_agreement(model, tmp_path / "m.lpu", [("prefill", ROWS), *3 * [("decode", 1)]], first, 0.99999)


# Smallest cosine with onnxruntime on the same file; one limb is too little for the tokens.
FORMATS = [({"activations": "int8x1"}, True, 0.99), ({"activations": "int8x2"}, True, 0.99999),
           ({"weights": "int8", "activations": "int8x3"}, True, 0.999999), ({"weights": "fp16"}, True, 0.99999),
           ({"activations": "fp16"}, False, 0.99999)]


@pytest.mark.parametrize("formats,int8_weights,least", FORMATS, ids=str)
def test_formats(tmp_path, formats, int8_weights, least):
    """Weights that the file has in fp32 are exact enough in fp16."""
    model = tmp_path / "m.onnx"
    export_llama(random_checkpoint(replace(SMALL, hidden=333, bias=True)), model, 32, int8_weights)
    compile(model, tmp_path / "m.lpu", target="tsp1", dim={"batch": 1}, **formats,
            entry=[f"prefill:sequence_len={ROWS},nonpad_kv_seqlen:max=32", "decode:sequence_len=1,nonpad_kv_seqlen:max=32"])
    check_agreement(model, tmp_path / "m.lpu", [("prefill", ROWS), *3 * [("decode", 1)]], 0, least, least > 0.99)


def write_product(path: Path, operators: list[tuple[str, float | None]], k: int = 44, n: int = 40) -> None:
    """y = operators(x) W with int8 weights; an operator's constant is its second operand."""
    rng = np.random.default_rng(0)
    constants = {"w": rng.integers(-127, 128, (k, n)).astype(np.int8),
                 "scale": rng.uniform(0.005, 0.02, n).astype(np.float32)}
    nodes = []
    for number, (operator, constant) in enumerate(operators):
        inputs = [nodes[-1].output[0] if nodes else "x"]
        if constant is not None:
            constants[f"c{number}"] = np.float32(constant)
            inputs.append(f"c{number}")
        nodes.append(helper.make_node(operator, inputs, [f"v{number}"], name=f"v{number}"))
    nodes += [helper.make_node("DequantizeLinear", ["w", "scale"], ["weights"], name="weights", axis=1),
              helper.make_node("MatMul", [nodes[-1].output[0], "weights"], ["y"], name="proj")]
    graph = helper.make_graph(
        nodes, "product", [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["batch", k])],
        [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ["batch", n])],
        [onnx.numpy_helper.from_array(values, name) for name, values in constants.items()])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10), path)


def run_onnxruntime(path: Path, x: np.ndarray) -> np.ndarray:
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.disable_quant_qdq", "1")  # fold the weights, quantize nothing
    return onnxruntime.InferenceSession(path, options).run(["y"], {"x": x})[0]


# In lanes beyond the 44 columns x is zero: infinity, NaN, or out of range. `beyond` is so in the columns.
@pytest.mark.parametrize("operators,shift,beyond", [
    ([("Reciprocal", None)], 0, 0.01), ([("Log", None)], 0, 1e-9), ([("Add", 100)], -100, 1),
    ([("Log", None), ("Mul", 0)], 0, 0), ([("Sigmoid", None), ("Mul", 20)], -10, 10)], ids=str)
def test_only_columns_count(tmp_path, operators, shift, beyond):
    write_product(tmp_path / "m.onnx", operators)
    program = compile(tmp_path / "m.onnx", target="tsp1", entry="main:batch=2", activation_max=4)
    session = program.session()
    x = np.random.default_rng(1).uniform(0.5, 1.5, (2, 44)).astype(np.float32) + np.float32(shift)
    y = session.run("main", {"x": x})["y"]
    expected = run_onnxruntime(tmp_path / "m.onnx", x)
    assert np.abs(y - expected).max() < 2e-5
    assert session.statistics.saturations == {"proj": 0}
    x[1, 43] = beyond
    session.run("main", {"x": x})
    assert session.statistics.saturations == {"proj": 1}


@pytest.mark.parametrize("target", ["tiny", "ft32", "tsp1"])
def test_half_precision_product(tmp_path, target):
    """Beyond 44 columns 1 / x is infinite: times a weight of zero it would be NaN."""
    write_product(tmp_path / "m.onnx", [("Reciprocal", None)])
    session = compile(tmp_path / "m.onnx", target=target, entry="main:batch=2", weights="fp16").session()
    x = np.random.default_rng(1).uniform(0.5, 1.5, (2, 44)).astype(np.float32)
    y = session.run("main", {"x": x})["y"]
    expected = run_onnxruntime(tmp_path / "m.onnx", x)
    assert np.abs(y - expected).max() < 2e-3 * np.abs(expected).max()
    assert session.statistics.saturations == {"proj": 0}
    x[0, 7] = 1e-5  # 1 / x is 100,000
    assert np.isfinite(session.run("main", {"x": x})["y"]).all()
    assert session.statistics.saturations == {"proj": 1}


def test_weights_beyond_half_precision(tmp_path):
    write_product(tmp_path / "m.onnx", [("Neg", None)])
    model = onnx.load(tmp_path / "m.onnx")
    (scale,) = [tensor for tensor in model.graph.initializer if tensor.name == "scale"]
    scale.CopyFrom(onnx.numpy_helper.from_array(np.full(40, 600, np.float32), "scale"))
    onnx.save(model, tmp_path / "m.onnx")
    with pytest.raises(CompileError, match=r"proj: weight \[\d+, \d+\] is -?\d+.*beyond fp16, which ends at 65504: take --weights=int8"):
        compile(tmp_path / "m.onnx", target="tsp1", entry="main:batch=2", weights="fp16")
