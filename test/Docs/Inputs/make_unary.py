"""make_unary.py OP OUT.onnx: y = OP(x), x [4, 40]; OUT.onnx.x.npy, .y.npy."""
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper

operator, out = sys.argv[1:]
x = np.linspace(-6, 6, 160).astype(np.float32).reshape(4, 40)
if operator in ("Log", "Sqrt", "Reciprocal"):
    x = np.abs(x) + np.float32(0.1)
expected = {
    "Softsign": lambda v: v / (1 + np.abs(v)),
    "Tanh": np.tanh,
    "Sigmoid": lambda v: 1 / (1 + np.exp(-v)),
    "Swish": lambda v: v / (1 + np.exp(-v)),
    "Exp": np.exp,
    "Log": np.log,
    "Sqrt": np.sqrt,
    "Reciprocal": lambda v: 1 / v,
    "Relu": lambda v: np.maximum(v, 0),
    "Neg": lambda v: -v,
    "Abs": np.abs,
}[operator](x.astype(np.float64))
info = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [4, 40]) for n in "xy"]
graph = helper.make_graph([helper.make_node(operator, ["x"], ["y"], name="op")], "g", info[:1], info[1:])
onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 24)], ir_version=11), out)
np.save(out + ".x.npy", x)
np.save(out + ".y.npy", expected.astype(np.float32))
