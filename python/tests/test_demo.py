"""What the demo is made of, on a small model; the whole of it is tools/demo.sh itself."""

import io
import json
import os
import subprocess

import lpu
import numpy as np
import pytest
from conftest import ROOT
from lpu import agreement
from lpu.demo.__main__ import STAGES, compile_share
from lpu.demo.build import BuildError, _run
from lpu.demo.made import make
from lpu.demo.report import entry_rows, memory_lines
from lpu.export import SMALL
from lpu.models.checkpoint import random_checkpoint
from lpu.models.llama import export_llama
from lpu.models.reference import Reference
from lpu.progress import Progress, format_seconds
from lpu.session import ExecutorSession
from lpu.tokenizer import Tokenizer
from test_chat import metadata

CHECKPOINT = random_checkpoint(SMALL.__class__(**{**vars(SMALL), "vocabulary": 260}))
MAX_SEQ = 128


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo")
    export_llama(CHECKPOINT, folder / "m.onnx", MAX_SEQ)
    export_llama(CHECKPOINT, folder / "f.onnx", MAX_SEQ, int8_weights=False)
    lpu.compile(folder / "m.onnx", folder / "m.lpu", target="tsp1", dim={"batch": 1}, calibration=True,
                entry=["one:sequence_len=1", "eight:sequence_len=8"], stats=folder / "stats.json")
    return folder


@pytest.fixture
def sessions(folder):
    return agreement.open_sessions(folder / "m.lpu", folder / "m.onnx", folder / "f.onnx")


def test_agreement_of_a_binary(sessions, tmp_path):
    text = tmp_path / "text"
    text.write_text("the other thing " * 3)
    result = agreement.measure(sessions, Tokenizer(metadata()), quick=False, text=text)
    assert (len(result["prompts"]), result["tokens"], result["tokens_equal"], result["saturations"]) == (3, 96, 96, 0)
    assert result["cosine_min_quantized"] > 0.99999 > result["cosine_min_fp32"] > 0.99
    assert 0 < result["kl_max_quantized"] < 1e-4
    assert result["perplexity"] == pytest.approx(result["perplexity_quantized"], rel=1e-3)
    assert agreement.find_failures(result) == []


def test_wrong_logits_are_noticed(sessions):
    """The measures of a program that adds a little to one logit, and a lot from the third run on."""
    executor, calls = sessions["executor"], 0

    class Wrong:
        entries = executor.entries

        def run(self, entry, inputs):
            nonlocal calls
            calls += 1
            logits = executor.run(entry, inputs).copy()
            logits[7] += 40 if calls > 2 else 0.1
            return logits

    found = agreement.compare_answers({**sessions, "executor": Wrong()}, [[3]], 4)
    assert (found.tokens, found.tokens_equal) == (4, 2)
    assert found.cosine_min_quantized < 0.9
    assert found.kl_max_quantized > 1


def test_perplexity(sessions):
    tokens = np.random.default_rng(2).integers(0, 260, 20).tolist()
    logits = Reference(CHECKPOINT, MAX_SEQ).logits(tokens)
    chosen = [agreement.log_softmax(row)[token] for row, token in zip(logits[:-1], tokens[1:], strict=True)]
    for name in ("executor", "quantized"):
        assert agreement.perplexity(sessions[name], tokens) == pytest.approx(np.exp(-np.mean(chosen)), rel=1e-3)


def test_measures():
    x = np.array([1.0, 2.0, 4.0])
    assert agreement.cosine(x, 3 * x + 5) == pytest.approx(1)
    assert agreement.cosine(x, -x) == pytest.approx(-1)
    assert agreement.divergence(x, x + 1) == pytest.approx(0, abs=1e-12)
    assert agreement.divergence(np.log([0.5, 0.5]), np.log([0.25, 0.75])) == pytest.approx(0.5 * np.log(4 / 3))
    assert agreement.same_token(x, x[::-1].copy()) is False
    assert agreement.same_token(np.array([1.0, 1.0005]), np.array([1.0, 0.0])) is True


@pytest.mark.parametrize("change,failure", [
    ({}, None),
    ({"tokens_equal": 95}, "tokens_equal: expected 96, got 95"),
    ({"cosine_min_quantized": 0.9998}, "cosine_min_quantized: expected at least 0.9999, got 0.999800"),
    ({"cosine_min_fp32": float("nan")}, "cosine_min_fp32: expected at least 0.99, got nan"),
    ({"saturations": 2, "saturated": {"q": 2}}, "saturations: expected 0, got 2 in q"),
    ({"perplexity": 25.3}, "perplexity: expected 25.000 within 1%, got 25.300"),
    ({"perplexity": None}, None),
])
def test_limits(change, failure):
    good = {"tokens": 96, "tokens_equal": 96, "cosine_min_quantized": 0.99999, "cosine_min_fp32": 0.995,
            "saturations": 0, "saturated": {}, "perplexity": 25.2, "perplexity_fp32": 25.0}
    assert agreement.find_failures(good | change) == ([failure] if failure else [])


def test_report_says_what_the_statistics_say(folder):
    stats = json.loads((folder / "stats.json").read_text())
    session = ExecutorSession(folder / "m.lpu")
    lengths = {entry.name: entry.sequence_len for entry in session.entries}
    rows = {label: cells for label, *cells in entry_rows(stats, lengths, 900_000_000, {"one": 3})}
    cycles = [entry.cost for entry in session.entries]
    assert rows["entry"] == ["one", "eight"]
    assert rows["cycles"] == [f"{count:,}" for count in cycles]
    assert rows["tokens/s at 900 MHz"] == [f"{900e6 / cycles[0]:,.0f}", f"{8 * 900e6 / cycles[1]:,.0f}"]
    assert rows["runs in this demo"] == ["3", "0"]
    lines = memory_lines(stats["sram"])
    assert lines[0] == f"SRAM: {stats['sram']['used']:,} of 230,686,720 bytes ({stats['sram']['used'] / 230_686_720:.1%})"
    assert {line.split()[0] for line in lines[1:]} == set(stats["sram"]["by_kind"])


def test_made_anew_only_when_something_changed(tmp_path):
    first, second = tmp_path / "a", tmp_path / "b"
    calls = []

    def action():
        calls.append(None)
        first.write_text("a" * len(calls))
        second.write_text("b")

    assert [make([first, second], {"x": 1}, action) for _ in range(2)] == [True, False]
    assert make([first, second], {"x": 2}, action)
    second.unlink()
    assert make([first, second], {"x": 2}, action)
    first.write_text("changed by hand")
    assert make([first, second], {"x": 2}, action)
    assert not make([first, second], {"x": 2}, action)
    assert len(calls) == 4


def test_what_failed_is_made_anew(tmp_path):
    target = tmp_path / "a"

    def fail():
        target.write_text("half")
        raise OSError("disk full")

    make([target], {}, lambda: target.write_text("whole"))
    with pytest.raises(OSError):
        make([target], {"x": 1}, fail)
    assert make([target], {}, lambda: target.write_text("whole"))


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_share_of_a_compile():
    assert compile_share("import model.onnx") is None
    assert [compile_share(name) for name in STAGES] == list(STAGES.values())
    half = (STAGES["schedule and verify"] + STAGES["write"]) / 2
    assert compile_share("schedule and verify: 50 %") == pytest.approx(half)
    assert compile_share("write model.lpu") == STAGES["write"]


def test_progress(monkeypatch):
    now = 0.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    out = Terminal()
    with Progress("build", out) as progress:
        now = 30.0
        progress.update(0.25, "1 of 4")
        now = 40.0
        progress.update(detail="1 of 4")
        now = 120.0
    assert out.getvalue().split("\r\x1b[K")[1:] == ["build: 1 of 4, 30 s, about 1 min 30 s left",
                                                    "build: 1 of 4, 40 s, about 1 min 20 s left",
                                                    "build: done, 2 min 00 s\n"]
    plain = io.StringIO()
    with pytest.raises(ValueError), Progress("load", plain):
        raise ValueError
    assert plain.getvalue() == "load ...\nload: failed, 0 s\n"
    assert format_seconds(61.4) == "1 min 01 s"


def test_a_failed_build_shows_its_end():
    with pytest.raises(BuildError, match="failed:\nwrong\n"):
        _run(["sh", "-c", "echo wrong; exit 3"], io.StringIO())


def test_script_help():
    run = subprocess.run(["bash", str(ROOT / "tools/demo.sh"), "--help"], capture_output=True, text=True,
                         env={"PATH": os.environ["PATH"]})
    assert run.returncode == 0
    assert "usage: bash tools/demo.sh [--prompt TEXT]" in run.stdout
