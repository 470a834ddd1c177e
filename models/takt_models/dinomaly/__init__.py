"""Dinomaly (Guo et al., arXiv 2405.14325), which rebuilds a DINOv2's tokens, and defects badly.

Imports `takt_models/detector.py` and `takt_models/dinov2/`. Start reading at `detector.py`, whose
methods follow the paper; `decoder.py` has the linear attention, `weights.py` reads the state dicts
of the public code bases.
"""
