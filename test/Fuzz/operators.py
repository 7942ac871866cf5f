"""The operators that graphs are drawn from: their weights, and how inputs and attributes are chosen.

An entry takes a Graph (generate.py) and adds a node, or raises Skip. Types come from the operator's schema at the
graph's operator set, restricted to those of formats.py.
"""

from collections.abc import Callable

import numpy as np

from Fuzz.formats import FLOATS, INTEGERS
from Fuzz.generate import MAX_ELEMENTS, Graph, Skip

OPERATORS: dict[str, tuple[float, Callable[[Graph], None]]] = {}


def _operator(*names: str, weight: float = 1):
    def register(draw):
        for name in names:
            OPERATORS[name] = (weight, lambda g, name=name: draw(g, name))
        return draw
    return register


def _size(shape) -> int:
    return int(np.prod(shape))


def _attribute(g: Graph, *choices):
    """One of the choices; an absent attribute sometimes."""
    return None if g.chance(0.4) else g.rng.choice(choices)


# Functions of one number -----------------------------------------------------------------------------------------

_UNARY = {
    "Exp": (-5, 4), "Log": (0.05, 1e4), "Sqrt": (0.01, 1e4), "Sin": (-30, 30), "Cos": (-30, 30), "Tan": (-1.3, 1.3),
    "Asin": (-0.98, 0.98), "Acos": (-0.98, 0.98), "Atan": (-1e3, 1e3), "Sinh": (-4, 4), "Cosh": (-4, 4), "Tanh": (-20, 20),
    "Asinh": (-100, 100), "Acosh": (1.05, 100), "Atanh": (-0.97, 0.97), "Erf": (-6, 6), "Sigmoid": (-30, 30),
    "Reciprocal": (0.05, 100), "Softplus": (-20, 20), "Softsign": (-100, 100), "Mish": (-20, 20), "HardSwish": (-100, 100),
    "Floor": (None, None), "Ceil": (None, None), "Round": (None, None), "Abs": (None, None), "Neg": (None, None),
    "Sign": (None, None), "Relu": (None, None), "Not": (None, None), "BitwiseNot": (None, None),
    "IsNaN": (None, None), "IsInf": (None, None), "Identity": (None, None)}


_EXACT = ("Abs", "Neg", "Relu", "Identity", "Floor", "Ceil", "Round", "Sign")  # of exact inputs


@_operator(*_UNARY)
def _unary(g, name):
    low, high = _UNARY[name]
    g.add(name, [g.pick(g.types(name), low=low, high=high)], exact=name in _EXACT)


_ACTIVATIONS = {
    "LeakyRelu": {"alpha": (0.01, 0.3, 1.5)}, "Elu": {"alpha": (0.5, 2.0)}, "Celu": {"alpha": (0.5, 2.0)},
    "Selu": {"alpha": (0.5, 2.0), "gamma": (0.7, 1.5)}, "ThresholdedRelu": {"alpha": (0.5, 2.0)},
    "HardSigmoid": {"alpha": (0.1, 0.5), "beta": (0.3, 0.7)}, "Swish": {"alpha": (0.5, 2.0)},
    "Gelu": {"approximate": ("none", "tanh")}}


@_operator(*_ACTIVATIONS, weight=0.7)
def _activation(g, name):
    attributes = {key: _attribute(g, *choices) for key, choices in _ACTIVATIONS[name].items()}
    g.add(name, [g.pick(g.types(name), low=-20, high=20)], **attributes)


@_operator("Shrink", weight=0.5)
def _shrink(g, name):
    g.add(name, [g.pick(g.types(name))], lambd=_attribute(g, 0.5, 1.5), bias=_attribute(g, 0.0, 0.5))


@_operator("Clip")
def _clip(g, name):
    data = g.pick(g.types(name))
    if g.since(name) < 11:
        low = g.rng.uniform(-3, 0)
        return g.add(name, [data], exact=True, min=low, max=low + g.rng.uniform(0.5, 4))
    low = g.fresh(data.type, (), -3, 3, constant=0.5) if g.chance(0.7) else None
    high = g.fresh(data.type, (), 4, 9, constant=0.5) if g.chance(0.7) else None
    g.add(name, [data, low, high], exact=True)


@_operator("Cast", weight=5)
def _cast(g, name):
    from Fuzz.reference import onnx_type

    types = g.types(name)
    data = g.pick(types)
    to = g.type([kind for kind in types if kind != data.type] or types)
    if data.type in FLOATS and to in INTEGERS:  # what does not fit is undefined
        bounds = np.iinfo(to)
        data = g.pick([data.type], low=max(bounds.min, -2**24), high=min(bounds.max, 2**24))
    g.add(name, [data], to=onnx_type(to))


@_operator("CastLike", weight=0.5)
def _cast_like(g, name):
    data, like = g.pick(g.types(name)), g.pick(g.types(name, 1))
    if data.type in FLOATS and like.type in INTEGERS:
        bounds = np.iinfo(like.type)
        data = g.pick([data.type], low=max(bounds.min, -2**24), high=min(bounds.max, 2**24))
    g.add(name, [data, like])


# Functions of several numbers ------------------------------------------------------------------------------------


@_operator("Add", "Sub", "Mul", weight=3)
@_operator("Equal", "Less", "Greater", "LessOrEqual", "GreaterOrEqual", "And", "Or", "Xor", "BitwiseAnd", "BitwiseOr",
           "BitwiseXor")
def _binary(g, name):
    first = g.pick(g.types(name))
    second = g.like(first)
    g.add(name, [first, second] if g.chance(0.5) else [second, first])


def _nonzero(g, first):
    """A divisor: of magnitude 0.1 at least."""
    if g.chance(0.3) and first.type[0] != "u":
        return g.like(first, -9, -0.1 if first.type in FLOATS else -2)
    return g.like(first, 0.1 if first.type in FLOATS else 1, None)


@_operator("Div", weight=2)
def _div(g, name):
    first = g.pick(g.types(name))
    g.add(name, [first, _nonzero(g, first)])


@_operator("Mod")
def _mod(g, name):
    first = g.pick(g.types(name))
    divisor = _nonzero(g, first)
    g.add(name, [first, divisor], fmod=1 if first.type in FLOATS else _attribute(g, 0, 1))


@_operator("Pow")
def _pow(g, name):
    base = g.pick(g.types(name), low=0.1, high=8)
    types = g.types(name, 1)
    exponent = g.like(base, 0, 3) if base.type in INTEGERS or g.chance(0.6) or g.since(name) < 12 else g.fresh(
        g.type(types), g.partner(base.shape), 0, 3)
    g.add(name, [base, exponent])


@_operator("BitShift", weight=0.6)
def _shift(g, name):
    data = g.pick(g.types(name))
    g.add(name, [data, g.like(data, 0, 7)], direction=g.rng.choice(["LEFT", "RIGHT"]))


@_operator("Sum", "Mean", "Max", "Min")
def _variadic(g, name):
    first = g.pick(g.types(name))
    inputs = [first]
    for _ in range(g.rng.randint(0, 3)):
        inputs.append(g.like(first))
    g.add(name, inputs, exact=name in ("Max", "Min"))


@_operator("PRelu", weight=0.5)
def _prelu(g, name):
    data = g.pick(g.types(name))
    keep = g.rng.randint(0, len(data.shape))
    slope = g.fresh(data.type, tuple(1 if g.chance(0.3) else size for size in data.shape[keep:]), 0, 2)
    g.add(name, [data, slope])


@_operator("Where", weight=1.5)
def _where(g, name):
    first = g.pick(g.types(name, 1))
    second = g.like(first)
    shape = np.broadcast_shapes(first.shape, second.shape)
    condition = g.pick(["bool"], lambda other: other == shape, lambda: g.partner(shape))
    g.add(name, [condition, first, second], exact=True)


# Reductions -------------------------------------------------------------------------------------------------------


def _axes(g, name, inputs, axes, from_version, **attributes):
    """`axes` as an attribute or, from a version on, as an input."""
    if axes is not None and g.since(name) >= from_version:
        inputs.append(g.constant(axes))
    elif axes is not None:
        attributes["axes"] = axes
    return inputs, attributes


_REDUCTIONS = {"ReduceSum": (None, None), "ReduceMean": (-1000, 1000), "ReduceMax": (None, None), "ReduceMin": (None, None),
               "ReduceProd": (-3, 3), "ReduceL1": (-1000, 1000), "ReduceL2": (0.01, 30), "ReduceSumSquare": (-30, 30),
               "ReduceLogSum": (0.1, 50), "ReduceLogSumExp": (-8, 8)}


@_operator(*_REDUCTIONS)
def _reduce(g, name):
    low, high = _REDUCTIONS[name]
    types = g.types(name)
    if name in ("ReduceL2", "ReduceLogSum", "ReduceLogSumExp"):  # of integers onnxruntime rounds on the way
        types = [kind for kind in types if kind in FLOATS]
    data = g.pick(types, low=low, high=high)
    axes = g.axes(len(data.shape)) if data.shape and g.chance(0.8) else None
    if name in ("ReduceMean", "ReduceMax", "ReduceMin") and 0 in data.shape:
        raise Skip  # of nothing: undefined
    inputs, attributes = _axes(g, name, [data], axes, 13 if name == "ReduceSum" else 18)
    if len(inputs) == 1 and "axes" not in attributes and g.since(name) >= (13 if name == "ReduceSum" else 18):
        attributes["noop_with_empty_axes"] = _attribute(g, 0, 1)
    g.add(name, inputs, exact=name in ("ReduceMax", "ReduceMin"), keepdims=_attribute(g, 0, 1), **attributes)


@_operator("ArgMax", "ArgMin")
def _arg(g, name):
    data = g.pick(g.types(name), lambda shape: len(shape) > 0, lambda: g.shape(low=1))
    last = _attribute(g, 0, 1) if g.since(name) >= 12 else None
    g.add(name, [data], axis=g.axis(len(data.shape)), keepdims=_attribute(g, 0, 1), select_last_index=last)


@_operator("Softmax", "LogSoftmax", "Hardmax")
def _softmax(g, name):
    data = g.pick(g.types(name), lambda shape: len(shape) > 0, lambda: g.shape(low=1), -30, 30)
    g.add(name, [data], axis=_attribute(g, g.axis(len(data.shape))))


@_operator("TopK")
def _top_k(g, name):
    data = g.pick(g.types(name), lambda shape: len(shape) > 0, lambda: g.shape(low=1))
    axis = g.axis(len(data.shape))
    count = g.constant([g.rng.randint(0, data.shape[axis])])
    largest = _attribute(g, 0, 1) if g.since(name) >= 11 else None
    g.add(name, [data, count], 2, exact=True, axis=axis, largest=largest)


@_operator("CumSum", "CumProd")
def _scan(g, name):
    data = g.pick(g.types(name), lambda shape: len(shape) > 0, lambda: g.shape(low=1),
                  *((None, None) if name == "CumSum" else (-2, 2)))
    axis = g.constant(g.axis(len(data.shape)), g.rng.choice(["int32", "int64"]))
    g.add(name, [data, axis], exclusive=_attribute(g, 0, 1), reverse=_attribute(g, 0, 1))


@_operator("GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool", weight=0.5)
def _global_pool(g, name):
    data = g.pick(g.types(name), lambda shape: len(shape) >= 3, lambda: g.shape(low=3), -30, 30)
    g.add(name, [data], p=_attribute(g, 1, 2) if name == "GlobalLpPool" else None)


@_operator("LpNormalization", weight=0.5)
def _lp_norm(g, name):
    data = g.pick(g.types(name), lambda shape: len(shape) > 0, lambda: g.shape(low=1), 0.05, 30)
    g.add(name, [data], axis=g.axis(len(data.shape)), p=_attribute(g, 1, 2))


# Movement ---------------------------------------------------------------------------------------------------------


@_operator("Reshape", weight=2)
def _reshape(g, name):
    data = g.pick(g.types(name))
    count = _size(data.shape)
    sizes = []
    if count:
        rest = count
        while len(sizes) < 4 and (rest > 1 or g.chance(0.4)):
            size = g.rng.choice([d for d in range(1, min(rest, 64) + 1) if rest % d == 0])
            sizes.append(size)
            rest //= size
        if rest > 1:
            sizes.append(rest)
        g.rng.shuffle(sizes)
        if sizes and g.chance(0.3):
            sizes[g.rng.randrange(len(sizes))] = -1
        same = [i for i, size in enumerate(sizes[:len(data.shape)]) if size == data.shape[i]]
        if same and g.chance(0.3):
            sizes[g.rng.choice(same)] = 0
    else:
        sizes = list(data.shape)
        g.rng.shuffle(sizes)
        if any(size == 0 and data.shape[i] != 0 for i, size in enumerate(sizes)):
            if g.since(name) < 14:
                raise Skip
            return g.add(name, [data, g.constant(sizes)], exact=True, allowzero=1)
    g.add(name, [data, g.constant(sizes)], exact=True)


@_operator("Flatten", weight=0.7)
def _flatten(g, name):
    data = g.pick(g.types(name))
    rank = len(data.shape)
    g.add(name, [data], exact=True, axis=_attribute(g, g.rng.randint(-rank if g.since(name) >= 11 else 0, rank)))


@_operator("Squeeze")
def _squeeze(g, name):
    data = g.pick(g.types(name), lambda shape: 1 in shape, lambda: (1, *g.shape(high=3)))
    ones = [i for i, size in enumerate(data.shape) if size == 1]
    axes = g.rng.sample(ones, g.rng.randint(1, len(ones))) if g.chance(0.7) else None
    inputs, attributes = _axes(g, name, [data], axes, 13)
    g.add(name, inputs, exact=True, **attributes)


@_operator("Unsqueeze")
def _unsqueeze(g, name):
    data = g.pick(g.types(name), lambda shape: len(shape) < 5)
    rank = len(data.shape) + g.rng.randint(1, 2)
    axes = g.rng.sample(range(rank), rank - len(data.shape))
    if g.since(name) >= 11 and g.chance(0.3):
        axes = [axis - rank for axis in axes]
    inputs, attributes = _axes(g, name, [data], axes, 13)
    g.add(name, inputs, exact=True, **attributes)


@_operator("Transpose", weight=2)
def _transpose(g, name):
    data = g.pick(g.types(name))
    order = g.rng.sample(range(len(data.shape)), len(data.shape))
    g.add(name, [data], exact=True, perm=order if data.shape and g.chance(0.8) else None)


@_operator("Concat", weight=1.5)
def _concat(g, name):
    data = g.pick(g.types(name), lambda shape: len(shape) > 0, lambda: g.shape(low=1))
    axis = g.axis(len(data.shape))
    inputs = [data]
    for _ in range(g.rng.randint(0, 3)):
        shape = list(data.shape)
        shape[axis] = g.rng.randint(0 if g.chance(0.2) else 1, 5)
        place = axis % len(shape)
        fits = lambda other: len(other) == len(shape) and all(a == b for i, (a, b) in enumerate(zip(other, shape)) if i != place)
        inputs.append(g.pick([data.type], fits, tuple(shape)))
    g.rng.shuffle(inputs)
    g.add(name, inputs, exact=True, axis=axis)


@_operator("Split")
def _split(g, name):
    data = g.pick(g.types(name), lambda shape: len(shape) > 0, lambda: g.shape(low=1))
    axis = g.axis(len(data.shape))
    size = data.shape[axis]
    parts = g.rng.randint(1, min(4, max(1, size)))
    if g.chance(0.5):
        cuts = sorted(g.rng.randint(0, size) for _ in range(parts - 1))
        sizes = [b - a for a, b in zip([0, *cuts], [*cuts, size])]
        if g.since(name) >= 13:
            return g.add(name, [data, g.constant(sizes)], parts, exact=True, axis=axis)
        return g.add(name, [data], parts, exact=True, axis=axis, split=sizes)
    if g.since(name) >= 18:
        return g.add(name, [data], parts, exact=True, axis=axis, num_outputs=parts)
    if size % parts:
        raise Skip
    g.add(name, [data], parts, exact=True, axis=axis)


@_operator("Slice", weight=2)
def _slice(g, name):
    data = g.pick(g.types(name), lambda shape: len(shape) > 0, lambda: g.shape(low=1))
    rank = len(data.shape)
    axes = g.axes(rank, negative=g.since(name) >= 10)
    starts, ends, steps = [], [], []
    for axis in axes:
        size = data.shape[axis]
        step = g.rng.choice([1, 1, 1, 2, 3, -1, -1, -2]) if g.since(name) >= 10 else 1
        begin, end = sorted((g.rng.randint(0, size), g.rng.randint(0, size)))
        if step < 0:
            begin, end = end - 1, (begin - 1 if begin else -2**31 + 1)
            begin = max(begin, 0)
        elif g.chance(0.3):
            begin, end = begin - size if begin < size else begin, (2**31 - 1 if g.chance(0.5) else end)
        starts.append(begin), ends.append(end), steps.append(step)
    if g.since(name) < 10:
        return g.add(name, [data], exact=True, axes=axes, starts=starts, ends=ends)
    kind = g.rng.choice(["int32", "int64"])
    inputs = [data, g.constant(starts, kind), g.constant(ends, kind), g.constant(axes, kind)]
    if any(step != 1 for step in steps) or g.chance(0.5):
        inputs.append(g.constant(steps, kind))
    g.add(name, inputs, exact=True)


@_operator("Pad", weight=1.5)
def _pad(g, name):
    data = g.pick(g.types(name), lambda shape: 0 < len(shape) and _size(shape) <= MAX_ELEMENTS // 4,
                  lambda: g.shape(low=1, limit=MAX_ELEMENTS // 4))
    since = g.since(name)
    mode = _attribute(g, "constant", "reflect", "edge", *(["wrap"] if since >= 19 else []))
    rank = len(data.shape)
    pads = [0] * (2 * rank)
    for i in range(2 * rank):
        size = data.shape[i % rank]
        if g.chance(0.5):
            most = 3 if mode in (None, "constant") else min(3, size - 1) if mode == "reflect" else 3 if size else 0
            pads[i] = g.rng.randint(-1 if g.chance(0.2) and size > 3 else 0, max(0, most))
    if since < 11:
        return g.add(name, [data], exact=True, mode=mode, pads=pads)
    value = g.constant(g.draw(data.type, (), 0, 5), data.type) if g.chance(0.5) and mode in (None, "constant") else None
    g.add(name, [data, g.constant(pads), value], exact=True, mode=mode)


@_operator("Expand")
def _expand(g, name):
    data = g.pick(g.types(name), lambda shape: _size(shape) <= MAX_ELEMENTS // 2)
    g.add(name, [data, g.constant(g.partner(data.shape))], exact=True)


@_operator("Tile")
def _tile(g, name):
    data = g.pick(g.types(name), lambda shape: len(shape) > 0 and _size(shape) <= MAX_ELEMENTS // 4,
                  lambda: g.shape(low=1, limit=MAX_ELEMENTS // 4))
    g.add(name, [data, g.constant([g.rng.choice([1, 1, 2, 3, 0 if g.chance(0.1) else 1]) for _ in data.shape])], exact=True)


@_operator("DepthToSpace", "SpaceToDepth", weight=0.5)
def _blocks(g, name):
    block = g.rng.randint(1, 3)
    n, c, h, w = (g.rng.randint(1, 3) for _ in range(4))
    shape = (n, c * block * block, h, w) if name == "DepthToSpace" else (n, c, h * block, w * block)
    data = g.pick(g.types(name), lambda other: other == shape, shape)
    mode = _attribute(g, "DCR", "CRD") if name == "DepthToSpace" and g.since(name) >= 11 else None
    g.add(name, [data], exact=True, blocksize=block, mode=mode)


@_operator("Trilu", weight=0.7)
def _trilu(g, name):
    data = g.pick(g.types(name), lambda shape: len(shape) >= 2, lambda: g.shape(low=2))
    k = g.constant(g.rng.randint(-3, 3)) if g.chance(0.6) else None
    g.add(name, [data, k], exact=True, upper=_attribute(g, 0, 1))


@_operator("EyeLike", weight=0.4)
def _eye(g, name):
    from Fuzz.reference import onnx_type

    data = g.pick(g.types(name), lambda shape: len(shape) == 2, lambda: g.shape(2))
    to = onnx_type(g.rng.choice(["float32", "int32", "int64", "bool"])) if g.chance(0.6) else None
    g.add(name, [data], exact=True, k=_attribute(g, -1, 1, 2), dtype=to)


@_operator("CenterCropPad", weight=0.5)
def _crop(g, name):
    data = g.pick(g.types(name), lambda shape: len(shape) > 0, lambda: g.shape(low=1, limit=500))
    axes = g.axes(len(data.shape))
    sizes = [max(1, data.shape[axis] + g.rng.randint(-3, 3)) for axis in axes]
    g.add(name, [data, g.constant(sizes)], exact=True, axes=axes)


@_operator("Shape", "Size", weight=0.4)
def _shape(g, name):
    data = g.pick(g.types(name))
    attributes = {}
    if name == "Shape" and g.since(name) >= 15:
        attributes = {"start": _attribute(g, -1, 0, 1), "end": _attribute(g, -1, 2)}
    g.add(name, [data], exact=True, **attributes)


# Run-time indices -------------------------------------------------------------------------------------------------


def _indices(g, types, shape, size, unique_along=None):
    """Integers in range; `unique_along` an axis: none twice along it."""
    if size == 0 and _size(shape):
        raise Skip
    kind = g.rng.choice([name for name in types if name in ("int32", "int64")])
    if unique_along is None:
        if g.chance(0.3):
            return g.pick([kind], lambda other: other == tuple(shape), tuple(shape), -size, size - 1)
        return g.fresh(kind, shape, -size if g.chance(0.4) else 0, size - 1)
    if shape[unique_along] > size:
        raise Skip
    order = np.argsort(g.numbers.random([*shape[:unique_along], size, *shape[unique_along + 1:]]), unique_along)
    array = np.take(order, range(shape[unique_along]), unique_along)
    if g.chance(0.3):
        array = array - size * (g.numbers.random(array.shape) < 0.5)
    return g._new(array.astype(kind), g.chance(0.2))


@_operator("Gather", weight=2)
def _gather(g, name):
    data = g.pick(g.types(name), lambda shape: len(shape) > 0, lambda: g.shape(low=1))
    axis = g.axis(len(data.shape))
    rest = _size(data.shape) // max(1, data.shape[axis])
    shape = g.shape(high=3, limit=max(1, min(60, MAX_ELEMENTS // max(1, rest))))
    g.add(name, [data, _indices(g, g.types(name, 1), shape, data.shape[axis])], exact=True, axis=axis)


@_operator("GatherElements")
def _gather_elements(g, name):
    data = g.pick(g.types(name), lambda shape: len(shape) > 0, lambda: g.shape(low=1))
    axis = g.axis(len(data.shape))
    shape = [g.rng.randint(min(1, size), size) for size in data.shape]
    shape[axis] = g.rng.randint(1, 6)
    if _size(shape) > MAX_ELEMENTS:
        raise Skip
    g.add(name, [data, _indices(g, g.types(name, 1), shape, data.shape[axis])], exact=True, axis=axis)


def _tuples(g, shape, depth, count):
    """`count` positions in the first `depth` dimensions of `shape`, none twice."""
    total = _size(shape[:depth])
    if count > total:
        raise Skip
    chosen = g.rng.sample(range(total), count)
    tuples = np.stack(np.unravel_index(chosen, shape[:depth]), -1) if depth else np.zeros((count, 0), np.int64)
    if g.chance(0.3):
        tuples = tuples - np.array(shape[:depth]) * (g.numbers.random(tuples.shape) < 0.5)
    return tuples.astype(np.int64)


@_operator("GatherND")
def _gather_nd(g, name):
    data = g.pick(g.types(name), lambda shape: len(shape) > 0, lambda: g.shape(low=1))
    batch = g.rng.randint(0, min(1, len(data.shape) - 1)) if g.since(name) >= 12 else 0
    depth = g.rng.randint(1, len(data.shape) - batch)
    if 0 in data.shape:
        raise Skip
    outer = (*data.shape[:batch], *(g.rng.randint(1, 4) for _ in range(g.rng.randint(0 if batch == 0 else 1, 2))))
    parts = [g.numbers.integers(-size if g.chance(0.3) else 0, size, outer) for size in data.shape[batch:batch + depth]]
    indices = g._new(np.stack(parts, -1).astype(np.int64), g.chance(0.2))
    g.add(name, [data, indices], exact=True, batch_dims=batch if batch else None)


@_operator("ScatterElements")
def _scatter_elements(g, name):
    data = g.pick(g.types(name), lambda shape: len(shape) > 0, lambda: g.shape(low=1))
    axis = g.axis(len(data.shape)) % len(data.shape)
    shape = [g.rng.randint(min(1, size), size) for size in data.shape]
    shape[axis] = g.rng.randint(0, min(5, data.shape[axis]))
    choices = ["none"] if g.since(name) >= 16 else []
    choices += ["add", "mul"] if g.since(name) >= 16 else []
    choices += ["max", "min"] if g.since(name) >= 18 else []
    reduction = _attribute(g, *choices) if choices and data.type != "bool" else None
    unique = reduction in (None, "none")
    indices = _indices(g, g.types(name, 1), shape, data.shape[axis], axis if unique else None)
    g.add(name, [data, indices, g.like(data, shape=shape)], exact=unique, axis=axis, reduction=reduction)


@_operator("ScatterND")
def _scatter_nd(g, name):
    data = g.pick(g.types(name), lambda shape: len(shape) > 0 and 0 not in shape, lambda: g.shape(low=1))
    if 0 in data.shape:
        raise Skip
    depth = g.rng.randint(1, len(data.shape))
    count = g.rng.randint(1, 5)
    choices = ["none"] if g.since(name) >= 16 else []
    choices += ["add", "mul"] if g.since(name) >= 16 else []
    choices += ["max", "min"] if g.since(name) >= 18 else []
    reduction = _attribute(g, *choices) if choices and data.type != "bool" else None
    if reduction in (None, "none"):
        tuples = _tuples(g, data.shape, depth, min(count, _size(data.shape[:depth])))
    else:
        tuples = np.stack([g.numbers.integers(0, size, count) for size in data.shape[:depth]], -1)
    indices = g._new(tuples.astype(np.int64), g.chance(0.2))
    updates = g.like(data, shape=(tuples.shape[0], *data.shape[depth:]))
    g.add(name, [data, indices, updates], exact=reduction in (None, "none"), reduction=reduction)


@_operator("OneHot", weight=0.7)
def _one_hot(g, name):
    shape = g.shape(high=3, limit=100)
    depth = g.rng.randint(1, 8)
    kind = g.type([kind for kind in g.types(name) if kind in ("int32", "int64", "float32")])
    indices = g.pick([kind], lambda other: other == shape, shape, -depth, depth + 2) if kind != "float32" else g._new(
        g.numbers.integers(-depth, depth, shape).astype(np.float32).reshape(shape), False)
    value = g.rng.choice([t for t in g.types(name, 2) if t in ("float32", "int32", "int64", "float16")])
    g.add(name, [indices, g.constant([depth]), g.fresh(value, (2,))], exact=True,
          axis=_attribute(g, g.rng.randint(-len(shape) - 1, len(shape))))


@_operator("ReverseSequence", weight=0.5)
def _reverse(g, name):
    data = g.pick(g.types(name), lambda shape: len(shape) >= 2, lambda: g.shape(low=2))
    batch = g.rng.randint(0, 1)
    if data.shape[1 - batch] == 0:
        raise Skip
    lengths = g.fresh("int64", (data.shape[batch],), 1, data.shape[1 - batch])
    g.add(name, [data, lengths], exact=True, batch_axis=batch, time_axis=1 - batch)


# Contractions -----------------------------------------------------------------------------------------------------


def _product_shapes(g):
    batch = g.shape(high=2, limit=12)
    m, k, n = (max(1, min(g.size(), 330)) for _ in range(3))
    if m * k > MAX_ELEMENTS or k * n > MAX_ELEMENTS:
        m, k, n = min(m, 8), min(k, 40), min(n, 40)
    a = () if g.chance(0.1) else (*batch, m)
    other = tuple(1 if g.chance(0.2) else size for size in batch[g.rng.randint(0, len(batch)):])
    return (*a, k), ((k,) if g.chance(0.1) else (*other, k, n))


def _factor(g, shape, kind, low=None, high=None):
    return g.pick([kind], lambda other: other == shape, shape, low, high)


@_operator("MatMul", weight=3)
def _matmul(g, name):
    if g.chance(0.6):
        a, b = _product_shapes(g)
        kind = g.type(g.types(name))
        return g.add(name, [_factor(g, a, kind), _factor(g, b, kind)])
    first = g.pick(g.types(name), lambda shape: len(shape) > 0, lambda: g.shape(low=1))
    n = g.rng.randint(1, 12)
    k = first.shape[-1]
    if _size(first.shape[:-1]) * n > MAX_ELEMENTS or k * n > MAX_ELEMENTS:
        raise Skip
    g.add(name, [first, _factor(g, (k, n), first.type)])


@_operator("Gemm")
def _gemm(g, name):
    m, k, n = (min(g.size(), 40) for _ in range(3))
    flip_a, flip_b = g.chance(0.3), g.chance(0.3)
    kind = g.type(g.types(name))
    a = _factor(g, (k, m) if flip_a else (m, k), kind)
    b = _factor(g, (n, k) if flip_b else (k, n), kind)
    c = None
    if g.since(name) < 11 or g.chance(0.7):
        c = g.fresh(kind, g.rng.choice([(n,), (1, n), (m, 1), (m, n), (), (1, 1)]))
    exact = kind in INTEGERS
    g.add(name, [a, b, c], alpha=_attribute(g, 2.0) if exact else _attribute(g, 0.5, 1.5),
          beta=_attribute(g, 2.0) if exact else _attribute(g, 0.5, 2.0), transA=int(flip_a) or None, transB=int(flip_b) or None)


@_operator("MatMulInteger", weight=0.7)
def _matmul_integer(g, name):
    a, b = _product_shapes(g)
    kinds = g.type(g.types(name)), g.type(g.types(name, 1))
    zeros = [g.fresh(kind, (), 0, 5) if g.chance(0.5) else None for kind in kinds]
    g.add(name, [_factor(g, a, kinds[0]), _factor(g, b, kinds[1]), *zeros])


@_operator("Einsum", weight=0.7)
def _einsum(g, name):
    equation = g.rng.choice(["ij,jk->ik", "bij,bjk->bik", "ij,kj->ik", "i,j->ij", "ij->ji", "ij->i", "ij->", "bhid,bhjd->bhij",
                             "ii->i", "ii", "ij,ij->", "...ij,...jk->...ik", "ijk,k->ij"])
    sizes = {letter: min(g.size(), 9) for letter in "abcdefghijklmnopqrstuvwxyz"}
    lead = g.shape(high=2, limit=6)
    kind = g.type(g.types(name))
    inputs = []
    for term in equation.split("->")[0].split(","):
        shape = (*(lead if "..." in term else ()), *(sizes[letter] for letter in term if letter != "."))
        if _size(shape) > MAX_ELEMENTS:
            raise Skip
        inputs.append(_factor(g, shape, kind))
    g.add(name, inputs, equation=equation)


def _window(g, rank, sizes, transposed=False):
    """kernel_shape, attributes of a window that fits."""
    kernel = [g.rng.randint(1, 3) for _ in range(rank)]
    strides = [g.rng.randint(1, 2) for _ in range(rank)] if g.chance(0.5) else None
    dilations = [g.rng.randint(1, 2) for _ in range(rank)] if g.chance(0.3) else None
    attributes = {"kernel_shape": kernel, "strides": strides, "dilations": dilations}
    if g.chance(0.3):
        attributes["auto_pad"] = g.rng.choice(["SAME_UPPER", "SAME_LOWER", "VALID"])
        if transposed or dilations:
            attributes["auto_pad"] = "VALID"
    elif g.chance(0.6):
        attributes["pads"] = [g.rng.randint(0, k - 1) for k in kernel * 2]
    if not transposed:
        for size, k, d in zip(sizes, kernel, dilations or [1] * rank):
            if size < (k - 1) * d + 1:
                raise Skip
    return attributes


def _image(g, rank, channels):
    return (g.rng.randint(1, 2), channels, *(g.rng.randint(1, 9 if rank < 3 else 5) for _ in range(rank)))


@_operator("Conv", "ConvTranspose", weight=1.2)
def _conv(g, name):
    rank = g.rng.choice([1, 2, 2, 3])
    group = g.rng.choice([1, 1, 2, 3])
    per_group = g.rng.randint(1, 3)
    shape = _image(g, rank, group * per_group)
    kind = g.type(g.types(name))
    outputs = g.rng.randint(1, 3)
    attributes = _window(g, rank, shape[2:], name != "Conv")
    kernel = tuple(attributes["kernel_shape"])
    weight = (group * outputs, per_group, *kernel) if name == "Conv" else (group * per_group, outputs, *kernel)
    if g.chance(0.3):
        attributes["kernel_shape"] = None
    if name != "Conv" and attributes["strides"] and g.chance(0.4):
        attributes["output_padding"] = [g.rng.randint(0, stride - 1) for stride in attributes["strides"]]
    data = g.pick([kind], lambda other: other == shape, shape)
    bias = g.fresh(kind, (group * outputs,)) if g.chance(0.6) else None
    g.add(name, [data, g.fresh(kind, weight, constant=0.6), bias], group=group if group > 1 else None, **attributes)


@_operator("ConvInteger", weight=0.5)
def _conv_integer(g, name):
    shape = _image(g, 2, 2)
    attributes = _window(g, 2, shape[2:])
    kinds = g.type(g.types(name)), g.type(g.types(name, 1))
    data = g.pick([kinds[0]], lambda other: other == shape, shape)
    weight = g.fresh(kinds[1], (2, 2, *attributes["kernel_shape"]), constant=0.6)
    zeros = [g.fresh(kind, (), 0, 5) if g.chance(0.5) else None for kind in kinds]
    g.add(name, [data, weight, *zeros], **attributes)


# Windows, norms ---------------------------------------------------------------------------------------------------


@_operator("MaxPool", "AveragePool", "LpPool")
def _pool(g, name):
    rank = g.rng.choice([1, 2, 2, 3])
    shape = _image(g, rank, g.rng.randint(1, 4))
    data = g.pick(g.types(name), lambda other: len(other) in (3, 4, 5) and 0 not in other, shape,
                  *((None, None) if name == "MaxPool" else (-50, 50)))
    rank = len(data.shape) - 2
    attributes = _window(g, rank, data.shape[2:])
    since = g.since(name)
    if since < 10 or name == "AveragePool" and since < 19 or name == "LpPool" and since < 18:
        attributes["dilations"] = None
    if since >= 10 and name != "LpPool" and "auto_pad" not in attributes:
        attributes["ceil_mode"] = _attribute(g, 0, 1)
    if name == "AveragePool":
        attributes["count_include_pad"] = _attribute(g, 0, 1)
    if name == "LpPool":
        attributes["p"] = _attribute(g, 1, 2)
    g.add(name, [data], exact=name == "MaxPool", **attributes)


@_operator("LayerNormalization", "RMSNormalization")
def _layer_norm(g, name):
    data = g.pick(g.types(name), lambda shape: len(shape) > 0 and 0 not in shape, lambda: g.shape(low=1), -50, 50)
    axis = g.axis(len(data.shape)) if g.chance(0.5) else -1
    shape = data.shape[axis:]
    kind = data.type
    scale = g.fresh(kind, shape, 0.5, 2)
    bias = g.fresh(kind, shape) if name == "LayerNormalization" and g.chance(0.6) else None
    g.add(name, [data, scale, bias], axis=_attribute(g, axis) if axis == -1 else axis, epsilon=_attribute(g, 1e-5, 1e-2))


@_operator("InstanceNormalization", "BatchNormalization", "LRN", "GroupNormalization", "MeanVarianceNormalization", weight=0.6)
def _channel_norm(g, name):
    channels = g.rng.choice([1, 2, 4, 6])
    shape = _image(g, g.rng.choice([1, 2]) if name not in ("LRN", "MeanVarianceNormalization") else 2, channels)
    low = 4 if name in ("LRN", "MeanVarianceNormalization") else 3
    # The bodies of two of them, as functions, are valid for float32 alone.
    types = ["float32"] if name in ("MeanVarianceNormalization", "GroupNormalization") else g.types(name)
    data = g.pick(types, lambda other: low <= len(other) <= 4 and 0 not in other, shape, -50, 50)
    channels, kind = data.shape[1], data.type
    if name == "InstanceNormalization" and _size(data.shape[2:]) == 1:
        raise Skip  # onnxruntime subtracts a mean that is multiplied by 1 / sqrt(epsilon)
    if name == "LRN":
        return g.add(name, [data], size=g.rng.choice([1, 3, 5]), alpha=_attribute(g, 1e-3, 0.1), beta=_attribute(g, 0.5, 0.75),
                     bias=_attribute(g, 1.0, 2.0))
    if name == "MeanVarianceNormalization":
        return g.add(name, [data], axes=g.axes(4, negative=False) if g.chance(0.5) else None)
    scale, bias = g.fresh(kind, (channels,), 0.5, 2, constant=0.5), g.fresh(kind, (channels,), constant=0.5)
    epsilon = _attribute(g, 1e-5, 1e-2)
    if name == "BatchNormalization":
        mean, var = g.fresh(kind, (channels,), constant=0.5), g.fresh(kind, (channels,), 0.3, 3, constant=0.5)
        return g.add(name, [data, scale, bias, mean, var], epsilon=epsilon)
    if name == "GroupNormalization":
        groups = g.rng.choice([n for n in range(1, channels + 1) if channels % n == 0])
        if g.since(name) < 21:
            scale, bias = g.fresh(kind, (groups,), 0.5, 2), g.fresh(kind, (groups,))
        return g.add(name, [data, scale, bias], num_groups=groups, epsilon=epsilon)
    g.add(name, [data, scale, bias], epsilon=epsilon)


# Quantisation -----------------------------------------------------------------------------------------------------


@_operator("QuantizeLinear", "DequantizeLinear")
def _quantize(g, name):
    types = g.types(name)
    if name == "QuantizeLinear":
        kinds = [kind for kind in g.types(name, 2) if kind in ("int8", "uint8", "int16", "uint16")]
        # Of 16-bit floats onnxruntime divides in float32.
        data = g.pick(["float32"], low=-300, high=300)
        kind, scale_kind = g.rng.choice(kinds), "float32" if g.since(name) < 19 else data.type
    else:
        data = g.pick([kind for kind in types if kind in ("int8", "uint8", "int16", "uint16", "int32")], low=-2**15, high=2**16)
        kind, scale_kind = data.type, "float32"
    shape, axis = (), None
    if g.since(name) >= 13 and data.shape and g.chance(0.5):
        axis = g.axis(len(data.shape))
        shape = (data.shape[axis],)
    zero = g.fresh(kind, shape, *((0, 0) if kind == "int32" else (-20, 20)), constant=0.5) if g.chance(0.7) else None
    if zero is None and name == "QuantizeLinear":
        kind = "uint8"
    g.add(name, [data, g.fresh(scale_kind, shape, 0.02, 1.5, constant=0.5), zero], axis=axis)


@_operator("DynamicQuantizeLinear", weight=0.5)
def _dynamic_quantize(g, name):
    g.add(name, [g.pick(["float32"], lambda shape: 0 not in shape, (g.rng.randint(1, 9),))], 3)


@_operator("Dropout", weight=0.3)
def _dropout(g, name):
    g.add(name, [g.pick(g.types(name))], g.rng.randint(1, 2) if g.since(name) >= 12 else 1, exact=True)


# Images -----------------------------------------------------------------------------------------------------------


@_operator("Resize")
def _resize(g, name):
    since = g.since(name)
    rank = g.rng.choice([3, 4, 4])
    shape = _image(g, rank - 2, g.rng.randint(1, 3))
    data = g.pick([kind for kind in g.types(name) if kind in ("float32", "float16", "int8", "uint8", "int32")],
                  lambda other: len(other) in (3, 4) and 0 not in other and _size(other) < 300, shape)
    mode = g.rng.choice(["nearest", "linear", *(["cubic"] if since >= 11 and len(data.shape) == 4 else [])])
    if mode != "nearest" and data.type != "float32":
        raise Skip
    attributes = {"mode": mode}
    sizes = [1, 1, *(g.rng.choice([0.5, 1.0, 1.5, 2.0, 3.0]) for _ in data.shape[2:])]
    if since < 11:
        return g.add(name, [data, g.constant(sizes, "float32")], exact=mode == "nearest", **attributes)
    attributes["coordinate_transformation_mode"] = _attribute(g, "half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel")
    if mode == "nearest":
        if attributes["coordinate_transformation_mode"] == "align_corners":
            raise Skip  # halves of a quotient, which onnxruntime rounds in float32
        attributes["nearest_mode"] = _attribute(g, "round_prefer_floor", "round_prefer_ceil", "floor", "ceil")
    if mode == "cubic":
        attributes["cubic_coeff_a"] = _attribute(g, -0.5, -0.75)
        attributes["exclude_outside"] = _attribute(g, 0, 1)
    roi = g.constant([], "float32") if since < 13 else None
    if g.chance(0.5):
        target = [*data.shape[:2], *(max(1, int(size * scale)) for size, scale in zip(data.shape[2:], sizes[2:]))]
        empty = g.constant([], "float32") if since < 13 else None
        return g.add(name, [data, roi, empty, g.constant(target)], exact=mode == "nearest", **attributes)
    g.add(name, [data, roi, g.constant(sizes, "float32")], exact=mode == "nearest", **attributes)


@_operator("GridSample", weight=0.5)
def _grid_sample(g, name):
    n, c, h, w = g.rng.randint(1, 2), g.rng.randint(1, 3), g.rng.randint(1, 6), g.rng.randint(1, 6)
    data = g.pick(["float32"], lambda other: other == (n, c, h, w), (n, c, h, w))
    grid = g.fresh("float32", (n, g.rng.randint(1, 5), g.rng.randint(1, 5), 2), -1.2, 1.2)
    modes = ("bilinear", "nearest", "bicubic") if g.since(name) < 20 else ("linear", "nearest", "cubic")
    mode = _attribute(g, *modes)
    # Cubic beyond the border is not what ONNX says in onnxruntime.
    paddings = ("zeros",) if mode == modes[2] else ("zeros", "border", "reflection")
    g.add(name, [data, grid], mode=mode, padding_mode=_attribute(g, *paddings),
          align_corners=_attribute(g, 0, 1))


# Recurrent networks, attention, losses ----------------------------------------------------------------------------


@_operator("RNN", "GRU", "LSTM", weight=0.4)
def _recurrent(g, name):
    steps, batch, width, hidden = g.rng.randint(1, 4), g.rng.randint(1, 3), g.rng.randint(1, 5), g.rng.randint(1, 5)
    gates = {"RNN": 1, "GRU": 3, "LSTM": 4}[name]
    direction = _attribute(g, "forward", "reverse", "bidirectional")
    ways = 2 if direction == "bidirectional" else 1
    kind = "float32"
    inputs = [g.pick([kind], lambda other: other == (steps, batch, width), (steps, batch, width)),
              g.fresh(kind, (ways, gates * hidden, width), -1, 1, 0.6), g.fresh(kind, (ways, gates * hidden, hidden), -1, 1, 0.6),
              g.fresh(kind, (ways, 2 * gates * hidden), -1, 1) if g.chance(0.6) else None,
              g.fresh("int32", (batch,), 1, steps) if g.chance(0.3) else None,
              g.fresh(kind, (ways, batch, hidden), -1, 1) if g.chance(0.5) else None]
    if name == "LSTM" and inputs[-1] is not None:
        inputs.append(g.fresh(kind, (ways, batch, hidden), -1, 1))
    g.add(name, inputs, 3 if name == "LSTM" else 2, hidden_size=hidden, direction=direction,
          linear_before_reset=_attribute(g, 0, 1) if name == "GRU" else None)


@_operator("Attention", weight=0.5)
def _attention(g, name):
    kind = g.type([kind for kind in g.types(name) if kind != "float64"])
    batch, heads, size = g.rng.randint(1, 2), g.rng.randint(1, 3), g.rng.randint(1, 8)
    groups = g.rng.choice([n for n in range(1, heads + 1) if heads % n == 0])
    queries, keys, value_size = g.rng.randint(1, 5), g.rng.randint(1, 6), g.rng.randint(1, 8)
    inputs = [_factor(g, (batch, heads, queries, size), kind, -4, 4), _factor(g, (batch, groups, keys, size), kind, -4, 4),
              _factor(g, (batch, groups, keys, value_size), kind, -4, 4)]
    causal = _attribute(g, 0, 1)
    if g.chance(0.4) and not causal:
        inputs.append(g.fresh(kind, g.rng.choice([(queries, keys), (batch, 1, queries, keys), (batch, heads, queries, keys)])))
    g.add(name, inputs, is_causal=causal, scale=_attribute(g, 0.3, 1.0), softcap=_attribute(g, 5.0))


@_operator("RotaryEmbedding", weight=0.4)
def _rotary(g, name):
    batch, heads, steps, half = g.rng.randint(1, 2), g.rng.randint(1, 3), g.rng.randint(1, 4), g.rng.randint(1, 4)
    kind = g.type(g.types(name))
    positions = g.rng.randint(steps, 8)
    tables = [g.fresh(kind, (positions, half), -1, 1, 0.5) for _ in range(2)]
    g.add(name, [_factor(g, (batch, heads, steps, 2 * half), kind), *tables, g.fresh("int64", (batch, steps), 0, positions - 1)],
          interleaved=_attribute(g, 0, 1))


@_operator("NegativeLogLikelihoodLoss", "SoftmaxCrossEntropyLoss", weight=0.4)
def _loss(g, name):
    classes = g.rng.randint(1, 5)
    rest = (g.rng.randint(1, 4), *(g.rng.randint(1, 3) for _ in range(g.rng.randint(0, 2))))
    kind = "float32"
    scores = _factor(g, (rest[0], classes, *rest[1:]), kind, -8, 8)
    target = g.fresh(g.rng.choice(["int32", "int64"]), rest, 0, classes - 1)
    weights = g.fresh(kind, (classes,), 0.3, 2) if g.chance(0.5) else None
    g.add(name, [scores, target, weights], reduction=_attribute(g, "mean", "sum", "none"),
          ignore_index=_attribute(g, 0) if classes > 1 and g.chance(0.3) else None)


@_operator("Det", weight=0.3)
def _det(g, name):
    size = g.rng.randint(1, 3)
    shape = (*g.shape(high=2, limit=10), size, size)
    g.add(name, [_factor(g, shape, g.type(g.types(name)), -5, 5)])


@_operator("DFT", weight=0.3)
def _dft(g, name):
    shape = (g.rng.randint(1, 2), g.rng.randint(1, 12), 1)
    axis = g.constant(1) if g.since(name) >= 20 else None
    g.add(name, [_factor(g, shape, "float32", -1, 1), None, axis], axis=None if axis else 1, onesided=_attribute(g, 0, 1))


# com.microsoft ----------------------------------------------------------------------------------------------------
