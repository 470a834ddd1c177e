"""Bytes in, verdict and heatmap out; every step of a picture but the engine.

Imports `bundles`, `domain` and `errors`. Start reading at `prepare.py`, then `postprocess.py` and
`heatmap.py`; `formats/` reads the headers of files.
"""
