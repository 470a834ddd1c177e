"""The `.ckpt` files of anomalib, whatever the release that wrote them.

Imports the rest of `takt_models/checkpoints` and the detectors. Start reading at `file.py`, which
has what all models share; each model has a module of its own.
"""
