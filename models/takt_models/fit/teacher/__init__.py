"""The distillation of EfficientAD's teacher.

Imports the detector and the shared modules of `takt_models/fit`. Start reading at `fit.py`;
`examples.py` makes the pictures and their targets.
"""
