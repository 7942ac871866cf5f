"""A graph on the chip and by onnxruntime: what is different; and the smallest graph where it still is."""

import numpy as np
import onnx
from onnx import numpy_helper

from Fuzz import reference
from Fuzz.formats import difference
from Fuzz.generate import Case

SHRUNK = ("difference", "crash", "refused")


def run_case(case: Case) -> dict:
    """status: accepted, refused (by the compiler, with its message), redrawn (by onnxruntime), difference or crash."""
    from lpu import backend
    from lpu.backend.worker import short

    try:
        expected = reference.Session(case.reference).run(case.inputs)
    except reference.Refused as error:
        return {"status": "redrawn", "reason": " ".join(str(error).split())[:300]}
    try:
        outputs = backend.prepare(case.model, "TSP1").run(case.inputs)
    except backend.Unsupported as error:
        internal = any(text in str(error) for text in ("compiled program is wrong", "lower bound is wrong"))
        return {"status": "crash" if internal else "refused", "reason": short(str(error))}
    except Exception as error:  # the compiler's crash, the executor's hazard
        return {"status": "crash", "reason": f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"}
    for port, got, right in zip(case.model.graph.output, outputs, expected, strict=True):
        if wrong := difference(port.name, got, right):
            return {"status": "difference", "reason": wrong}
    return {"status": "accepted", "reason": ""}


def _extract(case: Case, outputs: list[str], given: set[str]) -> Case | None:
    """The part of a case that `outputs` need, with the values `given` as inputs; None where no node is left."""
    models, read = [], set()
    for model in (case.reference, case.model):
        needed, nodes = set(outputs), []
        for node in reversed(model.graph.node):
            if any(name in needed and name not in given for name in node.output):
                nodes.append(node)
                needed.update(node.input)
        needed = {name for node in nodes for name in node.input}
        models.append(nodes[::-1])
        read |= needed
    made = {name for node in models[1] for name in node.output}
    outputs = [name for name in outputs if name in made]
    if not outputs:
        return None
    opset = next(item.version for item in case.model.opset_import if item.domain == "")
    inputs = {name: array for name, array in {**case.values, **case.inputs}.items()
              if name in read and (name in case.inputs or name in given)}
    constants = {tensor.name: tensor for tensor in case.model.graph.initializer if tensor.name in read}
    ports = [reference.to_port(name, case.values[name]) for name in outputs]
    built = []
    for nodes in models:
        model = reference.make_model(nodes, inputs, {}, ports, opset)
        model.graph.initializer.extend(constants.values())
        built.append(model)
    return Case(case.seed, built[1], built[0], inputs, case.values)


def shrink(case: Case, status: str, runs: int = 150) -> Case:
    """Fewer outputs, then fewer nodes - a node's results become inputs - while the case ends with `status`."""
    budget = [runs]

    def fails(candidate: Case | None) -> bool:
        budget[0] -= 1
        return candidate is not None and run_case(candidate)["status"] == status

    for port in case.model.graph.output:
        if len(case.model.graph.output) > 1 and fails(candidate := _extract(case, [port.name], set())):
            case = candidate
            break
    outputs = [port.name for port in case.model.graph.output]
    given: set[str] = set()
    whole = case
    # A result further up instead of the output: what is wrong may be wrong there.
    for node in list(case.model.graph.node):
        if len(case.model.graph.node) <= 1 or budget[0] <= 0:
            break
        names = [name for name in node.output if name in whole.values]
        if set(names) != set(outputs) and fails(candidate := _extract(whole, names, set())):
            case, outputs = candidate, names
            break
    for node in reversed(list(case.model.graph.node)):
        names = {name for name in node.output if name in whole.values} - set(outputs)
        if names and budget[0] > 0 and fails(candidate := _extract(whole, outputs, given | names)):
            case, given = candidate, given | names
    return case


def save(case: Case, path) -> None:
    """One file: the inputs' values are initializers of their names (values that an input has by default)."""
    model = onnx.ModelProto()
    model.CopyFrom(case.model)
    model.graph.initializer.extend(reference.to_tensor(name, array) for name, array in case.inputs.items())
    onnx.save(model, path)


def load(path) -> Case:
    """What `save` wrote. For onnxruntime 16-bit floats are as in the file: the case was drawn to have kernels, or
    has float32 around its nodes there.
    """
    model = onnx.load(path)
    ports = {port.name for port in model.graph.input}
    inputs = {tensor.name: np.asarray(numpy_helper.to_array(tensor)) for tensor in model.graph.initializer if tensor.name in ports}
    constants = [tensor for tensor in model.graph.initializer if tensor.name not in ports]
    del model.graph.initializer[:]
    model.graph.initializer.extend(constants)
    return Case(0, model, reference.with_kernels(model), inputs)
