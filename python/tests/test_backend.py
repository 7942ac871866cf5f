"""lpu.backend: what is specialised, compared, reported and kept; and a part of ONNX's backend tests on the chip."""

import os
import signal
import sys

import numpy as np
import onnx
import pytest
from conftest import ROOT
from lpu.backend import arithmetic, base, ratchet, report, runner, suite, worker
from lpu.backend.specialize import find_shape_like, specialize
from onnx import TensorProto, helper

INT64, FLOAT = TensorProto.INT64, TensorProto.FLOAT


def make_model(nodes, inputs, outputs=("y",), initializers=()):
    values = [helper.make_tensor_value_info(name, *type) for name, type in inputs.items()]
    graph = helper.make_graph(nodes, "g", values, [onnx.ValueInfoProto(name=name) for name in outputs], initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)])


# --- specialize


def test_shapes_are_specialised_and_data_is_not():
    model = make_model([helper.make_node("Reshape", ["x", "shape"], ["y"])],
                       {"x": (FLOAT, [2, 3]), "shape": (INT64, [1])})
    assert find_shape_like(model) == ["shape"]


def test_arithmetic_on_shapes_is_specialised():
    model = make_model([helper.make_node("Add", ["a", "b"], ["s"]), helper.make_node("Concat", ["s", "c"], ["t"], axis=0),
                        helper.make_node("Expand", ["x", "t"], ["y"])],
                       {"x": (FLOAT, [1]), "a": (INT64, [1]), "b": (INT64, [1]), "c": (INT64, [1])})
    assert find_shape_like(model) == ["a", "b", "c"]


def test_what_only_has_its_shape_read_stays_an_input():
    model = make_model([helper.make_node("Shape", ["z"], ["s"]), helper.make_node("Reshape", ["x", "s"], ["y"])],
                       {"x": (FLOAT, [6]), "z": (FLOAT, [2, 3])})
    assert find_shape_like(model) == []


def test_the_same_operators_on_data_stay_run_time():
    model = make_model([helper.make_node("Add", ["a", "b"], ["y"])], {"a": (INT64, [3]), "b": (INT64, [3])})
    assert find_shape_like(model) == []


def test_trip_counts_are_specialised_and_states_are_not():
    body = helper.make_graph([helper.make_node("Identity", ["go"], ["on"]), helper.make_node("Add", ["s", "s"], ["t"])],
                             "body", [helper.make_tensor_value_info("i", INT64, []),
                                      helper.make_tensor_value_info("go", TensorProto.BOOL, []),
                                      helper.make_tensor_value_info("s", FLOAT, [2])],
                             [onnx.ValueInfoProto(name="on"), onnx.ValueInfoProto(name="t")])
    model = make_model([helper.make_node("Loop", ["n", "go", "x"], ["y"], body=body)],
                       {"n": (INT64, []), "go": (TensorProto.BOOL, []), "x": (FLOAT, [2])})
    assert find_shape_like(model) == ["n", "go"]


def test_specialised_inputs_are_constants_and_shapes_are_set():
    model = make_model([helper.make_node("Reshape", ["x", "shape"], ["y"])],
                       {"x": (FLOAT, ["n", 3]), "shape": (INT64, [1])})
    shape = np.array([6], np.int64)
    result = specialize(model, {"x": np.zeros((2, 3), np.float32), "shape": shape}, ["shape"])
    assert [value.name for value in result.graph.input] == ["x"]
    assert [dim.dim_value for dim in result.graph.input[0].type.tensor_type.shape.dim] == [2, 3]
    assert [tensor.name for tensor in result.graph.initializer] == ["shape"]
    np.testing.assert_array_equal(onnx.numpy_helper.to_array(result.graph.initializer[0]), shape)
    assert len(model.graph.input) == 2, "the model itself is not changed"


# --- comparison


def compare(got, expected, rtol=1e-3, atol=1e-7):
    return suite.compare("y", got, expected, rtol, atol)


def test_comparison_of_arrays():
    ones = np.ones((2, 2), np.float32)
    assert compare(ones, ones * np.float32(1.0005)) == ""
    assert compare(ones, ones.astype(np.float64)) == "output y: type float32, expected float64"
    assert compare(ones, ones[:1]) == "output y: shape [2, 2], expected [1, 2]"
    wrong = ones.copy()
    wrong[1, 0] = 3
    assert "at [1, 0]: 3.0, expected 1.0" in compare(wrong, ones)
    nan = np.array([np.nan, np.inf], np.float32)
    assert compare(nan, nan) == ""
    assert compare(nan, np.array([np.nan, -np.inf], np.float32)) != ""
    assert compare(np.array([True]), np.array([False])) != ""


def test_comparison_of_sequences_and_optionals():
    a, b = np.zeros(2, np.float32), np.ones(3, np.float32)
    assert compare([a, b], [a, b]) == ""
    assert compare([], []) == ""
    assert compare([a], [a, b]) == "output y: 1 elements of a sequence, expected 2"
    assert compare([a, a], [a, b]) == "output y[1]: shape [2], expected [3]"
    assert compare(a, [a]) == "output y: no elements of a sequence, expected 1"
    assert compare(None, None) == ""
    assert compare(None, a) == "output y: no element, expected an"
    assert compare(a, None) == "output y: an element, expected no"


def test_tolerances_are_those_of_the_test(tmp_path):
    assert suite.tolerances(tmp_path) == (1e-3, 1e-7)
    (tmp_path / "data.json").write_text('{"atol": 0.5}')
    assert suite.tolerances(tmp_path) == (1e-3, 0.5)


# --- status


@pytest.mark.parametrize("message", [
    "lpu-compile: error: y: 'tensor.extract' op operand #0 must be variadic of index, but got 'i32'",
    "y: 'tensor.expand_shape' op expected collapsed type to be 'tensor<2xf32>', but got 'tensor<3xf32>'",
    "main: the compiled program is wrong, nothing was written:",
    "main: 'stream.program' op the lower bound is wrong: 12 cycles, and the schedule has 9",
    "main: 'lpu.store_output' op elements of f16 do not lie in '!lpu.buffer<2, 1, i32>'",
    "x: failed to legalize operation 'arith.divf' that was explicitly marked illegal",
    "PLEASE submit a bug report to https://github.com/llvm/llvm-project/issues/",
    "error: operation's operand is unlinked",
])
def test_messages_about_the_compiler_itself_are_internal(message):
    assert base.is_internal(message)


@pytest.mark.parametrize("message", [
    "(ImageDecoder): no rule for this operator",
    "(Dropout): random numbers: input 2 says that it trains",
    "y: 'lpu.nest' op does not fit into SRAM: a buffer of 119164 words a byte plane; 595060 of 720896 words are taken",
    "(BitCast): 64-bit elements are carried in 32 bits",
    "(Loop): the trip count depends on the data",
])
def test_refusals_are_not_internal(message):
    assert not base.is_internal(message)


ABS = suite.Test("test_abs", "node")


def judge_with_tool(monkeypatch, tmp_path, script: str) -> dict:
    tool = tmp_path / "tool"
    tool.write_text(f"#!/bin/sh\n{script}\n")
    tool.chmod(0o755)
    monkeypatch.setattr(base, "find_tool", lambda name: tool)
    return worker.judge(lambda: worker.run_test(ABS, "TSP1", {}))


def test_a_refusal_is_unsupported(monkeypatch, tmp_path):
    result = judge_with_tool(monkeypatch, tmp_path, "echo \"$1: error: (Abs): rank 3\" >&2; exit 1")
    assert result == {"status": "unsupported", "reason": "(Abs): rank 3"}


def test_a_crash_of_a_tool_is_a_failure(monkeypatch, tmp_path):
    result = judge_with_tool(monkeypatch, tmp_path, "echo at 0x7f12 >&2; kill -SEGV $$")
    assert result == {"status": "failed", "reason": "CrashError: lpu-compile ended by signal 11: at 0x..."}


def test_an_error_without_a_message_is_a_failure(monkeypatch, tmp_path):
    result = judge_with_tool(monkeypatch, tmp_path, "exit 3")
    assert result == {"status": "failed", "reason": "CrashError: lpu-compile ended with exit code 3 and no message"}


def test_an_internal_error_is_a_failure(monkeypatch, tmp_path):
    result = judge_with_tool(monkeypatch, tmp_path, "echo 'f: error: y: the schedule is wrong: 3' >&2; exit 1")
    assert result == {"status": "failed", "reason": "InternalError: y: the schedule is wrong: 3"}


def run_with_worker(monkeypatch, code: str, tests, timeout: float) -> list[dict]:
    monkeypatch.setattr(runner, "PYTHON", [sys.executable, "-c", code])
    results = runner.run_tests(tests, "TSP1", jobs=1, timeout=timeout)
    return [{key: results[test][key] for key in ("status", "reason")} for test in tests]


def test_a_crash_of_the_process_is_the_failure_of_one_test(monkeypatch):
    code = ("import os, sys\n"
            "for line in sys.stdin:\n"
            "    if 'test_abs' in line:\n"
            "        print('stumbled', file=sys.stderr, flush=True)\n"
            f"        os.kill(os.getpid(), {int(signal.SIGABRT)})\n"
            "    print('{\"status\": \"passed\", \"reason\": \"\"}', flush=True)\n")
    assert run_with_worker(monkeypatch, code, [ABS, suite.Test("test_add", "node")], 60) == [
        {"status": "failed", "reason": "the process ended by signal SIGABRT: stumbled"},
        {"status": "passed", "reason": ""}]


def test_no_result_in_time_is_a_failure(monkeypatch):
    assert run_with_worker(monkeypatch, "import time; time.sleep(600)", [ABS], 0.5) == [
        {"status": "failed", "reason": "no result within 0.5 s"}]


# --- which programs compute


def test_programs_that_compute():
    assert arithmetic.count_arithmetic({"mem": 3, "alu copy": 2, "alu delay": 1, "alu bits": 1, "permute": 4}) == 0
    assert arithmetic.count_arithmetic({"mem": 3, "alu copy": 2, "alu add": 2, "alu select": 1}) == 3
    assert arithmetic.count_arithmetic({"lw": 20, "abc": 4, "acc": 4}) == 4


def is_arithmetic(*nodes, inputs=None):
    return arithmetic.is_arithmetic(make_model(nodes, inputs or {"x": (FLOAT, [2])}).graph)


def test_which_operators_are_arithmetic():
    assert not is_arithmetic(helper.make_node("Transpose", ["x"], ["y"]))
    assert is_arithmetic(helper.make_node("Transpose", ["x"], ["t"]), helper.make_node("Neg", ["t"], ["y"]))
    assert not is_arithmetic(helper.make_node("Resize", ["x", "", "s"], ["y"], mode="nearest"))
    assert is_arithmetic(helper.make_node("Resize", ["x", "", "s"], ["y"], mode="linear"))
    assert not is_arithmetic(helper.make_node("Dropout", ["x"], ["y"]))
    assert is_arithmetic(helper.make_node("Dropout", ["x", "ratio", "training"], ["y"]))
    cast = helper.make_node("Cast", ["x"], ["y"], to=FLOAT)
    assert not is_arithmetic(cast, inputs={"x": (TensorProto.BFLOAT16, [2])})
    assert is_arithmetic(cast, inputs={"x": (TensorProto.DOUBLE, [2])})
    assert is_arithmetic(cast, inputs={"x": (INT64, [2])})
    branch = helper.make_graph([helper.make_node("Neg", ["x"], ["b"])], "b", [], [onnx.ValueInfoProto(name="b")])
    assert is_arithmetic(helper.make_node("If", ["c"], ["y"], then_branch=branch, else_branch=branch))


def test_families():
    assert suite.find_family(ABS).operator == "Abs"
    assert suite.find_family(suite.Test("test_softmax_axis_0_expanded", "node")).operator == "Softmax"
    assert suite.find_family(suite.Test("test_AvgPool1d", "pytorch-converted")).operator == "several operators"


# --- report, page, list


def make_results():
    def test(name, suite_name="node"):
        return suite.Test(name, suite_name)

    passed = {"status": "passed", "reason": "", "arithmetic": 4}
    return {test("test_add"): passed, test("test_abs"): {**passed, "arithmetic": 0}, test("test_transpose_default"): passed,
            test("test_add_bcast"): {"status": "failed", "reason": "output sum: shape [1],\n expected `[2]`"},
            test("test_bernoulli"): {"status": "unsupported", "reason": "(RandomUniformLike): random"},
            test("test_sign_model", "simple"): passed}


def test_report():
    made = report.make_report(make_results(), "TSP1")
    assert {key: made[key] for key in ("device", "suite", "total", "passed", "failed", "unsupported")} == {
        "device": "TSP1", "suite": "node", "total": 5, "passed": 3, "failed": 1, "unsupported": 1}
    assert made["tests"]["test_bernoulli"] == {
        "status": "unsupported", "reason": "(RandomUniformLike): random", "operator": "Bernoulli"}
    assert (made["arithmetic_passes"], made["without_arithmetic"]) == (2, ["test_abs"])
    assert made["suites"]["simple"]["total"] == 1


def test_page():
    results = make_results()
    page = report.write_page(report.make_report(results, "TSP1"), "1.22.0")
    shuffled = dict(reversed(results.items()))
    assert page == report.write_page(report.make_report(shuffled, "TSP1"), "1.22.0")
    for line in ("| node | 5 | 3 | 1 | 1 |", "| all | 6 | 4 | 1 | 1 |", "| Add | 2 | 1 | 1 | 0 |",
                 "**Add** (1 of 2): test_add", "- test_add_bcast: failed: `output sum: shape [1], expected '[2]'`",
                 "**Bernoulli** (0 of 1)", "- test_bernoulli: unsupported: `(RandomUniformLike): random`",
                 "- Abs: test_abs", "## Tests of simple"):
        assert line in page.splitlines(), line
    assert "Of 3 passes of arithmetic operators 1 (33.3 %)" in page
    assert page.endswith("\n") and not page.endswith("\n\n") and "\n\n\n" not in page


def test_list_only_grows(tmp_path):
    path = tmp_path / "Backend" / "passing.txt"
    assert ratchet.update(path, ["test_b", "test_a"]) == (2, 0)
    assert path.read_text() == "test_a\ntest_b\n"
    with pytest.raises(ratchet.DropError, match="no longer passing: test_a"):
        ratchet.update(path, ["test_b", "test_c"])
    assert ratchet.read(path) == ["test_a", "test_b"]
    assert ratchet.update(path, ["test_b", "test_c"], allow_drop=True) == (1, 1)
    assert ratchet.read(path) == ["test_b", "test_c"]


def test_choice_has_every_family_and_is_stable():
    names = [f"test_{family}_{i}" for family in "abcdefgh" for i in range(20)] + ["test_z_0"]

    def family(name):
        return name.split("_")[1]

    chosen = ratchet.choose(names, family, 5)
    assert {family(name) for name in chosen} == set("abcdefghz") and 16 < len(chosen) < 60
    fewer = ratchet.choose([name for name in names if family(name) != "a"], family, 5)
    assert fewer == [name for name in chosen if family(name) != "a"]
    assert ratchet.choose(["test_x"], family, 10**9) == ["test_x"]


# --- the chip

PASSING = ROOT / "test" / "Backend" / "passing.txt"
HAS_TOOLS = (ROOT / "build" / "bin" / "lpu-compile").exists()


@pytest.mark.skipif(not HAS_TOOLS, reason="lpu-compile is not built")
def test_run_node_and_run_model():
    from lpu import backend

    x = np.array([[-1.5, 2.0, 0.0]], np.float32)
    (y,) = backend.run_node(helper.make_node("Relu", ["x"], ["y"]), [x])
    np.testing.assert_array_equal(y, np.maximum(x, 0))
    model = onnx.load(ABS.folder / "model.onnx")
    rep = backend.prepare(model)
    inputs = suite.load_data(ABS.folder / "test_data_set_0", model.graph.input, "input")
    np.testing.assert_array_equal(rep.run(inputs)[0], np.abs(inputs[0]))
    assert arithmetic.count_arithmetic(rep.instructions) > 0


@pytest.mark.skipif(not HAS_TOOLS, reason="lpu-compile is not built")
def test_sequences_and_optionals_come_and_go():
    for name in ("test_identity_opt", "test_sequence_insert_at_front", "test_optional_has_element_empty_optional_input",
                 "test_sequence_map_identity_2_sequences"):
        result = worker.run_test(suite.Test(name, "node"), "TSP1", {})
        assert result["status"] == "passed", result["reason"]


@pytest.mark.skipif(not HAS_TOOLS, reason="lpu-compile is not built")
def test_what_passed_still_passes():
    """A part of test/Backend/passing.txt, a minute or two; tools/backend.sh --suite all runs everything."""
    names = ratchet.read(PASSING)
    assert names, "no list: tools/backend.sh --suite all --update-ratchet"
    tests = {test.name: test for test in suite.find_tests()}
    assert not set(names) - set(tests), "names that are no tests"
    assert names == sorted(set(names))
    families = {name: suite.find_family(tests[name]) for name in names}
    chosen = [tests[name] for name in ratchet.choose(names, lambda name: families[name].operator, 3)]
    results = runner.run_tests(chosen, "TSP1", jobs=min(4, os.cpu_count() or 2), timeout=120)
    lost = [f"{test.name}: {result['reason']}" for test, result in results.items() if result["status"] != "passed"]
    assert not lost, "no longer passing:\n" + "\n".join(lost)
    computes = [result["arithmetic"] > 0 for test, result in results.items() if families[test.name].is_arithmetic]
    assert computes.count(False) < 0.05 * len(computes)
