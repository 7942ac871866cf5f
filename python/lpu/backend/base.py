"""onnx.backend.base.Backend over lpu-compile with the executor, and over lpu-host."""

import itertools
import re
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import onnx
from onnx import helper
from onnx.backend import base

from lpu.backend.specialize import find_shape_like, specialize
from lpu.compiler import IN_THE_WAY, find_tool

DEVICES = ("TSP1", "HOST")


class Unsupported(RuntimeError):
    """The compiler refused the model; the message is its own."""


class CrashError(RuntimeError):
    """A tool ended by a signal, or without a message."""


class InternalError(RuntimeError):
    """The compiler stumbled over what it made itself: no refusal, its message names what users never wrote."""


# What MLIR's verifiers and conversions print, and what the compiler says of its own results.
_INTERNAL = re.compile(
    r"\bop (operand|result) #|operation's operand|\bop operand\b|failed to (verify|legalize|satisfy|infer)|"
    r"unrealized_conversion_cast|does not dominate|inferred type|requires (attribute|zero|one|at least)|"
    r"expected (collapsed|expanded|result|operand|type|dimension) type|but got '|'!(lpu|stream|isa)\.|"
    r"(program|schedule|bound|pipeline) (is|was) wrong|failed to run|"
    r"offset \d+ is out-of-bounds|PLEASE submit a bug report|Stack dump|LLVM ERROR|Assertion|terminate called|"
    r"malloc|free\(\)|AddressSanitizer|runtime error:")


def is_internal(message: str) -> bool:
    return _INTERNAL.search(message) is not None


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
    if is_internal(message):
        raise InternalError(message)
    raise Unsupported(_from_table(message) if done.returncode == 2 else message)


def _from_table(text: str) -> str:
    """The reasons in lpu-compile's report of a model that it refuses (include/lpu/Import/Report.h)."""
    lines = text.splitlines()
    start = next((i for i, line in enumerate(lines) if re.match(r"domain +operator +since +nodes +status ", line)), None)
    if start is None:
        return text
    rows = [re.split(r" {2,}", line, maxsplit=5) for line in lines[start + 1:]]
    in_the_way = [row for row in rows if len(row) == 6 and row[4] in IN_THE_WAY]
    return "; ".join(f"({row[1]}): {row[5]}" for row in in_the_way) or text


def _tensor_in(type: onnx.TypeProto) -> onnx.TypeProto:
    """The tensor's type, of a sequence that of its elements, of an optional that of what it has."""
    while (kind := type.WhichOneof("value")) in ("sequence_type", "optional_type"):
        type = getattr(type, kind).elem_type
    return type


def _is_tensor(value: onnx.ValueInfoProto) -> bool:
    return value.type.HasField("tensor_type")


def _is_sequence(value: onnx.ValueInfoProto) -> bool:
    type = value.type.optional_type.elem_type if value.type.HasField("optional_type") else value.type
    return type.HasField("sequence_type")


def _element_type(value: onnx.ValueInfoProto) -> np.dtype:
    type = _tensor_in(value.type)
    if not type.HasField("tensor_type"):
        raise Unsupported(f"'{value.name}' is no tensor but has {type.WhichOneof('value').replace('_', ' ')}")
    if type.tensor_type.elem_type == onnx.TensorProto.STRING:
        raise Unsupported(f"'{value.name}' has strings")
    return np.dtype(helper.tensor_dtype_to_np_dtype(type.tensor_type.elem_type))


def _print_shapes(arrays: list[np.ndarray]) -> str:
    return "".join(f"[{','.join(map(str, array.shape))}]" for array in arrays)


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
    """A model on a device. It is compiled at the first run, and again when shape-like inputs or shapes change.

    A sequence is a list of arrays, an absent optional is None. To the compiler a sequence is a tensor for each
    element (docs/Importer.md): the number of elements and their shapes are part of what is compiled.
    """

    def __init__(self, model: onnx.ModelProto, device: str, options: dict):
        self._model = model
        self._options = options
        self._device = device
        constants = {tensor.name for tensor in model.graph.initializer}
        self._inputs = [value for value in model.graph.input if value.name not in constants]
        self._outputs = list(model.graph.output)
        shape_like = find_shape_like(model)
        self._shape_like = [value.name for value in self._inputs if _is_tensor(value) and value.name in shape_like]
        self._folder = tempfile.TemporaryDirectory(prefix="lpu-backend-")
        self._key = None
        self._flags: list[str] = []
        self._program = None
        self.instructions: dict[str, int] | None = None  # of the program on the chip, by mnemonic, ALUs by operation

    def check_types(self) -> None:
        """Errors: Unsupported for inputs and outputs that have no numbers."""
        for value in [*self._inputs, *self._outputs]:
            _element_type(value)

    def run(self, inputs, **kwargs) -> tuple:
        """Outputs in the model's order. Errors: Unsupported with the compiler's message; InternalError; CrashError."""
        self.check_types()
        if not isinstance(inputs, dict):
            inputs = {value.name: array for value, array in zip(self._inputs, inputs)}
        tensors = {value.name: np.asarray(inputs[value.name]) for value in self._inputs
                   if value.name in inputs and _is_tensor(value)}
        lists = {}  # of sequences and optionals
        for value in self._inputs:
            if value.name in inputs and not _is_tensor(value):
                given = inputs[value.name]
                items = given if isinstance(given, list) else [] if given is None else [given]
                lists[value.name] = [np.asarray(item) for item in items]
        self._specialize(tensors, lists)
        data = {name: array for name, array in tensors.items() if name not in self._shape_like}
        for value in self._inputs:
            items = lists.get(value.name, ())
            if _is_sequence(value):
                data |= {f"{value.name}[{i}]": item for i, item in enumerate(items)}
            else:
                data |= {value.name: item for item in items}
        outputs = self._run_host(data) if self._device == "HOST" else self._run_chip(data)
        return tuple(self._collect(value, outputs) for value in self._outputs)

    def _specialize(self, tensors: dict[str, np.ndarray], lists: dict[str, list[np.ndarray]]) -> None:
        key = ([(name, array.shape, array.tobytes() if name in self._shape_like else b"")
                for name, array in tensors.items()],
               [(name, [item.shape for item in items]) for name, items in lists.items()])
        if key == self._key:
            return
        self._program = None
        onnx.save(specialize(self._model, tensors, [name for name in self._shape_like if name in tensors]),
                  self._file("model.onnx"))
        self._flags = [f"--input-shape={name}={_print_shapes(items)}" for name, items in lists.items()]
        self._key = key

    def _collect(self, value: onnx.ValueInfoProto, outputs: dict[str, np.ndarray]):
        dtype = _element_type(value)
        if _is_sequence(value):
            count = next(i for i in itertools.count() if f"{value.name}[{i}]" not in outputs)
            return [_from_plain(outputs[f"{value.name}[{i}]"], dtype) for i in range(count)]
        if not _is_tensor(value) and value.name not in outputs:
            return None
        return _from_plain(outputs[value.name], dtype)

    def _file(self, name: str) -> str:
        return str(Path(self._folder.name) / name)

    def _run_host(self, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        from lpu.compiler import _flags

        names = [value.name for value in self._outputs]
        if not all(_is_tensor(value) for value in self._outputs):
            # How many elements an output has is known after import.
            _run_tool("lpu-compile", [self._file("model.onnx"), "--target=tsp1", "--quiet", "--compile-to=onnx",
                                      "-o", self._file("model.mlir"), *self._flags,
                                      "--emit-folded-onnx", self._file("folded.onnx")])
            folded = onnx.load(self._file("folded.onnx"), load_external_data=False)
            names = [value.name for value in folded.graph.output]
        arguments = [self._file("model.onnx"), *self._flags, *_flags(self._options)]
        for i, (name, array) in enumerate(arrays.items()):
            np.save(self._file(f"input{i}.npy"), _to_plain(array))
            arguments += ["--input", f"{name}={self._file(f'input{i}.npy')}"]
        for i, name in enumerate(names):
            arguments += ["--output", f"{name}={self._file(f'output{i}.npy')}"]
        _run_tool("lpu-host", arguments)
        return {name: np.load(self._file(f"output{i}.npy")) for i, name in enumerate(names)}

    def _run_chip(self, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        from lpu.compiler import _flags
        from lpu.runtime import load

        if self._program is None:
            _run_tool("lpu-compile", [self._file("model.onnx"), "-o", self._file("model.lpu"), "--target=tsp1",
                                      "--quiet", *self._flags, *_flags(self._options)])
            self._program = load(self._file("model.lpu"))
        entry = next(iter(self._program.entries.values()))
        known = {*entry.inputs, *entry.integer_inputs}
        self.instructions = self._program.count_instructions(entry.name)
        given = {name: _to_plain(array) for name, array in arrays.items() if name in known}
        try:
            return self._program.session().run(entry.name, given)
        except ValueError as error:
            if "does not fit" in str(error):  # a double beyond f32, an int64 beyond int32
                raise Unsupported(str(error)) from None
            raise


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
    def run_model(cls, model: onnx.ModelProto, inputs, device: str = "TSP1", **options) -> tuple:
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
