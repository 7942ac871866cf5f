"""Tokenizer, chunks, decoding and the chat loop, without a real checkpoint."""

import io
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from conftest import ROOT
from lpu.chat import Chat, converse
from lpu.export import SMALL
from lpu.generation import ContextFullError, Conversation, Step, plan, step_inputs
from lpu.models.checkpoint import random_checkpoint
from lpu.models.llama import export_llama
from lpu.models.reference import Reference
from lpu.session import DEMO_ENTRIES, Entry, OnnxSession, open_session
from lpu.tokenizer import Tokenizer, _byte_of_character

PREFILL, EXTEND, DECODE256, DECODE1024 = DEMO_ENTRIES
TEMPLATE = ("{% for m in messages %}<s>{{ m.role }}\n{{ m.content }}</s>{% endfor %}"
            "{% if add_generation_prompt %}<s>assistant\n{% endif %}")


def metadata(**changes):
    """A tokenizer of single bytes, two merges and two special tokens; token 1 is the end of text."""
    tokens = ["<s>", "</s>", *sorted(_byte_of_character()), "th", "the"]
    return {
        "tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": "smollm", "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": [3, 3] + [1] * (len(tokens) - 2), "tokenizer.ggml.merges": ["t h", "th e"],
        "tokenizer.ggml.bos_token_id": 0, "tokenizer.ggml.eos_token_id": 1, "tokenizer.chat_template": TEMPLATE,
    } | changes


@pytest.fixture
def tokenizer():
    return Tokenizer(metadata())


class Scripted:
    """A session that answers with given tokens and keeps what it was run with."""

    def __init__(self, tokens, vocabulary=300, entries=DEMO_ENTRIES):
        self.entries = entries
        self.tokens = list(tokens)
        self.vocabulary = vocabulary
        self.runs = []

    def run(self, entry, inputs):
        self.runs.append((entry, inputs))
        logits = np.zeros(self.vocabulary, np.float32)
        logits[self.tokens.pop(0) if self.tokens else 1] = 1
        return logits

    def reset(self):
        pass


def test_tokenizer_merges_and_special_tokens(tokenizer):
    ids = tokenizer.encode("the<s>th")
    assert [tokenizer.tokens[i] for i in ids] == ["the", "<s>", "th"]
    assert tokenizer.decode(ids) == "theth"


@pytest.mark.parametrize("text", ["plain", "Über 12 €", "日本語 🙂\n\ttab"])
def test_tokenizer_round_trip(tokenizer, text):
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_chat_template(tokenizer):
    assert tokenizer.encode_chat([{"role": "user", "content": "hi"}]) == tokenizer.encode("<s>user\nhi</s><s>assistant\n")


def test_stream_holds_back_parts_of_a_character(tokenizer):
    ids = tokenizer.encode("a€b")
    assert len(ids) == 5
    assert list(tokenizer.stream(ids)) == ["a", "€", "b"]
    assert list(tokenizer.stream(ids[:3])) == ["a", "\N{REPLACEMENT CHARACTER}"]


@pytest.mark.parametrize("changes,message", [
    ({"tokenizer.ggml.model": "llama"}, "expected tokenizer.ggml.model gpt2, got llama"),
    ({"tokenizer.ggml.pre": "qwen2"}, "expected tokenizer.ggml.pre to be one of smollm, gpt-2, got qwen2"),
])
def test_tokenizer_errors(changes, message):
    with pytest.raises(ValueError, match=message):
        Tokenizer(metadata(**changes))


def test_tokenizer_without_template():
    keys = metadata()
    del keys["tokenizer.chat_template"]
    with pytest.raises(ValueError, match="expected the key tokenizer.chat_template, got none"):
        Tokenizer(keys)


@pytest.mark.parametrize("position,count,expected", [
    (0, 1, [Step(DECODE256, 0, 1)]),
    (0, 3, [Step(DECODE256, i, 1) for i in range(3)]),
    (0, 4, [Step(PREFILL, 0, 4)]),
    (0, 128, [Step(PREFILL, 0, 128)]),
    (0, 300, [Step(PREFILL, 0, 128), Step(EXTEND, 128, 128), Step(EXTEND, 256, 44)]),
    (10, 20, [Step(EXTEND, 10, 20)]),
    (255, 2, [Step(DECODE256, 255, 1), Step(DECODE1024, 256, 1)]),
    (896, 128, [Step(EXTEND, 896, 128)]),
    (897, 4, [Step(DECODE1024, 897 + i, 1) for i in range(4)]),
    (1023, 1, [Step(DECODE1024, 1023, 1)]),
    (5, 0, []),
], ids=str)
def test_plan(position, count, expected):
    assert plan(DEMO_ENTRIES, position, count) == expected


@pytest.mark.parametrize("position,count", [(1024, 1), (0, 1025), (1000, 25)])
def test_plan_of_a_full_context(position, count):
    with pytest.raises(ContextFullError) as error:
        plan(DEMO_ENTRIES, position, count)
    assert str(error.value) == f"the context is full: expected at most 1024 tokens, got {position + count}"


def test_inputs_of_a_padded_chunk():
    inputs = step_inputs(Step(Entry("c", 4, 16), 8, 3), [7, 8, 9])
    assert {name: values.tolist() for name, values in inputs.items()} == {
        "input_ids": [[7, 8, 9, 0]], "position_ids": [[8, 9, 10, 11]], "write_indices": [8],
        "nonpad_kv_seqlen": [12], "logits_index": [2]}
    assert {values.dtype for values in inputs.values()} == {np.dtype(np.int64)}


@pytest.mark.parametrize("split", [1, 3, 5, 9, 20])
def test_chunks_give_the_logits_of_the_whole(tmp_path, split):
    """Padded chunks, decodes and a changed tail, against the reference's whole sequence."""
    checkpoint = random_checkpoint(SMALL)
    export_llama(checkpoint, tmp_path / "m.onnx", 32)
    entries = [Entry("prefill", 8, 8), Entry("extend", 8, 32), Entry("decode16", 1, 16), Entry("decode", 1, 32)]
    conversation = Conversation(OnnxSession(tmp_path / "m.onnx", entries))
    tokens = np.random.default_rng(0).integers(0, 256, 32).tolist()
    expected = Reference(checkpoint, 32).logits(tokens)
    conversation.logits_after(tokens[:split] + [3, 4, 5, 6])
    for length in (split + 2, 27, 30, 32):
        assert np.abs(conversation.logits_after(tokens[:length]) - expected[length - 1]).max() < 2e-5
    assert conversation.fed == tokens


def test_only_new_tokens_run():
    session = Scripted([])
    conversation = Conversation(session)
    conversation.logits_after([5, 6, 7])
    conversation.logits_after([5, 6, 7, 8])
    conversation.logits_after([5, 6, 7, 8])  # the last one always runs: its logits are wanted
    conversation.logits_after([5, 9])
    assert [int(inputs["position_ids"][0, 0]) for _, inputs in session.runs] == [0, 1, 2, 3, 3, 1]
    with pytest.raises(ValueError, match="expected at least one token, got none"):
        conversation.logits_after([])


def test_generate_stops():
    assert list(Conversation(Scripted([9, 8, 1, 7])).generate([3], 10, stop=1)) == [9, 8]
    assert list(Conversation(Scripted([9, 8, 1, 7])).generate([3], 4, stop=None)) == [9, 8, 1, 7]
    assert list(Conversation(Scripted([9, 8, 7])).generate([3], 2, stop=1)) == [9, 8]


class Recorder(io.StringIO):
    """Keeps what had been written at each flush."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def flush(self):
        self.seen.append(self.getvalue())


def test_answer_streams_and_keeps_the_history(tokenizer):
    out = Recorder()
    session = Scripted([*tokenizer.encode("a€"), 1, *tokenizer.encode("b"), 1])
    chat = Chat(session, tokenizer, 50, out)
    assert (chat.answer("hi"), chat.generated) == ("a€", 4)
    assert out.seen == ["a", "a€", "a€\n"]
    first_turn = len(session.runs)
    chat.answer("yo")
    # The second turn runs only what follows the first answer; the answer itself lies in the cache.
    start = int(session.runs[first_turn][1]["position_ids"][0, 0])
    assert start == len(tokenizer.encode("<s>user\nhi</s><s>assistant\n")) + 4


def test_answer_in_a_full_context(tokenizer):
    entries = [Entry("decode", 1, 24)]
    prompt_tokens = len(tokenizer.encode("<s>user\nhi</s><s>assistant\n"))
    out = io.StringIO()
    # One run a token: the runs before the last of the prompt give logits that nobody reads.
    session = Scripted([2] * (prompt_tokens - 1) + tokenizer.encode("abcdefgh"), entries=entries)
    with pytest.raises(ContextFullError, match="the context is full: expected at most 24 tokens, got 25"):
        Chat(session, tokenizer, 50, out).answer("hi")
    assert out.getvalue() == "abcdefgh"[:25 - prompt_tokens] + "\n"


def test_converse_until_the_input_ends(tokenizer):
    out = io.StringIO()
    converse(Chat(Scripted([*tokenizer.encode("x"), 1]), tokenizer, 5, out), io.StringIO("hi\n\n"), out)
    assert out.getvalue() == "> x\n> > \n"


def write_tokenizer_gguf(path):
    import gguf

    keys = metadata()
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(keys["tokenizer.ggml.tokens"])
    writer.add_token_types(keys["tokenizer.ggml.token_type"])
    writer.add_token_merges(keys["tokenizer.ggml.merges"])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(1)
    writer.add_chat_template(TEMPLATE)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


@pytest.fixture
def model(tmp_path):
    checkpoint = random_checkpoint(SMALL.__class__(**{**vars(SMALL), "vocabulary": 260}))
    export_llama(checkpoint, tmp_path / "m.onnx", 1024)
    write_tokenizer_gguf(tmp_path / "m.gguf")
    return ["--model", str(tmp_path / "m.onnx"), "--checkpoint", str(tmp_path / "m.gguf")]


def command(*arguments):
    return [sys.executable, "-m", "lpu.chat", *arguments]


ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT / "python"), "PYTHONIOENCODING": "utf-8"}


def test_command_line(model):
    runs = [subprocess.run(command(*model, "--prompt", "hi", "--max-tokens", "20"), env=ENVIRONMENT,
                           capture_output=True, text=True) for _ in range(2)]
    assert runs[0].returncode == 0, runs[0].stderr
    assert runs[0].stdout == runs[1].stdout
    assert runs[0].stderr.startswith("20 tokens, ")


def test_prompt_that_is_too_long(model):
    run = subprocess.run(command(*model, "--prompt", "a" * 1100), env=ENVIRONMENT, capture_output=True, text=True)
    assert run.returncode == 1
    assert run.stderr == "lpu.chat: the context is full: expected at most 1024 tokens, got 1118\n"


def take_interrupts():
    """Ctrl-C works in the child even where this process, in the background, ignores it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_interrupt_leaves_cleanly(model):
    process = subprocess.Popen(command(*model, "--prompt", "hi", "--max-tokens", "1000"), env=ENVIRONMENT,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=take_interrupts)
    process.stdout.read(1)  # it is answering
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (130, b"")


@pytest.mark.parametrize("name,message", [
    ("missing.onnx", "{path}: no such file"),
    ("model.bin", "{path}: expected a file .onnx or .lpu, got .bin"),
])
def test_open_session_errors(tmp_path, name, message):
    path = tmp_path / name
    if name == "model.bin":
        path.touch()
    with pytest.raises((ValueError, OSError)) as error:
        open_session(path)
    assert str(error.value) == message.format(path=path)
