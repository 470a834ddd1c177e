"""Watching the model: has the camera or the light changed, or are there more defects?

Imports `core` alone, and computes with numbers only: facts of pictures come in, alarms come out.
Start reading at `causes.py`, the watch of one station and model; `evidence.py` has the tests behind
it, `promise.py` those of a model's false-reject rate, and `ecod.py` how odd a single picture is.
"""
