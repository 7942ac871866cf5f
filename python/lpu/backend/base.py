"""onnx.backend.base.Backend over lpu-compile with the executor, and over lpu-host."""

import re
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import onnx
from onnx import helper
from onnx.backend import base

from lpu.backend.specialize import find_shape_like, specialize
from lpu.compiler import find_tool

DEVICES = ("TSP1", "HOST")


class Unsupported(RuntimeError):
    """The compiler refused the model; the message is its own."""


class CrashError(RuntimeError):
    """A tool ended by a signal, or without a message."""


def _run_tool(tool: str, arguments: list[str]) -> None:
    done = subprocess.run([str(find_tool(tool)), *arguments], capture_output=True, text=True, errors="replace",
                          stdin=subprocess.DEVNULL)
    if done.returncode == 0:
        return
    message = done.stderr.strip()
    if done.returncode < 0:
        raise CrashError(f"{tool} ended by signal {-done.returncode}: {message}")
    if not message:
        raise CrashError(f"{tool} ended with exit code {done.returncode} and no message")
    raise Unsupported(_from_table(message) if done.returncode == 2 else message)


def _from_table(text: str) -> str:
    """The reasons in lpu-compile's table of operators without a rule (include/lpu/Import/Report.h)."""
    lines = text.splitlines()
    start = next((i for i, line in enumerate(lines) if re.match(r"domain +operator +since ", line)), None)
    if start is None:
        return text
    rows = [re.split(r" {2,}", line, maxsplit=5) for line in lines[start + 1:]]
    return "; ".join(f"({row[1]}): {row[5].rsplit('; ', 1)[0]}" for row in rows if len(row) == 6) or text


def _tensor_type(value: onnx.ValueInfoProto) -> np.dtype:
    kind = value.type.WhichOneof("value")
    if kind != "tensor_type":
        raise Unsupported(f"'{value.name}' is no tensor but has {kind.replace('_', ' ')}")
    element = value.type.tensor_type.elem_type
    if element == onnx.TensorProto.STRING:
        raise Unsupported(f"'{value.name}' has strings")
    return np.dtype(helper.tensor_dtype_to_np_dtype(element))


def _is_plain(dtype: np.dtype) -> bool:
    return dtype.isbuiltin == 1


def _to_plain(array: np.ndarray) -> np.ndarray:
    """bfloat16, float8, int4 ... as unsigned integers of the same bits, one element each."""
    array = np.ascontiguousarray(array).reshape(array.shape)
    return array if _is_plain(array.dtype) else array.view(f"u{array.dtype.itemsize}")


def _from_plain(array: np.ndarray, dtype: np.dtype) -> np.ndarray:
    if array.dtype != dtype and not _is_plain(dtype) and array.dtype.itemsize == dtype.itemsize:
        return array.view(dtype)
    return array


class BackendRep(base.BackendRep):
    """A model on a device. It is compiled at the first run, and again when shape-like inputs or shapes change."""

    def __init__(self, model: onnx.ModelProto, device: str, options: dict):
        self._model = model
        self._options = options
        self._device = device
        constants = {tensor.name for tensor in model.graph.initializer}
        self._inputs = [value for value in model.graph.input if value.name not in constants]
        self._shape_like = find_shape_like(model)
        self._folder = tempfile.TemporaryDirectory(prefix="lpu-backend-")
        self._key = None
        self._program = None
        self.issues: dict[str, int] | None = None  # by mnemonic, of the latest run on the chip

    def check_types(self) -> None:
        """Errors: Unsupported for inputs and outputs that are no tensors of numbers."""
        for value in [*self._inputs, *self._model.graph.output]:
            _tensor_type(value)

    def run(self, inputs, **kwargs) -> tuple[np.ndarray, ...]:
        """Outputs in the model's order. Errors: Unsupported with the compiler's message; CrashError."""
        self.check_types()
        if isinstance(inputs, dict):
            arrays = inputs
        else:
            arrays = {value.name: array for value, array in zip(self._inputs, inputs)}
        arrays = {value.name: np.asarray(arrays[value.name]) for value in self._inputs if value.name in arrays}
        key = [(name, array.shape, array.tobytes() if name in self._shape_like else b"")
               for name, array in arrays.items()]
        if key != self._key:
            self._program = None
            onnx.save(specialize(self._model, arrays, [name for name in self._shape_like if name in arrays]),
                      self._file("model.onnx"))
            self._key = key
        data = {name: array for name, array in arrays.items() if name not in self._shape_like}
        outputs = self._run_host(data) if self._device == "HOST" else self._run_chip(data)
        return tuple(_from_plain(outputs[value.name], _tensor_type(value)) for value in self._model.graph.output)

    def _file(self, name: str) -> str:
        return str(Path(self._folder.name) / name)

    def _run_host(self, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        from lpu.compiler import _flags

        arguments = [self._file("model.onnx"), *_flags(self._options)]
        for i, (name, array) in enumerate(arrays.items()):
            np.save(self._file(f"input{i}.npy"), _to_plain(array))
            arguments += ["--input", f"{name}={self._file(f'input{i}.npy')}"]
        for i, value in enumerate(self._model.graph.output):
            arguments += ["--output", f"{value.name}={self._file(f'output{i}.npy')}"]
        _run_tool("lpu-host", arguments)
        return {value.name: np.load(self._file(f"output{i}.npy")) for i, value in enumerate(self._model.graph.output)}

    def _run_chip(self, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        from lpu.compiler import _flags
        from lpu.runtime import load

        if self._program is None:
            _run_tool("lpu-compile", [self._file("model.onnx"), "-o", self._file("model.lpu"), "--target=tsp1",
                                      "--quiet", *_flags(self._options)])
            self._program = load(self._file("model.lpu"))
        entry = next(iter(self._program.entries.values()))
        known = {*entry.inputs, *entry.integer_inputs}
        session = self._program.session()
        outputs = session.run(entry.name, {name: _to_plain(a) for name, a in arrays.items() if name in known})
        self.issues = dict(session.statistics.issues_by_mnemonic)
        return outputs


class Backend(base.Backend):
    @classmethod
    def supports_device(cls, device: str) -> bool:
        return device in DEVICES

    @classmethod
    def prepare(cls, model: onnx.ModelProto, device: str = "TSP1", **options) -> BackendRep:
        """`options` are flags of lpu-compile, as for lpu.compile; on HOST of lpu-host."""
        if not cls.supports_device(device):
            raise ValueError(f"device {device!r}: expected {' or '.join(DEVICES)}")
        return BackendRep(model, device, options)

    @classmethod
    def run_model(cls, model: onnx.ModelProto, inputs, device: str = "TSP1", **options) -> tuple[np.ndarray, ...]:
        return cls.prepare(model, device, **options).run(inputs)

    @classmethod
    def run_node(cls, node: onnx.NodeProto, inputs, device: str = "TSP1", outputs_info=None,
                 **options) -> tuple[np.ndarray, ...]:
        """One node. `opset_version` says which version of the operator; `outputs_info` is not needed."""
        opset = options.pop("opset_version", onnx.defs.onnx_opset_version())
        arrays = [np.asarray(array) for array in inputs]
        names = [name for name in node.input if name]
        graph_inputs = [helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
                        for name, array in dict(zip(names, arrays)).items()]
        graph = helper.make_graph([node], "node", graph_inputs, [onnx.ValueInfoProto(name=n) for n in node.output if n])
        imports = [helper.make_opsetid(node.domain, opset)]
        model = helper.make_model(graph, opset_imports=imports)
        inferred = onnx.shape_inference.infer_shapes(model, data_prop=True)
        return cls.run_model(inferred, arrays, device, **options)
