"""lpu-compile --check: the whole model before any pass, and --strict-types."""

import json
import subprocess
from html.parser import HTMLParser

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from lpu.compiler import find_tool

FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64


def info(name, shape, element=FLOAT):
    return helper.make_tensor_value_info(name, element, shape)


def save(path, nodes, inputs, outputs, constants=(), opset=21, functions=(), domains=()):
    tensors = [numpy_helper.from_array(np.asarray(array), name) for name, array in dict(constants).items()]
    graph = helper.make_graph(nodes, "graph", inputs, outputs, tensors)
    imports = [helper.make_opsetid("", opset), *(helper.make_opsetid(domain, 1) for domain in domains)]
    onnx.save(helper.make_model(graph, opset_imports=imports, ir_version=10, functions=list(functions)), path)
    return path


def run(path, *flags):
    return subprocess.run([str(find_tool("lpu-compile")), str(path), "--quiet", *map(str, flags)],
                          capture_output=True, text=True, timeout=60)


def check(path, *flags):
    """The report, and the exit code."""
    done = run(path, "--check", "--json", *flags)
    assert done.returncode in (0, 1, 2) and not done.stderr, done.stderr
    return json.loads(done.stdout), done.returncode


def rows(report, status):
    return {row["operator"]: row for row in report["operators"] if row["status"] == status}


def twenty(path):
    """A chain of 20 operators that nothing converts, each once, with a Relu after each, and one of them twice."""
    nodes, value = [], "x"
    for i in range(20):
        domain = ("com.example", "", "com.microsoft")[i % 3]
        nodes += [helper.make_node(f"Strange{i}", [value], [f"s{i}"], name=f"strange_{i}", domain=domain),
                  helper.make_node("Relu", [f"s{i}"], [f"r{i}"], name=f"relu_{i}")]
        value = f"r{i}"
    nodes.append(helper.make_node("Strange7", [value], ["y"], name="strange_again", domain="", doc_string="<b>&"))
    nodes[14].domain = nodes[-1].domain
    infos = [info(name, [2, 3]) for node in nodes for name in node.output]
    save(path, nodes, [info("x", [2, 3])], [info("y", [2, 3])], domains=["com.example", "com.microsoft"])
    model = onnx.load(path)
    model.graph.value_info.extend(infos[:-1])
    onnx.save(model, path)
    return [node.name for node in nodes if node.op_type != "Relu"]


def test_twenty_unsupported_nodes_are_all_named(tmp_path):
    path = tmp_path / "m.onnx"
    names = twenty(path)
    report, code = check(path)
    assert code == 2
    found = rows(report, "unsupported")
    assert sorted(name for row in found.values() for name in row["nodes"]) == sorted(names)
    assert len(found) == 20 and found["Strange7"]["count"] == 2
    assert all(row["reason"] == "no rule for this operator" and row["hint"] for row in found.values())
    relu = rows(report, "rule")["Relu"]
    assert relu["count"] == 20 and len(relu["nodes"]) == 20 and relu["rule"] and relu["since_version"] == 14
    assert report["summary"] == {"nodes": 41, "unsupported": 21, "rule": 20, "wrong": 0, "open": 0, "expanded": 0,
                                 "folded": 0}
    text = run(path, "--check")
    refused = run(path, "--target=tsp1", "--no-output")
    assert text.returncode == refused.returncode == 2
    assert refused.stderr == text.stdout and not refused.stdout
    words = text.stdout.replace(",", " ").split()
    assert all(name in words for name in names)
    assert "41 nodes: 21 unsupported, 20 converted by rules" in text.stdout.splitlines()[-1]


class Page(HTMLParser):
    VOID = {"meta"}

    def __init__(self):
        super().__init__()
        self.open, self.tags, self.text, self.external = [], set(), [], []

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        if tag not in self.VOID:
            self.open.append(tag)
        self.external += [value for name, value in attrs if name in ("src", "href")]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def test_html_is_one_page_of_its_own(tmp_path):
    names = twenty(tmp_path / "m.onnx")
    model = onnx.load(tmp_path / "m.onnx")
    model.graph.node[0].name = "<script>alert(\"&\")</script>"
    onnx.save(model, tmp_path / "m.onnx")
    done = run(tmp_path / "m.onnx", "--check", f"--html={tmp_path}/report.html")
    assert done.returncode == 2 and "strange_19" in done.stdout
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    page = Page()
    page.feed(text)
    page.close()
    assert page.open == [] and page.external == []
    assert "script" not in page.tags and "link" not in page.tags and "url(" not in text and "@import" not in text
    assert "prefers-color-scheme: dark" in text
    shown = " ".join(page.text)
    assert all(name in shown for name in names[1:]) and model.graph.node[0].name in shown
    assert run(tmp_path / "m.onnx", "--check", f"--html={tmp_path}/no/report.html").returncode == 1
    done = run(tmp_path / "m.onnx", f"--html={tmp_path}/report.html", "--target=tsp1", "--no-output")
    assert (done.returncode, done.stderr) == (1, "lpu-compile: --html: expected --check\n")


@pytest.mark.parametrize("operator, left, right, sizes", [
    ("MatMul", [2, 3], [4, 5], ("[2,3]", "[4,5]")),
    ("Add", [2, 3], [2, 4], ("[2,3]", "[2,4]")),
    ("Gemm", [2, 3], [4, 5], ("[2,3]", "[4,5]")),
    ("Concat", [2, 3], [4, 5], ("[2,3]", "[4,5]"))])
def test_wrong_shapes_name_the_node_and_both_sizes(tmp_path, operator, left, right, sizes):
    attributes = {"axis": 0} if operator == "Concat" else {}
    path = save(tmp_path / "m.onnx",
                [helper.make_node("Relu", ["x"], ["a"], name="first"),
                 helper.make_node(operator, ["a", "w"], ["b"], name="joint", **attributes),
                 helper.make_node("Relu", ["b"], ["c"], name="after"),
                 helper.make_node("Strange", ["x"], ["d"], name="odd")],
                [info("x", left)], [info("c", [None] * len(left)), info("d", left)], {"w": np.zeros(right, np.float32)})
    report, code = check(path)
    assert code == 1
    row = rows(report, "wrong")[operator]
    assert row["nodes"] == ["joint"] and all(size in row["reason"] for size in sizes)
    # The rest of the model is there, too.
    assert rows(report, "open")["Relu"]["nodes"] == ["after"] and rows(report, "rule")["Relu"]["nodes"] == ["first"]
    assert rows(report, "unsupported")["Strange"]["nodes"] == ["odd"]
    done = run(path, "--target=tsp1", "--no-output")
    assert done.returncode == 1 and "node 'joint'" in done.stderr and all(size in done.stderr for size in sizes)


@pytest.mark.parametrize("operator, left, right, sizes", [
    ("Conv", [1, 3, 8, 8], [4, 2, 3, 3], ("[1,3,8,8]", "[4,2,3,3]")),
    ("ConvTranspose", [1, 3, 8, 8], [4, 2, 3, 3], ("[1,3,8,8]", "[4,2,3,3]")),
    ("Reshape", [2, 3], [4, 5], ("[2,3]", "[4,5]"))])
def test_shapes_that_onnx_does_not_compare(tmp_path, operator, left, right, sizes):
    weights = np.array(right) if operator == "Reshape" else np.zeros(right, np.float32)
    path = save(tmp_path / "m.onnx", [helper.make_node(operator, ["x", "w"], ["y"], name="joint")],
                [info("x", left)], [info("y", [None] * len(left))], {"w": weights})
    report, code = check(path)
    row = rows(report, "unsupported")[operator]
    assert code == 2 and row["nodes"] == ["joint"] and all(size in row["reason"] for size in sizes)


def test_broken_files_are_one_line(tmp_path):
    names = twenty(tmp_path / "m.onnx")
    assert names
    whole = (tmp_path / "m.onnx").read_bytes()
    (tmp_path / "cut.onnx").write_bytes(whole[:len(whole) // 2])
    done = run(tmp_path / "cut.onnx", "--check")
    assert done.returncode == 1 and done.stderr.count("\n") == 1 and not done.stdout
    assert "cut.onnx" in done.stderr and "truncated" in done.stderr
    path = save(tmp_path / "e.onnx", [helper.make_node("Add", ["x", "w"], ["y"])], [info("x", [64, 64])],
                [info("y", [64, 64])], {"w": np.zeros((64, 64), np.float32)})
    onnx.save(onnx.load(path), path, save_as_external_data=True, location="weights.bin")
    (tmp_path / "weights.bin").unlink()
    done = run(path, "--check")
    assert done.returncode == 1 and done.stderr.count("\n") == 1 and "weights.bin" in done.stderr


def test_dimensions_without_a_size_are_named_once(tmp_path):
    shape = helper.make_node("Shape", ["x"], ["s"], name="shape")
    path = save(tmp_path / "m.onnx",
                [shape, helper.make_node("Reshape", ["y", "s"], ["r"], name="reshape"),
                 helper.make_node("MatMul", ["r", "w"], ["p"], name="product"),
                 helper.make_node("ConstantOfShape", ["s"], ["c"], name="zeros"),
                 helper.make_node("Strange", ["p", "c"], ["z"], name="odd")],
                [info("x", ["batch", 8]), info("y", ["batch", 8]), info("u", [None, 2])],
                [info("z", ["batch", 4]), info("u", [None, 2])], {"w": np.ones((8, 4), np.float32)})
    report, code = check(path)
    assert code == 2
    assert report["open_dimensions"] == [
        {"name": "batch", "inputs": [{"input": "x", "axis": 0}, {"input": "y", "axis": 0}],
         "hint": "--dim batch=SIZE"},
        {"name": "", "inputs": [{"input": "u", "axis": 0}], "hint": "--input-shape u=[SIZE,...]"}]
    assert set(rows(report, "unsupported")) == {"Strange"}
    assert {"Reshape", "MatMul"} <= set(rows(report, "rule"))
    assert run(path, "--check").stdout.count("--dim batch=SIZE") == 1
    report, code = check(path, "--dim=batch=2", "--input-shape=u=[1,2]")
    assert code == 2 and report["open_dimensions"] == []
    assert set(rows(report, "folded")) == {"Shape", "ConstantOfShape"} and set(rows(report, "unsupported")) == {"Strange"}
    assert {"Reshape", "MatMul"} == set(rows(report, "rule"))


def test_what_the_importer_did(tmp_path):
    twice = helper.make_function("own", "Twice", ["a"], ["b"], [helper.make_node("Add", ["a", "a"], ["b"])],
                                 [helper.make_opsetid("", 21)])
    body = helper.make_graph([helper.make_node("Add", ["state", "x"], ["next"], name="step"),
                              helper.make_node("Identity", ["more"], ["still"])], "body",
                             [info("i", [], INT64), info("more", [], TensorProto.BOOL), info("state", [4])],
                             [info("still", [], TensorProto.BOOL), info("next", [4])])
    path = save(tmp_path / "m.onnx",
                [helper.make_node("Constant", [], ["k"], name="three", value_int=3),
                 helper.make_node("Loop", ["k", "", "x"], ["l"], name="loop", body=body),
                 helper.make_node("Twice", ["l"], ["t"], name="twice", domain="own"),
                 helper.make_node("HannWindow", ["size"], ["window"], name="hann"),
                 helper.make_node("Mul", ["window", "y"], ["grid"], name="windowed"),
                 helper.make_node("Relu", ["x"], ["unused"], name="unused")],
                [info("x", [4]), info("y", [8])], [info("t", [4]), info("grid", [8])],
                {"size": np.array(8)}, functions=[twice], domains=["own"])
    report, code = check(path)
    assert code == 0, report
    expanded = rows(report, "expanded")
    assert {name: row["rule"] for name, row in expanded.items()} == {
        "Loop": "unrolled at import", "Twice": "function of the model", "HannWindow": "the body of ONNX's own function"}
    assert rows(report, "folded")["Constant"]["rule"] == "constant at import"
    assert rows(report, "folded")["Relu"]["rule"] == "no output needs it"
    added = [name for row in report["operators"] if row["operator"] == "Add" for name in row["nodes"]]
    assert [f"loop/{i}/step" for i in range(3)] == [name for name in added if name.startswith("loop")]


def test_hints(tmp_path):
    path = save(tmp_path / "m.onnx", [helper.make_node("CumSum", ["x", "axis"], ["y"], name="sums")],
                [info("x", [2, 3]), info("axis", [], INT64)], [info("y", [2, 3])])
    report, code = check(path)
    row = rows(report, "unsupported")["CumSum"]
    assert code == 2 and row["reason"] == "input 1 (axis) is not a constant"
    assert row["hint"] == "fix input 'axis': --input-value axis=FILE.npy"
    # An operator that the model's operator set does not have, or has no more.
    path = save(tmp_path / "n.onnx", [helper.make_node("Gelu", ["x"], ["y"], name="gelu")], [info("x", [2])],
                [info("y", [2])], opset=18)
    row = rows(check(path)[0], "unsupported")["Gelu"]
    assert row["reason"] == "operator set 18 does not have this operator: ONNX has it since version 20"
    assert "version_converter" in row["hint"]
    path = save(tmp_path / "s.onnx", [helper.make_node("StringNormalizer", ["x"], ["y"], name="words")],
                [info("x", [2], TensorProto.STRING)], [info("y", [None], TensorProto.STRING)])
    assert rows(check(path)[0], "unsupported")["StringNormalizer"]["nodes"] == ["words"]


def test_strict_types(tmp_path):
    path = save(tmp_path / "m.onnx",
                [helper.make_node("Gather", ["table", "ids"], ["rows"], name="lookup"),
                 helper.make_node("ReduceMax", ["rows"], ["most"], name="most", keepdims=0),
                 helper.make_node("Add", ["ids", "one"], ["next"], name="step"),
                 helper.make_node("Mul", ["d", "tenth"], ["e"], name="scale")],
                [info("ids", [2], INT64), info("d", [2], TensorProto.DOUBLE)],
                [info("most", []), info("next", [2], INT64), info("e", [2], TensorProto.DOUBLE)],
                {"table": np.ones((4, 3), np.float32), "one": np.array(1), "tenth": np.array(0.1)})
    report, code = check(path)
    assert code == 0
    found = [(item["kind"], item["name"], item["type"], item["carried"]) for item in report["narrowed"]]
    assert found == [("input", "ids", "int64", "int32"), ("input", "d", "double", "float"),
                     ("output", "next", "int64", "int32"), ("output", "e", "double", "float"),
                     ("constant", "tenth", "double", "float"), ("node", "step", "int64", "int32"),
                     ("node", "scale", "double", "float")]
    for flags in (["--check"], ["--target=tsp1", "--no-output"]):
        done = run(path, "--strict-types", *flags)
        assert done.returncode == 2
        assert "lpu-compile: --strict-types: input 'ids': int64 is carried as int32" in done.stderr
        assert "lpu-compile: --strict-types: node 'scale' (Mul): double is carried as float" in done.stderr
    # 32 bits are what the machine has; shapes and indices in the file are proved to fit.
    path = save(tmp_path / "n.onnx",
                [helper.make_node("Slice", ["x", "from", "to"], ["y"], name="slice")], [info("x", [8])],
                [info("y", [6])], {"from": np.array([2]), "to": np.array([np.iinfo(np.int64).max])})
    assert check(path, "--strict-types")[0]["narrowed"] == []
    assert run(path, "--check", "--strict-types").returncode == 0
