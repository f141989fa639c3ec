"""Export a network for other programs, and open what was exported as ONNX."""
