"""Writes the .onnx file of a model in ONNX's text syntax.

usage: make-model.py TEXT OUT [--external] [--set KEY=VALUE] [--sparse NAME]

--external stores initializers of more than 64 bytes in OUT.data; --set then
overwrites an entry of their external data, for a wrong one. --sparse stores the
initializer NAME as a sparse one.
"""

import argparse
import os

import onnx
import onnx.external_data_helper
import onnx.parser

parser = argparse.ArgumentParser()
parser.add_argument("text")
parser.add_argument("out")
parser.add_argument("--external", action="store_true")
parser.add_argument("--set", action="append", default=[])
parser.add_argument("--sparse")
args = parser.parse_args()

with open(args.text, encoding="utf-8") as file:
    model = onnx.parser.parse_model(file.read())
# Raw data, as exporters write it.
for tensor in model.graph.initializer:
    if tensor.data_type != onnx.TensorProto.STRING:
        tensor.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(tensor), tensor.name))
for tensor in [t for t in model.graph.initializer if t.name == args.sparse]:
    dense = onnx.numpy_helper.to_array(tensor)
    indices = onnx.numpy_helper.from_array(dense.ravel().nonzero()[0], "indices")
    values = onnx.numpy_helper.from_array(dense[dense != 0], tensor.name)
    model.graph.sparse_initializer.append(onnx.helper.make_sparse_tensor(values, indices, dense.shape))
    model.graph.initializer.remove(tensor)
if args.external:
    name = os.path.basename(args.out) + ".data"
    data = os.path.join(os.path.dirname(args.out), name)
    if os.path.exists(data):
        os.remove(data)
    onnx.external_data_helper.convert_model_to_external_data(model, location=name, size_threshold=65)
    folder = os.path.dirname(args.out)
    for tensor in model.graph.initializer:
        if onnx.external_data_helper.uses_external_data(tensor):
            onnx.external_data_helper.save_external_data(tensor, folder)
            tensor.ClearField("raw_data")
            for setting in args.set:
                key, value = setting.split("=", 1)
                kept = [(e.key, e.value) for e in tensor.external_data if e.key != key]
                del tensor.external_data[:]
                for k, v in [*kept, (key, value)]:
                    tensor.external_data.add(key=k, value=v)
with open(args.out, "wb") as file:
    file.write(model.SerializeToString())
