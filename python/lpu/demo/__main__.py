"""The demo after the build: checkpoint, ONNX, binary, chat, agreement and figures in build/demo.

usage: python -m lpu.demo [--prompt TEXT] [--max-tokens N]
"""

import argparse
import json
import re
import subprocess
import sys
from pathlib import Path

from lpu import agreement
from lpu.chat import INTERRUPTED, Chat, show_prompt
from lpu.compiler import CompileError, find_tool
from lpu.demo.made import identify, make
from lpu.demo.report import format_report
from lpu.generation import ContextFullError
from lpu.models.download import DownloadError, fetch_checkpoint, file_hash
from lpu.progress import Progress
from lpu.session import ExecutorSession
from lpu.tokenizer import Tokenizer

PROMPT = "What is the capital of France?"
MAX_SEQ = 1024
COMPILE_FLAGS = ["--target=tsp1", "--dim=batch=1", "--calibration",
                 "--entry=prefill:sequence_len=128,nonpad_kv_seqlen:max=128",
                 f"--entry=extend:sequence_len=128,nonpad_kv_seqlen:max={MAX_SEQ}",
                 "--entry=decode256:sequence_len=1,nonpad_kv_seqlen:max=256",
                 f"--entry=decode1024:sequence_len=1,nonpad_kv_seqlen:max={MAX_SEQ}"]
# Shares of lpu-compile's time, measured, up to the start of each stage.
STAGES = {"calibrate": 0.0, "level kernel": 0.42, "place": 0.50, "schedule and verify": 0.55, "write": 0.95}
_STAGE_LINE = re.compile(r"\[ *[\d.]+ s\] ([^,]*)")


class Files:
    """What the demo leaves in its folder."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.onnx, self.lpu, self.fp32 = (folder / name for name in ("model.onnx", "model.lpu", "model.fp32.onnx"))
        self.compiled = folder / "model.stats.json"  # lpu-compile's part of stats.json
        self.stats, self.agreement, self.text = (folder / name for name in ("stats.json", "agreement.json", "text.txt"))


def weights_of(onnx: Path) -> Path:
    return onnx.with_name(onnx.name + ".data")


def source_hash() -> str:
    """Of the modules that make the ONNX file."""
    package = Path(__file__).resolve().parents[1]
    return " ".join(file_hash(package / name) for name in ("models/checkpoint.py", "models/llama.py", "quantize.py"))


def export(checkpoint: Path, onnx: Path, int8_weights: bool) -> None:
    from lpu.models.checkpoint import read_gguf
    from lpu.models.llama import export_llama

    def action() -> None:
        with Progress(f"export {onnx}"):
            export_llama(read_gguf(checkpoint), onnx, MAX_SEQ, int8_weights)

    key = {"checkpoint": identify(checkpoint), "sources": source_hash(), "max_seq": MAX_SEQ, "int8": int8_weights}
    make([onnx, weights_of(onnx)], key, action)


def compile_share(text: str) -> float | None:
    """What is done where lpu-compile says "place", or "schedule and verify: 60 %"."""
    starts = [*STAGES.values(), 1.0]
    for index, stage in enumerate(STAGES):
        if text.startswith(stage):
            percent = re.search(r": (\d+) %$", text)
            return starts[index] + (starts[index + 1] - starts[index]) * (int(percent[1]) / 100 if percent else 0)
    return None


def compile_model(files: Files) -> None:
    tool = find_tool("lpu-compile")

    def action() -> None:
        command = [str(tool), str(files.onnx), *COMPILE_FLAGS, "-o", str(files.lpu), f"--stats={files.compiled}"]
        with Progress(f"compile {files.lpu}") as progress:
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            messages, share = [], None
            for line in process.stderr:
                found = _STAGE_LINE.match(line)
                if not found:
                    messages.append(line)
                    continue
                before, share = share, compile_share(found[1])
                progress.update(share if share != before else None, found[1])
            if process.wait() != 0:
                raise CompileError("".join(messages).strip() or f"lpu-compile ended with {process.returncode}")

    key = {"onnx": [identify(files.onnx), identify(weights_of(files.onnx))], "tool": file_hash(tool), "flags": COMPILE_FLAGS}
    make([files.lpu, files.compiled], key, action)


class Tee:
    """Standard output that is kept, too."""

    def __init__(self):
        self.text = ""

    def write(self, text: str) -> None:
        self.text += text
        sys.stdout.write(text)

    def flush(self) -> None:
        sys.stdout.flush()


def chat(session: ExecutorSession, tokenizer: Tokenizer, prompt: str, max_tokens: int, text: Path) -> None:
    print(f"\n> {prompt}", flush=True)
    out = Tee()
    try:
        Chat(session, tokenizer, max_tokens, out, show_prompt).answer(prompt)
    finally:
        text.write_text(out.text)
    print()


def write_stats(files: Files, session: ExecutorSession) -> dict:
    """What the compiler said, with what the chat did on the executor; a hazard would have ended it."""
    values = json.loads(files.compiled.read_text())
    totals = session.totals.values()
    tokens, seconds = sum(t.tokens for t in totals), sum(t.seconds for t in totals)
    values["run"] = {"runs": {name: t.runs for name, t in session.totals.items()}, "tokens": tokens, "seconds": seconds,
                     "tokens_per_second": tokens / seconds, "hazards": 0,
                     "saturations": session.saturations.total(), "saturated": dict(session.saturations)}
    agreement.write_json(files.stats, values)
    return values


def measure_agreement(files: Files, checkpoint: Path, tokenizer: Tokenizer) -> dict:
    """What agreement.json says of this binary; a quick comparison where it says nothing."""
    try:
        result = json.loads(files.agreement.read_text())
        if result["model_sha256"] == file_hash(files.lpu):
            return result
    except (OSError, ValueError, KeyError):
        pass
    export(checkpoint, files.fp32, int8_weights=False)
    sessions = agreement.open_sessions(files.lpu, files.onnx, files.fp32)
    return agreement.write_result(files.agreement, agreement.measure(sessions, tokenizer, quick=True), files.lpu)


def run(arguments: list[str] | None) -> int:
    parser = argparse.ArgumentParser(prog="demo", description="A language model from its checkpoint to tokens on the executor.")
    parser.add_argument("--prompt", default=PROMPT, help=f"what to ask (default: {PROMPT})")
    parser.add_argument("--max-tokens", type=int, default=256, help="of the answer (default 256)")
    parser.add_argument("--folder", type=Path, default=Path("build/demo"), help=argparse.SUPPRESS)
    parser.add_argument("--downloads", type=Path, default=Path("build/downloads"), help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    from lpu.models.checkpoint import read_metadata

    files = Files(options.folder)
    options.folder.mkdir(parents=True, exist_ok=True)
    try:
        with Progress("checkpoint SmolLM2-135M-Instruct"):
            checkpoint = fetch_checkpoint(options.downloads)
        export(checkpoint, files.onnx, int8_weights=True)
        compile_model(files)
        with Progress("load"):
            tokenizer = Tokenizer(read_metadata(checkpoint))
            session = ExecutorSession(files.lpu)
        chat(session, tokenizer, options.prompt, options.max_tokens, files.text)
        stats = write_stats(files, session)
        result = measure_agreement(files, checkpoint, tokenizer)
    except (ValueError, OSError, RuntimeError, DownloadError, ContextFullError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    lengths = {entry.name: entry.sequence_len for entry in session.entries}
    print(format_report(stats, lengths, session.program.clock_hz, result))
    print(f"left in {files.folder}: {', '.join(path.name for path in (files.onnx, files.lpu, files.stats, files.agreement, files.text))}")
    failures = agreement.find_failures(result)
    for failure in failures:
        print(f"demo: agreement: {failure}", file=sys.stderr)
    return 1 if failures else 0


def main(arguments: list[str] | None = None) -> int:
    try:
        return run(arguments)
    except KeyboardInterrupt:
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
