"""Binaries and the reference executor: load, look at entries, run them with NumPy arrays.

    program = lpu.load("model.lpu")
    session = program.session()          # SRAM of its own; state lives from run to run
    y = session.run("main", {"x": x})["y"]
    session.statistics.cycles
"""

import os
from dataclasses import dataclass

import numpy as np

try:
    from lpu import _native
except ImportError as error:
    raise ImportError(f"lpu._native is not built ({error}); build it with `ninja -C build lpu_native`, with Python "
                      "packages from tools/setup.sh") from error

HazardError = _native.HazardError
VerificationError = _native.VerificationError
Statistics = _native.Statistics


# Types that ml_dtypes has and NumPy lacks.
_ML_DTYPES = {"bf16": "bfloat16", "f8e4m3fn": "float8_e4m3fn", "f8e4m3fnuz": "float8_e4m3fnuz",
              "f8e5m2": "float8_e5m2", "f8e5m2fnuz": "float8_e5m2fnuz", "f8e8m0": "float8_e8m0fnu",
              "f4e2m1": "float4_e2m1fn", "i4": "int4", "u4": "uint4", "i2": "int2", "u2": "uint2"}


def _to_dtype(info) -> np.dtype:
    """The raw bits' type where ml_dtypes is not installed, or too old."""
    name = _ML_DTYPES.get(info.type)
    if name:
        try:
            import ml_dtypes

            return np.dtype(getattr(ml_dtypes, name))
        except (ImportError, AttributeError):
            pass
    return np.dtype(info.dtype)


def _raw(dtype: np.dtype) -> np.dtype:
    """What the executor takes for arrays of `dtype`: of types that NumPy lacks, unsigned integers of the same bits."""
    return dtype if dtype.isbuiltin == 1 else np.dtype(f"u{dtype.itemsize}")


def _type_text(array) -> str:
    return f"{array.dtype}[{','.join(map(str, array.shape))}]"


@dataclass(frozen=True)
class Tensor:
    """A tensor that the host gives or gets; integer inputs may have bounds.

    What NumPy lacks (bfloat16, float8, int4 ...) has a type of ml_dtypes.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype
    min: int | None = None
    max: int | None = None

    def __str__(self) -> str:
        bounds = "" if self.max is None else f", {self.min} to {self.max}"
        return f"{self.name}: {_type_text(self)}{bounds}"


@dataclass(frozen=True)
class Entry:
    """One entry of a program. `cycles` is the compiler's count; a run derives its own."""

    name: str
    inputs: dict[str, Tensor]
    outputs: dict[str, Tensor]
    integer_inputs: dict[str, Tensor]
    cycles: int
    lower_bound: int
    instructions: int


def _to_array(tensor: Tensor, value) -> np.ndarray:
    array = value if isinstance(value, np.ndarray) else np.asarray(value, tensor.dtype)
    raw = _raw(tensor.dtype)
    if array.dtype.newbyteorder("=") not in (tensor.dtype, raw) or array.shape != tensor.shape:
        raise ValueError(f"input {tensor.name!r}: expected {_type_text(tensor)}, got {_type_text(array)}")
    native = np.ascontiguousarray(array, array.dtype.newbyteorder("="))
    return native.view(raw).reshape(tensor.shape)  # scalars too


def _tensors(infos) -> dict[str, Tensor]:
    return {info.name: Tensor(info.name, tuple(info.shape), _to_dtype(info), info.min, info.max) for info in infos}


class Program:
    """A loaded binary: what `lpu.load` gives."""

    def __init__(self, native, path: str):
        self._native = native
        self.path = path
        self.target: str = native.target
        self.clock_hz: int = native.clock_hz
        self.sram_bytes: int = native.sram_bytes
        self.memory: dict[str, int] = native.memory  # bytes of what all entries share, by kind
        self.producer: str = native.producer
        self.entries: dict[str, Entry] = {
            entry.name: Entry(entry.name, _tensors(entry.inputs), _tensors(entry.outputs),
                              _tensors(entry.integer_inputs), entry.cycles, entry.lower_bound, entry.instructions)
            for entry in native.entries}

    def count_instructions(self, entry: str) -> dict[str, int]:
        """Instructions of an entry by mnemonic, those of the VXM by operation: {"mem": 12, "alu add": 2}."""
        return next(e for e in self._native.entries if e.name == entry).count_instructions()

    def session(self) -> "RuntimeSession":
        """A chip with the program in its SRAM. Errors: ValueError for what the executor cannot run."""
        return RuntimeSession(self)

    def verify(self) -> None:
        """Proves every entry free of hazards, for every input. Errors: VerificationError, one violation a line."""
        _native.verify(self._native)

    def __repr__(self) -> str:
        return f"<lpu.Program {self.path}: {self.target}, entries {', '.join(self.entries)}>"


class RuntimeSession:
    """One chip. State regions keep their contents from run to run, and all entries share them."""

    def __init__(self, program: Program):
        self.program = program
        self.statistics: Statistics | None = None  # of the latest run
        self._native = _native.Session(program._native)

    def run(self, entry: str, inputs: dict[str, object] | None = None) -> dict[str, np.ndarray]:
        """Runs an entry; every tensor and integer input by name, nothing else.

        The interpreter's lock is free meanwhile; runs of one session follow one
        another. Arrays must have the input's type and shape, lists become it. Instead of a type that NumPy
        lacks they may have unsigned integers of the same bits.
        Errors: ValueError for the inputs, with name, expected and given shape;
        HazardError with the executor's message.
        """
        known = self.program.entries.get(entry)
        declared = {**known.inputs, **known.integer_inputs} if known else {}
        arrays = {name: _to_array(declared[name], value) if name in declared else np.asarray(value)
                  for name, value in (inputs or {}).items()}
        outputs, self.statistics = self._native.run(entry, arrays)
        return {name: array.view(known.outputs[name].dtype) for name, array in outputs.items()}

    def reset(self) -> None:
        """Zeroes the state, as at load."""
        self._native.reset()


def load(path: str | os.PathLike) -> Program:
    """Loads a binary, or assembles a file *.lpuasm.

    Errors: FileNotFoundError; ValueError, with the file and what is wrong with it.
    """
    path = os.fspath(path)
    if not os.path.exists(path):
        raise FileNotFoundError(f"{path}: no such file")
    return Program(_native.load(path), path)
