"""How stations fare, as they say themselves, and what is wanted of them.

A station is a process beside a line (`plugins/station`), which asks this server about parts.
Imports `core` and `peers`. Start reading at `board.py`.
"""
