"""Which tests are arithmetic, and which programs compute: RULE says it in words."""

import onnx

# Operators that move elements, or say something of shapes, and compute nothing.
MOVES = frozenset({
    "BitCast", "CenterCropPad", "Compress", "Concat", "ConcatFromSequence", "Constant", "ConstantOfShape",
    "DepthToSpace", "Expand", "EyeLike", "Flatten", "Gather", "GatherElements", "GatherND", "Identity", "If", "Loop",
    "MaxUnpool", "Optional", "OptionalGetElement", "OptionalHasElement", "Pad", "Reshape", "ReverseSequence", "Scan",
    "Scatter", "ScatterElements", "ScatterND", "SequenceAt", "SequenceConstruct", "SequenceEmpty", "SequenceErase",
    "SequenceInsert", "SequenceLength", "SequenceMap", "Shape", "Size", "Slice", "SpaceToDepth", "Split",
    "SplitToSequence", "Squeeze", "TensorScatter", "Tile", "Transpose", "Trilu", "Unsqueeze"})

# ALU operations that give the same value again, later, or read as the other type.
_COPIES = ("alu copy", "alu delay", "alu bits")

RULE = ("A program computes if it has an instruction of the VXM that is no copy (`copy`, `delay`, `bits`), or one that brings activations "
        "to the MXM (`abc`). A test is arithmetic if a node of its model, bodies included, is; nodes that only move elements or tell "
        "something of shapes are not: " + ", ".join(sorted(MOVES)) + "; Resize and Upsample that take the nearest element; Dropout "
        "that does not train; Cast and CastLike from a floating type to one that has all its values.")

_FLOAT = onnx.TensorProto.FLOAT
_DOUBLE = onnx.TensorProto.DOUBLE
_SMALL_FLOATS = frozenset(getattr(onnx.TensorProto, name) for name in onnx.TensorProto.DataType.keys()
                          if name in ("FLOAT16", "BFLOAT16") or name.startswith(("FLOAT8", "FLOAT4")))


def count_arithmetic(instructions: dict[str, int]) -> int:
    """Of a program's instructions (lpu.Program.count_instructions) those that compute."""
    return sum(count for name, count in instructions.items()
               if name == "abc" or (name.startswith("alu ") and name not in _COPIES))


def _attribute(node: onnx.NodeProto, name: str, otherwise):
    return next((onnx.helper.get_attribute_value(a) for a in node.attribute if a.name == name), otherwise)


def _is_widening(source: int | None, target: int | None) -> bool:
    if source == target:
        return source is not None
    return (source in _SMALL_FLOATS and target in (_FLOAT, _DOUBLE)) or (source == _FLOAT and target == _DOUBLE)


def _computes(node: onnx.NodeProto, types: dict[str, int]) -> bool:
    match node.op_type:
        case "Resize" | "Upsample":
            return _attribute(node, "mode", b"nearest") != b"nearest"
        case "Dropout":
            return len(node.input) > 2 and node.input[2] != ""
        case "Cast":
            return not _is_widening(types.get(node.input[0]), _attribute(node, "to", None))
        case "CastLike":
            return not _is_widening(types.get(node.input[0]), types.get(node.input[1]))
    return node.op_type not in MOVES


def is_arithmetic(graph: onnx.GraphProto) -> bool:
    types = {value.name: value.type.tensor_type.elem_type for value in (*graph.input, *graph.value_info)}
    types |= {tensor.name: tensor.data_type for tensor in graph.initializer}
    return any(_computes(node, types) or any(is_arithmetic(a.g) for a in node.attribute if a.HasField("g"))
               for node in graph.node)
