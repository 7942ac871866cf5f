"""run_onnx.py MODEL.onnx PREFIX SEQUENCE START: runs a llama-like model on onnxruntime, its caches random, SEQUENCE
tokens from position START on; writes every input and output to PREFIX.NAME.npy, and the options of lpu-host that
name them to PREFIX.options."""
import sys

import numpy as np
import onnxruntime

model, prefix, sequence, start = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
rng = np.random.default_rng(0)
options = onnxruntime.SessionOptions()
# As the file says it: optimised, products with int8 weights round their activations to int8.
options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
options.log_severity_level = 3
session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
positions = np.arange(start, start + sequence, dtype=np.int64)
inputs = {
    "input_ids": rng.integers(0, 200, (1, sequence)),
    "position_ids": positions[None],
    "write_indices": np.array([start]),
    "nonpad_kv_seqlen": np.array([start + sequence]),
    "logits_index": np.array([sequence - 1]),
}
for port in session.get_inputs():
    if port.name not in inputs:
        inputs[port.name] = rng.standard_normal([1, *port.shape[1:]]).astype(np.float32)
outputs = dict(zip([port.name for port in session.get_outputs()], session.run(None, inputs)))
options = []
for kind, arrays in (("input", inputs), ("output", outputs)):
    for name, array in arrays.items():
        np.save(f"{prefix}.{name}.npy", array)
        options.append(f"--{kind} {name}={prefix}{'.host' if kind == 'output' else ''}.{name}.npy")
with open(f"{prefix}.options", "w") as file:
    file.write("\n".join(options))
