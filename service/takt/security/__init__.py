"""Who may ask: known callers, the names that the server answers to, pages that may change things.

Imports `core`, `declaration` and `peers`. The web API asks it before anything else. Start reading
at `guard.py` for callers and at `gate.py` for hosts and pages.
"""
