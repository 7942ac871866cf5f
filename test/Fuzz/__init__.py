"""Random ONNX graphs, compiled and executed, compared with onnxruntime."""
