"""How a Dinomaly's graph is written.

May import every other room of `takt_export`, and `takt_models`. Start reading at
`graph.py`.
"""
