"""A bundle as a Python model of Triton: the same journey of a picture, in a process of Triton.

Imports what the modules of `takt/api/oip` share. Start reading at `model.py`, which Triton
calls; `request.py` reads what it is given, and `graph.py` asks a graph that Triton runs.
"""
