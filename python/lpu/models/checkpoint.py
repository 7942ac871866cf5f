"""Sizes and weights of a llama-like model, from a GGUF file or at random."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

# GGUF's name of a matrix in a layer -> ours. Matrices are [outputs, inputs].
LAYER_MATRICES = {
    "attn_q": "q_proj",
    "attn_k": "k_proj",
    "attn_v": "v_proj",
    "attn_output": "o_proj",
    "ffn_gate": "gate_proj",
    "ffn_up": "up_proj",
    "ffn_down": "down_proj",
}
LAYER_NORMS = {"attn_norm": "input_norm", "ffn_norm": "post_attention_norm"}


@dataclass(frozen=True)
class Config:
    """Sizes of a model; the names are those of the field."""

    hidden: int
    intermediate: int
    layers: int
    heads: int
    kv_heads: int
    head_size: int
    vocabulary: int
    epsilon: float = 1e-5
    theta: float = 10000.0
    context: int = 2048
    bias: bool = False
    tied: bool = True

    def __post_init__(self) -> None:
        for name in ("hidden", "intermediate", "layers", "heads", "kv_heads", "head_size", "vocabulary", "context"):
            if getattr(self, name) < 1:
                raise ValueError(f"expected {name} to be at least 1, got {getattr(self, name)}")
        if self.heads % self.kv_heads:
            raise ValueError(f"expected heads to be a multiple of kv_heads, got {self.heads} and {self.kv_heads}")
        if self.head_size % 2:
            raise ValueError(f"expected an even head_size, got {self.head_size}")

    def matrix_shape(self, name: str) -> tuple[int, int]:
        """[outputs, inputs] of a matrix of a layer."""
        queries, keys = self.heads * self.head_size, self.kv_heads * self.head_size
        return {
            "q_proj": (queries, self.hidden),
            "k_proj": (keys, self.hidden),
            "v_proj": (keys, self.hidden),
            "o_proj": (self.hidden, queries),
            "gate_proj": (self.intermediate, self.hidden),
            "up_proj": (self.intermediate, self.hidden),
            "down_proj": (self.hidden, self.intermediate),
        }[name]


class Checkpoint:
    """A config and fp32 weights, each made when asked for.

    Names: `embed_tokens.weight`, `final_norm.weight`, `lm_head.weight` (when not
    tied), `layers.I.NAME.weight` and, in models with biases, `layers.I.NAME.bias`.
    The rotary halves of Q and K are (first half, second half), as in ONNX's
    RotaryEmbedding with interleaved = 0.
    """

    def __init__(self, config: Config, weights: dict[str, Callable[[], np.ndarray]], metadata: dict | None = None):
        self.config = config
        self.metadata = metadata or {}
        self._weights = weights

    def weight(self, name: str) -> np.ndarray:
        return np.ascontiguousarray(self._weights[name](), dtype=np.float32)

    def names(self) -> list[str]:
        return list(self._weights)


def random_checkpoint(config: Config, seed: int = 0) -> Checkpoint:
    """Weights of a size that keeps activations near one; the same seed gives the same weights."""
    shapes: dict[str, tuple[int, ...]] = {"embed_tokens.weight": (config.vocabulary, config.hidden),
                                          "final_norm.weight": (config.hidden,)}
    if not config.tied:
        shapes["lm_head.weight"] = (config.vocabulary, config.hidden)
    for layer in range(config.layers):
        prefix = f"layers.{layer}."
        for norm in LAYER_NORMS.values():
            shapes[f"{prefix}{norm}.weight"] = (config.hidden,)
        for matrix in LAYER_MATRICES.values():
            shape = config.matrix_shape(matrix)
            shapes[f"{prefix}{matrix}.weight"] = shape
            if config.bias:
                shapes[f"{prefix}{matrix}.bias"] = shape[:1]

    def make(index: int, name: str, shape: tuple[int, ...]) -> np.ndarray:
        values = np.random.default_rng([seed, index]).standard_normal(shape)
        if name.endswith("norm.weight"):
            return 1 + 0.1 * values
        if name.endswith(".bias"):
            return 0.1 * values
        return values / np.sqrt(shape[1])

    return Checkpoint(config, {name: lambda i=index, n=name, s=shape: make(i, n, s)
                               for index, (name, shape) in enumerate(shapes.items())})


def _split_rotary_halves(weight: np.ndarray, heads: int) -> np.ndarray:
    """Undoes GGUF's interleaving of rotary pairs: rows (2i, 2i + 1) of a head go to (i, i + half)."""
    rows = weight.shape[0]
    return weight.reshape(heads, rows // heads // 2, 2, -1).swapaxes(1, 2).reshape(weight.shape)


def _metadata_of(reader) -> dict:
    return {name: field.contents() for name, field in reader.fields.items() if not name.startswith("GGUF.")}


def read_metadata(path: Path) -> dict:
    """The keys of a GGUF file: sizes, tokenizer, chat template."""
    from gguf import GGUFReader

    return _metadata_of(GGUFReader(str(path)))


def _config_of(metadata: dict, tensors: dict) -> Config:
    architecture = metadata.get("general.architecture")
    if architecture != "llama":
        raise ValueError(f"expected general.architecture llama, got {architecture}")

    def get(key: str, default=None):
        value = metadata.get(f"llama.{key}", default)
        if value is None:
            raise ValueError(f"expected the key llama.{key}, got none")
        return value

    hidden, heads = get("embedding_length"), get("attention.head_count")
    return Config(
        hidden=hidden,
        intermediate=get("feed_forward_length"),
        layers=get("block_count"),
        heads=heads,
        kv_heads=get("attention.head_count_kv", heads),
        head_size=get("rope.dimension_count", hidden // heads),
        vocabulary=int(tensors["token_embd.weight"].shape[1]),
        # Stored as fp32: 9.999999747378752e-06 means 1e-5.
        epsilon=float(f"{get('attention.layer_norm_rms_epsilon'):.6g}"),
        theta=float(get("rope.freq_base", 10000.0)),
        context=get("context_length"),
        bias="blk.0.attn_q.bias" in tensors,
        tied="output.weight" not in tensors,
    )


def read_gguf(path: Path) -> Checkpoint:
    """A GGUF file of the llama architecture; tensors are dequantised to fp32 when asked for."""
    from gguf import GGUFReader
    from gguf.quants import dequantize

    reader = GGUFReader(str(path))
    tensors = {tensor.name: tensor for tensor in reader.tensors}
    if "token_embd.weight" not in tensors:
        raise ValueError(f"{path}: expected a tensor token_embd.weight, got none")
    metadata = _metadata_of(reader)
    config = _config_of(metadata, tensors)

    def load(name: str, rotary_heads: int = 0) -> np.ndarray:
        tensor = tensors[name]
        shape = [int(size) for size in tensor.shape[::-1]]  # GGUF lists the fastest dimension first
        values = dequantize(tensor.data, tensor.tensor_type).reshape(shape)
        return _split_rotary_halves(values, rotary_heads) if rotary_heads else values

    names = {"embed_tokens.weight": ("token_embd.weight", 0), "final_norm.weight": ("output_norm.weight", 0)}
    if not config.tied:
        names["lm_head.weight"] = ("output.weight", 0)
    rotary_heads = {"attn_q": config.heads, "attn_k": config.kv_heads}
    for layer in range(config.layers):
        for theirs, ours in {**LAYER_NORMS, **LAYER_MATRICES}.items():
            for part in ("weight", "bias"):
                source = f"blk.{layer}.{theirs}.{part}"
                if part == "weight" or source in tensors:
                    names[f"layers.{layer}.{ours}.{part}"] = (source, rotary_heads.get(theirs, 0))
    for source, _ in names.values():
        if source not in tensors:
            raise ValueError(f"{path}: expected a tensor {source}, got none")
    return Checkpoint(config, {ours: lambda n=source, h=heads: load(n, h)
                               for ours, (source, heads) in names.items()}, metadata)
