"""The fit of EfficientAD on good pictures.

Imports the detector, its statistics and the shared modules of `takt_models/fit`. Start reading at
`fit.py`.
"""
