"""REST: pictures, versions, thresholds, health and metrics, under `/v1` and `/health`.

Imports what the modules of `takt/api` share, and nothing of the other protocols. Start reading
at `inspect.py`.
"""
