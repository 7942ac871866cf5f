"""What runs a model's entries: the interface, and onnxruntime behind it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np


@dataclass(frozen=True)
class Entry:
    """A program for `sequence_len` tokens whose KV cache ends at or before `max_kv`."""

    name: str
    sequence_len: int
    max_kv: int


# The entries of the demo's binary (tools/demo.sh compiles these).
DEMO_ENTRIES = [Entry("prefill", 128, 128), Entry("extend", 128, 1024), Entry("decode256", 1, 256),
                Entry("decode1024", 1, 1024)]


class Session(Protocol):
    """A loaded model with its KV cache. `inputs` are the integer inputs of lpu.models.llama."""

    entries: list[Entry]

    def run(self, entry: Entry, inputs: dict[str, np.ndarray]) -> np.ndarray:
        """Runs one entry; returns the logits of row `logits_index`, [vocabulary] fp32."""
        ...

    def reset(self) -> None:
        """Empties the KV cache."""
        ...


class OnnxSession:
    """onnxruntime on a model that lpu.export wrote; the entries are only limits here."""

    def __init__(self, path: Path, entries: list[Entry] | None = None, threads: int = 0):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        # Fold DequantizeLinear of weights once, at load.
        options.add_session_config_entry("session.disable_quant_qdq", "1")
        self._ort = onnxruntime
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        shapes = {value.name: value.shape for value in self._session.get_inputs()}
        self._caches = {name: [1, *shape[1:]] for name, shape in shapes.items() if "_cache." in name}
        self.max_seq = next(iter(self._caches.values()))[1]
        self.entries = entries or DEMO_ENTRIES
        for entry in self.entries:
            if entry.max_kv > self.max_seq:
                raise ValueError(f"{path}: entry {entry.name}: expected max_kv to be at most {self.max_seq}, "
                                 f"got {entry.max_kv}")
        self.reset()

    def reset(self) -> None:
        self._state = {name: self._ort.OrtValue.ortvalue_from_numpy(np.zeros(shape, np.float32))
                       for name, shape in self._caches.items()}

    def run(self, entry: Entry, inputs: dict[str, np.ndarray]) -> np.ndarray:
        feeds = {name: self._ort.OrtValue.ortvalue_from_numpy(values) for name, values in inputs.items()}
        names = ["logits", *(f"updated_{name}" for name in self._caches)]
        logits, *caches = self._session.run_with_ort_values(names, {**feeds, **self._state})
        self._state = dict(zip(self._caches, caches, strict=True))
        return logits.numpy().reshape(-1)


def open_session(path: Path) -> Session:
    """A session for a model file, by its suffix. Errors: ValueError for another suffix, OSError for no such file."""
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file")
    if path.suffix == ".onnx":
        return OnnxSession(path)
    raise ValueError(f"{path}: expected a file .onnx, got {path.suffix or 'no suffix'}")
