"""The instruments of all processes of a server as those of one.

Imports `metrics` and `journal` beside it, and `peers`. Start reading at `host_metrics.py`.
"""
