"""Which inputs of a model are shape-like, and a model that has their values as constants.

A statically scheduled machine needs shapes, axes, pads, counts and the like when it compiles. An input is shape-like
if it reaches such a slot of some node, directly or through arithmetic on shapes. Every other input stays a run-time
input.
"""

import numpy as np
import onnx
from onnx import numpy_helper

# Inputs by index. Reduce* and the operators of the same form are below.
_SLOTS: dict[str, tuple[int, ...]] = {
    "AffineGrid": (1,),
    "BlackmanWindow": (0,),
    "CenterCropPad": (1,),
    "Col2Im": (1, 2),
    "ConstantOfShape": (0,),
    "CumProd": (1,),
    "CumSum": (1,),
    "DFT": (1, 2),
    "Dropout": (1, 2),
    "Expand": (1,),
    "HammingWindow": (0,),
    "HannWindow": (0,),
    "If": (0,),
    "Loop": (0, 1),
    "MaxUnpool": (2,),
    "MelWeightMatrix": (0, 1, 2, 3, 4),
    "NonMaxSuppression": (2,),
    "OneHot": (1,),
    "Pad": (1, 3),
    "Range": (0, 1, 2),
    "Reshape": (1,),
    "Resize": (1, 2, 3),
    "STFT": (1, 3),
    "SequenceAt": (1,),
    "SequenceErase": (1,),
    "SequenceInsert": (2,),
    "Slice": (1, 2, 3, 4),
    "Split": (1,),
    "SplitToSequence": (1,),
    "Squeeze": (1,),
    "Tile": (1, 2),
    "TopK": (1,),
    "Trilu": (1,),
    "Unsqueeze": (1,),
    "Upsample": (1,),
}
_REDUCTIONS = ("ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMax", "ReduceMean", "ReduceMin",
               "ReduceProd", "ReduceSum", "ReduceSumSquare")
_SLOTS.update({name: (1,) for name in _REDUCTIONS})

# What computes shapes from shapes: with a shape-like result, every input is shape-like. `Shape` and `Size` are not
# here: shapes of tensors are static.
_CARRIERS = frozenset({
    "Abs", "Add", "And", "ArgMax", "ArgMin", "Cast", "Ceil", "Compress", "Concat", "ConstantOfShape", "CumSum", "Div",
    "Equal", "Expand", "Flatten", "Floor", "Gather", "GatherElements", "GatherND", "Greater", "GreaterOrEqual",
    "Identity", "Less", "LessOrEqual", "Max", "Min", "Mod", "Mul", "Neg", "NonZero", "Not", "Or", "Pad", "Pow", "Range",
    "Relu", "Reshape", "Round", "ScatterElements", "ScatterND", "Sign", "Slice", "Split", "Sqrt", "Squeeze", "Sub",
    "Sum", "Tile", "TopK", "Transpose", "Unsqueeze", "Where", "Xor", *_REDUCTIONS})


def _slots(node: onnx.NodeProto, opset: int) -> tuple[int, ...]:
    if node.domain not in ("", "ai.onnx"):
        return ()
    if node.op_type == "Resize" and opset < 11:
        return (1,)
    return _SLOTS.get(node.op_type, ())


def _visit(graph: onnx.GraphProto, opset: int, needed: set[str]) -> None:
    """Adds to `needed` the values of `graph`, and those it captures, that reach a shape-like slot."""
    for node in reversed(graph.node):
        needed.update(node.input[i] for i in _slots(node, opset) if i < len(node.input))
        bodies = [attribute.g for attribute in node.attribute if attribute.type == onnx.AttributeProto.GRAPH]
        for body in bodies:
            results = body.output
            if node.op_type == "Loop":
                needed.add(body.output[0].name)  # the condition, with the trip count
                results = body.output[1:]
            elif node.op_type == "Scan":
                results = body.output
            needed.update(inner.name for inner, outer in zip(results, node.output) if outer in needed)
            for _ in range(2):  # what an iteration hands to the next
                _visit(body, opset, needed)
                if node.op_type == "Loop":
                    for inner, outer in zip(body.input[2:], node.input[2:]):
                        if inner.name in needed:
                            needed.add(outer)
                    needed.update(out.name for out, inner in zip(body.output[1:], body.input[2:])
                                  if inner.name in needed)
                elif node.op_type == "Scan":
                    for inner, outer in zip(body.input, node.input):
                        if inner.name in needed:
                            needed.add(outer)
        if not bodies and node.op_type in _CARRIERS and any(name in needed for name in node.output):
            needed.update(node.input)
        elif node.op_type == "CastLike" and node.output[0] in needed:
            needed.add(node.input[0])
    needed.discard("")


def find_shape_like(model: onnx.ModelProto) -> list[str]:
    """Names of the model's inputs that are shape-like, in their order. Functions of the model are not looked into."""
    opset = next((item.version for item in model.opset_import if item.domain in ("", "ai.onnx")), 1)
    needed: set[str] = set()
    _visit(model.graph, opset, needed)
    constants = {tensor.name for tensor in model.graph.initializer}
    return [value.name for value in model.graph.input if value.name in needed and value.name not in constants]


def specialize(model: onnx.ModelProto, arrays: dict[str, np.ndarray], names: list[str]) -> onnx.ModelProto:
    """A copy in which the inputs `names` are initializers, and every other input has the shape of its array."""
    result = onnx.ModelProto()
    result.CopyFrom(model)
    graph = result.graph
    kept = [value for value in graph.input if value.name not in names]
    for value in kept:
        if value.name in arrays and value.type.HasField("tensor_type"):
            dims = value.type.tensor_type.shape.dim
            if any(not dim.HasField("dim_value") for dim in dims):
                for dim, size in zip(dims, arrays[value.name].shape, strict=True):
                    dim.dim_value = size
    constants = [numpy_helper.from_array(arrays[name], name) for name in names]
    del graph.input[:]
    graph.input.extend(kept)
    graph.initializer.extend(constants)
    return result
