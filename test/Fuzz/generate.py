"""A random graph of a seed: nodes from the table of operators.py, each run by onnxruntime when it is drawn.

Five runs: the values themselves, and four in which every operator's result is disturbed by the noise of its format
(formats.py). A node stays if its result is finite, of moderate size, and nearly the same in all; integers and
bools have to be equal. That leaves out what arithmetic of another order may change: overflow, cancellation, rounding
or comparing near a tie, the order of near-equal elements.
"""

import random
from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import onnx
from onnx import TensorProto, helper

from Fuzz import reference
from Fuzz.formats import FORMATS, excess, wide

OPSETS = (*range(9, 13), *range(13, 18), *range(18, 27))
MAX_ELEMENTS = 2000
MAX_RANK = 5
SAMPLES = 4
_TYPE_WEIGHTS = {"float32": 12, "float16": 3, "bfloat16": 2, "float64": 1, "int32": 4, "int64": 4, "int8": 2, "uint8": 2,
                 "int16": 1, "uint16": 1, "uint32": 1, "uint64": 1, "bool": 3}
_FROM_ONNX = {reference.onnx_type(name): name for name in FORMATS}
_FROM_SCHEMA = {"tensor(float)": "float32", "tensor(double)": "float64",
                **{f"tensor({name})": name for name in FORMATS if name not in ("float32", "float64")}}


class Skip(Exception):
    """This node cannot be drawn here; another one is."""


@dataclass
class Value:
    name: str
    array: np.ndarray
    samples: list[np.ndarray]  # the value in the disturbed runs
    uses: int = 0

    @property
    def type(self) -> str:
        return self.array.dtype.name

    @property
    def shape(self) -> tuple[int, ...]:
        return self.array.shape


@dataclass
class Case:
    """A graph with its inputs. `reference` is the model for onnxruntime: the same, with float32 around nodes of
    16-bit floats that it has no kernel for.
    """

    seed: int
    model: onnx.ModelProto
    reference: onnx.ModelProto
    inputs: dict[str, np.ndarray]
    values: dict[str, np.ndarray] = field(default_factory=dict)  # of all nodes, for shrinking
    refused: Counter = field(default_factory=Counter)  # nodes that onnxruntime did not take


class Graph:
    """What the table's entries draw with."""

    def __init__(self, seed: int):
        self.rng = random.Random(seed)
        self.numbers = np.random.default_rng(seed)
        self.opset = self.rng.choice(OPSETS)
        self.values: list[Value] = []
        self.inputs: dict[str, np.ndarray] = {}
        self.constants: dict[str, np.ndarray] = {}
        self.nodes: list[onnx.NodeProto] = []
        self.reference_nodes: list[onnx.NodeProto] = []
        self.refused: Counter = Counter()
        self._count = 0

    # Choices.
    def chance(self, probability: float) -> bool:
        return self.rng.random() < probability

    def types(self, operator: str, index: int = 0, domain: str = "") -> tuple[str, ...]:
        """Types that input `index` may have in the graph's version of an operator. Errors: Skip where it has none."""
        schema = self.schema(operator, domain)
        port = schema.inputs[min(index, len(schema.inputs) - 1)]
        allowed = next((c.allowed_type_strs for c in schema.type_constraints if c.type_param_str == port.type_str),
                       [port.type_str])
        return tuple(_FROM_SCHEMA[name] for name in allowed if name in _FROM_SCHEMA)

    def schema(self, operator: str, domain: str = "") -> onnx.defs.OpSchema:
        try:
            found = onnx.defs.get_schema(operator, self.opset if domain == "" else reference.OPSET_DOMAINS[domain], domain)
        except onnx.defs.SchemaError as error:
            raise Skip from error
        if found.deprecated:
            raise Skip
        return found

    def since(self, operator: str) -> int:
        return self.schema(operator).since_version

    def type(self, types) -> str:
        return self.rng.choices(types, [_TYPE_WEIGHTS[name] for name in types])[0]

    def size(self) -> int:
        kind = self.rng.random()
        return (0 if kind < 0.015 else 1 if kind < 0.2 else self.rng.randint(2, 7) if kind < 0.87
                else self.rng.randint(8, 40) if kind < 0.97 else self.rng.randint(100, 700))

    def shape(self, rank: int | None = None, low: int = 0, high: int = MAX_RANK, limit: int = MAX_ELEMENTS) -> tuple[int, ...]:
        if rank is None:
            rank = self.rng.choices(range(MAX_RANK + 1), [1, 4, 6, 6, 4, 1])[0]
            rank = min(max(rank, low), high)
        sizes = [self.size() for _ in range(rank)]
        while int(np.prod(sizes)) > limit:
            sizes[int(np.argmax(sizes))] = self.rng.randint(1, 7)
        return tuple(sizes)

    def axis(self, rank: int) -> int:
        """Negative ones too, which every operator has since version 11."""
        if rank == 0:
            raise Skip
        return self.rng.randrange(-rank if self.opset >= 11 else 0, rank)

    def axes(self, rank: int, low: int = 1, negative: bool = True) -> list[int]:
        if rank < low:
            raise Skip
        chosen = self.rng.sample(range(rank), self.rng.randint(low, rank))
        negative = negative and self.opset >= 11
        return [axis - rank if negative and self.chance(0.3) else axis for axis in chosen]

    def partner(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """A shape that broadcasts with `shape`, in either direction."""
        kind = self.rng.random()
        if kind < 0.4:
            return shape
        if kind < 0.5:
            return ()
        kept = shape[self.rng.randint(0, len(shape)) if self.chance(0.4) else 0:]
        sizes = [1 if self.chance(0.3) else size for size in kept]
        room = MAX_ELEMENTS // max(1, int(np.prod(shape)))
        for i, size in enumerate(kept):
            if size == 1 and room > 1 and self.chance(0.3):
                sizes[i] = self.rng.randint(1, min(room, 6))
                room //= sizes[i]
        return tuple(sizes)

    # Values.
    def draw(self, kind: str, shape, low=None, high=None) -> np.ndarray:
        """Random numbers of a type, from `low` to `high`."""
        if kind == "bool":
            return np.asarray(self.numbers.random(shape) < 0.5)
        dtype = FORMATS[kind].dtype
        if kind in ("float32", "float16", "bfloat16", "float64"):
            low, high = -4 if low is None else low, 4 if high is None else high
            numbers = np.asarray(self.numbers.uniform(low, high, shape)).astype(np.float32)  # float64 is carried as float32
            if self.chance(0.1):  # with repeated values
                numbers = np.clip(np.round(numbers), low, high)
            return np.asarray(numbers).astype(dtype)
        info = np.iinfo(dtype)
        least, most = max(int(info.min), -2**31), min(int(info.max), 2**31 - 1 if info.bits == 64 else info.max)
        if low is None and high is None and self.chance(0.12):
            return np.asarray(self.numbers.integers(least, most, shape, endpoint=True)).astype(dtype)
        low, high = -10 if low is None else int(np.ceil(low)), 10 if high is None else int(np.floor(high))
        low, high = max(low, least), min(high, most)
        if low > high:
            raise Skip
        return np.asarray(self.numbers.integers(low, high, shape, endpoint=True)).astype(dtype)

    def _new(self, array: np.ndarray, constant: bool) -> Value:
        self._count += 1
        value = Value(f"v{self._count}", array, [array] * SAMPLES)
        (self.constants if constant else self.inputs)[value.name] = array
        self.values.append(value)
        return value

    def constant(self, array, kind: str = "int64") -> Value:
        """What has to be known when the graph is compiled: shapes, axes, pads; also weights."""
        value = self._new(np.asarray(array, FORMATS[kind].dtype), True)
        self.values.remove(value)
        return value

    def fresh(self, kind: str, shape, low=None, high=None, constant: float = 0.2) -> Value:
        """A new input of the graph, or an initializer."""
        return self._new(self.draw(kind, shape, low, high), self.chance(constant))

    def pick(self, types, ok=lambda shape: True, shape=None, low=None, high=None, constant: float = 0.2) -> Value:
        """A value of one of `types`, of a shape that is `ok`, with elements from `low` to `high`: mostly one of
        the graph, rather a late one, else new with the shape that `shape` draws.
        """
        if self.chance(0.92):
            fit = [value for value in self.values if value.type in types and ok(value.shape) and _within(value, low, high)]
            unused = [value for value in fit if not value.uses]
            if unused and self.chance(0.5):
                fit = unused
            if fit:
                return fit[max(self.rng.randrange(len(fit)), self.rng.randrange(len(fit)))]
        sizes = shape() if callable(shape) else self.shape() if shape is None else shape
        return self.fresh(self.type(types), sizes, low, high, constant)

    def like(self, value: Value, low=None, high=None, shape=None) -> Value:
        """A value of the same type that broadcasts with it, or of exactly `shape`."""
        if shape is not None:
            return self.pick([value.type], lambda other: other == tuple(shape), tuple(shape), low, high)
        return self.pick([value.type], lambda other: _broadcasts(value.shape, other), lambda: self.partner(value.shape),
                         low, high)

    # Nodes.
    def add(self, operator: str, inputs: list, outputs: int = 1, domain: str = "", exact: bool = False, **attributes) -> None:
        """Runs and appends a node; None is an absent input. `exact`: only moves elements. Errors: Skip."""
        names = [f"v{self._count + i + 1}" for i in range(outputs)]
        self._count += outputs
        attributes = {key: value for key, value in attributes.items() if value is not None}
        inputs = list(inputs)
        while inputs and inputs[-1] is None:
            inputs.pop()
        node = helper.make_node(operator, [value.name if value else "" for value in inputs], names, domain=domain,
                                name=f"n{len(self.nodes)}", **attributes)
        given = {value.name: value for value in inputs if value}
        constants = {name: value.array for name, value in given.items() if name in self.constants}
        feeds = {name: value for name, value in given.items() if name not in constants}
        arrays = {name: value.array for name, value in feeds.items()}
        model = reference.make_model([node], arrays, constants, names, self.opset)
        try:
            inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
        except onnx.shape_inference.InferenceError as error:
            self.refused[f"{operator}: inference"] += 1
            raise Skip from error
        ports = {port.name: port.type.tensor_type.elem_type for port in inferred.graph.output}
        used = [node]
        try:
            try:
                session = reference.Session(inferred)
                results = [session.run(arrays)]
            except reference.Refused:
                narrow = {name for name, value in given.items() if value.type in ("float16", "bfloat16")}
                wanted = {name: kind for name, kind in ports.items() if kind in (TensorProto.FLOAT16, TensorProto.BFLOAT16)}
                if not narrow:
                    raise
                used = reference.through_float32(node, narrow, wanted)
                model = reference.make_model(used, arrays, constants, list(inferred.graph.output), self.opset)
                session = reference.Session(model)
                results = [session.run(arrays)]
            results += [session.run({name: value.samples[i] for name, value in feeds.items()}) for i in range(SAMPLES)]
        except reference.Refused as error:
            self.refused[f"{operator} {','.join(sorted({value.type for value in given.values()}))}"] += 1
            raise Skip from error
        made = []
        for i, name in enumerate(names):
            array, *samples = [np.asarray(result[i]) for result in results]
            known = inferred.graph.output[i].type.tensor_type
            sizes = [dim.dim_value if dim.HasField("dim_value") else size for dim, size in zip(known.shape.dim, array.shape)]
            if known.elem_type != reference.onnx_type(array.dtype.name) or not known.HasField("shape") or (
                    tuple(sizes) != array.shape):
                raise Skip  # ONNX infers nothing, or something else
            self._check(array, samples)
            made.append(Value(name, array, samples if exact else self._disturb(samples)))
        self.nodes.append(node)
        self.reference_nodes += used
        self.values += made
        for value in given.values():
            value.uses += 1

    @staticmethod
    def _check(array: np.ndarray, samples: list[np.ndarray]) -> None:
        if array.dtype.name not in FORMATS or array.size > 2 * MAX_ELEMENTS or array.ndim > 2 * MAX_RANK:
            raise Skip
        limit = FORMATS[array.dtype.name].limit
        for each in (array, *samples):
            if each.shape != array.shape or not (np.abs(wide(each)) <= limit).all():
                raise Skip
            if (excess(each, array) > 0.5).any():
                raise Skip

    def _disturb(self, samples: list[np.ndarray]) -> list[np.ndarray]:
        """Up in one sample of a pair, down in the other."""
        form = FORMATS[samples[0].dtype.name]
        if not form.noise:
            return samples
        result = []
        for i, array in enumerate(samples):
            if i % 2 == 0:
                signs = np.where(self.numbers.random(array.shape) < 0.5, -1, 1)
            error = (form.noise * np.abs(wide(array)) + form.least) * (-signs if i % 2 else signs)
            result.append(np.asarray(wide(array) + error).astype(array.dtype))
        return result

    def attempt(self, draw) -> bool:
        """One entry of the table; what it made stays only if all of it went well."""
        before = (len(self.values), len(self.nodes), len(self.reference_nodes), set(self.inputs), set(self.constants),
                  [value.uses for value in self.values])
        try:
            draw(self)
            return True
        except Skip:
            values, nodes, reference_nodes, inputs, constants, uses = before
            del self.values[values:], self.nodes[nodes:], self.reference_nodes[reference_nodes:]
            for name in set(self.inputs) - inputs:
                del self.inputs[name]
            for name in set(self.constants) - constants:
                del self.constants[name]
            for value, count in zip(self.values, uses, strict=True):
                value.uses = count
            return False

    def case(self, seed: int) -> Case:
        """The outputs are the results that no node takes."""
        made = {name for node in self.nodes for name in node.output}
        leaves = [reference.to_port(value.name, value.array) for value in self.values
                  if value.name in made and not value.uses]
        read = {name for node in self.nodes for name in node.input}
        inputs = {name: array for name, array in self.inputs.items() if name in read}
        constants = {name: array for name, array in self.constants.items() if name in read}
        models = [reference.make_model(nodes, inputs, constants, leaves, self.opset)
                  for nodes in (self.nodes, self.reference_nodes)]
        return Case(seed, *models, inputs, {value.name: value.array for value in self.values}, self.refused)


def _within(value: Value, low, high) -> bool:
    if low is None and high is None or not value.array.size:
        return True
    numbers = wide(value.array)
    return (low is None or numbers.min() >= low) and (high is None or numbers.max() <= high)


def _broadcasts(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    if any(x != y and x != 1 and y != 1 for x, y in zip(reversed(a), reversed(b))):
        return False
    return int(np.prod(np.broadcast_shapes(a, b))) <= MAX_ELEMENTS


def generate(seed: int) -> Case:
    from Fuzz.operators import OPERATORS

    graph = Graph(seed)
    count = graph.rng.randint(1, 30) if graph.chance(0.6) else graph.rng.randint(1, 6)
    names, weights = list(OPERATORS), [weight for weight, _ in OPERATORS.values()]
    for _ in range(12 * count):
        if len(graph.nodes) >= count:
            break
        graph.attempt(OPERATORS[graph.rng.choices(names, weights)[0]][1])
    if not graph.nodes:
        graph.attempt(lambda g: g.add("Identity", [g.fresh("float32", g.shape(), constant=0)], exact=True))
    return graph.case(seed)
