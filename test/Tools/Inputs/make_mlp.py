"""make_mlp.py OUT.onnx: y = silu(x W + b), x [batch, 3, 48], W [48, 64]; and
OUT.onnx.x.npy, OUT.onnx.y.npy for batch 1. With a second argument, the name of
an operator that nothing converts, that operator comes first."""
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

out = sys.argv[1]
rng = np.random.default_rng(0)
w = rng.standard_normal((48, 64)).astype(np.float32)
b = rng.standard_normal(64).astype(np.float32)
first = "x"
nodes = []
if len(sys.argv) > 2:
    nodes.append(helper.make_node(sys.argv[2], ["x"], ["x1"], name="strange"))
    first = "x1"
nodes += [
    helper.make_node("MatMul", [first, "w"], ["product"], name="proj"),
    helper.make_node("Add", ["product", "b"], ["sum"], name="bias"),
    helper.make_node("Sigmoid", ["sum"], ["gate"], name="gate"),
    helper.make_node("Mul", ["sum", "gate"], ["y"], name="silu"),
]
graph = helper.make_graph(
    nodes,
    "mlp",
    [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 3, 48])],
    [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 3, 64])],
    [numpy_helper.from_array(w, "w"), numpy_helper.from_array(b, "b")],
)
onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10), out)
x = rng.standard_normal((1, 3, 48)).astype(np.float32)
# Weights as the compiler keeps them: int8, one scale an output channel.
scale = np.abs(w).max(0) / np.float32(127)
product = x.astype(np.float64) @ (np.rint(w / scale) * scale) + b
np.save(out + ".x.npy", x)
np.save(out + ".y.npy", (product / (1 + np.exp(-product))).astype(np.float32))
