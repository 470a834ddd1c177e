"""The instruments of all processes of a server as those of one.

Imports `metrics`, `journal` and `status` beside it, and `peers`. Start reading at
`host_metrics.py`.
"""
