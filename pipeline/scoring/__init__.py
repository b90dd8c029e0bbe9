"""From a row to an answer: the ONNX model."""
