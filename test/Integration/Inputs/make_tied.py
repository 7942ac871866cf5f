"""make_tied.py V H N OUT.onnx: logits = embedding[i] @ embedding^T for N run-time
indices and one int8 V x H table with a scale a row; and OUT.onnx.i.npy,
OUT.onnx.y.npy."""
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

(height, width, count), out = map(int, sys.argv[1:4]), sys.argv[4]
rng = np.random.default_rng(height + width)
values = rng.integers(-127, 128, (height, width)).astype(np.int8)
scales = np.exp(rng.uniform(-6, -5, height)).astype(np.float32)
indices = rng.integers(0, height, (1, count))
nodes = [
    helper.make_node("DequantizeLinear", ["values", "scales"], ["table"], axis=0),
    helper.make_node("Gather", ["table", "i"], ["x"], name="embed"),
    helper.make_node("Transpose", ["table"], ["turned"], perm=[1, 0]),
    helper.make_node("MatMul", ["x", "turned"], ["y"], name="head"),
]
graph = helper.make_graph(
    nodes,
    "tied",
    [helper.make_tensor_value_info("i", TensorProto.INT64, [1, count])],
    [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, count, height])],
    [numpy_helper.from_array(values, "values"), numpy_helper.from_array(scales, "scales")],
)
onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 24)], ir_version=11), out)
table = values * scales[:, None].astype(np.float64)
np.save(out + ".i.npy", indices)
np.save(out + ".y.npy", (table[indices] @ table.T).astype(np.float32))
