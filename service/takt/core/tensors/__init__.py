"""Pictures and answers as tensors of the Open Inference Protocol, which Takt and Triton speak.

Imports `domain`. Start reading at `protocol.py`, which names the tensors; `triton.py` is what a
configuration of Triton adds.
"""
