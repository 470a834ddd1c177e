"""The fit of INP-Former on good pictures, with its frozen encoders.

Imports the detector, the readers of `models/checkpoints` and the shared modules of `models/fit`.
Start reading at `fit.py`.
"""
