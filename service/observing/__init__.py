"""Metrics, logs and traces; whatever happens here changes no answer.

Imports `core`, `declaration`, `digits` and `peers`. Start reading at `journal.py`, where each
picture's outcome arrives; `metrics.py` has every instrument, and `tracing/` the spans.
"""
