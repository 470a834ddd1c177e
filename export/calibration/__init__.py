"""Finds thresholds, and what speaks against a model before it is served.

Imports the root of `export`, `export.synthetic`, `families`, `models.checkpoints` and
`models.dinov2`. Start reading at `thresholds.py`, or at `self_test.py`.
"""
