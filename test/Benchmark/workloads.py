"""The named workloads of run.py: an ONNX model, how to compile it, and what to run.

A workload has a model file, flags of lpu-compile, and cases: one for each entry, with what runs it on the executor
and on onnxruntime. Both runs give what is compared.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from lpu.demo.__main__ import COMPILE_FLAGS, MAX_SEQ
from lpu.generation import Step, step_inputs
from lpu.models.checkpoint import Config, random_checkpoint, read_gguf
from lpu.models.llama import export_llama
from lpu.quantize import quantize
from lpu.session import Entry, ExecutorSession, OnnxSession


@dataclass
class Case:
    """One entry: `executor` and `onnxruntime` run it once and give the same numbers; `tokens` of a language model's run."""

    entry: str
    executor: Callable[[], np.ndarray]
    onnxruntime: Callable[[], np.ndarray]
    tokens: int = 0


@dataclass
class Workload:
    """`open` gives the cases of the compiled file, with onnxruntime on one thread."""

    name: str
    target: str
    make: Callable[[Path], None]
    open: Callable[[Path, Path], list[Case]]
    flags: list[str] = field(default_factory=list)
    format: str = "int8x3 x int8"


#===------------------------------------------------------------------------===#
# Products: float inputs, float outputs
#===------------------------------------------------------------------------===#

class _Graph:
    def __init__(self):
        self.nodes, self.constants = [], []
        self.rng = np.random.default_rng(0)

    def node(self, kind: str, inputs: list[str], output: str, **attributes) -> str:
        self.nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    def constant(self, name: str, values: np.ndarray) -> str:
        self.constants.append(numpy_helper.from_array(values, name))
        return name

    def linear(self, x: str, name: str, inputs: int, outputs: int) -> str:
        values, scales = quantize(self.rng.standard_normal((inputs, outputs)) / np.sqrt(inputs), axis=1)
        weights = [self.constant(f"{name}.values", values), self.constant(f"{name}.scales", scales)]
        return self.node("MatMul", [x, self.node("DequantizeLinear", weights, f"{name}.weight", axis=1)], name)

    def save(self, path: Path, rows: int, inputs: int, outputs: int) -> None:
        graph = helper.make_graph(self.nodes, path.stem, [helper.make_tensor_value_info("x", TensorProto.FLOAT, [rows, inputs])],
                                  [helper.make_tensor_value_info("y", TensorProto.FLOAT, [rows, outputs])], self.constants)
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 24)], ir_version=11), path)


def _make_product(path: Path, rows: int, inputs: int, outputs: int) -> None:
    graph = _Graph()
    graph.linear("x", "y", inputs, outputs)
    graph.save(path, rows, inputs, outputs)


def _make_mlp(path: Path, rows: int, width: int, hidden: int) -> None:
    """x + down(swish(gate(n)) * up(n)), n the norm of x."""
    graph = _Graph()
    normed = graph.node("RMSNormalization", ["x", graph.constant("gain", np.ones(width, np.float32))], "n", axis=-1)
    gate = graph.node("Swish", [graph.linear(normed, "gate", width, hidden)], "act")
    gated = graph.node("Mul", [gate, graph.linear(normed, "up", width, hidden)], "gated")
    graph.node("Add", ["x", graph.linear(gated, "down", hidden, width)], "y")
    graph.save(path, rows, width, width)


def _open_product(model: Path, binary: Path) -> list[Case]:
    import onnxruntime

    import lpu

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.disable_quant_qdq", "1")
    reference = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    session = lpu.load(binary).session()
    shape = session.program.entries["main"].inputs["x"].shape
    feeds = {"x": np.random.default_rng(1).standard_normal(shape).astype(np.float32)}
    return [Case("main", lambda: session.run("main", feeds)["y"], lambda: reference.run(["y"], feeds)[0])]


def _product(name: str, target: str, make: Callable[..., None], *sizes: int) -> Workload:
    return Workload(name, target, lambda path: make(path, *sizes), _open_product, ["--activation-max=6"])


#===------------------------------------------------------------------------===#
# Language models
#===------------------------------------------------------------------------===#

SMOLLM2_LAYER = Config(hidden=576, intermediate=1536, layers=1, heads=9, kv_heads=3, head_size=64, vocabulary=320)
_LAYER_FLAGS = ["--dim=batch=1", "--calibration", "--entry=decode256:sequence_len=1,nonpad_kv_seqlen:max=256",
                "--entry=prefill:sequence_len=64,nonpad_kv_seqlen:max=256"]
_DEMO_FLAGS = [flag for flag in COMPILE_FLAGS if not flag.startswith("--target=")]


def _open_llama(model: Path, binary: Path) -> list[Case]:
    executor = ExecutorSession(binary)
    reference = OnnxSession(model, [Entry(e.name, e.sequence_len, e.max_kv) for e in executor.entries], threads=1)
    cases = []
    for entry in executor.entries:
        # The state of both is what the same runs before have left.
        step = Step(entry, 0, entry.sequence_len)
        inputs = step_inputs(step, list(range(1, entry.sequence_len + 1)))
        cases.append(Case(entry.name, lambda e=entry, i=inputs: executor.run(e, i),
                          lambda e=entry, i=inputs: reference.run(e, i), entry.sequence_len))
    return cases


def _llama(name: str, make: Callable[[Path], None], flags: list[str]) -> Workload:
    return Workload(name, "tsp1", make, _open_llama, flags, "int8x3 x int8, KV fp16")


def _make_smollm2(path: Path) -> None:
    from lpu.models.download import fetch_checkpoint

    export_llama(read_gguf(fetch_checkpoint(Path("build/downloads"))), path, MAX_SEQ, int8_weights=True)


WORKLOADS = [
    _product("gemv-tiny", "tiny", _make_product, 1, 48, 64),
    _product("gemv", "tsp1", _make_product, 1, 576, 1536),
    _product("matmul-64", "tsp1", _make_product, 64, 576, 576),
    _product("mlp", "tsp1", _make_mlp, 1, 576, 1536),
    _product("mlp-64", "tsp1", _make_mlp, 64, 576, 1536),
    _llama("layer", lambda path: export_llama(random_checkpoint(SMOLLM2_LAYER), path, MAX_SEQ, int8_weights=True),
           _LAYER_FLAGS),
    _llama("smollm2-135m", _make_smollm2, _DEMO_FLAGS),
]
