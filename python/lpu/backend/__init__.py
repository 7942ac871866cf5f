"""The compiler as a backend of ONNX's own tests: an onnx.backend.base.Backend.

    prepared = lpu.backend.prepare(model, "TSP1")
    outputs = prepared.run([x, y])

Devices: TSP1 compiles to a binary and runs it on the executor; HOST runs the tensor level on this machine
(docs/Host.md). `python -m lpu.backend` runs the test suites of the onnx package (docs/BackendTests.md has the result).
"""

from lpu.backend.base import Backend, CrashError, InternalError, Unsupported

is_compatible = Backend.is_compatible
prepare = Backend.prepare
run_model = Backend.run_model
run_node = Backend.run_node
supports_device = Backend.supports_device

__all__ = ["Backend", "CrashError", "InternalError", "Unsupported", "is_compatible", "prepare", "run_model",
           "run_node", "supports_device"]
