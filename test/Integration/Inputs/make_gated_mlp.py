"""make_gated_mlp.py C F ROWS OUT.onnx: y = x + down(silu(gate(n)) * up(n)), n
the RMS norm of x [rows, C], int8 weights with a scale a column; and
OUT.onnx.x.npy, OUT.onnx.y.npy in double precision."""
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

width, hidden, rows = map(int, sys.argv[1:4])
out = sys.argv[4]
rng = np.random.default_rng(0)
initializers, nodes = [], []


def linear(name, x, y, inputs, outputs):
    weights = rng.integers(-127, 128, (inputs, outputs)).astype(np.int8)
    scales = ((rng.random(outputs) + 1.5) / (150 * np.sqrt(inputs))).astype(np.float32)
    initializers.append(numpy_helper.from_array(weights, name + ".weight"))
    initializers.append(numpy_helper.from_array(scales, name + ".scale"))
    nodes.append(
        helper.make_node("DequantizeLinear", [name + ".weight", name + ".scale"], [name + ".real"], axis=1)
    )
    nodes.append(helper.make_node("MatMul", [x, name + ".real"], [y], name=name))
    return weights * scales.astype(np.float64)


gain = (rng.random(width) + 0.5).astype(np.float32)
initializers.append(numpy_helper.from_array(gain, "gain"))
nodes.append(helper.make_node("RMSNormalization", ["x", "gain"], ["n"], name="norm"))
gate = linear("gate", "n", "g", width, hidden)
up = linear("up", "n", "u", width, hidden)
nodes.append(helper.make_node("Swish", ["g"], ["a"], name="act"))
nodes.append(helper.make_node("Mul", ["a", "u"], ["h"], name="mul"))
down = linear("down", "h", "d", hidden, width)
nodes.append(helper.make_node("Add", ["x", "d"], ["y"], name="residual"))
graph = helper.make_graph(
    nodes,
    "gated_mlp",
    [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", width])],
    [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["rows", width])],
    initializers,
)
onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 24)], ir_version=11), out)
x = rng.standard_normal((rows, width)).astype(np.float32)
n = x / np.sqrt((x.astype(np.float64) ** 2).mean(1, keepdims=True) + 1e-5) * gain
a = n @ gate
np.save(out + ".x.npy", x)
np.save(out + ".y.npy", (x + (a / (1 + np.exp(-a)) * (n @ up)) @ down).astype(np.float32))
