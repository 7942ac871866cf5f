"""A llama-like model in NumPy, fp64 inside: the judge of the exported graph. Not fast."""

import numpy as np

from lpu.models.checkpoint import Checkpoint
from lpu.models.llama import rotary_tables
from lpu.quantize import dequantize, quantize


class Reference:
    """One sequence. `int8_weights` rounds matrices as the exporter does."""

    def __init__(self, checkpoint: Checkpoint, max_seq: int, int8_weights: bool = True):
        self.config = checkpoint.config
        self.cos, self.sin = rotary_tables(self.config.head_size, self.config.theta, max_seq)
        self.weights = {}
        for name in checkpoint.names():
            weight = checkpoint.weight(name)
            if int8_weights and weight.ndim == 2:
                weight = dequantize(*quantize(weight, axis=0), axis=0)  # rows are output channels
            self.weights[name] = weight.astype(np.float64)

    def _norm(self, x: np.ndarray, name: str) -> np.ndarray:
        return x / np.sqrt((x * x).mean(-1, keepdims=True) + self.config.epsilon) * self.weights[f"{name}.weight"]

    def _linear(self, x: np.ndarray, name: str) -> np.ndarray:
        return x @ self.weights[f"{name}.weight"].T + self.weights.get(f"{name}.bias", 0)

    def _rotate(self, x: np.ndarray) -> np.ndarray:
        """x: [positions, heads, head_size]."""
        first, second = np.split(x, 2, axis=-1)
        cos, sin = self.cos[: len(x), None], self.sin[: len(x), None]
        return np.concatenate([first * cos - second * sin, first * sin + second * cos], axis=-1)

    def _attention(self, x: np.ndarray, prefix: str) -> np.ndarray:
        config, rows = self.config, len(x)
        q = self._rotate(self._linear(x, f"{prefix}q_proj").reshape(rows, config.heads, -1))
        k = self._rotate(self._linear(x, f"{prefix}k_proj").reshape(rows, config.kv_heads, -1))
        v = self._linear(x, f"{prefix}v_proj").reshape(rows, config.kv_heads, -1)
        k, v = (np.repeat(t, config.heads // config.kv_heads, axis=1) for t in (k, v))
        scores = np.einsum("qhd,khd->hqk", q, k) / np.sqrt(config.head_size)
        scores = np.where(np.tril(np.ones((rows, rows), dtype=bool)), scores, -np.inf)
        scores = np.exp(scores - scores.max(-1, keepdims=True))
        scores /= scores.sum(-1, keepdims=True)
        return self._linear(np.einsum("hqk,khd->qhd", scores, v).reshape(rows, -1), f"{prefix}o_proj")

    def logits(self, tokens: list[int]) -> np.ndarray:
        """[len(tokens), vocabulary]: the logits after each token, the whole sequence at once."""
        x = self.weights["embed_tokens.weight"][np.asarray(tokens)]
        for layer in range(self.config.layers):
            prefix = f"layers.{layer}."
            x = x + self._attention(self._norm(x, f"{prefix}input_norm"), prefix)
            normed = self._norm(x, f"{prefix}post_attention_norm")
            gate = self._linear(normed, f"{prefix}gate_proj")
            gated = gate / (1 + np.exp(-gate)) * self._linear(normed, f"{prefix}up_proj")
            x = x + self._linear(gated, f"{prefix}down_proj")
        head = self.weights.get("lm_head.weight", self.weights["embed_tokens.weight"])
        return self._norm(x, "final_norm") @ head.T
