"""The instruments that `/metrics` shows, and how those of several processes become one server's.

Imports what `observing` may. Start reading at `metrics.py`, which has the instruments of a picture;
the others have those of their own subject, and `merging.py` adds up what the workers have.
"""
