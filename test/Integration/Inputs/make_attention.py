"""make_attention.py CASE OUT.onnx: one operator of attention with random inputs OUT.onnx.NAME.npy, its output as
ONNX's reference implementation computes it in OUT.onnx.y.npy."""
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

case, out = sys.argv[1], sys.argv[2]
rng = np.random.default_rng(0)


def normal(*shape):
    return rng.standard_normal(shape).astype(np.float32)


def attention(q, k, mask=None, length=None, **attributes):
    inputs = {"q": q, "k": k, "v": normal(*k.shape)}
    names = ["q", "k", "v", "", "", "", ""]
    for index, name, array in ((3, "mask", mask), (6, "length", length)):
        if array is not None:
            inputs[name], names[index] = array, name
    while not names[-1]:
        names.pop()
    return "Attention", names, inputs, attributes


def rotary(x, cos_shape, positions=None, **attributes):
    inputs = {"x": x, "cos": normal(*cos_shape), "sin": normal(*cos_shape)}
    if positions is not None:
        inputs["positions"] = positions
    return "RotaryEmbedding", list(inputs), inputs, attributes


def scatter(cache, rows, positions, **attributes):
    inputs = {"cache": cache, "rows": rows, "positions": positions}
    return "TensorScatter", list(inputs), inputs, attributes


heads = {"q_num_heads": 6, "kv_num_heads": 2}
CASES = {
    "plain": lambda: attention(normal(2, 3, 48), normal(2, 5, 16), **heads),
    "causal": lambda: attention(normal(2, 3, 48), normal(2, 3, 16), is_causal=1, scale=0.3, **heads),
    "length": lambda: attention(
        normal(2, 3, 48), normal(2, 9, 16), normal(2, 6, 3, 9), np.array([4, 7]), **heads
    ),
    "mask": lambda: attention(normal(2, 3, 48), normal(2, 5, 16), mask=normal(3, 5), softcap=2.0, **heads),
    "bool_mask": lambda: attention(normal(2, 6, 3, 8), normal(2, 2, 5, 8), mask=rng.random((2, 6, 3, 5)) < 0.6),
    "rotary": lambda: rotary(normal(2, 3, 48), (7, 4), np.array([[1, 2, 3], [0, 6, 2]]), num_heads=6),
    "interleaved": lambda: rotary(normal(2, 3, 48), (2, 3, 4), num_heads=6, interleaved=1),
    "partial": lambda: rotary(
        normal(2, 6, 3, 8), (7, 2), np.array([[1, 2, 3], [0, 6, 2]]), rotary_embedding_dim=4
    ),
    "scatter": lambda: scatter(normal(2, 7, 4), normal(2, 3, 4), np.array([1, 4]), axis=1),
    "circular": lambda: scatter(normal(2, 3, 7, 4), normal(2, 3, 2, 4), np.array([6, 2]), mode="circular"),
}

kind, names, inputs, attributes = CASES[case]()
node = helper.make_node(kind, names, ["y"], **attributes)
ports = [
    helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
    for name, array in inputs.items()
]


def model(shape):
    graph = helper.make_graph([node], case, ports, [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 24)], ir_version=11)


(y,) = ReferenceEvaluator(model(None)).run(None, inputs)
onnx.save(model(y.shape), out)
for name, array in {**inputs, "y": y}.items():
    np.save(f"{out}.{name}.npy", array)
with open(out + ".options", "w") as file:
    file.write(" ".join(f"--input {name}={out}.{name}.npy" for name in inputs))
