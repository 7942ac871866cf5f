"""make_gather.py KIND V H N OUT.onnx [TYPE]: rows of a V x H table by N run-time indices;
KIND float, or int8 with a scale a row, a column or for all (`row`, `column`, `all`); indices of
TYPE, int64 unless given;
and OUT.onnx.i.npy, OUT.onnx.y.npy. The first indices are 0, V - 1, -1 and -V."""
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

kind, (height, width, count), out = sys.argv[1], map(int, sys.argv[2:5]), sys.argv[5]
type_name = sys.argv[6] if len(sys.argv) > 6 else "int64"
rng = np.random.default_rng(height + width)
indices = rng.integers(0, height, (1, count))
indices[0, : min(4, count)] = [0, height - 1, -1, -height][: min(4, count)]
indices = indices.astype(type_name)
nodes, initializers = [], []
if kind == "float":
    table = rng.standard_normal((height, width)).astype(np.float32)
    initializers.append(numpy_helper.from_array(table, "table"))
else:
    values = rng.integers(-128, 128, (height, width)).astype(np.int8)
    shape = {"row": (height,), "column": (width,), "all": ()}[kind]
    scales = np.exp(rng.uniform(-6, 0, shape)).astype(np.float32)
    axis = {"axis": 0 if kind == "row" else 1}
    nodes.append(helper.make_node("DequantizeLinear", ["values", "scales"], ["table"], **axis))
    initializers.append(numpy_helper.from_array(values, "values"))
    initializers.append(numpy_helper.from_array(np.asarray(scales), "scales"))
    table = values * (scales[:, None] if kind == "row" else scales)
nodes.append(helper.make_node("Gather", ["table", "i"], ["y"], name="embed", axis=0))
graph = helper.make_graph(
    nodes,
    "gather",
    [helper.make_tensor_value_info("i", getattr(TensorProto, type_name.upper()), [1, count])],
    [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, count, width])],
    initializers,
)
onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 24)], ir_version=11), out)
np.save(out + ".i.npy", indices)
np.save(out + ".y.npy", table[indices].astype(np.float32))
