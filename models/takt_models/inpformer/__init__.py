"""INP-Former (Luo et al., arXiv 2503.02424), which compares a picture with its own normal parts.

Imports `takt_models/detector.py`, `takt_models/input_size.py` and `takt_models/dinov2/`. Start
reading at `detector.py`, whose methods follow the paper; `inp.py` has the prototypes, `weights.py`
reads the state dicts of the public code bases.
"""
