"""What runs a model's entries: the interface, with onnxruntime or the executor behind it."""

import time
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from lpu.runtime import RuntimeSession


@dataclass(frozen=True)
class Entry:
    """A program for `sequence_len` tokens whose KV cache ends at or before `max_kv`.

    `cost` compares the runs of a model's entries, in any unit.
    """

    name: str
    sequence_len: int
    max_kv: int
    cost: int = 1


# Entries for a model that has none of its own; a chunk of 128 costs a few decodes.
DEMO_ENTRIES = [Entry("prefill", 128, 128, 3), Entry("extend", 128, 1024, 3), Entry("decode256", 1, 256),
                Entry("decode1024", 1, 1024)]


CACHE_TYPES = {"tensor(float)": np.float32, "tensor(int8)": np.int8}
INTEGER_INPUTS = {"input_ids", "position_ids", "write_indices", "nonpad_kv_seqlen", "logits_index"}


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
    """onnxruntime on a model that lpu.export wrote; the entries are only limits here.

    `optimise` folds the dequantisation of weights once, at load; without it every
    node runs as it stands in the file.
    """

    def __init__(self, path: Path, entries: list[Entry] | None = None, threads: int = 0, optimise: bool = True):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        if not optimise:
            options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        # Else its optimiser would quantise activations beside quantised weights.
        options.add_session_config_entry("session.disable_quant_qdq", "1")
        self._ort = onnxruntime
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        # As the model has them: fp32, or int8 that it quantises and dequantises itself.
        self._caches = {value.name: np.zeros([1, *value.shape[1:]], CACHE_TYPES[value.type])
                        for value in self._session.get_inputs() if "_cache." in value.name}
        first = next(iter(self._caches.values()))
        self.max_seq, self.cache_type = first.shape[1], str(first.dtype)
        self.entries = entries or [replace(entry, max_kv=min(entry.max_kv, self.max_seq)) for entry in DEMO_ENTRIES]
        for entry in self.entries:
            if entry.max_kv > self.max_seq:
                raise ValueError(f"{path}: entry {entry.name}: expected max_kv to be at most {self.max_seq}, "
                                 f"got {entry.max_kv}")
        self.reset()

    def reset(self) -> None:
        self._state = {name: self._ort.OrtValue.ortvalue_from_numpy(zeros.copy()) for name, zeros in self._caches.items()}

    def run(self, entry: Entry, inputs: dict[str, np.ndarray]) -> np.ndarray:
        feeds = {name: self._ort.OrtValue.ortvalue_from_numpy(values) for name, values in inputs.items()}
        names = ["logits", *(f"updated_{name}" for name in self._caches)]
        logits, *caches = self._session.run_with_ort_values(names, {**feeds, **self._state})
        self._state = dict(zip(self._caches, caches, strict=True))
        return logits.numpy().reshape(-1)


@dataclass
class Totals:
    """What the runs of one entry did."""

    runs: int = 0
    tokens: int = 0
    seconds: float = 0
    saturations: Counter[str] = field(default_factory=Counter)  # by what saturated


def describe_entry(program_entry) -> Entry | None:
    """The Entry of a binary's `lpu.Entry`; None where its interface is another one.

    Its integer inputs are those of lpu.models.llama, for one sequence, and it
    gives `logits`; caches are state. `input_ids` tells sequence_len. The KV cache
    ends where the bound of `nonpad_kv_seqlen` is; and before the bound of
    `position_ids`, since no position beyond has a row in the rotary tables.
    """
    inputs = program_entry.integer_inputs
    if program_entry.inputs or set(inputs) != INTEGER_INPUTS or list(program_entry.outputs) != ["logits"]:
        return None
    batch, length = inputs["input_ids"].shape
    ends = [bound + beyond for name, beyond in (("nonpad_kv_seqlen", 0), ("position_ids", 1))
            if (bound := inputs[name].max) is not None]
    if batch != 1 or not ends:
        return None
    return Entry(program_entry.name, length, min(ends), program_entry.cycles)


class ExecutorSession:
    """A compiled binary on the reference executor, every hazard checked in every run."""

    def __init__(self, source: "Path | RuntimeSession"):
        """`source` is a binary, or a session of one that goes on with its state."""
        from lpu.runtime import RuntimeSession, load

        self._session = source if isinstance(source, RuntimeSession) else load(source).session()
        self.program = self._session.program
        described = {name: describe_entry(entry) for name, entry in self.program.entries.items()}
        self.entries = [entry for entry in described.values() if entry]
        if not any(entry.sequence_len == 1 for entry in self.entries):
            raise ValueError(f"{self.program.path}: expected an entry with the integer inputs {', '.join(sorted(INTEGER_INPUTS))}, "
                             "batch 1, sequence_len 1, nonpad_kv_seqlen bounded, and the output logits; got entries "
                             f"{', '.join(described)}")
        self.totals = {entry.name: Totals() for entry in self.entries}

    def reset(self) -> None:
        self._session.reset()

    @property
    def saturations(self) -> Counter[str]:
        """Of all runs so far."""
        return sum((totals.saturations for totals in self.totals.values()), Counter())

    def run(self, entry: Entry, inputs: dict[str, np.ndarray]) -> np.ndarray:
        """Errors: lpu.HazardError; RuntimeError when a run took another number of cycles than was promised."""
        declared = self.program.entries[entry.name].integer_inputs
        start = time.perf_counter()
        outputs = self._session.run(entry.name, {name: np.asarray(values, declared[name].dtype)
                                                 for name, values in inputs.items()})
        totals, statistics = self.totals[entry.name], self._session.statistics
        totals.seconds += time.perf_counter() - start
        totals.runs += 1
        totals.tokens += int(inputs["logits_index"][0]) + 1
        totals.saturations += Counter(statistics.saturations)  # drops what has none
        promised = self.program.entries[entry.name].cycles
        if statistics.cycles != promised:
            raise RuntimeError(f"entry {entry.name}: expected {promised} cycles, the executor counted {statistics.cycles}")
        return outputs["logits"].reshape(-1)


def open_session(path: Path) -> Session:
    """A session for a model file, by its suffix. Errors: ValueError for another suffix, OSError for no such file."""
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file")
    if path.suffix == ".onnx":
        return OnnxSession(path)
    if path.suffix == ".lpu":
        return ExecutorSession(path)
    raise ValueError(f"{path}: expected a file .onnx or .lpu, got {path.suffix or 'no suffix'}")
