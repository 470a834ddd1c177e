"""Finds thresholds: which pictures count, conformal prediction, and rules that weigh costs.

Imports the root of `export` and `models.checkpoints`.
Start reading at `conformal.py`.
"""
