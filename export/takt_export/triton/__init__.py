"""Writes a bundle into a model repository of NVIDIA's Triton.

Imports `variants`, the root of `takt_export` and the service's lower rooms. Start reading at
`repository.py`; `graph.py` finds what a backend of Triton can run, and `config.py` writes the
configurations.
"""
