"""Pictures and answers as tensors of the Open Inference Protocol, which Takt and Triton speak.

Imports `domain`. Start reading at `protocol.py`, which names the tensors; `triton.py` is how Triton's
configuration of a bundle has them.
"""
