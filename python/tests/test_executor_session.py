"""A language model's binary on the executor: entries found by shape and bound, chunks, chat."""

import re
import signal
import subprocess
import sys
from pathlib import Path

import lpu
import numpy as np
import pytest
from conftest import ROOT
from lpu.export import SMALL
from lpu.generation import ContextFullError, Conversation, plan
from lpu.models.checkpoint import random_checkpoint
from lpu.models.llama import export_llama
from lpu.models.reference import Reference
from lpu.runtime import Tensor
from lpu.session import Entry, ExecutorSession, describe_entry
from test_chat import ENVIRONMENT, command, write_tokenizer_gguf

CHECKPOINT = random_checkpoint(SMALL.__class__(**{**vars(SMALL), "vocabulary": 260}))
MAX_SEQ = 64


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """m.lpu has two decode entries and one of eight rows; their names say nothing."""
    folder = tmp_path_factory.mktemp("model")
    export_llama(CHECKPOINT, folder / "m.onnx", MAX_SEQ)
    lpu.compile(folder / "m.onnx", folder / "m.lpu", target="tsp1", dim={"batch": 1, "sequence_len": 1},
                entry=["whole", "start:nonpad_kv_seqlen:max=16", "rows:sequence_len=8"], calibration=True)
    write_tokenizer_gguf(folder / "m.gguf")
    return folder


def chat(folder, *arguments):
    return command("--model", str(folder / "m.lpu"), "--checkpoint", str(folder / "m.gguf"), *arguments)


def cosine(x, y):
    x, y = x - x.mean(), y - y.mean()
    return float(x @ y / np.sqrt((x @ x) * (y @ y)))


def test_entries_come_from_the_binary(folder):
    session = ExecutorSession(folder / "m.lpu")
    programs = session.program.entries
    assert session.entries == [Entry("whole", 1, MAX_SEQ, programs["whole"].cycles),
                               Entry("start", 1, 16, programs["start"].cycles),
                               Entry("rows", 8, MAX_SEQ, programs["rows"].cycles)]
    decodes = [entry for entry in session.entries if entry.sequence_len == 1]
    assert [step.entry.name for step in plan(decodes, 14, 4)] == ["start", "start", "whole", "whole"]


def test_logits_of_a_whole_context(folder):
    session = ExecutorSession(folder / "m.lpu")
    conversation = Conversation(session)
    tokens = np.random.default_rng(0).integers(0, 260, MAX_SEQ).tolist()
    expected = Reference(CHECKPOINT, MAX_SEQ).logits(tokens)
    conversation.logits_after(tokens[:10] + [3, 4, 5])  # a tail that is overwritten
    for length in range(11, MAX_SEQ + 1):
        assert cosine(conversation.logits_after(tokens[:length]), expected[length - 1]) > 0.99999
    # The 13 tokens at first take two chunks.
    assert {name: totals.runs for name, totals in session.totals.items()} == {"whole": MAX_SEQ - 16, "start": 6, "rows": 2}
    assert not session.saturations
    with pytest.raises(ContextFullError, match="expected at most 64 tokens, got 65"):
        conversation.logits_after([*tokens, 1])


@pytest.mark.parametrize("split", [1, 5, 8, 21])
def test_chunks_on_the_executor(folder, split):
    """Padded chunks, their rows overwritten, and single tokens where padding would pass the end."""
    session = ExecutorSession(folder / "m.lpu")
    conversation = Conversation(session)
    tokens = np.random.default_rng(1).integers(0, 260, MAX_SEQ).tolist()
    expected = Reference(CHECKPOINT, MAX_SEQ).logits(tokens)
    for length in (split, split + 6, 60, MAX_SEQ):
        assert cosine(conversation.logits_after(tokens[:length]), expected[length - 1]) > 0.99999
    assert session.totals["rows"].runs >= 5
    assert session.totals["rows"].tokens + session.totals["start"].runs + session.totals["whole"].runs == MAX_SEQ


def test_generate_is_greedy_over_a_session(folder):
    """The package's own words: load, session, generate; tokens are those of the model in NumPy."""
    session = lpu.load(folder / "m.lpu").session()
    reference, prompt = Reference(CHECKPOINT, MAX_SEQ), [7, 200, 31]
    expected = list(prompt)
    while len(expected) < 15:
        expected.append(int(reference.logits(expected)[-1].argmax()))
    answer = expected[len(prompt):]
    assert list(lpu.generate(session, prompt, 12)) == answer
    # The cache is written anew, and tokens come one by one.
    assert next(lpu.generate(session, iter([5, 6]), 9)) == reference.logits([5, 6])[-1].argmax()
    assert list(lpu.generate(session, np.array(prompt), 12, stop=answer[4])) == answer[:answer.index(answer[4])]
    assert list(lpu.generate(ExecutorSession(session), prompt, 0)) == []
    second = lambda logits: np.argsort(logits)[-2]  # noqa: E731
    assert list(lpu.generate(session, prompt, 1, choose=second)) == [second(reference.logits(prompt)[-1])]
    tokens = lpu.generate(session, [1] * (MAX_SEQ - 1), 5)
    assert len([next(tokens), next(tokens)]) == 2
    with pytest.raises(lpu.ContextFullError, match="expected at most 64 tokens, got 65"):
        next(tokens)


def test_the_example_of_the_page_runs(folder, tmp_path, monkeypatch, capsys):
    code, *_ = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "Python.md").read_text(), re.S)
    subprocess.run([sys.executable, ROOT / "test" / "Tools" / "Inputs" / "make_mlp.py", tmp_path / "mlp.onnx"], check=True)
    (tmp_path / "model.lpu").symlink_to(folder / "m.lpu")
    monkeypatch.chdir(tmp_path)
    exec(code, {})  # noqa: S102
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("main ") and "x: float32[1,3,48]" in lines[0]
    session = lpu.load(folder / "m.lpu").session()
    assert lines[1:] == [str(token) for token in lpu.generate(session, [1, 99, 31], 32, stop=2)]


def test_generate_errors(folder):
    with pytest.raises(ValueError, match="expected at least one token, got none"):
        lpu.generate(lpu.load(folder / "m.lpu").session(), [], 5)
    path = Path(__file__).parent / "Inputs" / "accumulate.lpuasm"
    with pytest.raises(ValueError, match="accumulate.lpuasm: expected an entry with the integer inputs input_ids"):
        lpu.generate(lpu.load(path).session(), [1], 5)


def test_reset_empties_the_caches(folder):
    session = ExecutorSession(folder / "m.lpu")
    first = Conversation(session).logits_after([5, 6, 7])
    Conversation(session).logits_after([9, 8, 7, 6])
    session.reset()
    assert (Conversation(session).logits_after([5, 6, 7]) == first).all()


def description(length=1, batch=1, kv=None, positions=None, outputs=("logits",), **more):
    shapes = {"input_ids": (batch, length), "position_ids": (batch, length), "write_indices": (batch,),
              "nonpad_kv_seqlen": (batch,), "logits_index": (1,), **more}
    bounds = {"nonpad_kv_seqlen": kv, "position_ids": positions}
    integers = {name: Tensor(name, shape, np.dtype(np.int64), 0, bounds.get(name)) for name, shape in shapes.items()}
    return lpu.Entry("e", {}, dict.fromkeys(outputs), integers, 500, 1, 1)


@pytest.mark.parametrize("given,expected", [
    (description(kv=256, positions=1023), Entry("e", 1, 256, 500)),
    (description(positions=1023), Entry("e", 1, 1024, 500)),
    (description(kv=2048, positions=1023), Entry("e", 1, 1024, 500)),
    (description(128, kv=128), Entry("e", 128, 128, 500)),
    (description(), None),
    (description(batch=2, kv=256), None),
    (description(kv=256, outputs=("y",)), None),
    (description(kv=256, attention_mask=(1, 256)), None),
])
def test_describe_entry(given, expected):
    assert describe_entry(given) == expected


def test_a_chunk_has_to_be_cheaper():
    decode, chunk = Entry("d", 1, 64, 10), Entry("c", 8, 64, 35)
    assert [step.entry for step in plan([decode, chunk], 0, 3)] == [decode] * 3
    assert [step.entry for step in plan([decode, chunk], 0, 12)] == [chunk, chunk]
    assert [step.entry for step in plan([decode, chunk], 57, 7)] == [decode] * 7  # padding would pass the end
    assert [step.entry for step in plan([decode, Entry("c", 8, 64, 90)], 0, 8)] == [decode] * 8


def test_a_binary_of_another_kind():
    path = Path(__file__).parent / "Inputs" / "accumulate.lpuasm"
    with pytest.raises(ValueError, match="expected an entry with the integer inputs input_ids, .*; got entries add, show"):
        ExecutorSession(path)


def test_chat_on_the_executor(folder):
    """Greedy answers are those of onnxruntime; this model's top logits lie far apart."""
    runs = [subprocess.run([*chat(folder, "--prompt", "hi", "--max-tokens", "20"), "--model", str(folder / name)],
                           env=ENVIRONMENT, capture_output=True, text=True) for name in ("m.lpu", "m.onnx")]
    assert [run.returncode for run in runs] == [0, 0], runs[0].stderr + runs[1].stderr
    assert runs[0].stderr.startswith("20 tokens, ")
    assert runs[0].stdout == runs[1].stdout


def test_chat_fills_the_context(folder):
    run = subprocess.run(chat(folder, "--prompt", "a" * 60), env=ENVIRONMENT, capture_output=True, text=True)
    assert (run.returncode, run.stderr) == (1, "lpu.chat: the context is full: expected at most 64 tokens, got 78\n")


def take_interrupts():
    """Ctrl-C works in the child even where this process, in the background, ignores it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_interrupt_leaves_cleanly(folder):
    process = subprocess.Popen(chat(folder), env=ENVIRONMENT, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, preexec_fn=take_interrupts)
    assert process.stdout.read(2) == b"> "
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (130, b"")
