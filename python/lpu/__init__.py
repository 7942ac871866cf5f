"""Python side of the LPU compiler.

lpu.models     checkpoints and their ONNX graphs
lpu.export     writes a checkpoint, or a small random model, as ONNX
lpu.quantize   int8 weights, one scale per output channel
lpu.session    what runs a model: the interface, and onnxruntime behind it
"""

__version__ = "0.1.0"
