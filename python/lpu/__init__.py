"""Python side of the LPU compiler.

lpu.load       a binary as a Program; its sessions run entries on the executor
lpu.compile    an ONNX model to a Program; lpu.check says what is in the way, lpu.report all
lpu.generate   tokens of a language model, greedily
lpu.models     checkpoints and their ONNX graphs
lpu.export     writes a checkpoint, or a small random model, as ONNX
lpu.quantize   int8 weights, one scale per output channel
lpu.session    what runs a language model: the interface, and what implements it
lpu.tokenizer  tokenizer and chat template of a checkpoint
lpu.generation prefill in chunks and decoding over any session
lpu.chat       a conversation on the command line
"""

import importlib
import pkgutil

__version__ = "0.1.0"

# In a build tree the extension module lies apart from the sources.
__path__ = pkgutil.extend_path(__path__, __name__)

# Loaded at first use: the rest of the package works without the extension.
_LAZY = {name: module for module, names in {
    "lpu.runtime": ("Entry", "HazardError", "Program", "RuntimeSession", "Statistics", "VerificationError", "load"),
    "lpu.compiler": ("CompileError", "check", "compile", "report"),
    "lpu.generation": ("ContextFullError", "generate"),
}.items() for name in names}
__all__ = sorted(_LAZY)


def __getattr__(name: str):
    if name not in _LAZY:
        raise AttributeError(f"module 'lpu' has no attribute {name!r}")
    return getattr(importlib.import_module(_LAZY[name]), name)
