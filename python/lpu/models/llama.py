"""The ONNX graph of a llama-like checkpoint: opset 24, static KV cache.

Inputs: `input_ids`, `position_ids` [batch, sequence_len]; `write_indices`,
`nonpad_kv_seqlen` [batch]; `logits_index` [1], the row whose logits are wanted;
`key_cache.I`, `value_cache.I` [batch, max_seq, kv_heads * head_size] fp32.
Outputs: `logits` [batch, 1, vocabulary], `updated_key_cache.I`,
`updated_value_cache.I`. A node has the name of its first output.
"""

import os
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper

from lpu.models.checkpoint import Checkpoint
from lpu.quantize import quantize

OPSET = 24
IR_VERSION = 11
ALIGNMENT = 64  # bytes, of each tensor in the external data


class _DataFile:
    """External data that appears under its name only when it is whole."""

    def __init__(self, path: Path):
        self.path = path
        self._part = path.with_name(path.name + ".part")
        self._file = open(self._part, "wb")

    def add(self, name: str, values: np.ndarray) -> TensorProto:
        values = np.ascontiguousarray(values)
        self._file.write(b"\0" * (-self._file.tell() % ALIGNMENT))
        tensor = TensorProto(name=name, data_type=helper.np_dtype_to_tensor_dtype(values.dtype), dims=values.shape,
                             data_location=TensorProto.EXTERNAL)
        for key, value in (("location", self.path.name), ("offset", self._file.tell()), ("length", values.nbytes)):
            tensor.external_data.add(key=key, value=str(value))
        self._file.write(values.data)
        return tensor

    def finish(self) -> None:
        self._file.close()
        os.replace(self._part, self.path)

    def abandon(self) -> None:
        self._file.close()
        self._part.unlink(missing_ok=True)


class _Graph:
    """Nodes and initializers of the model in the order of their use."""

    def __init__(self, checkpoint: Checkpoint, data: _DataFile, int8_weights: bool):
        self.checkpoint = checkpoint
        self.data = data
        self.int8_weights = int8_weights
        self.nodes: list = []
        self.initializers: list = []

    def constant(self, name: str, values: np.ndarray) -> str:
        self.initializers.append(self.data.add(name, values))
        return name

    def node(self, kind: str, inputs: list[str], output: str, **attributes) -> str:
        self.nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    def matrix(self, name: str, values: np.ndarray, axis: int) -> str:
        """A weight matrix, int8 with scales along `axis` or fp32."""
        if not self.int8_weights:
            return self.constant(name, values)
        quantized, scales = quantize(values, axis)
        inputs = [self.constant(f"{name}.quantized", quantized), self.constant(f"{name}.scale", scales)]
        return self.node("DequantizeLinear", inputs, name, axis=axis)

    def linear(self, x: str, name: str) -> str:
        weight = self.matrix(f"{name}.weight", self.checkpoint.weight(f"{name}.weight").T, axis=1)
        if not self.checkpoint.config.bias:
            return self.node("MatMul", [x, weight], name)
        product = self.node("MatMul", [x, weight], f"{name}.product")
        return self.node("Add", [product, self.constant(f"{name}.bias", self.checkpoint.weight(f"{name}.bias"))], name)

    def norm(self, x: str, name: str) -> str:
        weight = self.constant(f"{name}.weight", self.checkpoint.weight(f"{name}.weight"))
        return self.node("RMSNormalization", [x, weight], name, axis=-1, epsilon=self.checkpoint.config.epsilon)

    def attention(self, x: str, layer: int) -> str:
        config, prefix = self.checkpoint.config, f"layers.{layer}."
        rotated = {}
        for kind, heads in (("q", config.heads), ("k", config.kv_heads)):
            rotated[kind] = self.node("RotaryEmbedding",
                                      [self.linear(x, f"{prefix}{kind}_proj"), "rotary.cos", "rotary.sin",
                                       "position_ids"], f"{prefix}{kind}_rotated", num_heads=heads)
        value = self.linear(x, f"{prefix}v_proj")
        caches = [self.node("TensorScatter", [f"{kind}_cache.{layer}", new, "write_indices"],
                            f"updated_{kind}_cache.{layer}", axis=1)
                  for kind, new in (("key", rotated["k"]), ("value", value))]
        attended = self.node("Attention", [rotated["q"], *caches, "", "", "", "nonpad_kv_seqlen"],
                             f"{prefix}attention", q_num_heads=config.heads, kv_num_heads=config.kv_heads,
                             is_causal=1, scale=float(config.head_size) ** -0.5)
        return self.linear(attended, f"{prefix}o_proj")

    def feed_forward(self, x: str, layer: int) -> str:
        prefix = f"layers.{layer}."
        gate = self.linear(x, f"{prefix}gate_proj")
        gate = self.node("Mul", [gate, self.node("Sigmoid", [gate], f"{prefix}sigmoid")], f"{prefix}silu")
        product = self.node("Mul", [gate, self.linear(x, f"{prefix}up_proj")], f"{prefix}gated")
        return self.linear(product, f"{prefix}down_proj")

    def model(self, max_seq: int) -> None:
        config = self.checkpoint.config
        cos, sin = rotary_tables(config.head_size, config.theta, max_seq)
        self.constant("rotary.cos", cos)
        self.constant("rotary.sin", sin)
        table = self.matrix("embed_tokens.weight", self.checkpoint.weight("embed_tokens.weight"), axis=0)
        x = self.node("Gather", [table, "input_ids"], "embed_tokens", axis=0)
        for layer in range(config.layers):
            prefix = f"layers.{layer}."
            attended = self.attention(self.norm(x, f"{prefix}input_norm"), layer)
            x = self.node("Add", [x, attended], f"{prefix}attention_residual")
            forward = self.feed_forward(self.norm(x, f"{prefix}post_attention_norm"), layer)
            x = self.node("Add", [x, forward], f"{prefix}residual")
        x = self.node("Gather", [x, "logits_index"], "logits_row", axis=1)
        x = self.norm(x, "final_norm")
        if config.tied:
            head = self.node("Transpose", [table], "lm_head.weight", perm=[1, 0])
        else:
            head = self.matrix("lm_head.weight", self.checkpoint.weight("lm_head.weight").T, axis=1)
        self.node("MatMul", [x, head], "logits")


def rotary_tables(head_size: int, theta: float, positions: int) -> tuple[np.ndarray, np.ndarray]:
    """cos and sin, [positions, head_size / 2] fp32, computed in fp64."""
    inverse = theta ** (-np.arange(0, head_size, 2, dtype=np.float64) / head_size)
    angles = np.outer(np.arange(positions), inverse)
    return np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)


def _interface(checkpoint: Checkpoint, max_seq: int) -> tuple[list, list]:
    config, sequence = checkpoint.config, ["batch", "sequence_len"]
    cache = ["batch", max_seq, config.kv_heads * config.head_size]
    integers = {"input_ids": sequence, "position_ids": sequence, "write_indices": ["batch"],
                "nonpad_kv_seqlen": ["batch"], "logits_index": [1]}
    inputs = [helper.make_tensor_value_info(name, TensorProto.INT64, shape) for name, shape in integers.items()]
    outputs = [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 1, config.vocabulary])]
    for layer in range(config.layers):
        for kind in ("key", "value"):
            name = f"{kind}_cache.{layer}"
            inputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, cache))
            outputs.append(helper.make_tensor_value_info(f"updated_{name}", TensorProto.FLOAT, cache))
    return inputs, outputs


def export_llama(checkpoint: Checkpoint, path: Path, max_seq: int, int8_weights: bool = True) -> None:
    """Writes `path` and, beside it, `path`.data; both appear only when they are whole.

    Errors: ValueError when max_seq is outside 1 to the checkpoint's context.
    """
    config = checkpoint.config
    if not 1 <= max_seq <= config.context:
        raise ValueError(f"expected max_seq from 1 to {config.context}, got {max_seq}")
    path.parent.mkdir(parents=True, exist_ok=True)
    data = _DataFile(path.with_name(path.name + ".data"))
    try:
        graph = _Graph(checkpoint, data, int8_weights)
        graph.model(max_seq)
        inputs, outputs = _interface(checkpoint, max_seq)
        model = helper.make_model(helper.make_graph(graph.nodes, "llama", inputs, outputs, graph.initializers),
                                  opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION,
                                  producer_name="lpu.export")
    except BaseException:
        data.abandon()
        raise
    data.finish()
    part = path.with_name(path.name + ".part")
    part.write_bytes(model.SerializeToString())
    os.replace(part, path)
    onnx.checker.check_model(str(path), full_check=True)
