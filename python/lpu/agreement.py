"""How closely a binary on the executor agrees with onnxruntime, on the same ONNX model and on its fp32 weights.

usage: python -m lpu.agreement [--model M.lpu --onnx M.onnx --fp32 F.onnx] [-o agreement.json] [--quick]
"""

import argparse
import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from lpu.generation import Conversation
from lpu.models.download import file_hash
from lpu.progress import Progress
from lpu.session import ExecutorSession, OnnxSession, Session
from lpu.tokenizer import Tokenizer

PROMPTS = ["What is the capital of France?", "Write a haiku about rivers.",
           "Explain in one sentence why the sky is blue."]
TOKENS = 32  # of each answer
TEXT = Path("/usr/share/common-licenses/GPL-3")
TEXT_TOKENS = 400
QUICK = (1, 8, 0)  # prompts, tokens of each, tokens of the text

# Two tokens whose logits lie closer in the reference may change places.
TIE = 1e-3
COSINE_QUANTIZED, COSINE_FP32, PERPLEXITY = 0.9999, 0.99, 0.01
# A difference beyond fp32 puts some keys and values on the other side of a rounding limit of int8 caches.
COSINE_INT8_CACHES = 0.998


def cosine(x: np.ndarray, y: np.ndarray) -> float:
    """Of mean-centred logits: a constant that is added to all of them means nothing."""
    x, y = x.astype(np.float64) - x.mean(dtype=np.float64), y.astype(np.float64) - y.mean(dtype=np.float64)
    return float(x @ y / np.sqrt((x @ x) * (y @ y)))


def log_softmax(logits: np.ndarray) -> np.ndarray:
    logits = logits.astype(np.float64) - logits.max()
    return logits - np.log(np.exp(logits).sum())


def divergence(reference: np.ndarray, other: np.ndarray) -> float:
    """Kullback-Leibler, in nats."""
    p, q = log_softmax(reference), log_softmax(other)
    return float(np.exp(p) @ (p - q))


def same_token(reference: np.ndarray, other: np.ndarray) -> bool:
    first, second = np.partition(reference, -2)[[-1, -2]]
    return bool(reference.argmax() == other.argmax() or first - second < TIE)


@dataclass
class Agreement:
    """Sums over steps; `executor` against `quantized`, the same ONNX model, and `fp32`."""

    tokens: int = 0
    tokens_equal: int = 0
    cosine_min_quantized: float = 1
    cosine_min_fp32: float = 1
    kl_max_quantized: float = 0
    answers: list[list[int]] = field(default_factory=list)

    def add(self, executor: np.ndarray, quantized: np.ndarray, fp32: np.ndarray) -> None:
        self.tokens += 1
        self.tokens_equal += same_token(quantized, executor)
        self.cosine_min_quantized = min(self.cosine_min_quantized, cosine(executor, quantized))
        self.cosine_min_fp32 = min(self.cosine_min_fp32, cosine(executor, fp32))
        self.kl_max_quantized = max(self.kl_max_quantized, divergence(quantized, executor))


Sessions = dict[str, Session]  # executor, quantized, fp32


def compare_answers(sessions: Sessions, prompts: list[list[int]], count: int,
                    on_tokens: Callable[[int], None] = lambda count: None) -> Agreement:
    """`count` tokens after each prompt, past any end of text; all get the tokens that `quantized` chooses.

    `on_tokens` hears how many tokens the executor was fed.
    """
    agreement = Agreement()
    for prompt in prompts:
        conversations = {name: Conversation(session) for name, session in sessions.items()}
        conversations["executor"] = Conversation(sessions["executor"], lambda step: on_tokens(step.count))
        tokens = list(prompt)
        for _ in range(count):
            logits = {name: conversation.logits_after(tokens) for name, conversation in conversations.items()}
            agreement.add(**logits)
            tokens.append(int(logits["quantized"].argmax()))
        agreement.answers.append(tokens[len(prompt):])
    return agreement


def perplexity(session: Session, tokens: list[int], on_tokens: Callable[[int], None] = lambda count: None) -> float:
    """Of each token given those before it."""
    conversation, total = Conversation(session), 0.0
    for length in range(1, len(tokens)):
        total -= log_softmax(conversation.logits_after(tokens[:length]))[tokens[length]]
        on_tokens(1)
    return float(np.exp(total / (len(tokens) - 1)))


def find_failures(result: dict) -> list[str]:
    """What of a result is out of its limits, a line each."""
    failures = []
    if result["tokens_equal"] != result["tokens"]:
        failures.append(f"tokens_equal: expected {result['tokens']}, got {result['tokens_equal']}")
    has_int8 = result.get("caches") == "int8"
    least_quantized = COSINE_INT8_CACHES if has_int8 else COSINE_QUANTIZED
    for name, least in (("cosine_min_quantized", least_quantized), ("cosine_min_fp32", COSINE_FP32)):
        if not result[name] >= least:
            failures.append(f"{name}: expected at least {least}, got {result[name]:.6f}")
    # Caches in int8 saturate where onnxruntime's do: the count is in the result.
    if result["saturations"] and not has_int8:
        failures.append(f"saturations: expected 0, got {result['saturations']} in {', '.join(result['saturated'])}")
    if result["perplexity"] is not None and not abs(result["perplexity"] / result["perplexity_fp32"] - 1) <= PERPLEXITY:
        failures.append(f"perplexity: expected {result['perplexity_fp32']:.3f} within {PERPLEXITY:.0%}, "
                        f"got {result['perplexity']:.3f}")
    return failures


def _counter(progress: Progress, total: int) -> Callable[[int], None]:
    done = 0

    def count(tokens: int) -> None:
        nonlocal done
        done += tokens
        progress.update(done / total, f"{done} of {total} tokens")

    return count


def measure(sessions: Sessions, tokenizer: Tokenizer, quick: bool, text: Path = TEXT) -> dict:
    """The fields of agreement.json. The perplexities are None where `quick`, or where there is no such text."""
    prompts, count, text_tokens = QUICK if quick else (len(PROMPTS), TOKENS, TEXT_TOKENS)
    texts = tokenizer.encode(text.read_text())[:text_tokens] if text_tokens and text.exists() else []
    encoded = [tokenizer.encode_chat([{"role": "user", "content": prompt}]) for prompt in PROMPTS[:prompts]]
    with Progress("compare with onnxruntime") as progress:
        total = sum(map(len, encoded)) + prompts * (count - 1)
        agreement = compare_answers(sessions, encoded, count, _counter(progress, total))
    result = {"prompts": PROMPTS[:prompts], "tokens": agreement.tokens, "tokens_equal": agreement.tokens_equal,
              "cosine_min_quantized": agreement.cosine_min_quantized, "cosine_min_fp32": agreement.cosine_min_fp32,
              "kl_max_quantized": agreement.kl_max_quantized,
              "perplexity": None, "perplexity_fp32": None, "perplexity_quantized": None,
              "perplexity_tokens": len(texts)}
    if texts:
        with Progress("perplexity") as progress:
            count = _counter(progress, len(sessions) * (len(texts) - 1))
            for name, key in (("executor", "perplexity"), ("quantized", "perplexity_quantized"),
                              ("fp32", "perplexity_fp32")):
                result[key] = perplexity(sessions[name], texts, count)
    result["caches"] = sessions["quantized"].cache_type
    result["saturations"] = sessions["executor"].saturations.total()
    result["saturated"] = dict(sessions["executor"].saturations)
    result["answers"] = [tokenizer.decode(answer) for answer in agreement.answers]
    return result


def open_sessions(model: Path, onnx: Path, fp32: Path) -> Sessions:
    """onnxruntime without its optimiser: the reference computes what the file says, no more."""
    return {"executor": ExecutorSession(model), "quantized": OnnxSession(onnx, optimise=False),
            "fp32": OnnxSession(fp32, optimise=False)}


def export_fp32(checkpoint: Path, onnx: Path, path: Path) -> None:
    """The checkpoint with its own weights, for contexts as long as those of the model `onnx`."""
    from lpu.models.checkpoint import read_gguf
    from lpu.models.llama import export_llama

    with Progress(f"export {path}"):
        export_llama(read_gguf(checkpoint), path, OnnxSession(onnx, optimise=False).max_seq, int8_weights=False)


def summarize(result: dict) -> str:
    lines = [f"tokens equal {result['tokens_equal']} of {result['tokens']}, "
             f"cosine at least {result['cosine_min_quantized']:.7f}, KL at most {result['kl_max_quantized']:.2e}; "
             f"against fp32 weights cosine at least {result['cosine_min_fp32']:.4f}"]
    if result["perplexity"] is not None:
        lines.append(f"perplexity of {result['perplexity_tokens']} tokens {result['perplexity']:.3f}, onnxruntime "
                     f"{result['perplexity_quantized']:.3f}, with fp32 weights {result['perplexity_fp32']:.3f}")
    return "\n".join(lines)


def write_json(path: Path, value: dict) -> None:
    part = path.with_name(path.name + ".part")
    part.write_text(json.dumps(value, indent=2) + "\n")
    os.replace(part, path)


def write_result(path: Path, result: dict, model: Path) -> dict:
    """Says, too, which binary it is about."""
    result = {**result, "model_sha256": file_hash(model)}
    write_json(path, result)
    return result


def run(arguments: list[str] | None) -> int:
    demo = Path("build/demo")
    parser = argparse.ArgumentParser(prog="lpu.agreement", description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, default=demo / "model.lpu", help="the binary (default: the demo's)")
    parser.add_argument("--onnx", type=Path, default=demo / "model.onnx", help="what it was compiled from")
    parser.add_argument("--fp32", type=Path, default=demo / "model.fp32.onnx",
                        help="the same model with fp32 weights; exported from the checkpoint where there is none")
    parser.add_argument("--checkpoint", type=Path, help="the GGUF file; without it the demo's is downloaded")
    parser.add_argument("--downloads", type=Path, default=Path("build/downloads"), help="where downloads are kept")
    parser.add_argument("--text", type=Path, default=TEXT, help="for the perplexity")
    parser.add_argument("-o", "--output", type=Path, default=demo / "agreement.json")
    parser.add_argument("--quick", action="store_true", help="a few tokens of one prompt")
    options = parser.parse_args(arguments)
    from lpu.models.checkpoint import read_metadata
    from lpu.models.download import DownloadError, fetch_checkpoint

    try:
        for path in (options.model, options.onnx):
            if not path.exists():
                raise FileNotFoundError(f"{path}: no such file; tools/demo.sh makes the demo's")
        checkpoint = options.checkpoint or fetch_checkpoint(options.downloads)
        if not options.fp32.exists():
            export_fp32(checkpoint, options.onnx, options.fp32)
        sessions = open_sessions(options.model, options.onnx, options.fp32)
        result = measure(sessions, Tokenizer(read_metadata(checkpoint)), options.quick, options.text)
        write_result(options.output, result, options.model)
    except (ValueError, OSError, RuntimeError, DownloadError) as error:
        print(f"lpu.agreement: {error}", file=sys.stderr)
        return 1
    print(summarize(result))
    failures = find_failures(result)
    for failure in failures:
        print(f"lpu.agreement: {failure}", file=sys.stderr)
    return 1 if failures else 0


def main(arguments: list[str] | None = None) -> int:
    try:
        return run(arguments)
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
