"""A plant in a box: what stands around a station, made up, for integrators and for tests.

Imports `station.cycle`. Start reading at `virtual_time.py`, by which hours pass in seconds.
"""
