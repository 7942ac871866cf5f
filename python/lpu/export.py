"""Writes a llama-like checkpoint as ONNX: opset 24, static KV cache.

usage: python -m lpu.export [CHECKPOINT.gguf] -o MODEL.onnx [--max-seq N] [--weights int8|fp32]
"""

import argparse
import dataclasses
import sys
import time
from pathlib import Path

from lpu.models.checkpoint import Checkpoint, Config, random_checkpoint, read_gguf

# Sizes of --random where it names no others.
SMALL = Config(hidden=64, intermediate=96, layers=2, heads=4, kv_heads=2, head_size=16, vocabulary=256)


def parse_random(text: str) -> Config:
    """A Config from `NAME=VALUE,NAME=VALUE`; an empty text gives SMALL."""
    changes = {}
    types = {field.name: type(getattr(SMALL, field.name)) for field in dataclasses.fields(Config)}
    for item in filter(None, text.split(",")):
        name, _, value = item.partition("=")
        if name not in types:
            raise ValueError(f"expected one of {', '.join(types)}, got {name}")
        try:
            changes[name] = {"true": True, "false": False}[value] if types[name] is bool else types[name](value)
        except (KeyError, ValueError):
            raise ValueError(f"expected {types[name].__name__} for {name}, got {value!r}") from None
    return dataclasses.replace(SMALL, **changes)


def load(options: argparse.Namespace) -> Checkpoint:
    if options.random is not None:
        return random_checkpoint(parse_random(options.random), options.seed)
    if options.checkpoint:
        return read_gguf(options.checkpoint)
    from lpu.models.download import fetch_checkpoint

    return read_gguf(fetch_checkpoint(options.downloads))


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="lpu.export", description=__doc__.splitlines()[0])
    parser.add_argument("checkpoint", type=Path, nargs="?", help="a GGUF file; without it the demo's is downloaded")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="MODEL.onnx")
    parser.add_argument("--max-seq", type=int, default=1024, help="positions of the KV cache (default 1024)")
    parser.add_argument("--weights", choices=["int8", "fp32"], default="int8",
                        help="int8: one scale per output channel (default)")
    parser.add_argument("--downloads", type=Path, default=Path("build/downloads"), help="where downloads are kept")
    parser.add_argument("--random", metavar="NAME=VALUE,...", help="random weights of these sizes instead")
    parser.add_argument("--seed", type=int, default=0, help="of --random")
    options = parser.parse_args(arguments)
    if options.random is not None and options.checkpoint:
        parser.error("expected a checkpoint or --random, got both")
    start = time.monotonic()
    from lpu.models.download import DownloadError
    from lpu.models.llama import export_llama

    try:
        checkpoint = load(options)
        export_llama(checkpoint, options.output, options.max_seq, options.weights == "int8")
    except (ValueError, OSError, DownloadError) as error:
        print(f"lpu.export: {error}", file=sys.stderr)
        return 1
    size = options.output.with_name(options.output.name + ".data").stat().st_size
    print(f"wrote {options.output}: {checkpoint.config.layers} layers, {size / 1e6:.1f} MB of weights, "
          f"{time.monotonic() - start:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
