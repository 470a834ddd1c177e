"""Metrics, logs and traces; whatever happens here changes no answer.

Imports `core`, `declaration`, `digits` and `peers`. Start reading at `journal.py`, where each
picture's outcome arrives; `instruments/` has what is counted, and `tracing/` the spans.
"""
