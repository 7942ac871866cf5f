"""check_ranges.py tokens OUT.npz COUNT: tokens of a sequence, as a calibration file.
check_ranges.py compare MODEL.onnx TOKENS.npz TENSOR.mlir: `lpu.input_max` of every product, norm and attention and
`lpu.column_max` of every cache, in the order of the nodes, against onnxruntime fed token by token, from the start again when the caches are full."""
import re
import sys

import numpy as np
import onnx
import onnxruntime

if sys.argv[1] == "tokens":
    tokens = np.random.default_rng(1).integers(0, 256, (1, int(sys.argv[3])))
    save = np.savez_compressed if len(sys.argv) > 4 else np.savez
    save(sys.argv[2], input_ids=tokens)
    sys.exit()

path, tokens = sys.argv[2], np.load(sys.argv[3])["input_ids"]
model = onnx.load(path)
OBSERVED = {"MatMul": 1, "RMSNormalization": 1, "Attention": 3}
observed = [list(node.input[: OBSERVED[node.op_type]]) for node in model.graph.node if node.op_type in OBSERVED]
appended = [node.input[1] for node in model.graph.node if node.op_type == "TensorScatter"]
names = sorted({name for inputs in observed for name in inputs} | set(appended))
known = {port.name for port in [*model.graph.output, *model.graph.input]}
model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names if name not in known)
probed = path + ".probed.onnx"
onnx.save(model, probed)
options = onnxruntime.SessionOptions()
options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
options.log_severity_level = 3
session = onnxruntime.InferenceSession(probed, options, providers=["CPUExecutionProvider"])
empty = {
    port.name: np.zeros([1, *port.shape[1:]], np.float32) for port in session.get_inputs() if "_cache." in port.name
}
capacity = next(iter(empty.values())).shape[1]
outputs = [port.name for port in session.get_outputs()]
largest = dict.fromkeys(names, 0.0)
columns = dict.fromkeys(appended, 0.0)
for index, token in enumerate(tokens[0]):
    position = index % capacity
    caches = empty if position == 0 else {name: results[f"updated_{name}"] for name in empty}
    step = {"input_ids": [[token]], "position_ids": [[position]], "write_indices": [position]}
    step |= {"nonpad_kv_seqlen": [position + 1], "logits_index": [0]}
    feed = {name: np.array(value, np.int64) for name, value in step.items()} | caches
    results = dict(zip(outputs, session.run(None, feed)))
    for name in names:
        largest[name] = max(largest[name], float(np.abs(results[name]).max()))
    for name in appended:
        columns[name] = np.maximum(columns[name], np.abs(results[name]).reshape(-1, results[name].shape[-1]).max(0))
tensors = open(sys.argv[4]).read()
got, caches = ([[float(value) for value in text.split(",")]
                for text in re.findall(rf"lpu.{kind}_max = array<f32: ([^>]*)>", tensors)] for kind in ("input", "column"))
np.testing.assert_allclose(caches, [columns[name] for name in appended], rtol=1e-5)
assert len(got) == len(observed), (len(got), len(observed))
for values, inputs in zip(got, observed):
    expected = [largest[name] for name in inputs]
    np.testing.assert_allclose(values[: len(inputs)], expected, rtol=1e-5, err_msg=str(inputs))
    assert not any(values[len(inputs) :]), values
print(f"{len(got)} ranges, tokens {tokens.shape}, capacity {capacity}")
