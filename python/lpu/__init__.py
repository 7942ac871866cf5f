"""Python side of the LPU compiler.

lpu.models     checkpoints and their ONNX graphs
lpu.export     writes a checkpoint, or a small random model, as ONNX
lpu.quantize   int8 weights, one scale per output channel
lpu.session    what runs a model: the interface, and onnxruntime behind it
lpu.tokenizer  tokenizer and chat template of a checkpoint
lpu.generate   prefill in chunks and greedy decoding over any session
lpu.chat       a conversation on the command line
"""

__version__ = "0.1.0"
