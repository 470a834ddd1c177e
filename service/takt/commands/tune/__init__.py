"""`takt tune`: finds the engine, and the number of its instances, that is fastest on this host.

May import the root of `takt`, `bundles`, `batching`, `engines`, and the options of `repository`.
Start reading at `run.py`: it measures the `candidates.py` in turns; `choice.py` picks the best.
"""
