"""DINOv2 as a frozen encoder, and what the detectors that compare its tokens have in common.

Imports `takt_models/input_size.py` alone. Start reading at `encoder.py`; `maps.py` makes an anomaly
map of tokens, `foreign.py` reads the state dicts of the public code bases, `settings.py` has the
terms.
"""
