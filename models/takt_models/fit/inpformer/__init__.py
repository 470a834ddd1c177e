"""The fit of INP-Former on good pictures, with its frozen encoders.

Imports the detector, the readers of `takt_models/checkpoints` and the shared modules of
`takt_models/fit`. Start reading at `fit.py`.
"""
