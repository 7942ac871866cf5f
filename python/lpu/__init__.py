"""Python side of the LPU compiler.

lpu.export     ONNX files of llama-like checkpoints, and of small random ones
lpu.tokenizer  tokenizer and chat template of a checkpoint
lpu.runner     what runs a model: the interface, and onnxruntime behind it
lpu.generate   prefill in chunks and greedy decoding over any runner
lpu.chat       a conversation on the command line
lpu.quantize   independent int8 quantisation, for tests
lpu.agreement  comparison of a runner with onnxruntime
"""

__version__ = "0.1.0"
