"""Streams of frames: their order, which are dropped, votes over several, resuming, and watching.

Knows no transport and no model; imports `domain` and `errors` alone. Start reading at `session.py`,
one stream; `frames.py` is what goes over the wire.
"""
