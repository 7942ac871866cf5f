"""A conversation with a model on the command line.

usage: python -m lpu.chat --model MODEL.onnx|MODEL.lpu [--prompt TEXT] [--max-tokens N]
"""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

from lpu.generation import ContextFullError, Conversation
from lpu.session import Session, open_session
from lpu.tokenizer import Tokenizer

INTERRUPTED = 130  # 128 + SIGINT, as shells report it


class Chat:
    """Turns of a user and the model; writes answers as they come."""

    def __init__(self, session: Session, tokenizer: Tokenizer, max_tokens: int, out: TextIO,
                 on_step: Callable[[int, int], None] = lambda done, prompt: None):
        """`on_step(done, prompt)` hears after each run how many tokens are in the cache and how many the prompt has."""
        self._conversation = Conversation(session, lambda step: on_step(step.position + step.count, self._prompt))
        self._prompt = 0
        self._tokenizer = tokenizer
        self._max_tokens = max_tokens
        self._out = out
        self._messages: list[dict[str, str]] = []
        self.generated = 0  # tokens of answers

    def _counted(self, tokens):
        for token in tokens:
            self.generated += 1
            yield token

    def answer(self, prompt: str) -> str:
        """One turn. Errors: ContextFullError, with what was answered so far already written."""
        messages = [*self._messages, {"role": "user", "content": prompt}]
        prompt_tokens = self._tokenizer.encode_chat(messages)
        self._prompt = len(prompt_tokens)
        tokens = self._conversation.generate(prompt_tokens, self._max_tokens, self._tokenizer.end_of_text)
        parts = []
        try:
            for text in self._tokenizer.stream(self._counted(tokens)):
                parts.append(text)
                self._out.write(text)
                self._out.flush()
        finally:
            self._out.write("\n")
            self._out.flush()
        text = "".join(parts)
        self._messages = [*messages, {"role": "assistant", "content": text}]
        return text


def show_prompt(done: int, prompt: int) -> None:
    """For on_step: how far the prompt is, on a terminal, until the answer starts."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\rprompt: {done} of {prompt} tokens" if done < prompt else "\r\x1b[K" if done == prompt else "")
        sys.stderr.flush()


def converse(chat: Chat, lines: TextIO, out: TextIO) -> None:
    """Answers line after line until the input ends."""
    while True:
        out.write("> ")
        out.flush()
        line = lines.readline()
        if not line:
            out.write("\n")
            return
        if line.strip():
            chat.answer(line.strip())


def run(arguments: list[str] | None) -> int:
    parser = argparse.ArgumentParser(prog="lpu.chat", description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, required=True, help="MODEL.lpu (on the executor) or MODEL.onnx")
    parser.add_argument("--checkpoint", type=Path, help="the GGUF file with tokenizer and chat template; "
                        "without it the demo's is downloaded")
    parser.add_argument("--downloads", type=Path, default=Path("build/downloads"), help="where downloads are kept")
    parser.add_argument("--prompt", help="answer this and leave; without it, converse")
    parser.add_argument("--max-tokens", type=int, default=256, help="of one answer (default 256)")
    options = parser.parse_args(arguments)
    from lpu.models.download import DownloadError, fetch_checkpoint
    from lpu.models.checkpoint import read_metadata

    try:
        session = open_session(options.model)
        tokenizer = Tokenizer(read_metadata(options.checkpoint or fetch_checkpoint(options.downloads)))
        chat = Chat(session, tokenizer, options.max_tokens, sys.stdout, show_prompt)
        start = time.monotonic()
        if options.prompt is not None:
            chat.answer(options.prompt)
        else:
            converse(chat, sys.stdin, sys.stdout)
        seconds = time.monotonic() - start
        print(f"{chat.generated} tokens, {chat.generated / seconds:.1f} tokens/s", file=sys.stderr)
    # RuntimeError: what the executor found wrong with the program.
    except (ValueError, OSError, RuntimeError, DownloadError, ContextFullError) as error:
        print(f"lpu.chat: {error}", file=sys.stderr)
        return 1
    return 0


def main(arguments: list[str] | None = None) -> int:
    try:
        return run(arguments)
    except KeyboardInterrupt:
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
