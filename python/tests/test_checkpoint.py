"""The real checkpoint: python -m pytest -m checkpoint python/tests (about a minute)."""

import numpy as np
import pytest
from conftest import ROOT
from lpu.models.checkpoint import read_gguf
from lpu.models.download import fetch_checkpoint
from lpu.models.llama import export_llama
from lpu.models.reference import Reference
from lpu.session import Entry, OnnxSession

pytestmark = pytest.mark.checkpoint

PROMPT = [504, 3575, 282, 4649, 314]  # "The capital of France is"
CONTINUATION = [7042, 30, 198, 198, 504, 2988, 314, 42, 216, 34, 32, 33, 40, 29, 32, 33, 29, 34, 34, 216, 33, 34, 42, 33]
ANY = Entry("any", 128, 1024)


@pytest.fixture(scope="module")
def checkpoint():
    return read_gguf(fetch_checkpoint(ROOT / "build/downloads"))


@pytest.fixture(scope="module", params=["fp32", "int8"])
def model(request, checkpoint, tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "model.onnx"
    export_llama(checkpoint, path, 1024, int8_weights=request.param == "int8")
    return request.param, OnnxSession(path)


def logits_of(session, tokens, position=0):
    count = len(tokens)
    return session.run(ANY, {"input_ids": np.array([tokens]),
                             "position_ids": np.arange(position, position + count)[None],
                             "write_indices": np.array([position]), "nonpad_kv_seqlen": np.array([position + count]),
                             "logits_index": np.array([count - 1])})


def test_config(checkpoint):
    config = checkpoint.config
    assert (config.layers, config.hidden, config.intermediate) == (30, 576, 1536)
    assert (config.heads, config.kv_heads, config.head_size, config.vocabulary) == (9, 3, 64, 49152)
    assert (config.epsilon, config.theta, config.tied) == (1e-5, 1e5, True)
    assert sum(checkpoint.weight(name).size for name in checkpoint.names()) == 134_515_008


def test_onnxruntime_equals_reference(checkpoint, model):
    kind, session = model
    session.reset()
    expected = Reference(checkpoint, 1024, kind == "int8").logits(PROMPT)
    assert np.abs(logits_of(session, PROMPT) - expected[-1]).max() < 1e-3


def test_known_continuation(model):
    kind, session = model
    session.reset()
    logits, tokens = logits_of(session, PROMPT), []
    for position in range(len(PROMPT), len(PROMPT) + len(CONTINUATION)):
        tokens.append(int(logits.argmax()))
        logits = logits_of(session, tokens[-1:], position)
    expected = CONTINUATION if kind == "fp32" else CONTINUATION[:2]
    assert tokens[:len(expected)] == expected
