"""KV caches in int8: the executor against the host level and against onnxruntime on the emitted model."""

import json
import subprocess
from dataclasses import replace

import lpu
import numpy as np
import onnx
import onnxruntime
import pytest
from lpu.agreement import cosine
from lpu.compiler import find_tool
from lpu.export import SMALL
from lpu.generation import Step, step_inputs
from lpu.models.checkpoint import random_checkpoint
from lpu.models.llama import export_llama
from lpu.session import Entry, ExecutorSession, OnnxSession
from onnx import TensorProto

POSITIONS = 48
# Sequences of runs that fill the cache in different ways, all over the same one.
STEPS = [("prefill", 5), *6 * [("decode", 1)], ("extend", 4), *6 * [("decode", 1)]]
ENTRIES = [f"prefill:sequence_len=5,nonpad_kv_seqlen:max={POSITIONS}",
           f"extend:sequence_len=4,nonpad_kv_seqlen:max={POSITIONS}",
           f"decode:sequence_len=1,nonpad_kv_seqlen:max={POSITIONS}"]


def calibration_tokens(path, count=POSITIONS):
    rng = np.random.default_rng(1)
    np.savez(path, input_ids=rng.integers(0, SMALL.vocabulary, (1, count)))
    return path


def compile_model(folder, checkpoint=SMALL, name="m", positions=POSITIONS, **options):
    """The model, its binary with int8 caches, and the model that lpu-compile emits for it."""
    model = folder / f"{name}.onnx"
    export_llama(random_checkpoint(checkpoint), model, positions, int8_weights=False)
    options = {"calibration": calibration_tokens(folder / "tokens.npz"), "target": "tsp1", "entry": ENTRIES, **options}
    lpu.compile(model, folder / f"{name}.lpu", dim={"batch": 1}, kv="int8",
                emit_quantized_onnx=folder / f"{name}.q.onnx", **options)
    return model, folder / f"{name}.lpu", folder / f"{name}.q.onnx"


def run_steps(session, entries, tokens, steps=STEPS):
    position, logits = 0, []
    for name, count in steps:
        step = Step(entries[name], position, count)
        logits.append(session.run(step.entry, step_inputs(step, tokens[position:position + count])))
        position += count
    return logits


def compare_steps(binary, model, least, steps=STEPS, seed=3):
    """Smallest cosine over the steps, and the executor's saturations."""
    executor, reference = ExecutorSession(binary), OnnxSession(model, [Entry("any", 1, 1)], optimise=False)
    entries = {entry.name: entry for entry in executor.entries}
    tokens = np.random.default_rng(seed).integers(0, SMALL.vocabulary, sum(count for _, count in steps))
    got, expected = (run_steps(session, entries, tokens, steps) for session in (executor, reference))
    worst = min(cosine(a, b) for a, b in zip(got, expected, strict=True))
    assert worst >= least, worst
    return worst, executor.saturations


# Heads that share keys, that are as wide as a vector allows, vectors that are not full; two formats of products.
SHAPES = [({"heads": 4, "kv_heads": 2, "head_size": 32}, {}), ({"heads": 6, "kv_heads": 3, "head_size": 64}, {}),
          ({"heads": 4, "kv_heads": 1, "head_size": 128, "bias": True}, {}),
          ({"heads": 4, "kv_heads": 4, "head_size": 32}, {"activations": "int8x2"}),
          ({"heads": 4, "kv_heads": 2, "head_size": 32, "hidden": 44}, {"weights": "fp16"}),
          ({"heads": 4, "kv_heads": 2, "head_size": 16}, {"weights": "fp16", "target": "ft32"})]


@pytest.mark.parametrize("sizes,formats", SHAPES, ids=str)
def test_the_executor_computes_the_emitted_model(tmp_path, sizes, formats):
    _, binary, emitted = compile_model(tmp_path, replace(SMALL, **sizes), **formats)
    # Weights that the emitted model has in fp32 are rounded to fp16, and so are all products.
    compare_steps(binary, emitted, 0.9998 if formats.get("weights") == "fp16" else 0.9999)


def test_long_caches_have_several_tiles(tmp_path):
    """330 positions: two vectors of scores, three windows of values in f16."""
    entries = [entry.replace(str(POSITIONS), "330") for entry in ENTRIES]
    _, binary, emitted = compile_model(tmp_path, positions=330, entry=entries)
    compare_steps(binary, emitted, 0.9999)


def test_many_keys_are_appended_as_columns(tmp_path):
    """Chunks of more keys than a row of groups takes, past the 320th position, and one at a time between them."""
    steps = [("prefill", 50), ("decode", 1), *6 * [("extend", 45)], ("decode", 1)]
    entries = [f"{name}:sequence_len={count},nonpad_kv_seqlen:max=330" for name, count in dict(steps).items()]
    sizes = replace(SMALL, kv_heads=4, head_size=32)
    _, binary, emitted = compile_model(tmp_path, sizes, positions=330, entry=entries,
                                       calibration=calibration_tokens(tmp_path / "more.npz", 330))
    compare_steps(binary, emitted, 0.9999, steps)


def test_many_rows(tmp_path):
    """A prefill whose keys are moved rather than spread, from any position on; decode reads what it wrote."""
    entries = ["prefill:sequence_len=96,nonpad_kv_seqlen:max=330", "decode:sequence_len=1,nonpad_kv_seqlen:max=330"]
    _, binary, emitted = compile_model(tmp_path, replace(SMALL, heads=6, kv_heads=3, head_size=64), positions=330,
                                       entry=entries, calibration=calibration_tokens(tmp_path / "many.npz", 192))
    compare_steps(binary, emitted, 0.9999, [("decode", 1), ("prefill", 96), ("decode", 1), ("prefill", 96), ("decode", 1)])


def test_int8_is_close_to_fp32_and_not_the_same(tmp_path):
    model, binary, emitted = compile_model(tmp_path)
    lpu.compile(model, tmp_path / "half.lpu", target="tsp1", dim={"batch": 1}, entry=ENTRIES,
                emit_quantized_onnx=tmp_path / "half.q.onnx", calibration=tmp_path / "tokens.npz")
    near, _ = compare_steps(binary, emitted, 0.9999)
    # The same weights, and caches in fp32: what int8 caches change can be seen, and is little.
    far, _ = compare_steps(binary, tmp_path / "half.q.onnx", 0.998)
    assert far < near


def test_caches_take_half_of_the_words(tmp_path):
    model, _, _ = compile_model(tmp_path, stats=tmp_path / "int8.json")
    lpu.compile(model, tmp_path / "half.lpu", target="tsp1", dim={"batch": 1}, entry=ENTRIES,
                calibration=tmp_path / "tokens.npz", stats=tmp_path / "fp16.json")
    states = {kv: json.loads((tmp_path / f"{kv}.json").read_text())["sram"]["by_kind"]["state"] for kv in ("int8", "fp16")}
    assert 2 * states["int8"] == states["fp16"]


def test_the_emitted_model_keeps_integers(tmp_path):
    model, binary, emitted = compile_model(tmp_path, calibration=None, activation_max=8)
    graph = onnx.load(emitted, load_external_data=False).graph
    onnx.checker.check_model(str(emitted))
    caches = {value.name for value in onnx.load(model, load_external_data=False).graph.input if "_cache." in value.name}
    assert len(caches) == 2 * SMALL.layers
    types = {value.name: value.type.tensor_type.elem_type for value in [*graph.input, *graph.output]}
    assert all(types[name] == types[f"updated_{name}"] == TensorProto.INT8 for name in caches)
    scatters = [node for node in graph.node if node.op_type == "TensorScatter"]
    producers = {output: node for node in graph.node for output in node.output}
    assert {node.input[0] for node in scatters} == caches
    for node in scatters:
        assert producers[node.input[1]].op_type == "QuantizeLinear"
        readers = {other.op_type for other in graph.node if node.output[0] in other.input}
        assert readers == {"DequantizeLinear"}
    # Compiled as it is, without --kv, it is the same program.
    lpu.compile(emitted, tmp_path / "again.lpu", target="tsp1", dim={"batch": 1}, entry=ENTRIES, activation_max=8,
                emit_quantized_onnx=tmp_path / "again.onnx")
    assert (tmp_path / "again.lpu").read_bytes() == binary.read_bytes()
    assert onnx.load(tmp_path / "again.onnx", load_external_data=False).graph.node == graph.node


def run_on_host(model, arrays, outputs, folder):
    """Outputs of `outputs` of one run of lpu-host, which runs the tensor level."""
    entry = ["--entry", "main:batch=1,sequence_len=1"] if model.suffix == ".onnx" else []
    command = [find_tool("lpu-host"), model, *entry]
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
        command += ["--input", f"{name}={folder / name}.npy"]
    for name in outputs:
        command += ["--output", f"{name}={folder / name}.out.npy"]
    subprocess.run(list(map(str, command)), check=True, capture_output=True)
    return {name: np.load(folder / f"{name}.out.npy") for name in outputs}


def test_the_host_level_keeps_the_same_integers(tmp_path):
    """Caches and logits of the host level, of onnxruntime and of the executor, token by token."""
    model, binary, emitted = compile_model(tmp_path)
    # What the compiler has, and what it emits, is the same.
    tensors = tmp_path / "m.mlir"
    subprocess.run([find_tool("lpu-compile"), model, "--entry", "main:batch=1,sequence_len=1", "--kv=int8",
                    f"--calibration={tmp_path / 'tokens.npz'}", "--compile-to=tensor", "-o", tensors], check=True)
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.disable_quant_qdq", "1")
    options.log_severity_level = 3
    reference = onnxruntime.InferenceSession(emitted, options, providers=["CPUExecutionProvider"])
    executor = ExecutorSession(binary)
    entry = next(entry for entry in executor.entries if entry.name == "decode")
    names = [value.name for value in reference.get_outputs()]
    states = {value.name: np.zeros([1, *value.shape[1:]], np.int8)
              for value in reference.get_inputs() if value.type == "tensor(int8)"}
    assert len(states) == 2 * SMALL.layers
    for position, token in enumerate([7, 3, 200, 11]):
        inputs = step_inputs(Step(entry, position, 1), [token])
        expected = dict(zip(names, reference.run(None, {**inputs, **states}), strict=True))
        got = run_on_host(emitted, {**inputs, **states}, names, tmp_path)
        same = run_on_host(tensors, {**inputs, **states}, names, tmp_path)
        for name in states:
            assert got[f"updated_{name}"].dtype == np.int8
            np.testing.assert_array_equal(got[f"updated_{name}"], same[f"updated_{name}"])
            found, wanted = (results[f"updated_{name}"][:, :position + 1].astype(int) for results in (got, expected))
            assert np.abs(found).max() > 30
            assert np.abs(found - wanted).max() <= 1 and (found != wanted).mean() < 0.01
        assert cosine(got["logits"].ravel(), expected["logits"].ravel()) > 0.999999
        assert cosine(executor.run(entry, inputs), got["logits"].ravel()) > 0.9999
        states = {name: expected[f"updated_{name}"] for name in states}


def test_saturations_are_counted(tmp_path):
    """Keys and values beyond their range: onnxruntime saturates as the executor does, which counts them."""
    _, binary, emitted = compile_model(tmp_path, calibration=None, activation_max=8)
    _, none = compare_steps(binary, emitted, 0.9999)
    assert not +none
    # Ranges of one calibration token are too small for others.
    tokens = calibration_tokens(tmp_path / "one.npz", 1)
    model, binary, emitted = compile_model(tmp_path, name="narrow", calibration=tokens,
                                           entry=[ENTRIES[-1]])
    _, some = compare_steps(binary, emitted, 0.999, [("decode", 1)] * 12)
    graph = onnx.load(model, load_external_data=False).graph
    caches = {node.name for node in graph.node if node.op_type == "TensorScatter"}
    assert caches & set(some) and sum(some[name] for name in caches) > 0
