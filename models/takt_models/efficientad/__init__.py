"""EfficientAD (Batzner et al., WACV 2024): settings, networks and measured statistics.

Imports `takt_models/detector.py` and `takt_models/input_size.py`. Start reading at `detector.py`,
which has the networks in the order of the paper.
"""
