"""Turns a model into a bundle: graph, comparison with the model, thresholds, proofs.

Imports `calibration`, the root of `takt_export`, `takt_models` and the service's lower rooms.
Start reading at `export_bundle.py`; `source.py` says what a model must offer.
"""
