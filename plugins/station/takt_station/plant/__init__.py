"""A plant in a box: what stands around a station, made up, for integrators and for tests.

Imports `commands`, `core`, `sources` and, of the station, `cycle`. Start reading at `conveyor.py`;
by `virtual_time.py` hours of a plant pass in seconds.
"""
