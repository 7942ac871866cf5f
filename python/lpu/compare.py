"""A binary on the executor against its model in onnxruntime, output by output.

usage: python -m lpu.compare MODEL.onnx PROGRAM.lpu [--entry NAME] [--steps N] [--input NAME=FILE.npy]...

Both get the same inputs, and keep their states from step to step. Outputs come
in the order of the model's nodes, so that the first one that diverges is nearest
to the cause; `lpu-compile --output TENSOR` makes tensors inside the model outputs.
"""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import lpu
from lpu.generation import Step, step_inputs
from lpu.session import Entry

DEFAULT_COSINE = 0.9999


class CompareError(Exception):
    """A binary that does not belong to the model."""


@dataclass(frozen=True)
class Difference:
    """Of one output in one step."""

    step: int
    name: str
    cosine: float
    max_error: float
    largest: float  # |value| of the reference

    def diverges(self, cosine: float) -> bool:
        return not self.cosine >= cosine  # NaN diverges


def difference(step: int, name: str, got: np.ndarray, expected: np.ndarray) -> Difference:
    a, b = got.astype(np.float64).ravel(), expected.astype(np.float64).ravel()
    norms = np.linalg.norm(a) * np.linalg.norm(b)
    cosine = float(a @ b / norms) if norms else float(np.array_equal(a, b))
    return Difference(step, name, cosine, float(np.abs(a - b).max(initial=0)), float(np.abs(b).max(initial=0)))


class Reference:
    """The model in onnxruntime, with the outputs and states of one entry of a binary."""

    def __init__(self, path: Path, entry):
        import onnx
        import onnxruntime
        from onnx import TensorProto, helper

        model = onnx.load(path, load_external_data=False)
        graph = model.graph
        own = {value.name for value in graph.output}
        order = [name for node in graph.node for name in node.output]
        if missing := [name for name in entry.outputs if name not in order]:
            raise CompareError(f"{path}: expected a tensor {missing[0]}, an output of entry {entry.name}; got none")
        graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None)
                            for name in entry.outputs if name not in own)
        self.outputs = sorted(entry.outputs, key=order.index)
        given = {**entry.inputs, **entry.integer_inputs}
        initializers = {tensor.name for tensor in graph.initializer}
        inputs = {value.name: value for value in graph.input if value.name not in initializers}
        for name in given:
            if name not in inputs:
                raise CompareError(f"{path}: expected an input {name}, as entry {entry.name} has; got none")
        # A state is an input that the binary lacks; its next value is what a cache update makes of it.
        self._next = {node.input[0]: node.output[0] for node in graph.node if node.op_type == "TensorScatter"}
        self._states, self._unused = {}, {}
        for name, value in inputs.items():
            if name in given:
                continue
            kind = value.type.tensor_type
            shape = [dim.dim_value if dim.HasField("dim_value") else 1 for dim in kind.shape.dim]
            zeros = np.zeros(shape, helper.tensor_dtype_to_np_dtype(kind.elem_type))
            (self._states if name in self._next else self._unused)[name] = zeros
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        # Weights are folded; else onnxruntime would quantize activations, too.
        options.add_session_config_entry("session.disable_quant_qdq", "1")
        options.add_session_config_entry("session.model_external_initializers_file_folder_path",
                                         str(path.resolve().parent))
        self._session = onnxruntime.InferenceSession(model.SerializeToString(), options,
                                                     providers=["CPUExecutionProvider"])

    def run(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        names = [*self.outputs, *(self._next[name] for name in self._states)]
        values = self._session.run(names, {**self._unused, **self._states, **inputs})
        self._states = dict(zip(self._states, values[len(self.outputs):], strict=True))
        return dict(zip(self.outputs, values, strict=False))


def make_inputs(entry, step: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Random inputs; tokens at consecutive positions for a language model of lpu.export."""
    inputs = {name: rng.standard_normal(t.shape).astype(t.dtype) for name, t in entry.inputs.items()}
    integers = entry.integer_inputs
    known = {}
    if {"input_ids", "write_indices", "nonpad_kv_seqlen"} <= set(integers):
        length, most = integers["input_ids"].shape[1], integers["nonpad_kv_seqlen"].max
        if most is not None and (step + 1) * length > most:
            raise CompareError(f"entry {entry.name}: expected at most {most // length} steps, got {step + 1}")
        tokens = rng.integers(0, (integers["input_ids"].max or 255) + 1, length)
        known = step_inputs(Step(Entry(entry.name, length, most or 0), step * length, length), tokens)
    for name, tensor in integers.items():
        if name in known:
            inputs[name] = known[name].astype(tensor.dtype)
        else:
            least = max(tensor.min or 0, 0)
            inputs[name] = rng.integers(least, (tensor.max if tensor.max is not None else least) + 1,
                                        tensor.shape).astype(tensor.dtype)
    return inputs


def compare(model: Path, program: "lpu.Program", entry_name: str | None = None, steps: int = 1, seed: int = 0,
            given: dict[str, np.ndarray] | None = None) -> list[Difference]:
    """Differences by step, in the order of the model's nodes.

    Errors: CompareError for a binary of another model; lpu.HazardError.
    """
    names = list(program.entries)
    if entry_name is None and len(names) != 1:
        raise CompareError(f"--entry: expected one of {', '.join(names)}")
    if entry_name is not None and entry_name not in names:
        raise CompareError(f"--entry: expected one of {', '.join(names)}, got {entry_name}")
    entry = program.entries[entry_name or names[0]]
    reference, session = Reference(model, entry), program.session()
    rng = np.random.default_rng(seed)
    differences = []
    for step in range(steps):
        inputs = {**make_inputs(entry, step, rng), **(given or {})}
        got, expected = session.run(entry.name, inputs), reference.run(inputs)
        differences += [difference(step, name, got[name], expected[name]) for name in reference.outputs]
    return differences


def report(differences: list[Difference], cosine: float, out=None) -> bool:
    """Prints every output; whether none diverges."""
    out = out or sys.stdout
    width = max((len(d.name) for d in differences), default=6)
    out.write(f"step  {'output':{width}}  {'cosine':>12}  {'max error':>10}  {'largest':>10}\n")
    for d in differences:
        out.write(f"{d.step:4}  {d.name:{width}}  {d.cosine:12.9f}  {d.max_error:10.3g}  {d.largest:10.3g}"
                  f"{'  diverges' if d.diverges(cosine) else ''}\n")
    first = next((d for d in differences if d.diverges(cosine)), None)
    if first:
        out.write(f"first diverging output: {first.name}, step {first.step}, cosine {first.cosine:.9f}\n")
    else:
        out.write(f"every output has cosine {cosine} or better\n")
    return first is None


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="lpu.compare", description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path, metavar="MODEL.onnx")
    parser.add_argument("program", type=Path, metavar="PROGRAM.lpu")
    parser.add_argument("--entry", help="may be left out when there is one")
    parser.add_argument("--steps", type=int, default=1, help="runs, with the state that those before left (default 1)")
    parser.add_argument("--seed", type=int, default=0, help="of random inputs")
    parser.add_argument("--input", action="append", default=[], metavar="NAME=FILE.npy",
                        help="instead of a random one; the same in every step")
    parser.add_argument("--cosine", type=float, default=DEFAULT_COSINE,
                        help=f"an output below this diverges (default {DEFAULT_COSINE})")
    options = parser.parse_args(arguments)
    try:
        given = {}
        for text in options.input:
            name, _, path = text.partition("=")
            if not path:
                raise CompareError(f"--input: expected NAME=FILE.npy, got {text}")
            given[name] = np.load(path)
        differences = compare(options.model, lpu.load(options.program), options.entry, options.steps, options.seed,
                              given)
        return 0 if report(differences, options.cosine) else 1
    except (CompareError, OSError, ValueError, lpu.HazardError) as error:
        print(f"lpu.compare: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
