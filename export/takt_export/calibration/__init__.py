"""Finds thresholds, and what speaks against a model before it is served.

Imports the root of `takt_export`, `takt_export.synthetic`, the list of families,
`takt_models.checkpoints` and `takt_models.dinov2`. Start reading at `thresholds.py`, or at
`self_test.py`.
"""
