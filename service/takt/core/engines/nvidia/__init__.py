"""NVIDIA GPUs: memory, streams and libraries that ONNX Runtime's Python interface lacks.

May import what `engines` may. Start reading at `cuda.py`, which runs a session on a GPU.
"""
