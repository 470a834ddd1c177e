"""Adds variants to a bundle: the same model for another engine or in another precision.

Imports `calibration`, the root of `takt_export` and the service's engines.
Start reading at `search.py`, the one path of every variant; each engine's module has its `Maker`.
"""
