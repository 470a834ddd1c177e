"""Engines run the graph of a bundle.

May import `settings`, `bundles`, and the modules below them. Start reading at `base.py`, the
contract of an engine; `opener.py` opens the engine that `plan.py` chooses.
"""
