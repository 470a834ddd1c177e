"""PatchCore as anomalib has it: one bank for the joined features of several layers.

Imports `takt_models/detector.py`; the backbone is timm's. Start reading at `detector.py`;
`backbone.py` has the features, `bank.py` the nearest vectors and the score, `smoothing.py` the map.
"""
