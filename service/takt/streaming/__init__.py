"""Streams of frames: their order, which are dropped, votes over several, resuming, and watching.

Imports `core`, `declaration` and `peers`. It knows no transport and no model. Start reading at
`session.py`, one stream; `frames.py` is what goes over the wire.
"""
