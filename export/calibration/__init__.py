"""Finds thresholds, and what speaks against a model before it is served.

Imports the root of `export`, `export.synthetic` and `models.checkpoints`.
Start reading at `thresholds.py`, or at `self_test.py`.
"""
