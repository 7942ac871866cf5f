"""Runs prompts in chunks and decodes greedily, over any session."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from lpu.session import Entry, ExecutorSession, Session


class ContextFullError(Exception):
    """More tokens than the KV cache has positions."""


@dataclass(frozen=True)
class Step:
    """One run: `count` tokens at `position`, the rest of the entry's rows is padding."""

    entry: Entry
    position: int
    count: int


def capacity(entries: list[Entry]) -> int:
    """Positions that the decode entries reach."""
    return max((entry.max_kv for entry in entries if entry.sequence_len == 1), default=0)


def plan(entries: list[Entry], position: int, count: int) -> list[Step]:
    """The runs for `count` tokens that follow `position` others.

    A chunk needs position + sequence_len <= max_kv, padding included, since
    padded rows are written; where no chunk fits, or where it would cost more, it
    goes token by token. Each run takes the entry with the smallest max_kv that it
    fits.
    """
    if position + count > capacity(entries):
        raise ContextFullError(f"the context is full: expected at most {capacity(entries)} tokens, "
                               f"got {position + count}")
    steps = []
    while count:
        fitting = [entry for entry in entries if position + entry.sequence_len <= entry.max_kv]
        decode = min((e for e in fitting if e.sequence_len == 1), key=lambda e: e.max_kv)
        chunks = [e for e in fitting if e.sequence_len > 1 and e.cost < min(count, e.sequence_len) * decode.cost]
        # The longest chunk; of equals, the one that reads least of the cache.
        entry = min(chunks, key=lambda e: (-e.sequence_len, e.max_kv), default=decode)
        steps.append(Step(entry, position, min(count, entry.sequence_len)))
        position += steps[-1].count
        count -= steps[-1].count
    return steps


def step_inputs(step: Step, tokens: list[int]) -> dict[str, np.ndarray]:
    """The integer inputs of a run; `tokens` are its step.count tokens."""
    length = step.entry.sequence_len
    padded = np.zeros((1, length), np.int64)
    padded[0, :step.count] = tokens
    return {
        "input_ids": padded,
        "position_ids": np.arange(step.position, step.position + length, dtype=np.int64)[None],
        "write_indices": np.array([step.position], np.int64),
        "nonpad_kv_seqlen": np.array([step.position + length], np.int64),
        "logits_index": np.array([step.count - 1], np.int64),
    }


class Conversation:
    """Tokens in a session's KV cache."""

    def __init__(self, session: Session, on_step: Callable[[Step], None] = lambda step: None):
        self.session = session
        self.fed: list[int] = []
        self._on_step = on_step

    def logits_after(self, tokens: list[int]) -> np.ndarray:
        """Logits after `tokens`, the whole conversation; what the cache holds of its start is not run again.

        Errors: ContextFullError, before anything runs; ValueError for no tokens.
        """
        if not tokens:
            raise ValueError("expected at least one token, got none")
        shared = 0
        while shared < min(len(self.fed), len(tokens) - 1) and self.fed[shared] == tokens[shared]:
            shared += 1
        steps = plan(self.session.entries, shared, len(tokens) - shared)
        # What lies behind is overwritten from here on.
        self.fed = tokens[:shared]
        for step in steps:
            part = tokens[step.position:step.position + step.count]
            logits = self.session.run(step.entry, step_inputs(step, part))
            self.fed += part
            self._on_step(step)
        return logits

    def generate(self, tokens: list[int], limit: int, stop: int | None,
                 choose: Callable[[np.ndarray], int] = np.argmax) -> Iterator[int]:
        """At most `limit` tokens that follow, without the token `stop` that ends them."""
        tokens = list(tokens)
        for _ in range(limit):
            token = int(choose(self.logits_after(tokens)))
            if token == stop:
                return
            tokens.append(token)
            yield token


def generate(session, tokens: Iterable[int], max_tokens: int, stop: int | None = None,
             choose: Callable[[np.ndarray], int] = np.argmax) -> Iterator[int]:
    """At most `max_tokens` tokens that follow `tokens`, one by one as they are computed.

    `session` is that of a language model's binary (`program.session()`), or any
    lpu.session.Session. The tokens begin at position 0: they overwrite what the KV
    caches held. `stop` ends them and is not among them; `choose` takes the logits,
    [vocabulary] fp32, and is greedy unless told.
    Errors: ValueError for a binary of another kind or no tokens; ContextFullError.
    """
    from lpu.runtime import RuntimeSession

    tokens = [int(token) for token in tokens]
    if not tokens:
        raise ValueError("expected at least one token, got none")
    runs = ExecutorSession(session) if isinstance(session, RuntimeSession) else session
    return Conversation(runs).generate(tokens, max_tokens, stop, choose)
