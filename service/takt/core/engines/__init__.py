"""Engines run the graph of a bundle.

Imports `batching`, `bundles`, `distribution`, `domain`, `errors`, `host` and `pictures`. Start
reading at `base.py`, the contract of an engine; `opener.py` opens the engine that `plan.py`
chooses.
"""
