"""The families of detectors: what is known of each before anything slow is loaded.

Imports `plugins`. Start reading at `every.py`, which has the list and says how another
distribution adds to it; `ours.py` has the families that Takt brings.
"""
