"""Models by onnxruntime, without its optimisations. Ports of bfloat16, which NumPy lacks, are float32 there."""

import numpy as np
import onnx
from onnx import TensorProto, helper

OPSET_DOMAINS = {"com.microsoft": 1, "ai.onnx.ml": 3}
_BFLOAT16 = "bfloat16"


class Refused(RuntimeError):
    """onnxruntime does not take the model."""


def onnx_type(name: str) -> int:
    return TensorProto.BFLOAT16 if name == _BFLOAT16 else helper.np_dtype_to_tensor_dtype(np.dtype(name))


def to_tensor(name: str, array: np.ndarray) -> onnx.TensorProto:
    array = np.ascontiguousarray(array).reshape(array.shape)
    return helper.make_tensor(name, onnx_type(array.dtype.name), array.shape, array.tobytes(), raw=True)


def to_port(name: str, array: np.ndarray) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, onnx_type(array.dtype.name), array.shape)


def make_model(nodes, inputs: dict, constants: dict, outputs: list, opset: int) -> onnx.ModelProto:
    """A model of `nodes`; `outputs` are value infos, or names whose type is inferred."""
    ports = [onnx.ValueInfoProto(name=item) if isinstance(item, str) else item for item in outputs]
    graph = helper.make_graph(nodes, "fuzz", [to_port(name, array) for name, array in inputs.items()], ports,
                              [to_tensor(name, array) for name, array in constants.items()])
    domains = sorted({node.domain for node in nodes} - {"", "ai.onnx"})
    imports = [helper.make_opsetid("", opset), *(helper.make_opsetid(name, OPSET_DOMAINS[name]) for name in domains)]
    # Version 10 is what every onnxruntime since 1.18 reads; types of the graphs need no later one.
    return helper.make_model(graph, opset_imports=imports, ir_version=10)


def _widened(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with float32 instead of bfloat16 at its ports."""
    ports = [*model.graph.input, *model.graph.output]
    if not any(port.type.tensor_type.elem_type == TensorProto.BFLOAT16 for port in ports):
        return model
    result = onnx.ModelProto()
    result.CopyFrom(model)
    graph = result.graph
    before, after = [], []
    for port in graph.input:
        if port.type.tensor_type.elem_type == TensorProto.BFLOAT16:
            before.append(helper.make_node("Cast", [f"{port.name}/wide"], [port.name], to=TensorProto.BFLOAT16))
            port.name += "/wide"
            port.type.tensor_type.elem_type = TensorProto.FLOAT
    for port in graph.output:
        if port.type.tensor_type.elem_type == TensorProto.BFLOAT16:
            after.append(helper.make_node("Cast", [port.name], [f"{port.name}/wide"], to=TensorProto.FLOAT))
            port.name += "/wide"
            port.type.tensor_type.elem_type = TensorProto.FLOAT
    nodes = [*before, *graph.node, *after]
    del graph.node[:]
    graph.node.extend(nodes)
    return result


class Session:
    """A loaded model. Errors: Refused, for what onnxruntime does not load or run."""

    def __init__(self, model: onnx.ModelProto):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 4
        self._outputs = [port.type.tensor_type.elem_type for port in model.graph.output]
        try:
            self._session = onnxruntime.InferenceSession(_widened(model).SerializeToString(), options,
                                                         providers=["CPUExecutionProvider"])
        except Exception as error:  # its exceptions have no common base
            raise Refused(str(error)) from error

    def run(self, inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
        feeds = {f"{name}/wide" if array.dtype.name == _BFLOAT16 else name:
                 array.astype(np.float32) if array.dtype.name == _BFLOAT16 else array
                 for name, array in inputs.items()}
        try:
            outputs = self._session.run(None, feeds)
        except Exception as error:
            raise Refused(str(error)) from error
        return [array.astype(helper.tensor_dtype_to_np_dtype(kind)) if kind == TensorProto.BFLOAT16 else array
                for array, kind in zip(outputs, self._outputs, strict=True)]


def through_float32(node: onnx.NodeProto, narrow_inputs: set[str], narrow_outputs: dict[str, int]) -> list[onnx.NodeProto]:
    """`node` in float32 between casts, for 16-bit types that onnxruntime has no kernel for."""
    inner = onnx.NodeProto()
    inner.CopyFrom(node)
    before, after = [], []
    for i, name in enumerate(node.input):
        if name in narrow_inputs:
            inner.input[i] = f"{node.name}/in{i}"
            before.append(helper.make_node("Cast", [name], [inner.input[i]], to=TensorProto.FLOAT))
    for i, name in enumerate(node.output):
        if name in narrow_outputs:
            inner.output[i] = f"{node.name}/out{i}"
            after.append(helper.make_node("Cast", [inner.output[i]], [name], to=narrow_outputs[name]))
    return [*before, inner, *after]


def with_kernels(model: onnx.ModelProto) -> onnx.ModelProto:
    """A model with float32 around nodes of 16-bit floats where onnxruntime has no kernel."""
    model = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
    graph = model.graph
    types = {value.name: value.type.tensor_type.elem_type for value in [*graph.input, *graph.value_info, *graph.output]}
    types.update((tensor.name, tensor.data_type) for tensor in graph.initializer)
    values = {value.name: value for value in [*graph.input, *graph.value_info, *graph.output]}
    constants = {tensor.name: tensor for tensor in graph.initializer}
    opset = next(item.version for item in model.opset_import if item.domain == "")
    nodes = []
    for node in graph.node:
        narrow = {name: types[name] for name in [*node.input, *node.output]
                  if types.get(name) in (TensorProto.FLOAT16, TensorProto.BFLOAT16)}
        if narrow:
            single = make_model([node], {}, {}, [values[name] for name in node.output if name], opset)
            single.graph.input.extend(values[name] for name in dict.fromkeys(node.input) if name in values)
            single.graph.initializer.extend(constants[name] for name in dict.fromkeys(node.input) if name in constants)
            try:
                Session(single)
            except Refused:
                outputs = {name: kind for name, kind in narrow.items() if name in node.output}
                nodes += through_float32(node, set(narrow) & set(node.input), outputs)
                continue
        nodes.append(node)
    result = onnx.ModelProto()
    result.CopyFrom(model)
    del result.graph.node[:]
    del result.graph.value_info[:]
    result.graph.node.extend(nodes)
    return result
